"""What the draining process does. Loads the database, which the process that records never does."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from tracelib.errors import TraceError
from tracelib.store.draining.drainer import WHERE
from tracelib.store.store import Store, open_store

IDLE_SECONDS = 2.0
"""How long it waits for more before it ends."""
PAUSE_SECONDS = 0.05
TROUBLES = 20
"""Failures in a row after which it gives up; the next process is started when more is written."""


def main(folder: str) -> None:
    """Drain the store named in the environment until nothing has come for a while."""
    with contextlib.suppress(OSError):
        os.nice(5)
    work(open_store(os.environ[WHERE], Path(folder)))


def work(store: Store) -> None:
    """Drain until there is nothing to do, or nothing can be written."""
    quiet, troubles = time.monotonic(), 0
    while troubles < TROUBLES and time.monotonic() - quiet < IDLE_SECONDS:
        try:
            moved = store.drain().records
            troubles = 0
        except TraceError:  # the records are safe in the journal, and readers say what is wrong
            moved, troubles = 0, troubles + 1
            time.sleep(PAUSE_SECONDS * troubles)
        if moved:
            quiet = time.monotonic()
        else:
            time.sleep(PAUSE_SECONDS)
