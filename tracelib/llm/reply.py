"""What comes back from a model: the reply, what it used, and the tools it calls; knows no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeVar

from tracelib.errors import InvalidReply

T = TypeVar("T")


@dataclass(frozen=True)
class Usage:
    """Tokens of one reply. A number is None when the endpoint did not say.

    Cached and cache-written tokens are among the prompt tokens, reasoning tokens among the completion
    tokens. `raw` is the endpoint's own account.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class ToolCall:
    """A tool the model wants called; `arguments` is the JSON text the model wrote, not checked."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Reply:
    """What a model answered.

    `texts` are all choices (one unless n was asked for), `text` is the first. A refusal is the text too,
    and repeated in `refusal`. `cost` is in dollars, None when a price or a number of tokens is unknown.
    `duration` is in seconds from question to reply, waits between attempts included; `first_token` is
    the seconds to the first piece of a stream. `raw` is what the endpoint sent.
    """

    text: str
    usage: Usage = Usage()
    cost: float | None = None
    model: str = ""
    provider: str = ""
    finish_reason: str | None = None
    refusal: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    texts: tuple[str, ...] = ()
    request_id: str | None = None
    attempts: int = 1
    duration: float | None = None
    first_token: float | None = None
    raw: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "texts", tuple(self.texts) or (self.text,))

    def __str__(self) -> str:
        return self.text

    def parse(self, schema: type[T]) -> T:
        """The text as an object of a pydantic class. Raises InvalidReply, which quotes the text."""
        try:
            parsed: T = schema.model_validate_json(self.text)  # type: ignore[attr-defined]
        except ValueError as error:
            raise InvalidReply(f"the reply is no {schema.__name__}: {error}", self.text) from error
        return parsed

    def to_json(self) -> dict[str, Any]:
        """All but `raw`, as JSON values; `from_json` makes an equal reply of it, but for `raw`."""
        told: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "raw"}
        told["usage"] = asdict(self.usage)
        told["tool_calls"] = [asdict(call) for call in self.tool_calls]
        told["texts"] = list(self.texts)
        return told

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Reply:
        """The reply that `to_json` described."""
        calls = tuple(ToolCall(**call) for call in told["tool_calls"])
        return cls(
            **{**told, "usage": Usage(**told["usage"]), "tool_calls": calls, "texts": tuple(told["texts"])}
        )
