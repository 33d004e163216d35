"""Finding rows by what people call them, and many rows by their numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any

from sqlalchemy import Column, Connection, Row, or_, select

from tracelib.errors import StoreError, UnknownRecord
from tracelib.store.filters.conditions import Clause
from tracelib.store.schema import function, tag

AT_ONCE = 500
"""Values in one list of a statement."""


def check_limit(limit: int | None, offset: int = 0) -> None:
    """Raises StoreError for what is no number of rows."""
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise StoreError(f"a limit is a number from 1, or None for all, not {limit!r}")
    if isinstance(offset, bool) or not isinstance(offset, int) or offset < 0:
        raise StoreError(f"an offset is a number from 0, not {offset!r}")


def named(connection: Connection, name: str) -> Clause:
    """The condition on `function` for a name or `module:qualname`; raises UnknownRecord."""
    condition = or_(function.c.name == name, function.c.key == name)
    if connection.execute(select(function.c.n).where(condition).limit(1)).first() is None:
        raise UnknownRecord(f"no function {name} is stored{suggestion(connection, name)}")
    return condition


def suggestion(connection: Connection, name: str) -> str:
    """What may have been meant, as the end of a message."""
    known = connection.execute(select(function.c.name, function.c.key).order_by(function.c.n)).all()
    near = get_close_matches(name, dict.fromkeys([each for pair in known for each in pair]), 3)
    return f": did you mean {' or '.join(near)}?" if near else ""


def by(
    connection: Connection, key: Column[Any], values: Iterable[Any], columns: Sequence[Any] = ()
) -> list[Row[Any]]:
    """The rows of a table whose key is one of many values, None left out."""
    found: list[Row[Any]] = []
    for some in _pieces(values):
        found += connection.execute(select(*columns or [key.table]).where(key.in_(some))).all()
    return found


def _pieces(values: Iterable[Any]) -> Iterator[list[Any]]:
    """The values, each once, in lists that a statement takes."""
    wanted = sorted({value for value in values if value is not None})
    for at in range(0, len(wanted), AT_ONCE):
        yield wanted[at : at + AT_ONCE]


def tags_of(connection: Connection, kind: str, targets: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The tags of many calls, versions or runs, in alphabetical order, by target."""
    found: dict[str, list[str]] = {}
    for some in _pieces(targets):
        asked = select(tag.c.target, tag.c.tag).where(tag.c.target_kind == kind, tag.c.target.in_(some))
        for target, one in connection.execute(asked):
            found.setdefault(target, []).append(one)
    return {target: tuple(sorted(tags)) for target, tags in found.items()}
