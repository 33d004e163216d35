"""The text of a closure: flat source in the order in which the program itself ran it.

Modules follow one another as they imported each other, statements as they stand in them. Names of two
modules that would meet are kept apart by new ones; local modules that are used as objects become
module objects with the attributes that are used.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tracelib.redaction import DEFAULT as REDACTOR
from tracelib.versioning import places
from tracelib.versioning.chunks import DEFINITIONS, Statement
from tracelib.versioning.margin import at_margin
from tracelib.versioning.pieces import BUILTIN, CONSTANT, IMPORT, LIVE, OPAQUE, VALUE, Inner, Piece
from tracelib.versioning.rename import renamed
from tracelib.versioning.secrets import may_name_a_secret, redacted
from tracelib.versioning.spaces import Space
from tracelib.versioning.walk import Walk

END = 1 << 40
"""A place after every statement of a module."""

Key = tuple[Any, ...]


@dataclass
class Item:
    """Some lines of the text, and where in the run of their module they belong."""

    space: Space
    place: tuple[int, int, int]
    text: str
    root: bool = False


@dataclass(frozen=True)
class Text:
    """A closure's text in three: what runs before the function, its own source, what runs after."""

    before: str
    source: str
    after: str

    @property
    def whole(self) -> str:
        return "\n\n".join(part for part in (self.before, self.source, self.after) if part) + "\n"


