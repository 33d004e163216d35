"""Forgetting old calls: whole traces, oldest first, in short transactions, with the values only they had.

Versions and the histories of parameters stay. What an earlier call alone knows of a later one (the value
of a global that did not change since, a node that flowed on) goes with it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, delete, func, select

from tracelib.errors import StoreError
from tracelib.store.database import Database
from tracelib.store.schema import (
    alias,
    blob,
    blob_use,
    call,
    edge,
    feedback,
    function,
    payload,
    pending,
    run,
    tag,
    version,
)
from tracelib.store.values.blobs import Blobs, alone, batches

AT_ONCE = 1_000
"""Calls that one transaction removes."""
WHEN_MEASURED = 100
"""Calls that are removed before the size is looked at again."""
PAGE = 500
"""Traces that are looked at together."""
ROW = 400
"""Bytes that a call takes beside its values, indices included (measured on SQLite)."""
PAGES = 2_000
"""Pages that SQLite gives back to the system in one transaction."""
MUCH = 0.2
"""The part of the file that must be free before it is rewritten."""
SECTIONS = [column for column in payload.columns if column is not payload.c.call]


@dataclass(frozen=True)
class Keep:
    """What makes a whole trace stay."""

    tagged: bool = True  # a call of it is tagged, or that call's version or run
    aliased: bool = True  # a call of it is of a version that an alias points to now
    feedback: bool = True  # something was said about a call of it


@dataclass
class Pruned:
    """What was removed, or would be; `kept`: traces that were due and stayed; `freed`: bytes, about."""

    traces: int = 0
    calls: int = 0
    blobs: int = 0
    freed: int = 0
    kept: int = 0
    dry_run: bool = False


def prune(
    database: Database,
    blobs: Blobs,
    older_than: timedelta | None = None,
    max_bytes: int | None = None,
    *,
    keep_tagged: bool = True,
    keep_aliased: bool = True,
    keep_feedback: bool = True,
    dry_run: bool = False,
) -> Pruned:
    """Remove traces whose last call began longer ago, then more, oldest first, while the store is bigger.

    `max_bytes` is compared with the database and its blobs, without the room that is free in them. A
    trace with a call that is running stays. With `dry_run` nothing is removed.
    """
    if older_than is None and max_bytes is None:
        raise StoreError("say what to prune: older_than=timedelta(days=30), or max_bytes=1_000_000_000")
    pruning = _Pruning(database, blobs, Keep(keep_tagged, keep_aliased, keep_feedback), dry_run)
    cutoff = None if older_than is None else time.time_ns() - older_than // timedelta(microseconds=1) * 1000
    if cutoff is not None:
        pruning.remove(call_limit=AT_ONCE, due=lambda latest: latest < cutoff)
    if max_bytes is not None:
        pruning.remove(
            call_limit=WHEN_MEASURED,
            due=lambda latest: cutoff is None or latest >= cutoff,
            enough=lambda: pruning.size() <= max_bytes,
        )
    if not dry_run:
        pruning.tidy()
    return pruning.pruned


def size_of(database: Database) -> int:
    """Bytes that the rows and blobs take; of PostgreSQL, which tells no such thing, an estimate."""
    with database.reading() as connection:
        outside = _stored(connection, blob.c.data.is_(None))
        if database.is_sqlite:
            return outside + _used_pages(connection)
        calls = connection.execute(select(func.count()).select_from(call)).scalar_one()
        values = connection.execute(select(_weight(connection))).scalar()
        return outside + _stored(connection, blob.c.data.isnot(None)) + ROW * calls + int(values or 0)


def _stored(connection: Connection, which: ColumnElement[bool]) -> int:
    return int(connection.execute(select(func.sum(blob.c.stored)).where(which)).scalar() or 0)


def _used_pages(connection: Connection) -> int:
    pages, free, size = (
        int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def _weight(connection: Connection) -> Any:
    """The bytes of payloads, as an expression."""
    length = func.length if connection.dialect.name == "sqlite" else func.pg_column_size
    return func.sum(sum((func.coalesce(length(column), 0) for column in SECTIONS[1:]), length(SECTIONS[0])))


class _Pruning:
    """One run of pruning, and what it removed so far."""

    def __init__(self, database: Database, blobs: Blobs, keep: Keep, dry_run: bool) -> None:
        self.pruned = Pruned(dry_run=dry_run)
        self._database = database
        self._blobs = blobs
        self._keep = keep
        self._uses: Counter[str] = Counter()
        """In a dry run, how many uses of each blob would be gone."""
        self._before = size_of(database)
        self._pages = self._used() if database.is_sqlite else 0
        self._files = 0

    def size(self) -> int:
        """What is left, in bytes: measured where that is quick and something was removed, else reckoned."""
        if self._database.is_sqlite and not self.pruned.dry_run:
            return self._before - self._files - (self._pages - self._used())
        return self._before - self.pruned.freed

    def _used(self) -> int:
        with self._database.reading() as connection:
            return _used_pages(connection)

    def remove(
        self, call_limit: int, due: Callable[[int], bool], enough: Callable[[], bool] = lambda: False
    ) -> None:
        """Remove the traces whose last call's start is due, until it is enough."""
        for traces in self._groups(call_limit, due):
            if enough():
                return
            self._remove(traces)

    def tidy(self) -> None:
        """Give the room back to the system."""
        with self._database.writing() as connection:
            alone(connection)
            self._blobs.sweep(connection)
        if self._database.is_sqlite and self.pruned.calls:
            _shrink(self._database)

    def _transaction(self) -> AbstractContextManager[Connection]:
        return self._database.reading() if self.pruned.dry_run else self._database.writing()

    def _groups(self, call_limit: int, due: Callable[[int], bool]) -> Iterator[list[bytes]]:
        """Traces that are due, oldest first, so many that they have about `call_limit` calls."""
        group: list[bytes] = []
        calls = 0
        for row in self._traces():
            if not due(row.latest):
                continue
            if group and calls + row.calls > call_limit:
                yield group
                group, calls = [], 0
            group.append(row.trace)
            calls += row.calls
        if group:
            yield group

    def _traces(self) -> Iterator[Row[Any]]:
        after = b""
        while True:
            with self._database.reading() as connection:
                page = connection.execute(_page(after)).all()
            if not page:
                return
            yield from page
            after = page[-1].trace

    def _remove(self, traces: Sequence[bytes]) -> None:
        """Calls that ended first go first, so that what an interrupted run leaves is still a trace."""
        last, left = 0, list(traces)
        while left:
            with self._transaction() as connection:
                staying = _staying(connection, left, self._keep)
                self.pruned.kept += len(staying)
                left = [trace for trace in left if trace not in staying]
                calls = connection.execute(_calls_of(left, last)).all()
                unused = self._remove_calls(connection, calls)
            if unused and not self.pruned.dry_run:
                with self._database.writing() as connection:
                    alone(connection)
                    self._blobs.sweep(connection, unused)
            if len(calls) < AT_ONCE:
                break
            last = calls[-1].n
        self.pruned.traces += len(left)

    def _remove_calls(self, connection: Connection, calls: Sequence[Any]) -> list[str]:
        """Remove calls, and give the hashes of the values that went with them."""
        numbers = [row.n for row in calls]
        self.pruned.freed += ROW * len(calls) + _weight_of(connection, numbers)
        self.pruned.calls += len(calls)
        uses = Counter(_column(connection, select(blob_use.c.hash), blob_use.c.call, numbers))
        if self.pruned.dry_run:
            self._uses += uses
            return self._unused(connection, uses)
        alone(connection)
        _delete(connection, calls, numbers)
        unused = self._unused(connection, uses)
        self._blobs.drop(connection, unused)
        return unused

    def _unused(self, connection: Connection, hashes: Iterable[str]) -> list[str]:
        """Those of the values that no call needs any more."""
        unused: list[str] = []
        for batch in batches(hashes):
            counts = func.count(blob_use.c.call)
            found = connection.execute(
                select(
                    blob.c.hash, blob.c.stored, blob.c.data.is_(None).label("outside"), counts.label("uses")
                )
                .outerjoin(blob_use, blob_use.c.hash == blob.c.hash)
                .where(blob.c.hash.in_(batch))
                .group_by(blob.c.hash)
            ).all()
            gone = [row for row in found if row.uses == self._uses[row.hash]]
            self.pruned.freed += sum(row.stored for row in gone)
            self._files += sum(row.stored for row in gone if row.outside)
            unused += [row.hash for row in gone]
        self.pruned.blobs += len(unused)
        return unused


