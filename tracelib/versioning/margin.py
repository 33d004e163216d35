"""Moving a block of code to the left margin without touching the insides of its strings."""

from __future__ import annotations

import ast
from typing import Any


def at_margin(text: str, node: Any, first: int, column: int) -> str:
    """The text of a node that stood at `column` from line `first` on, at the left margin."""
    if not column:
        return text
    inside = lines_inside_strings(node)
    lines = text.split("\n")
    return "\n".join(
        line if number == first or number in inside else _cut(line, column)
        for number, line in enumerate(lines, start=first)
    )


def _cut(line: str, column: int) -> str:
    return line[len(line[:column]) - len(line[:column].lstrip()) :]


def lines_inside_strings(node: ast.AST) -> set[int]:
    """Numbers of the lines that start inside a string."""
    found: set[int] = set()
    for inner in ast.walk(node):
        if isinstance(inner, (ast.Constant, ast.JoinedStr)):
            found.update(range(inner.lineno + 1, (inner.end_lineno or inner.lineno) + 1))
    return found
