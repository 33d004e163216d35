"""How names are read in expressions."""

from __future__ import annotations

import ast
from typing import Any

from tracelib.parsing import parsed
from tracelib.versioning.names import COMPREHENSION, FUNCTION, Scope
from tracelib.versioning.reader import Handler, Reader


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


def _binary(r: Reader, node: ast.BinOp) -> None:
    r.stack += (node.right, node.left)


def _compare(r: Reader, node: ast.Compare) -> None:
    r.stack += node.comparators[::-1]
    r.stack.append(node.left)


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


def _named(r: Reader, node: ast.NamedExpr) -> None:
    r.bind(node.target.id, node)
    r.stack.append(node.value)


def every_argument(args: ast.arguments) -> list[ast.arg]:
    """The arguments in the order in which a code object has them."""
    found = [*args.posonlyargs, *args.args, *args.kwonlyargs]
    if args.vararg is not None:
        found.append(args.vararg)
    if args.kwarg is not None:
        found.append(args.kwarg)
    return found


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


EXPRESSIONS: dict[type, Handler] = {
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.Call: _call,
    ast.BinOp: _binary,
    ast.Compare: _compare,
    ast.Constant: _constant,
    ast.Lambda: _lambda,
    ast.ListComp: _comprehension,
    ast.SetComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.DictComp: _comprehension,
    ast.NamedExpr: _named,
}
