"""Files of a journal that this process owns: made, mapped into memory, and held by a lock until it dies.

A file gets its name only when it is whole: reserved, locked, its head written. So a reader that finds a file
without a lock knows that its owner is dead. Knows no records and no slots.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from mmap import mmap
from pathlib import Path

from tracelib.store.journal.failpoints import reach
from tracelib.store.journal.frames import CLOSED_AT, FORMAT, HEAD_BYTES, Head

DRAFT = ".new"
"""The suffix of a file that is still being made."""

PATIENCE_SECONDS = 1.0

FILE_POINTS = (
    "file creating",
    "file created",
    "file locked",
    "file allocated",
    "file mapped",
    "file headed",
    "file published",
    "file closing",
    "file closed",
)
"""Every failpoint of making and closing a file, in order."""

_ZEROS = bytes(1 << 20)
_CANNOT_RESERVE = {errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS}
_allocate = getattr(os, "posix_fallocate", None)


class Mapped:
    """A mapped file; `at` is where the next record goes, `limit` where the last one must end.

    It stays locked and mapped while anything refers to it, so that a thread in the middle of a write can
    finish it after the file was closed. `rescued` holds the ends of the records that were written again
    elsewhere, once the file had been deleted under our feet.
    """

    __slots__ = ("__weakref__", "at", "descriptor", "inode", "limit", "map", "path", "pid", "rescued", "size")

    def __init__(self, path: Path, descriptor: int, size: int, pid: int) -> None:
        self.path = path
        self.descriptor = descriptor  # before the map, which may be refused: it is closed with this object
        self.map = mmap(descriptor, size)
        self.size = self.limit = size
        self.at = HEAD_BYTES
        self.pid = pid
        self.inode = os.fstat(descriptor).st_ino
        self.rescued: frozenset[int] | None = None

    def __del__(self) -> None:
        self._close_descriptor()

    def _close_descriptor(self) -> None:
        descriptor = getattr(self, "descriptor", -1)  # none when Ctrl-C came while this object was made
        self.descriptor = -1
        if descriptor >= 0:
            os.close(descriptor)

    def there(self) -> bool:
        """Whether the file is where it was made; True when that cannot be found out."""
        try:
            return os.stat(self.path).st_ino == self.inode
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True

    def deleted(self) -> bool:
        """Whether no name leads to the file any more: what is in it dies with this process."""
        try:
            return os.fstat(self.descriptor).st_nlink == 0
        except OSError:  # of a network folder that another machine deleted it from
            return True

    def sync(self) -> None:
        """Puts the written pages on the disk: Linux's fsync includes mapped ones, elsewhere msync does."""
        if os.uname().sysname != "Linux":
            self.map.flush()
        os.fsync(self.descriptor)

    def retire(self) -> None:
        """No new record goes in; one that another thread has begun may still be finished."""
        self.limit = 0
        reach("file closing")
        self.map[CLOSED_AT] = 1
        used = min(self.at, self.size)
        with contextlib.suppress(OSError):  # only room is lost by it
            os.ftruncate(self.descriptor, used)
        reach("file closed")

    def forget(self) -> None:
        """In a forked child: lets go of the parent's file, and of his lock on it."""
        with contextlib.suppress(BufferError):  # a thread of the parent was writing: the map stays, unused
            self.map.close()
        self._close_descriptor()

    def discard(self) -> None:
        """Deletes a file that nothing was written to, unless it is the parent's."""
        if self.pid == os.getpid():
            with contextlib.suppress(OSError):
                self.path.unlink()
        self.forget()


