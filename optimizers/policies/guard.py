"""What a proposal may not do although the parameters would take it: small objects that name the problem."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from optimizers.effects import Propose


@runtime_checkable
class Guard(Protocol):
    """Looks at one new value, by the path of its parameter; gives what is wrong with it, or None.

    The old value is `request.candidate.values[path]`.
    """

    def problem(self, path: str, value: Any, request: Propose) -> str | None: ...
