"""Calls of bundles and operations on nodes, each against a plain Python call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import tracelib as trace
from benchmarks.harness import Row, Spread, ratio, repeating
from benchmarks.sizes import Size


@trace.bundle
def same(x: Any) -> Any:
    return x


@trace.bundle
def first(x: Any, y: Any) -> Any:
    return x


@trace.bundle
def outer(x: Any) -> Any:
    return same(x)


OPERATIONS = {
    "node + node": "x + y",
    "node + int": "x + 2",
    "node[key]": "d['k']",
    "node < int": "x < 2",
    "node == node": "x == y",
}
TEXTS = {
    "text + text": "s + t",
    "text + str": "s + 'cd'",
    "text.upper()": "s.upper()",
    "text[1:]": "s[1:]",
}


def calls(size: Size) -> Iterator[Row]:
    """Calls of a bundle: recorded with caller, two clocks and error handling."""
    cases = {
        "call, an int": ("f(1)", same),
        "call, a node": ("f(x)", same),
        "call, a node and an int": ("f(x, 2)", first),
        "call, a str": ("f('hello')", same),
    }
    for name, (expression, f) in cases.items():
        yield _row(name, "call", size, expression, f=f, x=trace.node(1))
    both = ratio(repeating("f(1)", f=outer), size.calls, size.repeats)
    each = Spread(both.median / 2, both.least / 2, both.greatest / 2)
    yield Row("call, one in another (each)", "call", each)


def operations(size: Size) -> Iterator[Row]:
    """Infix operations, lookups and comparisons of nodes."""
    names = {"x": trace.node(1), "y": trace.node(2), "d": trace.node({"k": 1})}
    for name, expression in OPERATIONS.items():
        yield _row(f"operation, {name}", "operation", size, expression, **names)


def texts(size: Size) -> Iterator[Row]:
    """Operations on strings that remember where they came from."""
    names = {"s": trace.node("ab"), "t": trace.node("cd")}
    for name, expression in TEXTS.items():
        yield _row(f"text, {name}", "text", size, expression, **names)


def off(size: Size) -> Iterator[Row]:
    """Calls of a bundle under stop_tracing: nothing is recorded."""
    with trace.stop_tracing():
        yield _row("stop_tracing, an int", "off", size, "f(1)", f=same)
        yield _row("stop_tracing, a node", "off", size, "f(x)", f=same, x=trace.node(1))


def _row(name: str, goal: str, size: Size, expression: str, **names: Any) -> Row:
    return Row(name, goal, ratio(repeating(expression, **names), size.calls, size.repeats))
