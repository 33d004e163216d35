"""Bytes of what is recorded, and what is left of it once the output is dropped, with the cyclic gc off."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import tracelib as trace
from benchmarks.harness import Row, Work, allocated, exactly, held
from benchmarks.sizes import Size


@trace.bundle
def one(x: Any) -> Any:
    return 1


@trace.bundle
def word(x: Any) -> Any:
    return "word"


def memory(size: Size) -> Iterator[Row]:
    """Bytes per operation, kept after the output is dropped, and kept by a backward pass."""
    cases = {
        "call on an int": lambda n: [one(i) for i in range(n)],
        "calls in a row": lambda n: in_a_row(n, one),
        "calls in a row, giving text": lambda n: in_a_row(n, word),
        "operations in a row": lambda n: in_a_row(n, lambda x: x + 0),
        "text operations in a row": lambda n: in_a_row(n, lambda x: x.strip(), "text"),
    }
    found = {name: held(build, *size.memory) for name, build in cases.items()}
    for name, figures in found.items():
        yield Row(f"memory, {name}", "held", exactly(figures.held))
    for name, figures in found.items():
        yield Row(f"kept, {name}", "kept", exactly(figures.kept))
    yield Row("kept by backward", "kept by backward", exactly(_kept_by_backward(*size.memory)))


def in_a_row(n: int, step: Callable[[Any], Any], start: Any = 0) -> Any:
    """The last of n operations, each on the one before, the first on a parameter."""
    made = trace.node(start, trainable=True)
    for _ in range(n):
        made = step(made)
    return made


def _kept_by_backward(few: int, many: int) -> float:
    """Bytes per operation that a pass with 10,000 characters of feedback leaves in the graph."""
    gc.disable()
    tracemalloc.start(1)
    try:
        _growth_by_backward(many)
        small, large = _growth_by_backward(few), _growth_by_backward(many)
    finally:
        tracemalloc.stop()
        gc.enable()
    return (large - small) / (many - few)


def _growth_by_backward(n: int) -> int:
    build: Work = lambda count: in_a_row(count, one)  # noqa: E731 - named for its type
    output = build(n)
    start = allocated()
    report = output.backward("x" * 10_000)
    assert report.reached, "no parameter was reached"
    del report
    return allocated() - start
