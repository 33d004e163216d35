"""Finding a closure: from a function along the names it uses, each resolved in its own module.

Definitions count where they are written; the live objects decide which of several definitions it is,
and give the values of plain constants. Nothing here recurses with the length of a chain of uses, and no
code of the user's runs.
"""

from __future__ import annotations

from tracelib.versioning import places
from tracelib.versioning.chunks import DEFINITIONS
from tracelib.versioning.direct import Direct
from tracelib.versioning.lookups import computed_lookup
from tracelib.versioning.names import Imported, Load
from tracelib.versioning.pieces import (
    BUILTIN,
    CHANGE,
    DUNDER,
    DUNDERS,
    MISSING,
    Inner,
    Owner,
    Piece,
    outermost,
)
from tracelib.versioning.spaces import Space


class Walk(Direct):
    """One closure while it is found."""

    def follow(self) -> None:
        """Visit every piece, in the order in which they were first met, and find what it uses."""
        at = 0
        while at < len(self.pieces):
            self._link(self.pieces[at])
            at += 1

    def _link(self, piece: Piece) -> None:
        self._read_ahead(piece)
        by_words = False
        for load in piece.loads:
            self._use(piece, load)
            by_words = by_words or load.chain[0] in ("globals", "vars")
        for found in piece.imports:
            self._use_import(piece, found)
        if by_words:
            self._use_words(piece)
        for name in piece.computed:
            self.partial(f"{piece.name}: {name}() of a text made while running")
        piece.refs = list(dict.fromkeys(piece.refs))

    def _read_ahead(self, piece: Piece) -> None:
        """Read what binds the names that a piece loads, before any of it is followed.

        The reader's code then stays in the processor's cache: a sixteenth of a version with 50 helpers.
        """
        for load in piece.loads:
            for binding in piece.space.bindings(load.chain[0]):
                if isinstance(binding.statement.node, DEFINITIONS):
                    binding.statement.read()

    def _use(self, piece: Piece, load: Load) -> None:
        chain = load.chain
        known = self.owners.get((id(piece.space), chain[0]))
        if known is BUILTIN and not piece.space.bindings(chain[0]):
            return  # as are most names that are met again: nothing bound it earlier, nothing changes it
        if known is None:
            known = self.direct(piece.space, chain[0])
            if known is not None and known.piece is not None:
                piece.refs.append((chain[0], known.piece.index))
                return
        earlier = self.earlier(piece, load)
        owner, used = (earlier, 1) if earlier is not None else self._along(piece.space, chain)
        self._use_changes(piece, chain)
        if owner.piece is not None:
            piece.refs.append((".".join(chain[:used]), owner.piece.index))
        elif owner.kind == "module" and owner.space is not None:
            self._whole(piece, owner.space, ".".join(chain[:used]))
        elif owner is MISSING and used == 1 and not load.soft and not self._expected(piece, chain[0]):
            self.partial(f"{piece.name}: {chain[0]} is not defined")

    def _use_changes(self, piece: Piece, chain: tuple[str, ...]) -> None:
        """Statements of this module that change what it imported from another local one."""
        space = outermost(piece.space)
        found = self.changes_of(space, chain)
        if found:
            change, new = self.new(("change", *map(id, found)), CHANGE, chain[0], space)
            if new:
                change.statements = found
                for statement in found:
                    change.take(statement.names)
            if change is not piece:
                piece.refs.append((f"{chain[0]} changed", change.index))

    def _expected(self, piece: Piece, name: str) -> bool:
        """Whether a missing name is no surprise: the piece makes it itself, or it was told already."""
        return name in piece.declared or (isinstance(piece.space, Inner) and name in piece.space.hidden)

    def _along(self, space: Space, chain: tuple[str, ...]) -> tuple[Owner, int]:
        """What a chain of attributes leads to, through local modules, and how much of it that took."""
        owner, used = self.owner(space, chain[0]), 1
        while owner.kind == "module" and owner.space is not None and used < len(chain):
            owner = self.attribute(owner.space, chain[used])
            used += 1
        return owner, used

    def attribute(self, space: Space, name: str) -> Owner:
        """What an attribute of a local module stands for; the module object is to have it."""
        if name in DUNDERS:
            return DUNDER
        self.module(space)
        self.modules[space.name][1][name] = None
        if name not in space.namespace and not space.bindings(name):
            below = self.spaces.named(f"{space.name}.{name}")
            if below is not None:
                return self.module(below)
            if space.bindings("__getattr__"):
                self.modules[space.name][1]["__getattr__"] = None
                return self.owner(space, "__getattr__")
        return self.owner(space, name)

    def _whole(self, piece: Piece, space: Space, label: str) -> None:
        """A module that is passed on as it is: everything its text binds is used."""
        for name in space.names:
            owner = self.attribute(space, name)
            if owner.piece is not None and owner.piece is not piece:
                piece.refs.append((f"{label}.{name}", owner.piece.index))

    def _use_import(self, piece: Piece, found: Imported) -> None:
        """An import inside a function: the module must be there as an object when it runs."""
        module = places.absolute(found.module, found.level, piece.space.package)
        space = self.spaces.named(module)
        if space is None:
            if found.attribute != "*":
                owner = self.imported(module, found.attribute, piece.space, module, "", None)
                assert owner.piece is not None
                piece.refs.append((f"import {module}", owner.piece.index))
            return
        self.module(space)
        chain = (found.attribute,) if found.attribute else found.chain
        if chain == ("",):
            return
        if not chain:
            self._whole(piece, space, module)
            return
        owner, used = self.attribute(space, chain[0]), 1
        while owner.kind == "module" and owner.space is not None and used < len(chain):
            owner = self.attribute(owner.space, chain[used])
            used += 1
        if owner.piece is not None:
            piece.refs.append((f"import {module}.{'.'.join(chain[:used])}", owner.piece.index))
        elif owner.kind == "module" and owner.space is not None and not found.chain:
            self._whole(piece, owner.space, owner.space.name)

    def _use_words(self, piece: Piece) -> None:
        """`globals()["h"]`: strings that are names of the module count as uses."""
        space = piece.space.outer if isinstance(piece.space, Inner) else piece.space
        for word in dict.fromkeys(piece.words):
            if word.isidentifier() and (word in space.namespace or space.bindings(word)):
                self._use(piece, Load((word,), True))
        nodes = [piece.node] if piece.node is not None else [s.node for s in piece.statements]
        if any(computed_lookup(node) for node in nodes):
            self.partial(f"{piece.name}: globals() is read by a name made while running")
