"""Rows as lines of JSON and back: what an export looks like, whatever database it came from.

A line is an object with "kind" and the columns of a row, without those that are NULL. Numbers of rows are
replaced by what other stores understand: ids in hexadecimal, keys, hashes. JSON in a column is JSON in
the line.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Float, LargeBinary, Row, SmallInteger, Table, Text

from tracelib.errors import StoreError
from tracelib.store import schema
from tracelib.store.blobs import compact

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


class LineError(ValueError):
    """A line is not what it should be; the message goes on from "line 3"."""


def spelled(column: Column[Any]) -> str:
    """A column's name in a line, where "kind" is the line's own."""
    return "function_kind" if column is schema.function.c.kind else column.name


def fields(columns: Any, row: Row[Any], **instead: Any) -> dict[str, Any]:
    """A row's columns as they stand in a line, but for those that are given."""
    found: dict[str, Any] = {}
    for column in columns:
        if column.name in instead:
            value = instead[column.name]
        elif column.name == "n" or (value := row._mapping[column.name]) is None:
            continue
        elif column in JSON_COLUMNS:
            found[spelled(column)] = _parsed(column, value)
            continue
        if value is not None:
            found[spelled(column)] = value.hex() if isinstance(value, bytes) else value
    return found


def _parsed(column: Column[Any], text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise StoreError(f"{column} holds what is not JSON: {text[:80]!r}. See tracelib verify") from error


def line_of(record: Mapping[str, Any]) -> str:
    return compact(record)


def record_of(line: str | bytes) -> dict[str, Any]:
    """What a line says; raises LineError."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LineError(f"is not JSON ({error})") from error
    if not isinstance(record, dict) or not isinstance(record.get("kind"), str):
        raise LineError('is no object with a "kind"')
    return record


def values(columns: Any, record: Mapping[str, Any], **instead: Any) -> dict[str, Any]:
    """The values of a row from a line, but for those given; raises LineError for what does not fit."""
    return {
        column.name: instead[column.name] if column.name in instead else _value(column, record)
        for column in columns
        if column.name != "n"
    }


def _value(column: Column[Any], record: Mapping[str, Any]) -> Any:
    name = spelled(column)
    given = record.get(name)
    if column in JSON_COLUMNS and name in record:
        return compact(given)
    if given is None:
        if not column.nullable:
            raise LineError(f"has no {name!r}")
        return None
    if not _fits(column, given):
        raise LineError(f"has {given!r:.80} as {name!r}")
    if isinstance(column.type, LargeBinary):
        return bytes.fromhex(given)
    return float(given) if isinstance(column.type, Float) else given


def _fits(column: Column[Any], given: Any) -> bool:
    if isinstance(column.type, Text):
        return is_text(given)
    if isinstance(column.type, LargeBinary):
        return is_id(given)
    if isinstance(column.type, Boolean):
        return isinstance(given, bool)
    if isinstance(given, bool):
        return False
    if isinstance(column.type, Float):
        return isinstance(given, (int, float)) and abs(given) < 1e308 and math.isfinite(given)
    bits = 15 if isinstance(column.type, SmallInteger) else 63 if isinstance(column.type, BigInteger) else 31
    return isinstance(given, int) and -(2**bits) <= given < 2**bits


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
