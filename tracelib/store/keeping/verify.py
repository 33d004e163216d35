"""Checking a store: every hash derived again, every reference followed, every value opened.

Nothing is repaired. Each finding says what is wrong, with whom, and what to do.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, Select, select
from sqlalchemy.exc import DBAPIError

from tracelib.errors import StoreError
from tracelib.store import schema
from tracelib.store.database import Database
from tracelib.store.draining.drain import damaged as damaged_files
from tracelib.store.journal.segments import Segment, segments
from tracelib.store.keeping.lines import REFERENCE, SECTIONS, is_id
from tracelib.store.keeping.references import (
    DAMAGED,
    HARMLESS,
    MEND,
    NUMBERS_OF_CALLS,
    REFERENCES,
    RESTORE,
    TIDY,
)
from tracelib.store.rows import shown_id
from tracelib.store.schema import (
    alias,
    blob,
    blob_use,
    call,
    function,
    payload,
    version,
)
from tracelib.store.values.blobs import Blobs, batches
from tracelib.versioning import Version, rederived

PAGE = 200
"""Rows that are read together."""
SHOWN = 20
"""Findings of one kind that are told one by one."""

Rederive = Callable[[Version], str]
"""The hash of a version from its parts."""


@dataclass(frozen=True)
class Problem:
    """One finding. A `loss` is something that was stored and is not there; the rest is untidy only."""

    what: str
    which: str  # the id, hash or name that it is about
    advice: str
    loss: bool = True

    def __str__(self) -> str:
        return f"{self.which}: {self.what}. {self.advice}"


@dataclass(frozen=True)
class Verified:
    """What was checked, by kind, and what was found."""

    checked: dict[str, int]
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is lost; what is untidy may be among the problems."""
        return not any(problem.loss for problem in self.problems)

    def to_json(self) -> dict[str, Any]:
        return {"ok": self.ok, "checked": self.checked, "problems": [vars(one) for one in self.problems]}


def verify(
    database: Database,
    blobs: Blobs,
    journal_folder: Path | None = None,
    rederive: Rederive = rederived,
) -> Verified:
    """Read everything that is stored, at one moment, and say what is wrong with it.

    `rederive` gives a version's hash from its parts.
    """
    checked: dict[str, int] = {}
    problems: list[Problem] = []
    with database.reading() as connection:
        if not database.is_sqlite:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        checks = _Checks(database, connection, blobs, rederive, checked)
        asked = [checks.file, checks.blobs, checks.versions, checks.values, checks.references]
        if journal_folder is not None:
            asked.append(partial(checks.journal, journal_folder))
        for check in asked:
            problems += _few(_until_damage(check()))
        connection.rollback()  # of a damaged file not even that it was read can be committed
    return Verified(checked, tuple(problems))


def _until_damage(found: Iterator[Problem]) -> Iterator[Problem]:
    """What a check finds, and where it could not go on: the other checks may find more."""
    try:
        yield from found
    except DBAPIError as error:
        yield Problem("a part of the database cannot be read", " ".join(str(error.orig).split()), DAMAGED)


def _few(problems: Iterable[Problem]) -> Iterator[Problem]:
    """Of many that are alike the first ones, and how many more there are."""
    alike: dict[tuple[str, bool], list[Problem]] = {}
    for problem in problems:
        alike.setdefault((problem.what, problem.loss), []).append(problem)
    for (what, loss), found in alike.items():
        yield from found[:SHOWN]
        if len(found) > SHOWN:
            yield Problem(what, f"{len(found) - SHOWN} more", found[0].advice, loss)


