"""Forward migrations, applied when a store is opened: functions, each applied once and recorded by name.

A new database gets today's tables at once. Whoever opens first holds the lock; the others wait and
find the work done.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence

from sqlalchemy import Connection, inspect, select, text

from tracelib.errors import StoreWarning
from tracelib.store.database import Database
from tracelib.store.schema import metadata, migration

Step = tuple[str, Callable[[Connection], None]]


def _sandbox(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE call ADD COLUMN sandbox TEXT"))


STEPS: Sequence[Step] = (("0001 first tables", metadata.create_all), ("0002 sandbox of a call", _sandbox))
"""In order of time. A released step is never changed; tests hold a database of each release."""

LOCK = 0x7472616365  # "trace"


def migrate(database: Database, steps: Sequence[Step] = STEPS) -> None:
    """Bring the tables up to date; a database that is already so is only read.

    Warns (StoreWarning) when a newer tracelib has changed it: what both know still works.
    """
    names, done = {name for name, _ in steps}, applied(database)
    if names - done:
        with database.writing() as connection:
            _apply(database, connection, steps)
    elif done - names:
        warnings.warn(
            f"{database.shown} was written by a newer tracelib ({', '.join(sorted(done - names))}): "
            "what it added is not shown. Update with pip install -U tracelib.",
            StoreWarning,
            stacklevel=2,
        )


def applied(database: Database) -> set[str]:
    """The names of the steps that were applied to a database; none where it has no tables yet."""
    with database.reading() as connection:
        return _applied(connection)


def _applied(connection: Connection) -> set[str]:
    if not inspect(connection).has_table(migration.name):
        return set()
    return set(connection.execute(select(migration.c.name)).scalars())


def _apply(database: Database, connection: Connection, steps: Sequence[Step]) -> None:
    if not database.is_sqlite:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
    done = _applied(connection)
    fresh = not done
    for name, step in steps:
        if name in done:
            continue
        if not fresh or name == steps[0][0]:
            step(connection)
        connection.execute(migration.insert().values(name=name, applied_ns=time.time_ns()))
