"""What a store costs: the caller of a stored call, the way into the database, questions, room on the disk."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import tracelib as trace
from benchmarks.harness import Row, Spread, exactly, fresh, plain_calls, seconds, spread
from benchmarks.sizes import Size
from benchmarks.stored import ANSWER, BATCH, CASES, CHUNK, QUESTION, Copy, Rows, journalled, recorded
from tracelib.store.questions.calls import trace_of
from tracelib.store.questions.listing import calls as listed
from tracelib.store.store import SQLiteStore, Store

OPENING = """\
import sys, time
import tracelib as trace
@trace.bundle
def first(question): return question
start = time.process_time()
trace.init(store=sys.argv[1])
first("hello")
print((time.process_time() - start) * 1000, "sqlalchemy" in sys.modules)
"""
READING = """\
import sys, time
from tracelib.store.store import open_store
start = time.perf_counter()
assert open_store(sys.argv[1]).calls(limit=1)
print((time.perf_counter() - start) * 1000)
"""


def callers(size: Size) -> Iterator[Row]:
    """Stored calls: CPU of the calling thread while another process drains, also beside a busy thread."""
    n = max(10, size.calls // 10)
    before = _caller(CASES["1 KB of text"][0], n, size.repeats)[0]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        trace.init(store=folder)
        try:
            for name, (call, calls) in CASES.items():
                yield _stored(f"stored call, {name}", call, calls, n, size)
            with busy():
                call, calls = CASES["1 KB of text"]
                yield _stored("stored call, beside a busy thread", call, calls, n, size)
        finally:
            trace.init(store=None)
        after, _ = _caller(CASES["1 KB of text"][0], n, size.repeats)
    extra = after.least - before.least
    yield Row("recording off again, beyond a call", "store off", exactly(extra), "µs beyond one before")


def _stored(name: str, call: Callable[[int], Any], calls: int, n: int, size: Size) -> Row:
    spent, times = _caller(call, n, size.repeats)
    each = Spread(times.median / calls, times.least / calls, times.greatest / calls)
    took = f"{spent.median / calls:.0f} µs of CPU"
    return Row(name, "stored call", each, f"{took}, load {os.getloadavg()[0]:.1f}")


def _caller(call: Callable[[int], Any], n: int, repeats: int) -> tuple[Spread, Spread]:
    """Microseconds of this thread's CPU for each, and the same in costs of a plain call beside it."""
    spent, times = [], []
    call(0)
    for _ in range(repeats):
        before, took, after = (
            _thread(plain_calls, 10 * n),
            _thread(_repeated, n, call),
            _thread(plain_calls, 10 * n),
        )
        spent.append(took)
        times.append(2 * took / max(before + after, 1e-9))
    return spread(spent), spread(times)


def _repeated(n: int, call: Callable[[int], Any]) -> None:
    for i in range(n):
        call(i)


def _thread(work: Callable[..., Any], n: int, *args: Any) -> float:
    start = time.thread_time_ns()
    work(n, *args)
    return (time.thread_time_ns() - start) / n / 1_000


class busy:  # noqa: N801 - reads as a statement: `with busy():`
    """Another thread computes in Python until the block ends."""

    def __enter__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        while not self._stop.is_set():
            sum(range(1_000))

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()


def stored(size: Size) -> Iterator[Row]:
    """A database: the way into it against raw inserts of the same rows, room on the disk, and questions."""
    with tempfile.TemporaryDirectory() as folder:
        store = SQLiteStore(Path(folder) / "store")
        yield from _ingest(store, Path(folder), size.stored)
        yield _room(store.file)
        yield from questions(store, size, seconds)


