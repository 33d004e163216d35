"""The text of a file or notebook cell as it was run, its statements, and where in it a function stands."""

from __future__ import annotations

import ast
import bisect
import types
from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

from tracelib.parsing import parsed
from tracelib.versioning.age import edited_since_import
from tracelib.versioning.canonical import canonical
from tracelib.versioning.effects import changed_by_making, decorating, made_from
from tracelib.versioning.names import Bound, Names
from tracelib.versioning.scope import names_of

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)

Stamp = tuple[int, float]
"""Size in bytes and time of modification, seconds since the epoch, of a file when its text was read."""


class Statement:
    """One statement at the top of a chunk; what is known of it is read when first asked for."""

    __slots__ = ("_canonical", "_names", "chunk", "node", "number", "synthetic")

    def __init__(self, chunk: Chunk, number: int, node: ast.stmt, synthetic: str | None = None) -> None:
        self.chunk = chunk
        self.number = number
        self.node = node
        self.synthetic = synthetic
        self._names: Names | None = None
        self._canonical: str | None = None

    @property
    def names(self) -> Names:
        if self._names is None:
            self._names = names_of([self.node], self.chunk.declaring)
        return self._names

    def read(self) -> Names:
        """Find the names now, where they will be asked for later."""
        return self.names

    @property
    def canonical(self) -> str:
        if self._canonical is None:
            self._canonical = canonical([self.node])
        return self._canonical

    @property
    def text(self) -> str:
        """The statement as it is written, decorators included."""
        return self.chunk.segment(self.node) if self.synthetic is None else self.synthetic

    @property
    def is_guard(self) -> bool:
        """`if __name__ == "__main__":` defines nothing for those who import the module."""
        node = self.node
        return isinstance(node, ast.If) and any(
            isinstance(n, ast.Name) and n.id == "__name__" for n in ast.walk(node.test)
        )


class Binding(NamedTuple):
    """One place that binds a name of a module."""

    statement: Statement
    bound: Bound


class Effects(NamedTuple):
    """What the statements of a chunk do beside binding names.

    `mutations` are the statements that change what a name holds without binding it. `calls` are those
    that call a function by its plain name, `makings` those that derive from a class or assign an
    instance of it. Each is by that name.
    """

    mutations: dict[str, list[Statement]]
    calls: dict[str, list[Statement]]
    makings: dict[str, list[Statement]]
    stars: list[ast.ImportFrom]


class Place(NamedTuple):
    """Where the code of a function stands: its node, and the definitions around it, outermost first."""

    chunk: Chunk
    statement: Statement
    node: Any
    around: tuple[Any, ...]


