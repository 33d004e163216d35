"""How each kind of node is written in the canonical text: by its name and the fields that count.

A node that nests deeper than functions may call one another is written as it is, for later.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from typing import Any

IGNORED = frozenset(("ctx", "kind", "type_comment", "type_ignores"))
DOCUMENTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
NAME = ast.Name

Write = Callable[[Any], None]
Normal = Callable[[list[Any]], list[Any]] | None
Form = Callable[[Any, Write, int], None]
"""Writes the text of one kind of node; where no level is `left`, it writes the node itself, for later."""
DEPTH = 40
"""Levels of a tree that are written by functions within functions: Python's own stack is the user's."""


class Forms(dict[type, Form]):
    """The form of each kind of node: by hand for those that programs are full of, else by its fields."""

    def __missing__(self, kind: type[ast.AST]) -> Form:
        made = self[kind] = form_by_fields(kind)
        return made


def form_by_fields(kind: type[ast.AST]) -> Form:
    """The form of a kind of node: its name, then each field that counts and is not empty."""
    head = f"({kind.__name__}"
    fields = [(name, f" {name}=", _normal(kind, name)) for name in kind._fields if name not in IGNORED]

    def write_fields(node: Any, write: Write, left: int) -> None:
        if not left:
            write(node)
            return
        write(head)
        for name, label, normal in fields:
            value: Any = getattr(node, name, None)
            inner = value.__class__
            if inner is list:
                if value:
                    _list(f"{label}[", value if normal is None else normal(value), write, left)
            elif inner is str:
                write(f"{label}{value};")
            elif value is not None:
                write(label)
                FORMS[inner](value, write, left - 1)
        write(")")

    if not fields:
        return lambda node, write, left: write(f"{head})")
    return write_fields if len(fields) > 1 else _form_of_one(head, *fields[0])


def _form_of_one(head: str, name: str, label: str, normal: Normal) -> Form:
    """The form of a node with one field, as an expression that is a statement, a tuple, a star."""
    with_label, with_list, bare = f"{head}{label}", f"{head}{label}[", f"{head})"

    def write_field(node: Any, write: Write, left: int) -> None:
        value = getattr(node, name, None)
        inner = value.__class__
        if not left:
            write(node)
        elif inner is list and value:
            _list(with_list, value if normal is None else normal(value), write, left)
            write(")")
        elif inner is list or value is None:
            write(bare)
        elif inner is str:
            write(f"{with_label}{value};)")
        else:
            write(with_label)
            FORMS[inner](value, write, left - 1)
            write(")")

    return write_field


def _list(label: str, nodes: list[Any], write: Write, left: int) -> None:
    write(label)
    left -= 1
    for node in nodes:
        kind = node.__class__
        if kind is NAME:
            write(f"(Name id={node.id};)")
        else:
            FORMS[kind](node, write, left)
    write("]")


def _constant(node: ast.Constant, write: Write, left: int) -> None:
    value = node.value
    write(f"s{len(value)}:{value}" if value.__class__ is str else constant(value))


def _value(node: Any, write: Write, left: int) -> None:
    """A constant, or a field that is a number or None."""
    write(constant(node))


def _call(node: ast.Call, write: Write, left: int) -> None:
    if not left:
        write(node)
        return
    function = node.func
    if function.__class__ is NAME:
        write(f"(Call func=(Name id={function.id};)")
    else:
        write("(Call func=")
        FORMS[function.__class__](function, write, left - 1)
    if node.args:
        _list(" args=[", node.args, write, left)
    if node.keywords:
        _list(" keywords=[", node.keywords, write, left)
    write(")")


def _attribute(node: ast.Attribute, write: Write, left: int) -> None:
    if not left:
        write(node)
        return
    value = node.value
    if value.__class__ is NAME:
        write(f"(Attribute value=(Name id={value.id};) attr={node.attr};)")
    else:
        write("(Attribute value=")
        FORMS[value.__class__](value, write, left - 1)
        write(f" attr={node.attr};)")


def _assign(node: ast.Assign, write: Write, left: int) -> None:
    if not left:
        write(node)
        return
    _list("(Assign targets=[", node.targets, write, left)
    write(" value=")
    FORMS[node.value.__class__](node.value, write, left - 1)
    write(")")


def _return(node: ast.Return, write: Write, left: int) -> None:
    value = node.value
    if not left:
        write(node)
    elif value is None:
        write("(Return)")
    else:
        write("(Return value=")
        FORMS[value.__class__](value, write, left - 1)
        write(")")


def _subscript(node: ast.Subscript, write: Write, left: int) -> None:
    if not left:
        write(node)
        return
    write("(Subscript value=")
    FORMS[node.value.__class__](node.value, write, left - 1)
    write(" slice=")
    FORMS[node.slice.__class__](node.slice, write, left - 1)
    write(")")


def _if(node: ast.If, write: Write, left: int) -> None:
    if not left:
        write(node)
        return
    write("(If test=")
    FORMS[node.test.__class__](node.test, write, left - 1)
    _list(" body=[", node.body, write, left)
    if node.orelse:
        _list(" orelse=[", node.orelse, write, left)
    write(")")


def _function(node: ast.FunctionDef, write: Write, left: int) -> None:
    if not left or node.decorator_list or node.returns is not None or getattr(node, "type_params", None):
        _any_function(node, write, left)
        return
    write(f"(FunctionDef name={node.name}; args=")
    _arguments(node.args, write, left - 1)
    _list(" body=[", _body(node.body), write, left)
    write(")")


def _binary(node: ast.BinOp, write: Write, left: int) -> None:
    if not left:
        write(node)
        return
    write("(BinOp left=")
    FORMS[node.left.__class__](node.left, write, left - 1)
    write(f" op=({node.op.__class__.__name__}) right=")
    FORMS[node.right.__class__](node.right, write, left - 1)
    write(")")


def _compare(node: ast.Compare, write: Write, left: int) -> None:
    if not left:
        write(node)
        return
    write("(Compare left=")
    FORMS[node.left.__class__](node.left, write, left - 1)
    operators = "".join([f"({op.__class__.__name__})" for op in node.ops])
    _list(f" ops=[{operators}] comparators=[", node.comparators, write, left)
    write(")")


def _arguments(node: ast.arguments, write: Write, left: int) -> None:
    """Most functions take plain arguments, perhaps with defaults."""
    if not left or node.posonlyargs or node.vararg or node.kwonlyargs or node.kwarg:
        _any_arguments(node, write, left)
        return
    write("(arguments")
    if node.args:
        _list(" args=[", node.args, write, left)
    if node.defaults:
        _list(" defaults=[", node.defaults, write, left)
    write(")")


def _argument(node: ast.arg, write: Write, left: int) -> None:
    if not left or node.annotation is not None:
        _any_argument(node, write, left)
    else:
        write(f"(arg arg={node.arg};)")


def _normal(kind: type[ast.AST], name: str) -> Normal:
    """What makes a list in a field of this kind of node normal; None where it is taken as it is."""
    if name == "body" and issubclass(kind, DOCUMENTED):
        return _body
    if name == "values" and kind.__name__ in ("JoinedStr", "TemplateStr"):
        return _joined
    return _words if name in ("names", "kwd_attrs") else None


def _words(names: list[Any]) -> list[Any]:
    """Names that stand in the tree as texts, each with its end."""
    return [f"{name};" if name.__class__ is str else name for name in names]


def _body(body: list[Any]) -> list[Any]:
    """A body with its docstring as Python shows it: without the margin."""
    first = body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        doc = first.value.value
        if isinstance(doc, str):
            return [f"(Expr value={constant(inspect.cleandoc(doc))})", *body[1:]]
    return body


def _joined(values: list[Any]) -> list[Any]:
    """The parts of an f-string, neighbouring texts made one: minors of Python cut them differently."""
    found: list[Any] = []
    for value in values:
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            if not value.value:
                continue
            before = found[-1].value if found and isinstance(found[-1], ast.Constant) else None
            if isinstance(before, str):
                found[-1] = ast.Constant(before + value.value)
                continue
        found.append(value)
    return found


def constant(value: Any) -> str:
    """A constant with its type: 1, 1.0, True and "1" are four.

    Strings are taken raw: which characters `repr` escapes depends on the minor version of Python.
    """
    kind = value.__class__
    if kind is str:
        return f"s{len(value)}:{value}"
    if kind is int:
        return f"i{value:x};"
    if kind is tuple:
        return f"t{len(value)}({''.join(map(constant, value))})"
    if kind is frozenset:
        return f"f{len(value)}({''.join(sorted(map(constant, value)))})"
    return f"{kind.__name__}:{value!r};"


_any_function = form_by_fields(ast.FunctionDef)
_any_arguments = form_by_fields(ast.arguments)
_any_argument = form_by_fields(ast.arg)
FORMS = Forms(
    {
        ast.Name: lambda node, write, left: write(f"(Name id={node.id};)"),
        ast.Constant: _constant,
        str: lambda node, write, left: write(node),
        type(None): lambda node, write, left: write("N"),
        int: _value,
        bool: _value,
        ast.Call: _call,
        ast.Attribute: _attribute,
        ast.Assign: _assign,
        ast.Return: _return,
        ast.Subscript: _subscript,
        ast.If: _if,
        ast.FunctionDef: _function,
        ast.BinOp: _binary,
        ast.Compare: _compare,
        ast.arguments: _arguments,
        ast.arg: _argument,
    }
)
