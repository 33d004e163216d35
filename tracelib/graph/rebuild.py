"""Nodes again from descriptions: a stored graph that backward, pictures and optimizers take as any other.

`rebuilt` makes the graph, `adopt` lets the parameters of the running program hear what is said to it.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

from tracelib.errors import GraphError
from tracelib.graph.containers import PACK
from tracelib.graph.description import (
    Applied,
    Description,
    Parts,
    Ref,
    Seen,
    SeenFrame,
    SeenOperator,
    behind,
    described,
)
from tracelib.graph.graph import ancestors
from tracelib.graph.node import ATOMS, ExceptionNode, Extra, Leaf, Node, Packed, Result, Value, empty, new
from tracelib.graph.operator import BUILTIN, Operator
from tracelib.graph.parameter import Parameter, Reading, reading_of
from tracelib.graph.stored import StoredOperator, StoredParameter, stored_error
from tracelib.graph.tracing import WALL, Frame, _restored, next_place

__all__ = ["adopt", "behind", "described", "fits", "rebuilt"]


def rebuilt(descriptions: Iterable[Description], output: str | None = None) -> Node[Any]:
    """The node with the key `output`, else the last one described, and all behind it.

    The nodes take new places in the order of creation, the same among themselves. Calls keep their ids.
    Parameters are stand-ins (StoredParameter) that can be adopted. Raises GraphError for a key that
    nothing described has. Time and memory are linear in the descriptions, but for sorting them.
    """
    building = _Building(list(descriptions))
    return building.node(building.last if output is None else output)


class _Building:
    """What has been made so far, by its keys."""

    def __init__(self, descriptions: list[Description]) -> None:
        seen = [one for one in descriptions if isinstance(one, Seen)]
        self._seen_frames = {one.id: one for one in descriptions if isinstance(one, SeenFrame)}
        if not seen:
            raise GraphError("there is nothing to rebuild: no node is described")
        self.last = seen[-1].key
        self._places = self._numbered(seen)
        self._made_in = _frames_of(seen)
        self._operators: dict[SeenOperator, list[StoredOperator]] = {}
        self._frames: dict[str, Frame] = {}
        self._parameters: dict[str, StoredParameter] = {}
        self._nodes: dict[str, Node[Any]] = {}
        self._now = ""
        for one in sorted(seen, key=lambda one: one.order):
            if one.key not in self._nodes:
                self._now = one.key
                self._nodes[one.key] = self._made(one)
        self._now = ""

    def node(self, key: str) -> Node[Any]:
        found = self._nodes.get(key)
        if found is None:
            used = f" before {self._now!r}, which was made from it" if self._now else ""
            raise GraphError(
                f"no node with the key {key!r} is described{used}: give all that is behind the output, as "
                "`behind` does"
            )
        return found

    def _numbered(self, seen: list[Seen]) -> dict[float, Any]:
        """For each stored place a new one, so that nodes of many processes fit into this one's order.

        A constant stands half a place before what used it, among those constants that were not described.
        """
        places = {one.order for one in seen} | {frame.place for frame in self._seen_frames.values()}
        halves = {place for place in places if place % 1 == 0.5 and place + 0.5 in places}
        numbered: dict[float, Any] = {place: next_place() for place in sorted(places - halves)}
        return {**numbered, **{place: numbered[place + 0.5] - 0.5 for place in halves}}

    def _made(self, one: Seen) -> Node[Any]:
        place = self._places[one.order]
        if one.parameter is not None:
            return self._of_parameter(one, place)
        made: Any = self._failed(one) if one.kind == "error" else empty(one.data, _CLASSES[one.kind])
        if one.kind != "error":
            made._data = one.data
        made._args = ()
        made._op = None
        made._seq = place
        made._caller = None if one.caller is None else self._frame(one.caller)
        if one.kind in ("leaf", "packed"):
            made._name = one.name
            made._description = one.description
        if one.applied is not None:
            self._apply(made, one.applied, one.kind)
        return made  # type: ignore[no-any-return]

    def _failed(self, one: Seen) -> ExceptionNode:
        made = new(ExceptionNode)
        error = one.error
        made.exception = stored_error("builtins:Exception" if error is None else error.type, _text(one))
        made._lines = ()
        made._text = str(one.data)
        return made

    def _apply(self, made: Any, applied: Applied, kind: str) -> None:
        made._args = tuple([self._operand(kept) for _, kept in applied.operands])
        made._op = self._operator(applied)
        if kind not in ("result", "error"):
            return
        keywords = tuple([name for name, _ in applied.operands[len(applied.operands) - applied.keywords :]])
        edges = tuple([(how, self.node(key)) for how, key in applied.edges])
        made._extra = Extra(edges, keywords) if edges or keywords else None
        made._start = (applied.start or 0.0) - WALL
        made._duration = applied.duration
        made._frame = None if applied.call is None else self._frame(applied.call)

    def _operand(self, kept: Any) -> Any:
        if type(kept) is Ref:
            return self.node(kept.key)
        if type(kept) is not Parts:
            return kept
        paths, nodes = [path for path, _ in kept.nodes], [self.node(key) for _, key in kept.nodes]
        return Packed(kept.plain, tuple(paths), tuple(nodes))

    def _operator(self, applied: Applied) -> Operator:
        seen = applied.operator
        if seen.native and seen.name in BUILTIN:
            return BUILTIN[seen.name]
        if seen.name == PACK.name and not seen.key:
            return PACK
        names = tuple([name for name, _ in applied.operands])
        known = self._operators.setdefault(seen, [])
        for one in known:
            if one.calls_it(names, applied.keywords):
                return one
        known.append(StoredOperator(seen))
        known[-1].calls_it(names, applied.keywords)
        return known[-1]

    def _frame(self, key: str) -> Frame:
        """The call with this id, its callers made first, without recursion."""
        chain: dict[str, None] = {}
        outer: str | None = key
        while outer is not None and outer not in self._frames and outer not in chain:
            chain[outer] = None
            outer = self._described(outer).caller
        for inner in reversed(chain):
            self._frames[inner] = self._restored(self._described(inner))
        return self._frames[key]

    def _described(self, key: str) -> SeenFrame:
        """A call as it is described, else what the node that it gave tells of it, or a node made in it."""
        return self._seen_frames.get(key) or self._made_in[key]

    def _restored(self, seen: SeenFrame) -> Frame:
        op = None if seen.operator is None else self._operator(Applied(seen.operator))
        caller = None if seen.caller is None else self._frames.get(seen.caller)
        return _restored(op, caller, self._places[seen.place], seen.start, seen.id)

    def _of_parameter(self, one: Seen, place: int) -> Node[Any]:
        about = one.parameter
        assert about is not None
        owner = self._parameters.get(about.key)
        if owner is None:
            owner = self._parameters[about.key] = StoredParameter.of(about, one.data, place)
        if one.kind == "parameter":
            owner._own = one.data
            return owner
        reading = reading_of(owner, one.data)
        reading._seq = place
        if one.present:
            owner._own = one.data
            owner._reading = weakref.ref(reading)
        return reading


_CLASSES: dict[str, Any] = {
    "leaf": Leaf,
    "packed": Leaf,
    "constant": Value,
    "operation": Value,
    "result": Result,
}


def _text(one: Seen) -> str:
    return str(one.data) if one.error is None else one.error.message


def _frames_of(seen: list[Seen]) -> dict[str, SeenFrame]:
    """Calls by what is told of the nodes that they gave, or at least of a node that was made in them."""
    found: dict[str, SeenFrame] = {}
    for one in seen:
        if one.caller is not None:
            found.setdefault(one.caller, SeenFrame(one.caller, one.order, 0.0))
    for one in seen:
        if one.applied is not None and one.applied.call is not None:
            call, start = one.applied.call, one.applied.start or 0.0
            found[call] = SeenFrame(call, one.order, start, one.applied.operator, one.caller)
    return found


def adopt(output: Node[Any], parameters: Iterable[Parameter[Any]]) -> tuple[str, ...]:
    """Let live parameters hear in place of the stored ones behind `output`; the names of those without one.

    A stored parameter's counterpart is the one parameter that has its path, else its name. One of another
    program or function is never taken, where both sides know theirs, nor a value for code, nor one of
    several that fit. The record's values stay what they were. Linear in the graph.
    """
    readings = [made for made in ancestors((output,)) if isinstance(made, Reading)]
    stored = {id(r._parameter): r._parameter for r in readings if isinstance(r._parameter, StoredParameter)}
    if not stored:
        return ()
    live = [one for one in parameters if not isinstance(one, StoredParameter)]
    partners = {key: _counterpart(one, live) for key, one in stored.items()}
    for reading in readings:
        partner = partners.get(id(reading._parameter))
        if partner is not None:
            _repoint(reading, partner)
    return tuple([one.name for key, one in stored.items() if partners[key] is None])


def _counterpart(stored: Parameter[Any], live: list[Parameter[Any]]) -> Parameter[Any] | None:
    """The one live parameter that is the stored one, by its path or, where none is, by its name."""
    fitting = [one for one in live if fits(stored, one)]
    for names in ((stored._path,), (stored._name,), (stored.name,)):
        found = [one for one in fitting if not {one._path, one._name, one.name}.isdisjoint(names)]
        if len(found) == 1 and names != (None,):
            return found[0]
    return None


def fits(stored: Parameter[Any], live: Parameter[Any]) -> bool:
    """Whether a parameter of the running program may be the stored one: nothing known tells them apart."""
    names = {live._path, live._name, live.name} & {stored._path, stored._name, stored.name}
    return bool(names - {None}) and live.is_code == stored.is_code and _same_program(stored, live)


def _same_program(one: Parameter[Any], other: Parameter[Any]) -> bool:
    """Whether nothing that both know tells their programs, or the functions that they are code of, apart."""
    functions = [p._code.program for p in (one, other) if p._code is not None]
    known = [p._program for p in (one, other)]
    return all(len({*pair} - {None}) < 2 for pair in (functions, known))


def _repoint(reading: Reading, partner: Parameter[Any]) -> None:
    """Give a reading to another parameter; it is his present value where he holds the same."""
    reading._parameter = partner
    older = partner._seq < reading._seq
    if older and partner._reading is None and _same_value(partner._own, reading._data):
        reading._seq = partner._seq
        partner._reading = weakref.ref(reading)


def _same_value(one: Any, other: Any) -> bool:
    return one is other or (type(one) in ATOMS and type(other) is type(one) and bool(one == other))