class Chunk:
    """A text that was run as a whole; of no file are those without a stamp."""

    def __init__(self, filename: str, text: str, stamp: Stamp | tuple[()]) -> None:
        self.filename = filename
        self.text = text
        self.stamp = stamp
        self.source_lines: list[str] = []
        self.declaring = "global" in self.text or "nonlocal" in self.text
        self.lines = self.text.split("\n")
        self.problem = ""
        self.statements: list[Statement] = []
        self._made: dict[str, list[str]] = {}
        self._places: dict[int, list[Place]] = {}
        self._edited: bool | None = None
        self._tree = ast.Module([], [])
        self._codes: dict[tuple[str, int], list[types.CodeType]] | None = None
        self.future = False
        self._parse()
        self._lines_of_statements = [first_line(s.node) for s in self.statements]
        self.index = self._index()
        """Every place that binds a name at the top of the chunk, by name, in order."""
        self.effects = self._effects()

    def _parse(self) -> None:
        try:
            self._tree = parsed(self.text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            self.problem = f"its text does not parse: {type(error).__name__}"
            return
        for node in self._tree.body:
            if isinstance(node, ast.ImportFrom) and node.module == "__future__":
                self.future = self.future or any(a.name == "annotations" for a in node.names)
                continue
            self.statements += self._split(node)

    def _split(self, node: ast.stmt) -> list[Statement]:
        """`a, b = 1, 2` is two definitions."""
        number, found = len(self.statements), []
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target, value = node.targets[0], node.value
            if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and _apart(target, value):
                for place, (one, its) in enumerate(zip(target.elts, value.elts, strict=True)):
                    made = ast.Assign([one], its, lineno=node.lineno, col_offset=node.col_offset)
                    made.end_lineno, made.end_col_offset = node.end_lineno, node.end_col_offset
                    assert isinstance(one, ast.Name)
                    found.append(Statement(self, number + place, made, f"{one.id} = {self.segment(its)}"))
        return found or [Statement(self, number, node)]

    def segment(self, node: Any) -> str:
        """The text of a node as it is written; a definition with its decorators."""
        first, column = node.lineno, node.col_offset
        decorators = getattr(node, "decorator_list", None)
        if decorators:
            line, at = decorators[0].lineno, decorators[0].col_offset
            before = self._line(line).encode()[:at].decode(errors="replace")
            first, column = line, len(before[: before.rfind("@")].encode())
        return self.cut(first, column, node.end_lineno, node.end_col_offset)

    def cut(self, first: int, column: int, last: int, end: int) -> str:
        """The text between two places; columns count bytes of UTF-8, as those of the AST do."""
        lines = self.lines[first - 1 : last]
        if not lines:
            return ""
        lines[-1] = lines[-1][:end] if lines[-1].isascii() else lines[-1].encode()[:end].decode()
        lines[0] = lines[0][column:] if lines[0].isascii() else lines[0].encode()[column:].decode()
        return "\n".join(lines)

    def _line(self, number: int) -> str:
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""

    def _index(self) -> dict[str, list[Binding]]:
        found: dict[str, list[Binding]] = {}
        for statement in self.statements:
            for bound in _bound(statement):
                found.setdefault(bound.name, []).append(Binding(statement, bound))
        return found

    def _effects(self) -> Effects:
        found = Effects({}, {}, {}, [])
        for statement in self.statements:
            changed = [] if statement.is_guard else self._changed_by(statement, found)
            for name in dict.fromkeys(changed):
                found.mutations.setdefault(name, []).append(statement)
        return found

    def _changed_by(self, statement: Statement, effects: Effects) -> list[str]:
        """The names whose values a statement changes; what else it does is put into the effects."""
        node = statement.node
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not node.decorator_list:
            return []
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            if isinstance(node, ast.ImportFrom) and any(a.name == "*" for a in node.names):
                effects.stars.append(node)
            return []
        if isinstance(node, DEFINITIONS):
            changed, called = decorating(node)
        elif _simple(node):
            return []
        else:
            names = statement.names
            effects.stars.extend(names.stars)
            changed, called = list(names.mutated), list(names.called)
        own = {b.name for b in _bound(statement)} if isinstance(node, DEFINITIONS) else set()
        for name in called:
            effects.calls.setdefault(name, []).append(statement)
            changed.extend(self.changed_in(name))
        for name in made_from(node):
            effects.makings.setdefault(name, []).append(statement)
            changed.extend(self.changed_by_making(name))
        return [name for name in changed if name not in own]

    def changed_in(self, function: str) -> list[str]:
        """What a function of this chunk changes in its module when it is called."""
        found: list[str] = []
        for binding in self.index.get(function, ()):
            if isinstance(binding.bound.node, FUNCTIONS):
                names = binding.statement.names
                found += [*names.mutated_inside, *names.declared]
        return found + self.changed_by_making(function)

    def changed_by_making(self, name: str) -> list[str]:
        """What a class of this chunk changes in its module when it is called or derived from."""
        found = self._made.get(name)
        if found is None:
            each = [changed_by_making(node, self._classes) for node in self._classes(name)]
            found = self._made[name] = [changed for some in each for changed in some]
        return found

    def _classes(self, name: str) -> Iterator[ast.ClassDef]:
        nodes = (binding.bound.node for binding in self.index.get(name, ()))
        return (node for node in nodes if isinstance(node, ast.ClassDef))

    @cached_property
    def declared(self) -> frozenset[str]:
        """Names that some function declares `global`: they are state."""
        declaring = self.statements if "global " in self.text else []
        return frozenset(name for statement in declaring for name in statement.names.declared)

    def places(self, line: int, name: str) -> list[Place]:
        """The functions and classes whose code starts at a line under a name."""
        at = bisect.bisect_right(self._lines_of_statements, line) - 1
        found: list[Place] = []
        while at >= 0:
            statement = self.statements[at]
            node = statement.node
            if isinstance(node, DEFINITIONS) and node.name == name and first_line(node) == line:
                return [Place(self, statement, node, ())]
            found = [p for p in self._inner_places(statement) if _starts(p.node, line, name)] + found
            at -= 1
            if at < 0 or self._lines_of_statements[at] < self._lines_of_statements[at + 1]:
                break
        return found

    def _inner_places(self, statement: Statement) -> list[Place]:
        found = self._places.get(id(statement))
        if found is None:
            found = self._places[id(statement)] = list(_places(self, statement))
        return found

    def may_be_edited(self, namespace: dict[str, Any]) -> bool:
        """Whether the file may have been written after it was imported; looked at once."""
        if self._edited is None:
            self._edited = edited_since_import(self.stamp, namespace)
        return self._edited

    def codes(self, qualname: str, line: int) -> list[types.CodeType]:
        """The code objects that this text compiles to under a name at a line."""
        if self._codes is None:
            self._codes = {}
            try:
                waiting = [self._compiled()]
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                waiting = []
            while waiting:
                code = waiting.pop()
                self._codes.setdefault((code.co_qualname, code.co_firstlineno), []).append(code)
                waiting.extend(c for c in code.co_consts if isinstance(c, types.CodeType))
        return self._codes.get((qualname, line), [])

    def _compiled(self) -> types.CodeType:
        """All of it: how `json.dumps()` is compiled depends on what the module imports."""
        try:
            return compile(self._tree, self.filename, "exec", dont_inherit=True)
        except RecursionError:  # a tree may not nest as deep as a text
            return compile(self.text, self.filename, "exec", dont_inherit=True)


def _apart(target: ast.Tuple, value: ast.Tuple) -> bool:
    """Whether a tuple of names is given a tuple of values that use none of them."""
    if len(target.elts) != len(value.elts) or not all(isinstance(e, ast.Name) for e in target.elts):
        return False
    names = {e.id for e in target.elts if isinstance(e, ast.Name)}
    used = {n.id for n in ast.walk(value) if isinstance(n, ast.Name)}
    starred = any(isinstance(e, ast.Starred) for e in value.elts)
    return len(names) == len(target.elts) and not starred and not names & used


def _bound(statement: Statement) -> list[Bound]:
    node = statement.node
    if isinstance(node, DEFINITIONS):
        return [Bound(node.name, node, node)]
    if isinstance(node, ast.Import):
        return [Bound(a.asname or a.name.partition(".")[0], a, node) for a in node.names]
    if isinstance(node, ast.ImportFrom):
        return [Bound(a.asname or a.name, a, node) for a in node.names if a.name != "*"]
    if isinstance(node, ast.Assign) and _simple(node):
        return [Bound(node.targets[0].id, node.targets[0], None)]  # type: ignore[attr-defined]
    return statement.names.bound


def _simple(node: ast.stmt) -> bool:
    """`name = value` without a walrus: nothing else is bound or changed by it."""
    return (
        isinstance(node, ast.Assign)
        and len(node.targets) == 1
        and isinstance(node.targets[0], ast.Name)
        and (isinstance(node.value, (ast.Constant, ast.Name, ast.Lambda)))
    )


def first_line(node: Any) -> int:
    """The line that a code object says it starts at: that of the first decorator."""
    decorators = getattr(node, "decorator_list", None)
    line: int = decorators[0].lineno if decorators else node.lineno
    return line


def _starts(node: Any, line: int, name: str) -> bool:
    return first_line(node) == line and getattr(node, "name", "<lambda>") == name


def _places(chunk: Chunk, statement: Statement) -> Iterator[Place]:
    waiting: list[tuple[Any, tuple[Any, ...]]] = [(statement.node, ())]
    while waiting:
        node, around = waiting.pop()
        inner = around
        if isinstance(node, (*DEFINITIONS, ast.Lambda)):
            yield Place(chunk, statement, node, around)
            inner = (*around, node)
        waiting.extend((child, inner) for child in ast.iter_child_nodes(node))
