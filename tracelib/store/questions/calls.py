"""Stored calls: one with its values, its whole trace, and the flow of values between calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, select

from tracelib.errors import UnknownRecord
from tracelib.store import schema
from tracelib.store.database import Database
from tracelib.store.filters.operands import Misuse, id_range
from tracelib.store.questions.lookup import by, tags_of
from tracelib.store.rows import NANO, Flow, StoredCall, moment, shown_id
from tracelib.store.schema import STATUS, call, edge, function, payload
from tracelib.store.values.blobs import Blobs
from tracelib.store.values.opened import named, structure, value, whole

SECTIONS = ("inputs", "output", "error", "graph", "state", "request")


def call_of(database: Database, blobs: Blobs, id: str) -> StoredCall:
    """One call with its values, by its id or the first digits of it; raises UnknownRecord."""
    with database.reading() as connection:
        rows = connection.execute(select(call).where(call.c.id == call_id(connection, id))).all()
        return finished(connection, rows, blobs)[0]


def section_of(database: Database, blobs: Blobs, id: str, section: str) -> str | None:
    """The JSON of a call's inputs, output, error, graph, state or request, blobs in place."""
    assert section in SECTIONS, section
    with database.reading() as connection:
        number = select(call.c.n).where(call.c.id == call_id(connection, id)).scalar_subquery()
        text = connection.execute(select(payload.c[section]).where(payload.c.call == number)).scalar()
        return None if text is None else whole(connection, blobs, text)


def call_id(connection: Connection, id: str) -> bytes:
    """The whole id of a stored call, given it or its first digits.

    Raises UnknownRecord when there is none, or more than one: the message names them.
    """
    try:
        low, high = id_range(id)
    except Misuse as error:
        raise UnknownRecord(str(error)) from None
    near = select(call.c.id).where(call.c.id.between(low, high)).order_by(call.c.id).limit(4)
    found = [bytes(each) for each in connection.execute(near).scalars()]
    if not found:
        running = select(schema.pending.c.name).where(schema.pending.c.id.between(low, high))
        name = connection.execute(running).scalar()
        raise UnknownRecord(f"call {id} of {name} has not ended yet" if name else f"no call {id} is stored")
    if len(found) > 1:
        some = ", ".join(shown_id(each) for each in found[:3])
        raise UnknownRecord(f"several calls begin with {id}: {some}{', ...' if len(found) > 3 else ''}")
    return found[0]


def trace_of(database: Database, id: str) -> list[StoredCall]:
    """All calls of the trace that a call belongs to, as a tree is read: callers first, then what they called.

    Calls made within the same one are in the order in which they were begun. A call whose caller is not
    stored stands at the top.
    """
    with database.reading() as connection:
        mine = select(call.c.trace).where(call.c.id == call_id(connection, id)).scalar_subquery()
        rows = connection.execute(select(call).where(call.c.trace == mine)).all()
        return finished(connection, list(_as_tree(rows)), None)


def consumed(database: Database, id: str) -> list[Flow]:
    """What flowed into a call: the calls that its values came from, by slot."""
    with database.reading() as connection:
        target = call_id(connection, id)
        number = select(call.c.n).where(call.c.id == target).scalar_subquery()
        flows = select(edge.c.source, edge.c.slot).where(edge.c.target == number)
        pairs = [(bytes(source), slot) for source, slot in connection.execute(flows)]
        known = by(connection, call.c.id, [source for source, _ in pairs])
        stored = finished(connection, known, None)
        made = {raw(row.id): one for row, one in zip(known, stored, strict=True)}
        flowed = [Flow(shown_id(source), shown_id(target), slot, made.get(source)) for source, slot in pairs]
        return sorted(flowed, key=lambda flow: (flow.source, flow.slot))


