"""What the loopback server can be told to answer: texts, tool calls, and every way to fail."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Request:
    """What the server was sent; `nth` counts from 1, `body` is the JSON, or {} when there was none."""

    nth: int
    method: str
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]


class Wire(Protocol):
    """What an answer can do to the connection it came in on."""

    def wait(self, seconds: float) -> None: ...
    def send(self, status: int, body: str, headers: Mapping[str, str] | None = ...) -> None: ...
    def begin_events(self) -> None: ...
    def event(self, data: str) -> None: ...
    def end_events(self) -> None: ...
    def hang_up(self, reset: bool = ...) -> None: ...


class Answer(Protocol):
    """One answer of the server."""

    def send(self, wire: Wire, request: Request) -> None:
        """Write the answer to this request."""


@dataclass(frozen=True)
class Says:
    """A chat completion, in pieces when a stream was asked for.

    `text` may be a function of the request's body; without one, an answer to a request for structured
    output is the smallest instance of its schema. `delay` in seconds comes before the answer, `pace`
    before each piece of a stream. `usage` stands for the counted words.
    """

    text: str | Callable[[Mapping[str, Any]], str] | None = None
    tool_calls: tuple[tuple[str, Mapping[str, Any] | str], ...] = ()
    finish_reason: str = "stop"
    refusal: str | None = None
    usage: Mapping[str, Any] | None = None
    delay: float = 0.0
    pace: float = 0.0

    def send(self, wire: Wire, request: Request) -> None:
        wire.wait(self.delay)
        completion = self.completion(request)
        if not request.body.get("stream"):
            wire.send(200, json.dumps(completion))
            return
        wire.begin_events()
        for chunk in chunks(completion, request.body):
            wire.wait(self.pace)
            wire.event(json.dumps(chunk))
        wire.event("[DONE]")
        wire.end_events()

    def completion(self, request: Request) -> dict[str, Any]:
        """The answer in one piece."""
        message = self._message(request)
        choice = {
            "message": message,
            "finish_reason": "tool_calls" if self.tool_calls else self.finish_reason,
        }
        count = int(request.body.get("n") or 1)
        return {
            "id": f"chatcmpl-{request.nth}",
            "object": "chat.completion",
            "created": 0,
            "model": request.body.get("model", ""),
            "choices": [{"index": index, **choice, "logprobs": None} for index in range(count)],
            "usage": self.usage if self.usage is not None else counted(request.body, message),
        }

    def _message(self, request: Request) -> dict[str, Any]:
        message: dict[str, Any] = {
            "role": "assistant",
            "content": self._text(request.body),
            "refusal": self.refusal,
        }
        if self.tool_calls:
            message["tool_calls"] = [tool_call(i, *call) for i, call in enumerate(self.tool_calls)]
        return message

    def _text(self, body: Mapping[str, Any]) -> str | None:
        if callable(self.text):
            return self.text(body)
        if self.text is not None:
            return self.text
        if self.tool_calls or self.refusal is not None:
            return None
        schema = (body.get("response_format") or {}).get("json_schema", {}).get("schema")
        return "ok" if schema is None else json.dumps(smallest(schema, schema))


def calls_tool(name: str, **arguments: Any) -> Says:
    """An answer that calls one tool."""
    return Says(tool_calls=((name, arguments),))


@dataclass(frozen=True)
class Fails:
    """An error in OpenAI's shape; `retry_after` in seconds asks to wait, `delay` comes before it.

    Fails(429, code="insufficient_quota") is an account without credit.
    """

    status: int
    code: str | None = None
    message: str = "the loopback server was told to fail"
    retry_after: float | str | None = None
    retry_after_ms: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0

    def send(self, wire: Wire, request: Request) -> None:
        wire.wait(self.delay)
        told = {"retry-after": self.retry_after, "retry-after-ms": self.retry_after_ms}
        headers = {name: str(value) for name, value in told.items() if value is not None} | dict(self.headers)
        error = {"message": self.message, "type": self.code, "code": self.code, "param": None}
        wire.send(self.status, json.dumps({"error": error}), headers)


@dataclass(frozen=True)
class Garbled:
    """A body sent as it is, by default half a JSON document; in a stream it is the first event."""

    body: str = '{"id": "chatcmpl", "choices": [{"mess'

    def send(self, wire: Wire, request: Request) -> None:
        if not request.body.get("stream"):
            wire.send(200, self.body)
            return
        wire.begin_events()
        wire.event(self.body)
        wire.end_events()


@dataclass(frozen=True)
class Empty:
    """A completion without choices."""

    def send(self, wire: Wire, request: Request) -> None:
        completion = {**Says("").completion(request), "choices": []}
        Garbled(json.dumps(completion)).send(wire, request)


@dataclass(frozen=True)
class Resets:
    """The connection is reset instead of an answer."""

    def send(self, wire: Wire, request: Request) -> None:
        wire.hang_up(reset=True)


@dataclass(frozen=True)
class Cut:
    """A stream that breaks off after some pieces of text: in the middle, or quietly as if it were whole."""

    text: str
    after: int = 1
    quietly: bool = False

    def send(self, wire: Wire, request: Request) -> None:
        wire.begin_events()
        whole = chunks(Says(self.text).completion(request), request.body)
        for chunk in whole[: self.after + 1]:
            wire.event(json.dumps(chunk))
        if self.quietly:
            wire.end_events()
        else:
            wire.hang_up()


def chunks(completion: Mapping[str, Any], body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The completion as the chunks of a stream: the role, each word, the end, and the usage if asked for."""
    shell = {**completion, "object": "chat.completion.chunk"}
    usage = shell.pop("usage")
    flow = [{**shell, "choices": [part]} for choice in completion["choices"] for part in parts(choice)]
    if (body.get("stream_options") or {}).get("include_usage"):
        flow.append({**shell, "choices": [], "usage": usage})
    return flow


