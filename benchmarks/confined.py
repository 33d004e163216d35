"""What a sandbox of processes takes: a call, a fresh candidate, a start, and many at once."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.harness import Row, spread
from benchmarks.sizes import Size
from tracelib.errors import SandboxStopped
from tracelib.sandbox.process import ProcessSandbox
from tracelib.sandbox.sandbox import Code, Given, SandboxLimits

GIVEN = Given([1, "some text", {"a": [1.5, None]}], {})
SOURCE = "def f(x, y, z):\n    return [x + {0}, y, z]"
BUSY = "def f(x, y, z):\n    return sum(n * n for n in range({0}))"
WORK = 600_000
"""Numbers that each call of the scaling figure adds up: some 30 ms."""
WORKERS = 8
WALL = 0.5


class Silent:
    """An outside that is not asked."""

    def answer(self, asked: Any) -> dict[str, Any]:
        return {"error": "nothing is asked here"}


OUTSIDE = Silent()


def sandboxes(size: Size) -> Iterator[Row]:
    """Milliseconds of a call and of a start, how 8 at once scale, and what one without end costs."""
    missing = ProcessSandbox.missing()
    if missing is not None:
        yield Row("sandbox", "left out", None, missing)
        return
    n = max(4, size.calls // 50)
    yield Row("sandbox, warm call", "sandbox call", spread([_warm(n) for _ in range(size.repeats)]))
    yield Row(
        "sandbox, fresh candidate", "sandbox fresh", spread([_fresh(n // 4) for _ in range(size.repeats)])
    )
    yield Row("sandbox, start", "sandbox start", spread([_start() for _ in range(size.repeats)]))
    cores = len(os.sched_getaffinity(0))
    note = f"{WORKERS} workers on {cores} cores"
    yield Row(
        "sandbox, at once", "sandbox at once", spread([_at_once(cores) for _ in range(size.repeats)]), note
    )
    yield Row(
        "sandbox, an endless loop",
        "sandbox endless",
        spread([_endless() for _ in range(min(3, size.repeats))]),
    )


def _code(number: int, source: str = SOURCE) -> Code:
    return Code("f", source.replace("{0}", str(number)), "<benchmark>")


def _warm(n: int) -> float:
    """Milliseconds of a call of a candidate that is loaded."""
    sandbox = ProcessSandbox()
    sandbox.run(_code(0), GIVEN, OUTSIDE)
    began = time.perf_counter()
    for _ in range(n):
        sandbox.run(_code(0), GIVEN, OUTSIDE)
    spent = time.perf_counter() - began
    sandbox.close()
    return spent / n * 1e3


def _fresh(n: int) -> float:
    """Milliseconds of the first call of each of many candidates."""
    sandbox = ProcessSandbox()
    sandbox.run(_code(0), GIVEN, OUTSIDE)
    began = time.perf_counter()
    for number in range(1, n + 1):
        sandbox.run(_code(number), GIVEN, OUTSIDE)
    spent = time.perf_counter() - began
    sandbox.close()
    return spent / n * 1e3


def _start() -> float:
    """Milliseconds from nothing to the first result."""
    sandbox = ProcessSandbox()
    began = time.perf_counter()
    sandbox.run(_code(0), GIVEN, OUTSIDE)
    spent = time.perf_counter() - began
    sandbox.close()
    return spent * 1e3


def _at_once(cores: int) -> float:
    """How many times as long as ideal 8 workers take for 16 calls: one after another, by the cores."""
    sandbox = ProcessSandbox()
    code = _code(WORK, BUSY)
    calls = 2 * WORKERS
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(lambda _: sandbox.run(code, GIVEN, OUTSIDE), range(WORKERS)))
        began = time.perf_counter()
        for _ in range(calls):
            sandbox.run(code, GIVEN, OUTSIDE)
        alone = time.perf_counter() - began
        began = time.perf_counter()
        list(pool.map(lambda _: sandbox.run(code, GIVEN, OUTSIDE), range(calls)))
        together = time.perf_counter() - began
    sandbox.close()
    return together / (alone / min(cores, WORKERS))


def _endless() -> float:
    """How many times its limit a call without end takes."""
    sandbox = ProcessSandbox(limits=SandboxLimits(wall=WALL))
    sandbox.run(_code(0), GIVEN, OUTSIDE)
    began = time.perf_counter()
    try:
        sandbox.run(_code(0, "def f(x, y, z):\n    while True: pass"), GIVEN, OUTSIDE)
    except SandboxStopped:
        return (time.perf_counter() - began) / WALL
    finally:
        sandbox.close()
    raise AssertionError("a call without end has ended")
