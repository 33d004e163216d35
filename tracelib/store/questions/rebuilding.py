"""A recorded graph again, from what is stored: `Store.graph`.

A call's record refers to other calls by id, and to what lies between them by the number under which some
call carries it (see lineage.py). They are read from the output backwards, many calls at a time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import Connection, Row, select

from tracelib.errors import UnknownRecord
from tracelib.graph.description import (
    Applied,
    Kind,
    Parts,
    Ref,
    Seen,
    SeenError,
    SeenOperator,
    SeenParameter,
)
from tracelib.graph.graph import Graph
from tracelib.graph.operator import BUILTIN
from tracelib.graph.rebuild import rebuilt
from tracelib.store.database import Database
from tracelib.store.questions.calls import call_id
from tracelib.store.rows import NANO
from tracelib.store.schema import FAILED, INTERRUPTED, call, function, payload, version
from tracelib.store.values.blobs import Blobs, batches, compact, inflated
from tracelib.store.values.decoding import decode


def graph(database: Database, blobs: Blobs, id: str) -> Graph:
    """The graph behind a call, with calls, operations, parameters and values as they were.

    Parameters are stand-ins, which `optimizer.backward` lets the running program's own hear for. Raises
    UnknownRecord when there is no such call, or when it was interrupted and has no result.
    """
    with database.reading() as connection:
        key = call_id(connection, id).hex()
        return Graph.behind(rebuilt(_Loading(connection, blobs).behind(key), key))


class _Loading:
    """Reads what is behind a call."""

    def __init__(self, connection: Connection, blobs: Blobs) -> None:
        self._connection = connection
        self._get: Callable[[str], bytes] = lambda hash: blobs.get(connection, hash)
        self._rows: dict[str, Row[Any]] = {}
        self._sections: dict[str, dict[str, Any]] = {}

    def behind(self, key: str) -> list[Seen]:
        """Every node behind the call with this id, and its own."""
        self._fetch([key])
        if self._rows[key].status == INTERRUPTED:
            raise UnknownRecord(f"call {key} was interrupted: its process died, and there is no result of it")
        found: dict[str, Seen] = {}
        wanted = [key]
        while wanted:
            self._fetch({one.partition("/")[0] for one in wanted})
            following: list[str] = []
            for one in wanted:
                if one not in found:
                    found[one] = seen = self._seen(one)
                    following += [ref for ref in _references(seen) if ref not in found]
            wanted = following
        return list(found.values())

    def _fetch(self, ids: Iterable[str]) -> None:
        """The rows of calls that were not read yet."""
        columns = (
            call.c.id, call.c.place, call.c.parent, call.c.status, call.c.start_ns, call.c.duration_ns,
            function.c.key, function.c.name, function.c.kind, version.c.description,
            payload.c.inputs, payload.c.output, payload.c.error, payload.c.graph,
        )  # fmt: skip
        source = (
            call.join(function, function.c.n == call.c.function)
            .join(payload, payload.c.call == call.c.n)
            .outerjoin(version, version.c.n == call.c.version)
        )
        for batch in batches(set(ids) - self._rows.keys()):
            where = call.c.id.in_([bytes.fromhex(one) for one in batch])
            found: Iterable[Row[Any]] = self._connection.execute(
                select(*columns).select_from(source).where(where)
            )
            self._rows.update({bytes(row.id).hex(): row for row in found})

    def _section(self, id: str) -> dict[str, Any]:
        """How the record of a call says it was made."""
        if id not in self._sections:
            found = self._rows.get(id)
            self._sections[id] = {} if found is None or found.graph is None else json.loads(found.graph)
        return self._sections[id]

    def _seen(self, key: str) -> Seen:
        id, _, number = key.partition("/")
        if number:
            return self._carried(key, self._section(id).get("nodes", {}).get(number))
        row = self._rows.get(id)
        return _gone(key) if row is None else self._result(key, row)

    def _result(self, key: str, row: Row[Any]) -> Seen:
        """What a call gave."""
        failed = row.status == FAILED
        error = self._value(row.error) if failed and row.error else {}
        told = SeenError(error.get("type", "builtins:Exception"), error.get("message", ""))
        return Seen(
            key,
            "error" if failed else "result",
            float(row.place),
            error.get("text", "") if failed else self._value(row.output),
            None if row.parent is None else self._caller(bytes(row.parent).hex()),
            applied=self._applied(key, row),
            error=told if failed else None,
        )

    def _caller(self, id: str) -> str:
        self._fetch([id])
        return id

    def _applied(self, key: str, row: Row[Any]) -> Applied:
        section = self._section(key)
        traced = section.get("operands", {})
        values = self._value(row.inputs)
        names = [*values, *(name for name in traced if name not in values)]
        operands = tuple((name, _operand(traced.get(name), values.get(name))) for name in names)
        return Applied(
            SeenOperator(row.name, row.key, row.description, row.kind),
            operands,
            section.get("keywords", 0),
            tuple((kind, ref) for kind, ref in section.get("edges", ())),
            key,
            row.start_ns / NANO,
            row.duration_ns / NANO,
        )

    def _carried(self, key: str, told: dict[str, Any] | None) -> Seen:
        """A node that is no call: a value, an operation, or what a parameter was."""
        if told is None:
            return _gone(key)
        value, place, within = self._structure(told["value"]), float(told["place"]), told.get("within")
        if "parameter" in told:
            about = told["parameter"]
            name = f"{about['program']}|{about['path']}"
            parameter = SeenParameter(
                name, None, about["path"], about["program"] or None, None, None, about["is_code"]
            )
            return Seen(key, "reading", place, value, parameter=parameter)
        if "op" not in told:
            return Seen(key, "leaf", place, value, within, told.get("name"), told.get("description"))
        kind: Kind = "packed" if told["op"] == "pack" else "operation"
        operands = tuple((name, self._part(part)) for name, part in told["operands"])
        applied = Applied(SeenOperator(told["op"], native=told["op"] in BUILTIN), operands)
        return Seen(key, kind, place, value, within, told.get("name"), told.get("description"), applied)

    def _part(self, part: dict[str, Any]) -> Any:
        if "node" in part:
            return None if part["node"] is None else Ref(part["node"])
        value = self._structure(part["value"])
        return _operand(part.get("parts"), value)

    def _value(self, text: str | None) -> Any:
        return None if text is None else self._structure(json.loads(text))

    def _structure(self, structure: Any) -> Any:
        return decode(compact(inflated(structure, self._get)))


def _operand(traced: Any, value: Any) -> Any:
    """An operand: a plain value, a node, or a container that held nodes."""
    if traced is None:
        return value
    if isinstance(traced, str):
        return Ref(traced)
    return Parts(value, tuple((path, key) for path, key in traced))


def _references(seen: Seen) -> list[str]:
    """The keys of the nodes that a node was made from."""
    if seen.applied is None:
        return []
    found = [key for _, key in seen.applied.edges]
    for _, kept in seen.applied.operands:
        if isinstance(kept, Ref):
            found.append(kept.key)
        elif isinstance(kept, Parts):
            found += [key for _, key in kept.nodes]
    return found


def _gone(key: str) -> Seen:
    """Stands for a node whose record was pruned, or lost with the power."""
    return Seen(key, "leaf", 0.0, f"<{key} is not stored any more>", name=None)
