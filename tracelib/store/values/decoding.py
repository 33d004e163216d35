"""Typed JSON back to values.

Python's own types come back exactly. A user's types come back as `Stored`, unless the caller has the
class; what was not kept whole comes back as `Opaque`, as do kinds that a newer version may have written.
"""

from __future__ import annotations

import base64
import builtins
import datetime
import decimal
import fractions
import importlib
import json
import pathlib
import uuid
import zoneinfo
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tracelib.errors import StoreError

Types = Callable[[str], type | None]
Kept = dict[str, Any]


@dataclass(frozen=True)
class Opaque:
    """A value of which only this is known: its type, some words of it, and a sha256 of the whole."""

    type: str
    text: str = ""
    digest: str | None = None

    def __repr__(self) -> str:
        return f"<{self.type}{' ' if self.text else ''}{self.text}>"


@dataclass(frozen=True, repr=False)
class Stored:
    """An instance of a user's class, by its fields; `stored.x` is `stored.fields["x"]`."""

    type: str
    fields: Mapping[str, Any] = field(hash=False)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["fields"][name]
        except KeyError:
            raise AttributeError(
                f"a stored {self.__dict__.get('type')} has no field {name!r}; "
                f"it has {', '.join(self.__dict__.get('fields', ())) or 'none'}"
            ) from None

    def __repr__(self) -> str:
        name = self.type.rpartition(":")[2]
        return f"{name}({', '.join(f'{key}={item!r}' for key, item in self.fields.items())})"


def decode(data: bytes | str, types: Types | None = None) -> Any:
    """The value that was encoded, as far as it was kept.

    `types` finds a user's class by its name, "module:Qualified.Name"; instances are made without
    running `__init__`. Raises StoreError for what is no JSON.
    """
    reviver = _Reviver(types)
    try:
        return json.loads(data, object_hook=reviver)
    except (ValueError, RecursionError) as error:
        shown = data[:80] if isinstance(data, str) else data[:80].decode("utf-8", "replace")
        raise StoreError(
            f"a stored value is no JSON ({error}): {shown!r}; `tracelib verify` finds all such"
        ) from error


class _Reviver:
    """Turns each object of JSON, the innermost first, into what it stands for."""

    def __init__(self, types: Types | None) -> None:
        self.types = types

    def __call__(self, kept: Kept) -> Any:
        if "$" not in kept:
            return kept
        kind = kept["$"]
        try:
            if kind in USERS:
                return self.instance(kept)
            return REVIVERS[kind](kept)
        except (KeyError, TypeError, ValueError, ArithmeticError, LookupError, ImportError):
            # Written by a newer version, or members that no set or dict of Python holds once revived.
            return opaque(kept)

    def instance(self, kept: Kept) -> Any:
        """An instance of the user's class, or what is known of it."""
        name, fields = kept["type"], _fields(kept)
        if not isinstance(fields, dict):
            return opaque(kept)
        stored = Stored(name, fields)
        kind = self.types(name) if self.types is not None and isinstance(name, str) else None
        if kind is None:
            return stored
        try:
            return MAKERS[kept["how"] if "how" in kept else kept["$"]](kind, kept)
        except Exception:  # the class of today need not take what the class of then held
            return stored


def _fields(kept: Kept) -> Any:
    if kept["$"] == "derived":
        return {"value": kept["value"], **kept.get("fields", {})}
    return kept["fields"]


def opaque(kept: Kept) -> Opaque:
    """Whatever else was kept, in words."""
    kind = kept.get("type", kept.get("name", kept["$"]))
    words = kept.get("text", kept.get("prefix"))
    if words is None:
        rest = {
            key: item
            for key, item in kept.items()
            if key not in ("$", "type", "sha256", "digest", "name", "items")
        }
        words = ", ".join(f"{key} {item!r}" for key, item in rest.items())
    return Opaque(str(kind), str(words), kept.get("digest", kept.get("sha256")))


def _floats(kept: Kept) -> complex:
    return complex(kept["real"], kept["imag"])


def _datetime(kept: Kept) -> datetime.datetime:
    naive = datetime.datetime.fromisoformat(kept["value"])
    return naive.replace(tzinfo=_zone(kept), fold=kept.get("fold", 0))


def _time(kept: Kept) -> datetime.time:
    naive = datetime.time.fromisoformat(kept["value"])
    return naive.replace(tzinfo=_zone(kept), fold=kept.get("fold", 0))


def _zone(kept: Kept) -> datetime.tzinfo | None:
    if "zone" in kept:
        return zoneinfo.ZoneInfo(kept["zone"])
    return _offset(kept) if "offset" in kept else None


def _offset(kept: Kept) -> datetime.timezone:
    return datetime.timezone(datetime.timedelta(seconds=kept["offset"]))


PATHS: dict[str, type[pathlib.PurePath]] = {
    "PurePosixPath": pathlib.PurePosixPath,
    "PureWindowsPath": pathlib.PureWindowsPath,
    "PosixPath": pathlib.PosixPath,
    "WindowsPath": pathlib.WindowsPath,
}


