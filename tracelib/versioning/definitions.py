"""Questions to the statements that bind a name: which belong together, and what they say of its value."""

from __future__ import annotations

import ast
from typing import Any

from tracelib.versioning.chunks import DEFINITIONS, Binding, Statement
from tracelib.versioning.values import is_plain, literal, live_digest, plain_text

ABSENT: Any = object()
"""Stands for the value of a name that has none."""


def fresh(statements: list[Statement], name: str, at: int) -> int:
    """The first of the statements that together bind the name: the last that needs nothing before it."""
    while at > 0 and not _starts_anew(statements[at], name):
        at -= 1
    return at


def replaced(statements: list[Statement], name: str, at: int) -> Statement | None:
    """The next statement that binds the name without regard to what it held."""
    return next((s for s in statements[at + 1 :] if _starts_anew(s, name)), None)


def _starts_anew(statement: Statement, name: str) -> bool:
    node = statement.node
    if isinstance(node, (ast.Assign, ast.AnnAssign, *DEFINITIONS, ast.Import, ast.ImportFrom)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return not any(
                isinstance(n, ast.Name) and n.id == name for d in node.decorator_list for n in ast.walk(d)
            )
        return all(load.chain[0] != name for load in statement.names.loads)
    return False


def written(binding: Statement | None, name: str, value: Any) -> bool:
    """Whether the statement is `name = literal` with the very value."""
    node = None if binding is None else binding.node
    if not isinstance(node, (ast.Assign, ast.AnnAssign)):
        return False
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    if len(targets) != 1 or not isinstance(targets[0], ast.Name) or targets[0].id != name:
        return False
    known, found = literal(node.value)
    return known and is_plain(found) and (found is value or plain_text(found) == plain_text(value))


def contradicts(binding: Binding, value: Any) -> bool:
    """Whether a literal on the right side is not the live value, though of the same builtin type."""
    node = binding.statement.node
    if value is ABSENT or not isinstance(node, (ast.Assign, ast.AnnAssign)):
        return False
    known, found = literal(node.value)
    if not known or type(found) is not type(value) or type(found) not in (dict, list, set):
        return False
    return live_digest(found) != live_digest(value)
