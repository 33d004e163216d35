"""Source text without its secrets: strings given to secret names, and strings that look like secrets."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tracelib.parsing import parsed
from tracelib.redaction import DEFAULT as REDACTOR

TELLING = (
    "key",
    "token",
    "secret",
    "pass",
    "auth",
    "cred",
    "bearer",
    "pwd",
    "dsn",
    "cookie",
    "session",
    "jwt",
)
"""Every name that the redactor takes for a secret's holds one of these."""


def may_name_a_secret(text: str) -> bool:
    return any(map(text.lower().__contains__, TELLING))


def redacted(text: str) -> str:
    """The text with each secret replaced by the redactor's mark; what has none is given back as it is."""
    if may_name_a_secret(text):
        text = _named(text)
    return REDACTOR.text(text)


def _named(text: str) -> str:
    """Strings that are given to a secret name: assigned, a keyword, a default, a key of a dict."""
    try:
        tree = parsed(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text
    found = {(n.lineno, n.col_offset): n for n in _secret_constants(tree)}
    if not found:
        return text
    lines = [line.encode() for line in text.split("\n")]
    for place in sorted(found, reverse=True):
        node = found[place]
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        value = node.value if isinstance(node.value, str) else node.value.decode("latin-1")  # type: ignore[union-attr]
        mark = repr(REDACTOR.mark(value))
        if isinstance(node.value, bytes):
            mark = "b" + mark
        before, after = lines[place[0] - 1][: place[1]], lines[node.end_lineno - 1][node.end_col_offset :]
        lines[place[0] - 1 : node.end_lineno] = [before + mark.encode() + after]
    return b"\n".join(lines).decode()


def _secret_constants(tree: ast.AST) -> Iterator[ast.Constant]:
    for node in ast.walk(tree):
        for name, value in _given(node):
            text = isinstance(value, ast.Constant) and type(value.value) in (str, bytes)
            if text and isinstance(value, ast.Constant) and REDACTOR.is_secret_name(name):
                yield value


def _given(node: ast.AST) -> Iterator[tuple[str, ast.AST | None]]:
    """Names and the values that a node gives to them."""
    if isinstance(node, (ast.Assign, ast.AnnAssign, ast.NamedExpr)):
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            name = _name(target)
            if name is not None:
                yield name, node.value
    elif isinstance(node, ast.keyword) and node.arg:
        yield node.arg, node.value
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value, value
    elif isinstance(node, ast.arguments):
        positional = [*node.posonlyargs, *node.args]
        for arg, default in zip(reversed(positional), reversed(node.defaults), strict=False):
            yield arg.arg, default
        for arg, given in zip(node.kwonlyargs, node.kw_defaults, strict=True):
            yield arg.arg, given


def _name(target: ast.AST) -> str | None:
    if isinstance(target, ast.Name):
        return target.id
    if isinstance(target, ast.Attribute):
        return target.attr
    if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
        return target.slice.value if isinstance(target.slice.value, str) else None
    return None
