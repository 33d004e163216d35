"""Where a value came from: the nearest recorded calls behind it. Reads the record, changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tracelib.graph.call import Call, call_of
from tracelib.graph.containers import nodes_of, seen
from tracelib.graph.graph import by_creation
from tracelib.graph.node import ATOMS, Node
from tracelib.graph.operator import BUILTIN
from tracelib.graph.parameter import Parameter

MODEL_PROGRAM = "lm"
"""The kind of an operator whose calls ask a language model."""


@dataclass(frozen=True)
class Origin:
    """What a value came from.

    `calls` are the nearest recorded calls behind it, `parameters` the trainable values used on the way
    to them; `possible` are the calls whose results plain Python read (an f-string, `json.dumps`, a branch)
    just before one of `calls` ran, so that they may be behind it too. Each is in creation order.
    """

    calls: tuple[Call, ...] = ()
    possible: tuple[Call, ...] = ()
    parameters: tuple[Parameter[Any], ...] = ()

    @property
    def ids(self) -> frozenset[str]:
        """The ids of `calls`."""
        return frozenset(call.id for call in self.calls)

    def __bool__(self) -> bool:
        return bool(self.calls or self.possible or self.parameters)


def origin(value: Any) -> Origin:
    """The calls that a value came from: of a node, or of the nodes in a container, dataclass or model.

    Operations of Python are walked through, calls are not; a value in which no node is found has an
    empty Origin. Linear in what lies between the value and those calls.

    >>> from tracelib import bundle
    >>> greet = bundle(lambda name: f"hello {name}", name="greet")
    >>> [call.op.name for call in origin([greet("Ann").upper(), greet("Bob")[0]]).calls]
    ['greet', 'greet']
    """
    calls, leaves = _nearest(nodes_of(seen(value)[0]), _is_call)
    read, _ = _nearest(_read_before(calls), _is_call)
    known = {id(made) for made in calls}
    return Origin(
        _as_calls(calls),
        _as_calls(made for made in read if id(made) not in known),
        _parameters(leaves),
    )


def origin_trace(made: Node[Any]) -> frozenset[str]:
    """The ids of the nearest calls of language model programs behind a node, else of the nearest calls."""
    start = nodes_of(seen(made)[0])
    programs, _ = _nearest(start, _is_model_call)
    found = programs or _nearest(start, _is_call)[0]
    return frozenset(call.id for call in _as_calls(found))


def _is_call(made: Node[Any]) -> bool:
    """Whether a node is what a call gave; an operation of Python that failed has a clock, too."""
    if made._start is None:
        return False
    op = made._op
    return op is not None and BUILTIN.get(op.name) is not op


def _is_model_call(made: Node[Any]) -> bool:
    return _is_call(made) and getattr(made._op, "kind", None) == MODEL_PROGRAM


def _nearest(
    start: Iterable[Node[Any]], wanted: Callable[[Node[Any]], bool]
) -> tuple[list[Node[Any]], list[Node[Any]]]:
    """The wanted nodes that are met first on every way back, and the leaves met before any of them."""
    stack = list({id(made): made for made in start}.values())
    met = {id(made) for made in stack}
    found, leaves = [], []
    for made in stack:  # which grows while it is walked
        if wanted(made):
            found.append(made)
            continue
        if made._op is None:
            leaves.append(made)
        for source in _sources(made):
            if id(source) not in met:
                met.add(id(source))
                stack.append(source)
    return sorted(found, key=by_creation), sorted(leaves, key=by_creation)


def _sources(made: Node[Any]) -> list[Node[Any]]:
    """What a value was made from; what only a branch looked at is none of it."""
    found = [source for kept in made._args if type(kept) not in ATOMS for source in nodes_of(kept)]
    if made._extra is not None:
        found += [source for kind, source in made._extra.edges if kind != "control"]
    return found


def _read_before(calls: list[Node[Any]]) -> Iterator[Node[Any]]:
    """What plain Python read before the calls, where it is still there."""
    for made in calls:
        for _, reference in made._extra.loose if made._extra is not None else ():
            source = reference()
            if source is not None:
                yield source


def _as_calls(nodes: Iterable[Node[Any]]) -> tuple[Call, ...]:
    return tuple(call for call in map(call_of, nodes) if call is not None)


def _parameters(leaves: list[Node[Any]]) -> tuple[Parameter[Any], ...]:
    found: dict[int, Parameter[Any]] = {}
    for made in leaves:
        parameter = made if isinstance(made, Parameter) else made._parameter
        if parameter is not None:
            found[id(parameter)] = parameter
    return tuple(sorted(found.values(), key=by_creation))