@dataclass
class Emission:
    """The text while it is made."""

    walk: Walk
    claims: dict[str, Key] = field(default_factory=dict)
    idents: dict[tuple[int, str], str] = field(default_factory=dict)
    chosen: dict[Key, str] = field(default_factory=dict)
    spaces: dict[int, Space] = field(default_factory=dict)
    items: list[Item] = field(default_factory=list)
    others: dict[int, dict[str, str]] = field(default_factory=dict)
    written: set[Any] = field(default_factory=set)
    texts: dict[int, list[str]] = field(default_factory=dict)
    after: dict[int, list[tuple[Space, tuple[int, int, int]]]] = field(default_factory=dict)

    def text(self) -> Text:
        self.claim_names()
        for piece in self.walk.pieces:
            self.write(piece)
        self.write_aliases()
        self.write_attributes()
        self.redact()
        return self.joined()

    def redact(self) -> None:
        """Take the secrets out, line group by line group where there may be any."""
        whole = "\n".join([item.text for item in self.items])
        whole += "\n".join([text for texts in self.texts.values() for text in texts])
        if may_name_a_secret(whole) or REDACTOR.suspicious(whole):
            for item in self.items:
                item.text = redacted(item.text)
            self.texts = {index: [redacted(t) for t in texts] for index, texts in self.texts.items()}

    # Names

    def claim_names(self) -> None:
        """Give every name of every module its name in the text; the function's own module has the choice."""
        pieces = self.walk.pieces
        root = _outer(pieces[0].space)
        for own in (True, False):
            for piece in pieces:
                if (_outer(piece.space) is root) is own:
                    for name in names_bound(piece):
                        self.claim(piece.space, name)
            for piece in pieces:
                if (_outer(piece.space) is root) is own:
                    for load in piece.loads:
                        self.claim(piece.space, load.chain[0])

    def claim(self, space: Space, name: str) -> str:
        place = (id(space), name)
        found = self.idents.get(place)
        if found is not None:
            return found
        self.spaces[id(space)] = space
        key = self.key(space, name)
        ident = name
        if self.claims.get(name, key) != key:
            ident = self.chosen.get(key) or self.free(space, name)
        self.claims[ident] = key
        self.chosen.setdefault(key, ident)
        self.idents[place] = ident
        if ident != name:
            self.others.setdefault(id(space), {})[name] = ident
        return ident

    def free(self, space: Space, name: str) -> str:
        ident = f"{space.name.rpartition('.')[2]}_{name}"
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
        return self.others.get(id(space), {})

    # Lines

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
        place = _place(_outer(space), piece.statements[-1] if piece.statements else None)
        if isinstance(space, Inner):
            place = (END, 0, 0)
        elif not piece.statements:
            place = (-1, 0, 0)
        if lines:
            self.add(piece, _outer(space), place, "\n".join(lines), piece.index == 0)

    def add(
        self, piece: Piece, space: Space, place: tuple[int, int, int], text: str, root: bool = False
    ) -> None:
        self.texts.setdefault(piece.index, []).append(text)
        self.after.setdefault(piece.index, []).append((space, place))
        if (piece.kind == IMPORT and text in self.written) or not text:
            return
        if piece.kind == IMPORT:
            self.written.add(text)
        self.items.append(Item(space, place, text, root))

    def write_aliases(self) -> None:
        """Names that stand for a definition or a module of another name."""
        for (place, name), ident in list(self.idents.items()):
            space = self.spaces[place]
            key = self.key(space, name)
            if key[0] == "piece":
                self.write_alias(space, name, ident, self.walk.pieces[key[1]], key[2])
            elif key[0] == "builtin" and ident != name:
                self.items.append(Item(_outer(space), (-2, 0, 0), f"from builtins import {name} as {ident}"))
            elif key[0] == "dunder" and name in ("__name__", "__file__"):
                self.write_dunder(space, name)

    def write_alias(self, space: Space, name: str, ident: str, piece: Piece, own: str) -> None:
        if piece.kind in (IMPORT, OPAQUE):
            return
        definition = self.idents.get((id(piece.space), own), own)
        if ident == definition or (place := ("alias", ident)) in self.written:
            return
        self.written.add(place)
        where = self.alias_place(space, name, piece)
        self.items.append(Item(_outer(space), where, f"{ident} = {definition}"))

    def alias_place(self, space: Space, name: str, piece: Piece) -> tuple[int, int, int]:
        if isinstance(space, Inner):
            return (END, 2 if isinstance(piece.space, Inner) else 0, 1)
        bindings = space.bindings(name)
        return _place(space, bindings[-1].statement if bindings else None)

    def write_dunder(self, space: Space, name: str) -> None:
        module = _outer(space)
        value = module.name if name == "__name__" else f"{module.name.rpartition('.')[2]}.py"
        if ("dunder", name) not in self.written:
            self.written.add(("dunder", name))
            self.items.append(Item(module, (-2, 0, 0), f"{name} = {value!r}"))

    # Module objects

    def module_lines(self) -> list[str]:
        """Lines that make the module objects, outer packages first."""
        if not self.walk.modules:
            return []
        lines = ["import sys as _sys", "import types as _types"]
        for name in sorted(self.walk.modules):
            space, _ = self.walk.modules[name]
            lines.append(f"_sys.modules[{name!r}] = _types.ModuleType({name!r})")
            if "__path__" in space.namespace:
                lines.append(f"_sys.modules[{name!r}].__path__ = []")
            above, _, own = name.rpartition(".")
            if above in self.walk.modules:
                lines.append(f"_sys.modules[{above!r}].{own} = _sys.modules[{name!r}]")
        for (place, name), ident in self.idents.items():
            key = self.key(self.spaces[place], name)
            line = f"{ident} = _sys.modules[{key[-1]!r}]"
            if key[0] == "module" and line not in lines:
                lines.append(line)
        return lines

    def write_attributes(self) -> None:
        """After a definition, the attributes of module objects that lead to it."""
        for module, (space, attributes) in self.walk.modules.items():
            for attribute in attributes:
                key = self.key(space, attribute)
                target = f"_sys.modules[{module!r}].{attribute}"
                if key[0] == "module":
                    line = f"{target} = _sys.modules[{key[1]!r}]"
                    self.items.append(Item(space, (-3, 0, 0), line))
                elif key[0] == "piece":
                    self.write_attribute(target, space, attribute, self.walk.pieces[key[1]], key[2])

    def write_attribute(self, target: str, space: Space, attribute: str, piece: Piece, own: str) -> None:
        if piece.kind == OPAQUE or (piece.kind == LIVE and piece.value_text is None):
            return
        ident = self.idents.get((id(piece.space), own), own)
        if piece.kind == IMPORT:
            ident = self.idents.get((id(space), attribute), "")
            if not ident:
                text = piece.spellings.get((id(space), attribute), (space, "", None))[1]
                ident = self.claim(space, attribute)
                made = import_text(piece, attribute, ident, text)
                self.items.append(Item(space, (-2, 0, 0), made))
                self.items.append(Item(space, (-1, 0, 0), f"{target} = {ident}"))
                return
        where, place = max(
            self.after.get(piece.index, [(space, (END, 9, 0))]), key=lambda pair: pair[1], default=None
        ) or (space, (END, 9, 0))
        self.items.append(Item(where, (place[0], place[1], place[2] + 1), f"{target} = {ident}"))

    # Order

    def joined(self) -> Text:
        by_space: dict[int, list[Item]] = {}
        for item in self.items:
            by_space.setdefault(id(item.space), []).append(item)
        ordered = []
        for space in self.running_order(by_space):
            ordered += space
        lines = self.future() + self.module_lines()
        at = next((i for i, item in enumerate(ordered) if item.root), len(ordered))
        before = [Item(self.walk.pieces[0].space, (0, 0, 0), line) for line in lines] + ordered[:at]
        source = ordered[at].text if at < len(ordered) else ""
        return Text(paragraphs(before), source, paragraphs(ordered[at + 1 :]))

    def future(self) -> list[str]:
        chunks = {id(s.chunk): s.chunk for p in self.walk.pieces for s in p.statements}
        chunks.update({id(p.chunk): p.chunk for p in self.walk.pieces if p.chunk is not None})
        return ["from __future__ import annotations"] if any(c.future for c in chunks.values()) else []

    def running_order(self, by_space: dict[int, list[Item]]) -> Iterator[list[Item]]:
        """The items as the program ran them: an imported module's stand where it was first imported."""
        root = _outer(self.walk.pieces[0].space)
        done: set[int] = set()
        main = list(self.run(root, by_space, done))
        for space in self.walk.spaces.met:
            if id(space) not in done:
                yield from self.run(space, by_space, done)
        yield from main

    def run(self, start: Space, by_space: dict[int, list[Item]], done: set[int]) -> Iterator[list[Item]]:
        done.add(id(start))
        stack = [self.steps(start, by_space)]
        while stack:
            step = next(stack[-1], None)
            if step is None:
                stack.pop()
            elif isinstance(step, Item):
                yield [step]
            elif id(step) not in done:
                done.add(id(step))
                stack.append(self.steps(step, by_space))

    def steps(self, space: Space, by_space: dict[int, list[Item]]) -> Iterator[Item | Space]:
        """The items of a module and the modules it imports, in the order in which they ran."""
        found: list[tuple[tuple[int, ...], int, Item | Space]] = []
        for at, item in enumerate(by_space.get(id(space), ())):
            found.append(((*item.place, 1), at, item))
        for rank, chunk in enumerate(space.chunks):
            for statement in chunk.statements:
                if isinstance(statement.node, DEFINITIONS) or "import" not in _head(statement):
                    continue
                for other in self.imported_by(space, statement):
                    found.append(((rank, statement.number, 0, 0), len(found), other))
        found.sort(key=lambda entry: entry[:2])
        return iter([entry[2] for entry in found])

    def imported_by(self, space: Space, statement: Statement) -> Iterator[Space]:
        spaces = self.walk.spaces.by_name
        for node in ast.walk(statement.node):
            for name in _modules_of(node, space):
                parts = name.split(".")
                for depth in range(1, len(parts) + 1):
                    other = spaces.get(".".join(parts[:depth]))
                    if other is not None:
                        yield other


