"""How SQLite answers what is asked most: by an index that has the order, whatever the number of calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from stored import ROWS, write

from tracelib.store.database import Database, sqlite_database
from tracelib.store.migrations import migrate
from tracelib.store.questions import reading
from tracelib.store.values.blobs import TableBlobs

BLOBS = TableBlobs()
Ask = Callable[[Database], Any]


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = sqlite_database(tmp_path / "store.db")
    migrate(database)
    with database.writing() as connection:
        write(connection)
    return database


def plans(database: Database, ask: Ask) -> Iterator[str]:
    """The plan of every statement that reads calls, while something is asked."""
    statements: list[tuple[str, Any]] = []

    def hear(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", hear)
    ask(database)
    event.remove(database.engine, "before_cursor_execute", hear)
    with database.reading() as connection:
        for statement, parameters in statements:
            if "FROM call" in statement:
                steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                yield "\n".join(step[3] for step in steps)


def calls(where: str | None = None, **choices: Any) -> Ask:
    return lambda database: reading.calls(database, BLOBS, where, **choices)


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (calls(), "SCAN call USING INDEX ix_call_id"),
        (calls(after=str(ROWS[3].id)), "SEARCH call USING INDEX ix_call_id (id<?)"),
        (calls('start > "2026-11-02"'), "ix_call_id (id>?)"),
        (calls('start < "2026-11-02"'), "ix_call_id (id<?)"),
        (calls(name="ask"), "ix_call_function (function=?)"),
        (calls('name == "ask" and start > "2026-11-02"'), "ix_call_function (function=? AND start_ns>?)"),
        (calls('function == "app:ask" and "x" in output'), "ix_call_function (function=?)"),
        (calls(name="ask", after=str(ROWS[3].id)), "ix_call_function (function=? AND start_ns<?)"),
        (calls("version == 2"), "ix_call_version (version=?)"),
        (calls('version == "app:greet@1" and duration > 1'), "ix_call_version (version=?)"),
        (calls('"good" in tags'), "ix_call_id (id=?)"),
        (calls("score.accuracy > 0.5"), "ix_call_id (id=?)"),
        (lambda database: reading.trace_of(database, str(ROWS[3].id)), "ix_call_trace (trace=?)"),
        (lambda database: reading.call_of(database, BLOBS, str(ROWS[3].id)), "ix_call_id (id=?)"),
        (lambda database: reading.functions(database), "COVERING INDEX ix_call_function"),
        (lambda database: reading.functions(database), "COVERING INDEX ix_call_error"),
        (lambda database: reading.versions(database), "COVERING INDEX ix_call_version"),
    ],
)
def test_an_index_gives_the_calls_in_their_order(database: Database, ask: Ask, index: str) -> None:
    found = list(plans(database, ask))
    assert any(index in plan for plan in found), found
    assert not any("TEMP B-TREE" in plan for plan in found), found
    assert not any("SCAN call\n" in plan + "\n" for plan in found), found


def test_one_trace_is_found_by_its_index_and_put_in_order_here(database: Database) -> None:
    steps = "\n".join(plans(database, calls(f'trace == "{ROWS[3].id}"')))
    assert "ix_call_trace (trace=?)" in steps
