"""The parts of a closure while it is found: each kind of part is made here, once."""

from __future__ import annotations

import types
from typing import Any

from tracelib.redaction import DEFAULT as REDACTOR
from tracelib.versioning import places
from tracelib.versioning.canonical import canonical, digest
from tracelib.versioning.chunks import DEFINITIONS, Binding, Place, Statement
from tracelib.versioning.definitions import fresh, replaced, written
from tracelib.versioning.enclosing import stored_names
from tracelib.versioning.pieces import CONSTANT, IMPORT, LIVE, Inner, Owner, Piece, kind_of_node
from tracelib.versioning.scope import names_of
from tracelib.versioning.snapshots import Texts
from tracelib.versioning.spaces import Space, Spaces, was_edited
from tracelib.versioning.values import expression, live_digest, live_expression, plain_text, type_name


class Gathering:
    """What was found so far. `pieces[0]` is the root; `why` says what could not be seen."""

    def __init__(self) -> None:
        self.texts = Texts()
        self.spaces = Spaces(self.texts)
        self.pieces: list[Piece] = []
        self.keyed: dict[Any, Piece] = {}
        self.owners: dict[tuple[int, str], Owner] = {}
        self.finals: dict[tuple[int, str], tuple[Space, str]] = {}
        self.local: dict[int, bool] = {}
        self.resolving: set[tuple[int, str]] = set()
        self.modules: dict[str, tuple[Space, dict[str, None]]] = {}
        self.seen: dict[tuple[int, str], tuple[Space, Any]] = {}
        self.classes: dict[int, type] = {}
        self.recorded: dict[tuple[int, str], tuple[Space, Any]] = {}
        self.libraries: dict[str, str] = {}
        self.why: dict[str, None] = {}
        self.state: dict[tuple[str, str], None] = {}
        self.free_values: dict[str, Any] = {}
        self.global_values: dict[str, Any] = {}
        self.cells: dict[int, tuple[types.CellType, str, bool]] = {}
        self.at_once: dict[int, set[int]] = {}
        self.changers: dict[int, dict[tuple[int, str], list[Statement]]] = {}

    def owner(self, space: Space, name: str) -> Owner:
        """What a name of a space stands for."""
        raise NotImplementedError

    def partial(self, reason: str) -> None:
        self.why[reason] = None

    def new(self, key: Any, kind: str, name: str, space: Space) -> tuple[Piece, bool]:
        """The piece of that key, and whether it is new."""
        found = self.keyed.get(key)
        if found is not None:
            return found, False
        made = self.keyed[key] = Piece(len(self.pieces), kind, name, space)
        self.pieces.append(made)
        return made, True

    def definition(self, space: Space, name: str, chosen: Statement, bindings: list[Binding]) -> Owner:
        """The piece of the statements that define a name, and of those that change what it holds."""
        piece, new = self.new(id(chosen), kind_of_node(chosen.node), name, space)
        if new:
            piece.statements = self._group(space, name, chosen, bindings)
            for statement in piece.statements:
                piece.take(statement.names)
            if not isinstance(chosen.node, DEFINITIONS) and was_edited(space):
                self.partial(f"{space.name}: its file was edited after it was imported")
        return Owner("piece", piece)

    def _group(self, space: Space, name: str, chosen: Statement, bindings: list[Binding]) -> list[Statement]:
        if len(bindings) == 1 and isinstance(chosen.node, DEFINITIONS) and not space.mutations(name):
            return [chosen]
        statements = [b.statement for b in bindings]
        at = next((i for i, s in enumerate(statements) if s is chosen), -1)
        found = [chosen] if at < 0 else statements[fresh(statements, name, at) : at + 1]
        names = {name} | {b.name for s in found if not isinstance(s.node, DEFINITIONS) for b in s.names.bound}
        end = replaced(statements, name, at) if at >= 0 and space.is_in_order else None
        for bound in sorted(names if id(chosen.chunk) in space.ranks else ()):
            found += [s for s in space.mutations(bound) if self._lies(space, found[0], s, end)]
        unique = {id(s): s for s in found}
        return sorted(unique.values(), key=lambda s: (space.ranks.get(id(s.chunk), 1 << 30), s.number))

    def _lies(self, space: Space, first: Statement, statement: Statement, end: Statement | None) -> bool:
        """Whether a change was made to what a name held between two of its bindings."""
        at = space.moment(statement)
        began = space.moment(first) <= at or not space.is_in_order
        return began and (end is None or at < space.moment(end))

    def constant(self, space: Space, name: str, value: Any, binding: Statement | None, key: Any) -> Owner:
        """The piece of a plain constant, which counts by its value."""
        piece, new = self.new(key, CONSTANT, name, space)
        if new:
            piece.statements = [] if binding is None else [binding]
            piece.secret = REDACTOR.is_secret_name(name) and type(value) in (str, bytes)
            if piece.secret:
                text = value if type(value) is str else value.decode("latin-1")
                piece.canonical = f"secret {digest('secret', text)}"
                piece.value_text = f"{name} = {REDACTOR.mark(text)!r}"
            else:
                text = plain_text(value)
                piece.canonical = f"constant {brief(text)}"
                if not written(binding, name, value):
                    shown = text[6:] if text.startswith("tuple:") else expression(value)
                    piece.value_text = f"{name} = {shown}"
            self._show(space, name, value, piece.secret)
        return Owner("piece", piece)

    def _show(self, space: Space, name: str, value: Any, secret: bool = False) -> None:
        shown = self.free_values if isinstance(space, Inner) else self.global_values
        if secret:
            text = value if type(value) is str else repr(value)
            value = REDACTOR.mark(text)
        shown.setdefault(name, value)

    def imported(
        self, module: str, attribute: str | None, space: Space, name: str, text: str, at: Statement | None
    ) -> Owner:
        """The piece of something installed: known by its name and the version of its distribution."""
        piece, new = self.new(("import", module, attribute), IMPORT, name, space)
        if new:
            piece.module, piece.attribute = module, attribute
            piece.canonical = f"import {module} {attribute or ''} {self.library(module)}"
        if text:
            piece.spellings.setdefault((id(space), name), (space, text, at))
        return Owner("piece", piece)

    def library(self, modules: str) -> str:
        found = []
        for module in modules.split():
            top = module.partition(".")[0]
            if top in places.RECORDERS:
                continue
            live = places.loaded(module) or places.loaded(top)
            if places.place(module, None if live is None else places.namespace_of(live)) == places.PYTHON:
                continue
            distribution = places.distribution(top)
            if distribution is not None:
                self.libraries[distribution[0]] = distribution[1]
                found.append(" ".join(distribution))
        return " ".join(found)

    def live(self, space: Space, name: str, value: Any, key: Any) -> Owner:
        """The piece of a value that no statement defines: its content as it is now."""
        piece, new = self.new(key, LIVE, name, space)
        if new:
            found, whole = live_digest(value)
            piece.canonical = f"live {found}"
            text = live_expression(value)
            piece.note = f"# {name} is a {type_name(value)} that was put there while running"
            piece.value_text = f"{name} = {text}" if text is not None else None
            if not whole:
                self.partial(f"{name}: a {type_name(value)} that no statement defines")
            self._show(space, name, value)
        return Owner("piece", piece)

    def module(self, space: Space) -> Owner:
        """A local module that is used as an object."""
        parts = space.name.split(".")
        for depth in range(1, len(parts) + 1):
            above = self.spaces.named(".".join(parts[:depth])) if depth < len(parts) else space
            if above is not None and above.name not in self.modules:
                self.modules[above.name] = (above, {})
        return Owner("module", space=space)

    def fragment(self, space: Space, name: str, place: Place, cells: dict[str, types.CellType]) -> Owner:
        """The piece of a definition that stands inside another one, with the cells it was made with."""
        shared = tuple(sorted((n, id(c)) for n, c in cells.items() if n != "__class__"))
        key = ("inner", id(place.node), shared)
        piece, new = self.new(key, kind_of_node(place.node), name, space)
        if not new:
            return Owner("piece", piece)
        inner = Inner(space, {n: c for n, c in cells.items() if n != "__class__"}, place)
        names = names_of([place.node])
        stored = {n for f in place.around for n in stored_names(f)} - {name}
        inner.hidden = frozenset(stored - set(cells))
        piece.space, piece.node, piece.chunk, piece.place = inner, place.node, place.chunk, place
        piece.take(names)
        piece.canonical = canonical([place.node])
        lost = sorted({ld.chain[0] for ld in piece.loads if ld.chain[0] in inner.hidden and not ld.soft})
        if lost:
            self.partial(f"{name}: {', '.join(lost)} of the function around it is not to be had any more")
        return Owner("piece", piece)


def brief(text: str) -> str:
    return text if len(text) < 200 else f"{len(text)} {digest(text)}"
