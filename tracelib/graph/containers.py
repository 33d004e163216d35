"""Nodes inside lists, tuples, dicts, sets, dataclasses, named tuples and pydantic models.

The search runs no user code, is bounded, and says when it stopped. A container without nodes is
given back as it is; one with nodes is copied, so that the body of a call sees plain values.
"""

from __future__ import annotations

import collections
import functools
import itertools
import math
import sys
import types
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tracelib.errors import SearchStoppedWarning
from tracelib.graph.given import giver
from tracelib.graph.node import ATOMS, Node, Packed, is_node, leaf, new
from tracelib.graph.operator import Operator
from tracelib.graph.tracing import OFF, here

SEARCH_LIMIT = 1_000_000
"""Elements looked at in one argument."""
DEPTH_LIMIT = 100
"""Containers within containers."""

FIELD_MARKERS = ("__dataclass_fields__", "__pydantic_fields__")
PYDANTIC = ("__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")
"""What a pydantic model keeps beside its fields."""
HEAP, IMMUTABLE = 1 << 9, 1 << 8
"""Py_TPFLAGS_HEAPTYPE and _IMMUTABLETYPE: a class was made while the program runs, and may not be changed."""

PACK = Operator("pack", lambda plain: plain)
"""What `node([a, b])` did to its nodes."""


Parts = Iterator[tuple[str, Any]]
Reader = Callable[[Any], Parts | None]


def seen(value: Any) -> tuple[Any, Any]:
    """An argument as the record keeps it, and as the body sees it."""
    if is_node(value):
        if value._live:
            value = value._reading_now()
        return value, value._data
    made = giver(value)
    if made is not None:
        return made, value
    parts = _parts_of(value)
    if parts is None:
        return value, value
    search = _Search(value, parts)
    if not search.nodes:
        return value, value
    plain_copy = _Copier(search.holding).copy(value)
    return Packed(plain_copy, tuple(search.paths), tuple(search.nodes)), plain_copy


def plain(value: Any) -> Any:
    """The value with every node in it replaced by the node's value."""
    return value if type(value) in ATOMS else seen(value)[1]


def packed_node(found: Packed, name: str | None, description: str | None) -> Node[Any]:
    """A node for a container that held nodes, with them as its parents."""
    made: Any = leaf(found.plain, name, description)
    if here.get() is not OFF:
        made._args = (found,)
        made._op = PACK
    return made  # type: ignore[no-any-return]


class _Search:
    """Collects the nodes in a container with their paths, depth first, without recursion.

    `holding` are the containers that hold a node somewhere inside, by identity.
    """

    def __init__(self, value: Any, parts: Parts) -> None:
        self.nodes: list[Node[Any]] = []
        self.paths: list[str] = []
        self.holding: set[int] = set()
        self._left = SEARCH_LIMIT
        self._too_deep = False
        self._holders: dict[int, list[int]] = {id(value): []}
        self._look(parts, id(value))
        self._spread()
        if self._left < 0 or self._too_deep:
            _stopped(value, self._left < 0)

    def _look(self, parts: Parts, owner: int) -> None:
        stack = [(parts, "", owner)]
        while stack and self._left >= 0:
            parts, path, owner = stack[-1]
            part = next(parts, None)
            if part is None:
                stack.pop()
                continue
            self._left -= 1
            key, item = part
            if is_node(item):
                self.nodes.append(item._reading_now() if item._live else item)
                self.paths.append(path + key)
                self.holding.add(owner)
            elif type(item) not in ATOMS:
                made = giver(item)
                if made is not None:  # the body sees it as it is: it need not be copied
                    self.nodes.append(made)
                    self.paths.append(path + key)
                    continue
                inside = self._entered(item, owner, len(stack))
                if inside is not None:
                    stack.append((inside, path + key, id(item)))

    def _entered(self, item: Any, owner: int, depth: int) -> Parts | None:
        """The parts of a container that is met for the first time and not too deep."""
        holders = self._holders.get(id(item))
        if holders is not None:
            holders.append(owner)
            return None
        inside = _parts_of(item)
        if inside is None:
            return None
        if depth >= DEPTH_LIMIT:
            self._too_deep = True
            return None
        self._holders[id(item)] = [owner]
        return inside

    def _spread(self) -> None:
        """What holds a container that holds a node, holds it too."""
        stack = list(self.holding)
        while stack:
            for holder in self._holders[stack.pop()]:
                if holder not in self.holding:
                    self.holding.add(holder)
                    stack.append(holder)


def _stopped(value: Any, by_size: bool) -> None:
    limit = f"{SEARCH_LIMIT:,} elements" if by_size else f"{DEPTH_LIMIT} levels"
    warnings.warn(
        f"the search for nodes in a {type(value).__name__} stopped after {limit}; nodes further in "
        "are not recorded as inputs. Pass them as arguments of their own.",
        SearchStoppedWarning,
        stacklevel=5,
    )


