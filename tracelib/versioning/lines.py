"""The lines of a closure: each definition, constant and import as it stands in the text."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tracelib.parsing import parsed
from tracelib.versioning.chunks import DEFINITIONS, Statement
from tracelib.versioning.identifiers import Identifiers
from tracelib.versioning.margin import at_margin
from tracelib.versioning.pieces import CONSTANT, IMPORT, LIVE, OPAQUE, Inner, Piece, outermost
from tracelib.versioning.rename import renamed
from tracelib.versioning.spaces import Space

END = 1 << 40
"""A place after every statement of a module."""


@dataclass
class Item:
    """Some lines of the text, and where in the run of their module they belong."""

    space: Space
    place: tuple[int, int, int]
    text: str
    root: bool = False
    literal: bool = False


@dataclass
class Lines(Identifiers):
    """The lines while they are written, each with its place in the run of its module."""

    items: list[Item] = field(default_factory=list)
    written: set[Any] = field(default_factory=set)
    texts: dict[int, list[str]] = field(default_factory=dict)
    after: dict[int, list[tuple[Space, tuple[int, int, int]]]] = field(default_factory=dict)

    def write(self, piece: Piece) -> None:
        if piece.kind == IMPORT:
            for space, name, statement in self.spelled(piece):
                text = import_text(
                    piece, name, self.claim(space, name), piece.spellings[(id(space), name)][1]
                )
                self.add(piece, space, _place(space, statement), text)
        elif piece.node is not None:
            self.write_inner(piece)
        elif piece.kind in (LIVE, OPAQUE) or piece.value_text is not None or not piece.statements:
            self.write_value(piece)
        else:
            for at, statement in enumerate(piece.statements):
                self.write_statement(piece, statement, at)

    def spelled(self, piece: Piece) -> Iterator[tuple[Space, str, Statement | None]]:
        for (place, name), (space, _, statement) in piece.spellings.items():
            if (place, name) in self.idents:
                yield space, name, statement

    def write_statement(self, piece: Piece, statement: Statement, at: int) -> None:
        place = _place(piece.space, statement)
        if id(statement) in self.written:
            self.after.setdefault(piece.index, []).append((piece.space, place))
            return
        self.written.add(id(statement))
        text = statement.text
        names = self.names(piece.space)
        if names:
            text = self.with_names(text, names, statement.node)
        primary = piece.index == 0 and at == self.primary(piece)
        self.add(piece, piece.space, place, text, primary)

    def primary(self, piece: Piece) -> int:
        """Which of the root's statements is its source: the definition, not what changes it later."""
        for at, statement in enumerate(piece.statements):
            node = statement.node
            if isinstance(node, DEFINITIONS) and node.name == piece.name:
                return at
        bound = [
            i for i, s in enumerate(piece.statements) if any(b.name == piece.name for b in s.names.bound)
        ]
        return bound[-1] if bound else 0

    def with_names(self, text: str, names: dict[str, str], node: Any) -> str:
        made = renamed(text, names)
        if isinstance(node, DEFINITIONS) and node.name in names and not node.decorator_list:
            made += f"\n{names[node.name]}.__name__ = {names[node.name]}.__qualname__ = {node.name!r}"
        return made

    def write_inner(self, piece: Piece) -> None:
        assert isinstance(piece.space, Inner)
        assert piece.chunk is not None
        node = piece.node
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
        text = at_margin(piece.chunk.segment(node), node, first, node.col_offset)
        if isinstance(node, ast.Lambda):
            text = f"{piece.name} = {text}"
        text = without_lost_decorators(text, piece.space.hidden)
        text = renamed(text, self.names(piece.space), piece.space.cells)
        statement = piece.place.statement if piece.place is not None else None
        place = _place(piece.space.outer, statement)
        if piece.space.around.around:
            place = (END, 1, node.lineno)
        self.add(piece, piece.space.outer, place, text, piece.index == 0)

    def write_value(self, piece: Piece) -> None:
        space = piece.space
        lines = [piece.note.replace("\n", " ")] if piece.note.startswith("#") else []
        if piece.value_text is not None:
            lines.append(
                renamed(piece.value_text, self.names(space)) if self.names(space) else piece.value_text
            )
        place = _place(outermost(space), piece.statements[-1] if piece.statements else None)
        if isinstance(space, Inner):
            place = (END, 0, 0)
        elif not piece.statements:
            place = (-1, 0, 0) if piece.index else (END, 3, 0)
        if lines:
            self.add(piece, outermost(space), place, "\n".join(lines), piece.index == 0)

    def add(
        self, piece: Piece, space: Space, place: tuple[int, int, int], text: str, root: bool = False
    ) -> None:
        self.texts.setdefault(piece.index, []).append(text)
        self.after.setdefault(piece.index, []).append((space, place))
        if (piece.kind == IMPORT and text in self.written) or not text:
            return
        if piece.kind == IMPORT:
            self.written.add(text)
        self.items.append(Item(space, place, text, root, piece.kind == CONSTANT))

    def write_aliases(self) -> None:
        """Names that stand for a definition or a module of another name."""
        for (place, name), ident in list(self.idents.items()):
            if (place, name) in self.defined:
                continue
            space = self.spaces[place]
            key = self.key(space, name)
            if key[0] == "piece":
                self.write_alias(space, name, ident, self.walk.pieces[key[1]], key[2])
            elif key[0] == "builtin" and ident != name:
                self.items.append(
                    Item(outermost(space), (-2, 0, 0), f"from builtins import {name} as {ident}")
                )
            elif key[0] == "dunder" and name in ("__name__", "__file__"):
                self.write_dunder(space, name)

    def write_alias(self, space: Space, name: str, ident: str, piece: Piece, own: str) -> None:
        if piece.kind in (IMPORT, OPAQUE):
            return
        definition = self.idents.get((id(piece.space), own), own)
        if ident == definition or (place := ("alias", ident)) in self.written:
            return
        self.written.add(place)
        where, at = self.alias_place(space, name, piece)
        self.items.append(Item(outermost(where), at, f"{ident} = {definition}"))

    def alias_place(self, space: Space, name: str, piece: Piece) -> tuple[Space, tuple[int, int, int]]:
        """Where a name is made to stand for a definition: a replaced one, once what replaced it is there."""
        if isinstance(space, Inner):
            return space, (END, 2 if isinstance(piece.space, Inner) else 0, 1)
        here = self.walk.finals.get((id(space), name)) == (space, name)
        if here and outermost(piece.space) is not space and piece.index in self.after:
            return self.behind(piece)
        bindings = space.bindings(name)
        return space, _place(space, bindings[-1].statement if bindings else None)

    def behind(self, piece: Piece) -> tuple[Space, tuple[int, int, int]]:
        """The place right after the last line of a piece."""
        space, place = max(self.after[piece.index], key=lambda pair: pair[1])
        return space, (place[0], place[1], place[2] + 1)

    def write_dunder(self, space: Space, name: str) -> None:
        module = outermost(space)
        value = module.name if name == "__name__" else f"{module.name.rpartition('.')[2]}.py"
        if ("dunder", name) not in self.written:
            self.written.add(("dunder", name))
            self.items.append(Item(module, (-2, 0, 0), f"{name} = {value!r}"))


