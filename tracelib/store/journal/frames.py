"""The layout of a journal's files, and how records are found again in bytes that may be torn.

A segment is a head and then frames, each on a multiple of eight bytes: [length u32 with the header]
[kind u8][state u8][0 u16][crc u32][payload]. The header is written while the space is reserved, with the
state OPEN; then the payload; then the one byte that makes it COMMITTED. Behind the last frame lie zeros.
The crc starts from the salt of the journal, the length and the kind, so that all of these are verified, and
so that a payload which holds frames of another journal is never taken for frames.

A table of running calls is a head and then slots of 128 bytes: [used u8][length u8][payload].
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from zlib import crc32

SEGMENT_MAGIC = b"tracejnl"
TABLE_MAGIC = b"tracerun"
FORMAT = 1

HEAD = struct.Struct("<8sHBxIIxxxxQ64s")
HEAD_BYTES = 128
CLOSED_AT = 10
"""The byte of the head that is 1 once the owner has closed the file."""

FRAME = struct.Struct("<IBBHI")
FRAME_BYTES = FRAME.size
STATE_AT = 5
OPEN, COMMITTED = 1, 2
LARGEST = 2**32 - 1 - FRAME_BYTES
"""The longest payload, in bytes."""

SLOTS = 256
SLOT_BYTES = 128
SLOT_PAYLOAD = SLOT_BYTES - 2

_NOT_ZERO = re.compile(rb"[^\0]")
_PIECE = 5120
"""zlib.crc32 lets go of the interpreter lock for more bytes than these, and a thread that wants it back from
a busy one waits 5 ms: longer payloads are summed in pieces, at a tenth of a microsecond each."""
_PATIENCE = 1 << 20
"""From this length on the sum lets the other threads run meanwhile."""


@dataclass(frozen=True)
class Head:
    """Whose file it is; `started` in unix nanoseconds. Of another format only the format is known."""

    magic: bytes
    format: int
    closed: bool
    pid: int
    salt: int
    started: int
    host: str

    def packed(self) -> bytes:
        host = self.host.encode("utf-8", "replace")[:64]
        return HEAD.pack(self.magic, self.format, self.closed, self.pid, self.salt, self.started, host)

    @classmethod
    def unpacked(cls, data: bytes) -> Head | None:
        """The head in a file's first bytes; None where they hold none."""
        if len(data) < HEAD.size:
            return None
        magic, version, closed, pid, salt, started, host = HEAD.unpack_from(data)
        if magic not in (SEGMENT_MAGIC, TABLE_MAGIC):
            return None
        return cls(
            magic, version, bool(closed), pid, salt, started, host.rstrip(b"\0").decode("utf-8", "replace")
        )


class Record(NamedTuple):
    """One appended record; `end` is the offset behind it."""

    kind: int
    payload: bytes
    end: int


def padded(size: int) -> int:
    return (size + 7) & ~7


def checksum(payload: bytes, size: int, kind: int, salt: int) -> int:
    """The crc of a frame of `size` bytes, header included."""
    crc = (salt ^ (size << 8 | kind)) & 0xFFFFFFFF
    if not _PIECE < len(payload) < _PATIENCE:
        return crc32(payload, crc)
    whole = memoryview(payload)
    for at in range(0, len(payload), _PIECE):
        crc = crc32(whole[at : at + _PIECE], crc)
    return crc


@dataclass(frozen=True)
class Part:
    """What a stretch of frames holds, up to where it stopped.

    `used` bytes need not be read again. `wants` is the length of a frame that goes on behind the stretch; 0
    when the stretch ended, or stopped at something that is no finished frame (yet).
    """

    records: Sequence[Record]
    used: int
    wants: int = 0


def scan(data: bytes, base: int, salt: int, *, dead: bool) -> Part:
    """The records in `data`, which lies at offset `base` and begins with a frame.

    A frame left open is passed over when its owner is dead, and ends the scan while he lives: he will
    commit it.
    """
    records: list[Record] = []
    unpack, made = FRAME.unpack_from, tuple.__new__  # Record(...) calls this by way of a function of Python
    at, length = 0, len(data)
    while at + FRAME_BYTES <= length:
        size, kind, state, _, crc = unpack(data, at)
        if size < FRAME_BYTES or not (state == COMMITTED or (state == OPEN and dead)):
            break
        if (stop := at + size) > length:
            return Part(records, at, size)
        end = stop + 7 & ~7  # frames begin on multiples of eight
        if state == COMMITTED:
            payload = data[at + FRAME_BYTES : stop]
            if size <= _PIECE:  # most are: `checksum` without the call
                found = crc32(payload, (salt ^ (size << 8 | kind)) & 0xFFFFFFFF)
            else:
                found = checksum(payload, size, kind, salt)
            if found != crc:
                break
            records.append(made(Record, (kind, payload, base + end)))
        at = end
    return Part(records, at)


def resume(data: bytes, salt: int) -> int:
    """Where the next committed frame begins in bytes that do not begin with one; else their length."""
    at = 0
    while found := _NOT_ZERO.search(data, at):
        at = found.start() & ~7
        if _verified(data, at, salt):
            return at
        at += 8
    return len(data)


def _verified(data: bytes, at: int, salt: int) -> bool:
    if at + FRAME_BYTES > len(data):
        return False
    size, kind, state, _, crc = FRAME.unpack_from(data, at)
    if state != COMMITTED or size < FRAME_BYTES or at + size > len(data):
        return False
    return bool(checksum(data[at + FRAME_BYTES : at + size], size, kind, salt) == crc)


def damaged(data: bytes) -> bool:
    """Whether these bytes, where a frame should begin, were a committed record once.

    A torn header is not: its owner died before he had acknowledged anything.
    """
    return len(data) > STATE_AT and data[STATE_AT] >= COMMITTED
