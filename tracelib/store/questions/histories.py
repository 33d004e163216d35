"""Stored histories of parameters: every change, and the values of a program as they were at some point.

The states of a program are numbered from 1 by the changes of its parameters, in the order in which they
were written down.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Any

from sqlalchemy import Connection, Row, Select, Subquery, func, select

from tracelib.errors import StoreError, UnknownRecord
from tracelib.store.database import Database
from tracelib.store.filters.operands import EPOCH, MOST
from tracelib.store.questions.calls import call_id
from tracelib.store.rows import StoredUpdate, moment
from tracelib.store.schema import alias, call, parameter, update
from tracelib.store.values.decoding import decode

At = datetime | int | str | None
"""A time or the number of a state; as text also an alias of the program or the id of a call."""


def updates(
    database: Database, program: str | None = None, path: str | None = None, at: At = None
) -> list[StoredUpdate]:
    """The changes of a program's parameters (of all programs without one), oldest first, up to a point.

    Raises UnknownRecord for a program or path that is not stored, StoreError for a point that is none.
    """
    with database.reading() as connection:
        whole = None if program is None else program_called(connection, program)
        rows = _until(connection, whole, at)
        if path is not None:
            rows = [row for row in rows if row.path == path] or _no_path(connection, whole, path)
        return [_update(row) for row in rows]


def parameters(database: Database, program: str, at: At = None) -> dict[str, Any]:
    """The values of a program's parameters by path: now, or at a time, a state's number, an alias or a call.

    At a call they are those of the moment when it started. A parameter that was first seen later is absent.
    Raises UnknownRecord for a program that is not stored.
    """
    with database.reading() as connection:
        rows = _until(connection, program_called(connection, program), at)
        return {row.path: decode(row.new) for row in rows}


def programs(database: Database) -> dict[str, int]:
    """The programs that have parameters, with the number of each one's newest state."""
    with database.reading() as connection:
        counted = select(parameter.c.program, func.count()).join_from(
            update, parameter, parameter.c.n == update.c.parameter
        )
        rows = connection.execute(counted.group_by(parameter.c.program).order_by(parameter.c.program))
        return {row[0]: row[1] for row in rows}


def program_called(connection: Connection, program: str) -> str:
    """The whole name of a program, `module:qualname`, given it or its end; raises UnknownRecord."""
    known: list[str] = sorted(connection.execute(select(parameter.c.program).distinct()).scalars())
    if program in known:
        return program
    found = [one for one in known if one.endswith((":" + program, "." + program))]
    if len(found) == 1:
        return found[0]
    if found:
        raise UnknownRecord(f"{program} is the name of several programs: write {' or '.join(found[:5])}")
    near = get_close_matches(program, [*known, *(one.rpartition(":")[2] for one in known)], 3)
    hint = f": did you mean {' or '.join(near)}?" if near else ""
    raise UnknownRecord(f"no parameters of a program {program} are stored{hint}")


def _until(connection: Connection, program: str | None, at: At) -> list[Row[Any]]:
    numbered = _numbered()
    asked: Select[Any] = select(numbered).order_by(numbered.c.n)
    if program is not None:
        asked = asked.where(numbered.c.program == program)
    point = at if at is None or isinstance(at, datetime) else _point(connection, program, at)
    if isinstance(point, datetime):
        asked = asked.where(numbered.c.time_ns <= _nanoseconds(point))
    elif isinstance(point, _Start):
        asked = asked.where(numbered.c.time_ns <= point)
    elif point is not None:
        asked = asked.where(numbered.c.number <= point)
        _check_number(connection, program, point)
    return list(connection.execute(asked).all())


class _Start(int):
    """Unix nanoseconds at which a call started, as opposed to the number of a state."""


def _numbered() -> Subquery:
    """Every change with the number of the state of its program that it led to."""
    order = func.row_number().over(partition_by=parameter.c.program, order_by=update.c.n).label("number")
    columns: list[Any] = [update, parameter.c.program, parameter.c.path, parameter.c.is_code, order]
    made: Select[Any] = select(*columns)
    return made.join_from(update, parameter, parameter.c.n == update.c.parameter).subquery()


def _point(connection: Connection, program: str | None, at: int | str) -> datetime | int:
    """What a number or a text stands for."""
    if isinstance(at, int):
        return at
    if at.isdecimal():
        return int(at)
    moves = select(alias.c.version).where(alias.c.name == program, alias.c.alias == at)
    pointed = connection.execute(moves.order_by(alias.c.n.desc()).limit(1)).scalar()
    if pointed:
        return int(pointed)
    if re.fullmatch("[0-9a-fA-F-]{8,36}", at) and not re.fullmatch(r"\d{4}-\d\d-\d\d", at):
        found = call_id(connection, at)
        return _Start(connection.execute(select(call.c.start_ns).where(call.c.id == found)).scalar_one())
    try:
        return datetime.fromisoformat(at)
    except ValueError:
        raise UnknownRecord(
            f"{at!r} is no state of {program}: write its number, an alias, a time or the id of a call"
        ) from None


def _check_number(connection: Connection, program: str | None, number: int) -> None:
    if program is None:
        raise StoreError("a state has a number within its program: name the program")
    last = connection.execute(
        select(func.count())
        .join_from(update, parameter, parameter.c.n == update.c.parameter)
        .where(parameter.c.program == program)
    ).scalar_one()
    if not 1 <= number <= last:
        raise UnknownRecord(f"{program} has no state {number}: it has 1 to {last}")


def _no_path(connection: Connection, program: str | None, path: str) -> list[Row[Any]]:
    """Nothing, when the parameter is known and was changed later; raises UnknownRecord when it is not."""
    asked = select(parameter.c.path).distinct()
    known = connection.execute(asked if program is None else asked.where(parameter.c.program == program))
    paths = sorted(known.scalars())
    if path in paths:
        return []
    near = get_close_matches(path, paths, 3)
    hint = f": did you mean {' or '.join(near)}?" if near else f" (known are {', '.join(paths[:10])})"
    raise UnknownRecord(f"no parameter {path} is stored{hint}")


def _nanoseconds(at: datetime) -> int:
    """Unix time; UTC where it does not say."""
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(MOST, (aware - EPOCH) // timedelta(microseconds=1) * 1_000)


def _update(row: Row[Any]) -> StoredUpdate:
    return StoredUpdate(
        program=row.program,
        path=row.path,
        at=moment(row.time_ns),
        old=None if row.old is None else decode(row.old),
        new=decode(row.new),
        because=row.because,
        by=row.by,
        score=row.score,
        is_code=row.is_code,
        number=row.number,
    )
