"""Reading an export: what is not there yet is added, a few hundred lines to a transaction.

What is the same is told by what does not depend on a store: the id of a call, run or session, the
key of a function, a version's hash; of all else, by everything its line says.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection

from tracelib.errors import StoreError
from tracelib.store.database import Database
from tracelib.store.draining.drain import in_turn
from tracelib.store.keeping.adding import Adding
from tracelib.store.keeping.lines import FORMAT, LineError, record_of
from tracelib.store.keeping.resolving import Known, Resolving
from tracelib.store.values.blobs import Blobs

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
        self._known = Known()

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
                raise (self._damaged(number, str(error)) if number > 1 else self._no_export()) from error
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
            raise self._no_export()
        if record["format"] > FORMAT:
            raise StoreError(
                f"{self._shown} is from a newer tracelib ({record.get('tracelib')}): pip install -U tracelib"
            )

    def _no_export(self) -> StoreError:
        return StoreError(f"{self._shown} is no export of a store: its first line is not its header")

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
            resolving = Resolving(connection, self._known, [record for _, record in batch])
            rows: list[Row] = []
            for number, record in batch:
                try:
                    rows.append(resolving.row(record))
                except LineError as error:
                    damaged = self._damaged(number, str(error))
                    break
            self._add(connection, batch[0][1]["kind"], rows)
        if damaged is not None:
            raise damaged

    def _add(self, connection: Connection, kind: str, rows: Sequence[Row]) -> None:
        adding = Adding(connection, self._blobs)
        added = adding.add(kind, rows)
        if rows:
            self._imported.added[kind] += added
            self._imported.known[kind] += len(rows) - added
        self._imported.renumbered += adding.renumbered


def _is_full(batch: Sequence[tuple[int, Row]], size: int, record: Row) -> bool:
    """Whether the line begins a new batch. Lines of one moment stay together: equal ones are counted."""
    last = batch[-1][1]
    if record["kind"] != last["kind"]:
        return True
    at_once = record.get("time_ns") is not None and record.get("time_ns") == last.get("time_ns")
    return (len(batch) >= LINES or size >= BYTES) and not at_once
