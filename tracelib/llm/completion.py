"""Reading chat completions, whole or in pieces, from dicts or objects of that shape; loads no SDK."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracelib.errors import InvalidReply
from tracelib.llm.reply import Reply, ToolCall, Usage


def read_completion(completion: Any, provider: str = "", model: str = "") -> Reply:
    """The reply in a chat completion, a dict or an object. Raises InvalidReply when it has no choice."""
    choices = field_of(completion, "choices")
    if not choices:
        raise InvalidReply(f"the answer has no choices: {short(completion)}", short(completion))
    first, message = choices[0], field_of(choices[0], "message")
    if message is None:
        raise InvalidReply(f"the first choice has no message: {short(completion)}", short(completion))
    texts = tuple(text_of(field_of(choice, "message")) for choice in choices)
    return Reply(
        texts[0],
        usage=read_usage(field_of(completion, "usage")),
        model=field_of(completion, "model") or model,
        provider=provider,
        finish_reason=field_of(first, "finish_reason"),
        refusal=field_of(message, "refusal"),
        tool_calls=tuple(_tool_call(call) for call in field_of(message, "tool_calls") or ()),
        texts=texts,
        raw=completion,
    )


def read_usage(told: Any) -> Usage:
    """Tokens as chat completions or responses count them; what is not a number is unknown."""
    prompt = field_of(told, "prompt_tokens_details") or field_of(told, "input_tokens_details")
    completion = field_of(told, "completion_tokens_details") or field_of(told, "output_tokens_details")
    return Usage(
        prompt_tokens=_count(told, "prompt_tokens", "input_tokens"),
        completion_tokens=_count(told, "completion_tokens", "output_tokens"),
        total_tokens=_count(told, "total_tokens"),
        cached_tokens=_count(prompt, "cached_tokens"),
        cache_write_tokens=_count(prompt, "cache_write_tokens"),
        reasoning_tokens=_count(completion, "reasoning_tokens"),
        raw=as_dict(told),
    )


def text_of(message: Any) -> str:
    """What the message says: its text, the text of its parts, or its refusal."""
    content = field_of(message, "content")
    if isinstance(content, list):
        content = "".join(field_of(part, "text") or "" for part in content)
    return str(content or field_of(message, "refusal") or "")


class Gathering:
    """A completion put together from the chunks of a stream; `reply` is whole when `ended`."""

    def __init__(self) -> None:
        self._choices: dict[int, dict[str, Any]] = {}
        self._seen: dict[str, Any] = {}

    @property
    def text(self) -> str:
        """What the first choice has said so far."""
        return text_of(self._choices[0]["message"]) if 0 in self._choices else ""

    @property
    def ended(self) -> bool:
        """Whether every choice has said why it ended."""
        return bool(self._choices) and all(c["finish_reason"] for c in self._choices.values())

    def add(self, chunk: Any) -> str:
        """Take a chunk in; the piece of the first choice's text that it brought."""
        for key in ("id", "model", "usage", "service_tier"):
            if field_of(chunk, key) is not None:
                self._seen[key] = field_of(chunk, key)
        pieces = [self._add_choice(choice) for choice in field_of(chunk, "choices") or ()]
        return "".join(pieces)

    def _add_choice(self, told: Any) -> str:
        index, delta = field_of(told, "index") or 0, field_of(told, "delta")
        choice = self._choices.setdefault(index, _empty_choice(index))
        choice["finish_reason"] = field_of(told, "finish_reason") or choice["finish_reason"]
        message = choice["message"]
        for key in ("content", "refusal"):
            if field_of(delta, key):
                message[key] = (message[key] or "") + field_of(delta, key)
        for call in field_of(delta, "tool_calls") or ():
            _add_tool_call(message["tool_calls"], call)
        return (field_of(delta, "content") or field_of(delta, "refusal") or "") if index == 0 else ""

    def completion(self) -> dict[str, Any]:
        """The chat completion as it would have come in one piece."""
        usage = {"usage": as_dict(self._seen["usage"])} if "usage" in self._seen else {}
        return {**self._seen, **usage, "choices": [self._choices[i] for i in sorted(self._choices)]}


def _empty_choice(index: int) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None, "tool_calls": []}
    return {"index": index, "finish_reason": None, "message": message}


def _add_tool_call(calls: list[dict[str, Any]], told: Any) -> None:
    index, function = field_of(told, "index") or 0, field_of(told, "function")
    while len(calls) <= index:
        calls.append({"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
    call = calls[index]
    call["id"] = field_of(told, "id") or call["id"]
    for key in ("name", "arguments"):
        call["function"][key] += field_of(function, key) or ""


def _tool_call(told: Any) -> ToolCall:
    function = field_of(told, "function")
    return ToolCall(
        id=field_of(told, "id") or "",
        name=field_of(function, "name") or "",
        arguments=field_of(function, "arguments") or "",
    )


def field_of(holder: Any, name: str) -> Any:
    """A field of a dict or of an object; None where there is none."""
    if isinstance(holder, Mapping):
        return holder.get(name)
    return getattr(holder, name, None)


def _count(holder: Any, *names: str) -> int | None:
    for name in names:
        number = field_of(holder, name)
        if isinstance(number, int) and not isinstance(number, bool):
            return number
    return None


def as_dict(told: Any) -> dict[str, Any]:
    if isinstance(told, Mapping):
        return dict(told)
    dump = getattr(told, "model_dump", None)
    return dump(exclude_none=True) if callable(dump) else {}


def short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 500 else f"{text[:500]}... ({len(text)} characters)"
