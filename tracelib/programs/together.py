"""Many calls at once: awaitables on the running loop, plain functions in threads; knows no model."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

from tracelib.errors import GraphError
from tracelib.graph.tracing import OFF, branch, here, wrap

THREADS = 32
"""Threads at once where no limit is said."""

ERRORS = ("raise", "collect")


def gather(*calls: Any, limit: int | None = None, errors: str = "raise") -> Any:
    """The results of many calls at once, in their order: `await gather(greet("Ann"), greet("Bob"))`.

    Given functions without arguments instead, it runs them in threads and gives the list itself:
    `gather(lambda: greet("Ann"), lambda: greet("Bob"))`. Among awaitables a function runs in a thread, too.
    At most `limit` run at a time. Each call has its own recording context, and its place in the call tree
    is where gather was called, in the order given.

    On the first error the others are cancelled and waited for, and it is raised; what runs in a thread
    cannot be cancelled and is waited for. With errors="collect" all run to their end, and an error stands
    in the place of its result. Raises GraphError when a call is neither awaitable nor callable.
    """
    reason = _refusal(calls, limit, errors)
    if reason:
        _close(calls)
        raise GraphError(reason)
    if not calls:
        return Nothing()
    if any(map(inspect.isawaitable, calls)):
        whole = _Round(limit or len(calls), errors == "collect")
        return whole.results(calls, [_placed(call) for call in calls])
    return _in_threads([wrap(call) for call in calls], limit or THREADS, errors == "collect")


class Nothing(list[Any]):
    """The results of no calls, which may be awaited, since awaitables would have been."""

    def __await__(self) -> Generator[Any, None, list[Any]]:
        return self
        yield


class _Round:
    """Calls that run at once on a loop, so many at a time; unless all are wanted, one that fails ends it."""

    def __init__(self, limit: int, collect: bool) -> None:
        self.limit = limit
        self.collect = collect
        self.failed: Exception | None = None
        self._tasks: list[asyncio.Future[Any]] = []

    async def results(
        self, calls: Sequence[Any], placed: Sequence[Callable[[], Awaitable[Any]]]
    ) -> list[Any]:
        gate = asyncio.Semaphore(self.limit)
        self._tasks = [asyncio.ensure_future(self._let_through(gate, call)) for call in placed]
        try:
            ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        except asyncio.CancelledError:
            await asyncio.gather(*self._tasks, return_exceptions=True)
            raise
        finally:
            await _end(calls)  # those whose turn never came
        if self.failed is not None:
            raise self.failed
        return ended if self.collect else [task.result() for task in self._tasks]

    async def _let_through(self, gate: asyncio.Semaphore, call: Callable[[], Awaitable[Any]]) -> Any:
        async with gate:
            try:
                return await call()
            except Exception as error:
                if not self.collect and self.failed is None:
                    self.failed = error
                    self._stop()  # before the gate lets another through
                raise

    def _stop(self) -> None:
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()


def _placed(call: Any) -> Callable[[], Awaitable[Any]]:
    """What runs the call later, at the place in the call tree that is here and now."""
    if not inspect.isawaitable(call):
        carried = wrap(call)
        return lambda: in_thread(lambda: _finished(carried()))
    outer = here.get()
    place = OFF if outer is OFF else branch(outer)

    async def run() -> Any:
        here.set(place)  # of the task that this is awaited in, and of no other
        return await call

    return run


async def in_thread(call: Callable[[], Any]) -> Any:
    """What a function gives, run in a thread; cancelled, it still waits for the thread to end."""
    running = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.gather(running, return_exceptions=True)
        raise


def _in_threads(calls: Sequence[Callable[[], Any]], limit: int, collect: bool) -> list[Any]:
    failed: list[Exception] = []

    def run(call: Callable[[], Any]) -> Any:
        if failed:
            return None  # its turn came too late
        try:
            return _finished(call())
        except Exception as error:
            if collect:
                return error
            failed.append(error)
            raise

    pool = ThreadPoolExecutor(min(limit, len(calls)), thread_name_prefix="gather")
    try:
        futures = [pool.submit(run, call) for call in calls]
        wait(futures)
    finally:
        pool.shutdown(cancel_futures=True)
    if failed:
        raise failed[0]
    return [future.result() for future in futures]


def _refusal(calls: Sequence[Any], limit: int | None, errors: str) -> str:
    """What is wrong with what gather was given; nothing where it is fine."""
    if errors not in ERRORS:
        return f"errors is one of {', '.join(ERRORS)}, not {errors!r}"
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        return f"limit is how many run at once, 1 or more, not {limit!r}"
    for nth, call in enumerate(calls, 1):
        if isinstance(call, (list, tuple, Generator)):
            return f"call {nth} given to gather is a {type(call).__name__} of calls: write gather(*calls)"
        if not inspect.isawaitable(call) and not callable(call):
            return (
                f"call {nth} given to gather is {type(call).__name__} {call!r}: it has run already. Give the "
                "call of an async function without its await, or a function: gather(lambda: greet('Ann'))"
            )
    return ""


def _finished(made: Any) -> Any:
    """What a function gave in its thread. Raises GraphError for a coroutine, which nobody would await."""
    if inspect.iscoroutine(made):
        made.close()
        raise GraphError(
            f"{made.__qualname__} is async, and was given to gather as a function: give its calls instead, "
            "await gather(greet('Ann'), greet('Bob'))"
        )
    return made


async def _end(calls: Iterable[Any]) -> None:
    """End what was not begun: tasks of the caller's, which would run on, and coroutines."""
    left = [call for call in calls if asyncio.isfuture(call) and not call.done()]
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    _close(calls)


def _close(calls: Iterable[Any]) -> None:
    """End coroutines that were not begun, which would complain; others are not touched by it."""
    for call in calls:
        if inspect.iscoroutine(call):
            call.close()
        elif isinstance(call, (list, tuple)):
            _close(call)
