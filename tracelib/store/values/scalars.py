"""Values without parts, as typed JSON: numbers, bytes, dates, paths, ranges of bytes, functions.

Each writer gets a value of exactly its type and gives `{"$": kind, ...}`.
"""

from __future__ import annotations

import datetime
import decimal
import fractions
import math
import pathlib
import types
import uuid
import zoneinfo
from collections.abc import Callable
from typing import Any

from tracelib.store.values.objects import name_of, name_of_function

Written = dict[str, Any]

PLAIN_INT = 1 << 1024
"""Larger numbers are written in hexadecimal: Python refuses to read more than 4,300 decimal digits."""


def written_int(value: int) -> Any:
    """An int as JSON has it, or in hexadecimal when it is huge."""
    return value if -PLAIN_INT < value < PLAIN_INT else {"$": "int", "value": hex(value)}


def written_float(value: float) -> Any:
    """A float as JSON has it, or by name where JSON has none."""
    return value if math.isfinite(value) else {"$": "float", "value": repr(value)}


def _complex(value: complex) -> Written:
    return {"$": "complex", "real": written_float(value.real), "imag": written_float(value.imag)}


def _decimal(value: decimal.Decimal) -> Written:
    return {"$": "decimal", "value": str(value)}


def _fraction(value: fractions.Fraction) -> Written:
    return {"$": "fraction", "value": [written_int(value.numerator), written_int(value.denominator)]}


def _uuid(value: uuid.UUID) -> Written:
    return {"$": "uuid", "value": f"{value.int:032x}"}


def _path(value: pathlib.PurePath) -> Written:
    return {"$": "path", "type": type(value).__name__, "value": str(value)}


def _date(value: datetime.date) -> Written:
    return {"$": "date", "value": value.isoformat()}


def _datetime(value: datetime.datetime) -> Written:
    naive = value.replace(tzinfo=None)
    return {"$": "datetime", "value": naive.isoformat(), **_fold(value), **_zone(value.tzinfo, value)}


def _time(value: datetime.time) -> Written:
    naive = value.replace(tzinfo=None)
    return {"$": "time", "value": naive.isoformat(), **_fold(value), **_zone(value.tzinfo, value)}


def _fold(value: datetime.datetime | datetime.time) -> Written:
    return {"fold": 1} if value.fold else {}


def _zone(zone: datetime.tzinfo | None, value: Any) -> Written:
    """A named zone by name, a fixed one by its offset in seconds, a user's own as it is at that time."""
    if zone is None:
        return {}
    if type(zone) is zoneinfo.ZoneInfo and zone.key is not None:
        return {"zone": zone.key}
    try:
        offset = value.utcoffset()
    except Exception:  # a user's own tzinfo may raise anything
        return {"zone": name_of(type(zone))}
    return {} if offset is None else {"offset": offset.total_seconds()}


def _timedelta(value: datetime.timedelta) -> Written:
    return {"$": "timedelta", "value": [value.days, value.seconds, value.microseconds]}


def _timezone(value: datetime.timezone) -> Written:
    return {"$": "timezone", "offset": value.utcoffset(None).total_seconds()}


def _zone_info(value: zoneinfo.ZoneInfo) -> Written:
    return {"$": "zone", "value": str(value.key)}


def _function(value: Any) -> Written:
    return {"$": "function", "name": name_of_function(value)}


def _module(value: types.ModuleType) -> Written:
    name = vars(value).get("__name__")
    return {"$": "module", "name": name if type(name) is str else "?"}


def written_class(value: type) -> Written:
    """A class by its name."""
    return {"$": "class", "name": name_of(value)}


_WRITERS: dict[type, Callable[[Any], Any]] = {
    complex: _complex,
    decimal.Decimal: _decimal,
    fractions.Fraction: _fraction,
    uuid.UUID: _uuid,
    pathlib.PosixPath: _path,
    pathlib.WindowsPath: _path,
    pathlib.PurePosixPath: _path,
    pathlib.PureWindowsPath: _path,
    datetime.date: _date,
    datetime.datetime: _datetime,
    datetime.time: _time,
    datetime.timedelta: _timedelta,
    datetime.timezone: _timezone,
    zoneinfo.ZoneInfo: _zone_info,
    types.FunctionType: _function,
    types.BuiltinFunctionType: _function,
    types.MethodType: _function,
    types.ModuleType: _module,
    type(Ellipsis): lambda value: {"$": "ellipsis"},
    type(NotImplemented): lambda value: {"$": "notimplemented"},
}

SCALARS = {id(kind): writer for kind, writer in _WRITERS.items()}
"""Writers by the identity of the type: a type's own hash may be a metaclass's code."""
