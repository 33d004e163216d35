"""Numbers when two stores are joined: of a function's versions, and of the states of a program.

Both count in the order of time, and aliases go on pointing to what they pointed to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Connection, Row, Select, Table, insert, select, update

from tracelib.store import schema
from tracelib.store.schema import parameter, version
from tracelib.store.schema import update as history
from tracelib.store.values.blobs import adding

BESIDE = "_beside"
"""Where a row keeps what belongs to other tables."""


class Numbering:
    """The numbers of the versions of the functions that an import touches."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._parents: list[tuple[int, str, str]] = []
        self._disagreeing: dict[int, str] = {}

    def add(self, row: dict[str, Any]) -> bool:
        """Whether it was new."""
        key, parent, uses = row.pop(BESIDE)
        here = self._connection.execute(
            select(version.c.number, version.c.hash).where(version.c.function == row["function"])
        ).all()
        if parent is not None:
            self._parents.append((row["function"], row["hash"], parent))
        same = next((number for number, hash in here if hash == row["hash"]), None)
        if same is not None:
            return False
        numbers = {number for number, _ in here}
        if row["number"] in numbers:
            self._disagreeing[row["function"]] = key
            row["number"] = max(numbers) + 1
        made = self._connection.execute(insert(version).values(row).returning(version.c.n)).scalar_one()
        for used_key, used_hash in {tuple(use) for use in uses}:
            one = {"version": made, "used_key": used_key, "used_hash": used_hash}
            self._connection.execute(adding(self._connection, schema.use), one)
        return True

    def settle(self) -> int:
        """Set parents that are here by now, and number what disagrees; gives how many got another number."""
        for function_n, hash, parent in self._parents:
            before = select(version.c.n).where(version.c.function == function_n, version.c.hash == parent)
            mine = (version.c.function == function_n) & (version.c.hash == hash) & version.c.parent.is_(None)
            statement = update(version).where(mine).values(parent=before.scalar_subquery())
            self._connection.execute(statement)
        return sum(self._renumber(number, key) for number, key in self._disagreeing.items())

    def _renumber(self, function_n: int, key: str) -> int:
        rows = self._connection.execute(
            select(version.c.n, version.c.number, version.c.created_ns, version.c.hash).where(
                version.c.function == function_n
            )
        ).all()
        ordered = sorted(rows, key=lambda row: (row.created_ns, row.hash))
        moved = [(row.n, row.number, number) for number, row in enumerate(ordered, 1) if row.number != number]
        for sign in (-1, 1):  # by way of negative numbers: two versions never have the same
            for n, _, number in moved:
                self._connection.execute(update(version).where(version.c.n == n).values(number=sign * number))
        follow(self._connection, key, {str(old): str(new) for _, old, new in moved})
        return len(moved)


def order_changes(connection: Connection, programs: Iterable[str]) -> None:
    """Let the changes of each program's parameters be in the order of time: states are numbered so."""
    for program in programs:
        rows = connection.execute(_changes(program)).all()
        places = {row.n: number for number, row in enumerate(rows, 1)}
        ordered = _order(connection, history, rows)
        follow(connection, program, {str(places[n]): str(number) for number, n in enumerate(ordered, 1)})


def order_by_time(connection: Connection, table: Table, of: Column[Any], values: Sequence[str]) -> None:
    """Let the rows of a table that are about the same one of some things be in the order of time."""
    asked = select(table.c.n, table.c.time_ns, of.label("about")).where(of.in_(values)).order_by(table.c.n)
    about: dict[str, list[Any]] = {}
    for row in connection.execute(asked):
        about.setdefault(row.about, []).append(row)
    for rows in about.values():
        _order(connection, table, rows)


def _order(connection: Connection, table: Table, rows: Sequence[Row[Any]]) -> list[int]:
    """Share out the numbers of some rows by time, and give the old numbers in the new order."""
    ordered = sorted(rows, key=lambda row: row.time_ns)
    moved = [(row.n, rows[rank].n) for rank, row in enumerate(ordered) if row.n != rows[rank].n]
    for sign in (-1, 1):  # by way of negative numbers, as above
        for old, new in moved:
            here = table.c.n == (old if sign == -1 else -new)
            connection.execute(update(table).where(here).values(n=sign * new))
    return [row.n for row in ordered]


def state_of(connection: Connection, program: str, path: str, time_ns: int) -> int | None:
    """The number of the state that the change of a parameter at a time led to."""
    for number, row in enumerate(connection.execute(_changes(program)), 1):
        if (row.path, row.time_ns) == (path, time_ns):
            return number
    return None


def _changes(program: str) -> Select[Any]:
    """The changes of a program's parameters, as its states are numbered."""
    asked = select(history.c.n, history.c.time_ns, parameter.c.path)
    joined = asked.join_from(history, parameter, parameter.c.n == history.c.parameter)
    return joined.where(parameter.c.program == program).order_by(history.c.n)


def follow(connection: Connection, name: str, moved: Mapping[str, str]) -> None:
    """Aliases of a name point to the new numbers of what they pointed to."""
    alias = schema.alias
    for row in connection.execute(select(alias).where(alias.c.name == name)).all():
        if moved.get(row.version, row.version) != row.version:
            here = alias.c.n == row.n
            connection.execute(update(alias).where(here).values(version=moved[row.version]))
