"""What a filter asks, as a tree: SQL for the database, and a judgement in Python where blobs are read.

A condition on something unknown (NULL) is neither so nor not so: no row is selected by it, nor by its
`not`. Negations are pushed down to the single conditions, each of which knows when it is answerable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, exists, not_, or_
from sqlalchemy.sql.elements import Grouping

from tracelib.store.schema import blob_use, call

Clause = ColumnElement[bool]
Judge = Callable[["Values"], "bool | None"]
TOGETHER = 25
"""Conditions that stand side by side in SQL."""


@dataclass(frozen=True)
class Values:
    """The values of a call, blobs in place: inputs as json.loads gives them, the output's JSON or None."""

    inputs: Mapping[str, Any]
    output: str | None


@dataclass(frozen=True)
class Hint:
    """What a condition says beside: how the calls that meet it are found without looking at all of them.

    `functions` and `versions` are the same condition on rows of those tables. `earliest` and `latest` bound
    the start, in unix nanoseconds. `ids` selects the ids of the calls, in hexadecimal.
    """

    functions: Clause | None = None
    versions: Clause | None = None
    earliest: int | None = None
    latest: int | None = None
    ids: Select[str] | None = None


NO_HINT = Hint()


@dataclass(frozen=True, eq=False)
class Single:
    """One condition. `known` is when it can be answered, for a clause that is not NULL then by itself.

    `judge` answers it from whole values: None when unknown.
    """

    clause: Clause
    known: Clause | None = None
    judge: Judge | None = None
    hint: Hint = NO_HINT

    def sql(self, positive: bool) -> Clause:
        if positive:
            return self.clause
        return not_(self.clause) if self.known is None else and_(self.known, not_(self.clause))

    def possible(self, positive: bool) -> Clause:
        """What every row that is to be selected meets, whatever its blobs hold."""
        if self.judge is None:
            return self.sql(positive)
        return or_(self.sql(positive), exists().where(blob_use.c.call == call.c.n))

    def answer(self) -> Clause:
        """True, false, or NULL when unknown."""
        return self.clause if self.known is None else case((self.known, self.clause))

    def singles(self) -> Iterator[Single]:
        yield self

    def truth(self, answers: dict[Single, bool | None]) -> bool | None:
        return answers[self]


@dataclass(frozen=True, eq=False)
class Junction:
    """Several conditions: all of them (and), or any of them (or)."""

    parts: Sequence[Condition]
    every: bool

    def sql(self, positive: bool) -> Clause:
        return self._joined(positive, [part.sql(positive) for part in self.parts])

    def possible(self, positive: bool) -> Clause:
        return self._joined(positive, [part.possible(positive) for part in self.parts])

    def _joined(self, positive: bool, clauses: list[Clause]) -> Clause:
        return _joined(and_ if self.every is positive else or_, clauses)

    def singles(self) -> Iterator[Single]:
        for part in self.parts:
            yield from part.singles()

    def truth(self, answers: dict[Single, bool | None]) -> bool | None:
        found = [part.truth(answers) for part in self.parts]
        deciding = not self.every
        return deciding if deciding in found else None if None in found else not deciding


@dataclass(frozen=True, eq=False)
class Negation:
    """The opposite of a condition."""

    part: Condition

    def sql(self, positive: bool) -> Clause:
        return self.part.sql(not positive)

    def possible(self, positive: bool) -> Clause:
        return self.part.possible(not positive)

    def singles(self) -> Iterator[Single]:
        yield from self.part.singles()

    def truth(self, answers: dict[Single, bool | None]) -> bool | None:
        found = self.part.truth(answers)
        return None if found is None else not found


Condition = Single | Junction | Negation


def required(condition: Condition) -> Iterator[Single]:
    """The single conditions that every selected row meets: those joined by `and` at the top."""
    if isinstance(condition, Single):
        yield condition
    elif isinstance(condition, Junction) and condition.every:
        for part in condition.parts:
            yield from required(part)


def _joined(join: Callable[..., Clause], clauses: Sequence[Clause]) -> Clause:
    """All of them, the many as few of few each: SQLite takes no expression that is deeper than 1,000."""
    if len(clauses) <= TOGETHER:
        return join(*clauses)
    pieces = (clauses[at : at + TOGETHER] for at in range(0, len(clauses), TOGETHER))
    return join(*(Grouping(join(*piece)) for piece in pieces))


def all_of(parts: Sequence[Condition]) -> Condition:
    return parts[0] if len(parts) == 1 else Junction(parts, every=True)


def any_of(parts: Sequence[Condition]) -> Condition:
    return parts[0] if len(parts) == 1 else Junction(parts, every=False)
