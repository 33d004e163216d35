"""Databases of every released schema open; migrations are applied once, in order, all of them or none."""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, inspect, select, text

import tracelib as trace
from tracelib.errors import StoreError, StoreWarning
from tracelib.store import schema
from tracelib.store.database import Database, url_database
from tracelib.store.migrations import STEPS, Step, applied, migrate
from tracelib.store.store import Store, open_store

FIXTURES = Path(__file__).parent / "fixtures"
RELEASED = sorted(FIXTURES.glob("*.sql"))


@pytest.fixture(params=RELEASED, ids=lambda path: path.stem)
def released(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A store as a release left it: a program was recorded, and people spoke about its calls."""
    file = tmp_path / "store.db"
    with sqlite3.connect(file) as connection:
        connection.executescript(request.param.read_text())
    connection.close()
    return open_store(file)


def test_each_schema_has_a_fixture() -> None:
    assert [path.stem.partition("_")[0] for path in RELEASED] == [name.partition(" ")[0] for name, _ in STEPS]


def test_a_released_database_opens_and_everything_in_it_can_be_read(released: Store) -> None:
    calls = released.calls(limit=None, values=True)
    assert sorted(call.name for call in calls) == ["double", "failing", "priced", "speak", "speak"]
    by_name = {call.name: call for call in calls}  # the oldest of each
    priced = by_name["priced"]
    assert priced.inputs == {"country": "de", "text": "many words " * 600}
    assert priced.output == [2, 42, "many words " * 600]
    assert priced.state == {"RATES": {"de": 2}}
    assert by_name["double"].parent == priced.id
    assert (by_name["failing"].status, by_name["failing"].error_type) == ("failed", "ValueError")
    assert [call.id for call in released.trace(priced.id)] == [priced.id, by_name["double"].id]
    assert released.version("double@production").description == "Twice a number."
    assert released.updates()[-1].because == "they asked"
    assert released.parameters("app:Agent") == {"tone": "warm"}
    assert [one.text for one in released.feedback(by_name["speak"].id)] == ["too dry"]
    assert [(one.name, one.score) for one in released.feedback(priced.id)] == [
        ("comment", None),
        ("accuracy", 0.5),
    ]
    assert [call.id for call in released.calls('"good" in tags')] == [priced.id]
    assert released.graph(by_name["speak"].id).output.data == "dry hello"
    assert released.verify().ok


def test_recording_goes_on_in_a_released_database(released: Store) -> None:
    before = len(released.calls(limit=None))
    with released:
        trace.bundle(lambda x: x, name="same")(1)
    assert len(released.calls(limit=None)) == before + 1
    assert released.verify().ok


# ---- steps of the future


def widen(connection: Connection) -> None:
    connection.execute(text('ALTER TABLE "session" ADD COLUMN user_name TEXT'))
    connection.execute(schema.meta.insert().values(key="first", value="widened"))
    time.sleep(0.05)  # others come meanwhile


def fill(connection: Connection) -> None:
    """Fails where the step before it was not applied, and when it is applied twice."""
    connection.execute(text("UPDATE session SET user_name = 'known'"))
    connection.execute(schema.meta.insert().values(key="second", value="filled"))


def fail(connection: Connection) -> None:
    connection.execute(text("CREATE TABLE half_done (n INTEGER)"))
    connection.execute(text("INSERT INTO no_such_table VALUES (1)"))


FUTURE: Sequence[Step] = (*STEPS, ("9001 names of users", widen), ("9002 known users", fill))


def shape(database: Database) -> dict[str, list[str]]:
    """The columns of every table."""
    with database.reading() as connection:
        found = inspect(connection)
        return {
            table: [column["name"] for column in found.get_columns(table)]
            for table in found.get_table_names()
        }


def notes(database: Database) -> dict[str, str]:
    with database.reading() as connection:
        return {row.key: row.value for row in connection.execute(select(schema.meta))}


@pytest.fixture
def old(blank: str) -> str:
    """The URL of a database of today's schema with a session in it."""
    database = url_database(blank)
    migrate(database)
    with database.writing() as connection:
        row = {"id": bytes(16), "started_ns": 0, "pid": 1, "host": "", "python": "", "tracelib": ""}
        connection.execute(schema.session.insert().values(row))
    return blank


def at_once(count: int, work: Callable[[], Any]) -> list[int]:
    """How as many forked processes ended, which began the work at one moment."""
    gate, opener = os.pipe()
    children = []
    for _ in range(count):
        child = os.fork()
        if not child:
            os.close(opener)
            code = 1
            try:
                os.read(gate, 1)
                work()
                code = 0
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                os._exit(code)
        children.append(child)
    os.close(gate)
    os.close(opener)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def test_steps_are_applied_once_and_in_order(old: str) -> None:
    database = url_database(old)
    for _ in range(2):
        migrate(database, FUTURE)
        assert sorted(applied(database)) == [name for name, _ in FUTURE]
        assert notes(database) == {"first": "widened", "second": "filled"}
    with database.reading() as connection:
        assert connection.execute(text("SELECT user_name FROM session")).scalars().all() == ["known"]


def test_eight_processes_that_open_an_old_database_apply_each_step_once(old: str) -> None:
    assert at_once(8, lambda: migrate(url_database(old), FUTURE)) == [0] * 8
    assert notes(url_database(old)) == {"first": "widened", "second": "filled"}
    assert sorted(applied(url_database(old))) == [name for name, _ in FUTURE]


def test_eight_processes_that_open_an_empty_database_make_its_tables_once(blank: str) -> None:
    assert at_once(8, lambda: migrate(url_database(blank))) == [0] * 8
    database = url_database(blank)
    assert sorted(applied(database)) == [name for name, _ in STEPS]
    assert set(shape(database)) == set(schema.metadata.tables)


def test_a_new_database_has_all_tables_at_once_and_no_step_to_catch_up(blank: str) -> None:
    database = url_database(blank)
    migrate(database, FUTURE)
    assert sorted(applied(database)) == [name for name, _ in FUTURE]
    assert notes(database) == {}  # today's tables are those after the last step


def test_a_step_that_fails_leaves_the_database_as_it_was(old: str) -> None:
    database = url_database(old)
    before = shape(database), applied(database), notes(database)
    with pytest.raises(StoreError, match="no_such_table"):
        migrate(database, (*FUTURE, ("9003 wrong", fail)))
    assert (shape(database), applied(database), notes(database)) == before
    migrate(database, FUTURE)
    assert notes(database) == {"first": "widened", "second": "filled"}


def test_a_database_of_a_later_release_is_left_as_it_is(old: str) -> None:
    database = url_database(old)
    migrate(database, FUTURE)
    before = shape(database), applied(database)
    with pytest.warns(StoreWarning, match="9001 names of users, 9002 known users"):
        migrate(database)
    assert (shape(database), applied(database)) == before
