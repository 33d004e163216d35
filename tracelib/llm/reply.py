"""What comes back from a model: the reply, what it used, and the tools it calls; knows no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, TypeVar

from tracelib.errors import InvalidReply
from tracelib.late import resolver
from tracelib.llm.message import Message, assistant

LATE = {
    "acall_tools": "tracelib.programs.tool:acall_tools",
    "call_tools": "tracelib.programs.tool:call_tools",
}
late = resolver(LATE)
"""Calling tools is recorded, by a room above this one."""

T = TypeVar("T")
OWN = ("raw", "parsed")
"""What a reply does not tell as JSON."""


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
    and repeated in `refusal`. `images` are addresses, most of them data: URLs. `parsed` is the object that
    was asked for by a `response_format`. `cost` is in dollars, None when a price or a number of tokens is
    unknown. `duration` is in seconds from question to reply, waits between attempts included;
    `first_token` is the seconds to the first piece of a stream. `raw` is what the endpoint sent.
    `cost_source` says whose price it was. A reply that a cache or a cassette kept is `cached`: it used and
    cost nothing now, and `kept` is what it used when it was given.
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
    images: tuple[str, ...] = ()
    parsed: Any = None
    request_id: str | None = None
    attempts: int = 1
    duration: float | None = None
    first_token: float | None = None
    cost_source: str | None = None
    kept: Usage | None = None
    raw: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "texts", tuple(self.texts) or (self.text,))

    def __str__(self) -> str:
        return self.text

    @property
    def cached(self) -> bool:
        """Whether it was kept from before, and no model was asked."""
        return self.kept is not None

    @property
    def message(self) -> Message:
        """The reply as the assistant's message of a conversation that goes on, tool calls included."""
        calls = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in self.tool_calls
        ]
        return (
            Message("assistant", self.text or None, {"tool_calls": calls}) if calls else assistant(self.text)
        )

    @property
    def tools(self) -> Mapping[str, Any]:
        """The tools that were offered, by name."""
        found: Mapping[str, Any] = vars(self).get("_tools", {})
        return found

    def offering(self, tools: Mapping[str, Any]) -> Reply:
        """The same reply, which knows the tools that were offered."""
        found = replace(self)
        object.__setattr__(found, "_tools", dict(tools))
        return found

    def having(self, parsed: Any) -> Reply:
        """The same reply with the object that it is."""
        return replace(self, parsed=parsed)

    def call_tools(self, parallel: bool = False, **options: Any) -> list[Message]:
        """Call the tools that the model wants called, in its order; their results as messages for it."""
        found: list[Message] = late("call_tools")(self, parallel, **options)
        return found

    async def acall_tools(self, parallel: bool = False, **options: Any) -> list[Message]:
        """`call_tools`, to be awaited; a tool that is not async runs in a thread."""
        found: list[Message] = await late("acall_tools")(self, parallel, **options)
        return found

    def parse(self, schema: type[T]) -> T:
        """The text as an object of a pydantic class. Raises InvalidReply, which quotes the text."""
        try:
            parsed: T = schema.model_validate_json(self.text)  # type: ignore[attr-defined]
        except ValueError as error:
            raise InvalidReply(f"the reply is no {schema.__name__}: {error}", self.text) from error
        return parsed

    def to_json(self) -> dict[str, Any]:
        """All but `raw` and `parsed`, as JSON values; `from_json` makes the same of it again."""
        told: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in OWN}
        told["usage"] = asdict(self.usage)
        told["kept"] = None if self.kept is None else asdict(self.kept)
        told["tool_calls"] = [asdict(call) for call in self.tool_calls]
        told["texts"], told["images"] = list(self.texts), list(self.images)
        return told

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Reply:
        """The reply that `to_json` described."""
        calls = tuple(ToolCall(**call) for call in told["tool_calls"])
        kept = None if told.get("kept") is None else Usage(**told["kept"])
        many = {name: tuple(told.get(name, ())) for name in ("texts", "images")}
        known = {**many, "usage": Usage(**told["usage"]), "tool_calls": calls, "kept": kept}
        return cls(**{**told, **known})