def _ingest(store: SQLiteStore, folder: Path, wanted: int) -> Iterator[Row]:
    """Three databases grow side by side, a chunk at a time: ours, and two of raw inserts.

    The one that the goal is about gets rows with all columns of their tables. The other gets them without the
    columns that are NULL in a whole batch, as we write them too: sqlite3 takes long over each NULL.
    """
    chunks = recorded(store, wanted, CHUNK)
    done = next(chunks).stop - 1
    assert store.drain().records, "nothing was recorded"
    raw, lean = Copy(store.file, folder / "raw.db"), Copy(store.file, folder / "lean.db")
    ratios, leans, rates = [], [], []
    for numbers in chunks:
        wall = time.perf_counter()
        took = seconds(store.drain)
        rates.append(len(numbers) / (time.perf_counter() - wall))
        batches = [raw.rows(at, at + BATCH - 1) for at in numbers[::BATCH]]
        ratios.append(took / max(seconds(_insert, raw, batches), 1e-9))
        batches = [[rows.lean() for rows in batch] for batch in batches]
        leans.append(took / max(seconds(_insert, lean, batches), 1e-9))
        done = numbers.stop - 1
    raw.close()
    lean.close()
    said = f"{spread(leans).median:.2f} x without columns that are NULL, load {os.getloadavg()[0]:.1f}"
    yield Row(f"ingest, {done:,} calls", "ingest", spread(ratios), said)
    slowest = f"{min(rates):,.0f} at the slowest, wall"
    yield Row(f"ingest, {done:,} calls, each", "ingest rate", spread([1e6 / rate for rate in rates]), slowest)


def _insert(copy: Copy, batches: list[list[Rows]]) -> None:
    for batch in batches:
        copy.insert(batch)


def _room(file: Path) -> Row:
    """Bytes of the file for each call beyond the text of its values."""
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    calls = connection.execute("SELECT count(*) FROM call").fetchone()[0]
    sizes = "+".join(
        f"coalesce(length(CAST({name} AS BLOB)), 0)"
        for name in ("inputs", "output", "error", "graph", "state", "request")
    )
    text = connection.execute(f"SELECT sum({sizes}) FROM payload").fetchone()[0]
    connection.close()
    beyond = (file.stat().st_size - text) / calls
    return Row(
        "database, beyond values", "database", exactly(beyond), f"values {text / calls:,.0f} bytes a call"
    )


def questions(
    store: Store, size: Size, clock: Callable[[Callable[[], Any]], float], where: str = ""
) -> Iterator[Row]:
    """What is asked most, in milliseconds by a clock; rows begin with the place that is asked."""
    database, blobs = store.database, store.blobs
    half = listed(database, blobs, limit=1)[0]
    asked: dict[str, Callable[[], Any]] = {
        "latest 50 calls": lambda: listed(database, blobs),
        "one trace": lambda: trace_of(database, half.id),
        "by function and time": lambda: listed(
            database, blobs, f'name == "conversation" and start < "{_now()}"'
        ),
    }
    for name, ask in asked.items():
        assert ask(), "nothing was found"
        spent = [clock(ask) * 1_000 for _ in range(size.repeats)]
        yield Row(f"{where}{name}, of {size.stored:,}", "question", spread(spent))


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 60))


def opening(size: Size) -> Iterator[Row]:
    """A store that is opened: init and first call, what they load, and the first row in another process."""
    spent, loaded, seen = [], 0, []
    for _ in range(size.interpreters):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            took, has = fresh(OPENING, folder)[1].split()
            spent.append(float(took))
            loaded += has == "True"
            seen.append(float(fresh(READING, folder)[1]))
    yield Row("store, init and first call", "opening", spread(spent))
    yield Row("store, sqlalchemy where it records", "third parties", exactly(loaded))
    yield Row("store, first row in another process", "first row", spread(seen), "wall, imports included")
    yield _journal()


def _journal() -> Row:
    with tempfile.TemporaryDirectory() as folder:
        store = SQLiteStore(folder)
        with journalled(store):
            for _ in range(100):
                CASES["1 KB of text"][0](7)
        held = sum(file.stat().st_size for file in store.journal.iterdir())
    beyond = held / 100 - len(QUESTION) - len(ANSWER)
    return Row("journal of a call, beyond values", "journal", exactly(beyond))
