"""What can be asked of a store: the questions of the modules beside this one, and the small ones."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Connection, Row, func, select

from tracelib.errors import StoreError, UnknownRecord
from tracelib.store.database import Database
from tracelib.store.filters.operands import id_range
from tracelib.store.questions.calls import call_id, call_of, consumed, consumers, section_of, trace_of
from tracelib.store.questions.histories import parameters, programs, updates
from tracelib.store.questions.listing import Selection, calls
from tracelib.store.questions.lookup import check_limit, tags_of
from tracelib.store.questions.versions import functions, hash_begins, version_of, versions
from tracelib.store.rows import NANO, StoredEvent, StoredRun, moment, shown_id
from tracelib.store.schema import call, event, run, version
from tracelib.store.values.decoding import decode

__all__ = [
    "Selection",
    "call_id",
    "call_of",
    "calls",
    "consumed",
    "consumers",
    "events",
    "functions",
    "parameters",
    "programs",
    "runs",
    "section_of",
    "target",
    "trace_of",
    "updates",
    "version_of",
    "versions",
]

FEWEST_DIGITS = 8
"""Of an id, where it could as well be something else."""


def events(
    database: Database, name: str | None = None, limit: int | None = 100, after: int = 0
) -> list[StoredEvent]:
    """What was told by name, oldest first, from the first event whose `id` is greater than `after`."""
    check_limit(limit, after)
    with database.reading() as connection:
        asked = select(event, run.c.id.label("run_id")).outerjoin_from(event, run, run.c.n == event.c.run)
        asked = asked.where(event.c.n > after).order_by(event.c.n).limit(limit)
        rows = connection.execute(asked if name is None else asked.where(event.c.name == name))
        return [_event(row) for row in rows]


def _event(row: Row[Any]) -> StoredEvent:
    return StoredEvent(row.n, moment(row.time_ns), row.name, decode(row.data), shown_id(row.run_id))


def runs(
    database: Database, name: str | None = None, limit: int | None = 50, offset: int = 0
) -> list[StoredRun]:
    """The runs (of that name), newest first, with what their calls used."""
    check_limit(limit, offset)
    with database.reading() as connection:
        asked = select(run).order_by(run.c.n.desc()).limit(limit).offset(offset)
        rows = connection.execute(asked if name is None else asked.where(run.c.name == name)).all()
        return _runs(connection, list(rows))


def _run_row(connection: Connection, which: str) -> Row[Any] | None:
    newest = select(run).order_by(run.c.n.desc())
    named = connection.execute(newest.where(run.c.name == which).limit(1)).first()
    if named is not None or not _like_id(which):
        return named
    low, high = id_range(which)
    rows = connection.execute(newest.where(run.c.id.between(low, high)).limit(2)).all()
    if len(rows) > 1:
        raise UnknownRecord(f"several runs begin with {which}")
    return rows[0] if rows else None


def _runs(connection: Connection, rows: list[Row[Any]]) -> list[StoredRun]:
    tokens = func.coalesce(call.c.tokens_in, 0) + func.coalesce(call.c.tokens_out, 0)
    sums = [
        func.count().label("calls"),
        func.sum(tokens).label("tokens"),
        func.sum(call.c.cost_nano).label("cost"),
    ]
    asked = select(call.c.run, *sums).where(call.c.run.in_([row.n for row in rows])).group_by(call.c.run)
    used = {row.run: row for row in connection.execute(asked)}
    tags = tags_of(connection, "run", [bytes(row.id).hex() for row in rows])
    return [_run(row, used.get(row.n), tags.get(bytes(row.id).hex(), ())) for row in rows]


def _run(row: Row[Any], used: Row[Any] | None, tags: tuple[str, ...]) -> StoredRun:
    return StoredRun(
        id=shown_id(row.id),
        name=row.name,
        config=decode(row.config),
        status=row.status,
        error=row.error,
        start=moment(row.start_ns),
        end=None if row.end_ns is None else moment(row.end_ns),
        calls=0 if used is None else used.calls,
        tokens=0 if used is None else int(used.tokens),
        cost=None if used is None or used.cost is None else int(used.cost) / NANO,
        tags=tags,
    )


def target(database: Database, which: str) -> tuple[str, str]:
    """What a name that people give means: ("call" or "run", its id) or ("version", its hash).

    Raises UnknownRecord when it means nothing, StoreError when a call as well as a version begin so.
    """
    with database.reading() as connection:
        found = _call_or_run(connection, which)
    if found is not None and len(which.replace("-", "")) == 32:
        return found
    try:
        found_version = version_of(database, which)
    except UnknownRecord as error:
        if found is not None:
            return found
        if _like_id(which) and not _begins_a_version(database, which):
            raise UnknownRecord(f"no call, run or version {which} is stored") from error
        raise
    if found is not None:
        raise StoreError(
            f"{which} begins {found[0]} {found[1]} as well as version {found_version.id}: write more of it"
        )
    return "version", found_version.id


def _call_or_run(connection: Connection, which: str) -> tuple[str, str] | None:
    made = _run_row(connection, which)
    if _like_id(which):
        low, high = id_range(which)
        if connection.execute(select(call.c.n).where(call.c.id.between(low, high)).limit(1)).first():
            return "call", shown_id(call_id(connection, which))
    return None if made is None else ("run", shown_id(made.id))


def _begins_a_version(database: Database, digits: str) -> bool:
    with database.reading() as connection:
        asked = select(version.c.n).where(hash_begins(digits.lower())).limit(1)
        return connection.execute(asked).first() is not None


def _like_id(which: str) -> bool:
    return re.fullmatch(f"[0-9a-f]{{{FEWEST_DIGITS},32}}", which.replace("-", "").lower()) is not None
