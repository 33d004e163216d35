"""What the statements of a text change in other names of it: by assigning, by calling, by making classes."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Any

from tracelib.versioning.reader import root_of
from tracelib.versioning.scope import names_of

MAKING = frozenset(("__new__", "__init__", "__post_init__", "__init_subclass__", "__set_name__", "__call__"))
"""Methods that run when a class is called or derived from, or when its metaclass makes one."""


def decorating(node: Any) -> tuple[list[str], list[str]]:
    """The names that decorators change, and those that they call."""
    changed: list[str] = []
    called: list[str] = []
    for decorator in node.decorator_list:
        root = root_of(decorator)
        direct = decorator.func if isinstance(decorator, ast.Call) else decorator
        if root is not None:
            (called if direct is root else changed).append(root.id)
    return changed, called


def made_from(node: ast.AST) -> list[str]:
    """The bases and the metaclass of a class, and the function whose result is assigned, by plain names."""
    if isinstance(node, ast.ClassDef):
        used: list[ast.AST | None] = [*node.bases, *(keyword.value for keyword in node.keywords)]
    elif isinstance(node, (ast.Assign, ast.AnnAssign)):
        used = [node.value.func] if isinstance(node.value, ast.Call) else []
    else:
        used = []
    return [found.id for found in used if isinstance(found, ast.Name)]


def changed_by_making(node: ast.ClassDef, classes: Callable[[str], Iterator[ast.ClassDef]]) -> list[str]:
    """What making an instance or a subclass of a class changes in its module: a registry, mostly.

    `classes` are the definitions of a name. The class itself and its bases do not count: every use of
    a base would otherwise be a use of all that derives from it.
    """
    found: dict[str, None] = {}
    waiting, seen = [node], {node.name}
    while waiting:
        each = waiting.pop(0)
        for method in each.body:
            if isinstance(method, (ast.FunctionDef, ast.AsyncFunctionDef)) and method.name in MAKING:
                names = names_of([method])
                found.update(dict.fromkeys([*names.mutated_inside, *names.declared]))
        for base in made_from(each):
            if base not in seen:
                seen.add(base)
                waiting.extend(classes(base))
    return [name for name in found if name not in seen]
