"""A real terminal for a command: a pseudo-terminal of a given width, and what arrived there."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

from programs import environment

SECONDS = 60


def on_terminal(
    folder: Path, *args: str, width: int = 100, typed: str = "", **variables: str
) -> tuple[int, str]:
    """The exit code, and everything the terminal got, of a command run on a terminal."""
    outer, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "tracelib", *args],
        cwd=folder,
        env=environment(**{"TERM": "xterm-256color", **variables}),
        stdin=inner,
        stdout=inner,
        stderr=inner,
        start_new_session=True,
    )
    os.close(inner)
    if typed:
        os.write(outer, typed.encode())
    said = _all(outer)
    return process.wait(timeout=SECONDS), said


def _readable(outer: int) -> bool:
    """Whether something comes within a second; by poll, which has no bound on the number of the file."""
    waiting = select.poll()
    waiting.register(outer, select.POLLIN | select.POLLHUP)
    return bool(waiting.poll(1000))


def _all(outer: int) -> str:
    got = b""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if not _readable(outer):
            continue
        try:
            some = os.read(outer, 65536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not some:
            break
        got += some
    os.close(outer)
    return got.decode("utf-8", "surrogateescape").replace("\r\n", "\n")
