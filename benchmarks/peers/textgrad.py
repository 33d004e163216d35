"""textgrad: the cells that need no model. Backward is its walk alone, without the text it would pass."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from benchmarks.harness import Row, Spread, beyond_nothing, ratio, repeating
from benchmarks.peers.cells import backward, capped, memory, tried
from benchmarks.sizes import Size

Variable: Any = importlib.import_module("textgrad").Variable
Function: Any = importlib.import_module("textgrad.autograd.string_based_ops").StringBasedFunction

ENGINE = object()


def variable(value: str = "v", before: tuple[Any, ...] = ()) -> Any:
    return Variable(value, predecessors=list(before), role_description="v")


def step(*before: Any) -> Any:
    """An operation whose own feedback does nothing."""
    made = variable("v", before)
    made.set_grad_fn(lambda backward_engine=None: None)
    return made


def rows(size: Size) -> Iterator[Row]:
    """Every cell that textgrad has an equal of."""
    capped()
    yield tried("call, a node", "call", lambda: _ratio("f(inputs={'x': x})", size))
    yield tried("text, text + text", "text", lambda: _ratio("s + t", size))
    for shape in ("chain", "fanin", "wide", "dag"):
        for n in size.graphs[:2]:
            yield backward(shape, n, variable, step, lambda output: output.backward(ENGINE))
    s, t = variable("ab"), variable("cd")
    yield from memory("text operations in a row", lambda n: [s + t for _ in range(n)], size)
    yield tried("import tracelib", "import", lambda: beyond_nothing("import textgrad", size.interpreters)[0])


def _ratio(expression: str, size: Size) -> Spread:
    names = {"f": Function(lambda x: x.value, "identity"), "x": variable("hello")}
    work = repeating(expression, **names, s=variable("ab"), t=variable("cd"))
    n = max(1, size.calls // 5)
    return ratio(work, n, min(size.repeats, 5), base_n=50 * n)
