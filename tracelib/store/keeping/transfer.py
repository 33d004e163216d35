"""A store as lines of JSON: readable, the same for the same content on every engine, read back by `import_`.

Memory grows with functions, versions, sessions and runs, not with calls.
"""

from __future__ import annotations

import base64
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Column, ColumnElement, Connection, Row, Select, Table, or_, select

from tracelib import __version__
from tracelib.errors import StoreError
from tracelib.store import schema
from tracelib.store.database import Database
from tracelib.store.filters.engines import hexadecimal
from tracelib.store.filters.filter import compiled
from tracelib.store.keeping.arriving import Imported, import_
from tracelib.store.keeping.lines import FORMAT, fields, line_of
from tracelib.store.migrations import STEPS
from tracelib.store.schema import STATUS, blob, blob_use, call, edge, function, payload, run, session, version
from tracelib.store.values.blobs import Blobs

__all__ = ["Imported", "export", "import_"]

PAGE = 500
"""Calls that are read together."""

Record = dict[str, Any]


def export(
    database: Database,
    blobs: Blobs,
    target: str | os.PathLike[str] | IO[str],
    where: str | ColumnElement[bool] | None = None,
) -> int:
    """Write what is stored to a file or a path, and give the number of records.

    `where`, a filter or a condition on rows of `call`, selects calls: they are written with the values,
    code, runs, tags and feedback that they have, and nothing else is. A path gets a whole file or
    none, readable by its owner only; a device or pipe is written to. Raises StoreError when a value is
    damaged, or when it cannot be written.
    """
    clause = compiled(where) if isinstance(where, str) else where
    with _opened(target) as file, database.reading() as connection:
        if not database.is_sqlite:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        written = 0
        header = {"kind": "store", "format": FORMAT, "schema": STEPS[-1][0], "tracelib": __version__}
        file.write(line_of(header) + "\n")
        for record in _Export(connection, blobs, clause).records():
            file.write(line_of(record) + "\n")
            written += 1
        file.write(line_of({"kind": "end", "records": written}) + "\n")
    return written


@contextmanager
def _opened(target: str | os.PathLike[str] | IO[str]) -> Iterator[IO[str]]:
    if not isinstance(target, (str, os.PathLike)):
        yield target
        return
    path = Path(target).resolve()  # what a link points to is replaced, not the link
    try:
        with _replacing(path) if path.is_file() or not path.exists() else _writing(path) as file:
            yield file
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {error.strerror}") from error


def _writing(path: Path) -> IO[str]:
    return path.open("w", encoding="utf-8", newline="\n")


@contextmanager
def _replacing(path: Path) -> Iterator[IO[str]]:
    made, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(made, "w", encoding="utf-8", newline="\n") as file:
            yield file
        os.replace(name, path)
    except BaseException:  # also when interrupted: half an export must not stay
        Path(name).unlink(missing_ok=True)
        raise


