"""How names are read in statements: what they bind, change and define."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from typing import Any

from tracelib.versioning.expressions import every_argument
from tracelib.versioning.names import CLASS, FUNCTION, MODULE, Imported, Scope
from tracelib.versioning.reader import Handler, Reader, root_of


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


def _if(r: Reader, node: ast.If) -> None:
    r.stack += node.orelse[::-1]
    r.stack += node.body[::-1]
    r.stack.append(node.test)


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
    if node.decorator_list:
        _decorators(r, node)
    outer = _type_parameters(r, node)
    arguments = every_argument(node.args)
    inner = Scope(FUNCTION, outer)
    inner.bound.update([argument.arg for argument in arguments])
    if r.declaring:
        _declarations(r, node.body, inner)
    r.stack += [(r.scope, r.soft), *node.body[::-1], (inner, False)]
    annotations = [argument.annotation for argument in arguments if argument.annotation is not None]
    if annotations:
        r.push_in(outer, annotations, soft=True)
    if node.args.defaults or node.args.kw_defaults:
        r.push_in(r.scope, [*node.args.defaults, *node.args.kw_defaults])
    if node.returns is not None:
        r.push_in(outer, [node.returns], soft=True)
    r.stack += node.decorator_list[::-1]


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


STATEMENTS: dict[type, Handler] = {
    ast.Expr: _expression,
    ast.If: _if,
    ast.Return: _return,
    ast.Assign: _assign,
    ast.AugAssign: _change_in_place,
    ast.AnnAssign: _annotated,
    ast.FunctionDef: _function,
    ast.AsyncFunctionDef: _function,
    ast.ClassDef: _class,
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
    STATEMENTS[ast.TypeAlias] = _type_alias
