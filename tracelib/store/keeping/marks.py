"""What people add to what is stored: tags, aliases, comments and scores. What was said is not changed.

A call or run is named by its id, with or without dashes; a version by its hash.
"""

from __future__ import annotations

import getpass
import math
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, select

from tracelib.errors import StoreError, UnknownRecord
from tracelib.redaction import DEFAULT as REDACTOR
from tracelib.store.database import Database
from tracelib.store.rows import StoredFeedback, moment, raw_id
from tracelib.store.schema import alias as alias_move
from tracelib.store.schema import call, feedback, function, parameter, run, update, version
from tracelib.store.schema import tag as tag_row
from tracelib.store.values.blobs import adding

KINDS = ("call", "version", "run")
"""What can be tagged and spoken about."""
SOURCES = ("human", "model", "code")
NOWHERE = ""
"""The version to which an alias that was removed points."""
LONGEST = 200  # characters of a tag or alias


@dataclass(frozen=True)
class AliasMove:
    """One move of an alias; `version` is None when it was removed."""

    name: str
    alias: str
    version: str | None
    at: datetime
    by: str


def tag(database: Database, kind: str, target: str, *tags: str) -> tuple[str, ...]:
    """Put tags on a call, version or run, and give all it has; raises UnknownRecord when it is not there."""
    named = [REDACTOR.text(_name("tag", one)) for one in tags]
    with database.writing() as connection:
        found = found_target(connection, kind, target)
        now = time.time_ns()
        for one in sorted(set(named)):
            row = {"target_kind": kind, "target": found, "tag": one, "time_ns": now}
            connection.execute(adding(connection, tag_row), row)
        return _tags(connection, kind, found)


def untag(database: Database, kind: str, target: str, *tags: str) -> tuple[str, ...]:
    """Take tags off, and give those that are left; one that was not on it is no error."""
    with database.writing() as connection:
        found = found_target(connection, kind, target)
        mine = (tag_row.c.target_kind == kind) & (tag_row.c.target == found)
        connection.execute(delete(tag_row).where(mine, tag_row.c.tag.in_(tags)))
        return _tags(connection, kind, found)


def tags_of(database: Database, kind: str, target: str) -> tuple[str, ...]:
    """In alphabetical order."""
    with database.reading() as connection:
        return _tags(connection, kind, found_target(connection, kind, target))


def move_alias(
    database: Database, name: str, alias: str, version: int | str, by: str | None = None
) -> AliasMove:
    """Let an alias of a function or program ("production") point to one of its versions or states.

    `version` is a number, or a version's hash. Raises UnknownRecord when there is no such name or version.
    """
    _name("alias", alias)
    with database.writing() as connection:
        return _moved(connection, name, alias, _numbered(connection, name, str(version)), by)


def remove_alias(database: Database, name: str, alias: str, by: str | None = None) -> AliasMove:
    """Let an alias point nowhere; its log stays. Raises UnknownRecord when it points nowhere already."""
    with database.writing() as connection:
        if alias not in _aliases(connection, name):
            raise UnknownRecord(
                f"{name} has no alias {alias!r}: it has {_listed(_aliases(connection, name))}"
            )
        return _moved(connection, name, alias, NOWHERE, by)


def aliases(database: Database, name: str) -> dict[str, str]:
    """Where the aliases of a name point now: alias -> version number."""
    with database.reading() as connection:
        return _aliases(connection, name)


def alias_log(database: Database, name: str, alias: str | None = None) -> list[AliasMove]:
    """Every move there was, oldest first; of one alias when it is given."""
    with database.reading() as connection:
        return [_move(row) for row in connection.execute(_moves(name)) if alias in (None, row.alias)]


def say(
    database: Database,
    kind: str,
    target: str,
    text: str,
    name: str = "comment",
    score: float | None = None,
    source: str = "human",
    by: str | None = None,
) -> StoredFeedback:
    """Keep what is said about a call, version or run; higher is better. `by` is the user unless given.

    Raises UnknownRecord when what it is about is not there, StoreError when nothing is said.
    """
    _check_said(text, name, score, source)
    with database.writing() as connection:
        row = {
            "target_kind": kind,
            "target": found_target(connection, kind, target),
            "name": name,
            "score": score,
            "text": storable(text),
            "source": source,
            "by": storable(by or user_name()),
            "time_ns": time.time_ns(),
        }
        return _said(connection.execute(feedback.insert().values(row).returning(feedback)).one())


def said(database: Database, kind: str, target: str) -> list[StoredFeedback]:
    """What was said about one call, version or run, oldest first."""
    with database.reading() as connection:
        found = found_target(connection, kind, target)
        mine = (feedback.c.target_kind == kind) & (feedback.c.target == found)
        rows = connection.execute(select(feedback).where(mine).order_by(feedback.c.n))
        return [_said(row) for row in rows]


