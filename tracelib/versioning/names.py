"""What a piece of code takes from its module, gives to it and changes there; scopes while they are read."""

from __future__ import annotations

import ast
from typing import Any, NamedTuple

MODULE, FUNCTION, CLASS, COMPREHENSION = "module", "function", "class", "comprehension"


class Load(NamedTuple):
    """A name taken from the module, with the attributes read off it: `a.b.c` is ("a", "b", "c").

    A soft one stands in an annotation or in a string: it need not exist. `node` is the Name.
    """

    chain: tuple[str, ...]
    soft: bool = False
    node: ast.Name | None = None


class Imported(NamedTuple):
    """An import inside a function or class; `attribute` is None for `import module`."""

    module: str
    level: int
    attribute: str | None
    chain: tuple[str, ...] = ()


class Bound(NamedTuple):
    """A name that the code gives to its module, and the node that does it (an alias for imports)."""

    name: str
    node: ast.AST
    statement: ast.AST | None = None


class Names:
    """What was found; everything in the order in which it is written.

    `inside` are the names, and `evident` the constants, that must be in the code of a function's body.
    There is one for each statement that is read: a dataclass would take three times as long to make.
    """

    __slots__ = (
        "bound",
        "called",
        "computed",
        "declared",
        "evident",
        "imports",
        "inside",
        "loads",
        "mutated",
        "mutated_inside",
        "nonlocals",
        "stars",
        "stores",
        "words",
    )

    def __init__(self) -> None:
        self.loads: list[Load] = []
        self.bound: list[Bound] = []
        self.declared: dict[str, None] = {}
        self.mutated: dict[str, None] = {}
        self.mutated_inside: dict[str, None] = {}
        self.called: dict[str, None] = {}
        self.imports: list[Imported] = []
        self.stars: list[ast.ImportFrom] = []
        self.nonlocals: set[str] = set()
        self.words: list[str] = []
        self.stores: list[tuple[str, ast.AST]] = []
        self.computed: list[str] = []
        self.inside: set[str] = set()
        self.evident: list[Any] = []


class Scope:
    """One scope while it is read."""

    __slots__ = ("borrowed", "bound", "declared", "imported", "kind", "name", "parent")

    def __init__(self, kind: str, parent: Scope | None, name: str = "") -> None:
        self.kind = kind
        self.parent = parent
        self.name = name  # of a class
        self.bound: set[str] = set()
        self.declared: set[str] = set()
        self.borrowed: set[str] = set()
        self.imported: dict[str, Imported] = {}


def owner_of(name: str, scope: Scope) -> Scope | None:
    """The inner scope that binds the name; None where it is the module's."""
    current: Scope | None = scope
    first = True
    while current is not None and current.kind != MODULE:
        if current.kind != CLASS or first:
            if name in current.declared:
                return None
            if name in current.bound:
                return current
        current, first = current.parent, False
    return None


def mangled(name: str, scope: Scope) -> str:
    """The name of the module that a name means there: inside a class `__x` is `_Class__x`."""
    if name.endswith("__"):
        return name
    current: Scope | None = scope
    while current is not None and current.kind != CLASS:
        current = current.parent
    return name if current is None else f"_{current.name.lstrip('_')}{name}"
