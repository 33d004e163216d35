"""Models behind the APIs of OpenAI: its own, and those of every server that speaks its language.

The only room that loads openai, tenacity and pydantic; no type of the SDK's HTTP library is touched, so
that both of its majors serve.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from threading import Lock
from typing import Any, ClassVar

from tenacity import AsyncRetrying, Retrying

from tracelib.errors import ModelError, NoModelError
from tracelib.llm.chat import Chat
from tracelib.llm.clients import Clients, Endpoint, host_of
from tracelib.llm.cost import Prices
from tracelib.llm.embedding import Embeddings
from tracelib.llm.exchange import Dialect, Exchange
from tracelib.llm.guard import AsyncPieces, Pieces, Question
from tracelib.llm.limits import Limits, limiter_of
from tracelib.llm.model import Model
from tracelib.llm.reply import Reply
from tracelib.llm.responses import Responses
from tracelib.llm.retry import RetryPolicy
from tracelib.llm.turns import Turns

__all__ = ["Limits", "OpenAIModel", "RetryPolicy"]

DIALECTS: dict[str, Dialect] = {"chat": Chat(), "responses": Responses(), "embeddings": Embeddings()}
"""What the parameter `api` may be; without it, chat completions are spoken."""


class OpenAIModel(Model):
    """A model asked through the openai package, at OpenAI or at any compatible `base_url`.

    What is not passed is read from OPENAI_BASE_URL and OPENAI_API_KEY at the first question, where a
    NoModelError says what is missing. `timeout` is in seconds for one attempt; `retry` says how often
    another is made, `limits` how much is asked at once and per minute. `prices` and `defaults` are as in
    Model. `api="responses"` among the defaults, or with a question, speaks the Responses API instead of
    chat completions.
    """

    _of_this_process: ClassVar[tuple[str, ...]] = ("_clients", "_lock")

    def __init__(
        self,
        name: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout: float | None = None,
        retry: RetryPolicy | None = None,
        limits: Limits | None = None,
        prices: Prices | None = None,
        **defaults: Any,
    ) -> None:
        super().__init__(name, prices=prices, **defaults)
        dialect_of(defaults)
        self.retry = retry or RetryPolicy()
        self.limits = limits
        self._given = (base_url, api_key, timeout)

    @property
    def endpoint(self) -> Endpoint:
        """Where questions go. Raises NoModelError when neither a key nor a server is known."""
        return self._reached().endpoint

    @property
    def provider(self) -> str:  # type: ignore[override]
        """`openai`, or the host of a compatible server."""
        try:
            endpoint = self.endpoint
        except NoModelError:
            return "openai"  # whose it would be with a key: a kept reply needs none
        return "openai" if endpoint.is_openai else endpoint.host

    @property
    def is_current(self) -> bool:
        """Whether the environment and the kept keys still say what they said at the first question."""
        reached = self._clients
        try:
            return reached is None or reached.endpoint == Endpoint.found(*self._given)
        except ModelError:  # they say nothing any more, which the next question tells
            return False

    def __repr__(self) -> str:
        given = self._given[0] or (self._clients.endpoint.base_url if self._clients else "")
        return f"OpenAIModel({self.name!r}{given and f', at {host_of(given)}'})"

    def answer(self, question: Question) -> Reply:
        exchange, client = self._exchange(question), self._reached().sync()
        with exchange.failures(), self._turns(exchange) as turns:
            sent: Any = Retrying(**exchange.retrying)(
                turns.send, exchange.create(client), exchange.arguments()
            )
            return turns.settled(exchange.read(sent))

    async def aanswer(self, question: Question) -> Reply:
        exchange, client = self._exchange(question), await self._reached().on_this_loop()
        with exchange.failures():
            async with self._turns(exchange) as turns:
                sent: Any = await AsyncRetrying(**exchange.retrying)(
                    turns.asend, exchange.create(client), exchange.arguments()
                )
                return turns.settled(exchange.read(sent))

    def pieces(self, question: Question) -> Pieces:
        exchange, client = self._exchange(question), self._reached().sync()
        with self._turns(exchange) as turns:
            with exchange.failures():
                stream: Any = Retrying(**exchange.retrying)(
                    turns.send, exchange.opening(client), exchange.arguments(stream=True)
                )
            with stream, exchange.cuts(stream):
                for chunk in stream:
                    yield from exchange.hear(chunk)
            reply = turns.settled(exchange.gathered())
        yield reply

    async def apieces(self, question: Question) -> AsyncPieces:
        exchange, client = self._exchange(question), await self._reached().on_this_loop()
        async with self._turns(exchange) as turns:
            with exchange.failures():
                stream: Any = await AsyncRetrying(**exchange.retrying)(
                    turns.asend, exchange.opening(client), exchange.arguments(stream=True)
                )
            async with stream:
                with exchange.cuts(stream):
                    async for chunk in stream:
                        for piece in exchange.hear(chunk):
                            yield piece
            reply = turns.settled(exchange.gathered())
        yield reply

    def close(self) -> None:
        if self._clients is not None:
            self._clients.close()

    async def aclose(self) -> None:
        """Close the connections of the running loop; those of other loops close with their loops."""
        if self._clients is not None:
            await self._clients.aclose()

    def _open(self) -> None:
        self._lock = Lock()
        self._clients: Clients | None = None

    def _reached(self) -> Clients:
        with self._lock:
            if self._clients is None or self._clients.process != os.getpid():
                self._clients = self._found()
                if self.limits is not None:
                    limiter_of(self._clients.endpoint.host, self.name).set(self.limits)
            return self._clients

    def _found(self) -> Clients:
        """The clients of the endpoint that is known now."""
        return Clients(Endpoint.found(*self._given))

    def _turns(self, exchange: Exchange) -> Turns:
        limiter = limiter_of(self.endpoint.host, exchange.body["model"])
        return Turns(limiter, exchange.body, self.retry.seconds)

    def _exchange(self, question: Question) -> Exchange:
        endpoint, dialect = self.endpoint, dialect_of(question.params)
        return Exchange(question, dialect, endpoint.host, self.retry, private=endpoint.is_openai)


def dialect_of(params: Mapping[str, Any]) -> Dialect:
    """The dialect that parameters ask for. Raises ModelError when `api` names none."""
    wanted = params.get("api", "chat")
    if wanted not in DIALECTS:
        raise ModelError(f"api={wanted!r} is not known: say one of {', '.join(map(repr, DIALECTS))}")
    return DIALECTS[wanted]
