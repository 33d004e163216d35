"""Names that code looks up otherwise than by writing them: in bytecode without text, by globals()."""

from __future__ import annotations

import ast
import dis
import types

from tracelib.versioning.gathering import brief
from tracelib.versioning.names import Load
from tracelib.versioning.values import is_plain, plain_text


def global_loads(code: types.CodeType) -> list[Load]:
    """The globals that bytecode loads, inner code included."""
    found: dict[str, None] = {}
    waiting = [code]
    while waiting:
        inner = waiting.pop(0)
        for step in dis.get_instructions(inner):
            if step.opname in ("LOAD_GLOBAL", "LOAD_NAME") and isinstance(step.argval, str):
                found[step.argval] = None
        waiting.extend(c for c in inner.co_consts if isinstance(c, types.CodeType))
    return [Load((name,)) for name in found]


def default_constants(fn: types.FunctionType) -> str:
    values = [*(fn.__defaults__ or ()), *(fn.__kwdefaults__ or {}).values()]
    return " ".join(brief(plain_text(v)) for v in values if is_plain(v))


def computed_lookup(node: ast.AST) -> bool:
    """Whether `globals()` is used otherwise than with a constant key."""
    calls = 0
    constant = 0
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name) and inner.func.id == "globals":
            calls += 1
        if isinstance(inner, ast.Subscript) and _is_globals(inner.value):
            constant += isinstance(inner.slice, ast.Constant)
        if (
            isinstance(inner, ast.Call)
            and isinstance(inner.func, ast.Attribute)
            and _is_globals(inner.func.value)
        ):
            constant += bool(inner.args) and isinstance(inner.args[0], ast.Constant)
    return calls > constant


def _is_globals(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "globals"
