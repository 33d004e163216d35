"""What the names in a filter stand for that are kept beside calls: versions, runs, tags and feedback."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Float, String, and_, cast, exists, literal, or_, select

from tracelib.store.filters.conditions import Clause, Condition, Hint, Single
from tracelib.store.filters.engines import bound, bound_bytes, contains, folded, hexadecimal, starts
from tracelib.store.filters.operands import Misuse, Number, Restful, number_of, only_equal, ordered, text_of
from tracelib.store.schema import alias, call, feedback, function, run, tag, version


@dataclass(frozen=True)
class OfVersion(Restful):
    """The version of a call: compared with a number, a hash or its beginning, "name@3" or "name@alias"."""

    what: str = "version"

    def compared(self, operator: str, value: Any) -> Condition:
        if isinstance(value, str):
            only_equal(operator, "a version's hash")
            return self._of(version_named(text_of(value, self.what)))
        number = literal(number_of(value, "a version's number"), Float())
        return self._of(ordered(version.c.number, operator, number))

    def known(self) -> Condition:
        return Single(call.c.version.isnot(None))

    def _of(self, condition: Clause) -> Single:
        among = call.c.version.in_(select(version.c.n).where(condition))
        return Single(among, call.c.version.isnot(None), hint=Hint(versions=condition))


def version_named(which: str) -> Clause:
    """The condition on rows of `version` for "name@3", "name@alias", or the beginning of a hash."""
    name, at, mark = which.rpartition("@")
    if at and name and mark:
        of_name = or_(function.c.name == bound(name), function.c.key == bound(name))
        named = select(function.c.n).where(of_name)
        return and_(version.c.function.in_(named), cast(version.c.number, String) == _marked(mark))
    scheme, colon, digits = which.rpartition(":")
    if not re.fullmatch("[0-9a-f]+", digits.lower()):
        raise Misuse(f'{which!r} is no version: write a number, the beginning of a hash, or "name@3"')
    return (
        starts(version.c.hash, f"{scheme}:{digits.lower()}")
        if colon
        else contains(version.c.hash, f":{digits.lower()}")
    )


def _marked(mark: str) -> ColumnElement[str]:
    """The number, as text, that an alias of a version's function stands for now, or a number itself."""
    if mark.isdecimal():
        return bound(str(int(mark)))
    return (
        select(alias.c.version)
        .join(function, function.c.key == alias.c.name)
        .where(function.c.n == version.c.function, alias.c.alias == bound(mark))
        .order_by(alias.c.n.desc())
        .limit(1)
        .correlate(version)
        .scalar_subquery()
    )


@dataclass(frozen=True)
class OfRun(Restful):
    """The run that a call belongs to, by name or id."""

    what: str = "run"

    def compared(self, operator: str, value: Any) -> Condition:
        only_equal(operator, self.what)
        named: Clause = run.c.name == bound(text_of(value, self.what))
        digits = value.replace("-", "").lower()
        if re.fullmatch("[0-9a-f]{32}", digits):
            named = or_(named, run.c.id == bound_bytes(bytes.fromhex(digits)))
        return Single(call.c.run.in_(select(run.c.n).where(named)), call.c.run.isnot(None))

    def known(self) -> Condition:
        return Single(call.c.run.isnot(None))


@dataclass(frozen=True)
class Tags(Restful):
    """The tags of a call."""

    what: str = "tags"

    def compared(self, operator: str, value: Any) -> Condition:
        raise Misuse('a call has any number of tags: write "good" in tags')

    def holds(self, needle: str) -> Condition:
        wanted = and_(tag.c.target_kind == "call", tag.c.tag == bound(text_of(needle, "a tag")))
        clause = exists().where(wanted, tag.c.target == hexadecimal(call.c.id))
        return Single(clause, hint=Hint(ids=select(tag.c.target).where(wanted)))

    def known(self) -> Condition:
        clause = exists().where(tag.c.target_kind == "call", tag.c.target == hexadecimal(call.c.id))
        return Single(clause, hint=Hint(ids=select(tag.c.target).where(tag.c.target_kind == "call")))


def _about_call(*said: Clause) -> Single:
    """Whether something that meets these conditions was said about the call."""
    wanted = and_(feedback.c.target_kind == "call", *said)
    clause = exists().where(wanted, feedback.c.target == hexadecimal(call.c.id))
    return Single(clause, hint=Hint(ids=select(feedback.c.target).where(wanted)))


@dataclass(frozen=True)
class Remarks(Restful):
    """The texts of all feedback on a call."""

    what: str = "feedback"
    column: ColumnElement[str] = feedback.c.text

    def lower(self) -> Remarks:
        return Remarks(column=folded(self.column))

    def compared(self, operator: str, value: Any) -> Condition:
        only_equal(operator, self.what)
        return _about_call(self.column == bound(text_of(value, self.what)))

    def holds(self, needle: str) -> Condition:
        return _about_call(contains(self.column, text_of(needle, self.what)))

    def known(self) -> Condition:
        return _about_call()


def score(name: str | None) -> Number:
    """The newest score of a call, of that name or of any."""
    wanted = and_(feedback.c.target_kind == "call", feedback.c.score.isnot(None))
    if name is not None:
        wanted = and_(wanted, feedback.c.name == bound(text_of(name, "the name of a score")))
    newest = select(feedback.c.score).where(wanted, feedback.c.target == hexadecimal(call.c.id))
    column = newest.order_by(feedback.c.n.desc()).limit(1).correlate(call).scalar_subquery()
    what = "score" if name is None else f"score({name!r})"
    return Number(what, column, hint=Hint(ids=select(feedback.c.target).where(wanted)))