def _head(statement: Statement) -> str:
    """Enough of a statement to know that it imports nothing: whole only where it has a body."""
    node = statement.node
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return "import"
    return statement.text if hasattr(node, "body") else ""


def _modules_of(node: ast.AST, space: Space) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        module = places.absolute(node.module or "", node.level, space.package)
        yield module
        yield from (f"{module}.{alias.name}" for alias in node.names)


def _outer(space: Space) -> Space:
    while isinstance(space, Inner):
        space = space.outer
    return space


def _place(space: Space, statement: Statement | None) -> tuple[int, int, int]:
    if statement is None:
        return (-1, 0, 0)
    return (_outer(space).ranks.get(id(statement.chunk), END - 1), statement.number, 0)


def names_bound(piece: Piece) -> list[str]:
    """The names that a piece gives to its module."""
    if piece.kind in (CONSTANT, LIVE, OPAQUE) or piece.node is not None or piece.value_text is not None:
        return [piece.name]
    if piece.kind == IMPORT:
        return []
    found = dict.fromkeys(b.name for s in piece.statements for b in s.names.bound)
    return list(found) or [piece.name]


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
    tree = ast.parse(text)
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


def paragraphs(items: list[Item]) -> str:
    """Items below one another, an empty line around definitions."""
    parts: list[str] = []
    for at, item in enumerate(items):
        if at:
            block = "\n" in item.text or "\n" in items[at - 1].text
            parts.append("\n\n" if block else "\n")
        parts.append(item.text)
    return "".join(parts)


__all__ = ["BUILTIN", "VALUE", "Emission", "Text"]