def _place(space: Space, statement: Statement | None) -> tuple[int, int, int]:
    if statement is None:
        return (-1, 0, 0)
    return (outermost(space).ranks.get(id(statement.chunk), END - 1), statement.number, 0)


def import_text(piece: Piece, name: str, ident: str, text: str) -> str:
    """The import under the name it has in the text."""
    if ident == name and text:
        return text
    if piece.attribute is not None:
        tail = "" if ident == piece.attribute else f" as {ident}"
        return f"from {piece.module} import {piece.attribute}{tail}"
    if " " in piece.module or ("." in piece.module and piece.module.startswith(f"{name}.")):
        lines = [f"import {module}" for module in piece.module.split()]
        return "\n".join([*lines, f"{ident} = {name}"])
    return f"import {piece.module} as {ident}" if ident != piece.module else f"import {piece.module}"


def without_lost_decorators(text: str, hidden: frozenset[str]) -> str:
    """A definition without the decorators that were variables of the function around it."""
    if not hidden or not text.startswith("@"):
        return text
    tree = parsed(text)
    node: Any = tree.body[0]
    kept = [
        d
        for d in node.decorator_list
        if not any(isinstance(n, ast.Name) and n.id in hidden for n in ast.walk(d))
    ]
    if len(kept) == len(node.decorator_list):
        return text
    node.decorator_list = kept
    return ast.unparse(tree)
