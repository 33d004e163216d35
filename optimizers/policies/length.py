"""A guard against values that grow: a bound in characters, in tokens, or by how much a proposal may add."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from optimizers.effects import Propose
from optimizers.proposers.tokens import token_bound
from tracelib.errors import OptimizerError


@dataclass(frozen=True)
class Length:
    """Refuses values longer than allowed; a text counts as it is, anything else as its JSON.

    `growth` 1.5 lets a value become half as long again as it was in the candidate that is changed; one below
    `short` characters may always become that long. Tokens are counted by `count`: as a bound, the bytes of
    UTF-8, unless you give your model's own counter. A value that is too long already may become shorter.
    """

    max_characters: int | None = None
    max_tokens: int | None = None
    growth: float | None = None
    short: int = 400
    count: Callable[[str], int] = token_bound

    def __post_init__(self) -> None:
        if self.max_characters is None and self.max_tokens is None and self.growth is None:
            raise OptimizerError(
                "a Length that bounds nothing: give it max_characters=, max_tokens= or growth="
            )

    def problem(self, path: str, value: Any, request: Propose) -> str | None:
        """Which bound the new value exceeds, with both numbers."""
        new, old = _text(value), _text(request.candidate.values.get(path, ""))
        bounds = [
            (len, self.max_characters, "characters"),
            (self.count, self.max_tokens, "tokens"),
            (len, self._grown(len(old)), f"characters, since the present one has {len(old):,}"),
        ]
        for measure, most, unit in bounds:
            if most is not None and most < measure(new) and measure(old) <= measure(new):
                return f"{path} is too long: {measure(new):,} of at most {most:,} {unit}; make it shorter"
        return None

    def _grown(self, length: int) -> int | None:
        return None if self.growth is None else max(self.short, int(length * self.growth))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
