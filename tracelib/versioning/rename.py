"""Giving the globals of a piece of code other names, scopes respected."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from tracelib.parsing import parsed
from tracelib.versioning.scope import names_of


def renamed(text: str, names: Mapping[str, str], freed: Iterable[str] = ()) -> str:
    """The code with its global names replaced; `nonlocal` of a freed name becomes `global`.

    Code in which nothing is to be replaced comes back as it was written, other code as Python prints it.
    """
    try:
        tree = parsed(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text
    found = names_of(tree.body)
    changed = _declarations(tree, names, frozenset(freed))
    for load in found.loads:
        if load.node is not None and load.node.id in names:
            load.node.id = names[load.node.id]
            changed = True
    for name, node in found.stores:
        if name in names:
            _rename(node, name, names[name])
            changed = True
    return ast.unparse(ast.fix_missing_locations(tree)) if changed else text


def _declarations(tree: ast.AST, names: Mapping[str, str], freed: frozenset[str]) -> bool:
    changed = False
    for node in ast.walk(tree):
        for body in (
            getattr(node, "body", None),
            getattr(node, "orelse", None),
            getattr(node, "finalbody", None),
        ):
            if isinstance(body, list):
                for at, statement in enumerate(body):
                    if isinstance(statement, ast.Nonlocal) and freed.intersection(statement.names):
                        body[at] = ast.Global(statement.names)
                        changed = True
        if isinstance(node, ast.Global):
            changed = changed or any(name in names for name in node.names)
            node.names = [names.get(name, name) for name in node.names]
    return changed


def _rename(node: ast.AST, old: str, new: str) -> None:
    if isinstance(node, ast.Name):
        node.id = new
    elif isinstance(node, ast.alias):
        node.asname = new
    elif isinstance(node, ast.NamedExpr):
        node.target.id = new
    elif isinstance(node, ast.MatchMapping):
        node.rest = new
    elif isinstance(node, ast.AnnAssign):
        if isinstance(node.target, ast.Name):
            node.target.id = new
    elif getattr(node, "name", None) == old:
        node.name = new  # type: ignore[attr-defined]
