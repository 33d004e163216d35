"""Which names a piece of code takes from its module, gives to it, and changes there; read from the AST alone.

One pass without recursion: expressions nest as deep as their author likes. Every name is noted with
the scope it was met in, and decided at the end, when all bindings of that scope are known.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterable
from typing import Any

from tracelib.parsing import parsed
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
    mangled,
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


def names_of(nodes: Iterable[ast.AST], declaring: bool = True) -> Names:
    """The names of statements or expressions that are read as if they stood at the top of a module.

    `declaring` says whether there may be a `global` or `nonlocal` among them.
    """
    read = list(nodes)
    reader = Reader(declaring)
    reader.read(read)
    if reader.names.imports:  # a name that was bound before may be that of a module where it is read
        reader = Reader(declaring, thorough=True)
        reader.read(read)
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
    """The pass itself. `scope` is where it reads now; it is `soft` inside annotations and texts.

    On the stack are nodes, and pairs of a scope and whether it is soft: what lies below is read in that.
    Unless it is `thorough`, a name that its function has bound by then is taken to be the function's own.
    """

    def __init__(self, declaring: bool, thorough: bool = False) -> None:
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
        stack, handler_of, name, load = self.stack, HANDLERS.get, ast.Name, ast.Load
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


def _name(r: Reader, node: ast.Name) -> None:
    scope = r.scope
    if node.ctx.__class__ is ast.Load:
        r.meet((node.id,), node)
    elif scope.kind is FUNCTION and not scope.declared and not scope.borrowed:
        scope.bound.add(node.id)
    else:
        r.bind(node.id, node)


def _attribute(r: Reader, node: ast.Attribute) -> None:
    if node.ctx.__class__ is not ast.Load:
        r.change(node)
    chain = [node.attr]
    value = node.value
    while value.__class__ is ast.Attribute:
        chain.append(value.attr)
        value = value.value
    if value.__class__ is ast.Name and value.ctx.__class__ is ast.Load:
        chain.append(value.id)
        r.meet(tuple(chain[::-1]), value)
    else:
        r.stack.append(value)


def _subscript(r: Reader, node: ast.Subscript) -> None:
    if node.ctx.__class__ is not ast.Load:
        r.change(node)
    r.push(node.value, node.slice)


def _expression(r: Reader, node: ast.Expr) -> None:
    """A call for its effect, such as `TOOLS.append(...)` or `setup()`."""
    value = node.value
    if value.__class__ is ast.Await:
        value = value.value
    if value.__class__ is ast.Call:
        if isinstance(value.func, ast.Name):
            r.calls.append((value.func.id, r.scope))
            if value.func.id in ("setattr", "delattr") and value.args:
                r.change(value.args[0])
        else:
            r.change(value.func)
    r.stack.append(node.value)


def _return(r: Reader, node: ast.Return) -> None:
    value = node.value
    if value is not None:
        if value.__class__ is ast.Constant:
            r.evident(value.value)
        r.stack.append(value)


def _binary(r: Reader, node: ast.BinOp) -> None:
    r.stack += (node.right, node.left)


def _compare(r: Reader, node: ast.Compare) -> None:
    r.stack += node.comparators[::-1]
    r.stack.append(node.left)


def _if(r: Reader, node: ast.If) -> None:
    r.stack += node.orelse[::-1]
    r.stack += node.body[::-1]
    r.stack.append(node.test)


READERS = frozenset(("getattr", "eval", "exec"))
"""Functions that read a name given as text."""


def _call(r: Reader, node: ast.Call) -> None:
    if node.func.__class__ is ast.Name and node.func.id in READERS:
        _by_name(r, node, node.func.id)
    values = node.args
    if node.keywords:
        values = [*values, *[keyword.value for keyword in node.keywords]]
    for value in values:
        if value.__class__ is ast.Constant:
            r.evident(value.value)
    r.stack += values[::-1]
    r.stack.append(node.func)


def _by_name(r: Reader, node: ast.Call, name: str) -> None:
    args = node.args
    text = args[1] if name == "getattr" and len(args) > 1 else args[0] if args else None
    constant = text.value if isinstance(text, ast.Constant) and isinstance(text.value, str) else None
    if name == "getattr":
        if constant is not None and isinstance(args[0], ast.Name):
            r.meet((args[0].id, constant), args[0], soft=True)
    elif constant is None:
        r.names.computed.append(name)
    else:
        _soft_text(r, constant)


def _soft_text(r: Reader, text: str) -> None:
    """Names in a string that is an annotation or is evaluated; text that is no Python names nothing."""
    try:
        tree = parsed(text.strip())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    r.push_in(Scope(COMPREHENSION, r.scope), tree.body, soft=True)


def _constant(r: Reader, node: ast.Constant) -> None:
    if node.value.__class__ is str:
        r.names.words.append(node.value)
        if r.soft and len(node.value) < 1_000:
            _soft_text(r, node.value)


def _assign(r: Reader, node: ast.Assign) -> None:
    value = node.value
    if value.__class__ is ast.Constant:
        r.evident(value.value)
    r.stack += node.targets[::-1]
    r.stack.append(value)


def _change_in_place(r: Reader, node: ast.AugAssign) -> None:
    if isinstance(node.value, ast.Constant):
        r.evident(node.value.value)
    if isinstance(node.target, ast.Name):
        r.meet((node.target.id,), node.target)
    r.push(node.value, node.target)


def _annotated(r: Reader, node: ast.AnnAssign) -> None:
    if isinstance(node.value, ast.Constant):
        r.evident(node.value.value)
    r.push(node.value)
    if node.value is not None or r.scope.kind is not MODULE:
        r.push(node.target)
    r.push_in(r.scope, [node.annotation], soft=True)
    if node.value is None and r.scope.kind is FUNCTION and isinstance(node.target, ast.Name):
        r.bind(node.target.id, node)


def _function(r: Reader, node: Any) -> None:
    r.bind(node.name, node, node)
    _decorators(r, node)
    outer = _type_parameters(r, node)
    arguments = every_argument(node.args)
    inner = Scope(FUNCTION, outer)
    inner.bound.update([argument.arg for argument in arguments])
    _declarations(r, node.body, inner)
    r.push_in(inner, node.body)
    annotations = [argument.annotation for argument in arguments if argument.annotation is not None]
    if annotations:
        r.push_in(outer, annotations, soft=True)
    if node.args.defaults or node.args.kw_defaults:
        r.push_in(r.scope, [*node.args.defaults, *node.args.kw_defaults])
    if node.returns is not None:
        r.push_in(outer, [node.returns], soft=True)
    r.stack += node.decorator_list[::-1]


def every_argument(args: ast.arguments) -> list[ast.arg]:
    """The arguments in the order in which a code object has them."""
    found = [*args.posonlyargs, *args.args, *args.kwonlyargs]
    if args.vararg is not None:
        found.append(args.vararg)
    if args.kwarg is not None:
        found.append(args.kwarg)
    return found


def _declarations(r: Reader, body: list[ast.stmt], scope: Scope) -> None:
    """`global` and `nonlocal` hold for the whole scope, wherever they stand in it."""
    waiting: list[ast.AST] = list(body) if r.declaring else []
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


def _type_parameters(r: Reader, node: Any) -> Scope:
    """The scope of `def f[T]`; it exists since Python 3.12."""
    parameters = getattr(node, "type_params", None)
    if not parameters:
        return r.scope
    inner = Scope(FUNCTION, r.scope)
    inner.bound.update(p.name for p in parameters)
    for part in ("bound", "default_value"):
        r.push_in(inner, [getattr(p, part, None) for p in parameters], soft=True)
    return inner


def _decorators(r: Reader, node: Any) -> None:
    """A decorator reached through a name, such as `@registry.register`, may change what the name holds."""
    for decorator in node.decorator_list:
        root = root_of(decorator)
        if root is None:
            continue
        direct = decorator.func if isinstance(decorator, ast.Call) else decorator
        (r.calls if direct is root else r.changed).append((root.id, r.scope))


def _class(r: Reader, node: ast.ClassDef) -> None:
    r.bind(node.name, node, node)
    _decorators(r, node)
    outer = _type_parameters(r, node)
    inner = Scope(CLASS, outer, node.name)
    _declarations(r, node.body, inner)
    r.push_in(inner, node.body)
    r.push_in(outer, [*node.decorator_list, *node.bases, *(k.value for k in node.keywords)])


def _lambda(r: Reader, node: ast.Lambda) -> None:
    inner = Scope(FUNCTION, r.scope)
    inner.bound.update([argument.arg for argument in every_argument(node.args)])
    r.push_in(inner, [node.body], r.soft)
    r.push(*node.args.defaults, *node.args.kw_defaults)


def _comprehension(r: Reader, node: Any) -> None:
    inner = Scope(COMPREHENSION, r.scope)
    first, *more = node.generators
    parts: list[ast.AST] = [first.target, *first.ifs]
    for generator in more:
        parts += [generator.iter, generator.target, *generator.ifs]
    parts += [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
    r.push_in(inner, parts, r.soft)
    r.push(first.iter)


def _named(r: Reader, node: ast.NamedExpr) -> None:
    r.bind(node.target.id, node)
    r.stack.append(node.value)


def _import(r: Reader, node: ast.Import) -> None:
    for alias in node.names:
        name = alias.asname or alias.name.partition(".")[0]
        r.bind(name, alias, node)
        if r.scope.kind is not MODULE:
            whole = alias.name if alias.asname else alias.name.partition(".")[0]
            r.scope.imported[name] = Imported(whole, 0, None)
            r.names.imports.append(Imported(alias.name, 0, None, ("",)))


def _import_from(r: Reader, node: ast.ImportFrom) -> None:
    for alias in node.names:
        if alias.name == "*":
            r.names.stars.append(node)
            continue
        name = alias.asname or alias.name
        r.bind(name, alias, node)
        if r.scope.kind is not MODULE:
            found = Imported(node.module or "", node.level, alias.name)
            r.scope.imported[name] = found
            r.names.imports.append(found)


def _handler(r: Reader, node: ast.ExceptHandler) -> None:
    if node.name:
        r.bind(node.name, node)
    r.push(node.type, *node.body)


def _pattern(r: Reader, node: Any) -> None:
    name = node.rest if isinstance(node, ast.MatchMapping) else node.name
    if name:
        r.bind(name, node)
    r.push_fields(node)


def _loop(r: Reader, node: Any) -> None:
    r.push(node.iter, node.target, *node.body, *node.orelse)


def _type_alias(r: Reader, node: Any) -> None:
    r.bind(node.name.id, node.name)
    r.push_in(_type_parameters(r, node), [node.value])


HANDLERS: dict[type, Callable[[Reader, Any], None]] = {
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.Expr: _expression,
    ast.Call: _call,
    ast.BinOp: _binary,
    ast.Compare: _compare,
    ast.If: _if,
    ast.Return: _return,
    ast.Constant: _constant,
    ast.Assign: _assign,
    ast.AugAssign: _change_in_place,
    ast.AnnAssign: _annotated,
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
if sys.version_info >= (3, 12):
    HANDLERS[ast.TypeAlias] = _type_alias
