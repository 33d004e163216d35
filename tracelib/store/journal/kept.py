"""What waits in memory while the journal's folder cannot be written."""

from __future__ import annotations

from collections import deque

from tracelib.store.journal.frames import LARGEST

KEPT_BYTES = 64 << 20
"""How much is kept in memory while nothing can be written."""


class Kept:
    """Records in memory, oldest first, while the folder cannot be written; what finds no room is lost."""

    def __init__(self) -> None:
        self.records: deque[tuple[int, bytes]] = deque()
        self.bytes = 0
        self.lost = 0

    def add(self, kind: int, payload: bytes) -> bool:
        """Whether there was room for it."""
        if self.bytes + len(payload) > KEPT_BYTES or len(payload) > LARGEST:
            self.lost += 1
            return False
        self.bytes += len(payload)
        self.records.append((kind, payload))
        return True

    def take(self) -> tuple[int, bytes]:
        record = self.records.popleft()
        self.bytes -= len(record[1])
        return record

    def put_back(self, record: tuple[int, bytes]) -> None:
        self.bytes += len(record[1])
        self.records.appendleft(record)
