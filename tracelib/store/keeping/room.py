"""The room that a store takes, in bytes, and how what is free in it goes back to the system."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from tracelib.store.database import Database
from tracelib.store.keeping.lines import SECTIONS
from tracelib.store.keeping.staying import found_where
from tracelib.store.schema import blob, call, payload

ROW = 400
"""Bytes that a call takes beside its values, indices included (measured on SQLite)."""
PAGES = 2_000
"""Pages that SQLite gives back to the system in one transaction."""
MUCH = 0.2
"""The part of the file that must be free before it is rewritten."""


def size_of(database: Database) -> int:
    """Bytes that the rows and blobs take; of PostgreSQL, which tells no such thing, an estimate."""
    with database.reading() as connection:
        outside = _stored(connection, blob.c.data.is_(None))
        if database.is_sqlite:
            return outside + used_pages(connection)
        calls = connection.execute(select(func.count()).select_from(call)).scalar_one()
        values = connection.execute(select(_weight(connection))).scalar()
        return outside + _stored(connection, blob.c.data.isnot(None)) + ROW * calls + int(values or 0)


def _stored(connection: Connection, which: ColumnElement[bool]) -> int:
    return int(connection.execute(select(func.sum(blob.c.stored)).where(which)).scalar() or 0)


def used_pages(connection: Connection) -> int:
    pages, free, size = (
        int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def _weight(connection: Connection) -> Any:
    """The bytes of payloads, as an expression."""
    length = func.length if connection.dialect.name == "sqlite" else func.pg_column_size
    return func.sum(sum((func.coalesce(length(column), 0) for column in SECTIONS[1:]), length(SECTIONS[0])))


def weight_of(connection: Connection, numbers: Sequence[int]) -> int:
    weights = found_where(connection, select(_weight(connection)), payload.c.call, numbers)
    return int(sum(weight or 0 for weight in weights))


def shrink(database: Database) -> None:
    """Give free pages of an SQLite file back: a few at a time where it was made so, else by rewriting it.

    A rewritten file can do it a few at a time from then on. Readers and writers that hold the file put it
    off to the next pruning.
    """
    raw = database.engine.raw_connection()
    try:
        _give_back(raw.cursor())
    except sqlite3.OperationalError:  # locked for longer than we wait, or full: what was to go is gone
        pass
    finally:
        raw.close()


def _give_back(cursor: Any) -> None:
    pages, free, incremental = (
        cursor.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "auto_vacuum")
    )
    if incremental == 2:
        for _ in range(0, free, PAGES):  # a script: `execute` takes one step of it, which is one page
            cursor.executescript(f"PRAGMA incremental_vacuum({PAGES})")
    elif free > MUCH * pages:
        cursor.execute("PRAGMA auto_vacuum=INCREMENTAL")
        cursor.execute("VACUUM")
    cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
