"""Executors whose workers do not share our memory: processes of our own, and any that a user brings."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from typing import Any, TypeVar

R = TypeVar("R")


class Remote(Executor):
    """Another executor, with the number of jobs that are sent to it at once: as many as it has workers.

        Remote(client.get_executor(), workers=64)

    It need only have `submit(function, text)` that gives a `concurrent.futures.Future`.
    """

    in_process = False

    def __init__(self, executor: Any, workers: int) -> None:
        self.executor = executor
        self.workers = workers

    def submit(self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:
        found: Future[R] = self.executor.submit(fn, *args, **kwargs)
        return found


class Processes(Executor):
    """As many worker processes as given, else one per core; started when first needed.

        Trainer(program, optimizer, metric, executor=Processes(4))

    A run ends its processes when it is over. When a worker dies they are started again, once in a run,
    and what was under way is done again. Each imports what it runs anew (the start method is spawn), so
    that a script that trains needs its `if __name__ == "__main__":`.
    """

    in_process = False

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or os.cpu_count() or 1
        self._pool: ProcessPoolExecutor | None = None
        self._replaced = False
        self._lock = threading.Lock()

    def submit(self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:
        return self._started().submit(fn, *args, **kwargs)

    def result_of(self, fn: Callable[..., R], *args: Any) -> R:
        """What the function gives in a worker; raises BrokenExecutor when a second worker died."""
        while True:
            pool = self._started()
            try:
                return pool.submit(fn, *args).result()
            except BrokenExecutor:
                if not self._replace(pool):
                    raise

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes; `submit` starts new ones."""
        with self._lock:
            pool, self._pool, self._replaced = self._pool, None, False
        if pool is not None:
            pool.shutdown(wait, cancel_futures=cancel_futures)

    def _started(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._pool is None:
                context = multiprocessing.get_context("spawn")
                self._pool = ProcessPoolExecutor(self.workers, context, _leave_interrupts)
            return self._pool

    def _replace(self, broken: ProcessPoolExecutor) -> bool:
        """Whether there is another pool to go on with; the first who asks about a broken one makes room."""
        with self._lock:
            if self._pool is not broken:
                return True
            if self._replaced:
                return False
            self._pool, self._replaced = None, True
        broken.shutdown(wait=False)
        return True


def _leave_interrupts() -> None:
    """Ctrl-C reaches every process of a terminal; the one that trains says what comes of it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
