"""A program without what it has of tracelib, for an interpreter that has none: plain Python is left."""

from __future__ import annotations

import ast
from collections.abc import Container

HOME = "tracelib"


def undecorated(program: str, without: Container[str] = ()) -> list[str]:
    """The program's statements without imports and decorators of tracelib; `node(value)` is the value.

    Functions and classes of the names in `without` are left out.
    """
    tree = ast.parse(program)
    plain = ast.fix_missing_locations(_Plain(_names_of(tree)).visit(tree))
    kept = [one for one in plain.body if getattr(one, "name", None) not in without]
    return [ast.unparse(statement) for statement in kept]


def _names_of(tree: ast.Module) -> frozenset[str]:
    """The names under which the program knows tracelib and its parts."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {(one.asname or one.name).partition(".")[0] for one in node.names if _is_ours(one.name)}
        elif isinstance(node, ast.ImportFrom) and _is_ours(node.module or ""):
            names |= {one.asname or one.name for one in node.names}
    return frozenset(names)


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == HOME


class _Plain(ast.NodeTransformer):
    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def _root(self, node: ast.expr) -> str | None:
        while isinstance(node, ast.Call | ast.Attribute):
            node = node.func if isinstance(node, ast.Call) else node.value
        return node.id if isinstance(node, ast.Name) else None

    def _bare(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> ast.AST:
        node.decorator_list = [one for one in node.decorator_list if self._root(one) not in self._names]
        if isinstance(node, ast.ClassDef):
            node.bases = [one for one in node.bases if self._root(one) not in self._names]
        return self.generic_visit(node)

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _bare  # noqa: N815 - as ast calls them

    def visit_Import(self, node: ast.Import) -> ast.AST | None:
        node.names = [one for one in node.names if not _is_ours(one.name)]
        return node if node.names else None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        return None if _is_ours(node.module or "") else node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called == "node" and self._root(node.func) in self._names and node.args:
            return self.visit(node.args[0])  # type: ignore[no-any-return]
        return self.generic_visit(node)
