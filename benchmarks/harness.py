"""Measuring beside a baseline in the same process. Knows nothing but the standard library.

Time is CPU time of the whole process: work of other programs on the machine is not counted. The cyclic
garbage collector stays on, as users have it, and is run before each timed block.
"""

from __future__ import annotations

import atexit
import functools
import gc
import math
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

Work = Callable[[int], Any]
"""Does an operation so many times and gives back what must stay alive until the clock has stopped."""


@dataclass(frozen=True)
class Spread:
    """A median of repeats with the least and the greatest of them."""

    median: float
    least: float
    greatest: float


@dataclass(frozen=True)
class Row:
    """One figure of the table. `goal` names an entry of goals.py; without a spread, `note` says why."""

    name: str
    goal: str
    spread: Spread | None
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """A JSON value that `from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Row:
        """What `to_json` wrote."""
        spread = value["spread"]
        return cls(**{**value, "spread": None if spread is None else Spread(**spread)})


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


def exactly(value: float) -> Spread:
    """What was counted rather than timed."""
    return Spread(value, value, value)


def cpu(work: Callable[..., Any], *args: Any) -> tuple[float, Any]:
    """CPU seconds of one call, and what it gave."""
    gc.collect()
    start = time.process_time_ns()
    result = work(*args)
    return (time.process_time_ns() - start) / 1e9, result


def seconds(work: Callable[..., Any], *args: Any) -> float:
    """CPU seconds of one call; what it gave is freed after the clock has stopped."""
    return cpu(work, *args)[0]


def elapsed(work: Callable[..., Any], *args: Any) -> float:
    """Seconds of one call by the clock on the wall, where other processes do a part of the work."""
    gc.collect()
    start = time.perf_counter()
    result = work(*args)
    spent = time.perf_counter() - start
    del result
    return spent


def plain(x: Any) -> Any:
    return x


def plain_calls(n: int) -> None:
    """The baseline of calls and operations: a plain Python call of the identity, its loop included."""
    f = plain
    for i in range(n):
        f(i)


LOOP = """\
def run(n):
    kept = [None] * n
    for i in range(n):
        kept[i] = {expression}
    return kept
"""


def repeating(expression: str, **names: Any) -> Work:
    """A function that evaluates an expression n times, `i` counting, and keeps every result.

    Results are kept because a user's program keeps them: the collector then has a heap to look at.
    """
    scope = dict(names)
    exec(LOOP.format(expression=expression), scope)
    made: Work = scope["run"]
    return made


def ratio(
    work: Work,
    n: int,
    repeats: int,
    *,
    base: Work = plain_calls,
    base_n: int = 0,
    before: Callable[[], object] = lambda: None,
) -> Spread:
    """Cost of one operation of `work` in costs of one of `base`, timed before and after each repeat.

    The ratio is formed per repeat, so that a slow spell of the machine hits both. `before` runs
    untimed ahead of each repeat.
    """
    base_n = base_n or 10 * n
    before()
    work(max(1, n // 20))
    found = []
    last = seconds(base, base_n)
    for _ in range(repeats):
        before()
        spent = seconds(work, n)
        following = seconds(base, base_n)
        found.append((spent / n) / max((last + following) / 2 / base_n, 1e-12))
        last = following
    return spread(found)


def growth(sizes: Sequence[int], spent: Sequence[float]) -> float:
    """The exponent k of time = c * size^k, by least squares on logarithms; 1.0 is linear."""
    xs, ys = [math.log(n) for n in sizes], [math.log(max(t, 1e-9)) for t in spent]
    x, y = statistics.mean(xs), statistics.mean(ys)
    return sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / sum((a - x) ** 2 for a in xs)


@dataclass(frozen=True)
class Held:
    """Bytes per item, as Python allocates them: what the items hold, and what is left once dropped."""

    held: float
    kept: float


def held(build: Work, few: int, many: int) -> Held:
    """Bytes per item of what `build` gives, with the cyclic collector off.

    It is the slope between two sizes: caches and free lists, which do not grow with the number of
    items, cancel out.
    """
    build(64)
    gc.collect()
    gc.disable()
    tracemalloc.start(1)
    try:
        build(many)
        (held_few, kept_few), (held_many, kept_many) = _sizes(build, few), _sizes(build, many)
    finally:
        tracemalloc.stop()
        gc.enable()
    return Held((held_many - held_few) / (many - few), (kept_many - kept_few) / (many - few))


def _sizes(build: Work, n: int) -> tuple[int, int]:
    start = allocated()
    items = build(n)
    full = allocated()
    del items
    return full - start, allocated() - start


def allocated() -> int:
    """Bytes allocated by Python since tracemalloc was started."""
    return tracemalloc.get_traced_memory()[0]


def fresh(code: str, *args: str) -> tuple[float, str]:
    """CPU seconds and output of a new interpreter that runs `code` with the repository importable.

    Its bytecode is kept in a folder of its own, which is gone with this process: the first run of some
    code compiles what it imports, and is not to be timed.
    """
    import_path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": import_path, "PYTHONPYCACHEPREFIX": _bytecode()}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", code, *args], env=environment, capture_output=True, text=True, check=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return spent, done.stdout


@functools.cache
def _bytecode() -> str:
    folder = tempfile.mkdtemp(prefix="benchmarks-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def beyond_nothing(code: str, repeats: int) -> tuple[Spread, float]:
    """Milliseconds of CPU that `code` takes beyond `python -c pass` beside it, and the median of that."""
    fresh(code)
    fresh("pass")
    found, alone = [], []
    for _ in range(repeats):
        before, spent, after = fresh("pass")[0], fresh(code)[0], fresh("pass")[0]
        alone.append((before + after) / 2 * 1000)
        found.append(spent * 1000 - alone[-1])
    return spread(found), statistics.median(alone)
