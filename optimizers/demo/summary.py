"""The words of the demonstration's beginning and end. Knows numbers, not how they were made."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from textwrap import indent
from typing import Any

from optimizers.demo.finding import Finding, Sample
from optimizers.demo.folder import Folder
from optimizers.evaluating.interval import Interval
from optimizers.evidence.display import shown
from optimizers.result import Result
from optimizers.results.trials import Comparison


def scores_text(scores: Comparison) -> str:
    """Before, after and the paired gain, with their intervals."""
    rows = [("before training", scores.before), ("after training", scores.after), ("difference", scores.gain)]
    return "\n".join(f"  {name:15}  {interval_text(found)}" for name, found in rows if found is not None)


def interval_text(found: Interval) -> str:
    """The mean, and the interval in brackets."""
    return f"{found.mean:6.3f}   [{found.low:.3f}, {found.high:.3f}]"


def learned_text(result: Result) -> str:
    """The old and the new value of each parameter that changed; then new code, whole."""
    rows = [(path, value_text(old), value_text(new)) for path, (old, new) in result.changed.items()]
    width = max(len(path) for path, _, _ in rows)
    table = [f"  {path:{width}}  {old} -> {new}" for path, old, new in rows]
    code = [indent(new.strip(), "    ") for _, new in result.changed.values() if is_code(new)]
    return "\n".join([*table, *code])


def is_code(value: Any) -> bool:
    """Whether a value is the source of a function; every other one of the librarian's is short."""
    return isinstance(value, str) and "\n" in value


def value_text(value: Any) -> str:
    """A value on one line, numbers to three digits; code by its size."""
    if isinstance(value, float):
        return f"{value:.3g}"
    if is_code(value):
        return f"{len(value.strip().splitlines())} lines of code"
    return str(shown(value, 60))


def sample_text(sample: Sample) -> str:
    return f"  {sample.sentence}\n  before: {sample.before}   after: {sample.after}   right: {sample.right}"


def spent_text(finding: Finding) -> str:
    """Whether a model was used, what it cost and how long everything took."""
    spent, seconds = finding.result.spent, f"{finding.seconds:.1f} s in all"
    if finding.settings.model is None:
        return f"No language model was used; {spent.rollouts:,} questions were answered, {seconds}."
    tokens = "an unknown number of tokens" if spent.tokens is None else f"{spent.tokens:,} tokens"
    dollars = "" if spent.dollars is None else f", ${spent.dollars:.4f}"
    return f"{finding.settings.model} was asked {spent.calls} times ({tokens}{dollars}), {seconds}."


def go_on_text() -> str:
    """The two lines that do the same with a model."""
    return (
        "  export OPENAI_API_KEY=...   # or OPENAI_BASE_URL=http://localhost:11434/v1 for a local server\n"
        "  tracelib demo --model gpt-4o-mini --code"
    )


def interruption_text(folder: Folder, options: list[str]) -> str:
    """What is kept of an interrupted run, and the command that goes on with it."""
    if not folder.journal.exists():
        return "\nInterrupted before training began; nothing is kept."
    command = shlex.join(["tracelib", "demo", *options, "--resume"])
    return f"\nInterrupted. What had ended is kept in {place(folder.journal)}; go on with:\n  {command}"


def place(path: Path) -> str:
    """A path as the user would write it: relative ones begin with ./"""
    return str(path) if path.is_absolute() else os.path.join(".", path)


def files_text(folder: Folder) -> str:
    """Where the results are, and what they hold."""
    files = {
        place(folder.graph): "the recorded graph of that question",
        place(folder.agent): "the learned parameters",
        place(folder.result): "these numbers and every candidate",
    }
    width = max(map(len, files))
    return "\n".join(f"  {path:{width}}   {content}" for path, content in files.items())
