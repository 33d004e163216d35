"""What a node was made from: its inputs by name, its parents, its edges with their kinds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import Any

from tracelib.graph.node import Node, Packed, constant, is_node, operands
from tracelib.graph.parameter import Reading

KINDS = ("argument", "returned", "read", "within", "control")
"""Why one node is behind another; feedback passes along all but `control`."""


Link = tuple[str, str, Node[Any]]
"""One reason why a node is behind another: the input's name, the kind of edge, the node."""


def links(made: Node[Any]) -> Iterable[Link]:
    """Every edge into a node in the order of its operands, constants included.

    A plain operand becomes a leaf the first time it is asked for, and stays that leaf.
    """
    if made._extra is None and made._op is not None and all(map(is_node, made._args)):
        return zip(made._op.input_names(len(made._args)), repeat("argument"), made._args, strict=False)
    return _links(made)


def _links(made: Node[Any]) -> Iterator[Link]:
    materialize(made)
    for name, kept in operands(made):
        if is_node(kept):
            yield name, "argument", kept
        elif type(kept) is Packed:
            for path, found in zip(kept.paths, kept.nodes, strict=True):
                yield f"{name}{path}", "argument", found
    if made._extra is not None:
        for kind, found in made._extra.edges:
            yield found._name or kind, kind, found


def materialize(made: Node[Any]) -> None:
    """Make the plain operands of a node leaves, which they stay from then on."""
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
    for base, _, source in links(made):
        name = base
        while name in named:
            counts[base] = counts.get(base, 0) + 1
            name = f"{base}{counts[base]}"
        named[name] = source
    return named


def parents(made: Node[Any]) -> list[Node[Any]]:
    """The nodes that a node was made from, each once, Parameters for their readings."""
    found: dict[int, Node[Any]] = {}
    for _, _, source in links(made):
        source = source if source._parameter is None else source._parameter
        found.setdefault(id(source), source)
    return list(found.values())
