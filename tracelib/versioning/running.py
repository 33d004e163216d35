"""The order of a text: modules follow one another as they imported each other, statements as they stand."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tracelib.versioning import places
from tracelib.versioning.chunks import DEFINITIONS, Statement
from tracelib.versioning.lines import Item
from tracelib.versioning.modules import ModuleObjects
from tracelib.versioning.pieces import outermost
from tracelib.versioning.spaces import Space


class Running(ModuleObjects):
    """Lines put into the order in which the program ran them."""

    def running_order(self, by_space: dict[int, list[Item]]) -> Iterator[list[Item]]:
        """The items as the program ran them: an imported module's stand where it was first imported."""
        if len(by_space) == 1:
            (items,) = by_space.values()
            yield sorted(items, key=lambda item: item.place)
            return
        root = outermost(self.walk.pieces[0].space)
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


def paragraphs(items: list[Item]) -> str:
    """Items below one another, an empty line around definitions."""
    parts: list[str] = []
    for at, item in enumerate(items):
        if at:
            block = "\n" in item.text or "\n" in items[at - 1].text
            parts.append("\n\n" if block else "\n")
        parts.append(item.text)
    return "".join(parts)
