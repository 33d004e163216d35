"""A process that drains a store in the background while a program writes, and ends when all is done.

It is nobody's child: a program that waits for its own children never sees it. Without it nothing is
lost, since every reader drains first.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sys
import time
from pathlib import Path

LOCK = "drainer.lock"
NUDGE_SECONDS = 1.0

WHERE = "TRACELIB_DRAIN"
"""The variable that tells the process where to drain: a URL may hold a password, arguments can be seen."""

CODE = """\
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from tracelib.store.draining.drainer import held
if held(sys.argv[2]):
    from tracelib.store.draining.background import main
    main(sys.argv[2])
"""


class Drainer:
    """Sees to it that a background process drains a journal's folder into the store at `where`."""

    def __init__(self, where: str, folder: Path) -> None:
        self._where = where
        self._folder = folder
        self._next = 0.0

    def nudge(self) -> None:
        """Start one unless one is at work; at most once a second, and never with an exception."""
        now = time.monotonic()
        if now < self._next or not sys.executable:
            return
        self._next = now + NUDGE_SECONDS
        with contextlib.suppress(OSError):  # then readers drain, as they do anyway
            if not _is_locked(self._folder):
                self._start()

    def _start(self) -> None:
        """By way of a shell that leaves it behind and ends at once."""
        command = [
            "/bin/sh",
            "-c",
            'exec "$@" </dev/null >/dev/null 2>&1 &',
            "sh",
            sys.executable,
            "-c",
            CODE,
        ]
        arguments = [*command, json.dumps(sys.path), str(self._folder)]
        environment = {**os.environ, WHERE: self._where}
        started = os.posix_spawn("/bin/sh", arguments, environment, setsid=True)
        os.waitpid(started, 0)


def _is_locked(folder: Path) -> bool:
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        return not _lock(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def held(folder: str) -> bool:
    """Be the one drainer of a folder for the life of this process; False when there is one already."""
    descriptor = os.open(Path(folder) / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if _lock(descriptor):
        return True
    os.close(descriptor)
    return False
