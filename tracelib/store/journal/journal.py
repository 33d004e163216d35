"""Writing: what a process has to keep is in a memory-mapped file before the call that made it returns.

A copy into a mapped file survives `kill -9`, makes no system call and does not let go of the interpreter
lock. Others read the files (segments.py) and drain them. Knows nothing of what the records mean.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from mmap import mmap
from pathlib import Path
from typing import Literal, NamedTuple
from zlib import crc32

from tracelib.store.journal.failpoints import reach
from tracelib.store.journal.frames import (
    COMMITTED,
    FRAME,
    FRAME_BYTES,
    HEAD_BYTES,
    LARGEST,
    OPEN,
    STATE_AT,
    checksum,
    padded,
    scan,
)
from tracelib.store.journal.kept import KEPT_BYTES, Kept
from tracelib.store.journal.mapped import Folder, Mapped
from tracelib.store.journal.running import RunningTable
from tracelib.store.journal.supply import Supply
from tracelib.store.journal.troubles import Troubles, remedy, warn

SEGMENT_BYTES = 4 << 20
RETRY_SECONDS = 1.0
LOOK_SECONDS = 1.0
"""How often the owner looks whether his file is still where he made it."""

RECORD_POINTS = ("record reserving", "record reserved", "record headed", "record written", "record committed")
"""Every failpoint of a record, in order; the last one before it is acknowledged."""

Durability = Literal["normal", "fsync"]

_pack = FRAME.pack_into
_SMALL = 5120  # bytes that crc32 sums without letting go of the interpreter lock


@dataclass(frozen=True)
class Status:
    """How the journal of this process is doing; `problem` is the last one, "" if there was none."""

    folder: Path
    segments: int
    kept_records: int
    kept_bytes: int
    lost_records: int
    problem: str
    durability: Durability


class Frame(NamedTuple):
    """A record as it lies in a segment."""

    size: int
    kind: int
    crc: int
    payload: bytes

    def write(self, into: mmap, at: int) -> None:
        reach("record reserved")
        _pack(into, at, self.size, self.kind, OPEN, 0, self.crc)
        reach("record headed")
        into[at + FRAME_BYTES : at + self.size] = self.payload
        reach("record written")
        into[at + STATE_AT] = COMMITTED
        reach("record committed")


def _forked(segment: Mapped | Nothing, error: BaseException) -> bool:
    """Whether a write failed because a signal handler forked in the middle of it, and this is the child.

    The map is closed then: it is the parent's, who finishes his record there. The child's record goes into a
    file of its own.
    """
    return isinstance(error, (ValueError, TypeError)) and segment.pid != os.getpid()


class Nothing:
    """The segment of a journal that has none: every record is too long for it."""

    at = pid = 0
    size = limit = -1
    map: mmap
    rescued = None


class Journal:
    """The records of one process, in segments in `folder`; for threads, signal handlers and forks.

    `append` never raises because of the folder: what cannot be written is kept in memory, up to 64 MiB,
    and written in order as soon as it can be, which is tried at most once a second and on `flush`. `tell`
    hears of it once.
    """

    def __init__(
        self,
        folder: Path | str,
        segment_bytes: int = SEGMENT_BYTES,
        durability: Durability = "normal",
        tell: Callable[[str], None] = warn,
    ) -> None:
        self._salt = int.from_bytes(os.urandom(4), "little")
        self._segment_bytes = segment_bytes
        self._durability: Durability = durability
        self._fsync = durability == "fsync"
        self._troubles = Troubles(tell)
        self._folder = Folder(Path(folder).absolute(), self._salt, self._fsync)
        self._lock = threading.RLock()
        self._running = RunningTable(self._folder, self._lock)
        self._forking: list[contextlib.ExitStack] = []
        self._begin_anew()
        watch_forks(weakref.ref(self))

    def _begin_anew(self) -> None:
        self._nothing = Nothing()
        self._segment: Mapped | Nothing = self._nothing
        self._supply = Supply(self._folder, self._segment_bytes)
        self._segments = 0
        self._kept = Kept()
        self._next_try = 0.0
        self._next_look = 0.0
        self._refusal = ""
        self._troubles.begin_anew()

    def append(self, kind: int, payload: bytes) -> None:
        """On return the record is in the mapped file; with durability "fsync" also on the disk."""
        size = FRAME_BYTES + len(payload)
        if size <= _SMALL:
            crc = crc32(payload, (self._salt ^ (size << 8 | kind)) & 0xFFFFFFFF)
        else:
            crc = checksum(payload, size, kind, self._salt)
        fits = False
        reach("record reserving")
        try:
            with self._lock:
                segment = self._segment
                # In one line, so that not even a debugger's hook comes between and appends by itself.
                segment.at = end = (at := segment.at) + (size + 7 & ~7)
                if fits := end <= segment.limit:
                    reach("record reserved")
                    _pack(segment.map, at, size, kind, OPEN, 0, crc)
                else:
                    segment.at = at
            if fits:
                reach("record headed")
                into = segment.map
                into[at + FRAME_BYTES : at + size] = payload
                reach("record written")
                into[at + STATE_AT] = COMMITTED
                reach("record committed")
        except BaseException as error:
            if not fits or not _forked(segment, error):
                if fits:
                    # Ctrl-C: a record left open would hold up the readers for as long as the process lives.
                    Frame(size, kind, crc, payload).write(segment.map, at)
                raise
            fits = False
        if not fits:
            self._append_slowly(kind, payload)
        elif self._fsync or segment.rescued is not None or time.monotonic() > self._next_look:
            self._follow_up(segment, end, kind, payload)

    def start(self, payload: bytes) -> int:
        """Notes that a call runs: the number of its slot, -1 when there is none."""
        return self._running.start(payload)

    def end(self, slot: int) -> None:
        """Notes that the call in this slot runs no more."""
        self._running.end(slot)

    def flush(self) -> None:
        """Tries at once to write what is kept in memory."""
        with self._lock:
            self._next_try = 0.0
            self._look()
            self._restore()
        self._troubles.tell_news()

    def close(self) -> None:
        """Writes what it can and lets go of the files; an append after it begins a new segment."""
        self.flush()
        with self._lock:
            self._retire()
            self._supply.close()
            self._supply = Supply(self._folder, self._segment_bytes)
            self._running.close()
            if self._kept.records:
                self._troubles.note(
                    "unwritten",
                    f"{len(self._kept.records)} records could not be written to "
                    f"{self._folder.path} before the journal was closed ({self._refusal})",
                )
        self._troubles.tell_news()

    def status(self) -> Status:
        with self._lock:
            kept = self._kept
            return Status(
                self._folder.path,
                self._segments,
                len(kept.records),
                kept.bytes,
                kept.lost,
                self._troubles.latest,
                self._durability,
            )

    # ---- one at a time

    def _append_slowly(self, kind: int, payload: bytes) -> None:
        """Through what is kept in memory, and through a new segment; under the lock all the way."""
        process = os.getpid()
        try:
            with self._lock:
                if not (self._restore() and self._place(kind, payload)):
                    self._keep(kind, payload)
        except (ValueError, TypeError):
            if os.getpid() == process:
                raise
            self._append_slowly(kind, payload)  # forked in the middle of it
        self._troubles.tell_news()

    def _restore(self) -> bool:
        """Writes what is kept, oldest first; whether nothing is left."""
        kept = self._kept
        while kept.records:
            # Taken out first: a signal handler that appends here must not write the same one.
            record = kept.take()
            placed = False
            try:
                placed = self._place(*record)
            finally:
                if not placed:
                    kept.put_back(record)
            if not placed:
                return False
        return True

    def _place(self, kind: int, payload: bytes) -> bool:
        """Writes the record, into a new segment if need be; False when that cannot be made, or was tried a
        moment ago."""
        if len(payload) > LARGEST or self._waits():
            return False
        size = FRAME_BYTES + len(payload)
        room = padded(size)
        frame = Frame(size, kind, checksum(payload, size, kind, self._salt), payload)
        while True:
            segment = self._segment
            segment.at = end = (at := segment.at) + room
            if end <= segment.limit:
                break
            segment.at = at
            if segment.limit < segment.size and segment is self._segment:
                segment.limit = segment.size
                self._supply.prepare()
            elif not self._begin(room):
                return False
        try:
            frame.write(segment.map, at)
        except BaseException:
            if segment.pid == os.getpid():
                frame.write(segment.map, at)  # Ctrl-C, as in append
            raise
        if self._fsync:
            self._sync(segment)
        return True

    def _waits(self) -> bool:
        return self._segment is self._nothing and time.monotonic() < self._next_try

    def _begin(self, room: int) -> bool:
        """A new segment with that much room; False when it cannot be made.

        Files are made outside of any assumption about this object: a signal handler may append, or fork,
        meanwhile.
        """
        self._retire()
        try:
            new = self._supply.next(HEAD_BYTES + room)
        except OSError as error:
            self._next_try = time.monotonic() + RETRY_SECONDS
            self._refusal = error.strerror or str(error)
            self._troubles.note("unwritable", self._explained(error))
            return False
        if new.pid != os.getpid():
            new.forget()
        elif self._segment is not self._nothing:
            new.discard()
        else:
            # Half of it first: when that is full the next segment is prepared.
            new.limit = new.size // 2
            self._segment = new
            self._segments += 1
        return True

    def _retire(self) -> None:
        segment, self._segment = self._segment, self._nothing
        if isinstance(segment, Mapped):
            segment.retire()
            self._supply.release(segment)

    def _keep(self, kind: int, payload: bytes) -> None:
        if self._kept.add(kind, payload):
            return
        if len(payload) > LARGEST:
            because = f"one of {len(payload):,} bytes is longer than a file of the journal can be"
        else:
            because = (
                f"{self._kept.bytes >> 20} MiB are kept in memory already and {self._folder.path} "
                f"still cannot be written ({self._refusal})"
            )
        self._troubles.note("lost", f"records are being lost: {because}")

    # ---- after the fact

    def _follow_up(self, segment: Mapped | Nothing, end: int, kind: int, payload: bytes) -> None:
        """What an append has to see to once its record is committed."""
        if segment.rescued is not None:
            with self._lock:  # until the rescue is over
                missed = end not in segment.rescued
            if missed:
                self._append_slowly(kind, payload)
        elif time.monotonic() > self._next_look:
            with self._lock:
                self._look()
        if self._fsync:
            self._sync(segment)  # outside of the lock: the disk takes its time
        self._troubles.tell_news()

    def _sync(self, segment: Mapped | Nothing) -> None:
        assert isinstance(segment, Mapped)
        try:
            segment.sync()
        except OSError as error:
            self._troubles.note(
                "unsynced",
                f"{segment.path} could not be put on the disk ({error}): what it holds "
                "survives the death of the process, not that of the machine",
            )

    def _look(self) -> None:
        """Whether the files are still where they were made; makes up for it if they are not."""
        self._next_look = time.monotonic() + LOOK_SECONDS
        self._running.look()
        segment = self._segment
        if isinstance(segment, Mapped) and not segment.there():
            self._leave(segment)

    def _leave(self, segment: Mapped) -> None:
        """Goes on elsewhere; what a deleted file held is written again, a moved one can still be read.

        A record whose thread has not committed it yet is not found here: that thread sees `rescued` and
        appends it once more.
        """
        self._retire()
        if not segment.deleted():
            return
        segment.rescued = frozenset()
        found = scan(segment.map[HEAD_BYTES : segment.at], HEAD_BYTES, self._salt, dead=True).records
        segment.rescued = frozenset(record.end for record in found)
        self._troubles.note(
            "deleted",
            f"{segment.path} was deleted while it was written to; its {len(found)} records are written again",
        )
        for record in found:
            if not self._place(record.kind, record.payload):
                self._keep(record.kind, record.payload)

    def _explained(self, error: OSError) -> str:
        return (
            f"calls cannot be written to {self._folder.path} ({self._refusal}): they are kept in "
            f"memory, up to {KEPT_BYTES >> 20} MiB, and written as soon as it can be; "
            f"{remedy(error)}"
        )

    # ---- forks

    def before_fork(self) -> None:
        """No other thread is in the middle of anything but a copy into the map."""
        held = contextlib.ExitStack()
        held.enter_context(self._lock)
        held.enter_context(self._folder.alone())
        self._forking.append(held)  # one for each fork under way: signal handlers fork inside of forks

    def after_fork(self) -> None:
        """Lets go of what `before_fork` took."""
        if self._forking:
            self._forking.pop().close()

    def begin_in_child(self) -> None:
        """The files, and what is kept in memory, are the parent's to write.

        The locks stay the same, and free: an append that was forked out of may be waiting for them.
        """
        self._folder.forget()
        self._running.begin_anew()
        self._begin_anew()
        self.after_fork()


def watch_forks(journal: weakref.ref[Journal]) -> None:
    """For as long as the journal lives; the hooks themselves cannot be taken back."""

    def call(method: Callable[[Journal], None]) -> None:
        found = journal()
        if found is not None:
            method(found)

    os.register_at_fork(
        before=functools.partial(call, Journal.before_fork),
        after_in_parent=functools.partial(call, Journal.after_fork),
        after_in_child=functools.partial(call, Journal.begin_in_child),
    )
