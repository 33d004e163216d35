"""How a result reads: as text, as a diff, and as HTML for a notebook."""

from __future__ import annotations

import difflib
import html
import json
from collections.abc import Iterable, Mapping
from typing import Any

from optimizers.evidence.display import shown
from optimizers.results.trials import Trial

SHOWN = 80
"""Characters of a value in the text of a result."""
COLUMNS = ("candidate", "status", "train", "validation", "failed", "reason")


def change_lines(path: str, old: Any, new: Any) -> list[str]:
    """One line for a short change, the changed lines of a text of several."""
    if isinstance(old, str) and isinstance(new, str) and "\n" in old + new:
        lines = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=1)
        return [f"{path}:", *(f"  {line}" for line in list(lines)[2:])]
    return [f"{path}: {shown(old, SHOWN)} -> {shown(new, SHOWN)}"]


def diff_text(changed: Mapping[str, tuple[Any, Any]]) -> str:
    """Every change whole, as a unified diff whose files are the parameters; other values as JSON."""
    lines = [
        line
        for path, (old, new) in changed.items()
        for line in difflib.unified_diff(
            _lines(old), _lines(new), f"{path} (seed)", f"{path} (best)", lineterm=""
        )
    ]
    return "\n".join(lines)


def table(trials: Iterable[Trial]) -> str:
    """The trials as rows of an HTML table, everything in them escaped."""
    head = "".join(f"<th style='text-align:left'>{name}</th>" for name in COLUMNS)
    rows = "".join(map(_row, trials))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _diff(path: str, old: Any, new: Any) -> Iterable[str]:
    before, after = f"{path} (seed)", f"{path} (best)"
    return difflib.unified_diff(_lines(old), _lines(new), before, after, lineterm="")


def _lines(value: Any) -> list[str]:
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return text.split("\n")


def _row(trial: Trial) -> str:
    reason = trial.problem or trial.reason
    cells = [trial.id or "-", trial.status, number(trial.train), number(trial.validation), str(trial.failed)]
    return "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in [*cells, reason[:200]]) + "</tr>"


def number(score: float | None) -> str:
    """A score to four digits, empty where there is none."""
    return "" if score is None else f"{score:.4f}"
