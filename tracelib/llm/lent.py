"""Models asked by the user's own client of the openai package: its key, address, headers and proxies hold."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Coroutine
from contextlib import aclosing
from threading import Lock
from typing import Any, TypeVar

import openai

from tracelib.errors import ModelError, NoModelError
from tracelib.llm.clients import Clients, Endpoint
from tracelib.llm.cost import Prices
from tracelib.llm.guard import AsyncPieces, Pieces, Question
from tracelib.llm.keys import NO_KEY
from tracelib.llm.limits import Limits, on_behalf
from tracelib.llm.openai import OpenAIModel
from tracelib.llm.portal import Portal
from tracelib.llm.reply import Reply
from tracelib.llm.retry import RetryPolicy

T = TypeVar("T")


class ClientModel(OpenAIModel):
    """A model asked by an `openai.OpenAI` or `openai.AsyncOpenAI` (or one derived from them, as for Azure).

    Either is asked both ways: a blocking client is awaited in a worker thread, an async one runs on a loop
    of the model's own when it is not awaited. An async client belongs to one loop: ask it in one of the two
    ways. Retries are ours (`retry`), the client's own are off. Closing the model leaves the client open.
    """

    _of_this_process = (*OpenAIModel._of_this_process, "_portal")

    def __init__(
        self,
        name: str,
        client: Any,
        *,
        retry: RetryPolicy | None = None,
        limits: Limits | None = None,
        prices: Prices | None = None,
        **defaults: Any,
    ) -> None:
        if not isinstance(client, openai.OpenAI | openai.AsyncOpenAI):
            raise NoModelError(
                f"{type(client).__name__} {client!r} is no client of the openai package: "
                "give openai.OpenAI(...) or openai.AsyncOpenAI(...)"
            )
        super().__init__(name, retry=retry, limits=limits, prices=prices, **defaults)
        self._client: Any = client.with_options(max_retries=0)
        self._waits = isinstance(client, openai.OpenAI)

    def __deepcopy__(self, memo: dict[int, Any]) -> ClientModel:
        """A model of its own, asked by the same client, which cannot be copied."""
        return copy.copy(self)

    def answer(self, question: Question) -> Reply:
        return super().answer(question) if self._waits else self._here(super().aanswer(question))

    async def aanswer(self, question: Question) -> Reply:
        if self._waits:
            with on_behalf():
                return await asyncio.to_thread(super().answer, question)
        return await super().aanswer(question)

    def pieces(self, question: Question) -> Pieces:
        if self._waits:
            yield from super().pieces(question)
            return
        coming = super().apieces(question)
        try:
            while (piece := self._here(_next(coming))) is not None:
                yield piece
        finally:
            self._here(_end(coming))

    async def apieces(self, question: Question) -> AsyncPieces:
        if not self._waits:
            async with aclosing(super().apieces(question)) as coming:
                async for piece in coming:
                    yield piece
            return
        told = Threaded(super().pieces(question))
        try:
            while (one := await told.next()) is not None:
                yield one
        finally:
            told.close()

    def close(self) -> None:
        self._portal.close()

    async def aclose(self) -> None:
        """Nothing: the client is its owner's to close."""

    def _open(self) -> None:
        super()._open()
        self._portal = Portal()

    def _found(self) -> Clients:
        return Lent(self._client)

    def _here(self, coming: Coroutine[Any, Any, T]) -> T:
        if self._portal.is_here:
            coming.close()
            raise ModelError(f"{self.name} was asked synchronously from inside itself: await model.aask(...)")
        with on_behalf():
            return self._portal.run(coming)


class Threaded:
    """Pieces that are read in worker threads, and may be left while one of these waits for the next."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces, self._reading = pieces, Lock()

    async def next(self) -> str | Reply | None:
        """The next piece, None after the last."""
        with on_behalf():
            return await asyncio.to_thread(self._next)

    def close(self) -> None:
        """Let go of the connection: now, or when the piece has come that a thread waits for."""
        if not self._reading.acquire(blocking=False):
            asyncio.get_running_loop().run_in_executor(None, self._close_later)
            return
        try:
            self._pieces.close()
        finally:
            self._reading.release()

    def _next(self) -> str | Reply | None:
        with self._reading:
            return next(self._pieces, None)

    def _close_later(self) -> None:
        with self._reading:
            self._pieces.close()


class Lent(Clients):
    """The one client that was given, for all threads and loops."""

    def __init__(self, client: Any) -> None:
        super().__init__(Endpoint(str(client.base_url), NO_KEY))
        self._client = client

    def sync(self) -> Any:
        return self._client

    async def on_this_loop(self) -> Any:
        return self._client


async def _next(pieces: AsyncPieces) -> str | Reply | None:
    return await anext(pieces, None)


async def _end(pieces: AsyncPieces) -> None:
    await pieces.aclose()
