"""Values as JSON text and back, types kept: how they cross between a program and its sandbox.

Both sides have this file, and nothing but the standard library. What is not plain JSON is told by a tag:
`{"$": "tuple", "v": [...]}`. Instances travel as their fields, and become instances of a class that
the reading side knows by that name, or they are refused. No value runs code when it is read.
"""

from __future__ import annotations

import base64
import collections
import dataclasses
import datetime
import decimal
import enum
import json
import math
import pathlib
import sys
import uuid
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

DEEP = 200
"""Levels of containers within containers that cross; a container within itself has no end of them."""

ATOMS = (str, int, bool, type(None))
Hand = Callable[[Any], Any]
"""What a value is told by that does not cross itself and stays where it is; None when it has to cross."""


@dataclasses.dataclass(frozen=True)
class Known:
    """What the reading side knows: the classes whose instances may be read, by "module:qualname" or qualname.

    `stayed` gives what stands for a value that stayed on its own side, told by what a Hand gave;
    `imagined` a class for fields of an instance whose own is not known here.
    """

    classes: Mapping[str, type] = dataclasses.field(default_factory=dict)
    stayed: Callable[[Any], Any] | None = None
    imagined: Callable[[str, list[str]], type] | None = None


class NotCrossing(TypeError):  # noqa: N818 - says what a value lacks
    """A value that cannot cross, or a text that is none of a value; `path` is where in the whole it is."""

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.reason = reason
        self.path = path


def written(value: Any, name: str = "", hand: Hand | None = None) -> Any:
    """The value as what JSON holds; raises NotCrossing, which says where, under the name of the whole."""
    return Writer(hand).write(value, name, 0)


def read(data: Any, known: Known, name: str = "") -> Any:
    """The value that `written` gave; raises NotCrossing for what it never gives and for unknown classes."""
    try:
        return _read(data, name, known)
    except RecursionError as error:
        raise NotCrossing("it is nested too deeply", name) from error


def name_of(kind: type) -> str:
    """A class as "module:qualname"."""
    return f"{kind.__module__}:{kind.__qualname__}"


class HeldText(str):
    """The text of a recorded value: `.data` is there as on the outside."""

    data = property(str)


class HeldWhole(int):
    """The number of a recorded value."""

    data = property(int)


class HeldReal(float):
    """The number of a recorded value."""

    data = property(float)


HELD: dict[type, type] = {str: HeldText, int: HeldWhole, float: HeldReal}
FREED: dict[type, Any] = {HeldText: str, HeldWhole: int, HeldReal: float}


def held(data: Any) -> Any:
    """What was written, as the value of a recorded one."""
    return _tagged("held", data)


class Writer:
    """Writes values; `hand` is asked for those that have no form of their own."""

    def __init__(self, hand: Hand | None) -> None:
        self._hand = hand

    def write(self, value: Any, path: str, depth: int) -> Any:
        if depth > DEEP:
            raise NotCrossing("it is nested too deeply, or holds itself", path)
        kind = type(value)
        if kind in FREED:
            value = FREED[kind](value)
            kind = type(value)
        if kind in ATOMS:
            return value
        if kind is float:
            return value if math.isfinite(value) else _tagged("float", repr(value))
        if kind in WRITERS:
            return _tagged(*WRITERS[kind](value))
        if kind is list:
            return self._items(value, path, depth)
        if kind is dict:
            return self._mapping(value, path, depth)
        if kind is tuple:
            return _tagged("tuple", self._items(value, path, depth))
        if kind in (set, frozenset):
            # The order of a set is that of this process's hashes.
            items = sorted(self._items(value, path, depth), key=lambda one: json.dumps(one, sort_keys=True))
            return _tagged(kind.__name__, items)
        if kind in SEQUENCES:
            return _tagged(SEQUENCES[kind], self._items(SEQUENCE_ITEMS[kind](value), path, depth))
        return self._instance(value, path, depth)

    def _items(self, value: Any, path: str, depth: int) -> list[Any]:
        return [self.write(one, f"{path}[{place}]", depth + 1) for place, one in enumerate(value)]

    def _mapping(self, value: dict[Any, Any], path: str, depth: int) -> Any:
        if all(type(key) is str for key in value) and "$" not in value:
            return {key: self.write(one, f"{path}[{key!r}]", depth + 1) for key, one in value.items()}
        pairs = []
        for key, one in value.items():
            inside = self.write(one, f"{path}[{key!r}]", depth + 1)
            pairs.append([self.write(key, f"a key of {path or 'it'}", depth + 1), inside])
        return _tagged("dict", pairs)

    def _instance(self, value: Any, path: str, depth: int) -> Any:
        kind = type(value)
        if isinstance(value, enum.Enum):
            return _tagged("enum", [name_of(kind), value.name])
        if isinstance(value, tuple) and hasattr(kind, "_fields"):
            return _tagged("namedtuple", [name_of(kind), self._items(value, path, depth)])
        handed = None if self._hand is None else self._hand(value)
        if handed is not None:
            return _tagged("stayed", handed)
        fields = fields_of(value)
        if fields is not None:
            inside = {key: self.write(one, f"{path}.{key}", depth + 1) for key, one in fields.items()}
            return _tagged("object", [name_of(kind), inside])
        if _is_array(value):
            return _array(value, path)
        raise NotCrossing(
            f"{kind.__module__}.{kind.__qualname__} cannot cross into a sandbox or out of it", path
        )


