"""Lists of calls: in order, a page at a time, by a filter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, or_, select

from tracelib.store.database import Database
from tracelib.store.filters.conditions import Clause, Condition, Hint, Single, Values, required
from tracelib.store.filters.filter import parsed
from tracelib.store.questions.calls import call_id, finished
from tracelib.store.questions.lookup import check_limit, named
from tracelib.store.rows import NANO, StoredCall
from tracelib.store.schema import blob_use, call, function, payload, version
from tracelib.store.values.blobs import Blobs
from tracelib.store.values.opened import structure, whole

PAGE = 200
"""Calls that are looked at at once where whole values are searched."""
MANY = 10_000
"""Calls that are read at once in a list without a limit."""
PINS = 64
"""Functions or versions that are read one by one; more are filtered out."""
FEW = 2_000
"""Calls that are looked up by their ids, where tags or scores say which; more are filtered out."""
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

    Calls of certain functions or versions are ordered by start in an index that begins with those, which is
    read for each by itself; all others by id, which begins with the time of the start.
    """

    def __init__(
        self, connection: Connection, blobs: Blobs, selection: Selection, condition: Condition | None
    ) -> None:
        self._connection = connection
        self._blobs = blobs
        self._selection = selection
        self._condition = condition
        self._hints = [] if condition is None else [single.hint for single in required(condition)]
        self._name = None if selection.name is None else named(connection, selection.name)
        self._page = PAGE if selection.deep else min(selection.limit or MANY, MANY)
        self._clauses = list(self._every())

    def rows(self) -> list[Row[Any]]:
        pins = self._pins()
        if pins is None:
            ordered = self._stream([call.c.id], *_id_bounds(self._hints))
        else:
            streams = [self._stream([call.c.start_ns, call.c.n], pin) for pin in pins]
            ordered = merge(*streams, key=lambda row: (row.start_ns, row.n), reverse=self._selection.newest)
        return list(islice(ordered, self._selection.limit))

    def _every(self) -> Iterator[Clause]:
        """What is asked of each call."""
        if self._name is not None:
            yield call.c.function.in_(select(function.c.n).where(self._name))
        if self._condition is not None:
            asked = self._condition.possible if self._selection.deep else self._condition.sql
            yield asked(True)
        for hint in self._hints:
            if hint.ids is not None:
                found = self._connection.execute(hint.ids.distinct().limit(FEW + 1)).scalars().all()
                if len(found) <= FEW:
                    yield call.c.id.in_([bytes.fromhex(id) for id in found])

    def _pins(self) -> list[Clause] | None:
        """The functions or versions whose calls are wanted, one by one; None when of any, or of too many."""
        versions = [hint.versions for hint in self._hints if hint.versions is not None]
        functions = [hint.functions for hint in self._hints if hint.functions is not None]
        if self._name is not None:
            functions.append(self._name)
        if not versions and not functions:
            return None
        column, key, wanted = call.c.function, function.c.n, functions
        if versions:
            column, key, wanted = call.c.version, version.c.n, versions
        found = self._connection.execute(select(key).where(*wanted).limit(PINS + 1)).scalars().all()
        return None if len(found) > PINS else [column == number for number in found]

    def _stream(self, keys: Sequence[ColumnElement[Any]], *scope: Clause) -> Iterator[Row[Any]]:
        """The calls of a part of the table, in the order of the keys."""
        newest = self._selection.newest
        order = [key.desc() if newest else key.asc() for key in keys]
        asked = select(call).where(*scope, *self._clauses).order_by(*order).limit(self._page)
        last = self._first()
        while True:
            page = asked if last is None else asked.where(_beyond(keys, last, newest))
            rows = self._connection.execute(page).all()
            yield from self._judged(rows)
            if len(rows) < self._page:
                return
            last = rows[-1]

    def _first(self) -> Any:
        """The row after which to begin."""
        after = self._selection.after
        if after is None:
            return None
        wanted = select(call.c.id, call.c.start_ns, call.c.n)
        return self._connection.execute(wanted.where(call.c.id == call_id(self._connection, after))).one()

    def _judged(self, rows: Sequence[Row[Any]]) -> Iterator[Row[Any]]:
        """Those that meet the condition when whole values are read."""
        if not self._selection.deep or self._condition is None or not rows:
            yield from rows
            return
        singles = list(self._condition.singles())
        answers = self._answers(singles, [row.n for row in rows])
        big = self._big([row.n for row in rows])
        for row in rows:
            found = dict(zip(singles, answers[row.n], strict=True))
            if row.n in big:
                values = self._whole(*big[row.n])
                found |= {single: single.judge(values) for single in singles if single.judge is not None}
            if self._condition.truth(found) is True:
                yield row

    def _answers(self, singles: Sequence[Single], calls: Sequence[int]) -> Mapping[int, list[bool | None]]:
        """What the database says to each single condition."""
        columns = [single.answer().label(f"answer{n}") for n, single in enumerate(singles)]
        rows = self._connection.execute(select(call.c.n, *columns).where(call.c.n.in_(calls)))
        return {row[0]: [None if one is None else bool(one) for one in row[1:]] for row in rows}

    def _big(self, calls: Sequence[int]) -> Mapping[int, tuple[str, str | None]]:
        """Inputs and output of those calls that have blobs, as they are in their rows."""
        big = select(blob_use.c.call).where(blob_use.c.call.in_(calls))
        asked = select(payload.c.call, payload.c.inputs, payload.c.output).where(payload.c.call.in_(big))
        return {n: (inputs, output) for n, inputs, output in self._connection.execute(asked).all()}

    def _whole(self, inputs: str, output: str | None) -> Values:
        found = structure(self._connection, self._blobs, inputs)
        return Values(found, None if output is None else whole(self._connection, self._blobs, output))


def _beyond(keys: Sequence[ColumnElement[Any]], last: Row[Any], newest: bool) -> Clause:
    """Rows after the given one. Both halves bound the first key, so that an index is entered there."""
    key, *others = keys
    at = getattr(last, key.key or "")
    strictly: Clause = key < at if newest else key > at
    if not others:
        return strictly
    from_there: Clause = key <= at if newest else key >= at
    return and_(from_there, or_(strictly, _beyond(others, last, newest)))


def _id_bounds(hints: Iterable[Hint]) -> Iterator[Clause]:
    """What bounds on the start say about ids."""
    for hint in hints:
        if hint.earliest is not None:
            yield call.c.id >= _floor(hint.earliest - SLACK_NS)
        if hint.latest is not None:
            yield call.c.id <= _floor(hint.latest + SLACK_NS)


def _floor(nanoseconds: int) -> bytes:
    """The first id of a millisecond."""
    milliseconds = min(max(nanoseconds // 10**6, 0), (1 << 48) - 1)
    return (milliseconds << 80).to_bytes(16, "big")
