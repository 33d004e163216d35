"""A graph as lines, one for each node in the order they came: what it was made from, and what it is."""

from __future__ import annotations

from collections.abc import Iterator

from tracelib.cli.escaping import one_line
from tracelib.graph.description import is_constant
from tracelib.graph.graph import Edge, Graph
from tracelib.graph.node import Node
from tracelib.render.labels import short

VALUE = 100
"""Characters of a value."""
CONSTANT = 40
"""Characters of a constant among the inputs."""


def flow(graph: Graph) -> Iterator[tuple[str, str]]:
    """For each node the line that says how it came about, and its value; constants stand where they are used.

    `greet0 = greet(name=name0)`, or `prompt is a parameter`. Values that came in unseen, as a global, the
    result of an inner call or a branch did, follow after a bar: `greet0 = greet(name=name0 | read prompt)`.
    """
    into: dict[int, list[Edge]] = {}
    for edge in graph.edges:
        into.setdefault(id(edge.target), []).append(edge)
    for made in graph.ordered:
        if not is_constant(made):
            yield made_from(graph, made, into.get(id(made), [])), value_of(made)


def made_from(graph: Graph, made: Node[object], edges: list[Edge]) -> str:
    name = one_line(graph.name(made))
    if graph.of_parameter(made) is not None:
        return f"{name} is a parameter"
    if made._op is None:
        return f"{name} is a value"
    given = ", ".join(f"{edge.name}={named(graph, edge.source)}" for edge in edges if edge.kind == "argument")
    seen = ", ".join(f"{edge.kind} {named(graph, edge.source)}" for edge in edges if edge.kind != "argument")
    return f"{name} = {one_line(made._op.name)}({' | '.join(filter(None, (given, seen)))})"


def named(graph: Graph, source: Node[object]) -> str:
    """A constant by its value, anything else by its name."""
    if is_constant(source):
        return one_line(short(source._data, CONSTANT), 2 * CONSTANT)
    return one_line(graph.name(source))


def value_of(made: Node[object]) -> str:
    return one_line(short(made._data, VALUE), 2 * VALUE)
