"""Which names a piece of code takes from its module, gives to it, and changes there; read from the AST alone.

One pass without recursion: expressions nest as deep as their author likes. Every name is noted with
the scope it was met in, and decided at the end, when all bindings of that scope are known.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tracelib.versioning.names import (
    CLASS,
    COMPREHENSION,
    FUNCTION,
    MODULE,
    Bound,
    Imported,
    Load,
    Names,
    Scope,
    owner_of,
)

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


def names_of(nodes: Iterable[ast.AST]) -> Names:
    """The names of statements or expressions that are read as if they stood at the top of a module."""
    reader = Reader()
    reader.read(nodes)
    return reader.names


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
    """The pass itself."""

    def __init__(self) -> None:
        self.names = Names()
        self.top = Scope(MODULE, None)
        self.stack: list[tuple[ast.AST, Scope, bool]] = []
        self.met: list[tuple[tuple[str, ...], Scope, bool, ast.Name]] = []
        self.changed: list[tuple[str, Scope]] = []
        self.calls: list[tuple[str, Scope]] = []

    def read(self, nodes: Iterable[ast.AST]) -> None:
        self.push(list(nodes), self.top, False)
        stack, met = self.stack, self.met
        while stack:
            node, scope, soft = stack.pop()
            if node.__class__ is ast.Name and scope.kind is not CLASS and node.ctx.__class__ is ast.Load:
                met.append(((node.id,), scope, soft, node))
                continue
            handler = HANDLERS.get(type(node))
            if handler is None:
                self.push_fields(node, scope, soft)
            else:
                handler(self, node, scope, soft)
        self.decide()

    def push(self, nodes: Sequence[ast.AST | None], scope: Scope, soft: bool) -> None:
        for node in reversed(nodes):
            if node is not None:
                self.stack.append((node, scope, soft))

    def push_fields(self, node: ast.AST, scope: Scope, soft: bool) -> None:
        kind, stack = node.__class__, self.stack
        for name in CHILDREN.get(kind) or _children(kind):
            value = getattr(node, name, None)
            if value.__class__ is list:
                stack.extend([(child, scope, soft) for child in reversed(value) if child is not None])
            elif value is not None:
                stack.append((value, scope, soft))

    def bind(self, name: str, scope: Scope, node: ast.AST, statement: ast.AST | None = None) -> None:
        while scope.kind == COMPREHENSION and isinstance(node, ast.NamedExpr) and scope.parent is not None:
            scope = scope.parent
        if name in scope.declared or scope.kind == MODULE:
            self.names.stores.append((name, node))
        if name in scope.declared or name in scope.borrowed:
            return
        scope.bound.add(name)
        if scope.kind == MODULE:
            self.names.bound.append(Bound(name, node, statement))

    def decide(self) -> None:
        """Tell the names of the module from those of inner scopes."""
        names = self.names
        for chain, scope, soft, node in self.met:
            if not soft and scope.kind != MODULE:
                names.inside.update(chain)
            owner = owner_of(chain[0], scope)
            if owner is None:
                names.loads.append(Load(chain, soft, node))
            elif chain[0] in owner.imported:
                found = owner.imported[chain[0]]
                names.imports.append(found._replace(chain=chain[1:]))
        for name, scope in self.changed:
            if owner_of(name, scope) is None:
                inside = scope.kind != MODULE
                (names.mutated_inside if inside else names.mutated)[name] = None
        for name, scope in self.calls:
            if owner_of(name, scope) is None and scope.kind == MODULE:
                names.called[name] = None


def _name(r: Reader, node: ast.Name, scope: Scope, soft: bool) -> None:
    if node.ctx.__class__ is ast.Load:
        r.met.append(((node.id,), *_where(node.id, scope), soft, node))
    else:
        r.bind(node.id, scope, node)


def _where(name: str, scope: Scope) -> tuple[Scope]:
    """A class body reads a name of its own only after it was bound; before, it reads the outer one."""
    if scope.kind == CLASS and name not in scope.bound and scope.parent is not None:
        outer = scope.parent
        while outer.kind == CLASS and outer.parent is not None:
            outer = outer.parent
        return (outer,)
    return (scope,)


def _attribute(r: Reader, node: ast.Attribute, scope: Scope, soft: bool) -> None:
    if node.ctx.__class__ is not ast.Load:
        _changed(r, node, scope)
    chain = [node.attr]
    value = node.value
    while isinstance(value, ast.Attribute):
        chain.append(value.attr)
        value = value.value
    if isinstance(value, ast.Name) and value.ctx.__class__ is ast.Load:
        chain.append(value.id)
        r.met.append((tuple(reversed(chain)), *_where(value.id, scope), soft, value))
    else:
        r.stack.append((value, scope, soft))


def _subscript(r: Reader, node: ast.Subscript, scope: Scope, soft: bool) -> None:
    if node.ctx.__class__ is not ast.Load:
        _changed(r, node, scope)
    r.push([node.value, node.slice], scope, soft)


def _changed(r: Reader, node: ast.AST, scope: Scope) -> None:
    root = root_of(node)
    if root is not None:
        r.changed.append((root.id, scope))


def _expression(r: Reader, node: ast.Expr, scope: Scope, soft: bool) -> None:
    """A call for its effect, such as `TOOLS.append(...)` or `setup()`."""
    value = node.value
    if isinstance(value, ast.Await):
        value = value.value
    if isinstance(value, ast.Call):
        if isinstance(value.func, ast.Name):
            r.calls.append((value.func.id, scope))
            if value.func.id in ("setattr", "delattr") and value.args:
                _changed(r, value.args[0], scope)
        else:
            _changed(r, value.func, scope)
    r.stack.append((node.value, scope, soft))


def _evident(r: Reader, values: Iterable[Any], scope: Scope) -> None:
    """Constants that stand where no compiler folds them away."""
    if scope.kind == FUNCTION:
        for value in values:
            if value.__class__ is ast.Constant and type(value.value) in (str, int, float, bytes):
                r.names.evident.append(value.value)


def _return(r: Reader, node: ast.Return, scope: Scope, soft: bool) -> None:
    _evident(r, (node.value,), scope)
    if node.value is not None:
        r.stack.append((node.value, scope, soft))


def _call(r: Reader, node: ast.Call, scope: Scope, soft: bool) -> None:
    _evident(r, (*node.args, *(k.value for k in node.keywords)), scope)
    if isinstance(node.func, ast.Name):
        _by_name(r, node, node.func, scope)
    r.push_fields(node, scope, soft)


def _by_name(r: Reader, node: ast.Call, function: ast.Name, scope: Scope) -> None:
    """Calls that read a name given as text: getattr, eval, exec."""
    name, args = function.id, node.args
    text = args[1] if name == "getattr" and len(args) > 1 else args[0] if args else None
    constant = text.value if isinstance(text, ast.Constant) and isinstance(text.value, str) else None
    if name == "getattr" and constant is not None and isinstance(args[0], ast.Name):
        r.met.append(((args[0].id, constant), *_where(args[0].id, scope), True, args[0]))
    elif name in ("eval", "exec"):
        if constant is None:
            r.names.computed.append(name)
        else:
            _soft_text(r, constant, scope)


def _soft_text(r: Reader, text: str, scope: Scope) -> None:
    """Names in a string that is an annotation or is evaluated; text that is no Python names nothing."""
    try:
        tree = ast.parse(text.strip())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    r.push(list(tree.body), Scope(COMPREHENSION, scope), True)


def _constant(r: Reader, node: ast.Constant, scope: Scope, soft: bool) -> None:
    if node.value.__class__ is str:
        r.names.words.append(node.value)
        if soft and len(node.value) < 1_000:
            _soft_text(r, node.value, scope)


def _assign(r: Reader, node: Any, scope: Scope, soft: bool) -> None:
    _evident(r, (node.value,), scope)
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        r.met.append(((node.target.id,), *_where(node.target.id, scope), soft, node.target))
    if isinstance(node, ast.AnnAssign):
        r.push([node.value], scope, soft)
        r.push(targets if node.value is not None or scope.kind != MODULE else [], scope, soft)
        r.push([node.annotation], scope, True)
        if node.value is None and scope.kind == FUNCTION and isinstance(node.target, ast.Name):
            r.bind(node.target.id, scope, node)
        return
    r.push([node.value, *targets], scope, soft)


def _function(r: Reader, node: Any, scope: Scope, soft: bool) -> None:
    r.bind(node.name, scope, node, node)
    _decorators(r, node, scope)
    outer = _type_parameters(r, node, scope)
    r.stack.extend([(child, inner, s) for child, inner, s in _body(r, node, outer)])
    _arguments(r, node.args, scope, outer)
    r.push([node.returns], outer, True)
    r.push(node.decorator_list, scope, soft)


def _body(r: Reader, node: Any, outer: Scope) -> list[tuple[ast.AST, Scope, bool]]:
    inner = Scope(FUNCTION, outer)
    inner.bound.update(argument_names(node.args))
    _declarations(r, node.body, inner)
    return [(child, inner, False) for child in reversed(node.body)]


def argument_names(args: ast.arguments) -> list[str]:
    found = [a.arg for a in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
    return found + [a.arg for a in (args.vararg, args.kwarg) if a is not None]


def _arguments(r: Reader, args: ast.arguments, scope: Scope, outer: Scope) -> None:
    every = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
    r.push([a.annotation for a in every if a is not None], outer, True)
    r.push([*args.defaults, *args.kw_defaults], scope, False)


def _declarations(r: Reader, body: list[ast.stmt], scope: Scope) -> None:
    """`global` and `nonlocal` hold for the whole scope, wherever they stand in it."""
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Global):
            scope.declared.update(node.names)
            r.names.declared.update(dict.fromkeys(node.names))
        elif isinstance(node, ast.Nonlocal):
            scope.borrowed.update(node.names)
            r.names.nonlocals.update(node.names)
        elif isinstance(node, BLOCKS):
            waiting.extend(n for n in _inner_statements(node))


def _inner_statements(node: ast.AST) -> Iterable[ast.AST]:
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        yield from getattr(node, name, ())


BLOCKS: Any = (
    ast.If,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.With,
    ast.AsyncWith,
    ast.Try,
    ast.TryStar,
    ast.ExceptHandler,
    ast.Match,
    ast.match_case,
)


def _type_parameters(r: Reader, node: Any, scope: Scope) -> Scope:
    """The scope of `def f[T]`; it exists since Python 3.12."""
    parameters = getattr(node, "type_params", None)
    if not parameters:
        return scope
    inner = Scope(FUNCTION, scope)
    inner.bound.update(p.name for p in parameters)
    r.push([getattr(p, "bound", None) for p in parameters], inner, True)
    return inner


def _decorators(r: Reader, node: Any, scope: Scope) -> None:
    """A decorator reached through a name, such as `@registry.register`, may change what the name holds."""
    for decorator in node.decorator_list:
        root = root_of(decorator)
        if root is None:
            continue
        direct = decorator.func if isinstance(decorator, ast.Call) else decorator
        (r.calls if direct is root else r.changed).append((root.id, scope))


def _class(r: Reader, node: ast.ClassDef, scope: Scope, soft: bool) -> None:
    r.bind(node.name, scope, node, node)
    _decorators(r, node, scope)
    outer = _type_parameters(r, node, scope)
    inner = Scope(CLASS, outer)
    _declarations(r, node.body, inner)
    r.push(node.body, inner, False)
    r.push([*node.decorator_list, *node.bases, *(k.value for k in node.keywords)], outer, False)


def _lambda(r: Reader, node: ast.Lambda, scope: Scope, soft: bool) -> None:
    inner = Scope(FUNCTION, scope)
    inner.bound.update(argument_names(node.args))
    r.push([node.body], inner, soft)
    r.push([*node.args.defaults, *node.args.kw_defaults], scope, soft)


def _comprehension(r: Reader, node: Any, scope: Scope, soft: bool) -> None:
    inner = Scope(COMPREHENSION, scope)
    parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
    r.push(parts, inner, soft)
    for generator in reversed(node.generators[1:]):
        r.push([generator.iter, generator.target, *generator.ifs], inner, soft)
    first = node.generators[0]
    r.push([first.target, *first.ifs], inner, soft)
    r.push([first.iter], scope, soft)


def _named(r: Reader, node: ast.NamedExpr, scope: Scope, soft: bool) -> None:
    r.bind(node.target.id, scope, node)
    r.stack.append((node.value, scope, soft))


def _import(r: Reader, node: ast.Import, scope: Scope, soft: bool) -> None:
    for alias in node.names:
        name = alias.asname or alias.name.partition(".")[0]
        r.bind(name, scope, alias, node)
        if scope.kind != MODULE:
            whole = alias.name if alias.asname else alias.name.partition(".")[0]
            scope.imported[name] = Imported(whole, 0, None)
            r.names.imports.append(Imported(alias.name, 0, None, ("",)))


def _import_from(r: Reader, node: ast.ImportFrom, scope: Scope, soft: bool) -> None:
    for alias in node.names:
        if alias.name == "*":
            r.names.stars.append(node)
            continue
        name = alias.asname or alias.name
        r.bind(name, scope, alias, node)
        if scope.kind != MODULE:
            found = Imported(node.module or "", node.level, alias.name)
            scope.imported[name] = found
            r.names.imports.append(found)


def _handler(r: Reader, node: ast.ExceptHandler, scope: Scope, soft: bool) -> None:
    if node.name:
        r.bind(node.name, scope, node)
    r.push([node.type, *node.body], scope, soft)


def _pattern(r: Reader, node: Any, scope: Scope, soft: bool) -> None:
    name = node.rest if isinstance(node, ast.MatchMapping) else node.name
    if name:
        r.bind(name, scope, node)
    r.push_fields(node, scope, soft)


def _loop(r: Reader, node: Any, scope: Scope, soft: bool) -> None:
    r.push([node.iter, node.target, *node.body, *node.orelse], scope, soft)


HANDLERS: dict[type, Callable[[Reader, Any, Scope, bool], None]] = {
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.Expr: _expression,
    ast.Call: _call,
    ast.Return: _return,
    ast.Constant: _constant,
    ast.Assign: _assign,
    ast.AugAssign: _assign,
    ast.AnnAssign: _assign,
    ast.FunctionDef: _function,
    ast.AsyncFunctionDef: _function,
    ast.ClassDef: _class,
    ast.Lambda: _lambda,
    ast.ListComp: _comprehension,
    ast.SetComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.DictComp: _comprehension,
    ast.NamedExpr: _named,
    ast.Import: _import,
    ast.ImportFrom: _import_from,
    ast.ExceptHandler: _handler,
    ast.MatchAs: _pattern,
    ast.MatchStar: _pattern,
    ast.MatchMapping: _pattern,
    ast.For: _loop,
    ast.AsyncFor: _loop,
}
