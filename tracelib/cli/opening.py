"""Which store a command is about, and the options that all commands share."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from tracelib.errors import StoreError
from tracelib.store.store import PostgresStore, SQLiteStore, Store, open_store

C = TypeVar("C", bound=Callable[..., Any])
DEFAULT = "./logdir"
MAGIC = b"SQLite format 3\0"
OURS = {"migration", "call", "payload"}
"""Tables that every store has."""


def of_store(command: C) -> C:
    """Gives a command the option --store, as `where`."""
    return click.option(
        "--store",
        "where",
        envvar="TRACELIB_STORE",
        default=DEFAULT,
        show_default=True,
        metavar="PATH|URL",
        help="A folder, sqlite:///file.db or postgresql://user@host/name; else TRACELIB_STORE.",
    )(command)


def as_json(command: C) -> C:
    """Gives a command the option --json, as `json_`."""
    return click.option(
        "--json", "json_", is_flag=True, help="A list of objects, each with its id; times are UTC."
    )(command)


def limited(default: int) -> Callable[[C], C]:
    """Gives a command the option --limit; it gets None for no limit."""
    return click.option(
        "--limit",
        type=click.IntRange(min=0),
        default=default,
        show_default=True,
        metavar="N",
        help="At most N of them; 0 for all.",
        callback=lambda ctx, option, given: given or None,
    )


def opened(where: str) -> Store:
    """The store at a place; one that is not there is refused, and nothing is made."""
    store = open_store(where)
    if not there(store):
        shown = named(store, where)
        raise StoreError(
            f"no store at {shown}: run a program with trace.init(store={quoted(shown)}) "
            "or name one with --store"
        )
    return store


def openable(where: str) -> Store:
    """The store at a place, which is made when it is written to; a database of another program is refused."""
    store = open_store(where)
    there(store)
    return store


def there(store: Store) -> bool:
    """Whether anything was recorded there; raises StoreError for what is there and is no store of ours."""
    try:
        if isinstance(store, SQLiteStore):
            return (store.file.exists() and _is_ours(store.file)) or store.journal.exists()
        return _has_tables(store) or store.journal.exists()
    except OSError as error:
        raise StoreError(f"{store.where} cannot be looked at: {error.strerror or error}") from error


def named(store: Store, where: str) -> str:
    """A store as messages call it: as the user did, but without a password."""
    return store.database.shown if isinstance(store, PostgresStore) else where


def quoted(text: str) -> str:
    return f'"{text}"'


def _is_ours(file: Path) -> bool:
    """True but for an empty file; StoreError where it is plain that another program wrote it.

    It is looked at without opening it as a store, which would change it.
    """
    with file.open("rb") as opened_file:
        head = opened_file.read(len(MAGIC))
    if head and head != MAGIC:
        raise StoreError(f"{file} is no database: name the folder or the SQLite file of a store with --store")
    names = _tables(file)
    if names and not names >= OURS:
        raise StoreError(f"{file} is a database of another program: name a store with --store")
    return bool(head)


def _tables(file: Path) -> set[str]:
    """The names of a database's tables; none where it cannot be read without writing beside it."""
    try:
        connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
    except sqlite3.Error:
        return set()
    try:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.Error:
        return set()
    finally:
        connection.close()


def _has_tables(store: Store) -> bool:
    with store.database.reading() as connection:
        return connection.exec_driver_sql("SELECT to_regclass('migration')").scalar() is not None