class _Export:
    """The records of one export, in an order in which each comes after what it refers to."""

    def __init__(self, connection: Connection, blobs: Blobs, clause: ColumnElement[bool] | None) -> None:
        self._connection = connection
        self._blobs = blobs
        self._clause = clause
        self._sessions = {row.n: row.id.hex() for row in self._rows(select(session.c.n, session.c.id))}
        self._functions = {row.n: row.key for row in self._rows(select(function.c.n, function.c.key))}
        self._versions = {row.n: row.hash for row in self._rows(select(version.c.n, version.c.hash))}
        self._runs = {row.n: row.id.hex() for row in self._rows(select(run.c.n, run.c.id))}

    def records(self) -> Iterator[Record]:
        yield from self._told()
        yield from self._big_values()
        yield from self._calls()
        if self._clause is None:
            yield from self._parameters()
        yield from self._marks()
        if self._clause is None:
            yield from self._aliases()
            yield from self._events()

    def _told(self) -> Iterator[Record]:
        """Sessions, functions, versions and runs."""
        for row in self._wanted(session, call.c.session, session.c.id):
            yield self._record("session", session, row)
        for row in self._wanted(function, call.c.function, function.c.key):
            yield self._record("function", function, row)
        uses = self._uses()
        for row in self._wanted(version, call.c.function, version.c.number, version.c.function):
            parent = self._versions.get(row.parent)
            instead = {"function": _named(self._functions, row.function, "function"), "parent": parent}
            yield self._record("version", version, row, **instead) | {"uses": sorted(uses.get(row.n, []))}
        for row in self._wanted(run, call.c.run, run.c.id):
            yield self._record("run", run, row)

    def _wanted(
        self, table: Table, needed: Column[Any], order: Column[Any], by: Column[Any] | None = None
    ) -> list[Row[Any]]:
        """The rows of a table, or those whose numbers (or `by`) selected calls have as `needed`."""
        asked = select(table)
        if self._clause is not None:
            column = table.c.n if by is None else by
            asked = asked.where(column.in_(select(needed).where(self._clause).distinct()))
        found = self._connection.execute(asked).all()
        name = "" if by is None else by.name

        def place(row: Row[Any]) -> Any:
            return self._functions[getattr(row, name)] if name else "", getattr(row, order.name)

        return sorted(found, key=place)

    def _uses(self) -> dict[int, list[list[str]]]:
        found: dict[int, list[list[str]]] = {}
        for row in self._rows(select(schema.use)):
            found.setdefault(row.version, []).append([row.used_key, row.used_hash])
        return found

    def _big_values(self) -> Iterator[Record]:
        used = select(blob_use.c.hash).where(blob_use.c.hash == blob.c.hash)
        if self._clause is not None:
            used = used.where(blob_use.c.call.in_(select(call.c.n).where(self._clause)))
        last = ""
        while True:
            page = select(blob.c.hash).where(used.exists(), self._plain(blob.c.hash) > last)
            hashes = (
                self._connection.execute(page.order_by(self._plain(blob.c.hash)).limit(PAGE)).scalars().all()
            )
            for hash in hashes:
                data = self._blobs.get(self._connection, hash)
                yield {"kind": "blob", "hash": hash, "data": base64.b64encode(data).decode()}
            if len(hashes) < PAGE:
                return
            last = hashes[-1]

    def _calls(self) -> Iterator[Record]:
        last = b""
        while True:
            page = select(call).where(call.c.id > last).order_by(call.c.id).limit(PAGE)
            rows = self._connection.execute(page if self._clause is None else page.where(self._clause)).all()
            parts = _Parts(self._connection, [row.n for row in rows])
            for row in rows:
                yield self._record("call", call, row, **self._instead(row)) | parts.of(row.n)
            if len(rows) < PAGE:
                return
            last = rows[-1].id

    def _instead(self, row: Row[Any]) -> dict[str, Any]:
        """What a call's line has for the numbers in its row."""
        return {
            "function": _named(self._functions, row.function, "function"),
            "version": self._versions.get(row.version),
            "status": STATUS[row.status],
            **self._stamp(row),
        }

    def _stamp(self, row: Row[Any]) -> dict[str, Any]:
        """The session and the run that a row belongs to."""
        return {"session": _named(self._sessions, row.session, "session"), "run": self._runs.get(row.run)}

    def _parameters(self) -> Iterator[Record]:
        parameter, update = schema.parameter, schema.update
        rows = self._connection.execute(select(parameter)).all()
        named = {row.n: {"program": row.program, "path": row.path} for row in rows}
        for row in sorted(rows, key=lambda row: (row.program, row.path)):
            yield self._record("parameter", parameter, row)
        order = [self._plain(parameter.c.program), self._plain(parameter.c.path)]
        asked = select(update).join(parameter, parameter.c.n == update.c.parameter)
        for row in self._rows(asked.order_by(update.c.time_ns, *order, update.c.n)):
            instead = self._stamp(row)
            record = self._record("update", update, row, **instead, parameter=None)
            yield {"kind": "update", **named[row.parameter], **record}

    def _marks(self) -> Iterator[Record]:
        said, tag = schema.feedback, schema.tag
        asked = self._about(said).order_by(
            said.c.time_ns, self._plain(said.c.target), self._plain(said.c.name), said.c.n
        )
        for row in self._rows(asked):
            yield self._record("feedback", said, row)
        order = [self._plain(column) for column in (tag.c.target_kind, tag.c.target, tag.c.tag)]
        for row in self._rows(self._about(tag).order_by(*order)):
            yield self._record("tag", tag, row)

    def _about(self, table: Table) -> Select[Any]:
        """All of a table, or what it says about the selected calls, and their runs and versions."""
        asked = select(table)
        if self._clause is None:
            return asked
        calls = select(hexadecimal(call.c.id)).where(self._clause)
        runs = select(hexadecimal(run.c.id)).where(run.c.n.in_(select(call.c.run).where(self._clause)))
        versions = select(version.c.hash).where(version.c.n.in_(select(call.c.version).where(self._clause)))
        kind, target = table.c.target_kind, table.c.target
        return asked.where(
            or_(
                (kind == "call") & target.in_(calls),
                (kind == "run") & target.in_(runs),
                (kind == "version") & target.in_(versions),
            )
        )

    def _aliases(self) -> Iterator[Record]:
        """With what the number means here, the version's hash or the change that led to a state.

        Elsewhere it may have another number.
        """
        alias = schema.alias
        numbered = select(function.c.key, version.c.number, version.c.hash)
        known = numbered.join(version, version.c.function == function.c.n)
        hashes = {(row.key, str(row.number)): row.hash for row in self._rows(known)}
        states = self._states()
        asked = select(alias).order_by(alias.c.time_ns, self._plain(alias.c.name), alias.c.n)
        for row in self._rows(asked):
            record = self._record("alias", alias, row)
            if (row.name, row.version) in hashes:
                record["hash"] = hashes[row.name, row.version]
            elif (row.name, row.version) in states:
                record["state"] = states[row.name, row.version]
            yield record

    def _states(self) -> dict[tuple[str, str], list[Any]]:
        """The path and time of the change that led to each state that may have an alias."""
        parameter, update = schema.parameter, schema.update
        columns = select(parameter.c.program, parameter.c.path, update.c.time_ns)
        asked = columns.join_from(update, parameter, parameter.c.n == update.c.parameter)
        named = asked.where(parameter.c.program.in_(select(schema.alias.c.name)))
        found: dict[tuple[str, str], list[Any]] = {}
        reached: Counter[str] = Counter()
        for row in self._rows(named.order_by(update.c.n)):
            reached[row.program] += 1
            found[row.program, str(reached[row.program])] = [row.path, row.time_ns]
        return found

    def _events(self) -> Iterator[Record]:
        event = schema.event
        for row in self._rows(select(event).order_by(event.c.time_ns, self._plain(event.c.name), event.c.n)):
            instead = self._stamp(row)
            yield self._record("event", event, row, **instead)

    def _record(self, kind: str, table: Table, row: Row[Any], **instead: Any) -> Record:
        return {"kind": kind, **fields(table, row, **instead)}

    def _rows(self, asked: Select[Any]) -> Iterator[Row[Any]]:
        """A few at a time: PostgreSQL's client would fetch all of them at once."""
        yield from self._connection.execute(asked, execution_options={"yield_per": PAGE})

    def _plain(self, column: ColumnElement[str]) -> ColumnElement[str]:
        """A text that sorts by its bytes, whatever the language of the database."""
        return column.collate("BINARY" if self._connection.dialect.name == "sqlite" else "C")


