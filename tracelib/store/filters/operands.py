"""The names in a filter that are columns of a call: each knows how it compares, and refuses the rest.

They give Conditions on rows of `call`, so that a condition fits any select from it.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Any, Protocol

from sqlalchemy import BigInteger, ColumnElement, Float, and_, cast, literal, select

from tracelib.errors import FilterError
from tracelib.store.filters.conditions import NO_HINT, Clause, Condition, Hint, Single
from tracelib.store.filters.engines import bound, bound_bytes, contains, ends, folded, starts
from tracelib.store.schema import STATUS, call, function

NANO = 10**9
MOST = 2**63 - 1
LARGEST = sys.float_info.max


class Misuse(FilterError):  # noqa: N818 - what happened
    """What is wrong with a part of a filter; the parser adds where."""


class Operand(Protocol):
    """A name in a filter, or what a subscript or call of one gives."""

    def compared(self, operator: str, value: Any) -> Condition:
        """`operator` is one of == < <= > >=, `value` a str, bool, int or float; raises Misuse."""

    def holds(self, needle: str) -> Condition:
        """`needle in operand`."""

    def known(self) -> Condition:
        """`operand is not None`."""


class Restful:
    """What an operand refuses unless it says otherwise."""

    what: str

    def compared(self, operator: str, value: Any) -> Condition:
        raise Misuse(f"{self.what} cannot be compared")

    def holds(self, needle: str) -> Condition:
        raise Misuse(f"{self.what} is no text to search")

    def known(self) -> Condition:
        raise Misuse(f"{self.what} is always there")


def text_of(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise Misuse(f'{what} is text: compare it with text, as in == "..."')
    if "\0" in value:
        raise Misuse(f"{what} holds no NUL character")
    return encodable(value)


def encodable(value: str) -> str:
    """The text; raises Misuse for half of a surrogate pair, which no database takes."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Misuse("half of a surrogate pair cannot be searched for") from None
    return value


def number_of(value: Any, what: str) -> int | float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Misuse(f"{what} is a number: compare it with a number")
    return finite(value)


def finite(value: int | float) -> int | float:
    """The number; raises Misuse for one that no float is near."""
    if not -LARGEST <= value <= LARGEST:
        raise Misuse("this is too large a number")
    return value


def only_equal(operator: str, what: str) -> None:
    if operator != "==":
        raise Misuse(f"{what} has no order: use ==, != or in")


@dataclass(frozen=True)
class Text(Restful):
    """A column of text; `of_function` says that it is one of `function`, which a call refers to."""

    what: str
    column: ColumnElement[str]
    nullable: bool = False
    of_function: bool = False
    folded: bool = False

    def lower(self) -> Text:
        return replace(self, column=folded(self.column), folded=True)

    def compared(self, operator: str, value: Any) -> Condition:
        only_equal(operator, self.what)
        return self._condition(self.column == bound(text_of(value, self.what)))

    def among(self, values: Sequence[Any]) -> Condition:
        return self._condition(self.column.in_([text_of(value, self.what) for value in values]))

    def holds(self, needle: str) -> Condition:
        return self._condition(contains(self.column, text_of(needle, self.what)))

    def starts(self, beginning: str) -> Condition:
        return self._condition(starts(self.column, text_of(beginning, self.what)))

    def ends(self, end: str) -> Condition:
        return self._condition(ends(self.column, text_of(end, self.what)))

    def known(self) -> Condition:
        return Single(self.column.isnot(None)) if self.nullable else super().known()

    def _condition(self, clause: Clause) -> Single:
        if not self.of_function:
            return Single(clause)
        return Single(call.c.function.in_(select(function.c.n).where(clause)), hint=Hint(functions=clause))


@dataclass(frozen=True)
class Status(Restful):
    """What became of a call, which is kept as a small number."""

    what: str = "status"

    def compared(self, operator: str, value: Any) -> Condition:
        only_equal(operator, self.what)
        if value not in STATUS:
            near = get_close_matches(str(value), STATUS, 1)
            hint = f": did you mean {near[0]!r}?" if near else ""
            raise Misuse(f"no call is {value!r}{hint} (a status is {', '.join(STATUS)})")
        return Single(call.c.status == STATUS.index(value))


