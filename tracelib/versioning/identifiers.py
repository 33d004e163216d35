"""The names that definitions have in the text of a closure: those of two modules never meet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tracelib.versioning.pieces import CHANGE, CONSTANT, IMPORT, LIVE, OPAQUE, Inner, Piece, outermost
from tracelib.versioning.spaces import Space
from tracelib.versioning.walk import Walk

Key = tuple[Any, ...]


@dataclass
class Identifiers:
    """Who has which name; the function's own module has the first choice."""

    walk: Walk
    claims: dict[str, Key] = field(default_factory=dict)
    idents: dict[tuple[int, str], str] = field(default_factory=dict)
    chosen: dict[Key, str] = field(default_factory=dict)
    spaces: dict[int, Space] = field(default_factory=dict)
    others: dict[int, dict[str, str]] = field(default_factory=dict)
    defined: set[tuple[int, str]] = field(default_factory=set)

    def claim_names(self) -> None:
        """Give every name of every module its name in the text; the function's own module has the choice."""
        pieces = self.walk.pieces
        root = outermost(pieces[0].space)
        own = [piece for piece in pieces if outermost(piece.space) is root]
        others = [piece for piece in pieces if outermost(piece.space) is not root]
        for some in (own, others):
            for piece in some:
                for name in names_bound(piece):
                    self.claim(piece.space, name, ("piece", piece.index, name))
            for piece in some:
                for load in piece.loads:
                    self.claim(piece.space, load.chain[0])

    def claim(self, space: Space, name: str, key: Key | None = None) -> str:
        """The name in the text for a name of a space; `key` is given where the space defines it."""
        space = space if key is not None else self.home(space, name)
        place = (id(space), name)
        if key is not None:
            self.defined.add(place)
        found = self.idents.get(place)
        if found is not None:
            return found
        self.spaces[id(space)] = space
        key = key or self.key(space, name)
        if key[0] in ("missing", "dunder"):
            self.idents[place] = name
            return name
        ident = name
        if self.claims.get(name, key) != key:
            ident = self.chosen.get(key) or self.free(space, name)
        self.claims[ident] = key
        self.chosen.setdefault(key, ident)
        self.idents[place] = ident
        if ident != name:
            self.others.setdefault(id(space), {})[name] = ident
        return ident

    def home(self, space: Space, name: str) -> Space:
        """The space that decides a name: a function inside another one has its cells only."""
        while isinstance(space, Inner) and name not in space.cells and (id(space), name) not in self.idents:
            space = space.outer
        return space

    def free(self, space: Space, name: str) -> str:
        ident = f"{space.name.rpartition('.')[2].strip('_')}_{name}"
        ident = ident if ident.isidentifier() else f"other_{name}"
        while ident in self.claims or any(ident in chunk.text for chunk in space.chunks):
            ident += "_"
        return ident

    def key(self, space: Space, name: str) -> Key:
        """What a name stands for, the same for all names that stand for it."""
        own = self.own_piece(space, name)
        if own is not None:
            return ("piece", own.index, name)
        owner = self.walk.owner(space, name)
        if owner.piece is not None:
            last, final = self.walk.finals.get((id(space), name), (space, name))
            bound = names_bound(owner.piece)
            own_name = final if last is owner.piece.space and final in bound else owner.piece.name
            return ("piece", owner.piece.index, own_name)
        if owner.kind == "module" and owner.space is not None:
            return ("module", owner.space.name)
        return (owner.kind, name)

    def own_piece(self, space: Space, name: str) -> Piece | None:
        """The root where it defines the name itself, whatever the name holds now."""
        root = self.walk.pieces[0]
        return root if root.space is space and name == root.name and root.kind != IMPORT else None

    def names(self, space: Space) -> dict[str, str]:
        """The names of a module that are others in the text."""
        own = self.others.get(id(space), {})
        if isinstance(space, Inner):
            outer = {n: i for n, i in self.names(space.outer).items() if n not in space.cells}
            return {**outer, **own}
        return own


def names_bound(piece: Piece) -> list[str]:
    """The names that a piece gives to its module."""
    if piece.kind in (CONSTANT, LIVE, OPAQUE) or piece.node is not None or piece.value_text is not None:
        return [piece.name]
    if piece.kind == IMPORT:
        return []
    found = dict.fromkeys([b.name for s in piece.statements for b in s.names.bound])
    return list(found) if found or piece.kind == CHANGE else [piece.name]
