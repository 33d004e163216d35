"""The texts of files and notebook cells as they were when they were looked at, each parsed once."""

from __future__ import annotations

import linecache
from typing import Any

from tracelib.versioning.chunks import Chunk

KEPT = 8
"""Texts of one file that are remembered: a function imported before an edit still finds its own."""


_chunks: dict[str, list[Chunk]] = {}


def chunk_of(filename: str, namespace: dict[str, Any]) -> Chunk | None:
    """The text of a file as it is now, parsed once; None where there is none."""
    linecache.checkcache(filename)
    lines = linecache.getlines(filename, namespace)
    if not lines:
        return None
    entry = linecache.cache.get(filename)
    stamp = tuple(entry[:2]) if entry is not None and len(entry) == 4 else ()
    kept = _chunks.setdefault(filename, [])
    for chunk in reversed(kept):
        if chunk.source_lines is lines or (chunk.stamp == stamp and chunk.source_lines == lines):
            chunk.source_lines = lines
            if chunk is not kept[-1]:
                kept.remove(chunk)
                kept.append(chunk)
            return chunk
    made = Chunk(filename, lines, stamp)
    kept.append(made)
    del kept[:-KEPT]
    return made


class Texts:
    """The texts that one closure is found in: each file is looked at once."""

    def __init__(self) -> None:
        self._found: dict[str, Chunk | None] = {}

    def chunk(self, filename: str, namespace: dict[str, Any]) -> Chunk | None:
        """The text of a file as it was when this closure first asked for it; None where there is none."""
        if filename not in self._found:
            self._found[filename] = chunk_of(filename, namespace)
        return self._found[filename]


def earlier_chunks(filename: str) -> list[Chunk]:
    """The texts that a file had when it was looked at before, the latest first."""
    return _chunks.get(filename, [])[-2::-1]
