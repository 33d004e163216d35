"""What a node was made from: its inputs by name, its parents, its edges with their kinds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from tracelib.graph.node import Node, Packed, constant, is_node, operands
from tracelib.graph.parameter import Reading

KINDS = ("argument", "returned", "read", "within", "control")
"""Why one node is behind another; feedback passes along all but `control`."""


class Link(NamedTuple):
    """One reason why `source` is behind a node."""

    name: str
    kind: str
    source: Node[Any]


def links(made: Node[Any]) -> Iterator[Link]:
    """Every edge into a node in the order of its operands, constants included.

    A plain operand becomes a leaf the first time it is asked for, and stays that leaf.
    """
    _materialize(made)
    for name, kept in operands(made):
        if is_node(kept):
            yield Link(name, "argument", kept)
        elif type(kept) is Packed:
            for path, found in zip(kept.paths, kept.nodes, strict=True):
                yield Link(f"{name}{path}", "argument", found)
    if made._extra is not None:
        for kind, found in made._extra.edges:
            yield Link(found._name or kind, kind, found)


def _materialize(made: Node[Any]) -> None:
    op = made._op
    if op is None or all(is_node(a) or type(a) is Packed for a in made._args):
        return
    args = [
        a if is_node(a) or type(a) is Packed or (i == 0 and op.receiver) else constant(a, made)
        for i, a in enumerate(made._args)
    ]
    kept: Any = made
    kept._args = tuple(args)


def shown(found: Node[Any]) -> Node[Any]:
    """The Parameter for a reading of its present value; the reading where the value has changed."""
    if isinstance(found, Reading):
        parameter = found._parameter
        if parameter._reading is not None and parameter._reading() is found:
            return parameter  # type: ignore[no-any-return]
    return found


def inputs(made: Node[Any]) -> dict[str, Node[Any]]:
    """What a node was made from, by name, with the values of that moment; names are made unique."""
    return {name: shown(source) for name, source in named_links(made).items()}


def named_links(made: Node[Any]) -> dict[str, Node[Any]]:
    """The source of every edge into a node, by a name that no other edge into it has."""
    named: dict[str, Node[Any]] = {}
    counts: dict[str, int] = {}
    for link in links(made):
        name = link.name
        while name in named:
            counts[link.name] = counts.get(link.name, 0) + 1
            name = f"{link.name}{counts[link.name]}"
        named[name] = link.source
    return named


def parents(made: Node[Any]) -> list[Node[Any]]:
    """The nodes that a node was made from, each once, Parameters for their readings."""
    found: dict[int, Node[Any]] = {}
    for link in links(made):
        source = link.source if link.source._parameter is None else link.source._parameter
        found.setdefault(id(source), source)
    return list(found.values())
