"""The texts of files and notebook cells as they were when they were looked at, each parsed once."""

from __future__ import annotations

import io
import linecache
import os
import re
import tokenize
from typing import Any

from tracelib.versioning.chunks import Chunk, Stamp

KEPT = 8
"""Texts of one file that are remembered: a function imported before an edit still finds its own."""
_DECLARED = re.compile(rb"\A[^\n]*(\n[^\n]*)?coding[:=]")
"""An encoding that the first two lines may declare."""


_chunks: dict[str, list[Chunk]] = {}


def chunk_of(filename: str, namespace: dict[str, Any]) -> Chunk | None:
    """The text of a file as it is now, parsed once; None where there is none."""
    kept = _chunks.get(filename, [])
    stamp = _stamp(filename)
    chunk = _from_cache(filename, namespace, kept) if stamp is None else _from_file(filename, stamp, kept)
    if chunk is not None and (not kept or chunk is not kept[-1]):
        _chunks[filename] = [*(one for one in kept if one is not chunk), chunk][-KEPT:]
    return chunk


def _stamp(filename: str) -> Stamp | None:
    """Size and time of a file; None for a text that is no file, such as a cell or a member of an archive."""
    entry = linecache.cache.get(filename)
    if entry is not None and len(entry) == 4 and entry[1] is None:
        return None
    try:
        found = os.stat(filename)
    except (OSError, ValueError):
        return None
    return found.st_size, found.st_mtime


def _from_file(filename: str, stamp: Stamp, kept: list[Chunk]) -> Chunk | None:
    for chunk in reversed(kept):
        if chunk.stamp == stamp:
            return chunk
    try:
        with io.FileIO(filename) as file:
            text = _decoded(file.readall())
    except (OSError, UnicodeDecodeError, SyntaxError, LookupError):  # unreadable, or in no encoding of texts
        return None
    return Chunk(filename, text, stamp) if text else None


def _decoded(data: bytes) -> str:
    """A file's bytes as Python reads them: in their encoding, lines ended by a newline, the last one too."""
    if data.startswith(b"\xef\xbb\xbf") or _DECLARED.match(data):
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data.decode(encoding)
    else:
        text = data.decode()
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text if text.endswith("\n") or not text else text + "\n"


def _from_cache(filename: str, namespace: dict[str, Any], kept: list[Chunk]) -> Chunk | None:
    """A text that Python's own cache of lines has, or gets from a module's loader."""
    linecache.checkcache(filename)
    lines = linecache.getlines(filename, namespace)
    if not lines:
        return None
    entry: Any = linecache.cache.get(filename, ())
    stamp = entry[:2] if len(entry) == 4 and entry[1] is not None else ()  # a file that was searched for
    for chunk in reversed(kept):
        if chunk.source_lines is lines or (chunk.stamp == stamp and chunk.source_lines == lines):
            chunk.source_lines = lines
            return chunk
    made = Chunk(filename, "".join(lines), stamp)
    made.source_lines = lines
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
