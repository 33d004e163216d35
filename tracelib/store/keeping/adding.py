"""Rows that arrive, added where they are not there yet: what tells rows of each table apart, and their order.

Rows of a history stand in the order of time, as if one store had kept it all.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Column, Connection, Table, func, insert, select, update

from tracelib.errors import StoreError
from tracelib.store import schema
from tracelib.store.keeping.lines import JSON_COLUMNS, KINDS, rewritten
from tracelib.store.keeping.numbering import BESIDE, Numbering, order_by_time, order_changes
from tracelib.store.schema import call, function
from tracelib.store.values.blobs import Blobs, alone, batches

Row = dict[str, Any]


class Adding:
    """Adds rows in one transaction."""

    def __init__(self, connection: Connection, blobs: Blobs) -> None:
        self._connection = connection
        self._blobs = blobs
        self.renumbered = 0
        """Versions that got another number."""

    def add(self, kind: str, rows: Sequence[Row]) -> int:
        """Write those that are not there yet, and say how many that were."""
        if not rows:
            return 0
        return ADDS[kind](self, rows) if kind in ADDS else self._add(KINDS[kind], rows)

    def _add(self, table: Table, rows: Sequence[Row]) -> int:
        """As many as are missing: rows without an identity of their own may be there several times."""
        repeated = table not in UNIQUE
        identity = UNIQUE.get(table) or [column for column in table.columns if column.name != "n"]
        there = Counter(_same(identity, found) for found in self._there(table, identity, rows))
        fresh = []
        for row in rows:
            key = _same(identity, [row[column.name] for column in identity])
            if there[key]:
                there[key] -= repeated
                continue
            there[key] += not repeated
            fresh.append(row)
        if fresh:
            self._connection.execute(insert(table), fresh)
        return len(fresh)

    def _there(
        self, table: Table, identity: Sequence[Column[Any]], rows: Sequence[Row]
    ) -> Iterator[tuple[Any, ...]]:
        """The identities of rows that are there already, and of some more: found by the best column."""
        by = SOUGHT_BY.get(table, identity[0])
        for batch in batches({row[by.name] for row in rows}):
            for found in self._connection.execute(select(*identity).where(by.in_(batch))):
                yield tuple(found)

    def _add_runs(self, rows: Sequence[Row]) -> int:
        """A run that is still running here is ended by a line that tells its end."""
        table = schema.run
        for row in rows:
            if row["end_ns"] is not None:
                running = (table.c.id == row["id"]) & table.c.end_ns.is_(None)
                ended = {name: row[name] for name in ("status", "error", "end_ns")}
                self._connection.execute(update(table).where(running).values(ended))
        return self._add(table, rows)

    def _add_updates(self, rows: Sequence[Row]) -> int:
        """A history that both stores have a part of becomes one in the order of time."""
        programs = {row.pop(BESIDE) for row in rows}
        added = self._add(schema.update, rows)
        if added:
            order_changes(self._connection, sorted(programs))
        return added

    def _add_blobs(self, rows: Sequence[Row]) -> int:
        """Those that are here and damaged are mended."""
        table = schema.blob
        there = {key for (key,) in self._there(table, (table.c.hash,), rows)}
        damaged = [hash for hash in there if self._is_damaged(hash)]
        if damaged:
            alone(self._connection)
            self._blobs.drop(self._connection, damaged)
        self._blobs.put_all(self._connection, {row["hash"]: row["data"] for row in rows})
        return len({row["hash"] for row in rows} - there)

    def _is_damaged(self, hash: str) -> bool:
        try:
            self._blobs.get(self._connection, hash)
        except StoreError:
            return True
        return False

    def _add_calls(self, rows: Sequence[Row]) -> int:
        there = {key for (key,) in self._there(call, (call.c.id,), rows)}
        number = self._connection.execute(select(func.max(call.c.n))).scalar() or 0
        calls, payloads, edges, uses = [], [], [], []
        for row in {row["id"]: row for row in rows if row["id"] not in there}.values():
            number += 1
            sections, sources, blobs = row.pop(BESIDE)
            calls.append({"n": number, **row})
            if sections is not None:
                payloads.append({"call": number, **sections})
            edges += [{"target": number, "source": source, "slot": slot} for source, slot in sources]
            uses += [{"call": number, "hash": hash} for hash in blobs]
        for table, found in (
            (call, calls), (schema.payload, payloads), (schema.edge, edges), (schema.blob_use, uses)
        ):  # fmt: skip
            if found:
                self._connection.execute(insert(table), found)
        return len(calls)

    def _add_versions(self, rows: Sequence[Row]) -> int:
        """Numbers are kept while they agree; where they do not, a name's versions are numbered anew."""
        numbering = Numbering(self._connection)
        added = sum(numbering.add(row) for row in rows)
        self.renumbered += numbering.settle()
        return added

    def _add_marks(self, table: Table, of: Column[Any], rows: Sequence[Row]) -> int:
        """The newest of several counts: an older one that arrives later stands before it."""
        added = self._add(table, rows)
        if added:
            for batch in batches({row[of.name] for row in rows}):
                order_by_time(self._connection, table, of, batch)
        return added

    def _add_feedback(self, rows: Sequence[Row]) -> int:
        return self._add_marks(schema.feedback, schema.feedback.c.target, rows)

    def _add_aliases(self, rows: Sequence[Row]) -> int:
        return self._add_marks(schema.alias, schema.alias.c.name, rows)


def _same(identity: Sequence[Column[Any]], found: Iterable[Any]) -> tuple[Any, ...]:
    """What is equal for equal rows, whichever encoder wrote the JSON in them."""
    return tuple(
        rewritten(json.loads(value)) if column in JSON_COLUMNS and value is not None else value
        for column, value in zip(identity, found, strict=True)
    )


UNIQUE: dict[Table, Sequence[Column[Any]]] = {
    schema.session: (schema.session.c.id,),
    function: (function.c.key,),
    schema.run: (schema.run.c.id,),
    schema.parameter: (schema.parameter.c.path, schema.parameter.c.program),
    schema.tag: (schema.tag.c.target, schema.tag.c.target_kind, schema.tag.c.tag),
}
"""What tells the rows of a table apart; of other tables everything does."""
SOUGHT_BY = {
    schema.update: schema.update.c.parameter,
    schema.feedback: schema.feedback.c.target,
    schema.alias: schema.alias.c.name,
    schema.event: schema.event.c.time_ns,
}
ADDS: dict[str, Callable[[Adding, Sequence[Row]], int]] = {
    "version": Adding._add_versions,
    "run": Adding._add_runs,
    "update": Adding._add_updates,
    "feedback": Adding._add_feedback,
    "alias": Adding._add_aliases,
    "blob": Adding._add_blobs,
    "call": Adding._add_calls,
}
"""How rows of a kind are added, where it takes more than inserting them; each gives how many were new."""
