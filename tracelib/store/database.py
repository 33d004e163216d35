"""A database: how connections are made and transactions begun, the same for SQLite and PostgreSQL.

Connections are not pooled: they are opened for a batch or a question and closed, so that forks and
threads share none.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from tracelib.errors import StoreError

BUSY_MS = 10_000
"""How long a statement waits for another process's transaction before it gives up."""
PAGE_BYTES = 8_192
"""Calls with a page of text each leave 330 bytes a call unused in pages of 4,096 bytes, and 130 in these."""
WAL_TRIES = 100
"""Switching a new file to write-ahead logging is refused, not queued, while another process does it."""


class Database:
    """Where rows are. `reading()` and `writing()` give a connection inside a transaction."""

    def __init__(self, engine: Engine, shown: str) -> None:
        self.engine = engine
        self.shown = shown
        """What messages call it: the path, or the URL without its password."""

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection in a transaction that sees one moment; raises StoreError when there is none.

        PostgreSQL's compiler is off: a filter with 200 conditions took it a minute, and 0.6 s without it.
        """
        with self._connected("read") as connection, connection.begin():
            if not self.is_sqlite:
                connection.exec_driver_sql("SET LOCAL jit = off")
            yield connection

    @contextmanager
    def writing(self, kept: Connection | None = None) -> Iterator[Connection]:
        """A connection in a transaction that writes: all of it, or nothing.

        What the driver raises on one that is `kept` open leaves here as it is.
        """
        with self._connected("write") if kept is None else nullcontext(kept) as connection:
            connection = connection.execution_options(tracelib_immediate=True)
            with connection.begin():
                yield connection

    @contextmanager
    def kept_open(self) -> Iterator[Connection]:
        """A connection for several transactions that write.

        To open one and to read the schema takes as long as to write thirty calls, and SQLite's last one that
        closes copies the whole log back.
        """
        with self._connected("write") as connection:
            yield connection

    @contextmanager
    def _connected(self, purpose: str) -> Iterator[Connection]:
        try:
            with self.engine.connect() as connection:
                yield connection
        except DBAPIError as error:
            said = f"{self.shown} could not be {_past(purpose)}: {_reason(error)}{_advice(error)}"
            raise StoreError(said) from error


def _past(purpose: str) -> str:
    return {"read": "read", "write": "written"}[purpose]


def _reason(error: DBAPIError) -> str:
    return " ".join(str(error.orig).split())


DAMAGED = ("file is not a database", "disk image is malformed", "file is encrypted")


def _advice(error: DBAPIError) -> str:
    """What to do about it, where we know."""
    if any(sign in str(error.orig) for sign in DAMAGED):
        return (
            ". The file is damaged: move it away or put a copy of it back; what waits in the journal goes in"
        )
    return ""


def sqlite_database(path: Path, durability: str = "normal") -> Database:
    """The SQLite database in a file, made when it is first written; a read-only one can still be read."""

    def connect() -> sqlite3.Connection:
        return _connect(path, durability)

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    event.listen(engine, "begin", _begin)
    return Database(engine, str(path))


def _connect(path: Path, durability: str) -> sqlite3.Connection:
    """A connection without transactions of its own: ours are begun explicitly.

    Python's sqlite3 begins a deferred transaction, which cannot wait for a writer once it has read.
    """
    if path.exists() and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        return _read_only(path)
    made = sqlite3.connect(
        path, timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    try:
        _prepare(made, path, durability)
    except BaseException:  # whatever came between: nobody else would close it
        made.close()
        raise
    return made


def _prepare(made: sqlite3.Connection, path: Path, durability: str) -> None:
    """What a connection needs before it is used; a new file is laid out, and readable by its owner only."""
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)
    if not path.stat().st_size:
        made.execute(f"PRAGMA page_size={PAGE_BYTES}")
        made.execute("PRAGMA auto_vacuum=INCREMENTAL")  # so that pruning gives room back without a copy
    _write_ahead(made)
    made.execute(f"PRAGMA synchronous={'FULL' if durability == 'fsync' else 'NORMAL'}")
    made.execute("PRAGMA cache_size=-32000")


def _read_only(path: Path) -> sqlite3.Connection:
    """A connection that makes no file beside the database, which SQLite may need even to read it.

    Where there is none nobody is at work, and the file is read as one that does not change.
    """
    uri = f"{path.resolve().as_uri()}?mode=ro"
    alone = not path.with_name(path.name + "-wal").exists()
    return sqlite3.connect(
        f"{uri}&immutable=1" if alone else uri, uri=True, isolation_level=None, check_same_thread=False
    )


def _write_ahead(connection: sqlite3.Connection) -> None:
    for left in reversed(range(WAL_TRIES)):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if not left:
                raise
            time.sleep(0.02)


def _begin(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("tracelib_immediate")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def url_database(url: str, durability: str = "normal") -> Database:
    """The database behind a URL: `sqlite:///file` or `postgresql://user:password@host/name`."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise StoreError(
            f"{url!r} is no database URL: write sqlite:///file.db or postgresql://host/name"
        ) from error
    if parsed.get_backend_name() == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise StoreError("a store in memory would lose every call: name a file, sqlite:///file.db")
        return sqlite_database(Path(parsed.database), durability)
    if parsed.get_backend_name() != "postgresql":
        raise StoreError(
            f"{parsed.get_backend_name()} is not supported: a store is SQLite or PostgreSQL (postgresql://...)"
        )
    return Database(_postgres(parsed.set(drivername="postgresql+psycopg")), _shown(parsed))


def _shown(url: URL) -> str:
    """The URL without its password, which may stand among the parameters too."""
    secret = {name: "***" for name in ("password", "sslpassword") if name in url.query}
    return url.update_query_dict(secret).render_as_string(hide_password=True)


def _postgres(url: URL) -> Engine:
    try:
        return create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": 10})
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise StoreError("a PostgreSQL store needs psycopg 3: pip install 'tracelib[postgres]'") from error
