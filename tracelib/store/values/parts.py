"""How each type's parts are read: Python's containers and what is derived from them, and users' objects.

A reader gets the walk, a value and the depth of its parts. Types are looked up by identity, and parts
read with the methods of Python's own types: a user's hash, comparison or iteration never runs.
"""

from __future__ import annotations

import enum
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from json import dumps
from typing import TYPE_CHECKING, Any

from tracelib.store.values.arrays import is_numpy, read_array
from tracelib.store.values.objects import (
    MRO,
    VARS,
    fields_kind,
    fields_of,
    has_base,
    name_of,
    opaque,
    state_of,
)
from tracelib.store.values.scalars import written_class, written_float

if TYPE_CHECKING:
    from tracelib.store.values.walk import Walk

Structure = Any
Reader = Callable[["Walk", Any, int], Structure]


def cut(kind: str, size: int, made: list[Structure]) -> Structure:
    """A container of which only the beginning is kept."""
    return {"$": "cut", "type": kind, "size": size, "items": made}


def _read_dict(walk: Walk, value: dict[Any, Any], depth: int) -> Structure:
    return walk.mapping(dict.items(value), dict.__len__(value), depth)


def _read_list(walk: Walk, value: list[Any], depth: int) -> Structure:
    size = list.__len__(value)
    made, whole = walk.members(list.__iter__(value), size, depth)
    return made if whole else cut("list", size, made)


def _read_tuple(walk: Walk, value: tuple[Any, ...], depth: int) -> Structure:
    size = tuple.__len__(value)
    if size == 2:
        key, item = tuple.__iter__(value)
        return {"$": "tuple", "items": walk.pair(key, item, depth)}
    return walk.sequence("tuple", tuple.__iter__(value), size, depth)


def _read_set(walk: Walk, value: Any, depth: int) -> Structure:
    """Sorted by what is written, so that equal sets are written equally."""
    base: Any = set if has_base(type(value), set) else frozenset
    size = base.__len__(value)
    made, whole = walk.members(base.__iter__(value), size, depth)
    if whole:
        made.sort(key=lambda item: dumps(item, sort_keys=True))
    return {"$": base.__name__, "items": made} if whole else cut(base.__name__, size, made)


def _read_deque(walk: Walk, value: deque[Any], depth: int) -> Structure:
    made = walk.sequence("deque", list(deque.__iter__(value)), deque.__len__(value), depth)
    size = deque.maxlen.__get__(value)
    return made if size is None else {**made, "maxlen": size}


def _read_ordered(walk: Walk, value: OrderedDict[Any, Any], depth: int) -> Structure:
    size = dict.__len__(value)
    return walk.pairs("ordered", walk.room(OrderedDict.items(value), size), size, depth)


def _read_counter(walk: Walk, value: Counter[Any], depth: int) -> Structure:
    size = dict.__len__(value)
    return walk.pairs("counter", walk.room(dict.items(value), size), size, depth)


def _read_default(walk: Walk, value: defaultdict[Any, Any], depth: int) -> Structure:
    size = dict.__len__(value)
    made = walk.pairs("defaultdict", walk.room(dict.items(value), size), size, depth)
    factory = VARS(defaultdict)["default_factory"].__get__(value)
    return {**made, "factory": walk.of(factory, depth)}


def _read_ends(walk: Walk, value: slice | range, depth: int) -> Structure:
    items = [walk.of(part, depth) for part in (value.start, value.stop, value.step)]
    return {"$": type(value).__name__, "items": items}


def _read_bytes(walk: Walk, value: bytes, depth: int) -> Structure:
    return walk.binary("bytes", bytes.__getitem__(value, slice(None)))


def _read_bytearray(walk: Walk, value: bytearray, depth: int) -> Structure:
    return walk.binary("bytearray", bytes(bytearray.__getitem__(value, slice(None))))


BASES: dict[type, Reader] = {
    list: _read_list,
    tuple: _read_tuple,
    OrderedDict: _read_ordered,
    Counter: _read_counter,
    defaultdict: _read_default,
    dict: _read_dict,
    set: _read_set,
    frozenset: _read_set,
    deque: _read_deque,
    bytes: _read_bytes,
    bytearray: _read_bytearray,
    str: lambda walk, value, depth: walk.text(str.__str__(value)),
    int: lambda walk, value, depth: walk.number(int.__int__(value)),
    float: lambda walk, value, depth: written_float(float.__float__(value)),
}
"""Types that users derive theirs from, the more special first, and how their own part is read."""

CONTAINERS: dict[int, Reader] = {
    **{id(kind): reader for kind, reader in BASES.items()},
    id(slice): _read_ends,
    id(range): _read_ends,
}


def reader_of(kind: type) -> Reader:
    """How to read instances of a class that is none of Python's containers."""
    if has_base(kind, type):
        return _read_class
    if has_base(kind, enum.Enum):
        return _read_member
    if is_numpy(kind):
        return read_array
    if has_base(kind, BaseException):
        return _read_error
    if has_base(kind, tuple) and _field_names(kind):
        return _read_named
    if any(has_base(kind, base) for base in BASES):
        return _read_derived
    return _read_fields if fields_kind(kind) is not None else _read_opaque


def _read_class(walk: Walk, value: type, depth: int) -> Structure:
    return written_class(value)


def _read_member(walk: Walk, value: enum.Enum, depth: int) -> Structure:
    state = state_of(value)
    fields = {"name": walk.of(state.get("_name_"), depth), "value": walk.of(state.get("_value_"), depth)}
    return {"$": "enum", "type": name_of(type(value)), "fields": fields}


def _read_error(walk: Walk, value: BaseException, depth: int) -> Structure:
    args = VARS(BaseException)["args"].__get__(value)
    made, _ = walk.members(tuple.__iter__(args), tuple.__len__(args), depth)
    return {"$": "error", "type": name_of(type(value)), "fields": {"args": made}}


def _field_names(kind: type) -> tuple[str, ...]:
    """The fields of a named tuple; empty for another tuple."""
    found = next((VARS(base)["_fields"] for base in MRO(kind) if "_fields" in VARS(base)), ())
    return found if type(found) is tuple and all(type(name) is str for name in found) else ()


def _read_named(walk: Walk, value: tuple[Any, ...], depth: int) -> Structure:
    names = _field_names(type(value))
    size = tuple.__len__(value)
    fields = walk.mapping(zip(names, tuple.__iter__(value), strict=False), min(size, len(names)), depth)
    return {"$": "named", "type": name_of(type(value)), "fields": fields}


def _read_derived(walk: Walk, value: Any, depth: int) -> Structure:
    """An instance of a class derived from one of Python's: its own part, and its attributes."""
    kind = type(value)
    reader = next(reader for base, reader in BASES.items() if has_base(kind, base))
    made = {"$": "derived", "type": name_of(kind), "value": reader(walk, value, depth)}
    sort = fields_kind(kind)
    state = state_of(value) if sort is None else fields_of(value, sort)
    return {**made, "fields": walk.mapping(state.items(), len(state), depth)} if state else made


def _read_fields(walk: Walk, value: Any, depth: int) -> Structure:
    sort = fields_kind(type(value))
    assert sort is not None
    found = fields_of(value, sort)
    fields = walk.mapping(found.items(), len(found), depth)
    return {"$": "object", "how": sort, "type": name_of(type(value)), "fields": fields}


def _read_opaque(walk: Walk, value: Any, depth: int) -> Structure:
    return opaque(value, walk.redactor)
