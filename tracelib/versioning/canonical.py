"""One text for all ways to write the same code: what the hash is taken of.

Layout, comments, quotes, the spelling of numbers and the minor version of Python leave it as it is;
docstrings, annotations, constants and names do not. Trees may be nested as deep as Python reads them.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
from collections.abc import Callable, Iterable
from typing import Any

SCHEME = "v1"
"""The tag of every hash made from this text; another way to write it is another scheme."""

IGNORED = frozenset(("ctx", "kind", "type_comment", "type_ignores"))
DOCUMENTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def digest(*texts: str) -> str:
    """sha256 of the texts, each with its length in front, in hexadecimal."""
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    return hashlib.sha256(b"".join([b"%d:%b" % (len(each), each) for each in encoded])).hexdigest()


def canonical(nodes: Iterable[ast.AST]) -> str:
    """The canonical text of statements or expressions."""
    text: list[str] = []
    waiting: list[Any] = list(nodes)[::-1]
    while waiting:
        item = waiting.pop()
        if item.__class__ is str:
            text.append(item)
            continue
        parts: list[Any] = []
        deep: list[ast.AST] = []
        _write(item, parts.append, deep, DEPTH)
        if deep:
            waiting += reversed(parts)
        else:
            text += parts
    return "".join(text)


def _write(item: Any, write: Callable[[Any], None], deep: list[ast.AST], left: int) -> None:
    """Write the text of a part of a tree; what is nested deeper than `left` stays as it is, for later."""
    kind = item.__class__
    if kind is ast.Name:
        write(f"(Name id={item.id};)")
    elif kind is ast.Constant:
        write(constant(item.value))
    elif kind is str:
        write(item)
    elif item is None:
        write("N")
    elif not left:
        write(item)
        deep.append(item)
    else:
        head, fields = FORMS.get(kind) or _form(kind)
        write(head)
        for name, label, normal in fields:
            value: Any = getattr(item, name, None)
            inner = value.__class__
            if value is None:
                continue
            if inner is ast.Name:
                write(f"{label}(Name id={value.id};)")
            elif inner is list:
                if value:
                    write(f"{label}[")
                    for one in value if normal is None else normal(value):
                        _write(one, write, deep, left - 1)
                    write("]")
            elif inner is ast.Constant:
                write(label + constant(value.value))
            elif inner is str:
                write(f"{label}{value};")
            elif isinstance(value, ast.AST):
                write(label)
                _write(value, write, deep, left - 1)
            else:
                write(label + constant(value))
        write(")")


Form = tuple[str, list[tuple[str, str, Callable[[list[Any]], list[Any]] | None]]]
"""How the text of a node begins; the fields that count, each with a label and what makes its list normal."""
FORMS: dict[type, Form] = {}
DEPTH = 40
"""Levels of a tree that are written by functions within functions: Python's own stack is the user's."""


def _form(kind: type[ast.AST]) -> Form:
    counting = [name for name in kind._fields if name not in IGNORED]
    FORMS[kind] = f"({kind.__name__}", [(name, f" {name}=", _normal(kind, name)) for name in counting]
    return FORMS[kind]


def _normal(kind: type[ast.AST], name: str) -> Callable[[list[Any]], list[Any]] | None:
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