def parts(choice: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One choice as the deltas of a stream."""
    message, index = choice["message"], choice["index"]
    deltas: list[dict[str, Any]] = [{"role": "assistant"}]
    deltas += [{"content": word} for word in words(message["content"] or "")]
    deltas += [{"refusal": word} for word in words(message["refusal"] or "")]
    deltas += [{"tool_calls": [{"index": i, **call}]} for i, call in enumerate(message.get("tool_calls", ()))]
    told = [{"index": index, "delta": delta, "finish_reason": None} for delta in deltas]
    return [*told, {"index": index, "delta": {}, "finish_reason": choice["finish_reason"]}]


def words(text: str) -> list[str]:
    """The text cut before each space, nothing lost.

    >>> words("to be  or")
    ['to', ' be', ' ', ' or']
    """
    first, *rest = text.split(" ")
    return [word for word in (first, *(f" {word}" for word in rest)) if word]


def tool_call(index: int, name: str, arguments: Mapping[str, Any] | str) -> dict[str, Any]:
    """A call of a tool as a message has it; arguments given as text are sent as they are."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": text}}


def counted(body: Mapping[str, Any], message: Mapping[str, Any]) -> dict[str, Any]:
    """Usage with a word for a token."""
    prompt = sum(len(str(turn.get("content") or "").split()) for turn in body.get("messages", ()))
    completion = len(str(message["content"] or "").split())
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def smallest(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    """The smallest instance of a JSON schema, always the same: first choices, empty lists, least numbers."""
    if "$ref" in schema:
        return smallest(referred(schema["$ref"], root), root)
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if "enum" in schema:
        return schema["enum"][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return smallest(schema[key][0], root)
    return smallest_of_type(schema, root)


def smallest_of_type(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    """The smallest instance by the schema's `type`."""
    kind = schema.get("type")
    if kind == "object":
        return {name: smallest(inner, root) for name, inner in schema.get("properties", {}).items()}
    if kind == "array":
        return [smallest(schema["items"], root)] * int(schema.get("minItems", 0))
    if kind in ("integer", "number"):
        return schema.get("minimum", 0)
    return {"string": "x" * int(schema.get("minLength", 0)), "boolean": False}.get(str(kind))


def referred(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of the root schema that a local reference such as `#/$defs/Name` points to."""
    found: Any = root
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return dict(found)
