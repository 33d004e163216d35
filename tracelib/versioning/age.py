"""Whether a file may have been written after it was imported."""

from __future__ import annotations

import io
import os
import struct
import time
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any


def _started() -> float:
    """When this process began, in seconds since the epoch; at the latest now."""
    now = time.time()
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        boot = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime"))
        return min(now, int(boot.split()[1]) + ticks / os.sysconf("SC_CLK_TCK")) - 2
    except (OSError, ValueError, IndexError, StopIteration, AttributeError):
        return now - 60


STARTED = _started()
"""A file older than this is the one that was imported."""
HEAD = struct.Struct("<4sIII")
"""How a compiled file begins: magic number, flags, time and size of its source."""


def edited_since_import(stamp: tuple[int, float] | tuple[()], namespace: dict[str, Any]) -> bool:
    """Whether the file may have been written after it was imported.

    Python keeps the time and size of the source in the compiled file beside it: where they are those
    of the text, it is the text that was imported.
    """
    if not stamp or stamp[1] < STARTED:
        return False
    size, modified = stamp
    spec = namespace.get("__spec__")
    cached = spec.cached if type(spec) is ModuleSpec else namespace.get("__cached__")
    if type(cached) is not str:
        return True
    try:
        with io.FileIO(cached) as file:
            _, flags, mtime, length = HEAD.unpack(file.read(HEAD.size) or b"")
    except (OSError, struct.error):
        return True
    return bool(flags != 0 or mtime != int(modified) & 0xFFFFFFFF or length != size & 0xFFFFFFFF)
