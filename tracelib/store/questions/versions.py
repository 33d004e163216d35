"""Stored versions: of a function, one by any of its names, and the functions there are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, func, or_, select

from tracelib.errors import UnknownRecord
from tracelib.store.database import Database
from tracelib.store.filters.conditions import Clause
from tracelib.store.questions.lookup import by, check_limit, named, suggestion, tags_of
from tracelib.store.rows import StoredFunction, StoredVersion, moment
from tracelib.store.schema import alias, call, function, use, version
from tracelib.store.values.decoding import decode

FEWEST_DIGITS = 4
"""A shorter beginning of a hash is taken for a name."""


def versions(
    database: Database, name: str | None = None, limit: int | None = None, offset: int = 0
) -> list[StoredVersion]:
    """The versions of functions of that name (or `module:qualname`), of all without one; newest first.

    Raises UnknownRecord, with names that are near, for one that is not stored.
    """
    check_limit(limit, offset)
    with database.reading() as connection:
        asked = _selected().order_by(version.c.created_ns.desc(), version.c.n.desc()).limit(limit)
        if name is not None:
            asked = asked.where(named(connection, name))
        return _finished(connection, connection.execute(asked.offset(offset)).all())


def version_of(database: Database, which: str) -> StoredVersion:
    """One version, by "name" (its newest), "name@3", "name@alias", "name@<hash>" or the start of a hash.

    A name is that of a function, or `module:qualname`. Raises UnknownRecord when there is none, or several:
    the message names them.
    """
    with database.reading() as connection:
        return _finished(connection, [_found(connection, which)])[0]


def functions(database: Database) -> list[StoredFunction]:
    """Every recorded function, with what is known of its calls; by `module:qualname`."""
    with database.reading() as connection:
        calls = {row[0]: (row[1], moment(row[2])) for row in connection.execute(_CALLS)}
        counted = {row[0]: row[1] for row in connection.execute(_VERSIONS)}
        failed: Counter[int] = Counter()
        for _, number, count in connection.execute(_FAILURES):
            failed[number] += count
        rows = connection.execute(select(function).order_by(function.c.key)).all()
        return [
            StoredFunction(
                row.key, row.name, row.kind, counted.get(row.n, 0), *_counts(calls.get(row.n), failed[row.n])
            )
            for row in rows
        ]


# Each of these is answered by an index alone.
_CALLS = select(call.c.function, func.count(), func.max(call.c.start_ns)).group_by(call.c.function)
_VERSIONS = select(version.c.function, func.count()).group_by(version.c.function)
_FAILURES = (
    select(call.c.error_type, call.c.function, func.count())
    .where(call.c.error_type.isnot(None))
    .group_by(call.c.error_type, call.c.function)
)


def _counts(known: tuple[int, datetime] | None, failed: int) -> tuple[int, int, datetime | None]:
    """Calls, failures, and the start of the newest."""
    return (0, 0, None) if known is None else (known[0], failed, known[1])


def _selected() -> Select[Any]:
    columns: list[Any] = [function.c.key, function.c.kind.label("function_kind"), version]
    made: Select[Any] = select(*columns)
    return made.join_from(version, function, function.c.n == version.c.function)


def _found(connection: Connection, which: str) -> Row[Any]:
    """The row that is meant."""
    name, at, mark = which.rpartition("@")
    if at:
        return _marked(connection, name, mark)
    named_so = or_(function.c.name == which, function.c.key == which)
    rows = connection.execute(_selected().where(named_so).order_by(version.c.number)).all()
    if rows:
        return _single(which, rows, newest=True)
    if re.fullmatch(rf"(\w+:)?[0-9a-f]{{{FEWEST_DIGITS},}}", which.lower()):
        return _by_hash(connection, which.lower(), _selected())
    known = connection.execute(select(function.c.n).where(named_so)).first()
    if known is not None:
        raise UnknownRecord(f"no version of {which} is stored")
    raise UnknownRecord(f"no version or function {which} is stored{suggestion(connection, which)}")


def _marked(connection: Connection, name: str, mark: str) -> Row[Any]:
    """A version of a name by its number, an alias, or the beginning of its hash."""
    condition = named(connection, name)
    if mark.isdecimal():
        numbered = _selected().where(condition, version.c.number == min(int(mark), 2**31 - 1))
        return _single(f"{name}@{mark}", _some(connection, numbered, name, mark), newest=False)
    moves = select(function.c.key, alias.c.alias, alias.c.version).join_from(
        alias, function, and_(function.c.key == alias.c.name, condition)
    )
    pointed = {(key, label): number for key, label, number in connection.execute(moves.order_by(alias.c.n))}
    numbers = {key: number for (key, label), number in pointed.items() if label == mark and number}
    if numbers:
        return _single(f"{name}@{mark}", _pointed(connection, numbers), newest=False)
    if re.fullmatch(r"(\w+:)?[0-9a-f]+", mark.lower()):
        return _by_hash(connection, mark.lower(), _selected().where(condition))
    labels = sorted({label for (_, label), number in pointed.items() if number})
    raise UnknownRecord(f"{name} has no alias {mark}: it has {', '.join(labels) or 'none'}")


def _pointed(connection: Connection, numbers: dict[str, str]) -> Sequence[Row[Any]]:
    mine = [and_(function.c.key == key, version.c.number == int(number)) for key, number in numbers.items()]
    return connection.execute(_selected().where(or_(*mine))).all()


def _some(connection: Connection, asked: Select[Any], name: str, mark: str) -> Sequence[Row[Any]]:
    rows = connection.execute(asked).all()
    if not rows:
        mine = select(func.max(version.c.number)).where(version.c.function == function.c.n)
        last = connection.execute(mine.where(named(connection, name))).scalar()
        raise UnknownRecord(f"{name} has no version {mark}: the newest is {last or 'none yet'}")
    return rows


def _by_hash(connection: Connection, digits: str, asked: Select[Any]) -> Row[Any]:
    """The version whose hash begins so. Equal code in two places has one hash: the first of them is taken."""
    rows = connection.execute(asked.where(hash_begins(digits)).order_by(version.c.n)).all()
    hashes = list(dict.fromkeys(row.hash for row in rows))
    if not hashes:
        raise UnknownRecord(f"no version {digits} is stored")
    if len(hashes) > 1:
        some = ", ".join(f"{row.key}@{row.number} {row.hash}" for row in rows[:3])
        raise UnknownRecord(f"several versions begin with {digits}: {some}{', ...' if len(rows) > 3 else ''}")
    return rows[0]


def hash_begins(digits: str) -> Clause:
    """The condition on a version for the beginning of its hash, with or without the scheme before it."""
    _, colon, rest = digits.rpartition(":")
    after = func.substr(version.c.hash, 1, len(digits)) == digits
    bare = version.c.hash.like(f"%:{rest}%")  # digits only: nothing in it is a wildcard
    return after if colon else bare


def _single(which: str, rows: Sequence[Row[Any]], newest: bool) -> Row[Any]:
    """The row of the only function among them."""
    keys = sorted({row.key for row in rows})
    if len(keys) > 1:
        several = " or ".join(keys[:5])
        raise UnknownRecord(f"{which} is the name of several functions: write {several}")
    return rows[-1] if newest else rows[0]


def _finished(connection: Connection, rows: Sequence[Row[Any]]) -> list[StoredVersion]:
    """Rows of `version` as people see them."""
    numbers = [row.n for row in rows]
    counts = _calls_of(connection, numbers)
    parents = {row.n: row.hash for row in by(connection, version.c.n, [row.parent for row in rows])}
    tags = tags_of(connection, "version", [row.hash for row in rows])
    uses: dict[int, list[tuple[str, str]]] = {}
    for row in by(connection, use.c.version, numbers):
        uses.setdefault(row.version, []).append((row.used_key, row.used_hash))
    aliases = _aliases(connection, {row.key for row in rows})
    return [
        _version(row, counts.get(row.n, 0), uses.get(row.n, []), parents.get(row.parent), tags, aliases)
        for row in rows
    ]


def _calls_of(connection: Connection, numbers: Sequence[int]) -> dict[int, int]:
    counted = select(call.c.version, func.count()).where(call.c.version.in_(numbers)).group_by(call.c.version)
    return {row[0]: row[1] for row in connection.execute(counted)}


def _aliases(connection: Connection, keys: set[str]) -> dict[tuple[str, str], tuple[str, ...]]:
    """The aliases of each version of some functions now, by key and number."""
    moves = sorted(by(connection, alias.c.name, keys), key=lambda row: row.n)
    pointed = {(row.name, row.alias): row.version for row in moves}
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for (key, label), number in sorted(pointed.items()):
        found[key, number] = (*found.get((key, number), ()), label)
    return found


def _version(
    row: Row[Any],
    calls: int,
    uses: list[tuple[str, str]],
    parent: str | None,
    tags: dict[str, tuple[str, ...]],
    aliases: dict[tuple[str, str], tuple[str, ...]],
) -> StoredVersion:
    return StoredVersion(
        id=row.hash,
        name=row.key,
        number=row.number,
        kind=row.function_kind,
        source=row.source,
        dependencies=row.dependencies,
        created_at=moment(row.created_ns),
        message=row.message,
        message_by=row.message_by,
        api_params=decode(row.api_params),
        initial_free_vars=decode(row.free_values),
        initial_global_vars=decode(row.global_values),
        partial=row.partial,
        calls=calls,
        uses=tuple(sorted(uses)),
        parent=parent,
        tags=tags.get(row.hash, ()),
        aliases=aliases.get((row.key, str(row.number)), ()),
        description=row.description,
        closure=row.closure,
    )
