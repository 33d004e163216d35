"""Programs that are recorded into a store, with a kilobyte of text a call, and stores to record them into."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tracelib as trace
from tracelib.graph.tracing import annotate, listening
from tracelib.store.journal.journal import Journal
from tracelib.store.store import Store
from tracelib.store.writing.recorder import Recorder

QUESTION = "What is the capital of France? " * 4
ANSWER = "Paris is the capital and most populous city of France. " * 16
FIELDS = {f"field{i}": "a hundred characters, " * 4 for i in range(11)}
INNER = 9
"""Calls that a `conversation` makes."""
CHUNK = 10_000
"""Calls that are recorded before they are drained, so that the journal needs little room."""
BATCH = 1_000
"""Calls whose rows are put into a database by one raw transaction."""


@trace.bundle
def answer(question: str, n: Any) -> str:
    return ANSWER


@trace.bundle
def outer(question: str, n: Any) -> Any:
    return answer(question, n)


@trace.bundle
def fields(given: dict[str, str], n: Any) -> int:
    return len(given)


@trace.bundle
def model(question: str, n: Any) -> str:
    annotate(
        model="gpt-4o-mini",
        provider="openai",
        tokens_in=100,
        tokens_out=200,
        attempts=1,
        cost_nano=123_456,
        request={"messages": [{"role": "user", "content": question}], "temperature": 1.0},
    )
    return ANSWER


@trace.bundle
def conversation(question: str) -> int:
    for i in range(INNER):
        answer(question, i)
    return INNER


CASES: dict[str, tuple[Callable[[int], Any], int]] = {
    "1 KB of text": (lambda i: answer(QUESTION, i), 1),
    "in another one": (lambda i: outer(QUESTION, i), 2),
    "of a node": (lambda i: answer(trace.node(QUESTION), i), 1),
    "of another's result": (lambda i: answer(answer(QUESTION, i), i), 2),
    "of a dict of 1 KB": (lambda i: fields(FIELDS, i), 1),
    "of a model, with facts": (lambda i: model(QUESTION, i), 1),
}
"""What is called, and how many calls that is."""


def converse(calls: int) -> None:
    """So many calls, in conversations."""
    for _ in range(calls // (INNER + 1)):
        conversation(QUESTION)


@contextmanager
def journalled(store: Store) -> Iterator[None]:
    """Records into the journal of a store that no background process drains."""
    journal = Journal(store.journal)
    with listening(Recorder(journal)):
        yield
    journal.close()


def recorded(store: Store, wanted: int, chunk: int) -> Iterator[range]:
    """Records so many calls into a store's journal, a chunk at a time, and says which numbers each will have.

    The first chunk is one conversation. Whoever asks for another has drained the one before.
    """
    done = 0
    while done < wanted:
        more = min(chunk, wanted - done) // (INNER + 1) * (INNER + 1) if done else 0
        numbers = range(done + 1, done + 1 + max(more, INNER + 1))
        with journalled(store):
            converse(len(numbers))
        yield numbers
        done = numbers.stop - 1


TABLES = ("call", "payload", "edge", "blob_use")


@dataclass(frozen=True)
class Rows:
    """Rows of a table, and the columns that their values are of."""

    table: str
    columns: tuple[str, ...]
    values: list[tuple[Any, ...]]

    def lean(self) -> Rows:
        """Without the columns that are NULL in each of them."""
        kept = [at for at in range(len(self.columns)) if any(row[at] is not None for row in self.values)]
        return Rows(
            self.table,
            tuple(self.columns[at] for at in kept),
            [tuple(row[at] for at in kept) for row in self.values],
        )


class Copy:
    """The same rows in a database of the same tables and indices, put there by plain sqlite3.

    That is the least that such rows cost: tuples that are ready, a thousand calls in a transaction.
    """

    def __init__(self, source: Path, file: Path) -> None:
        self._source = sqlite3.connect(source)
        self._made = sqlite3.connect(file, isolation_level=None)
        page = self._source.execute("PRAGMA page_size").fetchone()[0]
        for pragma in (f"page_size={page}", "journal_mode=WAL", "synchronous=NORMAL", "cache_size=-32000"):
            self._made.execute(f"PRAGMA {pragma}")
        kept = ", ".join(f"'{name}'" for name in TABLES)
        asked = f"SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND tbl_name IN ({kept})"
        for (sql,) in self._source.execute(asked):
            self._made.execute(sql)

    def rows(self, first: int, last: int) -> list[Rows]:
        """The rows of the calls with these numbers, of each table that has some."""
        found = [self._found(table, first, last) for table in TABLES]
        return [rows for rows in found if rows.values]

    def _found(self, table: str, first: int, last: int) -> Rows:
        key = {"call": "n", "edge": "target"}.get(table, "call")
        asked = self._source.execute(f"SELECT * FROM {table} WHERE {key} BETWEEN ? AND ?", (first, last))
        return Rows(table, tuple(column[0] for column in asked.description), asked.fetchall())

    def insert(self, batch: list[Rows]) -> None:
        """All rows in one transaction."""
        self._made.execute("BEGIN IMMEDIATE")
        for rows in batch:
            names, marks = ", ".join(rows.columns), ", ".join("?" for _ in rows.columns)
            self._made.executemany(f"INSERT INTO {rows.table} ({names}) VALUES ({marks})", rows.values)
        self._made.execute("COMMIT")

    def close(self) -> None:
        self._source.close()
        self._made.close()
