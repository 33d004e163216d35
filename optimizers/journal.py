"""What a run has finished, in a file of JSON lines, so that it can go on after any interruption.

The first line says which run it is; each further line is one finished piece of work under its content
key. It knows keys and JSON values only, not what they mean.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections import defaultdict, deque
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from optimizers.candidate import canonical
from tracelib.errors import JournalError

if sys.platform != "win32":
    import fcntl

FORMAT = 1
ALSO = "also"
"""What of the first line is not compared."""


class Journal:
    """Finished work by kind and key; appended and flushed at once, replayed in the order of each key.

    `path` None keeps nothing. An existing file is resumed when its header is equal; JournalError says
    what differs, or which line is damaged. A last line torn by a crash is dropped. `also` is written beside
    the header and not compared: it is what the session said that began the file.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None,
        header: Mapping[str, Any],
        also: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = None if path is None else Path(path)
        self.header = json.loads(canonical({"journal": FORMAT, **header}))
        self.also = dict(also or {})
        self.elapsed = 0.0
        self.replayed = 0
        self._kept: defaultdict[tuple[str, str], deque[Any]] = defaultdict(deque)
        self._lock = threading.Lock()
        self._file = None if self.path is None else self._open(self.path)

    def _open(self, path: Path) -> IO[bytes]:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(path, "a+b")  # noqa: SIM115 - closed by close()
        try:
            self._claim(file)
            self._load(file)
        except BaseException:
            file.close()
            raise
        return file

    def _claim(self, file: IO[bytes]) -> None:
        """One run at a time: two would pay for the same work twice. The claim ends with the process."""
        if sys.platform == "win32":  # no flock there; the user has to look out
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise JournalError(f"{self.path} is in use by a run that has not ended") from error

    def _load(self, file: IO[bytes]) -> None:
        file.seek(0)
        lines = file.read().split(b"\n")
        whole, torn = lines[:-1], lines[-1]
        if torn:
            file.truncate(sum(len(line) + 1 for line in whole))
        if not whole:
            self._write(file, {**self.header, ALSO: self.also} if self.also else self.header)
            return
        found = self._parsed(whole[0], 1)
        self.also = found.pop(ALSO, {})
        self._compare(found)
        for number, line in enumerate(whole[1:], 2):
            self._keep(self._parsed(line, number), number)

    def _parsed(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            entry = json.loads(line)
        except ValueError as error:
            raise JournalError(f"{self.path}, line {number} is not JSON: {line[:80]!r}") from error
        if not isinstance(entry, dict):
            raise JournalError(f"{self.path}, line {number} is not an entry: {line[:80]!r}")
        return entry

    def _compare(self, found: dict[str, Any]) -> None:
        if "journal" not in found:
            raise JournalError(f"{self.path} is not a journal; choose another file, or remove it")
        differences = [
            f"{name}: {_short(found.get(name))} there, {_short(self.header.get(name))} here"
            for name in {**self.header, **found}
            if found.get(name) != self.header.get(name)
        ]
        if differences:
            raise JournalError(
                f"{self.path} belongs to another run ({'; '.join(differences)}); "
                "give each run its own file, or start again with a new one"
            )

    def _keep(self, entry: dict[str, Any], number: int) -> None:
        try:
            self._kept[entry["kind"], entry["key"]].append(entry["value"])
            self.elapsed = max(self.elapsed, entry["at"])
        except KeyError as error:
            raise JournalError(f"{self.path}, line {number} lacks {error}") from error
        self.replayed += 1

    @property
    def resumed(self) -> bool:
        """Whether work of an earlier session was found."""
        return self.replayed > 0

    def take(self, kind: str, key: str) -> Any | None:
        """The next kept value under this key, or None when the work has to be done."""
        with self._lock:
            kept = self._kept.get((kind, key))
            return kept.popleft() if kept else None

    def append(self, kind: str, key: str, value: Any, at: float) -> None:
        """Keep a finished piece of work; `at` is seconds since the run began. Flushed on return."""
        if self._file is None:
            return
        with self._lock:
            self._write(self._file, {"kind": kind, "key": key, "at": round(at, 3), "value": value})

    def _write(self, file: IO[bytes], entry: Mapping[str, Any]) -> None:
        # Keys stay in their order: a prompt made from replayed values must not differ from the first.
        file.write(json.dumps(entry, separators=(",", ":"), allow_nan=False).encode() + b"\n")
        file.flush()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
