"""What a proposal may not do although the parameters would take it: small objects that name the problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from optimizers.candidate import Proposal
from optimizers.effects import Propose


@runtime_checkable
class Guard(Protocol):
    """Looks at one new value, by the path of its parameter; gives what is wrong with it, or None.

    The old value is `request.candidate.values[path]`.
    """

    def problem(self, path: str, value: Any, request: Propose) -> str | None: ...


def guarded(guards: Sequence[Guard], proposal: Proposal, request: Propose) -> Proposal:
    """The proposal, with what the guards found wrong with the values that it changes."""
    if proposal.problem is not None:
        return proposal
    found = (
        guard.problem(path, value, request)
        for path, value in proposal.values.items()
        if value != request.candidate.values.get(path)
        for guard in guards
    )
    return replace(proposal, problem="\n".join(one for one in found if one is not None) or None)
