"""What a reply costs, by the user's own table of prices; an unknown price gives None, never 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tracelib.errors import ModelError
from tracelib.llm.reply import Usage

MILLION = 1_000_000


@dataclass(frozen=True)
class Price:
    """Dollars per million tokens. Cached and cache-written tokens cost as `input` unless said otherwise."""

    input: float
    output: float
    cached: float | None = None
    cache_write: float | None = None

    def of(self, usage: Usage) -> float | None:
        """Dollars for this usage; None when the number of tokens is unknown."""
        if usage.prompt_tokens is None or usage.completion_tokens is None:
            return None
        cached, written = usage.cached_tokens or 0, usage.cache_write_tokens or 0
        fresh = usage.prompt_tokens - cached - written
        dollars = fresh * self.input + usage.completion_tokens * self.output
        dollars += cached * (self.input if self.cached is None else self.cached)
        dollars += written * (self.input if self.cache_write is None else self.cache_write)
        return dollars / MILLION


Prices = Mapping[str, Price | Mapping[str, float]]


def as_prices(table: Prices | None) -> dict[str, Price]:
    """The table with each entry a Price. Raises ModelError at an entry without `input` or `output`.

    >>> as_prices({"gpt-4o-mini": {"input": 0.15, "output": 0.6}})
    {'gpt-4o-mini': Price(input=0.15, output=0.6, cached=None, cache_write=None)}
    """
    return {name: as_price(name, price) for name, price in (table or {}).items()}


def as_price(name: str, price: Price | Mapping[str, float]) -> Price:
    """One entry of a table of prices."""
    if isinstance(price, Price):
        return price
    try:
        return Price(**price)
    except TypeError as error:
        raise ModelError(
            f"the price of {name!r} is {price!r}: say dollars per million tokens, "
            "as {'input': 0.15, 'output': 0.6} (and 'cached', 'cache_write' if they differ)"
        ) from error
