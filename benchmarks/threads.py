"""Calls from eight threads at the smallest switch interval: how many have a parent that is not their own."""

from __future__ import annotations

import itertools
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import tracelib as trace
from benchmarks.harness import Row, exactly, spread
from benchmarks.sizes import Size

THREADS = 8
SMALLEST = 1e-6
"""Seconds between switches of threads."""


@trace.bundle
def inner(x: Any) -> Any:
    return x + 1


@trace.bundle
def outer(x: Any) -> Any:
    return inner(x)


def concurrency(size: Size) -> Iterator[Row]:
    """Wrong parents among calls inside calls, from eight threads switching every microsecond."""
    each = size.thread_calls // THREADS // 2
    with switching_every(SMALLEST):
        chains = together(lambda thread: calls_in_a_row(thread, each))
    wrong = sum(wrong_parents(chain) for chain in chains)
    yield Row(f"threads, {size.thread_calls:,} calls", "threads", exactly(wrong))
    yield Row("threads, CPU of 8 at once", "threads, cost", _cost(each // 4, size.repeats))


@contextmanager
def switching_every(interval: float) -> Iterator[None]:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(interval)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def together(work: Callable[[int], Any]) -> list[Any]:
    """What `work(0)` ... `work(7)` give, each in a thread of its own, all started at once."""
    gate = threading.Barrier(THREADS)
    results: list[Any] = [None] * THREADS

    def body(thread: int) -> None:
        gate.wait()
        results[thread] = work(thread)

    running = [threading.Thread(target=body, args=(t,)) for t in range(THREADS)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return results


def calls_in_a_row(thread: int, n: int) -> list[Any]:
    """A leaf and n outer calls, each on the one before and with an inner call of its own."""
    made = [trace.node(thread * 10**9)]
    for _ in range(n):
        made.append(outer(made[-1]))
    return made


def wrong_parents(chain: list[Any]) -> int:
    """How many of the calls have another value, other parents or another caller than their own."""
    start = chain[0].data
    wrong = 0
    for i, (before, after) in enumerate(itertools.pairwise(chain), 1):
        parents = after.parents
        own = len(parents) == 2 and parents[0] is before and after.data == start + i
        wrong += not own
        wrong += not (own and _is_inner_of(parents[1], after))
    return wrong


def _is_inner_of(made: Any, call: Any) -> bool:
    caller = made.call.caller
    return bool(made.op is inner.op and caller is call.call.frame and made.data == call.data)


def _cost(each: int, repeats: int) -> Any:
    """CPU of the calls from eight threads in CPU of the same calls from one, at the usual interval."""
    ratios = []
    for _ in range(min(repeats, 5)):
        alone = _cpu(lambda: [calls_in_a_row(t, each) for t in range(THREADS)])
        ratios.append(_cpu(lambda: together(lambda t: calls_in_a_row(t, each))) / max(alone, 1e-9))
    return spread(ratios)


def _cpu(work: Callable[[], Any]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start