class Folder:
    """Where this process makes its files, under names that follow in the order of time.

    They are made one at a time, and none during a fork: a child that had a copy of a half-made file's
    descriptor would hold the parent's lock after his death.
    """

    def __init__(self, path: Path, salt: int, sync: bool, clock: Callable[[], int] = time.time_ns) -> None:
        self.path = path
        self._salt = salt
        self._sync = sync
        self._clock = clock
        self._last = 0
        self._made: tuple[weakref.ref[Mapped], ...] = ()
        self._half_made: list[int] = []
        self._making = threading.RLock()

    def make(self, magic: bytes, suffix: str, size: int) -> Mapped:
        """A new file, reserved on the disk to its last byte; raises OSError when it cannot be."""
        with self.alone():
            process = os.getpid()
            try:
                return self._make(magic, suffix, size)
            except OSError as error:
                # Somebody deleted the folder just now; or a signal handler forked in the middle, and this is
                # the child, or the child has given the file its name.
                if os.getpid() == process and not isinstance(error, FileNotFoundError):
                    raise
                return self._make(magic, suffix, size)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """No other thread makes a file meanwhile, and none forks.

        Waits a second at most: the other thread may be waiting for a lock of ours, when the garbage
        collector runs a `__del__` in it that appends. Then two are made at once, and their order is open.
        """
        making = self._making
        held = making.acquire(timeout=PATIENCE_SECONDS)
        try:
            yield
        finally:
            if held:
                making.release()

    def _make(self, magic: bytes, suffix: str, size: int) -> Mapped:
        pid = os.getpid()
        for folder in (*reversed(self.path.parents), self.path):  # `parents=True` would open them to others
            if not folder.is_dir():
                folder.mkdir(mode=0o700, exist_ok=True)
                if self._sync:
                    sync(folder.parent)
        path = self.path / f"{self._name()}{suffix}"
        draft = path.with_suffix(DRAFT)
        reach("file creating")
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._half_made.append(descriptor)
        try:
            if os.getpid() != pid:
                raise FileNotFoundError(errno.ENOENT, "forked while it was made", str(draft))
            self._prepare(descriptor, magic, size)
            file = Mapped(path, os.dup(descriptor), size, pid)
            reach("file mapped")
            self._publish(draft, path)
        except BaseException:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise
        finally:
            self._half_made.remove(descriptor)
            os.close(descriptor)
        self._made = (*(ref for ref in self._made if ref() is not None), weakref.ref(file))
        return file

    def _name(self) -> str:
        """Unique among processes and machines; later than every earlier one of this process, whatever the
        clock does."""
        now = self._clock() // 1_000_000
        # No call in this line: a signal handler that makes a file between would get the same name.
        self._last = mine = now if now > self._last else self._last + 1
        return f"{mine:012x}-{self._salt:08x}-{os.getpid()}"

    def _prepare(self, descriptor: int, magic: bytes, size: int) -> None:
        reach("file created")
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        reach("file locked")
        reserve(descriptor, size)
        reach("file allocated")
        head = Head(magic, FORMAT, False, os.getpid(), self._salt, time.time_ns(), socket.gethostname())
        os.pwrite(descriptor, head.packed(), 0)
        reach("file headed")

    def _publish(self, draft: Path, path: Path) -> None:
        if self._sync:
            sync(draft)
        os.rename(draft, path)
        reach("file published")
        if self._sync:
            sync(path.parent)

    def forget(self) -> None:
        """In a forked child: lets go of all the parent's files, and of a lock whose holder is not here.

        A file that is half made when a signal handler forks is made to the end by parent and child alike: the
        child's zeros must not go over the parent's records, and so they go nowhere.
        """
        for ref in self._made:
            file = ref()
            if file is not None:
                file.forget()
        self._made = ()
        for descriptor in self._half_made:
            nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
            os.dup2(nowhere, descriptor, inheritable=False)
            os.close(nowhere)
        if self._making.acquire(blocking=False):
            self._making.release()
        else:
            self._making = threading.RLock()


def sync(path: Path) -> None:
    """Puts a file, or the names in a folder, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def reserve(descriptor: int, size: int) -> None:
    """Makes sure that every byte of the file has its place on the disk; raises OSError when there is none.

    A page of a map that the disk has no room for kills the process (SIGBUS), so the room is taken before. The
    zeros are written as well: on ext4 the first write to a page that is only reserved costs 5 us, to one
    that is written 0.1 us, and 4 MiB of zeros 0.7 ms.
    """
    if _allocate is not None:
        try:
            _allocate(descriptor, 0, size)
        except OSError as error:
            if error.errno not in _CANNOT_RESERVE:
                raise
    at = 0
    while at < size:
        at += os.pwrite(descriptor, memoryview(_ZEROS)[: size - at], at)
