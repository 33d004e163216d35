"""What a store in PostgreSQL costs: the way into it, questions, and room on the server's disk.

The server's part of the work counts as ours does. All of it happens in a new database, which is dropped
in the end.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import make_url

from benchmarks.harness import Row, exactly, spread
from benchmarks.served import clock_of
from benchmarks.sizes import Size
from benchmarks.stored import BATCH, CHUNK, TABLES, recorded
from benchmarks.storing import questions
from tracelib.store.database import Database, url_database
from tracelib.store.store import PostgresStore

VARIABLE = "TRACELIB_BENCHMARK_POSTGRES"
"""The environment variable that names a server, where the command line does not."""
ASKED = 10
"""Times that a question is asked for one figure."""
VALUES = ("inputs", "output", "error", "graph", "state", "request")

Rows = Mapping[str, list[tuple[Any, ...]]]
"""Rows by table."""


def stored(size: Size, url: str | None = None) -> Iterator[Row]:
    """A store in PostgreSQL: the way into it against raw COPY and inserts of the same rows, and questions."""
    if not url:
        missing = f"left out, no server is named: --postgres URL, or {VARIABLE}"
        yield Row("store in PostgreSQL", "left out", None, missing)
        return
    with _new_database(url) as made, tempfile.TemporaryDirectory() as journal:
        store = PostgresStore(made, journal=journal)
        yield from _ingest(store, size.stored)
        yield _room(store.database)
        yield from questions(store, size, _each(clock_of(store.database)), "PostgreSQL, ")


def _each(clock: Callable[..., float]) -> Callable[[Callable[[], Any]], float]:
    """Times a question by asking it again and again."""
    return lambda ask: clock(lambda: [ask() for _ in range(ASKED)]) / ASKED


@contextmanager
def _new_database(url: str) -> Iterator[str]:
    """The URL of an empty database on the server of another one."""
    name = f"tracelib_benchmark_{os.getpid()}"
    _execute(url, f"CREATE DATABASE {name} TEMPLATE template0")
    try:
        yield make_url(url).set(database=name).render_as_string(hide_password=False)
    finally:
        _execute(url, f"DROP DATABASE {name} WITH (FORCE)")


def _execute(url: str, statement: str) -> None:
    with url_database(url).engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(statement)


def _ingest(store: PostgresStore, wanted: int) -> Iterator[Row]:
    """Raw tables grow beside the store's, one chunk by COPY and one by inserts."""
    chunks = recorded(store, wanted, min(CHUNK, wanted // 4))
    done = next(chunks).stop - 1
    store.drain()
    raw, clock = Raw(store.database), clock_of(store.database)
    ways = {"COPY": raw.copy, "inserts": raw.insert}
    ratios: dict[str, list[float]] = {way: [] for way in ways}
    spent = []
    for nth, numbers in enumerate(chunks):
        way = list(ways)[nth % len(ways)]
        spent.append(clock(store.drain) / len(numbers) * 1e6)
        batches = [raw.rows(at, at + BATCH - 1) for at in numbers[::BATCH]]
        ratios[way].append(spent[-1] / max(clock(ways[way], batches) / len(numbers) * 1e6, 1e-3))
        done = numbers.stop - 1
    raw.close()
    load = f"load {os.getloadavg()[0]:.1f}"
    for way, found in ratios.items():
        yield Row(f"PostgreSQL, ingest, {done:,} calls, by {way}", "served ingest", spread(found), load)
    slowest = f"{1e6 / max(spent):,.0f} a second at the slowest"
    yield Row(f"PostgreSQL, ingest, {done:,} calls, each", "served ingest rate", spread(spent), slowest)


class Raw:
    """The same rows in tables with the same indices on the same server, put there by psycopg alone.

    That is the least that such rows cost: tuples that are ready, a thousand calls in a transaction.
    """

    def __init__(self, database: Database) -> None:
        self._lent = database.engine.raw_connection()
        self._driver: Any = self._lent.driver_connection
        self._driver.execute("CREATE SCHEMA raw")
        for table in TABLES:
            self._driver.execute(f"CREATE TABLE raw.{table} (LIKE public.{table} INCLUDING ALL)")
        self._driver.commit()

    def rows(self, first: int, last: int) -> Rows:
        """The rows of the calls with these numbers, by table."""
        keys = {"call": "n", "edge": "target"}
        asked = {
            t: f"SELECT * FROM {t} WHERE {keys.get(t, 'call')} BETWEEN {first} AND {last}" for t in TABLES
        }
        found = {table: self._driver.execute(statement).fetchall() for table, statement in asked.items()}
        self._driver.commit()
        return found

    def copy(self, batches: Sequence[Rows]) -> None:
        """Rows by COPY, each batch in one transaction."""
        self._put(batches, self._copy)

    def insert(self, batches: Sequence[Rows]) -> None:
        """Rows by `executemany`, which sends them without waiting for each; a transaction for each batch."""
        self._put(batches, self._insert)

    def _put(self, batches: Sequence[Rows], way: Callable[[Any, str, list[Any]], None]) -> None:
        for rows in batches:
            with self._driver.cursor() as cursor:
                for table, found in rows.items():
                    if found:
                        way(cursor, table, found)
            self._driver.commit()

    def _copy(self, cursor: Any, table: str, rows: list[Any]) -> None:
        with cursor.copy(f"COPY raw.{table} FROM STDIN") as copying:
            for row in rows:
                copying.write_row(row)

    def _insert(self, cursor: Any, table: str, rows: list[Any]) -> None:
        cursor.executemany(f"INSERT INTO raw.{table} VALUES ({', '.join('%s' for _ in rows[0])})", rows)

    def close(self) -> None:
        self._lent.close()


def _room(database: Database) -> Row:
    """Bytes of tables and indices for each call beyond the text of its values."""
    sizes = "+".join(f"coalesce(octet_length({name}), 0)" for name in VALUES)
    room = "+".join(f"pg_total_relation_size('public.{table}')" for table in TABLES)
    with database.reading() as connection:
        calls, whole = connection.exec_driver_sql(f"SELECT (SELECT count(*) FROM call), {room}").one()
        text = int(connection.exec_driver_sql(f"SELECT sum({sizes}) FROM payload").scalar_one())
    note = f"values {text / calls:,.0f} bytes a call"
    return Row("PostgreSQL, beyond values", "served database", exactly((whole - text) / calls), note)
