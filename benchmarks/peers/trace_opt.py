"""trace-opt (Microsoft Trace): the same calls, operations, passes and imports."""

from __future__ import annotations

import functools
import importlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.harness import Row, Spread, beyond_nothing, ratio, repeating, seconds, spread
from benchmarks.peers.cells import backward, capped, memory, tried
from benchmarks.sizes import Size
from benchmarks.written import FUNCTIONS, LINES, written

trace: Any = importlib.import_module("opto.trace")
graph: Any = importlib.import_module("opto.trace.nodes").GRAPH


def same(x: Any) -> Any:
    """Identity."""
    return x


def first(x: Any, y: Any) -> Any:
    """First."""
    return x


def one(*xs: Any) -> Any:
    """One."""
    return 1


EXPRESSIONS = {
    "call, an int": ("call", "f(1)"),
    "call, a node": ("call", "f(x)"),
    "call, a node and an int": ("call", "g(x, 2)"),
    "call, a str": ("call", "f('hello')"),
    "operation, node + node": ("operation", "x + y"),
    "operation, node + int": ("operation", "x + 2"),
    "operation, node[key]": ("operation", "d['k']"),
    "operation, node < int": ("operation", "x < 2"),
    "text, text + text": ("text", "s + t"),
    "text, text.upper()": ("text", "s.upper()"),
    "text, text[1:]": ("text", "s[1:]"),
}


def rows(size: Size) -> Iterator[Row]:
    """Every cell that trace-opt has an equal of; its graph of everything is cleared between repeats."""
    capped()
    for name, (goal, expression) in EXPRESSIONS.items():
        yield tried(name, goal, functools.partial(_ratio, expression, size))
    with trace.stop_tracing():
        yield tried("stop_tracing, an int", "off", lambda: _ratio("f(1)", size))
        yield tried("stop_tracing, a node", "off", lambda: _ratio("f(x)", size))
    yield from _backward(size)
    graph.clear()
    step = trace.bundle()(one)
    yield from memory("call on an int", lambda n: [step(i) for i in range(n)], size)
    graph.clear()
    with tempfile.TemporaryDirectory() as folder:
        for lines in LINES:
            name = f"decoration, file of {lines:,} lines"
            yield tried(name, "decoration", functools.partial(_decorating, Path(folder), lines))
    yield tried(
        "import tracelib", "import", lambda: beyond_nothing("import opto.trace", size.interpreters)[0]
    )


def _ratio(expression: str, size: Size) -> Spread:
    node, n = trace.node, max(1, size.calls // 5)
    names = {"f": trace.bundle()(same), "g": trace.bundle()(first), "x": node(1), "y": node(2)}
    values = {"d": node({"k": 1}), "s": node("ab"), "t": node("cd")}
    work = repeating(expression, **names, **values)
    return ratio(work, n, min(size.repeats, 5), base_n=50 * n, before=graph.clear)


def _backward(size: Size) -> Iterator[Row]:
    """Its passes grow with the square or cube of the graph: only small ones end within minutes."""
    step = trace.bundle()(one)
    for shape in ("chain", "fanin", "wide", "dag"):
        for n in size.graphs[:1] if shape == "dag" else size.graphs[:2]:
            graph.clear()
            leaf = functools.partial(trace.node, 1, trainable=True)
            yield backward(shape, n, leaf, step, lambda output: output.backward("feedback"))


def _decorating(folder: Path, lines: int) -> Spread:
    module = written(folder / f"lines{lines}.py", lines)
    functions = [getattr(module, f"f{i}") for i in range(FUNCTIONS)]
    for function in functions:
        function.__doc__ = "Identity."
    spent = [seconds(lambda: [trace.bundle()(f) for f in functions]) for _ in range(3)]
    return spread([s / FUNCTIONS * 1e6 for s in spent])
