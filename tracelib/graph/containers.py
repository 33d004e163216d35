"""Nodes inside lists, tuples, dicts, sets, dataclasses, named tuples and pydantic models.

The search runs no user code, is bounded, and says when it stopped. A container without nodes is
given back as it is; one with nodes is copied, so that the body of a call sees plain values.
"""

from __future__ import annotations

import collections
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from tracelib.errors import SearchStoppedWarning
from tracelib.graph.node import ATOMS, Node, Packed, leaf, new, within
from tracelib.graph.operator import Operator
from tracelib.graph.tracing import here

SEARCH_LIMIT = 1_000_000
"""Elements looked at in one argument."""
DEPTH_LIMIT = 100
"""Containers within containers."""

PACK = Operator("pack", lambda plain: plain)
"""What `node([a, b])` did to its nodes."""


def seen(value: Any) -> tuple[Any, Any]:
    """An argument as the record keeps it, and as the body sees it."""
    if isinstance(value, Node):
        if value._live:
            value = value._reading_now()
        return value, value._data
    parts = _parts_of(value)
    if parts is None:
        return value, value
    search = _Search()
    search.look(value, parts)
    if not search.nodes:
        return value, value
    plain_copy = _Copier().copy(value)
    return Packed(plain_copy, tuple(search.paths), tuple(search.nodes)), plain_copy


def plain(value: Any) -> Any:
    """The value with every node in it replaced by the node's value."""
    return value if type(value) in ATOMS else seen(value)[1]


def packed_node(found: Packed, name: str | None, description: str | None) -> Node[Any]:
    """A node for a container that held nodes, with them as its parents."""
    made: Any = leaf(found.plain, name, description)
    made._args = (found,)
    made._op = PACK
    made._caller = frame = here.get()
    if frame is not None:
        within(made, frame)
    return made  # type: ignore[no-any-return]


class _Search:
    """Collects the nodes in a container with their paths, breadth by breadth, without recursion."""

    def __init__(self) -> None:
        self.nodes: list[Node[Any]] = []
        self.paths: list[str] = []
        self.left = SEARCH_LIMIT

    def look(self, value: Any, parts: Iterator[tuple[str, Any]]) -> None:
        stack = [(parts, "")]
        met = {id(value)}
        while stack:
            parts, path = stack[-1]
            part = next(parts, None)
            if part is None:
                stack.pop()
                continue
            self.left -= 1
            key, item = part[0], part[1]
            if isinstance(item, Node):
                self.nodes.append(item._reading_now() if item._live else item)
                self.paths.append(path + key)
            elif type(item) not in ATOMS and id(item) not in met:
                inside = _parts_of(item)
                if inside is not None:
                    met.add(id(item))
                    stack.append((inside, path + key))
            if self.left < 0 or len(stack) > DEPTH_LIMIT:
                return _stopped(value, self.left < 0)


def _stopped(value: Any, by_size: bool) -> None:
    limit = f"{SEARCH_LIMIT:,} elements" if by_size else f"{DEPTH_LIMIT} levels"
    warnings.warn(
        f"the search for nodes in a {type(value).__name__} stopped after {limit}; nodes further in "
        "are not recorded as inputs. Pass them as arguments of their own.",
        SearchStoppedWarning,
        stacklevel=5,
    )


def _parts_of(value: Any) -> Iterator[tuple[str, Any]] | None:
    """The elements of a container with the path to each, or None for what is not searched."""
    kind = type(value)
    reader = _READERS.get(kind)
    if reader is not None:
        return reader(value)
    for base in (dict, list, tuple, set, frozenset):
        if issubclass(kind, base):
            return _READERS[base](value)
    if issubclass(kind, type):
        return None
    fields = _fields(kind)
    if fields is not None:
        return _read_fields(value, fields)
    if kind.__module__ == "numpy" and kind.__name__ == "ndarray" and value.dtype.hasobject:
        return _read_sequence(value.ravel().tolist())
    return None


def _read_sequence(value: Any) -> Iterator[tuple[str, Any]] | None:
    if ATOMS.issuperset(map(type, value)):
        return None
    return ((f"[{i}]", item) for i, item in enumerate(value))


def _read_set(value: Any) -> Iterator[tuple[str, Any]] | None:
    if ATOMS.issuperset(map(type, value)):
        return None
    return (("{}", item) for item in value)


