"""What the peers' cells share: a failure is a figure too, and memory is capped."""

from __future__ import annotations

import resource
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.harness import Row, Spread, cpu, exactly, held, seconds
from benchmarks.shapes import SHAPES, built, sweep
from benchmarks.sizes import Size

MEMORY = 10 * 2**30
"""Bytes of address space that a peer may take: it gets MemoryError beyond."""


def capped() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def tried(name: str, goal: str, measure: Callable[[], Spread]) -> Row:
    """The figure, or how it failed."""
    try:
        return Row(name, goal, measure())
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return Row(name, goal, None, f"{type(error).__name__} in {Path(where.filename).name}:{where.lineno}")


def backward(
    shape: str, n: int, leaf: Callable[[], Any], operation: Callable[..., Any], run: Callable[[Any], object]
) -> Row:
    """One backward pass over a fresh graph of the shape, in costs of a raw sweep."""

    def measure() -> Spread:
        raw = SHAPES[shape](n)
        output = built(raw, leaf, operation)
        before = seconds(sweep, raw)
        spent, _ = cpu(run, output)
        return exactly(2 * spent / (before + seconds(sweep, raw)))

    return tried(f"backward, {shape} of {n:,}", "backward", measure)


def memory(name: str, build: Callable[[int], Any], size: Size) -> Iterator[Row]:
    """Bytes per operation, and kept after the results are dropped."""
    figures = held(build, *(n // 10 for n in size.memory))
    yield Row(f"memory, {name}", "held", exactly(figures.held))
    yield Row(f"kept, {name}", "kept", exactly(figures.kept))
