"""Lists of calls: in order, a page at a time, by a filter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, or_, select

from tracelib.store.blobs import Blobs
from tracelib.store.calls import call_id, finished
from tracelib.store.conditions import Clause, Condition, Single, Values, required
from tracelib.store.database import Database
from tracelib.store.filter import parsed
from tracelib.store.lookup import check_limit, named
from tracelib.store.opened import compact, structure
from tracelib.store.rows import NANO, StoredCall
from tracelib.store.schema import blob_use, call, function, payload

PAGE = 200
"""Calls whose values are read at once where whole values are searched."""
SLACK_NS = NANO
"""How far an id's time may be from the start that is stored: both are rounded."""


def calls(database: Database, blobs: Blobs, where: str | None = None, **choices: Any) -> list[StoredCall]:
    """The calls that a filter selects, newest first; `choices` are the fields of Selection.

    Raises FilterError for a filter that is not understood, UnknownRecord for a name that is not stored.
    """
    selection = Selection(where, **choices)
    check_limit(selection.limit)
    condition = None if where is None else parsed(where)
    with database.reading() as connection:
        found = _Listing(connection, blobs, selection, condition).rows()
        return finished(connection, found, blobs if selection.values else None)


@dataclass(frozen=True)
class Selection:
    """Which calls, and how many. `where` is a filter, `name` a function's name or `module:qualname`.

    `after` is the id of the last call of the page before. With `values` calls come with their inputs,
    output, error, state and request. With `deep` a filter searches whole values.
    """

    where: str | None = None
    name: str | None = None
    limit: int | None = 50
    after: str | None = None
    newest: bool = True
    values: bool = False
    deep: bool = False


class _Listing:
    """Goes through calls in order, a page at a time, using an index that has this order.

    Of certain functions they are ordered by start in the index on (function, start_ns), which is read for
    each function by itself; all others by id, which begins with the time of the start.
    """

    def __init__(
        self, connection: Connection, blobs: Blobs, selection: Selection, condition: Condition | None
    ) -> None:
        self._connection = connection
        self._blobs = blobs
        self._selection = selection
        self._condition = condition
        self._functions = self._pinned()
        self._page = PAGE if selection.deep else min(selection.limit or 10_000, 10_000)

    def rows(self) -> list[Row[Any]]:
        if self._functions is None:
            streams = [self._stream(None)]
        else:
            streams = [self._stream(number) for number in self._functions]
        merged = merge(*streams, key=lambda row: (row.start_ns, row.n), reverse=self._selection.newest)
        ordered = streams[0] if len(streams) == 1 else merged
        return list(islice(ordered, self._selection.limit))

    def _pinned(self) -> list[int] | None:
        """The functions of which calls are wanted; None when of any."""
        asked = [] if self._selection.name is None else [named(self._connection, self._selection.name)]
        if self._condition is not None:
            asked += [
                single.functions for single in required(self._condition) if single.functions is not None
            ]
        if not asked:
            return None
        return list(self._connection.execute(select(function.c.n).where(*asked)).scalars())

    def _stream(self, number: int | None) -> Iterator[Row[Any]]:
        """The calls of a function, or of all; in order."""
        last = self._first(number)
        while True:
            rows = self._rows_after(number, last)
            yield from self._judged(rows)
            if len(rows) < self._page:
                return
            last = rows[-1]

    def _first(self, number: int | None) -> Any:
        """The row after which to begin."""
        after = self._selection.after
        if after is None:
            return None
        wanted = select(call.c.id, call.c.start_ns, call.c.n)
        return self._connection.execute(wanted.where(call.c.id == call_id(self._connection, after))).one()

    def _rows_after(self, number: int | None, last: Any) -> Sequence[Row[Any]]:
        newest = self._selection.newest
        keys: list[ColumnElement[Any]] = [call.c.id] if number is None else [call.c.start_ns, call.c.n]
        asked = select(call).where(*self._clauses(number)).limit(self._page)
        if last is not None:
            asked = asked.where(_beyond(keys, [getattr(last, key.key or "") for key in keys], newest))
        return self._connection.execute(
            asked.order_by(*(k.desc() if newest else k.asc() for k in keys))
        ).all()

    def _clauses(self, number: int | None) -> Iterator[Clause]:
        if number is not None:
            yield call.c.function == number
        if self._condition is None:
            return
        if number is None:
            yield from _id_bounds(required(self._condition))
        deep = self._selection.deep
        yield self._condition.possible(positive=True) if deep else self._condition.sql(positive=True)

    def _judged(self, rows: Sequence[Row[Any]]) -> Iterator[Row[Any]]:
        """Those that meet the condition when whole values are read."""
        if not self._selection.deep or self._condition is None or not rows:
            yield from rows
            return
        singles = list(self._condition.singles())
        answers = self._answers(singles, [row.n for row in rows])
        values = self._values([row.n for row in rows])
        for row in rows:
            found = dict(zip(singles, answers[row.n], strict=True))
            found |= {s: s.judge(values[row.n]) for s in singles if s.judge is not None and row.n in values}
            if self._condition.truth(found) is True:
                yield row

    def _answers(
        self, singles: Sequence[Single], numbers: Sequence[int]
    ) -> Mapping[int, Sequence[bool | None]]:
        columns = [single.answer().label(f"answer{n}") for n, single in enumerate(singles)]
        asked = select(call.c.n, *columns).where(call.c.n.in_(numbers))
        return {
            row[0]: [None if one is None else bool(one) for one in row[1:]]
            for row in self._connection.execute(asked)
        }

    def _values(self, numbers: Sequence[int]) -> Mapping[int, Values]:
        """The whole values of those calls that have blobs."""
        big = select(blob_use.c.call).where(blob_use.c.call.in_(numbers))
        asked = select(payload.c.call, payload.c.inputs, payload.c.output).where(payload.c.call.in_(big))
        return {n: self._whole(inputs, output) for n, inputs, output in self._connection.execute(asked).all()}

    def _whole(self, inputs: str, output: str | None) -> Values:
        whole = None if output is None else compact(structure(self._connection, self._blobs, output))
        return Values(structure(self._connection, self._blobs, inputs), whole)


def _beyond(keys: Sequence[ColumnElement[Any]], at: Sequence[Any], newest: bool) -> Clause:
    """Rows after the given one. Both halves bound the first key, so that an index is entered there."""
    strictly: Clause = keys[0] < at[0] if newest else keys[0] > at[0]
    if len(keys) == 1:
        return strictly
    from_there: Clause = keys[0] <= at[0] if newest else keys[0] >= at[0]
    return and_(from_there, or_(strictly, _beyond(keys[1:], at[1:], newest)))


def _id_bounds(singles: Iterable[Single]) -> Iterator[Clause]:
    """What a bound on the start says about ids."""
    for single in singles:
        first, last = single.times or (None, None)
        if first is not None:
            yield call.c.id >= _floor(first - SLACK_NS)
        if last is not None:
            yield call.c.id <= _floor(last + SLACK_NS)


def _floor(nanoseconds: int) -> bytes:
    """The first id of a millisecond."""
    milliseconds = min(max(nanoseconds // 10**6, 0), (1 << 48) - 1)
    return (milliseconds << 80).to_bytes(16, "big")
