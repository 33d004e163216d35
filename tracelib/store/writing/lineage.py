"""Where the values of a call came from, as its record keeps it: other calls, and what lies between.

A call refers to nodes by keys: a call's result by the call's id, any other node (a value the user
wrapped, an operation, an earlier value of a parameter) by a number of its own, written out by the first
call that it flows into ("carried" by it) and by none after. So all of a program's records together
grow with its nodes, however often a value is used.

The section is a JSON object: `operands` (input name -> key, or a list of [path, key] for a container),
`keywords` (how many of the last inputs came by `**kwargs`), `edges` ([kind, key]: returned, read, within,
control), `possible` (keys), `nodes` (number -> what it is: `value`, `place` and `within`; for a parameter's
value `parameter`, for an operation `op` and `operands`, each [name, {"node", "parts" or "value"}]).
Keys: "<call id>", or "<call id>/<number>" for a node that the call of that id carries.
"""

from __future__ import annotations

import weakref
from typing import Any, NamedTuple, Protocol

from tracelib.graph.node import Node, Packed, is_node, operands
from tracelib.graph.operator import CODE
from tracelib.graph.parameter import Reading
from tracelib.store.writing.parameters import named

SOURCES = 64
"""Calls that are remembered as behind a carried node; further ones are found by way of the graph only."""
CARRIED_AT_ONCE = 10_000
"""Nodes that one record may carry; what is behind them is cut there, and marked."""


NONE: frozenset[str] = frozenset()
POSSIBLE = "possible"
"""The slot of an edge that Python does not let us see for certain."""


class Values(Protocol):
    """How the values of one call's section are kept."""

    def kept(self, value: Any) -> Any:
        """A value as JSON; a big one as a reference to a blob."""

    def said(self, text: str) -> str:
        """What the user called or described something."""

    def seen(self, parameter: Any, value: Any) -> None:
        """A parameter was read with this value."""


class Carried(NamedTuple):
    """A node that some call's record has written out."""

    reference: weakref.ref[Any]
    key: str
    sources: frozenset[str]


class Lineage:
    """The nodes that a recorder has written out, weakly; threads may use it at once."""

    def __init__(self, recorded: Any) -> None:
        self._carried: dict[int, Carried] = {}
        self._recorded = recorded

    def of(self, made: Node[Any], call: str, values: Values) -> tuple[dict[str, Any], dict[str, str]] | None:
        """The section for a call's node and, by source call, the slot its value came in by; None: neither."""
        extra = made._extra
        traced = [(name, kept) for name, kept in operands(made) if is_node(kept) or type(kept) is Packed]
        if not traced and (extra is None or not (extra.edges or extra.loose)):
            return None
        writing = _Writing(self, call, values)
        section: dict[str, Any] = {"operands": {name: writing.operand(name, kept) for name, kept in traced}}
        if extra is not None:
            section["keywords"] = len(extra.keywords)
            section["edges"] = [[kind, writing.key(inner, kind)] for kind, inner in extra.edges]
            section["possible"] = [key for _, loose in extra.loose for key in writing.possible(loose)]
        section["nodes"] = writing.nodes
        return {part: value for part, value in section.items() if value}, writing.slots

    def call_of(self, made: Node[Any]) -> str | None:
        """The id of the recorded call whose result a node is; None where it is none."""
        if made._start is None:
            return None
        return self.frame(made._frame)

    def frame(self, frame: Any) -> str | None:
        """The id of a call by its frame; for a branch of a thread, of the call that it branched from."""
        while frame is not None and frame.op is None:
            frame = frame.caller
        found: str | None = self._recorded(frame)
        return found

    def known(self, made: Node[Any]) -> Carried | None:
        found = self._carried.get(id(made))
        return found if found is not None and found.reference() is made else None

    def carry(self, made: Node[Any], key: str, sources: frozenset[str]) -> Carried:
        number = id(made)
        reference = weakref.ref(made, lambda _: self._carried.pop(number, None))
        found = self._carried[number] = Carried(reference, key, sources)
        return found