def _path(kept: Kept) -> pathlib.PurePath:
    """A path; one of the other operating system comes back as a pure one."""
    kind = PATHS[kept["type"]]
    return kind(kept["value"]) if kind is not _foreign() else PATHS[f"Pure{kind.__name__}"](kept["value"])


def _foreign() -> type[pathlib.PurePath]:
    return pathlib.WindowsPath if type(pathlib.Path()) is pathlib.PosixPath else pathlib.PosixPath


def _bytes(kept: Kept) -> bytes:
    return base64.b64decode(kept["data"], validate=True)


def _default(kept: Kept) -> defaultdict[Any, Any]:
    """A defaultdict, whose factory comes back where it is a builtin type."""
    factory = kept["factory"]
    known = getattr(builtins, factory.text.rpartition(":")[2], None) if type(factory) is Opaque else None
    return defaultdict(known if isinstance(known, type) else None, kept["items"])


def _array(kept: Kept) -> Any:
    """An array; numpy is loaded only here, for whoever has stored one."""
    numpy = importlib.import_module("numpy")
    dtype = numpy.dtype(kept["dtype"])
    if "items" in kept:
        flat = numpy.empty(len(kept["items"]), dtype=dtype)
        for i, item in enumerate(kept["items"]):
            flat[i] = item
    else:
        flat = numpy.frombuffer(_bytes(kept), dtype=dtype).copy()
    return flat.reshape(kept["shape"])


def _scalar(kept: Kept) -> Any:
    return _array({**kept, "shape": [1]})[0]


def _named(kept: Kept) -> Opaque:
    """A function, class or module, which is known by name only."""
    return Opaque(kept["$"], kept["name"])


REVIVERS: dict[str, Callable[[Kept], Any]] = {
    "int": lambda kept: int(kept["value"], 16),
    "float": lambda kept: float(kept["value"]),
    "complex": _floats,
    "decimal": lambda kept: decimal.Decimal(kept["value"]),
    "fraction": lambda kept: fractions.Fraction(*kept["value"]),
    "uuid": lambda kept: uuid.UUID(hex=kept["value"]),
    "path": _path,
    "date": lambda kept: datetime.date.fromisoformat(kept["value"]),
    "datetime": _datetime,
    "time": _time,
    "timedelta": lambda kept: datetime.timedelta(*kept["value"]),
    "timezone": _offset,
    "zone": lambda kept: zoneinfo.ZoneInfo(kept["value"]),
    "ellipsis": lambda kept: Ellipsis,
    "notimplemented": lambda kept: NotImplemented,
    "bytes": _bytes,
    "bytearray": lambda kept: bytearray(_bytes(kept)),
    "tuple": lambda kept: tuple(kept["items"]),
    "set": lambda kept: set(kept["items"]),
    "frozenset": lambda kept: frozenset(kept["items"]),
    "dict": lambda kept: dict(kept["items"]),
    "ordered": lambda kept: OrderedDict(kept["items"]),
    "counter": lambda kept: Counter(dict(kept["items"])),
    "defaultdict": _default,
    "deque": lambda kept: deque(kept["items"], kept.get("maxlen")),
    "slice": lambda kept: slice(*kept["items"]),
    "range": lambda kept: range(*kept["items"]),
    "array": _array,
    "numpy": _scalar,
    "function": _named,
    "class": _named,
    "module": _named,
}

USERS = frozenset(("object", "enum", "named", "derived", "error"))
"""Kinds that a user's class stands behind."""


def _make_object(kind: Any, kept: Kept) -> Any:
    made = object.__new__(kind)
    for name, item in kept["fields"].items():
        object.__setattr__(made, name, item)
    return made


def _make_derived(kind: Any, kept: Kept) -> Any:
    value = kept["value"]
    if isinstance(value, (list, dict, set, bytearray, deque)):
        made = type(value).__new__(kind)
        _fill(made, value)
    else:
        made = type(value).__new__(kind, value)
    for name, item in kept.get("fields", {}).items():
        object.__setattr__(made, name, item)
    return made


def _fill(made: Any, value: Any) -> None:
    """Put the members into an empty instance with the methods of Python's own type."""
    if isinstance(value, (list, deque)):
        type(value).extend(made, value)
    elif isinstance(value, bytearray):
        bytearray.extend(made, value)
    else:
        type(value).update(made, value)


def _make_member(kind: Any, kept: Kept) -> Any:
    fields = kept["fields"]
    found = kind.__members__.get(fields["name"])
    return kind(fields["value"]) if found is None else found


MAKERS: dict[str, Callable[[Any, Kept], Any]] = {
    "dataclass": _make_object,
    "attrs": _make_object,
    "pydantic": lambda kind, kept: kind.model_construct(**kept["fields"]),
    "enum": _make_member,
    "named": lambda kind, kept: tuple.__new__(kind, kept["fields"].values()),
    "derived": _make_derived,
    "error": lambda kind, kept: kind.__new__(kind, *kept["fields"]["args"]),
}
