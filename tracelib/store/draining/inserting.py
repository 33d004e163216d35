"""Many rows into a table at once, and values as both engines can hold them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Column, Connection, Table


def many(
    connection: Connection, table: Table, rows: Iterable[Any], columns: Sequence[Column[Any]] | None = None
) -> int:
    """Add rows given as tuples in the order of the columns, and say how many; known ones are left alone.

    The statement is made by SQLAlchemy and run by the driver, which takes half the time of building
    each row's parameters by name.
    """
    values = list(rows)
    if not values:
        return 0
    named = tuple(table.columns) if columns is None else columns
    return connection.exec_driver_sql(_statement(connection, table, named), values).rowcount


def ragged(
    connection: Connection,
    table: Table,
    rows: Iterable[tuple[Any, ...]],
    columns: Sequence[Column[Any]],
) -> int:
    """As `many` for rows of which some end before the last column: what they lack is NULL.

    A column that is in no row is not named. sqlite3 takes half a microsecond for each NULL that it is given,
    and calls with all their columns took half as long again.
    """
    values = list(rows)
    lengths = set(map(len, values))
    if len(lengths) > 1:
        nothing = (None,) * max(lengths)
        values = [row + nothing[len(row) :] for row in values]
    return many(connection, table, values, columns[: max(lengths, default=0)])


def trimmed(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row up to its last value that is not NULL."""
    end = len(row)
    while end and row[end - 1] is None:
        end -= 1
    return row[:end]


def _statement(connection: Connection, table: Table, columns: Sequence[Column[Any]]) -> str:
    """An insert with positional parameters; the style is the driver's."""
    names = ", ".join(f'"{column.name}"' for column in columns)
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    marks = ", ".join(mark for _ in columns)
    return f'INSERT INTO "{table.name}" ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING'


def clean(text: str) -> str:
    """A text as both engines can hold it: PostgreSQL has no NUL, UTF-8 no half of a surrogate pair."""
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()


def as_json(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, default=dict)
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, default=dict)
    return text