def _named(names: Mapping[int, str], number: int, what: str) -> str:
    """What other stores call a row that must be there; raises StoreError when it is gone."""
    if number not in names:
        raise StoreError(f"{what} {number} is gone, and rows that name it are not: see tracelib verify")
    return names[number]


class _Parts:
    """What belongs to some calls beside their rows: values, edges, and the blobs they need."""

    def __init__(self, connection: Connection, numbers: list[int]) -> None:
        self._payloads = {
            row.call: row for row in connection.execute(select(payload).where(payload.c.call.in_(numbers)))
        }
        self._edges: dict[int, list[list[str]]] = {}
        for row in connection.execute(select(edge).where(edge.c.target.in_(numbers))):
            self._edges.setdefault(row.target, []).append([row.source.hex(), row.slot])
        self._blobs: dict[int, list[str]] = {}
        for row in connection.execute(select(blob_use).where(blob_use.c.call.in_(numbers))):
            self._blobs.setdefault(row.call, []).append(row.hash)

    def of(self, number: int) -> Record:
        found: Record = {}
        if number in self._payloads:
            found |= fields(payload, self._payloads[number])
        if number in self._edges:
            found["edges"] = sorted(self._edges[number])
        if number in self._blobs:
            found["blobs"] = sorted(self._blobs[number])
        return found
