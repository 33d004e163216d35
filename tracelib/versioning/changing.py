"""Statements that change what their module imported from another local one: registered, updated, set."""

from __future__ import annotations

import ast

from tracelib.versioning.chunks import Statement
from tracelib.versioning.naming import Naming
from tracelib.versioning.spaces import Space


class Changing(Naming):
    """Changes found from the module that makes them."""

    def changes_of(self, space: Space, chain: tuple[str, ...]) -> list[Statement]:
        """The statements of a module that change the object a chain of names leads to elsewhere."""
        name = chain[0]
        if not any(isinstance(b.bound.node, ast.alias) for b in space.bindings(name)):
            return []
        owner = self.owner(space, name)
        if owner.kind == "module" and owner.space is not None:
            attribute = chain[1] if len(chain) > 1 else ""
            return [s for s in space.mutations(name) if self._reaches(s, name, attribute, owner.space)]
        if owner.piece is None or owner.piece.space is space or owner.piece.module:
            return []
        other, final = self.finals.get((id(space), name), (space, name))
        found = space.mutations(name)
        for called, statements in space.calls.items():
            if final in self._changed_by_calling(space, called, other):
                found = [*found, *statements]
        return sorted({id(s): s for s in found}.values(), key=lambda s: s.number)

    def _reaches(self, statement: Statement, name: str, attribute: str, module: Space) -> bool:
        """Whether a statement that changes something of a module changes this attribute of it."""
        read = {load.chain[1] for load in statement.names.loads if load.chain[0] == name and load.chain[1:]}
        return attribute in read or any(attribute in module.changed_in(function) for function in read)

    def _changed_by_calling(self, space: Space, function: str, module: Space) -> set[str]:
        """The names of another module that a function imported from there changes when it is called."""
        if not any(isinstance(b.bound.node, ast.alias) for b in space.bindings(function)):
            return set()
        self.owner(space, function)
        other, final = self.finals.get((id(space), function), (space, function))
        return module.changed_in(final) if other is module else set()
