"""The single way from a question to its reply, and the guards that stand on it.

A guard is a generator function: it is given the question, yields it (or another) to have it asked, is
sent the reply, and returns the reply. So it can refuse before anything is paid (raise), answer from what
it kept (return without a yield), count (after the yield), or clean up (`try`/`finally`), and the same
code serves `ask`, `aask` and streams:

    def counting(question):
        reply = yield question
        calls.append(reply.usage.total_tokens)
        return reply

    with guarded(counting):
        model.ask("Hello")

Guards live in the context: threads of the user's own pools see them when the context is carried over. A guard
that every thread must pass, such as one that answers from a file, has a `Post` instead.

A guard that must wait for another thread or task yields a Future; it is sent nothing for it. Whoever is
asked in a thread that runs an event loop cannot wait there, and goes on with the Future not done.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator, Mapping
from concurrent.futures import Future
from contextlib import aclosing, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any, Literal

from tracelib.errors import ModelError
from tracelib.llm.cost import Price
from tracelib.llm.reply import Reply


@dataclass(frozen=True)
class Question:
    """What is about to be asked: plain messages in chat shape, and parameters, the model's defaults included.

    `price` is the user's price of this model, None when unknown. `sample` tells apart askings of one
    question whose replies are to differ; no endpoint sees it. `streamed` when the text is read in pieces.
    `function` is what answers in the place of an endpoint.
    """

    model: str
    provider: str
    messages: list[dict[str, Any]]
    params: Mapping[str, Any]
    price: Price | None = None
    sample: int = 0
    streamed: bool = False
    function: Callable[..., Any] | None = field(default=None, repr=False, compare=False)


Steps = Generator["Question | Future[Any]", Reply, Reply]
Guard = Callable[[Question], Steps]

_GUARDS: ContextVar[tuple[Guard, ...]] = ContextVar("tracelib_guards", default=())


@contextmanager
def guarded(guard: Guard) -> Iterator[None]:
    """Every question asked inside this block passes the guard, after those of the blocks around it."""
    token = _GUARDS.set((*_GUARDS.get(), guard))
    try:
        yield
    finally:
        _GUARDS.reset(token)


class Post:
    """A place for one guard at a time, behind those of the context: the block's, or else the process's.

    Threads that were begun without a context pass the guard that was set last.
    """

    def __init__(self, name: str) -> None:
        self._here: ContextVar[tuple[Guard, ...]] = ContextVar(f"tracelib_{name}", default=())
        self._everywhere: tuple[Guard, ...] = ()
        self._blocks: Counter[Guard] = Counter()
        self._lock = threading.Lock()

    def guards(self) -> tuple[Guard, ...]:
        """The guard that stands here now, if any."""
        everywhere = self._everywhere
        here = tuple(guard for guard in self._here.get() if guard in everywhere)
        return (here or everywhere)[-1:]

    def set(self, guard: Guard) -> None:
        """From now on, everywhere in this process where no block says otherwise."""
        with self._lock:
            self._put(guard)

    def end(self, guard: Guard) -> None:
        """The guard stands here no more, not even in its blocks; the one set before it does again."""
        with self._lock:
            self._drop(guard)

    def begin_block(self, guard: Guard) -> None:
        """For a block of this context, and for threads that it begins; one guard may have several blocks."""
        with self._lock:
            self._blocks[guard] += 1
            self._put(guard)
        self._here.set((*self._here.get(), guard))

    def end_block(self, guard: Guard) -> None:
        """The block is over, although it may end in another context than it began in, as a fixture's does."""
        here = self._here.get()
        if guard in here:
            last = len(here) - 1 - here[::-1].index(guard)
            self._here.set(here[:last] + here[last + 1 :])
        with self._lock:
            self._blocks[guard] -= 1
            if self._blocks[guard] <= 0:
                del self._blocks[guard]
                self._drop(guard)

    def _put(self, guard: Guard) -> None:
        self._drop(guard)
        self._everywhere = (*self._everywhere, guard)

    def _drop(self, guard: Guard) -> None:
        self._everywhere = tuple(one for one in self._everywhere if one is not guard)


