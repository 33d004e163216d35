"""What the loopback server can be told to answer: texts, tool calls, and every way to fail."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from tracelib.testing.shapes import CHAT, counted, instance_for, pieces, whole


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
    """A chat completion or a response, in pieces when a stream was asked for; or embeddings.

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
            wire.send(200, json.dumps(whole(request.path, completion, request.body)))
            return
        wire.begin_events()
        for chunk in pieces(request.path, completion, request.body):
            wire.wait(self.pace)
            wire.event(json.dumps(chunk))
        if request.path == CHAT:
            wire.event("[DONE]")
        wire.end_events()

    def completion(self, request: Request) -> dict[str, Any]:
        """The answer in one piece, as a chat completion."""
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
        return instance_for(body) or "ok"


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
    """A completion without choices, a response without output."""

    def send(self, wire: Wire, request: Request) -> None:
        completion = {**Says("").completion(request), "choices": []}
        Garbled(json.dumps(whole(request.path, completion, request.body))).send(wire, request)


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
        flow = pieces(request.path, Says(self.text).completion(request), request.body)
        for chunk in flow[: self.after + 1]:
            wire.event(json.dumps(chunk))
        if self.quietly:
            wire.end_events()
        else:
            wire.hang_up()


def tool_call(index: int, name: str, arguments: Mapping[str, Any] | str) -> dict[str, Any]:
    """A call of a tool as a message has it; arguments given as text are sent as they are."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": text}}
