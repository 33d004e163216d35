"""Whether there is a store at a place, found out without making or changing anything there."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import inspect

from tracelib.errors import StoreError
from tracelib.store.database import Database
from tracelib.store.schema import call, migration, payload

MAGIC = b"SQLite format 3\0"
OURS = {migration.name, call.name, payload.name}
"""Tables that every store has."""


def in_file(file: Path, journal: Path) -> bool:
    """Whether a SQLite file or a journal is there; an empty file is none.

    Raises StoreError where it is plain that another program wrote the file, or where nobody may look.
    """
    with _looking_at(file):
        return (file.exists() and _is_ours(file)) or journal.exists()


def in_tables(database: Database, journal: Path) -> bool:
    """Whether a journal is there, or a database with our tables.

    Raises StoreError where the database cannot be reached, or has tables of another program in their place.
    """
    with _looking_at(journal):
        if journal.exists():
            return True
    with database.reading() as connection:
        found = OURS.intersection(inspect(connection).get_table_names())
    if found and found != OURS:
        raise StoreError(
            f"{database.shown} has a table {min(found)} of another program: name a database, or a schema, "
            "of its own for the store"
        )
    return bool(found)


@contextmanager
def _looking_at(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"{path} cannot be looked at: {error.strerror or error}") from error


def _is_ours(file: Path) -> bool:
    """True but for an empty file. Opening it as a store would change it."""
    with file.open("rb") as opened:
        head = opened.read(len(MAGIC))
    if head and head != MAGIC:
        raise StoreError(
            f"{file} is no database: name the folder or the SQLite file of a store, or put a copy of it back "
            "if it was one"
        )
    names = _tables(file)
    if names and not names >= OURS:
        raise StoreError(f"{file} is a database of another program: name the folder or file of a store")
    return bool(head)


def _tables(file: Path) -> set[str]:
    """The names of a database's tables; none where it cannot be read without writing beside it."""
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            return {name for (name,) in rows}
    except sqlite3.Error:
        return set()
