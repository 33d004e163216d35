"""What a reply costs and whose price that is; an unknown price gives None, never 0."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from tracelib.errors import ModelError
from tracelib.late import resolver
from tracelib.llm.reply import Reply, Usage

if TYPE_CHECKING:
    from tracelib.llm.guard import Question

MILLION = 1_000_000

# Bound late: the list of known prices takes half a second to load, and comes with an extra.
LATE = {"known_cost": "tracelib.llm.known:known_cost"}
_late = resolver(LATE)

GIVEN, TABLE = "the endpoint", "prices="
"""Sources of a price, beside the list of known ones."""


@dataclass(frozen=True)
class Price:
    """Dollars per million tokens. Cached and cache-written tokens cost as `input` unless said otherwise.

    Raises ModelError for what is no number of dollars.
    """

    input: float
    output: float
    cached: float | None = None
    cache_write: float | None = None

    def __post_init__(self) -> None:
        for name, dollars in vars(self).items():
            unsaid = dollars is None and name not in ("input", "output")
            if not unsaid and not (isinstance(dollars, int | float) and 0 <= dollars < math.inf):
                raise ModelError(f"the price {name}={dollars!r} is no number of dollars per million tokens")

    def of(self, usage: Usage) -> float | None:
        """Dollars for this usage; None when the numbers of tokens are unknown, or do not add up."""
        if usage.prompt_tokens is None or usage.completion_tokens is None:
            return None
        cached, written = usage.cached_tokens or 0, usage.cache_write_tokens or 0
        fresh = usage.prompt_tokens - cached - written
        if fresh < 0:
            return None
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
    except (TypeError, ModelError) as error:
        raise ModelError(
            f"the price of {name!r} is {price!r}: say dollars per million tokens, "
            "as {'input': 0.15, 'output': 0.6} (and 'cached', 'cache_write' if they differ)"
        ) from error


def cost_of(reply: Reply, question: Question, table: Mapping[str, Price]) -> tuple[float | None, str | None]:
    """Dollars, and where their price is from; None where nobody knows, never 0.

    The price of the model that answered goes before that of the one asked.
    """
    if reply.cost is not None:
        return reply.cost, reply.cost_source or GIVEN
    price = table.get(reply.model) or question.price
    if price is not None:
        dollars = price.of(reply.usage)
        return dollars, None if dollars is None else TABLE
    return _known(reply.usage, reply.model or question.model, reply.provider or question.provider)


def most_dollars(question: Question, prompt: int, completion: int) -> float | None:
    """What a question of so many tokens costs at most, however they are cached; None where nobody knows."""
    ways = [
        Usage(prompt, completion, cached_tokens=prompt),
        Usage(prompt, completion, cache_write_tokens=prompt),
        Usage(prompt, completion),
    ]
    if question.price is not None:
        found = [question.price.of(usage) for usage in ways]
    else:
        found = [_known(usage, question.model, question.provider)[0] for usage in ways]
    return max((dollars for dollars in found if dollars is not None), default=None)


def _known(usage: Usage, model: str, provider: str) -> tuple[float | None, str | None]:
    if not _is_public(provider) or not _has_list():
        return None, None
    found: tuple[float | None, str | None] = _late("known_cost")(usage, model, provider)
    return found


def _is_public(provider: str) -> bool:
    """Whether it is OpenAI or a host of the public net, whose prices could be known."""
    name, _, port = provider.partition(":")
    return provider == "openai" or (
        "." in name and not name.replace(".", "").isdigit() and port in ("", "443")
    )


@cache
def _has_list() -> bool:
    return importlib.util.find_spec("genai_prices") is not None
