"""Backward with the default rule on four shapes, against the raw sweep over the same graph of integers."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import tracelib as trace
from benchmarks.goals import GOALS
from benchmarks.harness import Row, Spread, cpu, exactly, growth, seconds, spread
from benchmarks.shapes import SHAPES, Shape, built, sweep
from benchmarks.sizes import Size

RULED = 10_000
"""Operations of the graph on which a rule of the user's is timed."""


@trace.bundle
def step(*xs: Any) -> Any:
    return 1


def parameter() -> Any:
    return trace.node(1, trainable=True)


def chain(size: Size) -> Iterator[Row]:
    """Backward on a chain: n operations in a row on one parameter; also with a rule of the user's."""
    yield from _backward("chain", size)
    n = min(RULED, size.graphs[-1])
    yield Row(f"backward, chain of {n:,}, own rule", "ruled", _ruled(SHAPES["chain"](n), size.graph_repeats))


def fanin(size: Size) -> Iterator[Row]:
    """Backward on a fan-in: n operations on one parameter, one operation on all of them."""
    return _backward("fanin", size)


def wide(size: Size) -> Iterator[Row]:
    """Backward on a wide graph: one operation on n parameters, each of which hears."""
    return _backward("wide", size)


def dag(size: Size) -> Iterator[Row]:
    """Backward on a random graph: n operations, each on two of the sixteen before it."""
    return _backward("dag", size)


def _backward(name: str, size: Size) -> Iterator[Row]:
    built(SHAPES[name](2), parameter, step).backward("the first pass of a process imports")
    medians = []
    for n in size.graphs:
        shape = SHAPES[name](n)
        forward, output = cpu(built, shape, parameter, step)
        against_sweep, spent = _timed(output, shape, size.graph_repeats)
        medians.append(spent)
        goal = f"backward, {n:,}"
        note = f"forward {forward:.2f} s, backward {spent:.2f} s" if n >= 100_000 else ""
        yield Row(f"backward, {name} of {n:,}", goal if goal in GOALS else "backward", against_sweep, note)
        del output
        gc.collect()
    spans = f"{size.graphs[0]:,} to {size.graphs[-1]:,}"
    yield Row(f"backward, {name}, growth", "growth", exactly(growth(size.graphs, medians)), spans)


def _timed(output: Any, shape: Shape, repeats: int, **choices: Any) -> tuple[Spread, float]:
    """Backward from the output in costs of a raw sweep, and its median CPU seconds."""
    ratios, spent = [], []
    for _ in range(repeats):
        before = seconds(sweep, shape)
        took, report = cpu(lambda: output.backward("shorter, please", **choices))
        after = seconds(sweep, shape)
        assert report.reached, "no parameter was reached: this timed nothing"
        for heard in report.reached:
            heard.zero_feedback()
        ratios.append(2 * took / max(before + after, 1e-9))
        spent.append(took)
    return spread(ratios), spread(spent).median


def _ruled(shape: Shape, repeats: int) -> Spread:
    output = built(shape, parameter, step)
    return _timed(output, shape, repeats, rule=lambda node, feedback: feedback)[0]