def _read_dict(value: Any) -> Iterator[tuple[str, Any]] | None:
    if ATOMS.issuperset(map(type, dict.values(value))) and ATOMS.issuperset(map(type, dict.keys(value))):
        return None
    return _read_items(value)


def _read_items(value: Any) -> Iterator[tuple[str, Any]]:
    for key, item in dict.items(value):
        if type(key) not in ATOMS:
            yield ".keys()", key
        yield f"[{key!r}]" if type(key) in ATOMS else f"[{type(key).__name__}]", item


def _fields(kind: type) -> tuple[str, ...] | None:
    """The field names of a dataclass or pydantic model; pydantic itself is not imported."""
    for marker in ("__dataclass_fields__", "__pydantic_fields__"):
        found = getattr(kind, marker, None)
        if isinstance(found, dict):
            return tuple(found)
    return None


def _read_fields(value: Any, fields: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    for name in fields:
        try:
            item = object.__getattribute__(value, name)
        except AttributeError:
            continue
        yield f".{name}", item


_READERS: dict[type, Callable[[Any], Iterator[tuple[str, Any]] | None]] = {
    list: _read_sequence,
    tuple: _read_sequence,
    collections.deque: _read_sequence,
    set: _read_set,
    frozenset: _read_set,
    dict: _read_dict,
}


class _Copier:
    """Copies containers around nodes; what holds no node is shared, not copied."""

    def __init__(self) -> None:
        self.memo: dict[int, Any] = {}

    def copy(self, value: Any) -> Any:
        if type(value) in ATOMS:
            return value
        if isinstance(value, Node):
            return value._data
        if id(value) in self.memo:
            return self.memo[id(value)]
        if _parts_of(value) is None:
            return value
        return self._container(value)

    def _container(self, value: Any) -> Any:
        kind = type(value)
        if issubclass(kind, dict):
            return self._dict(value, kind)
        if issubclass(kind, (list, collections.deque)):
            return self._list(value, kind)
        if issubclass(kind, tuple):
            return self._keep(value, tuple.__new__(kind, [self.copy(v) for v in value]))
        if issubclass(kind, (set, frozenset)):
            return self._keep(value, kind.__mro__[-2](self.copy(v) for v in value))
        if kind.__name__ == "ndarray":
            flat = [self.copy(v) for v in value.ravel().tolist()]
            return self._keep(value, sys.modules["numpy"].array(flat).reshape(value.shape))
        return self._object(value, kind)

    def _keep(self, value: Any, made: Any) -> Any:
        self.memo[id(value)] = made
        return made

    def _dict(self, value: Any, kind: type) -> Any:
        if isinstance(value, collections.defaultdict):
            made: Any = collections.defaultdict(value.default_factory)
        else:
            made = dict.__new__(kind)
        self._keep(value, made)
        setter = collections.OrderedDict if isinstance(value, collections.OrderedDict) else dict
        for key, item in dict.items(value):
            setter.__setitem__(made, self.copy(key), self.copy(item))
        return _with_attributes(value, made)

    def _list(self, value: Any, kind: type) -> Any:
        if issubclass(kind, collections.deque):
            return self._keep(value, collections.deque((self.copy(v) for v in value), value.maxlen))
        made: Any = self._keep(value, list.__new__(kind))
        list.extend(made, [self.copy(v) for v in value])
        return _with_attributes(value, made)

    def _object(self, value: Any, kind: type) -> Any:
        made = self._keep(value, new(kind))
        for name in (*getattr(value, "__dict__", ()), *_slots(kind)):
            try:
                item = object.__getattribute__(value, name)
            except AttributeError:
                continue
            object.__setattr__(made, name, self.copy(item))
        return made


def _with_attributes(value: Any, made: Any) -> Any:
    for name, item in getattr(value, "__dict__", {}).items():
        object.__setattr__(made, name, item)
    return made


def _slots(kind: type) -> Iterator[str]:
    for base in kind.__mro__:
        names = vars(base).get("__slots__", ())
        yield from (n for n in ((names,) if isinstance(names, str) else names) if n not in ("__weakref__", "__dict__"))


def nodes_of(found: Any) -> tuple[Node[Any], ...]:
    """The nodes in one kept argument."""
    if isinstance(found, Node):
        return (found,)
    return found.nodes if type(found) is Packed else ()