class _Writing:
    """The section of one call while it is written."""

    def __init__(self, lineage: Lineage, call: str, values: Values) -> None:
        self.nodes: dict[str, Any] = {}
        self.slots: dict[str, str] = {}
        self._lineage = lineage
        self._call = call
        self._values = values

    def operand(self, name: str, kept: Any) -> Any:
        """A key, or for a container the keys of the nodes in it by their paths."""
        if type(kept) is Packed:
            return [[path, self.key(n, name)] for path, n in zip(kept.paths, kept.nodes, strict=True)]
        return self.key(kept, name)

    def key(self, made: Node[Any], slot: str) -> str:
        """The key of a node, written out with all behind it that no record has yet."""
        call = self._lineage.call_of(made)
        if call is not None:
            if slot:
                self.slots.setdefault(call, slot)
            return call
        carried = self._lineage.known(made) or self._write(made)
        if slot:
            for source in carried.sources:
                self.slots.setdefault(source, slot)
        return carried.key

    def possible(self, loose: Any) -> list[str]:
        """The keys of what plain Python read before the call: of the node, or of its calls if it is gone."""
        made = loose()
        if made is not None:
            return [self.key(made, POSSIBLE)]
        found = filter(None, map(self._lineage.frame, loose.frames))
        calls = list(dict.fromkeys(found))
        for call in calls:
            self.slots.setdefault(call, POSSIBLE)
        return calls

    def _write(self, made: Node[Any]) -> Carried:
        """Parents first, without recursion."""
        if made._op is None:
            return self._write_one(made)
        stack = [made]
        while stack:
            top = stack[-1]
            missing = [] if len(self.nodes) + len(stack) > CARRIED_AT_ONCE else self._missing(top)
            if missing:
                stack.extend(missing)
                continue
            stack.pop()
            if self._lineage.known(top) is None:
                self._write_one(top)
        found = self._lineage.known(made)
        assert found is not None
        return found

    def _missing(self, made: Node[Any]) -> list[Node[Any]]:
        return [
            n for n in _behind(made) if self._lineage.call_of(n) is None and self._lineage.known(n) is None
        ]

    def _write_one(self, made: Node[Any]) -> Carried:
        number = str(len(self.nodes))
        sources: set[str] = set()
        self.nodes[number] = described = self._described(made, sources)
        described["place"] = made._seq
        within = self._lineage.frame(made._caller)
        if within is not None:
            described["within"] = within
        behind = frozenset(sorted(sources)[:SOURCES]) if sources else NONE
        return self._lineage.carry(made, f"{self._call}/{number}", behind)

    def _described(self, made: Node[Any], sources: set[str]) -> dict[str, Any]:
        if type(made) is Reading:
            self._values.seen(made._parameter, made._data)
            return {"parameter": named(made._parameter), "value": self._values.kept(made._data)}
        told = {"name": made._name, "description": made._description}
        said = {part: self._values.said(text) for part, text in told.items() if text}
        described = {"value": self._values.kept(made._data), **said}
        if made._op is not None and made._start is None:
            described["op"] = made._op.name
            described["operands"] = [
                [name, self._operand(kept, sources)] for name, kept in operands(made) if name != CODE
            ]
        return described

    def _operand(self, kept: Any, sources: set[str]) -> dict[str, Any]:
        if is_node(kept):
            return {"node": self._reference(kept, sources)}
        if type(kept) is not Packed:
            return {"value": self._values.kept(kept)}
        pairs = zip(kept.paths, kept.nodes, strict=True)
        parts = [[path, self._reference(inner, sources)] for path, inner in pairs]
        return {"parts": parts, "value": self._values.kept(kept.plain)}

    def _reference(self, made: Node[Any], sources: set[str]) -> str | None:
        """The key of a parent, which is written by now; None where the record was cut before it."""
        call = self._lineage.call_of(made)
        if call is not None:
            sources.add(call)
            return call
        carried = self._lineage.known(made)
        if carried is None:
            return None
        sources.update(carried.sources)
        return carried.key


def _behind(made: Node[Any]) -> list[Node[Any]]:
    """The parents of an operation; a call that was not recorded, and a leaf, have none for us."""
    if made._op is None or made._start is not None:
        return []
    found: list[Node[Any]] = []
    for kept in made._args:
        if is_node(kept):
            found.append(kept)
        elif type(kept) is Packed:
            found.extend(kept.nodes)
    return found