def _page(after: bytes) -> Select[Any]:
    """Traces by their ids, which sort by time."""
    return (
        select(call.c.trace, func.count().label("calls"), func.max(call.c.start_ns).label("latest"))
        .where(call.c.trace > after)
        .group_by(call.c.trace)
        .order_by(call.c.trace)
        .limit(PAGE)
    )


def _calls_of(traces: Sequence[bytes], after: int) -> Select[Any]:
    mine = call.c.trace.in_(traces) & (call.c.n > after)
    return select(call.c.n, call.c.id).where(mine).order_by(call.c.n).limit(AT_ONCE)


def _staying(connection: Connection, traces: Sequence[bytes], keep: Keep) -> set[bytes]:
    """The traces with a call that is kept, or that is still running."""
    calls = connection.execute(
        select(call.c.id, call.c.trace, call.c.version, call.c.run).where(call.c.trace.in_(traces))
    ).all()
    marked: set[str] = set()
    named = [row.id.hex() for row in calls]
    if keep.tagged:
        marked.update(_column(connection, _targets(tag), tag.c.target, named))
    if keep.feedback:
        marked.update(_column(connection, _targets(feedback), feedback.c.target, named))
    versions, runs = _kept_code(connection, keep)
    running = set(_column(connection, select(pending.c.id), pending.c.id, traces))
    return running | {
        row.trace for row in calls if row.id.hex() in marked or row.version in versions or row.run in runs
    }