def _parts_of(value: Any) -> Parts | None:
    """The elements of a container with the path to each, or None for what is not searched."""
    kind: Any = type(value)
    reader = _READERS.get(kind) or _reader_of(kind)
    return None if reader is None else reader(value)


@functools.lru_cache(maxsize=512)
def _reader_of(kind: Any) -> Reader | None:
    """How to look into instances of a user's type; None where there is no safe way."""
    if issubclass(kind, type):
        return None
    for base, reader in _READERS.items():
        if issubclass(kind, base):
            return functools.partial(_read_subclass, reader)
    if kind.__module__ == "numpy" and kind.__name__ == "ndarray":
        return _read_array
    return _read_state if _has_fields(kind) else None


def _has_fields(kind: type) -> bool:
    """Whether it is a dataclass or pydantic model that a bare `object.__new__` can copy."""
    if not any(marker in vars(base) for base in kind.__mro__ for marker in FIELD_MARKERS):
        return False
    return all(base is object or written_in_python(base) for base in kind.__mro__)


def written_in_python(kind: type) -> bool:
    """Whether a class statement made it. Since Python 3.12 many classes of C are made while running, too."""
    return kind.__flags__ & (HEAP | IMMUTABLE) == HEAP


def _read_subclass(reader: Reader, value: Any) -> Parts | None:
    """The elements of an instance of a container's subclass, and its attributes."""
    elements = reader(value)
    attributes = [(name, item) for name, item in _state(value) if type(item) not in ATOMS]
    if not attributes:
        return elements
    return itertools.chain(elements or (), ((f".{name}", item) for name, item in attributes))


def _read_list(value: Any) -> Parts | None:
    if ATOMS.issuperset(map(type, list.__iter__(value))):
        return None
    return _numbered(list.__iter__(value))


def _read_tuple(value: Any) -> Parts | None:
    if ATOMS.issuperset(map(type, tuple.__iter__(value))):
        return None
    return _numbered(tuple.__iter__(value))


def _read_deque(value: Any) -> Parts | None:
    items = list(collections.deque.__iter__(value))
    return None if ATOMS.issuperset(map(type, items)) else _numbered(items)


def _numbered(items: Iterable[Any]) -> Parts:
    return ((f"[{i}]", item) for i, item in enumerate(items))


def _read_set(value: Any) -> Parts | None:
    items = list(set.__iter__(value) if isinstance(value, set) else frozenset.__iter__(value))
    if ATOMS.issuperset(map(type, items)):
        return None
    # Strings hash differently in every process: the nodes go by the order in which they were made.
    items.sort(key=lambda item: item._seq if is_node(item) else math.inf)
    return (("{}", item) for item in items)


def _read_dict(value: Any) -> Parts | None:
    if ATOMS.issuperset(map(type, dict.values(value))) and ATOMS.issuperset(map(type, dict.keys(value))):
        return None
    return _read_items(list(_items(value)))


