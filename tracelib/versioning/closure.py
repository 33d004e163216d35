"""The two questions to this room: which version is this function, and what source reproduces it."""

from __future__ import annotations

import functools
import types
from typing import Any

from tracelib.versioning.canonical import SCHEME, digest
from tracelib.versioning.chunks import DEFINITIONS
from tracelib.versioning.emission import Emission
from tracelib.versioning.inspection import (
    attributes,
    class_names,
    function_under,
    innermost,
    is_class,
    is_function,
    is_recorded_function,
    name_in,
    namespaces_around,
    wrapped,
)
from tracelib.versioning.pieces import IMPORT, Owner, Piece
from tracelib.versioning.places import plain_string
from tracelib.versioning.secrets import redacted
from tracelib.versioning.spaces import Space
from tracelib.versioning.values import expression, is_plain, shown, type_name
from tracelib.versioning.version import Part, Use, Version
from tracelib.versioning.walk import Walk
from tracelib.versioning.watch import Kept, Watch, kept


def version_of(fn: Any) -> Version:
    """The version of a function, method, class, lambda, partial, bundle, program or callable object.

    It never raises for what cannot be seen: such a version is partial and says why. Asked again for
    an unchanged function it costs a look at each name the closure uses.
    """
    entry = kept(fn, _found)
    if entry.version is None:
        uses = tuple(Use(name, _hash(used)) for name, used in entry.uses())
        entry.version = _with_uses(entry, uses)
    return entry.version


def lexical_closure(fn: Any) -> str:
    """The source that, run alone in a fresh interpreter, reproduces the function.

    It holds the function with its decorators and every definition and constant it reaches, in the
    order in which the program ran them; what is installed is imported. Secrets are left out.
    """
    return version_of(fn).closure


def _hash(fn: Any) -> str:
    """The hash of a function's closure; other than its version it needs no hash of what it uses."""
    return kept(fn, _found).draft.hash


def _with_uses(entry: Kept, uses: tuple[Use, ...]) -> Version:
    draft = entry.draft
    values = {**{f: getattr(draft, f) for f in draft.__dataclass_fields__}, "uses": uses}
    return Version(**values)


def _found(fn: Any) -> Kept:
    walk = Walk()
    root = find_root(walk, fn)
    walk.follow()
    name = f"{root.piece.space.name}:{root.name}"
    return Kept(draft(walk, root.suffix, name), Watch(walk, fn), direct_uses(walk, fn))


class Root:
    """The part that a version is of, the rest of the way to a method, and the name."""

    def __init__(self, piece: Piece, name: str, suffix: str = "") -> None:
        self.piece = piece
        self.name = name
        self.suffix = suffix


def find_root(walk: Walk, value: Any) -> Root:
    """The piece that defines what was asked for; it is the walk's first."""
    held = value
    value = function_under(value)
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
        if name is not None and walk._is_local(namespace):
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
    piece.canonical = f"installed {module} {name} {walk._library(module)}"
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


def draft(walk: Walk, suffix: str, name: str) -> Version:
    """The version without the hashes of what it uses."""
    text = Emission(walk)
    whole = text.text()
    parts = tuple(
        Part(
            name=piece.name,
            module=piece.module or piece.space.name,
            kind=piece.kind,
            text="\n".join(text.texts.get(piece.index, ())),
            digest=digest(piece.canonical),
            uses=tuple(dict.fromkeys(walk.pieces[to].name for _, to in piece.refs)),
        )
        for piece in walk.pieces
    )
    return Version(
        hash=closure_hash(walk.pieces, suffix),
        name=name,
        source=whole.source,
        dependencies="\n\n".join(part for part in (whole.before, whole.after) if part),
        parts=parts,
        libraries=dict(sorted(walk.libraries.items())),
        partial=bool(walk.why),
        why=tuple(walk.why),
        free_values=_shown(walk.free_values),
        global_values=_shown(walk.global_values),
        state=tuple(sorted(walk.state)),
        source_at=len(whole.before),
    )


def _shown(values: dict[str, Any]) -> dict[str, Any]:
    found = {name: shown(value) for name, value in sorted(values.items())}
    return {name: redacted(value) if type(value) is str else value for name, value in found.items()}


def closure_hash(pieces: list[Piece], suffix: str) -> str:
    """The hash of a closure: each part's canonical text, and which parts it uses under which names.

    Parts are numbered in the order of first use, breadth first from the function: where they stand,
    in which order and in which module makes no difference.
    """
    texts = [SCHEME, suffix]
    for piece in pieces:
        texts.append(piece.canonical)
        texts.append(" ".join(f"{name}>{to}" for name, to in piece.refs))
    return f"{SCHEME}:{digest(*texts)}"


def direct_uses(walk: Walk, fn: Any) -> list[tuple[str, Any]]:
    """Recorded functions that the closure reaches without passing through another one, by name."""
    if not walk.recorded:
        return []
    owners = {}
    for (place, name), (_, value) in walk.seen.items():
        owner = walk.owners.get((place, name))
        if id(value) in walk.recorded and owner is not None and owner.piece is not None:
            owners[owner.piece.index] = (f"{owner.piece.space.name}:{name}", value)
    own = innermost(fn)
    found: dict[str, Any] = {}
    waiting, seen = [0], {0}
    while waiting:
        for _, to in walk.pieces[waiting.pop(0)].refs:
            if to in seen:
                continue
            seen.add(to)
            name, value = owners.get(to, ("", None))
            if value is not None and value is not fn and innermost(value) is not own:
                found[name] = value
            else:
                waiting.append(to)
    return sorted(found.items())


__all__ = ["is_recorded_function", "lexical_closure", "version_of"]