def _targets(table: Table) -> Select[Any]:
    return select(table.c.target).where(table.c.target_kind == "call")


def _kept_code(connection: Connection, keep: Keep) -> tuple[set[int], set[int]]:
    """The numbers of versions and of runs whose calls stay."""
    versions: set[int] = set()
    runs: set[int] = set()
    if keep.tagged:
        tags = connection.execute(select(tag.c.target_kind, tag.c.target).where(tag.c.target_kind != "call"))
        named = {(kind, target) for kind, target in tags}
        hashes = [target for kind, target in named if kind == "version"]
        ids = [bytes.fromhex(target) for kind, target in named if kind == "run"]
        versions.update(_column(connection, select(version.c.n), version.c.hash, hashes))
        runs.update(_column(connection, select(run.c.n), run.c.id, ids))
    if keep.aliased:
        moves = connection.execute(select(alias).order_by(alias.c.n))
        current = {(move.name, move.alias): move.version for move in moves}
        pointed = {(name, number) for (name, _), number in current.items()}
        known = connection.execute(
            select(version.c.n, version.c.number, function.c.key)
            .join(function, function.c.n == version.c.function)
            .where(function.c.key.in_({name for name, _ in pointed}))
        )
        versions.update(row.n for row in known if (row.key, str(row.number)) in pointed)
    return versions, runs


def _column(connection: Connection, what: Select[Any], column: Any, values: Iterable[Any]) -> list[Any]:
    """What is found where a column has one of the values."""
    found: list[Any] = []
    for batch in batches(values):
        found += connection.execute(what.where(column.in_(batch))).scalars()
    return found


def _weight_of(connection: Connection, numbers: Sequence[int]) -> int:
    weights = _column(connection, select(_weight(connection)), payload.c.call, numbers)
    return int(sum(weight or 0 for weight in weights))


def _delete(connection: Connection, calls: Sequence[Any], numbers: Sequence[int]) -> None:
    """Remove calls and all that speaks of them alone."""
    named = [row.id.hex() for row in calls]
    for table, column, values in (
        (payload, payload.c.call, numbers),
        (blob_use, blob_use.c.call, numbers),
        (edge, edge.c.target, numbers),
        (edge, edge.c.source, [row.id for row in calls]),
        (tag, tag.c.target, named),
        (feedback, feedback.c.target, named),
        (call, call.c.n, numbers),
    ):
        statement = delete(table)
        if table in (tag, feedback):
            statement = statement.where(table.c.target_kind == "call")
        for batch in batches(values):
            connection.execute(statement.where(column.in_(batch)))


def _shrink(database: Database) -> None:
    """Give free pages of an SQLite file back: a few at a time where it was made so, else by rewriting it.

    A rewritten file can do it a few at a time from then on. Readers that hold the file open put it off.
    """
    raw = database.engine.raw_connection()
    try:
        cursor = raw.cursor()
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
    finally:
        raw.close()