@dataclass(frozen=True)
class Number(Restful):
    """A column of numbers. `scale` is how many of the column's units one of the filter's unit has."""

    what: str
    column: ColumnElement[Any]
    scale: int = 1
    nullable: bool = True
    hint: Hint = NO_HINT

    def compared(self, operator: str, value: Any) -> Condition:
        if isinstance(value, Number):
            return Single(ordered(self.value(), operator, value.value()))
        clause = ordered(self.column, operator, self._scaled(number_of(value, self.what)))
        return Single(clause, hint=self.hint)

    def value(self) -> ColumnElement[Any]:
        """In the filter's unit."""
        return self.column if self.scale == 1 else cast(self.column, Float) / float(self.scale)

    def known(self) -> Condition:
        return Single(self.column.isnot(None)) if self.nullable else super().known()

    def _scaled(self, value: int | float) -> ColumnElement[Any]:
        if self.scale == 1 and isinstance(value, float):
            return literal(value, Float())
        scaled = round(value * self.scale) if abs(value) < MOST else math.copysign(MOST, value)
        return literal(int(max(-MOST, min(MOST, scaled))), BigInteger())


def ordered(left: ColumnElement[Any], operator: str, right: ColumnElement[Any]) -> Clause:
    compare: dict[str, Callable[[], Clause]] = {
        "==": lambda: left == right,
        "<": lambda: left < right,
        "<=": lambda: left <= right,
        ">": lambda: left > right,
        ">=": lambda: left >= right,
    }
    return compare[operator]()


UNITS = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}
AGE = re.compile(r"-(\d+(?:\.\d+)?)\s*(s|m|min|h|d|w)")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Start(Restful):
    """When a call started; `now` in unix nanoseconds is what ages are counted from."""

    now: int
    what: str = "start"

    def compared(self, operator: str, value: Any) -> Condition:
        if operator == "==":
            raise Misuse("start is a moment: use <, <=, > or >=")
        at = self._moment(value)
        hint = Hint(latest=at) if operator[0] == "<" else Hint(earliest=at)
        return Single(ordered(call.c.start_ns, operator, literal(at, BigInteger())), hint=hint)

    def _moment(self, value: Any) -> int:
        age = AGE.fullmatch(value) if isinstance(value, str) else None
        if age:
            return max(-MOST, self.now - round(min(float(age[1]) * UNITS[age[2]] * NANO, 2.0 * MOST)))
        try:
            read = datetime.fromisoformat(text_of(value, self.what))
        except ValueError:
            raise Misuse(
                f'{value!r} is no time: write "2026-11-01", "2026-11-01T14:30" (UTC) or an age: "-2h", "-7d"'
            ) from None
        aware = read if read.tzinfo else read.replace(tzinfo=UTC)
        return max(-MOST, min(MOST, (aware - EPOCH) // timedelta(microseconds=1) * 1_000))


@dataclass(frozen=True)
class Identity(Restful):
    """A column of ids; they are compared with a whole id or with its first digits."""

    what: str
    column: ColumnElement[bytes]
    nullable: bool = False

    def compared(self, operator: str, value: Any) -> Condition:
        only_equal(operator, self.what)
        low, high = id_range(value)
        if low == high:
            return Single(self.column == bound_bytes(low))
        return Single(and_(self.column >= bound_bytes(low), self.column <= bound_bytes(high)))

    def known(self) -> Condition:
        return Single(self.column.isnot(None)) if self.nullable else super().known()


def id_range(shown: Any) -> tuple[bytes, bytes]:
    """The first and the last id that begin so; raises Misuse when none can."""
    digits = shown.replace("-", "").lower() if isinstance(shown, str) else ""
    if not re.fullmatch("[0-9a-f]{1,32}", digits):
        raise Misuse(f"{shown!r} is no id: an id is 32 hexadecimal digits, its first ones are enough")
    return bytes.fromhex(digits.ljust(32, "0")), bytes.fromhex(digits.ljust(32, "f"))
