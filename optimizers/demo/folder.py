"""The output folder: what the demonstration writes, and that nothing of the user's is overwritten."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tracelib.errors import StateError


@dataclass(frozen=True)
class Folder:
    """The files of one run, in a folder of their own; nothing is written anywhere else."""

    path: Path

    @property
    def journal(self) -> Path:
        """What the search has finished, so that it can go on after an interruption."""
        return self.path / "journal.jsonl"

    @property
    def result(self) -> Path:
        """The numbers, as JSON; there once a run has ended."""
        return self.path / "result.json"

    @property
    def agent(self) -> Path:
        """The parameters that were learned, as JSON."""
        return self.path / "agent.json"

    @property
    def graph(self) -> Path:
        """The picture of one question."""
        return self.path / "graph.svg"

    @property
    def set_aside(self) -> Path:
        """The journal of an interrupted run that was not resumed."""
        return self.path / "journal.previous.jsonl"

    @property
    def interrupted(self) -> bool:
        """Whether a run began here and did not end."""
        return self.journal.exists() and not self.result.exists()

    def prepare(self, resume: bool) -> str | None:
        """Make the folder ready; says what became of an earlier run there, if it was set aside.

        Raises StateError when it cannot be written to, when there is nothing to resume, and when it
        holds files of these names that no run of ours has made.
        """
        self._check_owner()
        if resume and not self.journal.exists():
            raise StateError(f"there is nothing to resume in {self.path}: {self.journal.name} is missing")
        self._check_writable()
        return None if resume else self._clear()

    def save(self, result: Mapping[str, Any]) -> None:
        """Write the numbers; the run counts as ended from then on."""
        text = json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False)
        self.result.write_text(text + "\n", encoding="utf-8")

    def _check_owner(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise StateError(f"{self.path} is a file: name a folder for the results with --out")
        if self.journal.exists():
            return
        foreign = [file.name for file in (self.result, self.agent, self.graph) if file.exists()]
        if foreign:
            raise StateError(
                f"{self.path} holds {', '.join(foreign)} of something else, which would be overwritten: "
                "name another folder with --out"
            )

    def _check_writable(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path):
                pass
        except OSError as error:
            raise StateError(
                f"{self.path} cannot be written to ({error.strerror}): name another folder with --out"
            ) from error

    def _clear(self) -> str | None:
        """Remove the files of an ended run; an interrupted one may hold answers that were paid for."""
        if self.interrupted:
            self.journal.replace(self.set_aside)
            return (
                f"An interrupted run was there; it is kept as {self.set_aside.name} "
                "(--resume would have gone on with it)."
            )
        for file in (self.journal, self.result, self.agent, self.graph):
            file.unlink(missing_ok=True)
        return None
