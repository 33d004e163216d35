"""Namespaces of modules: what is in them now, and which statements put it there."""

from __future__ import annotations

import ast
import linecache
import sys
import types
from typing import Any

from tracelib.versioning.chunks import Binding, Chunk, Statement
from tracelib.versioning.found import in_chunk
from tracelib.versioning.places import (
    LOCAL,
    file_of,
    file_unloaded,
    is_module,
    loaded,
    namespace_of,
    place,
    plain_string,
)
from tracelib.versioning.snapshots import Texts
from tracelib.versioning.values import literal

CELL_NAMES = ("<ipython-input-", "ipykernel_")


class Space:
    """A local module: its dict (empty while it is not loaded) and its texts in the order they ran."""

    def __init__(self, name: str, namespace: dict[str, Any], chunks: list[Chunk], loaded: bool) -> None:
        self.name = name
        self.namespace = namespace
        self.chunks = chunks
        self.loaded = loaded
        self.package = _package(name, namespace)
        self.ranks = {id(chunk): rank for rank, chunk in enumerate(chunks)}
        self.edited: bool | None = None
        self._bindings: dict[str, list[Binding]] = {}

    def bindings(self, name: str) -> list[Binding]:
        """Every statement that binds the name, in the order they ran; the main guard's come first."""
        found = self._bindings.get(name)
        if found is None:
            found = self._bindings[name] = self._bound(name)
        return found

    def _bound(self, name: str) -> list[Binding]:
        found = [b for chunk in self.chunks for b in chunk.index.get(name, ())]
        if len(found) > 1 and any(b.statement.is_guard for b in found):
            found.sort(key=lambda b: not b.statement.is_guard)
        return found

    def imports(self, name: str) -> bool:
        """Whether an import of this module binds the name."""
        return any(isinstance(b.bound.node, ast.alias) for b in self.bindings(name))

    def mutations(self, name: str) -> list[Statement]:
        return [s for chunk in self.chunks for s in chunk.effects.mutations.get(name, ())]

    @property
    def calls(self) -> dict[str, list[Statement]]:
        """Statements that call a function by its plain name, as decorators do, by that name."""
        return _joined([chunk.effects.calls for chunk in self.chunks])

    @property
    def makings(self) -> dict[str, list[Statement]]:
        """Statements that derive from a class or assign an instance of it, by its plain name."""
        return _joined([chunk.effects.makings for chunk in self.chunks])

    def changed_in(self, function: str) -> set[str]:
        """The names of this module that a function of it changes when it is called."""
        return {name for chunk in self.chunks for name in chunk.changed_in(function)}

    def changed_by_making(self, name: str) -> set[str]:
        """The names of this module that a class of it changes when it is called or derived from."""
        return {changed for chunk in self.chunks for changed in chunk.changed_by_making(name)}

    def moment(self, statement: Statement) -> tuple[int, int]:
        """When a statement ran, to be compared with that of another one."""
        return self.ranks.get(id(statement.chunk), len(self.chunks)), statement.number

    @property
    def is_in_order(self) -> bool:
        """Whether the order of the texts is that in which they ran: cells without a history are in doubt."""
        return len(self.chunks) < 2 or "get_ipython" not in self.namespace or bool(_history(self.namespace))

    def is_state(self, name: str) -> bool:
        """Whether some function declares the name global, so that it changes while the program runs."""
        return any(name in chunk.declared for chunk in self.chunks)

    def stars(self, after: Statement | None = None) -> list[ast.ImportFrom]:
        """The star imports; with `after`, those that ran later than a statement began."""
        found = [star for chunk in self.chunks for star in chunk.effects.stars]
        if after is None or not found:
            return found
        rank, line = self.ranks.get(id(after.chunk), 0), after.node.lineno
        here = [star for star in after.chunk.effects.stars if star.lineno > line]
        return here + [star for chunk in self.chunks[rank + 1 :] for star in chunk.effects.stars]

    def exports(self, name: str) -> bool:
        """Whether `from module import *` gives the name."""
        if name not in self.namespace and not self.bindings(name):
            return False
        listed = self.exported
        return name in listed if listed is not None else not name.startswith("_")

    @property
    def exported(self) -> list[Any] | tuple[Any, ...] | None:
        """What `__all__` lists; None where there is none."""
        found = self.namespace.get("__all__")
        if not self.loaded:
            bound = self.bindings("__all__")
            _, found = literal(getattr(bound[-1].statement.node, "value", None)) if bound else (False, None)
        return found if type(found) in (list, tuple) else None

    @property
    def names(self) -> list[str]:
        """The names that the texts bind, sorted."""
        return sorted({name for chunk in self.chunks for name in chunk.index})


def _joined(found: list[dict[str, list[Statement]]]) -> dict[str, list[Statement]]:
    joined: dict[str, list[Statement]] = {}
    for each in found:
        for name, statements in each.items():
            joined.setdefault(name, []).extend(statements)
    return joined


def _package(name: str, namespace: dict[str, Any]) -> str:
    found = plain_string(namespace.get("__package__"))
    if found is not None and (found or "." not in name):
        return found
    return name if "__path__" in namespace else name.rpartition(".")[0]


