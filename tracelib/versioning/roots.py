"""From what was asked for to the part that defines it: functions, classes, partials, callable objects."""

from __future__ import annotations

import functools
import types
from typing import Any

from tracelib.versioning import places
from tracelib.versioning.chunks import DEFINITIONS
from tracelib.versioning.inspection import (
    attributes,
    class_names,
    function_under,
    innermost,
    is_class,
    is_function,
    name_in,
    namespaces_around,
    wrapped,
)
from tracelib.versioning.pieces import IMPORT, Owner, Piece
from tracelib.versioning.places import plain_string
from tracelib.versioning.spaces import Space
from tracelib.versioning.values import expression, is_plain, type_name
from tracelib.versioning.walk import Walk


class Root:
    """The part that a version is of, the rest of the way to a method, and the name."""

    def __init__(self, piece: Piece, name: str, suffix: str = "") -> None:
        self.piece = piece
        self.name = name
        self.suffix = suffix

    def told_apart(self) -> str:
        """What the hash needs beside the parts: which method, or which of the names of one statement."""
        bound = {b.name for s in self.piece.statements for b in s.names.bound}
        return self.suffix or (self.name if len(bound) > 1 else "")


def find_root(walk: Walk, value: Any) -> Root:
    """The piece that defines what was asked for; it is the walk's first."""
    if places.is_module(value):
        return _module_root(walk, value)
    held = value
    value = function_under(value)
    if type(held) is types.MethodType:
        owner: Any = held.__self__
        walk.classes[id(value)] = owner if is_class(owner) else type(owner)
    if is_class(value):
        return _class_root(walk, value)
    if is_function(value) and wrapped(value) is None:
        return _function_root(walk, value, value)
    named = _named_root(walk, value)
    if named is not None:
        return named
    inner = innermost(value)
    if type(value) is functools.partial:
        return _partial_root(walk, value)
    if inner is not None:
        return _function_root(walk, inner, value)
    return _other_root(walk, value, held)


def _module_root(walk: Walk, value: types.ModuleType) -> Root:
    """A module of Python's: all that its text binds."""
    namespace = places.namespace_of(value)
    whole = plain_string(namespace.get("__name__")) or "module"
    name = whole.rpartition(".")[2]
    if not walk.is_local(namespace):
        return _opaque_root(walk, value, whole, name)
    space = walk.spaces.of(namespace)
    piece, _ = walk.new(("root", id(value)), "module", name, space)
    piece.canonical = "module"
    for bound in space.names:
        owner = walk.owner(space, bound)
        if owner.piece is not None:
            piece.refs.append((bound, owner.piece.index))
    return Root(piece, name)


def _class_root(walk: Walk, value: type) -> Root:
    _, qualname = class_names(value)
    space = _space(walk, value)
    owner = walk.of_class(space, qualname, value, ("root", id(value)))
    piece = _piece(walk, owner, space, qualname)
    return Root(piece, qualname, _suffix(piece, qualname))


def _suffix(piece: Piece, qualname: str) -> str:
    """The way from the definition that is a part to what was asked for inside it."""
    own = qualname.rpartition("<locals>.")[2]
    return own if own.partition(".")[0] == piece.name and own != piece.name else ""


def _function_root(walk: Walk, fn: types.FunctionType, value: Any) -> Root:
    owner = walk.function(fn)
    space = walk.spaces.of(fn.__globals__)
    piece = _piece(walk, owner, space, fn.__name__)
    qualname = fn.__qualname__
    first = piece.statements[0].node if piece.statements else piece.node
    if fn.__name__ == "<lambda>" or (piece.statements and not isinstance(first, DEFINITIONS)):
        return Root(piece, piece.name)
    return Root(piece, qualname, _suffix(piece, qualname))


def _named_root(walk: Walk, value: Any) -> Root | None:
    """An object that a module holds under a name, with the statement that put it there."""
    for namespace in namespaces_around(value):
        name = name_in(namespace, value, _own_name(value))
        if name is not None and walk.is_local(namespace):
            space = walk.spaces.of(namespace)
            if space.bindings(name):
                owner = walk.owner(space, name)
                if owner.piece is not None and owner.piece.kind != IMPORT:
                    return Root(owner.piece, name)
    return None


def _own_name(value: Any) -> str | None:
    return value.__name__ if is_function(value) else plain_string(attributes(value).get("__name__"))


def _partial_root(walk: Walk, value: Any) -> Root:
    """A partial that has no name: one is made from that of its function."""
    inner = innermost(value)
    space = _space(walk, inner)
    name = f"{getattr(inner, '__name__', 'partial')}_partial"
    piece, _ = walk.new(("root", id(value)), "value", name, space)
    target = walk.of_value(space, name, value.func, ("partial", id(value)))
    plain = all(is_plain(v) for v in (*value.args, *value.keywords.values()))
    given = [expression(v) if is_plain(v) else f"<{type_name(v)}>" for v in value.args]
    given += [f"{k}={expression(v) if is_plain(v) else '...'}" for k, v in value.keywords.items()]
    function = target.piece.name if target.piece is not None else "None"
    call = f"__import__('functools').partial({', '.join([function, *given])})"
    piece.value_text = f"{name} = {call}" if plain else None
    piece.canonical = f"partial {given}"
    if target.piece is not None:
        piece.refs.append((function, target.piece.index))
    if not plain:
        piece.note = f"# {name}: its arguments are not reproduced"
        walk.partial(f"{name}: a partial of arguments that no statement defines")
    return Root(piece, name)


def _other_root(walk: Walk, value: Any, held: Any) -> Root:
    """A callable object: its class; a builtin: its name."""
    kind = type(value)
    space = _space(walk, kind)
    if kind in (types.BuiltinFunctionType, types.BuiltinMethodType, types.MethodWrapperType) or not is_class(
        kind
    ):
        name = plain_string(getattr(value, "__name__", None)) or kind.__name__
        module = plain_string(getattr(value, "__module__", None)) or "builtins"
        return _opaque_root(walk, value, module, name)
    module, qualname = class_names(kind)
    owner = walk.of_class(space, qualname, kind, ("root", id(kind)))
    if owner.piece is None or owner.piece.kind == IMPORT:
        return _opaque_root(walk, value, module, qualname)
    return Root(owner.piece, qualname, "()")


def _opaque_root(walk: Walk, value: Any, module: str, name: str) -> Root:
    space = Space(module, {"__name__": module}, [], False)
    piece, _ = walk.new(("root", id(value)), "opaque", name, space)
    piece.canonical = f"installed {module} {name} {walk.library(module)}"
    piece.note = f"# {name} of {module}: {type_name(value)} without Python source"
    walk.partial(f"{name}: a {type_name(value)} of {module} has no Python source here")
    return Root(piece, name)


def _space(walk: Walk, value: Any) -> Space:
    for namespace in namespaces_around(value):
        return walk.spaces.of(namespace)
    return Space("builtins", {"__name__": "builtins"}, [], False)


def _piece(walk: Walk, owner: Owner, space: Space, name: str) -> Piece:
    """The owner's piece, made opaque where it is something installed."""
    if owner.piece is not None and owner.piece.kind != IMPORT:
        return owner.piece
    module = owner.piece.module if owner.piece is not None else "builtins"
    made = owner.piece
    if made is None:
        return _opaque_root(walk, owner, module, name).piece
    made.kind = "opaque"
    made.note = f"# {name} of {module} is installed: its name and version count"
    walk.partial(f"{name}: it is installed code of {module}, which counts by its version")
    return made
