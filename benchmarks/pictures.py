"""Pictures of a random graph: DOT text by the graphviz package against joining it raw, and our own SVG."""

from __future__ import annotations

import re
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tracelib as trace
from benchmarks.harness import Row, cpu, seconds, spread
from benchmarks.shapes import Shape, built, dag, reached
from benchmarks.sizes import Size

NODE = re.compile(r"^\s*n\d+(?= \[)")
EDGE = re.compile(r"^\s*n\d+ -> n\d+")
ASKED = 10_000
"""The nodes of the graph that the goal in seconds is about."""


@trace.bundle
def step(x: Any, y: Any) -> Any:
    return "a value of ordinary length"


def dot(size: Size) -> Iterator[Row]:
    """DOT text of a graph just recorded, by the graphviz package, against joining the same text raw."""
    for n in size.pictures:
        shape = dag(n)
        output = built(shape, lambda: trace.node(1, trainable=True), step)
        yield _dot_row(n, output, shape, size.graph_repeats)


def _dot_row(n: int, output: Any, shape: Shape, repeats: int) -> Row:
    text = trace.Graph.behind(output).to_dot().source
    items = list(reached(shape))
    node_tail, edge_tail = tails(text)
    joined = raw_text(items, node_tail, edge_tail)
    assert 0.8 < len(joined) / len(text) < 1.25 or n < 100, (len(joined), len(text))
    ratios = []
    for _ in range(repeats):
        before = seconds(raw_text, items, node_tail, edge_tail)
        spent, _ = cpu(lambda: trace.Graph.behind(output).to_dot().source)
        after = seconds(raw_text, items, node_tail, edge_tail)
        ratios.append(2 * spent / max(before + after, 1e-9))
    return Row(f"DOT text, {n:,} nodes", "dot", spread(ratios), f"{len(text) / 1e6:.1f} MB of text")


def tails(text: str) -> tuple[str, str]:
    """What follows the ids in a typical node line and a typical edge line."""
    lines = text.splitlines(keepends=True)
    nodes = [NODE.sub("", line) for line in lines if NODE.match(line)]
    edges = [EDGE.sub("", line) for line in lines if EDGE.match(line)]
    return _typical(nodes), _typical(edges)


def _typical(lines: list[str]) -> str:
    middle = statistics.median_low(map(len, lines))
    return next(line for line in lines if len(line) == middle)


def raw_text(items: list[tuple[int, tuple[int, ...]]], node_tail: str, edge_tail: str) -> str:
    """The same text from lists of integers, everything else about it known before."""
    lines = ["digraph trace {\n"]
    for i, parents in items:
        lines.append(f"\tn{i}{node_tail}")
        for parent in parents:
            lines.append(f"\tn{parent} -> n{i}{edge_tail}")
    lines.append("}\n")
    return "".join(lines)


def svg(size: Size) -> Iterator[Row]:
    """Seconds to our own SVG of a graph just recorded: every node drawn, and collapsed as by default."""
    for n in size.pictures:
        shape = dag(n)
        output = built(shape, lambda: trace.node(1, trainable=True), step)
        goal = "svg" if n == ASKED else "svg, smaller"
        yield _svg_row(f"own SVG, {n:,} nodes", goal, output, size.graph_repeats, collapse="none")
        yield _svg_row(f"own SVG, {n:,} collapsed", goal, output, size.graph_repeats)


def _svg_row(name: str, goal: str, output: Any, repeats: int, **choices: Any) -> Row:
    spent = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.svg"
        trace.Graph.behind(output).render(path, layout="own", **choices)
        for _ in range(repeats):
            spent.append(seconds(lambda: trace.Graph.behind(output).render(path, layout="own", **choices)))
        written = path.stat().st_size
    return Row(name, goal, spread(spent), f"{written / 1e6:.1f} MB")
