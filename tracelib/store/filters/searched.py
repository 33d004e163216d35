"""A call's values as a filter searches them: the JSON that is stored, or all of it where blobs are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic_core import to_json
from sqlalchemy import ColumnElement, and_, case, not_, select

from tracelib.store.filters.conditions import Clause, Condition, Judge, Single, Values
from tracelib.store.filters.engines import (
    bound,
    contains,
    escaped,
    folded,
    json_contains,
    json_ends,
    json_starts,
    member,
    plain_contains,
    plain_ends,
    plain_starts,
    small,
    starts,
)
from tracelib.store.filters.operands import Misuse, Restful, encodable, finite
from tracelib.store.schema import call, payload
from tracelib.store.values.blobs import compact
from tracelib.store.values.opened import BLOB


@dataclass(frozen=True)
class Value(Restful):
    """The output of a call, all its inputs, or the input of a name.

    The text of a string is the string; of anything else it is the JSON. Of a big value it is the first
    characters, unless blobs are read.
    """

    what: str
    column: ColumnElement[str]
    chosen: Callable[[Values], str | None]
    """The JSON of the whole value; None where there is none."""
    folded: bool = False
    comparable: bool = True

    def lower(self) -> Value:
        return replace(self, folded=True)

    def compared(self, operator: str, value: Any) -> Condition:
        if operator != "==":
            raise Misuse(f"{self.what} is compared as it is stored: use ==, !=, in or .startswith()")
        return self.among([value])

    def among(self, values: Sequence[Any]) -> Condition:
        if not self.comparable:
            raise Misuse('a call has any number of inputs: write inputs["name"] == ...')
        forms = {form for value in values for form in _forms(value)}
        column = folded(self.column) if self.folded else self.column
        return Single(column.in_(sorted(forms)), judge=self._judge(lambda text, _: text in forms, ""))

    def holds(self, needle: str) -> Condition:
        return self._condition(json_contains, plain_contains, needle)

    def starts(self, beginning: str) -> Condition:
        return self._condition(json_starts, plain_starts, beginning)

    def ends(self, end: str) -> Condition:
        found = self._condition(json_ends, plain_ends, end)
        return replace(found, clause=and_(found.clause, not_(starts(self.column, BLOB))))

    def known(self) -> Condition:
        there = and_(self.column.isnot(None), self.column != bound("null"))
        return Single(there, judge=lambda values: self.chosen(values) not in (None, "null"))

    def _condition(
        self,
        asked: Callable[[ColumnElement[str], str], Clause],
        judged: Callable[[str, str], bool],
        words: str,
    ) -> Single:
        encodable(words)
        prefix = case((starts(self.column, BLOB), member(self.column, bound("prefix"))), else_=self.column)
        row, text = (folded(self.column), folded(prefix)) if self.folded else (self.column, prefix)
        # What is nowhere in the row is in no part of it: one look at the row is mostly enough.
        clause = and_(contains(row, escaped(words)), asked(text, words))
        return Single(clause, judge=self._judge(judged, words))

    def _judge(self, judged: Callable[[str, str], bool], words: str) -> Judge:
        def judge(values: Values) -> bool | None:
            text = self.chosen(values)
            return None if text is None else judged(small(text) if self.folded else text, words)

        return judge


def _forms(value: Any) -> set[str]:
    """The ways in which JSON writes a value: 3 is 3.0 too, and 0.00001 is 1e-05 to another encoder."""
    if isinstance(value, str):
        encodable(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return {compact(value)}
    near = float(finite(value))
    forms = {compact(near), to_json(near).decode()} if near == value else set()
    return forms | ({"-0.0", "0"} if value == 0 else {compact(int(value))} if value == int(value) else set())


def _kept(column: ColumnElement[str]) -> ColumnElement[str]:
    return select(column).where(payload.c.call == call.c.n).correlate(call).scalar_subquery()


def _kept_member(name: str) -> ColumnElement[str]:
    """An input; NULL where all inputs are a reference to a blob, whose own members it must not be."""
    found = member(payload.c.inputs, bound(name))
    return _kept(case((not_(starts(payload.c.inputs, BLOB)), found)))


def output() -> Value:
    return Value("output", _kept(payload.c.output), lambda values: values.output)


def inputs() -> Value:
    return Value("inputs", _kept(payload.c.inputs), lambda values: compact(values.inputs), comparable=False)


def input_named(name: str) -> Value:
    """The input of that name; raises Misuse when no parameter can be called so."""
    encodable(name)
    if '"' in name or "\\" in name or "\0" in name:
        raise Misuse(f"no input is called {name!r}")

    def chosen(values: Values) -> str | None:
        inputs = values.inputs
        return compact(inputs[name]) if isinstance(inputs, dict) and name in inputs else None

    return Value(f"inputs[{name!r}]", _kept_member(name), chosen)