def user_name() -> str:
    """Who is logged in; "unknown" where the system does not tell, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # no entry for the user, by Python version; no pwd on Windows
        return "unknown"


def storable(text: str) -> str:
    """The text without secrets, and without what a database refuses: null, and halves of surrogate pairs."""
    text = REDACTOR.text(text)
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def found_target(connection: Connection, kind: str, target: str) -> str:
    """A target as tags and feedback name it; raises UnknownRecord when it is not stored."""
    if kind not in KINDS:
        raise StoreError(f"{kind!r} cannot be marked: it is one of {', '.join(KINDS)}")
    named = target if kind == "version" else _hex(kind, target)
    if connection.execute(_existing(kind, named).limit(1)).first() is None:
        raise UnknownRecord(f"no {kind} {target} is stored")
    return named


def _existing(kind: str, named: str) -> Select[Any]:
    if kind == "version":
        return select(version.c.n).where(version.c.hash == named)
    table = call if kind == "call" else run
    return select(table.c.n).where(table.c.id == bytes.fromhex(named))


def _hex(kind: str, target: str) -> str:
    try:
        return raw_id(target).hex()
    except ValueError as error:
        raise UnknownRecord(f"{target!r} is no id of a {kind}: it has 32 hexadecimal digits") from error


def _tags(connection: Connection, kind: str, found: str) -> tuple[str, ...]:
    mine = (tag_row.c.target_kind == kind) & (tag_row.c.target == found)
    return tuple(sorted(connection.execute(select(tag_row.c.tag).where(mine)).scalars()))


def _name(what: str, given: str) -> str:
    if not given or given != given.strip() or len(given) > LONGEST or not given.isprintable():
        raise StoreError(f"{given!r} is no {what}: 1 to {LONGEST} printable characters, no blank at its ends")
    if what == "alias" and (given.isdigit() or "@" in given):
        raise StoreError(f"{given!r} is no alias: it must not be a number, nor have an @ in it")
    return given


def _moves(name: str) -> Select[Any]:
    return select(alias_move).where(alias_move.c.name == name).order_by(alias_move.c.n)


def _aliases(connection: Connection, name: str) -> dict[str, str]:
    last = {row.alias: row.version for row in connection.execute(_moves(name))}
    return {alias: last[alias] for alias in sorted(last) if last[alias] != NOWHERE}


def _moved(connection: Connection, name: str, alias: str, number: str, by: str | None) -> AliasMove:
    """The moves of a name have times that grow, also where a clock was set back: they are ordered by them."""
    newest = select(func.max(alias_move.c.time_ns)).where(alias_move.c.name == name)
    last = connection.execute(newest).scalar()
    row = {"name": name, "alias": alias, "version": number, "time_ns": max(time.time_ns(), (last or 0) + 1)}
    row["by"] = storable(by or user_name())
    return _move(connection.execute(alias_move.insert().values(row).returning(alias_move)).one())


def _move(row: Row[Any]) -> AliasMove:
    pointed = None if row.version == NOWHERE else row.version
    return AliasMove(row.name, row.alias, pointed, moment(row.time_ns), row.by)


def _numbered(connection: Connection, name: str, given: str) -> str:
    """The number of a version of a function, or of a state of a program, that there is."""
    known = connection.execute(
        select(version.c.number, version.c.hash)
        .join(function, function.c.n == version.c.function)
        .where(function.c.key == name)
    ).all()
    states = connection.execute(
        select(func.count(update.c.n))
        .join(parameter, parameter.c.n == update.c.parameter)
        .where(parameter.c.program == name)
    ).scalar_one()
    if not known and not states:
        raise UnknownRecord(f"nothing is stored under the name {name!r}")
    numbers = {str(number) for number, _ in known} | {str(n + 1) for n in range(states)}
    by_hash = {hash: str(number) for number, hash in known}
    number = by_hash.get(given, given)
    if number not in numbers:
        raise UnknownRecord(f"{name} has no version {given}: it has {_listed(numbers)}")
    return number


def _listed(names: Any) -> str:
    ordered = sorted(names, key=lambda name: (len(name), name))
    shown = ", ".join(ordered[:10])
    return shown + (f" and {len(ordered) - 10} more" if len(ordered) > 10 else "") if ordered else "none"


def _check_said(text: str, name: str, score: float | None, source: str) -> None:
    _name("name of feedback", name)
    if source not in SOURCES:
        raise StoreError(f"{source!r} is no source of feedback: it is one of {', '.join(SOURCES)}")
    if score is not None and not math.isfinite(score):
        raise StoreError(f"a score is a finite number, higher is better: {score} is none")
    if not text and score is None:
        raise StoreError("feedback needs a text or a score")


def _said(row: Row[Any]) -> StoredFeedback:
    return StoredFeedback(
        row.n,
        row.target_kind,
        row.target,
        row.name,
        row.score,
        row.text,
        row.source,
        row.by,
        moment(row.time_ns),
    )
