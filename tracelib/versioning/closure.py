"""The two questions to this room: which version is this function, and what source reproduces it."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import Any

from tracelib.modules import importable
from tracelib.versioning.canonical import SCHEME, digest
from tracelib.versioning.emission import Emission
from tracelib.versioning.inspection import innermost
from tracelib.versioning.pieces import Piece
from tracelib.versioning.roots import find_root
from tracelib.versioning.secrets import redacted
from tracelib.versioning.values import shown
from tracelib.versioning.version import Part, Use, Version
from tracelib.versioning.walk import Walk
from tracelib.versioning.watch import Kept, Watch, kept

_alone = threading.RLock()
"""Held while a closure is found: texts are parsed once for all threads, piece by piece."""


def _renew() -> None:
    global _alone
    _alone = threading.RLock()


os.register_at_fork(after_in_child=_renew)


def version_of(fn: Any) -> Version:
    """The version of a function, method, class, lambda, partial, bundle, program, callable object or module.

    It never raises for what cannot be seen: such a version is partial and says why. Asked again for
    an unchanged function it costs a look at each name the closure uses.
    """
    entry = kept(fn, _found)
    if entry.version is None:
        uses = tuple(dict.fromkeys(_use(used) for _, used in entry.uses()))
        entry.version = _with_uses(entry, uses)
    return entry.version


def lexical_closure(fn: Any) -> str:
    """The source that, run alone in a fresh interpreter, reproduces the function.

    It holds the function with its decorators and every definition and constant it reaches, in the
    order in which the program ran them; what is installed is imported. Secrets are left out.
    """
    return version_of(fn).closure


def _use(fn: Any) -> Use:
    """A recorded function by its closure alone: that needs no hash of what it uses in turn."""
    found = kept(fn, _found).draft
    return Use(found.name, found.hash)


def _with_uses(entry: Kept, uses: tuple[Use, ...]) -> Version:
    draft = entry.draft
    if not uses:
        return draft
    values = {**{f: getattr(draft, f) for f in draft.__dataclass_fields__}, "uses": uses}
    return Version(**values)


def _found(fn: Any) -> Kept:
    with _alone:
        walk = Walk()
        root = find_root(walk, fn)
        walk.follow()
        name = f"{importable(root.piece.module or root.piece.space.name)}:{root.name}"
        return Kept(draft(walk, root.told_apart(), name), Watch(walk, fn), direct_uses(walk, fn))


def draft(walk: Walk, suffix: str, name: str) -> Version:
    """The version without the hashes of what it uses."""
    text = Emission(walk)
    whole = text.text()
    digests = [digest(piece.counted()) for piece in walk.pieces]
    parts = tuple([_part(piece, text, own) for piece, own in zip(walk.pieces, digests, strict=True)])
    return Version(
        hash=closure_hash(digests, [piece.refs for piece in walk.pieces], suffix),
        suffix=suffix,
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


def _part(piece: Piece, text: Emission, own: str) -> Part:
    uses, to = zip(*piece.refs, strict=True) if piece.refs else ((), ())
    module = importable(piece.module or piece.space.name)
    return Part(piece.name, module, piece.kind, "\n".join(text.texts.get(piece.index, ())), own, uses, to)


def _shown(values: dict[str, Any]) -> dict[str, Any]:
    found = {name: shown(value) for name, value in sorted(values.items())}
    return {name: redacted(value) if type(value) is str else value for name, value in found.items()}


def rederived(version: Version) -> str:
    """The hash that a stored version must have, from what is stored of its parts."""
    refs = [list(zip(part.uses, part.to, strict=True)) for part in version.parts]
    return closure_hash([part.digest for part in version.parts], refs, version.suffix)


def closure_hash(digests: list[str], refs: Sequence[Sequence[tuple[str, int]]], suffix: str) -> str:
    """The hash of a closure: each part's canonical text, and which parts it uses under which names.

    Parts are numbered in the order of first use, breadth first from the function: where they stand,
    in which order and in which module makes no difference.
    """
    texts = [SCHEME, suffix]
    for own, used in zip(digests, refs, strict=True):
        texts.append(own)
        texts.append(" ".join([f"{name}>{to}" for name, to in used]))
    return f"{SCHEME}:{digest(*texts)}"


def direct_uses(walk: Walk, fn: Any) -> list[tuple[str, Any]]:
    """Recorded functions that the closure reaches without passing through another one, by name."""
    if not walk.recorded:
        return []
    owners = {}
    for (place, name), (_, value) in walk.recorded.items():
        owner = walk.owners.get((place, name))
        if owner is not None and owner.piece is not None:
            owners[owner.piece.index] = (f"{importable(owner.piece.space.name)}:{name}", value)
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
