"""Where a journal's segments come from: made ahead of time, and smaller where the disk is nearly full."""

from __future__ import annotations

import _thread
import errno
import threading
from collections import deque
from collections.abc import Iterator

from tracelib.store.journal.frames import SEGMENT_MAGIC
from tracelib.store.journal.mapped import Folder, Mapped

SUFFIX = ".journal"
SMALLEST_BYTES = 64 << 10
"""Below this size a segment is only as long as what must go into it."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Supply:
    """Segments for a journal; the next one is made by a short-lived thread while the current has room.

    Making one takes milliseconds and a dozen system calls, each of which lets go of the interpreter lock;
    beside a busy thread each such call costs 5 ms. For the same reason full files are let go of there.
    """

    def __init__(self, folder: Folder, size: int) -> None:
        self._folder = folder
        self._size = size
        self._ready: Mapped | None = None
        self._released: deque[Mapped] = deque()
        self._busy = threading.Lock()
        self._closed = False

    def prepare(self) -> None:
        """Makes one, unless there is one or it is being made."""
        if self._ready is not None or not self._busy.acquire(blocking=False):
            return
        try:
            _thread.start_new_thread(self._prepare, ())
        except RuntimeError:  # the interpreter is ending, or there are too many threads
            self._busy.release()

    def _prepare(self) -> None:
        """Takes no lock of the journal: its owner may be waiting for this thread."""
        try:
            with self._folder.alone():
                if not self._closed:
                    self._ready = self._folder.make(SEGMENT_MAGIC, SUFFIX, self._size)
        except OSError:
            pass  # the append that needs it meets the same trouble, and tells
        finally:
            self._released.clear()
            self._busy.release()

    def next(self, least: int) -> Mapped:
        """A segment of `least` bytes or more; raises OSError when the disk has no room even for so much."""
        with self._folder.alone():  # so that no spare is made between, and every name is later than the last
            return self._spare(least) or self._made(least)

    def _spare(self, least: int) -> Mapped | None:
        ready, self._ready = self._ready, None
        if ready is not None and ready.size < least:
            # Not kept for later: the one made now has a later name, and the names tell the order.
            ready.discard()
            return None
        return ready

    def _made(self, least: int) -> Mapped:
        for size in self._sizes(least):
            try:
                return self._folder.make(SEGMENT_MAGIC, SUFFIX, size)
            except OSError as error:
                if error.errno not in _FULL or size == least:
                    raise
        raise AssertionError("the last size is the least")

    def _sizes(self, least: int) -> Iterator[int]:
        """The usual size, and smaller ones for a disk that is nearly full."""
        size = self._size
        while size > least:
            yield size
            size = size // 8 if size > SMALLEST_BYTES else least
        yield least

    def release(self, segment: Mapped) -> None:
        """Lets go of a segment when the next one is made."""
        self._released.append(segment)

    def close(self) -> None:
        """Deletes what was not used, after the thread that makes it, if there is one."""
        with self._folder.alone():
            self._closed = True
            ready, self._ready = self._ready, None
        self._released.clear()
        if ready is not None:
            ready.discard()
