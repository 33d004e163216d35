"""Reading the one JSON object that was asked for out of a model's reply; knows no prompt.

A reply is parsed, never searched for words: prose, code fences and braces around or inside the
answer do not matter, and an answer that is not complete is no answer.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ValidationError

from tracelib.errors import InvalidReply

DIGITS = 4300
"""Digits of the longest integer that is read; Python converts no longer one either."""
FAILURES = 1_000
"""Broken objects after which a reply is searched no further; each costs a pass over the text."""
_BEGINNING = re.compile(r'\{[ \t\r\n]*["}]')
"""What a JSON object begins with, which most braces in prose and code do not."""


class Form(BaseModel):
    """What a reply is asked to hold; `shape` is how the question writes it."""

    shape: ClassVar[str]


class Answer(Form):
    """Why, and a value for each variable that should change."""

    shape: ClassVar[str] = '{"reasoning": "...", "suggestion": {"name": value}}'

    reasoning: str = ""
    suggestion: dict[str, Any]


F = TypeVar("F", bound=Form)


def read_answer(reply: str) -> Answer:
    """The new values in a reply, as `read` finds them."""
    return read(reply, Answer)


def read(reply: str, form: type[F]) -> F:
    """The answer in a reply: the last complete JSON object in it that has all keys the form must have.

    Raises InvalidReply, which says what is wrong with the reply, when there is none, when another
    object begins behind it and is cut off, when a key is given twice, when a value is of another type, and
    for what JSON does not know (NaN, infinities, half a surrogate pair).
    """
    found = _objects_in(reply)
    wanted = [name for name, item in form.model_fields.items() if item.is_required()]
    answers = [one for one in found.complete if all(name in one.value for name in wanted)]
    if not answers:
        raise InvalidReply(_nothing_found(found, wanted), reply)
    answer = answers[-1]
    if found.broken is not None and found.broken.start > answer.start:
        raise InvalidReply(f"behind the answer {found.broken.describe()}", reply)
    flaws = [*answer.flaws, *_lone_surrogates(answer.value)]
    if flaws:
        raise InvalidReply("; ".join(flaws), reply)
    try:
        return form.model_validate(answer.value, strict=True)
    except ValidationError as error:
        raise InvalidReply("; ".join(_describe(issue) for issue in error.errors()), reply) from error


@dataclass(frozen=True)
class _Object:
    start: int
    value: dict[str, Any]
    flaws: tuple[str, ...]


@dataclass(frozen=True)
class _Broken:
    start: int
    reason: str

    def describe(self) -> str:
        return f"a JSON object begins at character {self.start} and cannot be read: {self.reason}"


@dataclass
class _Found:
    complete: list[_Object] = field(default_factory=list)
    broken: _Broken | None = None


def _objects_in(text: str) -> _Found:
    """The JSON objects of a text, outermost ones only, and the last one that is broken.

    Behind a broken object the search goes on where reading it failed, not right behind its brace:
    otherwise a part of a value could be taken for the answer.
    """
    found = _Found()
    reader = _Reader()
    failures = 0
    start = _next_object(text, 0)
    while start is not None:
        try:
            value, end = reader.read(text, start)
            found.complete.append(_Object(start, value, tuple(reader.flaws)))
        except json.JSONDecodeError as error:
            end = max(error.pos, start + 1)
            found.broken = _Broken(start, f"{error.msg} at character {error.pos}")
            failures += 1
            if failures == FAILURES:
                break
        except RecursionError:
            found.broken = _Broken(start, "it is nested too deeply")
            break
        start = _next_object(text, end)
    return found


def _next_object(text: str, position: int) -> int | None:
    found = _BEGINNING.search(text, position)
    return None if found is None else found.start()


class _Reader:
    """A JSON decoder that notes what strict JSON would refuse, and reads on."""

    def __init__(self) -> None:
        self.flaws: list[str] = []
        # strict=False: many models write a line break in a string as it is; its meaning is clear.
        self._decoder = json.JSONDecoder(
            strict=False,
            object_pairs_hook=self._object,
            parse_constant=self._constant,
            parse_int=self._integer,
            parse_float=self._float,
        )

    def read(self, text: str, start: int) -> tuple[dict[str, Any], int]:
        self.flaws.clear()
        return self._decoder.raw_decode(text, start)

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value: dict[str, Any] = {}
        for key, item in pairs:
            if key in value:
                self.flaws.append(f"the key {json.dumps(key)} is given twice")
            value[key] = item
        return value

    def _constant(self, text: str) -> None:
        self.flaws.append(f"{text} is not JSON")

    def _integer(self, text: str) -> int:
        if len(text) > DIGITS:
            self.flaws.append(f"an integer has {len(text):,} digits")
            return 0
        return int(text)

    def _float(self, text: str) -> float:
        value = float(text)
        if value in (float("inf"), float("-inf")):
            self.flaws.append(f"{text[:40]} is too large a number")
        return value


def _lone_surrogates(value: dict[str, Any]) -> list[str]:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return ["a string holds half a surrogate pair, which is no character"]
    return []


def _nothing_found(found: _Found, wanted: list[str]) -> str:
    if found.broken is not None:
        return found.broken.describe()
    if not found.complete:
        return "the reply holds no JSON object"
    last = found.complete[-1].value
    keys = ", ".join(json.dumps(key) for key in last) or "none"
    missing = ", ".join(json.dumps(key) for key in wanted if key not in last)
    return f"the JSON object has no {missing}; its keys are: {keys[:200]}"


def _describe(issue: Any) -> str:
    where = ".".join(str(part) for part in issue["loc"])
    return f'"{where}": {issue["msg"]}'
