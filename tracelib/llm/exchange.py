"""One question's exchange with an OpenAI-compatible endpoint: what is sent, tried again, and read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from time import perf_counter
from typing import Any, Protocol

import openai

from tracelib.errors import (
    InvalidReply,
    MalformedReply,
    ModelCallError,
    ModelError,
    ModelTimeout,
    ModelUnavailable,
)
from tracelib.llm.failure import as_call_error, asked_wait, kind_of, kind_of_code, mends, words_of
from tracelib.llm.guard import Question
from tracelib.llm.reply import Reply
from tracelib.llm.retry import RetryPolicy

FOR_THE_SDK = ("extra_headers", "extra_query", "timeout")
"""Parameters about the request; all others go into its body, whether the SDK knows them or not."""

NOT_SENT = (*FOR_THE_SDK, "extra_body", "api")


class Gathering(Protocol):
    """An answer put together from what a stream brings; it is whole when `ended`."""

    @property
    def text(self) -> str: ...
    @property
    def ended(self) -> bool: ...
    def add(self, chunk: Any) -> str: ...
    def completion(self) -> Any: ...


class Dialect(Protocol):
    """One API of an endpoint: where it is, what it is sent, and how its answers are read.

    `words` is the parameter that holds what was said, `streaming` what asks for a stream, `keeps` whether
    OpenAI keeps answers unless told, and `expected` what a good answer is called. `failure` is the code
    and message of an answer that only says that there is none, else None.
    """

    @property
    def words(self) -> str: ...
    @property
    def streaming(self) -> Mapping[str, Any]: ...
    @property
    def keeps(self) -> bool: ...
    @property
    def expected(self) -> str: ...
    def resource(self, client: Any) -> Any: ...
    def body(self, question: Question) -> dict[str, Any]: ...
    def read(self, answer: Any) -> Reply: ...
    def failure(self, answer: Any) -> tuple[str, str] | None: ...
    def gathering(self) -> Gathering: ...


class Exchange:
    """What a blocking call, an awaited one and a stream have in common: everything but the waiting.

    `private` asks OpenAI not to keep the answer, which it does unless told; other servers may refuse
    that parameter.
    """

    def __init__(
        self, question: Question, dialect: Dialect, host: str, policy: RetryPolicy, private: bool
    ) -> None:
        self._dialect = dialect
        self.body = body_of(question, dialect, private)
        self._about = {key: question.params[key] for key in FOR_THE_SDK if key in question.params}
        self._where = f"{self.body['model']} at {host}"
        self._attempts = 0
        self._started = perf_counter()
        self._first_token: float | None = None
        self._request_id: str | None = None
        self._gathering = dialect.gathering()
        self.retrying = policy.options(mends, asked_wait, self._begin)

    def create(self, client: Any) -> Callable[..., Any]:
        """What of the SDK's client is called with `arguments` for an answer in one piece."""
        created: Callable[..., Any] = self._dialect.resource(client).with_raw_response.create
        return created

    def opening(self, client: Any) -> Callable[..., Any]:
        """What of the SDK's client is called with `arguments(stream=True)`."""
        created: Callable[..., Any] = self._dialect.resource(client).create
        return created

    def arguments(self, stream: bool = False) -> dict[str, Any]:
        """What the SDK is called with. It checks names, so the parameters go by `extra_body`.

        The words do, too: the SDK would look through them for what it has to translate, which takes as long
        as sending them, and there is nothing in them to translate.
        """
        return {
            "model": self.body["model"],
            self._dialect.words: [],
            "extra_body": self.body,
            **self._about,
            **(self._dialect.streaming if stream else {}),
        }

    @contextmanager
    def failures(self) -> Iterator[None]:
        """The SDK's errors become ours, which name the attempts; the SDK's stays as `__cause__`."""
        try:
            yield
        except openai.OpenAIError as error:
            raise as_call_error(error, self._where, self._attempts) from error

    @contextmanager
    def cuts(self, stream: Any) -> Iterator[None]:
        """As `failures`, for reading a stream that has begun; nothing is tried again there."""
        self._request_id = stream.response.headers.get("x-request-id")
        try:
            yield
        except json.JSONDecodeError as error:
            words = f"the stream brought no JSON: {error}"
            raise self._malformed(words, error.doc, self._request_id) from error
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

    def gathered(self) -> Reply:
        """The reply of a stream that was read to its end. Raises ModelUnavailable when it ended too early."""
        if not self._gathering.ended:
            raise self._ended_early(ModelUnavailable, "it ended without saying why", None)
        completion = self._gathering.completion()
        reply = self._reply(completion, str(completion), self._request_id)
        return replace(reply, first_token=self._first_token)

    def _begin(self, nth: int) -> None:
        self._attempts = nth

    def _reply(self, completion: Any, text: str, request_id: str | None) -> Reply:
        self._check(completion, request_id)
        try:
            reply = self._dialect.read(completion)
        except InvalidReply as error:
            words = f"the answer is no {self._dialect.expected}"
            raise self._malformed(words, text, request_id) from error
        return replace(reply, attempts=self._attempts, request_id=request_id)

    def _check(self, completion: Any, request_id: str | None) -> None:
        """Raises the error that an answer tells of instead of answering."""
        failure = self._dialect.failure(completion)
        if failure is not None:
            code, words = failure
            raise kind_of_code(code)(
                f"{self._where}: {words}", code=code, request_id=request_id, attempts=self._attempts
            )

    def _malformed(self, words: str, text: str, request_id: str | None) -> MalformedReply:
        quoted = text if len(text) <= 200 else f"{text[:200]}... ({len(text)} characters)"
        message = f"{self._where}: {words}; it sent {quoted!r}"
        return MalformedReply(message, text, status=200, request_id=request_id, attempts=self._attempts)

    def _cut(self, error: Exception, kind: type[ModelCallError]) -> ModelCallError:
        return self._ended_early(kind, words_of(error), getattr(error, "code", None))

    def _ended_early(self, kind: type[ModelCallError], words: str, code: str | None) -> ModelCallError:
        told = len(self._gathering.text)
        message = f"{self._where}: the stream broke off after {told} characters of text: {words}"
        return kind(message, code=code, request_id=self._request_id, attempts=self._attempts)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def body_of(question: Question, dialect: Dialect, private: bool) -> dict[str, Any]:
    """The body of the request. Raises ModelError for `stream`, which has a method of its own."""
    if "stream" in question.params:
        raise ModelError("stream is no parameter of a question: call model.stream(...) or model.astream(...)")
    kept = {"store": False} if private and dialect.keeps else {}
    return {**kept, **dialect.body(question), **question.params.get("extra_body", {})}


def told(question: Question) -> dict[str, Any]:
    """The parameters of a question that its endpoint is told, as they were given."""
    return {key: value for key, value in question.params.items() if key not in NOT_SENT}
