"""What a version costs: found cold, asked for again, and with big values."""

from __future__ import annotations

import ast
import hashlib
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.harness import Row, Spread, exactly, growth, seconds, spread
from benchmarks.sizes import Size
from benchmarks.written import helpers, imported
from tracelib.versioning import snapshots, watch
from tracelib.versioning.closure import version_of

BIG = {
    "a string of 2 MB": "K = 'ab' * {n}\ndef f():\n    return K\n",
    "a tuple of 300,000 ints": "K = tuple(range({n}))\ndef f():\n    return K\n",
}
ELEMENTS = {"a string of 2 MB": 1_000_000, "a tuple of 300,000 ints": 300_000}


def closures(size: Size) -> Iterator[Row]:
    """Versions: cold in costs of one parse and sha256 of the module, and again for an unchanged function.

    `cold` is a text that was read and parsed by nobody here, in an interpreter that has done this before;
    `file unread` begins with the file.
    """
    with tempfile.TemporaryDirectory() as folder:
        spent = []
        for count in size.closures:
            text = helpers(count)
            target = imported(Path(folder) / f"helpers{count}.py", text).f
            cold, took = _cold(target, text, size.repeats)
            spent.append(took)
            assert len(version_of(target).parts) == count + 1, "not all helpers were found"
            yield Row(f"version, {count} helpers, cold", "version", cold, f"{took * 1000:.1f} ms")
            yield Row(
                f"version, {count} helpers, file unread", "version", _unread(folder, count, size.repeats)
            )
            yield Row(f"version, {count} helpers, again", "version again", _again(target, count, size))
        spans = f"{size.closures[0]} to {size.closures[-1]} helpers"
        yield Row("version, growth", "version growth", exactly(growth(size.closures, spent)), spans)
        for name, text in BIG.items():
            target = imported(Path(folder) / f"big{len(name)}.py", text.format(n=ELEMENTS[name])).f
            yield Row(f"version, {name}", "version, big value", _big(target, size.repeats))


def _forget() -> None:
    """As at the first look: no text parsed, no version remembered."""
    snapshots._chunks.clear()
    watch._kept.clear()


def _cold(target: Any, text: str, repeats: int) -> tuple[Any, float]:
    ratios, spent = [], []
    for _ in range(repeats):
        before = seconds(_floor, text)
        _forget()
        took = seconds(version_of, target)
        after = seconds(_floor, text)
        ratios.append(2 * took / max(before + after, 1e-9))
        spent.append(took)
    return spread(ratios), spread(spent).median


def _unread(folder: str, count: int, repeats: int) -> Spread:
    """As in a program that just started: each time another file, whose text nobody has read yet.

    The parse beside it is given the text.
    """
    ratios, text = [], helpers(count)
    for at in range(repeats + 1):
        target = imported(Path(folder) / f"unread{count}_{at}.py", text).f
        before = seconds(_floor, text)
        took = seconds(version_of, target)
        ratios.append(2 * took / max(before + seconds(_floor, text), 1e-9))
    return spread(ratios[1:])


def _floor(text: str) -> None:
    ast.parse(text)
    hashlib.sha256(text.encode()).hexdigest()


def _again(target: Any, count: int, size: Size) -> Any:
    """Microseconds of an ask beyond 0.2 for each definition that is looked at."""
    n = max(1, size.calls // 20)
    version_of(target)
    return spread([_timed(lambda: version_of(target), n) * 1e6 - 0.2 * count for _ in range(size.repeats)])


def _big(target: Any, repeats: int) -> Any:
    """Milliseconds."""
    found = []
    for _ in range(repeats):
        _forget()
        found.append(seconds(version_of, target) * 1000)
    return spread(found)


def _timed(work: Callable[[], Any], n: int) -> float:
    start = time.process_time_ns()
    for _ in range(n):
        work()
    return (time.process_time_ns() - start) / 1e9 / n
