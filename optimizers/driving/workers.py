"""Who runs the work of one step: threads, or an event loop; and the executors a user may bring.

Both take items, start them in order, and are waited for together. They know neither effects nor
budgets; results go wherever the function that is run puts them.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any, TypeVar

from optimizers.driving.executors import Processes

T = TypeVar("T")
R = TypeVar("R")

DEFAULT_WORKERS = 8
# Seconds between looks at Ctrl-C where the platform cannot interrupt a wait.
HEARTBEAT = 0.5


class Stop:
    """Set when nothing more is to be started; items that wait are passed over."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        self._event.set()

    def __bool__(self) -> bool:
        return self._event.is_set()


class Threads:
    """Runs a function on each item in a thread pool; every item has its own copy of the context."""

    def __init__(self, pool: Executor, workers: int = DEFAULT_WORKERS) -> None:
        self._pool = pool
        self.workers = workers

    def start(self, work: Callable[[T], None], items: Sequence[T], stop: Stop) -> list[Future[None]]:
        waiting = deque(items)

        def pump() -> None:
            for item in _taken(waiting, stop):
                copy_context().run(work, item)

        count = min(self.workers, len(items))
        return [self._pool.submit(copy_context().run, _stopping, pump, stop) for _ in range(count)]


class Loop:
    """Runs a coroutine function on each item in an event loop of another thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, workers: int = DEFAULT_WORKERS) -> None:
        self._loop = loop
        self._workers = workers

    def start(
        self, work: Callable[[T], Coroutine[Any, Any, None]], items: Sequence[T], stop: Stop
    ) -> list[Future[None]]:
        waiting = deque(items)

        async def pump() -> None:
            try:
                for item in _taken(waiting, stop):
                    # A task of its own: what the item does to its context stays there.
                    await asyncio.create_task(work(item))
            except BaseException:
                stop.set()
                raise

        count = min(self._workers, len(items))
        return [asyncio.run_coroutine_threadsafe(pump(), self._loop) for _ in range(count)]


def in_threads(work: Callable[[T], R], items: Sequence[T], workers: int) -> list[R]:
    """The result for each item, in order; raises the first error when all have ended.

    The threads are new ones: this is called from a pool's thread, and a pool that waits for itself
    would wait for ever.
    """
    if len(items) == 1:
        return [work(items[0])]
    with ThreadPoolExecutor(max(1, min(workers, len(items))), thread_name_prefix="question") as pool:
        return [done.result() for done in [pool.submit(copy_context().run, work, item) for item in items]]


async def in_tasks(work: Callable[[T], Coroutine[Any, Any, R]], items: Sequence[T]) -> list[R]:
    """The result for each item, in order; raises the first error when all have ended."""
    ended = await asyncio.gather(*map(work, items), return_exceptions=True)
    results: list[R] = []
    for one in ended:
        if isinstance(one, BaseException):
            raise one
        results.append(one)
    return results


def _taken(waiting: deque[T], stop: Stop) -> Iterator[T]:
    while waiting and not stop:
        try:
            item = waiting.popleft()
        except IndexError:
            return
        yield item


def _stopping(pump: Callable[[], None], stop: Stop) -> None:
    try:
        pump()
    except BaseException:
        stop.set()
        raise


def finish(futures: Sequence[Future[Any]], stop: Stop) -> None:
    """Wait for all; raises the first error in their order. When interrupted, what runs is let end."""
    try:
        _wait(futures)
    except BaseException:
        stop.set()
        for future in futures:
            future.cancel()
        _wait(futures)
        raise
    for future in futures:
        future.result()


def _wait(futures: Sequence[Future[Any]]) -> None:
    pending = set(futures)
    while pending:
        _, pending = wait_for(pending, timeout=HEARTBEAT)


@contextmanager
def pool_of(executor: Executor | int | None) -> Iterator[tuple[Executor, int]]:
    """An executor and how many items it runs at once; our own threads or processes end with it.

    An int is a number of threads, None is eight. The executor's own number is read where it tells one.
    """
    if isinstance(executor, Processes):
        try:
            yield executor, executor.workers
        finally:
            executor.shutdown(cancel_futures=True)
        return
    if isinstance(executor, Executor) or hasattr(executor, "submit"):
        yield executor, workers_of(executor)  # type: ignore[misc]
        return
    workers = DEFAULT_WORKERS if executor is None else int(executor)
    pool = ThreadPoolExecutor(max(1, workers), thread_name_prefix="rollout")
    try:
        yield pool, max(1, workers)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def workers_of(executor: Any) -> int:
    """How many workers an executor has; eight when it does not say."""
    said = getattr(executor, "workers", None) or getattr(executor, "_max_workers", None)
    return said if isinstance(said, int) else DEFAULT_WORKERS


def shares_memory(executor: Executor) -> bool:
    """Whether its workers are threads of this process.

    Thread pools are; any other executor may say so with an attribute `in_process = True`.
    """
    return bool(getattr(executor, "in_process", isinstance(executor, ThreadPoolExecutor)))


@contextmanager
def loop_in_thread() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop that runs in a thread of its own until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=_serve, args=(loop,), name="rollouts", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
