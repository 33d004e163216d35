"""What one step did: the values that changed and why, or the proposal that could not be used."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from optimizers.candidate import Proposal
from optimizers.evidence.display import shown
from optimizers.evidence.naming import value_of
from tracelib.errors import OptimizerError
from tracelib.graph.tracing import Update

SHOWN = 200
"""Characters of a value in the text of a step."""


@dataclass(frozen=True)
class Step:
    """The outcome of one step.

    `updates` are the changes made, by variable; `reason` is why they were made, or why nothing
    changed. `rejected` is the proposal that could not be used, with its problem and the raw reply.
    `unreached` says of each variable that no feedback reached why not; nothing was asked about these.
    """

    updates: tuple[tuple[str, Update], ...]
    reason: str
    proposal: Proposal
    rejected: Proposal | None = None
    unreached: Mapping[str, str] = field(default_factory=dict)

    @property
    def changed(self) -> dict[str, tuple[Any, Any]]:
        """The old and the new value of each variable that changed."""
        return {name: (update.old, update.new) for name, update in self.updates}

    def undo(self) -> None:
        """Give every changed parameter its old value back.

        Raises OptimizerError, and changes nothing, when one of them no longer holds what this step
        gave it: then a later change would be lost.
        """
        for name, update in self.updates:
            if value_of(update.parameter) is not update.new:
                raise OptimizerError(
                    f"{name} no longer holds what this step gave it: it was undone or changed since. "
                    "Undo later steps first, the last one first."
                )
        for _, update in reversed(self.updates):
            update.parameter.restore(update.old, because=f"undone: {update.because}", by=update.by)

    def __str__(self) -> str:
        unreached = [f"no feedback reached {name}: {reason}" for name, reason in self.unreached.items()]
        return "\n".join([*self._outcome(), *unreached])

    def _outcome(self) -> list[str]:
        if not self.updates:
            return [f"nothing changed: {self.reason}"]
        several = "s" if len(self.updates) > 1 else ""
        lines = [f"{len(self.updates)} variable{several} changed", *map(_change_text, self.updates)]
        return [*lines, f"because: {self.reason}"] if self.reason else lines


def _change_text(change: tuple[str, Update]) -> str:
    name, update = change
    old, new = update.old, update.new
    if isinstance(old, str) and isinstance(new, str) and "\n" in old + new:
        lines = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=1)
        return f"{name}:\n" + "\n".join(f"  {line}" for line in list(lines)[2:])
    return f"{name}: {shown(old, SHOWN)} -> {shown(new, SHOWN)}"
