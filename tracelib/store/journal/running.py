"""The table of calls that run: what a process was doing, readable by others after its death."""

from __future__ import annotations

import os
import threading
import time

from tracelib.store.journal.failpoints import reach
from tracelib.store.journal.frames import HEAD_BYTES, SLOT_BYTES, SLOT_PAYLOAD, SLOTS, TABLE_MAGIC
from tracelib.store.journal.mapped import Folder, Mapped

SUFFIX = ".running"
TABLE_BYTES = HEAD_BYTES + SLOTS * SLOT_BYTES
RETRY_SECONDS = 1.0

SLOT_POINTS = ("slot taken", "slot filled", "slot used", "slot cleared")
"""Every failpoint of a slot, in order."""


class RunningTable:
    """Slots in one mapped file of this process, made when the first call starts.

    A slot's number carries the generation of the table, so that a call which was running when the process
    forked, and ends in the child, does not clear a slot of the child's own. The journal's lock is held while
    the file is made or left; starting and ending a call take none.
    """

    def __init__(self, folder: Folder, lock: threading.RLock) -> None:
        self._folder = folder
        self._lock = lock
        self._generation = 0
        self.begin_anew()

    def begin_anew(self) -> None:
        """Without slots: at first, after closing, and in a forked child, whose calls are its own."""
        self._generation += 1
        self._file: Mapped | None = None
        self._free: list[int] = []
        self._taken = bytearray(SLOTS)
        self._next_try = 0.0

    def start(self, payload: bytes) -> int:
        """The number of the slot that now holds the payload, cut to 126 bytes; -1 when there is none."""
        try:
            slot = self._free.pop()
        except IndexError:
            slot = self._first_slot()
        file = self._file
        if slot < 0 or file is None:
            return -1
        index = slot & (SLOTS - 1)
        self._taken[index] = 1
        reach("slot taken")
        if len(payload) > SLOT_PAYLOAD:
            payload = payload[:SLOT_PAYLOAD]
        at = HEAD_BYTES + index * SLOT_BYTES
        try:
            file.map[at + 2 : at + 2 + len(payload)] = payload
            file.map[at + 1] = len(payload)
            reach("slot filled")
            file.map[at] = 1
            reach("slot used")
        except ValueError:  # forked from a signal handler right here: the map is the parent's
            return -1
        return slot

    def end(self, slot: int) -> None:
        """Clears the slot; one of another process, or ended before, is left alone."""
        index = slot & (SLOTS - 1)
        file = self._file
        if slot // SLOTS != self._generation or file is None or not self._taken[index]:
            return
        self._taken[index] = 0
        try:
            file.map[HEAD_BYTES + index * SLOT_BYTES] = 0
        except ValueError:  # as in start
            return
        reach("slot cleared")
        self._free.append(slot)

    def _first_slot(self) -> int:
        with self._lock:
            if self._file is None and time.monotonic() >= self._next_try:
                self._open()
            return self._free.pop() if self._free else -1

    def _open(self) -> None:
        file = self._made()
        if file is None:
            return
        if self._file is not None or file.pid != os.getpid():  # a signal handler was quicker, or has forked
            file.discard()
            return
        first = self._generation * SLOTS
        self._file = file
        self._free = list(range(first + SLOTS - 1, first - 1, -1))

    def _made(self) -> Mapped | None:
        try:
            return self._folder.make(TABLE_MAGIC, SUFFIX, TABLE_BYTES)
        except OSError:
            # The journal meets the same trouble with the call's record, keeps that, and tells.
            self._next_try = time.monotonic() + RETRY_SECONDS
            return None

    def look(self) -> None:
        """Makes the file again, with what it holds, when it was deleted or moved away."""
        with self._lock:
            old = self._file
            if old is None or old.there():
                return
            new = self._made()
            if new is not None and new.pid == os.getpid():
                new.map[HEAD_BYTES:] = old.map[HEAD_BYTES:]
                self._file = new

    def close(self) -> None:
        """Deletes the table; with calls still running it stays, and tells that they were interrupted."""
        with self._lock:
            file = self._file
            if file is not None and not any(self._taken):
                file.discard()
            self.begin_anew()