def consumers(database: Database, id: str) -> list[Flow]:
    """What a call's result flowed into: the calls that used it, by slot."""
    with database.reading() as connection:
        source = call_id(connection, id)
        flows = connection.execute(select(edge.c.target, edge.c.slot).where(edge.c.source == source)).all()
        known = by(connection, call.c.n, [target for target, _ in flows])
        made = dict(zip([row.n for row in known], finished(connection, known, None), strict=True))
        flowed = [Flow(shown_id(source), made[n].id, slot, made[n]) for n, slot in flows if n in made]
        return sorted(flowed, key=lambda flow: (flow.target, flow.slot))


def finished(connection: Connection, rows: Sequence[Row[Any]], blobs: Blobs | None) -> list[StoredCall]:
    """Rows of `call` as people see them, in the same order; with values where blobs are given."""
    functions = {row.n: row for row in by(connection, function.c.n, [row.function for row in rows])}
    columns = [schema.version.c.n, schema.version.c.hash, schema.version.c.number]
    versions = {row.n: row for row in by(connection, schema.version.c.n, [r.version for r in rows], columns)}
    runs = {row.n: shown_id(row.id) for row in by(connection, schema.run.c.n, [row.run for row in rows])}
    tags = tags_of(connection, "call", [raw(row.id).hex() for row in rows])
    made = [
        _stored(
            row,
            functions[row.function],
            versions.get(row.version),
            runs.get(row.run),
            tags.get(raw(row.id).hex(), ()),
        )
        for row in rows
    ]
    return made if blobs is None else _with_values(connection, blobs, rows, made)


def _with_values(
    connection: Connection, blobs: Blobs, rows: Sequence[Row[Any]], made: Sequence[StoredCall]
) -> list[StoredCall]:
    payloads = {row.call: row for row in by(connection, payload.c.call, [row.n for row in rows])}
    return [
        replace(one, **_opened(connection, blobs, payloads[row.n])) if row.n in payloads else one
        for one, row in zip(made, rows, strict=True)
    ]


def _opened(connection: Connection, blobs: Blobs, row: Row[Any]) -> dict[str, Any]:
    return {
        "inputs": named(connection, blobs, row.inputs),
        "output": value(connection, blobs, row.output),
        "error": structure(connection, blobs, row.error),
        "state": named(connection, blobs, row.state),
        "request": named(connection, blobs, row.request),
    }


def _stored(
    row: Row[Any], of: Row[Any], version: Row[Any] | None, run: str | None, tags: tuple[str, ...]
) -> StoredCall:
    return StoredCall(
        id=shown_id(row.id),
        trace=shown_id(row.trace),
        parent=shown_id(row.parent),
        name=of.name,
        function=of.key,
        kind=of.kind,
        version=None if version is None else version.hash,
        number=None if version is None else version.number,
        status=STATUS[row.status],
        error_type=row.error_type,
        start=moment(row.start_ns),
        duration=row.duration_ns / NANO,
        model=row.model,
        provider=row.provider,
        tokens_in=row.tokens_in,
        tokens_out=row.tokens_out,
        tokens_cached=row.tokens_cached,
        tokens_reasoning=row.tokens_reasoning,
        attempts=row.attempts,
        first_token=None if row.first_token_ns is None else row.first_token_ns / NANO,
        cost=None if row.cost_nano is None else row.cost_nano / NANO,
        sandbox=row.sandbox,
        place=row.place,
        run=run,
        tags=tags,
        n=row.n,
    )


def _as_tree(rows: Sequence[Row[Any]]) -> Iterator[Row[Any]]:
    """Callers before what they called; without recursion, since call trees may be deep."""
    known = {raw(row.id) for row in rows}
    inside: dict[bytes | None, list[Row[Any]]] = {}
    for row in sorted(rows, key=lambda row: (row.place, row.start_ns, row.n), reverse=True):
        caller = None if row.parent is None else raw(row.parent)
        inside.setdefault(caller if caller in known else None, []).append(row)
    waiting = inside.get(None, [])
    while waiting:
        row = waiting.pop()
        yield row
        waiting += inside.get(raw(row.id), [])


def raw(id: Any) -> bytes:
    """Bytes of an id; drivers give them in several types."""
    return bytes(id)
