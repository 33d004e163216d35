"""Reading an export: what is not there yet is added, a few hundred lines to a transaction.

What is the same is told by what does not depend on a store: the id of a call, run or session, the
key of a function, a version's hash; of all else, by everything its line says.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Column, Connection, Table, func, insert, select, update

from tracelib.errors import StoreError
from tracelib.store import schema
from tracelib.store.database import Database
from tracelib.store.draining.drain import in_turn
from tracelib.store.keeping.lines import FORMAT, KINDS, LineError, is_id, is_text, record_of, values
from tracelib.store.keeping.numbering import BESIDE, Numbering, order_changes, state_of
from tracelib.store.schema import STATUS, call, function, version
from tracelib.store.values.blobs import HASH, Blobs, batches
from tracelib.store.values.encoding import digest

LINES = 500
"""Lines of one transaction, of one kind."""
BYTES = 4 << 20
"""Of lines in one transaction, about."""

Row = dict[str, Any]
Source = str | os.PathLike[str] | IO[str] | IO[bytes] | Iterable[str]


@dataclass
class Imported:
    """What an import brought, by kind: what was new, and what was there already."""

    added: Counter[str] = field(default_factory=Counter)
    known: Counter[str] = field(default_factory=Counter)
    renumbered: int = 0
    """Versions that have another number now, here or there: a name had different ones in the two stores."""


def import_(database: Database, blobs: Blobs, source: Source) -> Imported:
    """Add what an export holds and this store has not; the same export again adds nothing.

    Versions of a name that both stores have are numbered anew by their time, where the numbers do not agree,
    and aliases follow. Raises StoreError when it is no export, or of a newer format; or at a damaged
    line, whose number it names: what is before it was imported by then.
    """
    with _lines(source) as (lines, shown):
        return _Import(database, blobs, shown).read(lines)


@contextmanager
def _lines(source: Source) -> Iterator[tuple[Iterable[str | bytes], str]]:
    if not isinstance(source, (str, os.PathLike)):
        yield source, str(getattr(source, "name", "the export"))
        return
    with ExitStack() as stack:
        try:
            file = stack.enter_context(Path(source).open("rb"))
        except OSError as error:
            raise StoreError(f"{source} cannot be read: {error.strerror}") from error
        yield file, str(source)


class _Import:
    """One import: lines are gathered while they are of one kind, and written together."""

    def __init__(self, database: Database, blobs: Blobs, shown: str) -> None:
        self._database = database
        self._blobs = blobs
        self._shown = shown
        self._imported = Imported()
        self._known = _Known()

    def read(self, lines: Iterable[str | bytes]) -> Imported:
        batch: list[tuple[int, Row]] = []
        number, size, ended = 0, 0, False
        for number, line in enumerate(lines, 1):
            if ended:
                raise self._damaged(number, "comes after the last one")
            try:
                record = record_of(line)
            except LineError as error:
                self._write(batch)
                raise self._damaged(number, str(error)) from error
            if number == 1:
                self._check_header(record)
                continue
            if batch and _is_full(batch, size, record):
                self._write(batch)
                batch, size = [], 0
            if record["kind"] == "end":
                self._check_end(number, record)
                ended = True
                continue
            batch.append((number, record))
            size += len(line)
        self._write(batch)
        if not ended:
            raise StoreError(
                f"{self._shown} ends early, after line {number}: the lines there are were imported"
            )
        return self._imported

    def _check_header(self, record: Row) -> None:
        if record["kind"] != "store" or not isinstance(record.get("format"), int):
            raise StoreError(f"{self._shown} is no export of a store: its first line is not its header")
        if record["format"] > FORMAT:
            raise StoreError(
                f"{self._shown} is from a newer tracelib ({record.get('tracelib')}): pip install -U tracelib"
            )

    def _check_end(self, number: int, record: Row) -> None:
        if record.get("records") != number - 2:
            raise self._damaged(number, f"tells of {record.get('records')} records, there are {number - 2}")

    def _damaged(self, number: int, what: str) -> StoreError:
        return StoreError(
            f"line {number} of {self._shown} {what}: the lines before it were imported, none after it. "
            "Export again, or correct the line and import again"
        )

    def _write(self, batch: Sequence[tuple[int, Row]]) -> None:
        """Write lines of one kind; those before a damaged one stay when it raises."""
        if not batch:
            return
        damaged: StoreError | None = None
        with self._database.writing() as connection:
            in_turn(self._database, connection)
            arriving = _Arriving(connection, self._blobs, self._known, self._imported)
            rows: list[Row] = []
            for number, record in batch:
                try:
                    rows.append(arriving.row(record))
                except LineError as error:
                    damaged = self._damaged(number, str(error))
                    break
            arriving.add(batch[0][1]["kind"], rows)
        if damaged is not None:
            raise damaged


def _is_full(batch: Sequence[tuple[int, Row]], size: int, record: Row) -> bool:
    """Whether the line begins a new batch. Lines of one moment stay together: equal ones are counted."""
    last = batch[-1][1]
    if record["kind"] != last["kind"]:
        return True
    at_once = record.get("time_ns") is not None and record.get("time_ns") == last.get("time_ns")
    return (len(batch) >= LINES or size >= BYTES) and not at_once


@dataclass
class _Known:
    """Numbers of rows in this store by what lines call them."""

    sessions: dict[str, int] = field(default_factory=dict)
    functions: dict[str, int] = field(default_factory=dict)
    versions: dict[tuple[str, str], int] = field(default_factory=dict)
    runs: dict[str, int] = field(default_factory=dict)
    parameters: dict[tuple[str, str], int] = field(default_factory=dict)


class _Arriving:
    """Lines as rows, in one transaction."""

    def __init__(self, connection: Connection, blobs: Blobs, known: _Known, imported: Imported) -> None:
        self._connection = connection
        self._blobs = blobs
        self._known = known
        self._imported = imported

    def row(self, record: Row) -> Row:
        """The row of a line, with what belongs to other tables beside it; raises LineError."""
        kind = record["kind"]
        if kind in ROWS:
            return ROWS[kind](self, record)
        if kind not in KINDS:
            raise LineError(f"is of an unknown kind, {kind!r:.80}")
        return values(KINDS[kind], record)

    def add(self, kind: str, rows: Sequence[Row]) -> None:
        """Write those that are not there yet."""
        if not rows:
            return
        added = ADDS[kind](self, rows) if kind in ADDS else self._add(KINDS[kind], rows)
        self._imported.added[kind] += added
        self._imported.known[kind] += len(rows) - added

    def _version(self, record: Row) -> Row:
        uses = _pairs(record, "uses", is_text)
        made = values(version, record, function=self._function(record), parent=None)
        parent = record.get("parent")
        if parent is not None and not is_text(parent):
            raise LineError(f"has {parent!r:.80} as 'parent'")
        return made | {BESIDE: (record["function"], parent, uses)}

    def _blob(self, record: Row) -> Row:
        hash, data = record.get("hash"), record.get("data")
        try:
            found = base64.b64decode(data, validate=True)  # type: ignore[arg-type]
        except (binascii.Error, ValueError, TypeError) as error:
            raise LineError("has no base64 as 'data'") from error
        if hash != digest(found):
            raise LineError(f"is a value that has not its hash, {hash!r:.80}")
        return {"hash": hash, "data": found}

    def _call(self, record: Row) -> Row:
        status = record.get("status")
        if status not in STATUS:
            raise LineError(f"has {status!r:.80} as 'status'")
        instead = self._stamped(record) | {"function": self._function(record), "version": None}
        if record.get("version") is not None:
            instead["version"] = self._numbered(record)
        made = values(call, record, **instead, status=STATUS.index(status))
        sections = values(schema.payload, record) if "inputs" in record else None
        blobs = record.get("blobs", [])
        if not isinstance(blobs, list) or not all(
            isinstance(one, str) and HASH.fullmatch(one) for one in blobs
        ):
            raise LineError("has no list of hashes as 'blobs'")
        edges = _pairs(record, "edges", is_id)
        return made | {BESIDE: (sections, edges, set(blobs))}

    def _update(self, record: Row) -> Row:
        key = record.get("program"), record.get("path")
        number = self._look_up(
            self._known.parameters,
            key,
            schema.parameter,
            (schema.parameter.c.program, schema.parameter.c.path),
        )
        made = values(schema.update, record, parameter=number, **self._stamped(record))
        return made | {BESIDE: record["program"]}

    def _event(self, record: Row) -> Row:
        return values(schema.event, record, **self._stamped(record))

    def _alias(self, record: Row) -> Row:
        """The version by its hash, the state by its change: the numbers may be others here."""
        made = values(schema.alias, record)
        hash, state = record.get("hash"), record.get("state")
        if isinstance(state, list) and len(state) == 2:
            found = state_of(self._connection, made["name"], *state)
            return made if found is None else made | {"version": str(found)}
        if hash is None:
            return made
        named = select(version.c.number).join(function, function.c.n == version.c.function)
        mine = named.where(function.c.key == made["name"], version.c.hash == str(hash))
        number = self._connection.execute(mine).scalar()
        return made if number is None else made | {"version": str(number)}

    def _stamped(self, record: Row) -> Row:
        """The session and the run that a line belongs to."""
        session, run = schema.session, schema.run
        stamp: Row = {"run": None}
        for name, table, known in (
            ("session", session, self._known.sessions),
            ("run", run, self._known.runs),
        ):
            id = record.get(name)
            if id is None and name == "run":
                continue
            if not is_id(id):
                raise LineError(f"has {id!r:.80} as {name!r}")
            stamp[name] = self._look_up(known, id, table, (table.c.id,), bytes.fromhex(str(id)))
        return stamp

    def _function(self, record: Row) -> int:
        return self._look_up(self._known.functions, record.get("function"), function, (function.c.key,))

    def _numbered(self, record: Row) -> int:
        """The number of the row of a call's version."""
        key = record["function"], record["version"]
        asked = (version.c.function, version.c.hash)
        return self._look_up(
            self._known.versions, key, version, asked, self._function(record), record["version"]
        )

    def _look_up(self, known: dict[Any, int], key: Any, table: Table, columns: Any, *raw: Any) -> int:
        """A row's number; raises LineError where no line before this, and no row here, is of that."""
        if not all(isinstance(part, str) for part in (key if isinstance(key, tuple) else (key,))):
            raise LineError(f"names no {table.name}")
        if key not in known:
            wanted = raw or (key if isinstance(key, tuple) else (key,))
            pairs = zip(columns, wanted, strict=True)
            found = self._connection.execute(
                select(table.c.n).where(*(c == value for c, value in pairs))
            ).scalar()
            if found is None:
                raise LineError(f"names a {table.name} that no line before it tells of: {key!r:.120}")
            known[key] = found
        return known[key]

    def _add(self, table: Table, rows: Sequence[Row]) -> int:
        """As many as are missing: rows without an identity of their own may be there several times."""
        repeated = table not in UNIQUE
        identity = UNIQUE.get(table) or [column for column in table.columns if column.name != "n"]
        there = Counter(self._there(table, identity, rows))
        fresh = []
        for row in rows:
            key = tuple(row[column.name] for column in identity)
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
        table = schema.blob
        there = {key for (key,) in self._there(table, (table.c.hash,), rows)}
        self._blobs.put_all(self._connection, {row["hash"]: row["data"] for row in rows})
        return len({row["hash"] for row in rows} - there)

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
            edges += [
                {"target": number, "source": bytes.fromhex(source), "slot": slot} for source, slot in sources
            ]
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
        self._imported.renumbered += numbering.settle()
        return added


def _pairs(record: Row, name: str, fits: Callable[[Any], bool]) -> list[list[str]]:
    """A list of pairs of texts, of which the first must fit."""
    found = record.get(name, [])
    if not isinstance(found, list) or not all(
        isinstance(pair, list) and len(pair) == 2 and fits(pair[0]) and is_text(pair[1]) for pair in found
    ):
        raise LineError(f"has no list of pairs as {name!r}")
    return found


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
ROWS: dict[str, Callable[[_Arriving, Row], Row]] = {
    "version": _Arriving._version,
    "blob": _Arriving._blob,
    "call": _Arriving._call,
    "update": _Arriving._update,
    "alias": _Arriving._alias,
    "event": _Arriving._event,
}
"""How a line of a kind becomes a row, where it takes more than its columns."""
ADDS: dict[str, Callable[[_Arriving, Sequence[Row]], int]] = {
    "version": _Arriving._add_versions,
    "run": _Arriving._add_runs,
    "update": _Arriving._add_updates,
    "blob": _Arriving._add_blobs,
    "call": _Arriving._add_calls,
}
"""How rows of a kind are added, where it takes more than inserting them; each gives how many were new."""
