"""Reading: what processes have put into their journals, from any process, while they write.

Safe beside the owner, beside other readers, and beside one who removes. A file is opened for each question,
so nothing is held in between; a file that has gone holds nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tracelib.store.journal import frames
from tracelib.store.journal.frames import FRAME_BYTES, HEAD_BYTES, SLOT_BYTES, SLOTS, Head, Record
from tracelib.store.journal.mapped import DRAFT

LIMIT_BYTES = 1 << 20
ABANDONED_SECONDS = 3600.0


@dataclass(frozen=True)
class Batch:
    """Records in the order of the file, the offset to go on at, and how many records were beyond reading."""

    records: Sequence[Record]
    offset: int
    damaged: int = 0


@dataclass(frozen=True)
class JournalFile:
    """A file that a process made and holds a lock on while it lives."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    def head(self) -> Head | None:
        """None when the file has gone, or is of no journal."""
        with _opened(self.path) as descriptor:
            return None if descriptor is None else Head.unpacked(os.pread(descriptor, HEAD_BYTES, 0))

    def alive(self) -> bool:
        """Whether the owner lives, and may still write; True when that cannot be found out."""
        try:
            with _opened(self.path) as descriptor:
                return descriptor is not None and _held(descriptor)
        except PermissionError:
            return True

    def problem(self) -> str:
        """Why the file cannot be read; "" when it can."""
        try:
            head = self.head()
        except PermissionError:
            return f"{self.path} belongs to another user, who can drain it by `tracelib status`"
        if head is None and self.path.exists():
            return f"{self.path} is damaged: its head is not that of a journal"
        if head is not None and head.format != frames.FORMAT:
            return (
                f"{self.path} is of format {head.format}, this tracelib reads {frames.FORMAT}: "
                "update tracelib to drain it"
            )
        return ""

    def remove(self) -> None:
        """Deletes the file; that another reader was quicker is no error."""
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()


class Segment(JournalFile):
    """A part of one process's journal. To who may not open it, it is empty and not finished."""

    def read(self, offset: int = 0, limit_bytes: int = LIMIT_BYTES) -> Batch:
        """The records from `offset` on: about `limit_bytes` of them, one at least if there is one."""
        try:
            return self._read(offset, limit_bytes)
        except PermissionError:
            return Batch((), offset)

    def finished(self, offset: int) -> bool:
        """Whether nothing lies behind `offset` and nothing more will come: the segment may be removed."""
        try:
            return self._finished(offset)
        except PermissionError:
            return False

    def _read(self, offset: int, limit_bytes: int) -> Batch:
        with _opened(self.path) as descriptor:
            if descriptor is None:
                return Batch((), offset)
            # Asked before the bytes are read: what a dead owner left behind is final.
            alive = _held(descriptor)
            head = Head.unpacked(os.pread(descriptor, HEAD_BYTES, 0))
            if head is None or head.format != frames.FORMAT:
                return Batch((), offset)
            return _Reading(descriptor, head.salt, alive, limit_bytes).batch(max(offset, HEAD_BYTES))

    def _finished(self, offset: int) -> bool:
        with _opened(self.path) as descriptor:
            if descriptor is None:
                return True
            alive = _held(descriptor)
            head = Head.unpacked(os.pread(descriptor, HEAD_BYTES, 0))
            if head is None or head.format != frames.FORMAT or (alive and not head.closed):
                return False
            # The owner cuts a closed file off behind the last record that he has begun. Zeros before that are
            # a place that was taken: its thread was interrupted by a signal handler, and will fill it.
            if alive and offset < os.fstat(descriptor).st_size:
                return False
            reading = _Reading(descriptor, head.salt, alive, LIMIT_BYTES)
            return not reading.batch(max(offset, HEAD_BYTES)).records


@dataclass(frozen=True)
class _Reading:
    """One look into an open segment."""

    descriptor: int
    salt: int
    alive: bool
    limit: int

    def batch(self, at: int) -> Batch:
        length = os.fstat(self.descriptor).st_size
        window = max(self.limit, FRAME_BYTES)
        damaged = 0
        while at < length:
            data = os.pread(self.descriptor, window, at)
            part = frames.scan(data, at, self.salt, dead=not self.alive)
            at += part.used
            if part.records:
                return Batch(part.records, at, damaged)
            if part.wants > len(data) - part.used and at + part.wants <= length:
                window = max(self.limit, part.wants)
            elif len(data) - part.used < FRAME_BYTES and part.used:
                continue
            elif self.alive:
                break
            else:
                skipped, was_record = self._skip(at, length)
                at += skipped
                damaged += was_record
        return Batch((), min(at, length), damaged)

    def _skip(self, at: int, length: int) -> tuple[int, bool]:
        """How far it is to the next whole record, and whether a record was here once."""
        rest = os.pread(self.descriptor, length - at, at)
        return frames.resume(rest, self.salt), frames.damaged(rest)


@dataclass(frozen=True)
class Running:
    """A call that runs, or that was interrupted when its process died."""

    payload: bytes
    alive: bool
    pid: int


class Table(JournalFile):
    """The calls that run in one process."""

    def running(self) -> list[Running]:
        """In the order of slots. With a dead owner these calls were interrupted."""
        try:
            return self._running()
        except PermissionError:
            return []

    def _running(self) -> list[Running]:
        with _opened(self.path) as descriptor:
            if descriptor is None:
                return []
            alive = _held(descriptor)
            head = Head.unpacked(os.pread(descriptor, HEAD_BYTES, 0))
            if head is None or head.format != frames.FORMAT:
                return []
            return [Running(payload, alive, head.pid) for payload in _payloads(descriptor)]


def segments(folder: Path) -> list[Segment]:
    """The segments in a folder, oldest first; none where there is no folder."""
    return [Segment(path) for path in _files(folder, ".journal")]


def tables(folder: Path) -> list[Table]:
    """The tables of running calls in a folder, one for each process that has begun a call."""
    return [Table(path) for path in _files(folder, ".running")]


def running(folder: Path) -> list[Running]:
    """The calls that run, and those that were interrupted, in all processes that write to the folder."""
    return [call for table in tables(folder) for call in table.running()]


def sweep(folder: Path) -> None:
    """Deletes what processes left behind that died while they made a file, an hour or more ago."""
    for path in _files(folder, DRAFT):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > ABANDONED_SECONDS and not JournalFile(path).alive():
                path.unlink()


def _files(folder: Path, suffix: str) -> list[Path]:
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [Path(folder, name) for name in sorted(names) if name.endswith(suffix)]


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int | None]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _held(descriptor: int) -> bool:
    """Whether the owner holds his lock. Where that cannot be found out he is taken to live: nothing he may
    still write is passed over or removed."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def _payloads(descriptor: int) -> list[bytes]:
    """What the used slots hold; a slot that changes while it is read is read again."""
    before = _slots(descriptor)
    for _ in range(8):
        after = _slots(descriptor)
        if after == before:
            break
        before = after
    return [slot[2 : 2 + slot[1]] for slot in before if slot and slot[0]]


def _slots(descriptor: int) -> list[bytes]:
    data = os.pread(descriptor, SLOTS * SLOT_BYTES, HEAD_BYTES)
    return [data[at : at + SLOT_BYTES] for at in range(0, len(data), SLOT_BYTES)]