class _Checks:
    """The checks of one store; each gives its findings."""

    def __init__(
        self,
        database: Database,
        connection: Connection,
        blobs: Blobs,
        rederive: Rederive,
        checked: dict[str, int],
    ) -> None:
        self._database = database
        self._connection = connection
        self._blobs = blobs
        self._rederive = rederive
        self._checked = checked

    def file(self) -> Iterator[Problem]:
        """What the engine itself finds."""
        if self._connection.dialect.name != "sqlite":
            return
        try:
            told = self._connection.exec_driver_sql("PRAGMA integrity_check(100)").scalars().all()
        except DBAPIError as error:
            told = [str(error.orig)]
        for line in told:
            if line != "ok":
                yield Problem("the database file is damaged", line, DAMAGED)

    def blobs(self) -> Iterator[Problem]:
        used = select(blob_use.c.hash).where(blob_use.c.hash == blob.c.hash).exists()
        unused = []
        for row in self._rows("blob", select(blob.c.hash, used.label("used")).order_by(blob.c.hash)):
            try:
                self._blobs.get(self._connection, row.hash)
            except StoreError as error:
                if self._is_pruned(row.hash):
                    continue
                yield Problem("a value is damaged or missing", str(error).partition(":")[0], MEND)
            if not row.used:
                unused.append(row.hash)
        for hash in unused:
            advice = "It only takes room; an export leaves it out"
            yield Problem("no call has this value", f"value {hash}", advice, loss=False)

    def _is_pruned(self, hash: str) -> bool:
        """Whether another process has removed the value since this look at the store began, file and all."""
        with self._database.reading() as now:
            return now.execute(select(blob.c.hash).where(blob.c.hash == hash)).first() is None

    def versions(self) -> Iterator[Problem]:
        asked = select(version, function.c.key).join(function, function.c.n == version.c.function)
        numbers: dict[str, list[int]] = {}
        for row in self._rows("version", asked.order_by(version.c.n)):
            numbers.setdefault(row.key, []).append(row.number)
            yield from self._version(row)
        for key, found in numbers.items():
            if sorted(found) != list(range(1, len(found) + 1)):
                what = "version numbers have gaps"
                yield Problem(what, key, RESTORE)

    def _version(self, row: Row[Any]) -> Iterator[Problem]:
        which = f"{row.key}@{row.number} ({row.hash})"
        advice = "Its row was changed after it was written: go back to a copy, or import an export elsewhere"
        try:
            found = Version.from_json(json.loads(row.closure))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            yield Problem(f"the closure cannot be read ({type(error).__name__})", which, advice)
            return
        if found.hash != row.hash or self._rederive(found) != row.hash:
            yield Problem("the closure has another hash", which, advice)
        if found.source != row.source or found.dependencies != row.dependencies:
            yield Problem("the source is not that of the closure", which, advice)

    def values(self) -> Iterator[Problem]:
        """Sections that are no JSON, and blobs that are referred to without being noted."""
        last = -1
        self._checked["payload"] = 0
        while True:
            page = select(payload).where(payload.c.call > last).order_by(payload.c.call).limit(PAGE)
            rows = self._connection.execute(page).all()
            noted = self._noted([row.call for row in rows])
            for row in rows:
                texts = [text for column in SECTIONS if (text := row._mapping[column.name]) is not None]
                if not all(_is_json(text) for text in texts):
                    yield Problem("a value of the call is no JSON", self._call(row.call), RESTORE)
                named = {hash for text in texts for hash in REFERENCE.findall(text)}
                if not named <= noted.get(row.call, set()):
                    what = "a value of the call is not noted as used"
                    yield Problem(what, self._call(row.call), TIDY)
            self._checked["payload"] += len(rows)
            if len(rows) < PAGE:
                return
            last = rows[-1].call

    def _noted(self, numbers: Sequence[int]) -> dict[int, set[str]]:
        found: dict[int, set[str]] = {}
        for row in self._connection.execute(select(blob_use).where(blob_use.c.call.in_(numbers))):
            found.setdefault(row.call, set()).add(row.hash)
        return found

    def references(self) -> Iterator[Problem]:
        self._checked["reference"] = len(REFERENCES)
        for reference in REFERENCES:
            shown = reference.column if reference.shown is None else reference.shown
            for value in self._connection.execute(reference.dangling()).scalars():
                which = self._call(value) if shown in NUMBERS_OF_CALLS else f"{shown.table.name} {value}"
                yield Problem(reference.what, which, reference.advice, reference.loss)
        yield from self._marks()
        yield from self._aliases()

    def _marks(self) -> Iterator[Problem]:
        """Tags and feedback of calls that are not there."""
        for table in (schema.tag, schema.feedback):
            asked = select(table.c.target).where(table.c.target_kind == "call").distinct()
            for batch in batches(self._connection.execute(asked).scalars()):
                ids = [bytes.fromhex(target) for target in batch if is_id(target)]
                there = select(call.c.id).where(call.c.id.in_(ids))
                known = {id.hex() for id in self._connection.execute(there).scalars()}
                for target in batch:
                    if target not in known:
                        what = f"there is {table.name} of a call that is gone"
                        yield Problem(what, f"call {target}", HARMLESS, loss=False)

    def _aliases(self) -> Iterator[Problem]:
        numbered = select(function.c.key, version.c.number).join(version, version.c.function == function.c.n)
        known: dict[str, set[str]] = {}
        for key, number in self._connection.execute(numbered):
            known.setdefault(key, set()).add(str(number))
        moves = self._connection.execute(select(alias).order_by(alias.c.n))
        current = {(move.name, move.alias): move.version for move in moves}
        programs = set(self._connection.execute(select(schema.parameter.c.program)).scalars())
        for (name, pointer), number in current.items():
            if number and number not in known.get(name, set()) and name not in programs:
                which = f"{pointer} of {name} -> {number}"
                yield Problem("the alias points to no version", which, "Move it, or remove it")

    def journal(self, folder: Path) -> Iterator[Problem]:
        """Segments that cannot be drained, and records in them that cannot be read."""
        positions = {row.segment: row.bytes for row in self._connection.execute(select(schema.position))}
        found = segments(folder)
        self._checked["segment"] = len(found)
        for segment in found:
            problem = segment.problem()
            if problem:
                yield Problem(
                    "a journal cannot be read", problem, "Keep the file; it may be of another version"
                )
                continue
            damaged = _damaged(segment, positions.get(segment.name, 0))
            if damaged:
                what = f"{damaged} records of a journal cannot be read"
                yield Problem(what, str(segment.path), "The file was damaged; what is whole is drained")
        for path in damaged_files(folder):
            what = "a part of a journal could not be read"
            yield Problem(what, str(path), "What could be read of it is in the database, the rest is lost")

    def _call(self, number: int) -> str:
        id = self._connection.execute(select(call.c.id).where(call.c.n == number)).scalar()
        return f"call {number} (which is gone)" if id is None else f"call {shown_id(id)}"

    def _rows(self, kind: str, asked: Select[Any]) -> Iterator[Row[Any]]:
        self._checked[kind] = 0
        for row in self._connection.execute(asked, execution_options={"yield_per": PAGE}):
            self._checked[kind] += 1
            yield row


def _damaged(segment: Segment, position: int) -> int:
    damaged = 0
    while True:
        batch = segment.read(position)
        damaged += batch.damaged
        if batch.offset <= position:
            return damaged
        position = batch.offset


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