def _items(value: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(value, collections.OrderedDict):
        return collections.OrderedDict.items(value)
    return dict.items(value)


def _read_items(items: list[tuple[Any, Any]]) -> Parts:
    for key, item in items:
        if type(key) not in ATOMS:
            yield ".keys()", key
        yield f"[{key!r}]" if type(key) in ATOMS else f"[{type(key).__name__}]", item


def _read_slice(value: slice) -> Parts | None:
    parts = ((".start", value.start), (".stop", value.stop), (".step", value.step))
    return None if all(type(part) in ATOMS for _, part in parts) else iter(parts)


def _read_array(value: Any) -> Parts | None:
    return _numbered(value.ravel().tolist()) if value.dtype.kind == "O" else None


def _read_state(value: Any) -> Parts | None:
    return ((f".{name}" if name not in PYDANTIC else "", item) for name, item in _state(value))


def _state(value: Any) -> Iterator[tuple[str, Any]]:
    """The attributes that an instance itself has, in its dict and in slots; no property is run."""
    yield from list(_dict_of(value).items())
    for slot in _slots_of(value):
        try:
            yield slot.__name__, slot.__get__(value)
        except AttributeError:
            continue


def _dict_of(value: Any) -> dict[str, Any]:
    try:
        found = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return found if isinstance(found, dict) else {}


def _slots_of(value: Any) -> tuple[types.MemberDescriptorType, ...]:
    kind: Any = type(value)
    return _slots(kind)


@functools.lru_cache(maxsize=512)
def _slots(kind: Any) -> tuple[types.MemberDescriptorType, ...]:
    """The slots of a class and its bases as Python made them, private names as they are kept."""
    found = (item for base in kind.__mro__ if written_in_python(base) for item in vars(base).values())
    return tuple(item for item in found if type(item) is types.MemberDescriptorType)


_READERS: dict[type, Reader] = {
    list: _read_list,
    tuple: _read_tuple,
    dict: _read_dict,
    set: _read_set,
    frozenset: _read_set,
    collections.deque: _read_deque,
    slice: _read_slice,
}


class _Copier:
    """Copies the containers that hold nodes; what holds none is shared, not copied."""

    def __init__(self, holding: set[int]) -> None:
        self.holding = holding
        self.memo: dict[int, Any] = {}

    def copy(self, value: Any) -> Any:
        if is_node(value):
            return value._data
        if id(value) not in self.holding:
            return value
        if id(value) in self.memo:
            return self.memo[id(value)]
        made = self._container(value, type(value))
        # A frozen container that holds itself through another was finished deeper in: one copy only.
        return self.memo.setdefault(id(value), made)

    def _container(self, value: Any, kind: type) -> Any:
        if kind is slice:
            return slice(self.copy(value.start), self.copy(value.stop), self.copy(value.step))
        if kind.__name__ == "ndarray":
            return self._array(value)
        for base, copier in _COPIERS.items():
            if issubclass(kind, base):
                return copier(self, value, kind)
        return self._with_state(value, self._keep(value, new(kind)))

    def _keep(self, value: Any, made: Any) -> Any:
        return self.memo.setdefault(id(value), made)

    def _dict(self, value: Any, kind: type) -> Any:
        made = self._keep(value, dict.__new__(kind))
        if isinstance(value, collections.defaultdict):
            factory: Any = vars(collections.defaultdict)["default_factory"]
            factory.__set__(made, factory.__get__(value))
        setter = collections.OrderedDict if isinstance(value, collections.OrderedDict) else dict
        for key, item in list(_items(value)):
            setter.__setitem__(made, self.copy(key), self.copy(item))
        return self._with_state(value, made)

    def _list(self, value: Any, kind: type) -> Any:
        made: Any = self._keep(value, list.__new__(kind))
        list.extend(made, [self.copy(v) for v in list.__iter__(value)])
        return self._with_state(value, made)

    def _deque(self, value: Any, kind: type) -> Any:
        made: Any = self._keep(value, collections.deque.__new__(kind))
        size: Any = collections.deque.maxlen
        collections.deque.__init__(made, (), size.__get__(value))
        collections.deque.extend(made, [self.copy(v) for v in collections.deque.__iter__(value)])
        return self._with_state(value, made)

    def _tuple(self, value: Any, kind: type) -> Any:
        made: Any = tuple.__new__(kind, [self.copy(v) for v in tuple.__iter__(value)])
        return self._with_state(value, self._keep(value, made))

    def _set(self, value: Any, kind: type) -> Any:
        made = self._keep(value, set.__new__(kind))
        set.update(made, [self.copy(v) for v in set.__iter__(value)])
        return self._with_state(value, made)

    def _frozenset(self, value: Any, kind: type) -> Any:
        made: Any = frozenset.__new__(kind, [self.copy(v) for v in frozenset.__iter__(value)])
        return self._with_state(value, self._keep(value, made))

    def _array(self, value: Any) -> Any:
        flat = sys.modules["numpy"].empty(value.size, dtype=object)
        made = self._keep(value, flat.reshape(value.shape))
        for i, item in enumerate(value.ravel().tolist()):
            flat[i] = self.copy(item)
        return made

    def _with_state(self, value: Any, made: Any) -> Any:
        """Give the copy what the original has as attributes, without running its `__setattr__`."""
        if type(value) in _READERS:
            return made
        into = _dict_of(made)
        for name, item in list(_dict_of(value).items()):
            into[name] = self.copy(item)
        for slot in _slots_of(value):
            try:
                item = slot.__get__(value)
            except AttributeError:
                continue
            slot.__set__(made, _own(slot.__name__, self.copy(item), item))
        return made


def _own(name: str, copied: Any, item: Any) -> Any:
    """What pydantic notes beside the fields belongs to one instance: it is never shared."""
    return item.copy() if name in PYDANTIC and copied is item and item is not None else copied


_COPIERS: dict[type, Callable[[_Copier, Any, type], Any]] = {
    list: _Copier._list,
    tuple: _Copier._tuple,
    dict: _Copier._dict,
    set: _Copier._set,
    frozenset: _Copier._frozenset,
    collections.deque: _Copier._deque,
}


def nodes_of(found: Any) -> tuple[Node[Any], ...]:
    """The nodes in one kept argument."""
    if is_node(found):
        return (found,)
    return found.nodes if type(found) is Packed else ()