CASSETTES, CACHES = Post("cassette"), Post("cache")
"""A cassette hears what a cache answered too."""


class Road(Iterator["Question | Future[Any]"]):
    """Steps walked by whoever does the asking: each question in turn, and after the last the `reply`.

    What the asker hears, or the error it meets inside `with road:`, goes into the step that waits for it.
    """

    reply: Reply

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._resume: Callable[[], Question | Future[Any]] = partial(next, steps)

    def __next__(self) -> Question | Future[Any]:
        try:
            question = self._resume()
        except StopIteration as end:
            self.reply = _returned(end)
            raise StopIteration from None
        if isinstance(question, Future):
            self._resume = partial(next, self._steps)
        else:
            self._resume = partial(self._steps.throw, ModelError("the model ended without a reply"))
        return question

    def hear(self, reply: Reply) -> None:
        """The answer to the last question."""
        self._resume = partial(self._steps.send, reply)

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[True]:
        if error is not None:
            self._resume = partial(self._steps.throw, error)
        return True


def passage(question: Question, ask: Guard) -> Steps:
    """The question goes through each guard of this context, outermost first, and `ask` is the last."""
    return _through((*_GUARDS.get(), *CASSETTES.guards(), *CACHES.guards(), ask), question)


def _through(guards: tuple[Guard, ...], question: Question) -> Steps:
    steps, inner = guards[0](question), guards[1:]
    if not inner:
        return (yield from steps)
    road = Road(steps)
    for asked in road:
        with road:
            if isinstance(asked, Future):
                yield asked
            else:
                road.hear((yield from _through(inner, asked)))
    return road.reply


def walk(steps: Steps, answer: Callable[[Question], Reply]) -> Reply:
    """The reply at the end of the steps, each question on the way answered."""
    road = Road(steps)
    for question in road:
        with road:
            if isinstance(question, Future):
                _wait(question)
            else:
                road.hear(answer(question))
    return road.reply


async def awalk(steps: Steps, answer: Callable[[Question], Awaitable[Reply]]) -> Reply:
    """`walk` for an answer that is awaited."""
    road = Road(steps)
    for question in road:
        with road:
            if isinstance(question, Future):
                await asyncio.wrap_future(question)
            else:
                road.hear(await answer(question))
    return road.reply


LONGEST = 600.0
"""Seconds that a thread waits for another; it may hold the very worker that the other one needs."""


def _wait(future: Future[Any]) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        with suppress(TimeoutError):
            future.result(LONGEST)
    # else the task that is waited for may be one of this thread's loop, which must not stand still.


Pieces = Generator[str | Reply, None, None]
"""The pieces of a text as they come, and at last the Reply."""

AsyncPieces = AsyncGenerator[str | Reply, None]


def walk_pieces(steps: Steps, answer: Callable[[Question], Pieces]) -> Pieces:
    """`walk` for an answer that comes in pieces; a reply that a guard had kept comes word by word."""
    road, told = Road(steps), False
    for question in road:
        with road:
            if isinstance(question, Future):
                _wait(question)
                continue
            for piece in answer(question):
                if isinstance(piece, Reply):
                    road.hear(piece)
                else:
                    told = True
                    yield piece
    yield from _ending(road.reply, told)


async def awalk_pieces(steps: Steps, answer: Callable[[Question], AsyncPieces]) -> AsyncPieces:
    """`walk_pieces` for pieces that are awaited."""
    road, told = Road(steps), False
    for question in road:
        with road:
            if isinstance(question, Future):
                await asyncio.wrap_future(question)
                continue
            async with aclosing(answer(question)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Reply):
                        road.hear(piece)
                    else:
                        told = True
                        yield piece
    for piece in _ending(road.reply, told):
        yield piece


def _ending(reply: Reply, told: bool) -> Iterator[str | Reply]:
    if not told:
        yield from re.findall(r"\s*\S+(?:\s+\Z)?|\s+", reply.text)
    yield reply


def _returned(end: StopIteration) -> Reply:
    if not isinstance(end.value, Reply):
        raise ModelError(f"a guard returned {end.value!r}: return the reply it was sent, or one it kept")
    return end.value
