"""Functions inside functions: their cells, and what the code around them says of these."""

from __future__ import annotations

import ast
import types
from typing import Any

from tracelib.versioning.chunks import DEFINITIONS, Place
from tracelib.versioning.found import code_of, globals_of
from tracelib.versioning.inspection import (
    cell_value,
    cells_of,
    class_dict,
    class_names,
    function_under,
    innermost,
    is_class,
    is_function,
)
from tracelib.versioning.values import is_plain


def held_functions(fn: types.FunctionType) -> list[types.FunctionType]:
    """The functions in the cells of a function: what a decorator without `wraps` decorated."""
    found = (v for ok, v in map(cell_value, fn.__closure__ or ()) if ok)
    return [inner for v in found if (inner := innermost(v) if not is_function(v) else v) is not None]


def own_method(owner: type) -> types.FunctionType | None:
    """A function that was written inside the class: it tells where the class stands."""
    _, qualname = class_names(owner)
    for found in class_dict(owner).values():
        inner = innermost(function_under(found))
        if inner is not None and code_of(inner).co_qualname.startswith(qualname + "."):
            return inner
    return None


def cells_around(fn: types.FunctionType, owner: type | None) -> dict[str, types.CellType]:
    """The cells of a function; of a method in a local class, those of all methods."""
    found = cells_of(fn)
    if owner is None and "__class__" in found:
        filled, value = cell_value(found["__class__"])
        owner = value if filled and is_class(value) else None
    for other in class_dict(owner).values() if owner is not None else ():
        inner = innermost(function_under(other))
        if inner is not None:
            found = {**cells_of(inner), **found}
    return found


def defaults_as_cells(node: Any, fn: types.FunctionType) -> dict[str, types.CellType]:
    """Variables of the enclosing function that are defaults, as far as their values are plain constants."""
    args = getattr(node, "args", None)
    if args is None or fn.__name__ != getattr(node, "name", "<lambda>"):
        return {}
    given = list(zip(args.defaults, fn.__defaults__ or (), strict=False))
    given += [
        (default, (fn.__kwdefaults__ or {}).get(arg.arg))
        for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True)
    ]
    inside = code_of(fn).co_qualname.rpartition(".")[0].endswith("<locals>")
    return {
        default.id: types.CellType(value)
        for default, value in given
        if inside and isinstance(default, ast.Name) and is_plain(value) and default.id not in globals_of(fn)
    }


def stored_names(node: ast.AST) -> set[str]:
    """Names that a function binds, roughly: those of its inner functions, too."""
    found = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    found |= {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}
    return found | {n.name for n in ast.walk(node) if isinstance(n, DEFINITIONS)}


def is_changed(place: Place, name: str) -> bool:
    """Whether some function inside the enclosing one declares the name nonlocal."""
    return any(
        isinstance(n, ast.Nonlocal) and name in n.names for outer in place.around for n in ast.walk(outer)
    )


def binding_statements(function: Any, name: str) -> list[ast.stmt]:
    return (
        [
            s
            for s in function.body
            if not isinstance(s, DEFINITIONS)
            and any(
                isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Store) for n in ast.walk(s)
            )
        ]
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        else []
    )
