"""One pass over code that notes its names, each with the scope it is met in.

There is no recursion: expressions nest as deep as their author likes. What a name stands for is decided at
the end, when all bindings of its scope are known.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tracelib.versioning.names import (
    CLASS,
    COMPREHENSION,
    FUNCTION,
    MODULE,
    Bound,
    Load,
    Names,
    Scope,
    mangled,
    owner_of,
)

Handler = Callable[["Reader", Any], None]
"""Reads one kind of node. Kinds that have none are read field by field."""

NAMELESS = frozenset(
    [
        "ctx",
        "op",
        "ops",
        "id",
        "attr",
        "name",
        "asname",
        "arg",
        "kind",
        "type_comment",
        "type_ignores",
        "lineno",
        "col_offset",
        "level",
        "module",
        "conversion",
        "is_async",
        "simple",
        "names",
        "kwd_attrs",
        "rest",
        "tag",
    ]
)
"""Fields in which no name of the module stands; those that bind one are read where it is bound."""


CHILDREN: dict[type, tuple[str, ...]] = {}


def _children(kind: type[ast.AST]) -> tuple[str, ...]:
    """The fields of a kind of node in which there may be names, last first as a stack needs them."""
    CHILDREN[kind] = tuple(name for name in reversed(kind._fields) if name not in NAMELESS)
    return CHILDREN[kind]


def root_of(node: ast.AST) -> ast.Name | None:
    """The name that a chain of attributes, subscripts and calls starts from."""
    while True:
        if isinstance(node, (ast.Attribute, ast.Subscript)):
            node = node.value
        elif isinstance(node, ast.Call):
            node = node.func
        else:
            return node if isinstance(node, ast.Name) else None


class Reader:
    """The pass itself. `scope` is where it reads now; it is `soft` inside annotations and texts.

    On the stack are nodes, and pairs of a scope and whether it is soft: what lies below is read in that.
    Unless it is `thorough`, a name that its function has bound by then is taken to be the function's own.
    """

    def __init__(self, handlers: Mapping[type, Handler], declaring: bool, thorough: bool = False) -> None:
        self.handlers = handlers
        self.declaring = declaring
        self.thorough = thorough
        self.names = Names()
        self.scope = Scope(MODULE, None)
        self.soft = False
        self.stack: list[Any] = []
        self.met: list[tuple[tuple[str, ...], Scope, bool, ast.Name]] = []
        self.changed: list[tuple[str, Scope]] = []
        self.calls: list[tuple[str, Scope]] = []

    def read(self, nodes: Iterable[ast.AST]) -> None:
        self.stack.extend(list(nodes)[::-1])
        stack, handler_of = self.stack, self.handlers.get
        name, load, constant = ast.Name, ast.Load, ast.Constant
        scope, soft, inside, thorough = self.scope, self.soft, self.names.inside, self.thorough
        while stack:
            node = stack.pop()
            kind = node.__class__
            if kind is name and scope.kind is not CLASS and node.ctx.__class__ is load:
                own = node.id  # nearly every third node is such a name
                if thorough or scope.kind is not FUNCTION or own not in scope.bound:
                    self.met.append(((own,), scope, soft, node))
                elif not soft:
                    inside.add(own)
            elif kind is constant and node.value.__class__ is not str:
                pass
            elif (handler := handler_of(kind)) is not None:
                handler(self, node)
            elif kind is tuple:
                self.scope, self.soft = scope, soft = node
            else:
                self.push_fields(node)
        self.decide()

    def push(self, *nodes: ast.AST | None) -> None:
        """Read these next, in this order, where the node that has them stands."""
        self.stack += [node for node in reversed(nodes) if node is not None]

    def push_in(self, scope: Scope, nodes: Iterable[ast.AST | None], soft: bool = False) -> None:
        """Read these next in another scope."""
        found = [node for node in nodes if node is not None]
        if found:
            self.stack += [(self.scope, self.soft), *found[::-1], (scope, soft)]

    def push_fields(self, node: ast.AST) -> None:
        kind, stack = node.__class__, self.stack
        fields = CHILDREN.get(kind)
        for name in _children(kind) if fields is None else fields:
            value = getattr(node, name, None)
            if value.__class__ is list:
                stack.extend(filter(None, reversed(value)))
            elif isinstance(value, ast.AST):
                stack.append(value)

    def meet(self, chain: tuple[str, ...], node: ast.Name, soft: bool | None = None) -> None:
        """Note a name that is read here, with the attributes taken off it."""
        scope = self.reading(chain[0]) if self.scope.kind is CLASS else self.scope
        self.met.append((chain, scope, self.soft if soft is None else soft, node))

    def reading(self, name: str) -> Scope:
        """A class body reads a name of its own only after it was bound; before, it reads the outer one."""
        scope = self.scope
        if name not in scope.bound and scope.parent is not None:
            scope = scope.parent
            while scope.kind is CLASS and scope.parent is not None:
                scope = scope.parent
        return scope

    def bind(self, name: str, node: ast.AST, statement: ast.AST | None = None) -> None:
        scope = self.scope
        while scope.kind is COMPREHENSION and isinstance(node, ast.NamedExpr) and scope.parent is not None:
            scope = scope.parent
        if name in scope.declared or scope.kind is MODULE:
            self.names.stores.append((name, node))
        if name in scope.declared or name in scope.borrowed:
            return
        scope.bound.add(name)
        if scope.kind is MODULE:
            self.names.bound.append(Bound(name, node, statement))

    def change(self, node: ast.AST) -> None:
        """Note that what a chain starts from is changed."""
        root = root_of(node)
        if root is not None:
            self.changed.append((root.id, self.scope))

    def evident(self, value: Any) -> None:
        """Note the value of a constant that stands where no compiler folds it away."""
        if self.scope.kind is FUNCTION and value.__class__ in EVIDENT:
            self.names.evident.append(value)

    def decide(self) -> None:
        """Tell the names of the module from those of inner scopes."""
        names = self.names
        for chain, scope, soft, node in self.met:
            name = chain[0]
            if not soft and scope.kind is not MODULE:
                names.inside.update(chain)
            if scope.kind is FUNCTION and name in scope.bound and name not in scope.declared:
                owner: Scope | None = scope  # as mostly: what `owner_of` would say, without the call
            else:
                owner = owner_of(name, scope)
            if owner is None:
                if name.startswith("__"):
                    chain = (mangled(name, scope), *chain[1:])
                names.loads.append(Load(chain, soft, node))
            elif name in owner.imported:
                names.imports.append(owner.imported[name]._replace(chain=chain[1:]))
        for name, scope in self.changed:
            if owner_of(name, scope) is None:
                inside = scope.kind is not MODULE
                (names.mutated_inside if inside else names.mutated)[name] = None
        for name, scope in self.calls:
            if owner_of(name, scope) is None and scope.kind is MODULE:
                names.called[name] = None


EVIDENT = frozenset((str, int, float, bytes))
"""Types of constants that a compiler leaves where they are passed on."""
