"""The journal's way into the database: each record once, in the transaction that notes how far it was read.

Whoever needs rows drains first; any number of processes may, one transaction at a time.
"""

from __future__ import annotations

import os
import shutil
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, bindparam, delete, insert, select, update
from sqlalchemy.exc import DataError, IntegrityError, InterfaceError, ProgrammingError

from tracelib.errors import StoreError
from tracelib.store import schema
from tracelib.store.database import Database
from tracelib.store.draining.batch import Batch
from tracelib.store.draining.inserting import many
from tracelib.store.draining.registry import Registry
from tracelib.store.journal.failpoints import reach
from tracelib.store.journal.frames import Record
from tracelib.store.journal.segments import Running, Segment, Table, segments, sweep, tables
from tracelib.store.values.blobs import Blobs
from tracelib.store.writing.notes import SLOT

AT_ONCE = 2 << 20
"""Bytes of journal that go into one transaction: about a thousand calls with a page of text each."""
DRAINING = 0x647261696E  # "drain"
REFUSED = ".refused"
"""The suffix of a file that holds one record which no table takes."""
DAMAGED = ".damaged"
"""The suffix of a part of a journal in which some records cannot be read; it stays when it is drained."""
_REFUSALS = (
    DataError,
    IntegrityError,
    InterfaceError,
    ProgrammingError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    struct.error,
)
"""What a record raises that cannot be written, now or later: of a newer tracelib, or out of all bounds."""


Write = Callable[[Connection, Segment, Sequence[Record]], int]
"""Writes records of a segment into the database, and says how many no table takes."""


@dataclass
class Drained:
    """What a round of draining moved.

    `damaged` records could not be read and are skipped, the file that they are in stays; `refused` ones no
    table took: each is in a file of its own beside the journal.
    """

    records: int = 0
    damaged: int = 0
    refused: int = 0


class Drain:
    """Moves records from a journal's folder into a database."""

    def __init__(self, database: Database, blobs: Blobs, folder: Path) -> None:
        self.database = database
        self.blobs = blobs
        self.folder = folder
        self._registry = Registry()

    def all(self) -> Drained:
        """Move all that is there now. Raises StoreError when the database cannot be written."""
        try:
            return self._all()
        except OSError as error:
            raise StoreError(
                f"what was recorded in {self.folder} could not be moved into {self.database.shown}: {error}"
            ) from error

    def _all(self) -> Drained:
        # Asked before the segments are listed: of whom is dead now, every record is in the list.
        dead = [table for table in tables(self.folder) if not table.alive()]
        drained = Drained()
        if waiting := segments(self.folder):
            with self.database.kept_open() as kept:
                for segment in waiting:
                    while self._some(kept, segment, drained):
                        pass
        self._running(dead)
        sweep(self.folder)
        return drained

    def _some(self, kept: Connection, segment: Segment, drained: Drained) -> bool:
        """Move one transaction's worth, record by record if not all at once; False when there is no more."""
        try:
            return self._moved(kept, segment, drained, self._at_once)
        except _REFUSALS:
            return self._moved(kept, segment, drained, self._one_by_one)

    def _moved(self, kept: Connection, segment: Segment, drained: Drained, write: Write) -> bool:
        try:
            with self.database.writing(kept) as connection:
                in_turn(self.database, connection)
                start = _position(connection, segment.name)
                batch = segment.read(start, AT_ONCE)
                refused = write(connection, segment, batch.records) if batch.records else 0
                if batch.damaged:
                    _keep(segment)
                reach("drain written")
                if batch.offset > start:
                    _move(connection, segment.name, batch.offset)
                reach("drain moved")
        except BaseException:
            self._registry.clear()  # it holds numbers of rows that were rolled back
            raise
        reach("drain committed")
        drained.records += len(batch.records)
        drained.damaged += batch.damaged
        drained.refused += refused
        if batch.offset - start > AT_ONCE // 2:  # there is more, in all likelihood: no need to look twice
            return True
        if not segment.finished(batch.offset):
            return bool(batch.records)
        segment.remove()
        reach("drain removed")
        with self.database.writing(kept) as connection:
            connection.execute(delete(schema.position).where(schema.position.c.segment == segment.name))
        return False

    def _at_once(self, connection: Connection, segment: Segment, records: Sequence[Record]) -> int:
        """Write the records; when a table does not take one, the transaction is over.

        A savepoint for them all would cost a sixth of the way into the database.
        """
        Batch(connection, self.blobs, self._registry).write(records)
        return 0

    def _one_by_one(self, connection: Connection, segment: Segment, records: Sequence[Record]) -> int:
        """Write each record that a table takes, and set the others aside; how many these are."""
        refused = 0
        for record in records:
            try:
                with connection.begin_nested():
                    Batch(connection, self.blobs, self._registry).write([record])
            except _REFUSALS:
                self._registry.clear()
                self._set_aside(segment, record)
                refused += 1
        return refused

    def _set_aside(self, segment: Segment, record: Record) -> None:
        """One record that cannot be written must not hold up all that come after it, nor be lost."""
        path = self.folder / f"{segment.name}-{record.end}-{record.kind}{REFUSED}"
        path.write_bytes(record.payload)

    def _running(self, dead: Sequence[Table]) -> None:
        """Show the calls that run now, and give those whose process died a row of their own."""
        running = [table.running() for table in tables(self.folder) if table not in dead]
        if not running and not dead and not self._shown():
            return
        with self.database.writing() as connection:
            in_turn(self.database, connection)
            connection.execute(delete(schema.pending))
            for calls in running:
                _show(connection, map(_read, calls))
            for table in dead:
                self._interrupted(connection, map(_read, table.running()))
        reach("drain interrupted")
        for table in dead:
            table.remove()

    def _shown(self) -> bool:
        with self.database.reading() as connection:
            return connection.execute(select(schema.pending.c.id).limit(1)).first() is not None

    def _interrupted(self, connection: Connection, rows: Iterable[_Slot]) -> None:
        """Calls that had begun when their process died; one that was written before that stays as it is."""
        for row in rows:
            known = connection.execute(select(schema.call.c.n).where(schema.call.c.id == row.id)).first()
            if known is not None:
                continue
            Batch(connection, self.blobs, self._registry).interrupted(row.id, row.key, row.start_ns)