def fields_of(value: Any) -> dict[str, Any] | None:
    """The fields of a dataclass or pydantic model by name, None for anything else."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [each.name for each in dataclasses.fields(value)]
        return {name: getattr(value, name) for name in names if hasattr(value, name)}
    declared = getattr(type(value), "model_fields", None)
    if isinstance(declared, dict):
        extra = getattr(value, "model_extra", None) or {}
        return {**{name: getattr(value, name) for name in declared}, **extra}
    return None


def _tagged(tag: str, value: Any) -> dict[str, Any]:
    return {"$": tag, "v": value}


WRITERS: dict[type, Callable[[Any], tuple[str, Any]]] = {
    bytes: lambda value: ("bytes", base64.b64encode(value).decode()),
    bytearray: lambda value: ("bytearray", base64.b64encode(value).decode()),
    complex: lambda value: ("complex", [repr(value.real), repr(value.imag)]),
    range: lambda value: ("range", [value.start, value.stop, value.step]),
    slice: lambda value: ("slice", [written(value.start), written(value.stop), written(value.step)]),
    type(...): lambda value: ("ellipsis", None),
    decimal.Decimal: lambda value: ("decimal", str(value)),
    Fraction: lambda value: ("fraction", [value.numerator, value.denominator]),
    uuid.UUID: lambda value: ("uuid", str(value)),
    pathlib.PurePosixPath: lambda value: ("purepath", str(value)),
    type(pathlib.Path()): lambda value: ("path", str(value)),
    datetime.datetime: lambda value: ("datetime", [value.isoformat(), value.fold]),
    datetime.date: lambda value: ("date", value.isoformat()),
    datetime.time: lambda value: ("time", [value.isoformat(), value.fold]),
    datetime.timedelta: lambda value: ("timedelta", [value.days, value.seconds, value.microseconds]),
}


SEQUENCES: dict[type, str] = {
    collections.deque: "deque",
    collections.OrderedDict: "ordereddict",
    collections.Counter: "counter",
}
SEQUENCE_ITEMS: dict[type, Callable[[Any], Any]] = {
    collections.deque: list,
    collections.OrderedDict: lambda value: list(value.items()),
    collections.Counter: lambda value: list(value.items()),
}


def _is_array(value: Any) -> bool:
    kind = type(value)
    return kind.__module__.partition(".")[0] == "numpy" and hasattr(value, "dtype")


def _array(value: Any, path: str) -> Any:
    """An array or scalar of numpy; those that hold objects do not cross."""
    if value.dtype.hasobject or value.dtype.names is not None:
        raise NotCrossing(f"an array of {value.dtype} cannot cross: it must hold numbers", path)
    content = base64.b64encode(value.tobytes()).decode()
    return _tagged("array", [value.dtype.str, list(value.shape), content, type(value).__name__ == "ndarray"])


# Reading


def _read(data: Any, path: str, known: Known) -> Any:
    kind = type(data)
    if kind in ATOMS or kind is float:
        return data
    if kind is list:
        return [_read(one, f"{path}[{place}]", known) for place, one in enumerate(data)]
    if kind is not dict:
        raise NotCrossing(f"{kind.__name__} is no part of a value that crossed", path)
    if "$" not in data:
        return {key: _read(one, f"{path}[{key!r}]", known) for key, one in data.items()}
    if set(data) != {"$", "v"} or type(data["$"]) is not str or data["$"] not in READERS:
        raise NotCrossing(f"{json.dumps(data)[:80]} is no part of a value that crossed", path)
    try:
        return READERS[data["$"]](data["v"], path, known)
    except NotCrossing:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise NotCrossing(f"what claims to be {data['$']} is none: {error}", path) from error


def _listed(data: Any, path: str, known: Known) -> list[Any]:
    if type(data) is not list:
        raise NotCrossing("what claims to hold items holds none", path)
    return [_read(one, f"{path}[{place}]", known) for place, one in enumerate(data)]


def _found(name: Any, known: Known) -> type | None:
    if type(name) is not str:
        return None
    return known.classes.get(name) or known.classes.get(name.partition(":")[2])


def _class_of(name: Any, path: str, known: Known) -> type:
    found = _found(name, known)
    if found is None:
        raise NotCrossing(f"it claims to be {str(name)[:80]!r}, which is not known on this side", path)
    return found


def _read_object(data: Any, path: str, known: Known) -> Any:
    name, fields = data
    if known.imagined is not None and _found(name, known) is None:
        kind = known.imagined(name, list(fields))
    else:
        kind = _class_of(name, path, known)
    inside = {key: _read(one, f"{path}.{key}", known) for key, one in fields.items()}
    declared = getattr(kind, "model_fields", None)
    if isinstance(declared, dict):
        return _model(kind, declared, inside, path)
    if not dataclasses.is_dataclass(kind):
        raise NotCrossing(f"{name} has no fields", path)
    strange = sorted(set(inside) - {each.name for each in dataclasses.fields(kind)})
    if strange:
        raise NotCrossing(f"{name} has no field {strange[0]!r}", path)
    # Not by __init__: it is the user's code, and what it computes has been computed.
    made = object.__new__(kind)
    for key, one in inside.items():
        object.__setattr__(made, key, one)
    return made


def _model(kind: Any, declared: Mapping[str, Any], inside: dict[str, Any], path: str) -> Any:
    given = {getattr(declared.get(key), "alias", None) or key: one for key, one in inside.items()}
    try:
        return kind.model_validate(given)
    except ValueError as error:
        raise NotCrossing(f"it claims to be {name_of(kind)} and does not fit it: {error}", path) from error


def _read_namedtuple(data: Any, path: str, known: Known) -> Any:
    name, items = data
    kind: Any = _class_of(name, path, known)
    if not (issubclass(kind, tuple) and hasattr(kind, "_fields") and len(items) == len(kind._fields)):
        raise NotCrossing(f"it claims to be {name} and does not fit it", path)
    return tuple.__new__(kind, _listed(items, path, known))


def _read_enum(data: Any, path: str, known: Known) -> Any:
    name, member = data
    kind: Any = _class_of(name, path, known)
    if not issubclass(kind, enum.Enum):
        raise NotCrossing(f"{name} is no enumeration", path)
    return kind[member]


def _read_array(data: Any, path: str, known: Known) -> Any:
    kinds, shape, content, whole = data
    numpy: Any = sys.modules.get("numpy")
    if numpy is None:
        raise NotCrossing("it is an array, and numpy is not loaded on this side", path)
    array = numpy.frombuffer(base64.b64decode(content), dtype=kinds)
    if array.dtype.hasobject:
        raise NotCrossing("an array of objects does not cross", path)
    array = array.reshape(shape).copy()
    return array if whole else array[()]


def _read_stayed(data: Any, path: str, known: Known) -> Any:
    if known.stayed is None:
        raise NotCrossing("it stands for a value of the other side", path)
    return known.stayed(data)


def _read_held(data: Any, path: str, known: Known) -> Any:
    value = _read(data, path, known)
    return HELD[type(value)](value) if type(value) in HELD else value


def _read_dict(data: Any, path: str, known: Known) -> Any:
    return {_read(key, path, known): _read(one, path, known) for key, one in data}


Reader = Callable[[Any, str, Known], Any]
READERS: dict[str, Reader] = {
    "float": lambda data, path, known: float(data),
    "bytes": lambda data, path, known: base64.b64decode(data, validate=True),
    "bytearray": lambda data, path, known: bytearray(base64.b64decode(data, validate=True)),
    "complex": lambda data, path, known: complex(float(data[0]), float(data[1])),
    "range": lambda data, path, known: range(*data),
    "slice": lambda data, path, known: slice(*_listed(data, path, known)),
    "ellipsis": lambda data, path, known: ...,
    "decimal": lambda data, path, known: decimal.Decimal(data),
    "fraction": lambda data, path, known: Fraction(*data),
    "uuid": lambda data, path, known: uuid.UUID(data),
    "datetime": lambda data, path, known: datetime.datetime.fromisoformat(data[0]).replace(fold=data[1]),
    "purepath": lambda data, path, known: pathlib.PurePosixPath(data),
    "path": lambda data, path, known: pathlib.Path(data),
    "date": lambda data, path, known: datetime.date.fromisoformat(data),
    "time": lambda data, path, known: datetime.time.fromisoformat(data[0]).replace(fold=data[1]),
    "timedelta": lambda data, path, known: datetime.timedelta(*data),
    "tuple": lambda data, path, known: tuple(_listed(data, path, known)),
    "set": lambda data, path, known: set(_listed(data, path, known)),
    "frozenset": lambda data, path, known: frozenset(_listed(data, path, known)),
    "dict": _read_dict,
    "object": _read_object,
    "namedtuple": _read_namedtuple,
    "enum": _read_enum,
    "array": _read_array,
    "stayed": _read_stayed,
    "held": _read_held,
    "deque": lambda data, path, known: collections.deque(_listed(data, path, known)),
    "ordereddict": lambda data, path, known: collections.OrderedDict(_listed(data, path, known)),
    "counter": lambda data, path, known: collections.Counter(dict(_listed(data, path, known))),
}
