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

from sqlalchemy import Connection, Row, Select, delete, func, select

from tracelib.errors import StoreError
from tracelib.store.database import Database
from tracelib.store.keeping.room import ROW, shrink, size_of, used_pages, weight_of
from tracelib.store.keeping.staying import Keep, found_where, that_stay
from tracelib.store.schema import blob, blob_use, call, edge, feedback, payload, tag
from tracelib.store.values.blobs import Blobs, alone, batches

AT_ONCE = 1_000
"""Calls that one transaction removes."""
WHEN_MEASURED = 100
"""Calls that are removed before the size is looked at again."""
PAGE = 500
"""Traces that are looked at together."""


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
    if (older_than is not None and older_than < timedelta(0)) or (max_bytes is not None and max_bytes < 0):
        raise StoreError(f"an age and a size are at least 0, not {older_than} and {max_bytes}")
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
            return used_pages(connection)

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
        if self._database.is_sqlite:
            shrink(self._database)

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
                staying = that_stay(connection, left, self._keep)
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
        self.pruned.freed += ROW * len(calls) + weight_of(connection, numbers)
        self.pruned.calls += len(calls)
        uses = Counter(found_where(connection, select(blob_use.c.hash), blob_use.c.call, numbers))
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
