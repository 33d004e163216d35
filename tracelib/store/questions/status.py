"""How a store is doing: how much is in it, what waits in the journal, what runs, what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, func, select

from tracelib.errors import StoreError
from tracelib.store import schema
from tracelib.store.database import Database
from tracelib.store.draining.drain import damaged, refused
from tracelib.store.journal.segments import Segment, segments
from tracelib.store.rows import moment, shown_id
from tracelib.store.store import Store
from tracelib.store.writing import recording


@dataclass(frozen=True)
class Running:
    """A call that has begun and not ended."""

    id: str
    name: str
    start: datetime
    pid: int


@dataclass(frozen=True)
class Status:
    """A store at one moment. Sizes are in bytes; `waiting` is what the journal holds beyond the database."""

    where: str
    calls: int
    failed: int
    interrupted: int
    versions: int
    functions: int
    database_bytes: int
    blob_bytes: int
    waiting_bytes: int
    running: tuple[Running, ...]
    kept_records: int  # in memory, since the journal could not be written
    lost_records: int
    problems: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        told = dict(vars(self))
        told["running"] = [{**vars(call), "start": call.start.isoformat()} for call in self.running]
        told["problems"] = list(self.problems)
        return told


def status(store: Store) -> Status:
    """Drain, and say how the store is doing; a store that cannot be read is one of the problems."""
    problems = []
    try:
        store.drain()
    except StoreError as error:
        problems.append(f"the journal cannot be drained: {error}")
    try:
        told = _told(store)
    except StoreError as error:
        problems.append(str(error))
        told = _nothing()
    waiting = segments(store.journal)
    problems += filter(None, (segment.problem() for segment in waiting))
    problems += [f"a record that no table takes is kept in {path}" for path in refused(store.journal)]
    problems += [
        f"{path} was damaged: what could be read of it is in the database, the rest is not"
        for path in damaged(store.journal)
    ]
    found = recording.of_process()
    journal = found.journal.status() if found is not None and found.store is store else None
    if journal is not None and journal.problem:
        problems.append(journal.problem)
    if journal is not None and found is not None and found.committer and found.committer.problem:
        problems.append(f"a commit message was not written by the model: {found.committer.problem}")
    return Status(
        where=store.where if "@" not in store.where else store.database.shown,
        waiting_bytes=sum(_behind(store, segment) for segment in waiting),
        kept_records=journal.kept_records if journal else 0,
        lost_records=journal.lost_records if journal else 0,
        problems=tuple(problems),
        **told,
    )


def _told(store: Store) -> dict[str, Any]:
    with store.database.reading() as connection:
        grouped = select(schema.call.c.status, func.count()).group_by(schema.call.c.status)
        by_status: dict[int, int] = {row[0]: row[1] for row in connection.execute(grouped)}
        pending = connection.execute(select(schema.pending).order_by(schema.pending.c.start_ns)).all()
        return {
            "calls": sum(by_status.values()),
            "failed": by_status.get(schema.FAILED, 0),
            "interrupted": by_status.get(schema.INTERRUPTED, 0),
            "versions": _count(connection, schema.version),
            "functions": _count(connection, schema.function),
            "database_bytes": _size(store.database, connection),
            "blob_bytes": connection.execute(
                select(func.coalesce(func.sum(schema.blob.c.stored), 0))
            ).scalar(),
            "running": tuple(
                Running(shown_id(row.id), row.name, moment(row.start_ns), row.pid) for row in pending
            ),
        }


def _nothing() -> dict[str, Any]:
    counts = ("calls", "failed", "interrupted", "versions", "functions", "database_bytes", "blob_bytes")
    return {**dict.fromkeys(counts, 0), "running": ()}


def _count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar() or 0)


def _size(database: Database, connection: Connection) -> int:
    if not database.is_sqlite:
        return int(connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar() or 0)
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar() or 0
    return int(pages) * int(connection.exec_driver_sql("PRAGMA page_size").scalar() or 0)


def _behind(store: Store, segment: Segment) -> int:
    """Bytes of a segment that are not in the database."""
    try:
        with store.database.reading() as connection:
            column = schema.position.c.bytes
            known = connection.execute(select(column).where(schema.position.c.segment == segment.name))
            offset = known.scalar() or 0
    except StoreError:
        offset = 0
    return sum(len(record.payload) for record in segment.read(offset, 1 << 30).records)
