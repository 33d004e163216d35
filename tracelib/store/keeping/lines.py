"""Rows as lines of JSON and back: what an export looks like, whatever database it came from.

A line is an object with "kind" and the columns of a row, without those that are NULL. Numbers of rows are
replaced by what other stores understand: ids in hexadecimal, keys, hashes. JSON in a column is JSON in
the line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, NamedTuple

from pydantic_core import to_json
from sqlalchemy import BigInteger, Boolean, Column, Float, LargeBinary, Row, SmallInteger, Table, Text

from tracelib.errors import StoreError
from tracelib.store import schema
from tracelib.store.values.blobs import ESCAPING, compact

FORMAT = 1
"""Of the lines; a reader refuses a higher one."""

KINDS: dict[str, Table] = {
    "session": schema.session,
    "function": schema.function,
    "version": schema.version,
    "run": schema.run,
    "call": schema.call,
    "parameter": schema.parameter,
    "update": schema.update,
    "feedback": schema.feedback,
    "tag": schema.tag,
    "alias": schema.alias,
    "event": schema.event,
}
"""Beside these there are "store" (the first line), "blob", and "end" (the last line)."""

UNWRITTEN = {schema.payload.c.call}
SECTIONS = tuple(column for column in schema.payload.columns if column is not schema.payload.c.call)
JSON_COLUMNS = {
    *SECTIONS,
    schema.version.c.closure,
    schema.version.c.api_params,
    schema.version.c.free_values,
    schema.version.c.global_values,
    schema.update.c.old,
    schema.update.c.new,
    schema.event.c.data,
    schema.run.c.config,
}


REFERENCE = re.compile(r'"\$":"blob","hash":"([0-9a-f]{64})"')
"""What stands in a section for a value that is kept elsewhere."""


class LineError(ValueError):
    """A line is not what it should be; the message goes on from "line 3"."""


class Place(NamedTuple):
    """A column's place in a line."""

    column: str
    name: str  # in the line, where "kind" is the line's own
    is_json: bool
    nullable: bool
    fits: Callable[[Any], bool]
    convert: Callable[[Any], Any] | None


@cache
def places(table: Table) -> tuple[Place, ...]:
    """The places of a table's columns, but of the numbers of rows."""
    return tuple(_place(column) for column in table.columns if column.name != "n" and column not in UNWRITTEN)


def _place(column: Column[Any]) -> Place:
    name = "function_kind" if column is schema.function.c.kind else column.name
    fits, convert = _type_of(column)
    return Place(column.name, name, column in JSON_COLUMNS, bool(column.nullable), fits, convert)


def _type_of(column: Column[Any]) -> tuple[Callable[[Any], bool], Callable[[Any], Any] | None]:
    """Which values of a line the column can hold, and how they become its own."""
    if isinstance(column.type, Text):
        return is_text, None
    if isinstance(column.type, LargeBinary):
        return is_id, bytes.fromhex
    if isinstance(column.type, Boolean):
        return _is_bool, None
    if isinstance(column.type, Float):
        return _is_number, float
    bits = 15 if isinstance(column.type, SmallInteger) else 63 if isinstance(column.type, BigInteger) else 31
    return partial(_is_whole, 1 << bits), None


def fields(table: Table, row: Row[Any], **instead: Any) -> dict[str, Any]:
    """A row's columns as they stand in a line, but for those that are given."""
    found: dict[str, Any] = {}
    given = row._mapping
    for place in places(table):
        if place.column in instead:
            value = instead[place.column]
        else:
            value = given[place.column]
            if place.is_json and value is not None:
                found[place.name] = _parsed(table, place, value)
                continue
        if value is not None:
            found[place.name] = value.hex() if isinstance(value, bytes) else value
    return found


def _parsed(table: Table, place: Place, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        where = f"{table.name}.{place.column}"
        raise StoreError(f"{where} holds what is not JSON: {text[:80]!r}. See tracelib verify") from error


def line_of(record: Mapping[str, Any]) -> str:
    return compact(record)


def record_of(line: str | bytes) -> dict[str, Any]:
    """What a line says; raises LineError."""
    try:
        record = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise LineError(f"is not JSON ({error})") from error
    if not isinstance(record, dict) or not isinstance(record.get("kind"), str):
        raise LineError('is no object with a "kind"')
    return record


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is none of its numbers")


def values(table: Table, record: Mapping[str, Any], **instead: Any) -> dict[str, Any]:
    """The values of a row from a line, but for those given; raises LineError for what does not fit."""
    return {
        place.column: instead[place.column] if place.column in instead else value_of(place, record)
        for place in places(table)
    }


def value_of(place: Place, record: Mapping[str, Any]) -> Any:
    given = record.get(place.name)
    if place.is_json and place.name in record:
        return _text_of(place, given)
    if given is None:
        if not place.nullable:
            raise LineError(f"has no {place.name!r}")
        return None
    if not place.fits(given):
        raise LineError(f"has {given!r:.80} as {place.name!r}")
    return given if place.convert is None else place.convert(given)


def _text_of(place: Place, given: Any) -> str:
    try:
        text = rewritten(given)
        if "Infinity" in text:  # a number such as 1e999, or only a word
            json.dumps(given, allow_nan=False)
    except RecursionError as error:
        raise LineError(f"has {place.name!r} nested too deep") from error
    except ValueError as error:
        raise LineError(f"has a number in {place.name!r} that is too large") from error
    return text


def rewritten(value: Any) -> str:
    """JSON as a recorder writes it: the same text, so that what was exported is found to be here already."""
    try:
        return to_json(value, inf_nan_mode="constants").decode()
    except ValueError:  # half a surrogate pair, or deeper than it goes
        return ESCAPING.encode(value)


def _is_whole(limit: int, given: Any) -> bool:
    return type(given) is int and -limit <= given < limit


def _is_number(given: Any) -> bool:
    return type(given) in (int, float) and abs(given) < 1e308


def _is_bool(given: Any) -> bool:
    return isinstance(given, bool)


def is_text(given: Any) -> bool:
    """Whether both engines can hold it."""
    if not isinstance(given, str) or "\0" in given:
        return False
    try:
        given.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_id(given: Any) -> bool:
    return isinstance(given, str) and len(given) == 32 and not given.strip("0123456789abcdef")