class Spaces:
    """The local modules that one closure touches, in the order they were met."""

    def __init__(self, texts: Texts) -> None:
        self.texts = texts
        self.by_dict: dict[int, Space] = {}
        self.by_name: dict[str, Space | None] = {}
        self.met: list[Space] = []

    def of(self, namespace: dict[str, Any]) -> Space:
        """The space of a function's globals."""
        found = self.by_dict.get(id(namespace))
        if found is None:
            name = plain_string(namespace.get("__name__")) or "<unknown>"
            found = self._keep(Space(name, namespace, chunks_of(namespace, self.texts), True))
            module = loaded(name)
            own = module is not None and namespace_of(module) is namespace
            if own and place(name, namespace) == LOCAL:
                self.by_name[name] = found
        return found

    def _keep(self, space: Space) -> Space:
        self.by_dict[id(space.namespace)] = space
        self.met.append(space)
        return space

    def named(self, name: str) -> Space | None:
        """The local module of that name, loaded or not; None where it is installed, or nowhere."""
        if name in self.by_name:
            return self.by_name[name]
        module = loaded(name)
        if module is not None:
            namespace = namespace_of(module)
            found = self.of(namespace) if place(name, namespace) == LOCAL else None
        else:
            found = self._unloaded(name)
        self.by_name[name] = found
        return found

    def _unloaded(self, name: str) -> Space | None:
        if name in sys.modules or name.partition(".")[0] in sys.builtin_module_names:
            return None
        where = file_unloaded(name)
        if where is None or place(name, None, where[0]) != LOCAL:
            return None
        namespace: dict[str, Any] = {"__name__": name, "__file__": where[0]}
        if where[1]:
            namespace["__path__"] = []
        chunk = self.texts.chunk(where[0], namespace)
        return self._keep(Space(name, namespace, [] if chunk is None else [chunk], False))


def chunks_of(namespace: dict[str, Any], texts: Texts) -> list[Chunk]:
    """The texts that filled a namespace: its file, or the cells of a notebook in order."""
    found: list[Chunk] = []
    file = file_of(namespace)
    if file is not None and not file.endswith((".pyc", ".so", ".pyd")):
        chunk = texts.chunk(file, namespace)
        found += [] if chunk is None else [chunk]
    if "get_ipython" in namespace:
        cells = _cells(namespace, texts, lambda name: any(mark in name for mark in CELL_NAMES))
        found += _as_run([cell for cell in cells if _was_run_here(cell, namespace)], namespace)
    elif file is None:
        found += _cells(namespace, texts, _files_of_functions(namespace).__contains__)
    return found


def _files_of_functions(namespace: dict[str, Any]) -> set[str]:
    return {
        value.__code__.co_filename
        for value in list(namespace.values())
        if type(value) is types.FunctionType and value.__globals__ is namespace
    }


def _was_run_here(cell: Chunk, namespace: dict[str, Any]) -> bool:
    """Whether a cell is one of this notebook's, where it keeps a history; a magic changes a cell's text."""
    history = _history(namespace)
    if not history or "get_ipython()" in cell.text:
        return True
    return cell.text.strip() in history or cell.filename in _files_of_functions(namespace)


def _history(namespace: dict[str, Any]) -> dict[str, int]:
    """When a notebook ran each text for the last time; empty where it keeps no history."""
    texts = namespace.get("In")
    if type(texts) is not list or len(texts) < 2:
        return {}
    return {text.strip(): at for at, text in enumerate(texts) if type(text) is str}


def _as_run(cells: list[Chunk], namespace: dict[str, Any]) -> list[Chunk]:
    """Cells in the order in which they last ran; one that ran again unchanged is known at its old place."""
    history = _history(namespace)
    places, at = [], 0
    for cell in cells:
        at = history.get(cell.text.strip(), at)
        places.append(at)
    return [cells[i] for i in sorted(range(len(cells)), key=places.__getitem__)]


def _cells(namespace: dict[str, Any], texts: Texts, wanted: Any) -> list[Chunk]:
    """Texts that live in linecache only, in the order they were put there."""
    entries = list(linecache.cache.items())
    names = [name for name, entry in entries if len(entry) == 4 and entry[1] is None and wanted(name)]
    return [chunk for name in names if (chunk := texts.chunk(name, namespace)) is not None]


def is_local_module(value: Any) -> bool:
    if not is_module(value):
        return False
    namespace = namespace_of(value)
    name = plain_string(namespace.get("__name__")) or ""
    return place(name, namespace) == LOCAL


def was_edited(space: Space) -> bool:
    """Whether the text is not the one that ran: some function of the module is not what it says."""
    if space.edited is None:
        doubtful = [c for c in space.chunks if space.loaded and c.may_be_edited(space.namespace)]
        space.edited = any(not _tells(chunk, space.namespace) for chunk in doubtful)
    return space.edited


def _tells(chunk: Chunk, namespace: dict[str, Any]) -> bool:
    """Whether every function that the namespace holds from this file is in its text as it is."""
    codes = [
        value.__code__
        for value in list(namespace.values())
        if type(value) is types.FunctionType and value.__code__.co_filename == chunk.filename
    ]
    return all(in_chunk(chunk, code, True) is not None for code in codes)
