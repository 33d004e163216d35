"""Statements that change what their module imported from another local one: registered, updated, set."""

from __future__ import annotations

from tracelib.versioning.chunks import Statement
from tracelib.versioning.imports import origin
from tracelib.versioning.naming import Naming
from tracelib.versioning.spaces import Space


class Changing(Naming):
    """Changes found from the module that makes them."""

    def changes_of(self, space: Space, chain: tuple[str, ...]) -> list[Statement]:
        """The statements of a module that change the object a chain of names leads to elsewhere."""
        name = chain[0]
        if not space.imports(name):
            return []
        owner = self.owner(space, name)
        if owner.kind == "module" and owner.space is not None:
            attribute = chain[1] if len(chain) > 1 else ""
            return [s for s in space.mutations(name) if self._reaches(s, name, attribute, owner.space)]
        if owner.piece is None or owner.piece.space is space or owner.piece.module:
            return []
        other, final = self.finals.get((id(space), name), (space, name))
        found = [*space.mutations(name), *self._changers(space).get((id(other), final), ())]
        return sorted({id(s): s for s in found}.values(), key=lambda s: s.number)

    def _reaches(self, statement: Statement, name: str, attribute: str, module: Space) -> bool:
        """Whether a statement that changes something of a module changes this attribute of it."""
        read = {load.chain[1] for load in statement.names.loads if load.chain[0] == name and load.chain[1:]}
        return attribute in read or any(attribute in module.changed_in(function) for function in read)

    def _changers(self, space: Space) -> dict[tuple[int, str], list[Statement]]:
        """The statements of a module that change names of others by calling or deriving, by these names."""
        found = self.changers.get(id(space))
        if found is None:
            found = self.changers[id(space)] = {}
            for used, changed_in in (
                (space.calls, Space.changed_in),
                (space.makings, Space.changed_by_making),
            ):
                for name, statements in used.items():
                    where, final = origin(self.spaces, space, name)
                    for changed in changed_in(where, final) if where is not space else ():
                        found.setdefault((id(where), changed), []).extend(statements)
        return found
