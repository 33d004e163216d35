"""One question's exchange with an OpenAI-compatible endpoint: what is sent, tried again, and read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from time import perf_counter
from typing import Any

import openai
from pydantic import BaseModel

from tracelib.errors import (
    InvalidReply,
    MalformedReply,
    ModelCallError,
    ModelError,
    ModelTimeout,
    ModelUnavailable,
)
from tracelib.llm.completion import Gathering, read_completion
from tracelib.llm.failure import as_call_error, asked_wait, kind_of, mends, words_of
from tracelib.llm.guard import Question
from tracelib.llm.reply import Reply
from tracelib.llm.retry import RetryPolicy

FOR_THE_SDK = ("extra_headers", "extra_query", "timeout")
"""Parameters about the request; all others go into its body, whether the SDK knows them or not."""

STREAMING = {"stream": True, "stream_options": {"include_usage": True}}


class Exchange:
    """What a blocking call, an awaited one and a stream have in common: everything but the waiting."""

    def __init__(self, question: Question, host: str, policy: RetryPolicy, private: bool) -> None:
        self.body = body_of(question, private)
        self._about = {key: question.params[key] for key in FOR_THE_SDK if key in question.params}
        self._where = f"{self.body['model']} at {host}"
        self._attempts = 0
        self._started = perf_counter()
        self._first_token: float | None = None
        self._gathering = Gathering()
        self.retrying = policy.options(mends, asked_wait, self._begin)

    def arguments(self, **streaming: Any) -> dict[str, Any]:
        """What the SDK's `create` is called with. The SDK checks names, so all but two go by `extra_body`."""
        body = {**self.body}
        return (
            {"model": body.pop("model"), "messages": body.pop("messages"), "extra_body": body}
            | self._about
            | streaming
        )

    @contextmanager
    def failures(self) -> Iterator[None]:
        """The SDK's errors become ours, which name the attempts; the SDK's stays as `__cause__`."""
        try:
            yield
        except openai.OpenAIError as error:
            raise as_call_error(error, self._where, self._attempts) from error

    @contextmanager
    def cuts(self) -> Iterator[None]:
        """As `failures`, for reading a stream that has begun; nothing is tried again there."""
        try:
            yield
        except json.JSONDecodeError as error:
            raise self._malformed(f"the stream brought no JSON: {error}", error.doc, None) from error
        except openai.APIError as error:
            raise self._cut(error, kind_of(error)) from error
        except Exception as error:
            # The 2.x SDK lets the errors of its HTTP library through, whose types are not ours to know.
            late = any(isinstance(cause, TimeoutError) for cause in _causes(error))
            raise self._cut(error, ModelTimeout if late else ModelUnavailable) from error

    def read(self, sent: Any) -> Reply:
        """The reply in the SDK's raw response. Raises MalformedReply."""
        try:
            completion = json.loads(sent.text)
        except ValueError as error:
            raise self._malformed(f"the answer is no JSON ({error})", sent.text, sent.request_id) from error
        return self._reply(completion, sent.text, sent.request_id)

    def hear(self, chunk: Any) -> Iterator[str]:
        """Take in a chunk of a stream; the piece of text in it, if any."""
        piece = self._gathering.add(chunk)
        if piece:
            if self._first_token is None:
                self._first_token = perf_counter() - self._started
            yield piece

    def gathered(self, stream: Any) -> Reply:
        """The reply of a stream that was read to its end. Raises ModelUnavailable when it ended too early."""
        if not self._gathering.ended:
            raise ModelUnavailable(self._broken("it ended without saying why"), attempts=self._attempts)
        completion = self._gathering.completion()
        request_id = stream.response.headers.get("x-request-id")
        return replace(self._reply(completion, str(completion), request_id), first_token=self._first_token)

    def _begin(self, nth: int) -> None:
        self._attempts = nth

    def _reply(self, completion: Any, text: str, request_id: str | None) -> Reply:
        try:
            reply = read_completion(completion)
        except InvalidReply as error:
            raise self._malformed(
                "the answer is no chat completion with a choice", text, request_id
            ) from error
        return replace(reply, attempts=self._attempts, request_id=request_id)

    def _malformed(self, words: str, text: str, request_id: str | None) -> MalformedReply:
        quoted = text if len(text) <= 200 else f"{text[:200]}... ({len(text)} characters)"
        message = f"{self._where}: {words}; it sent {quoted!r}"
        return MalformedReply(message, text, status=200, request_id=request_id, attempts=self._attempts)

    def _cut(self, error: Exception, kind: type[ModelCallError]) -> ModelCallError:
        code = getattr(error, "code", None)
        return kind(self._broken(words_of(error)), code=code, attempts=self._attempts)

    def _broken(self, words: str) -> str:
        told = len(self._gathering.text)
        return f"{self._where}: the stream broke off after {told} characters of text: {words}"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def body_of(question: Question, private: bool) -> dict[str, Any]:
    """The body of the request, as chat completions have it.

    `private` asks OpenAI not to keep the completion, which it does unless told; other servers may
    refuse that parameter. Raises ModelError for `stream`, which has a method of its own.
    """
    params = dict(question.params)
    if "stream" in params:
        raise ModelError("stream is no parameter of a question: call model.stream(...) or model.astream(...)")
    if "response_format" in params:
        params["response_format"] = as_response_format(params["response_format"])
    kept = {"store": False} if private else {}
    told = {key: value for key, value in params.items() if key not in (*FOR_THE_SDK, "extra_body")}
    return {
        "model": question.model,
        "messages": question.messages,
        **kept,
        **told,
        **params.get("extra_body", {}),
    }


def as_response_format(wanted: Any) -> dict[str, Any]:
    """`response_format` as chat completions have it, from a pydantic class, a JSON schema, or itself."""
    if isinstance(wanted, type) and issubclass(wanted, BaseModel):
        tool = openai.pydantic_function_tool(wanted)["function"]  # the SDK's public way to a strict schema
        return _json_schema(wanted.__name__, tool.get("parameters", {}), strict=True)
    if not isinstance(wanted, Mapping):
        raise ModelError(f"response_format is {wanted!r}: give a pydantic class or a JSON schema as a dict")
    if wanted.get("type") in ("text", "json_object", "json_schema"):
        return dict(wanted)
    return _json_schema(str(wanted.get("title") or "reply"), wanted)


def _json_schema(name: str, schema: Mapping[str, Any], **strict: bool) -> dict[str, Any]:
    known = re.sub(r"[^a-zA-Z0-9_-]", "_", name)[:64]
    return {"type": "json_schema", "json_schema": {"name": known, "schema": dict(schema), **strict}}