@dataclass(frozen=True)
class _Slot:
    """A running call as its process noted it."""

    id: bytes
    key: str
    start_ns: int
    pid: int


def _read(call: Running) -> _Slot:
    id, start_ns = SLOT.unpack_from(call.payload)
    return _Slot(id, call.payload[SLOT.size :].decode("utf-8", "replace"), start_ns, call.pid)


def _show(connection: Connection, rows: Iterable[_Slot]) -> None:
    now = time.time_ns()
    many(connection, schema.pending, [(row.id, row.key, row.start_ns, row.pid, now) for row in rows])


def _keep(segment: Segment) -> None:
    """A second name for a file with records beyond reading: the first is removed when it is drained."""
    kept = segment.path.with_name(segment.name + DAMAGED)
    try:
        os.link(segment.path, kept)
    except FileExistsError:
        return
    except OSError:  # a file system where a file has one name only
        shutil.copyfile(segment.path, kept)


def refused(folder: Path) -> list[Path]:
    """The files of records that no table took."""
    return sorted(folder.glob(f"*{REFUSED}"))


def damaged(folder: Path) -> list[Path]:
    """The parts of the journal in which some records could not be read."""
    return sorted(folder.glob(f"*{DAMAGED}"))


def in_turn(database: Database, connection: Connection) -> None:
    """One drain at a time: SQLite's write lock does it, PostgreSQL is asked."""
    if not database.is_sqlite:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({DRAINING})")


_OF_SEGMENT = schema.position.c.segment == bindparam("name")
_POSITION = select(schema.position.c.bytes).where(_OF_SEGMENT)
_MOVE = update(schema.position).where(_OF_SEGMENT)
"""Made once: to build these anew for each transaction took as long as to write twenty calls."""


def _position(connection: Connection, segment: str) -> int:
    return connection.execute(_POSITION, {"name": segment}).scalar() or 0


def _move(connection: Connection, segment: str, offset: int) -> None:
    moved = connection.execute(_MOVE, {"name": segment, "bytes": offset}).rowcount
    if not moved:
        connection.execute(insert(schema.position).values(segment=segment, bytes=offset))
