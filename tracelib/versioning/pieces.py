"""What a closure is made of while it is being found: definitions, constants, imports, and who uses whom."""

from __future__ import annotations

import ast
import types
from typing import Any, NamedTuple

from tracelib.versioning.chunks import Chunk, Place, Statement
from tracelib.versioning.names import Imported, Load, Names
from tracelib.versioning.spaces import Space

FUNCTION, CLASS, VALUE, CONSTANT, IMPORT, LIVE, OPAQUE, CHANGE = (
    "function",
    "class",
    "value",
    "constant",
    "import",
    "live",
    "opaque",
    "change",
)


class Inner(Space):
    """The names that a function inside another function sees: its cells, then those of its module."""

    def __init__(self, outer: Space, cells: dict[str, types.CellType], around: Place) -> None:
        super().__init__(outer.name, outer.namespace, outer.chunks, outer.loaded)
        self.outer = outer
        self.cells = cells
        self.around = around
        self.hidden: frozenset[str] = frozenset()


class Piece:
    """One part of a closure.

    `statements` are whole statements of a module; `node` is a definition taken from inside another
    one; a constant has its `value`, and `value_text` where it is not written in the source. `canonical`
    is what counts of it beside its statements. `refs` are the parts it uses, by the name it uses them
    under.
    """

    __slots__ = (
        "attribute",
        "canonical",
        "chunk",
        "computed",
        "declared",
        "imports",
        "index",
        "kind",
        "loads",
        "module",
        "name",
        "node",
        "note",
        "place",
        "refs",
        "secret",
        "space",
        "spellings",
        "statements",
        "value_text",
        "words",
    )

    def __init__(self, index: int, kind: str, name: str, space: Space) -> None:
        self.index = index
        self.kind = kind
        self.name = name
        self.space = space
        self.canonical = ""
        self.statements: list[Statement] = []
        self.node: Any = None
        self.chunk: Chunk | None = None
        self.place: Place | None = None
        self.value_text: str | None = None
        self.note = ""
        self.loads: list[Load] = []
        self.imports: list[Imported] = []
        self.words: list[str] = []
        self.computed: list[str] = []
        self.declared: set[str] = set()
        self.refs: list[tuple[str, int]] = []
        self.module = ""
        self.attribute: str | None = None
        self.spellings: dict[tuple[int, str], tuple[Space, str, Statement | None]] = {}
        self.secret = False

    def counted(self) -> str:
        """What the digest is taken of: a constant counts by its value, whatever statement gave it.

        Asked for when all parts are known: writing the texts in one go is quicker than one between other
        work, since the writer's own code stays in the processor's cache.
        """
        code = [] if self.kind == CONSTANT else [statement.canonical for statement in self.statements]
        return "\n".join(code) + self.canonical

    def take(self, names: Names) -> None:
        """Add what the names of some code say about what it uses."""
        self.loads += names.loads
        self.imports += names.imports
        self.words += names.words
        self.computed += names.computed
        self.declared.update(names.declared)


class Owner(NamedTuple):
    """What a name stands for: a piece, a local module, or none of both (builtin, dunder, missing)."""

    kind: str
    piece: Piece | None = None
    space: Space | None = None


BUILTIN = Owner("builtin")
DUNDER = Owner("dunder")
MISSING = Owner("missing")

DUNDERS = frozenset(
    (
        "__name__",
        "__file__",
        "__doc__",
        "__package__",
        "__spec__",
        "__loader__",
        "__cached__",
        "__builtins__",
        "__path__",
        "__annotations__",
    )
)


def outermost(space: Space) -> Space:
    """The module that a space is, or is inside."""
    while isinstance(space, Inner):
        space = space.outer
    return space


def kind_of_node(node: ast.AST) -> str:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return FUNCTION
    return CLASS if isinstance(node, ast.ClassDef) else VALUE
