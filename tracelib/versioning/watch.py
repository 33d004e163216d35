"""Versions that were found, kept as long as their function lives and nothing it reaches was rebound."""

from __future__ import annotations

import linecache
import sys
import types
import weakref
from collections.abc import Callable
from typing import Any

from tracelib.versioning.definitions import ABSENT
from tracelib.versioning.inspection import cell_value, function_under, innermost, is_function
from tracelib.versioning.places import is_module, loaded, namespace_of
from tracelib.versioning.values import is_plain, plain_text
from tracelib.versioning.version import Version
from tracelib.versioning.walk import Walk


class Kept:
    """A closure that was found, with what would show that it has changed."""

    __slots__ = ("draft", "used", "version", "watch")

    def __init__(self, draft: Version, watch: Watch, used: list[tuple[str, Any]]) -> None:
        self.draft = draft
        self.watch = watch
        self.version: Version | None = None
        self.used = [(name, _reference(value)) for name, value in used]

    def uses(self) -> list[tuple[str, Any]]:
        return [(name, value) for name, held in self.used if (value := held()) is not None]


def _reference(value: Any) -> Callable[[], Any]:
    try:
        return weakref.ref(value)
    except TypeError:  # what cannot be referenced weakly is held: a recorded function always can
        return lambda: value


class Watch:
    """Names of modules and what they held, without keeping any function or module alive.

    A function, class or module is referenced weakly, a plain constant held, and any other object
    known by its address: when a container is rebound its definition is the same text.
    """

    __slots__ = ("cells", "code", "counts", "groups")

    def __init__(self, walk: Walk, fn: Any) -> None:
        inner = innermost(function_under(fn))
        self.code = None if inner is None else inner.__code__
        own = None if inner is None else inner.__globals__
        groups: dict[int, tuple[str, list[Any], list[Any], list[Any]]] = {}
        for (_, name), (space, value) in walk.seen.items():
            where = "" if space.namespace is own else space.name
            group = groups.setdefault(id(space), (where, [], [], []))
            _note(group, name, value)
        self.groups = list(groups.values())
        self.cells = (
            [
                (weakref.ref(cell), cell_value(cell)[1])
                for cell, _, changing in walk.cells.values()
                if not changing and _steady(cell)
            ]
            if _weak_cells()
            else []
        )
        self.counts = _cells_run(own)

    def holds(self, fn: Any) -> bool:
        """Whether every name still stands for what it stood for."""
        inner = innermost(function_under(fn))
        if (None if inner is None else inner.__code__) is not self.code:
            return False
        own = None if inner is None else inner.__globals__
        if _cells_run(own) != self.counts:
            return False
        for group in self.groups:
            if not _same(group, own):
                return False
        return not self.cells or all(_same_cell(cell, value) for cell, value in self.cells)


def _weak_cells() -> bool:
    return hasattr(types.CellType, "__weakref__")


def _steady(cell: types.CellType) -> bool:
    filled, value = cell_value(cell)
    return filled and is_plain(value)


def _same_cell(cell: Any, value: Any) -> bool:
    found = cell()
    return found is None or cell_value(found)[1] is value


def _note(group: tuple[str, list[Any], list[Any], list[Any]], name: str, value: Any) -> None:
    _, weak, plain, other = group
    if value is ABSENT or is_plain(value):
        plain.append((name, value))
        return
    try:
        weak.append((name, weakref.ref(value)))
    except TypeError:
        other.append((name, id(value)))


def _same(group: tuple[str, list[Any], list[Any], list[Any]], own: dict[str, Any] | None) -> bool:
    where, weak, plain, other = group
    if where:
        module = sys.modules.get(where)
        if module is None or not is_module(module):
            return False
        own = namespace_of(module)
    if own is None:
        return False
    get = own.get
    for name, reference in weak:
        if get(name) is not reference():
            return False
    for name, value in plain:
        found = get(name, ABSENT)
        if found is not value and not _equal(found, value):
            return False
    return not other or all(id(get(name)) == address for name, address in other)


def _equal(found: Any, value: Any) -> bool:
    if found is ABSENT or value is ABSENT or not is_plain(found):
        return False
    return plain_text(found) == plain_text(value)


def _cells_run(namespace: dict[str, Any] | None) -> int:
    """In a notebook, how many texts there are: a new cell may define anything anew."""
    return len(linecache.cache) if namespace is not None and "get_ipython" in namespace else 0


_kept: dict[int, tuple[Any, Kept]] = {}


def kept(fn: Any, find: Callable[[Any], Kept]) -> Kept:
    """The closure of this very object, found again when something it reaches was rebound."""
    target = function_under(fn)
    key = id(target)
    entry = _kept.get(key)
    if entry is not None and entry[0]() is target and entry[1].watch.holds(target):
        return entry[1]
    found = find(fn)
    try:
        reference = weakref.ref(target, lambda _: _kept.pop(key, None))
    except TypeError:
        return found
    _kept[key] = (reference, found)
    return found


__all__ = ["Kept", "Watch", "is_function", "kept", "loaded"]
