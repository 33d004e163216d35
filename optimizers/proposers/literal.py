"""Reading a recorded value back from the text that shows it; what is not all there is not read."""

from __future__ import annotations

import ast
from typing import Any

from optimizers.evidence.excerpt import Excerpt
from tracelib.errors import OptimizerError


class Unreadable(OptimizerError):  # noqa: N818 - what the text is
    """The text is no whole plain value."""


def value_in(text: Excerpt) -> Any:
    """The JSON value that a text of `display.shown` shows; raises Unreadable where it does not show all.

    Tuples and sets become lists; a dataclass or model becomes a dict of the fields that it shows.

    >>> value_in(Excerpt.of('{"city": "Paris", "at": (48.9, 2.4)}', 100))
    {'city': 'Paris', 'at': [48.9, 2.4]}
    >>> value_in(Excerpt.of('City(name="Paris", known=True)', 100))
    {'name': 'Paris', 'known': True}
    """
    if not text.whole:
        raise Unreadable("it was cut")
    try:
        tree = ast.parse(str(text), mode="eval")
        return _value(tree.body)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Unreadable(str(error)) from error


def is_opaque(text: Excerpt) -> bool:
    """Whether a text shows an object that has no plain value at all, such as a client or a function.

    >>> is_opaque(Excerpt.of("<Client>", 99)), is_opaque(Excerpt.of("[1, ... 99 more]", 99))
    (True, False)
    """
    if str(text)[:1] in ('"', "[", "{", "("):
        return False
    try:
        value_in(text)
    except Unreadable:
        return text.whole
    return False


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float | None):
        return node.value
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return [_value(item) for item in node.elts]
    if isinstance(node, ast.Dict):
        return {_key(key): _value(value) for key, value in zip(node.keys, node.values, strict=True)}
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_number(node.operand)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.args:
        return {_key_of(one): _value(one.value) for one in node.keywords}
    raise Unreadable(f"it is no plain value: {type(node).__name__}")


def _key(node: ast.expr | None) -> str:
    key = None if node is None else _value(node)
    if not isinstance(key, str):
        raise Unreadable("a key is no text")
    return key


def _key_of(keyword: ast.keyword) -> str:
    if keyword.arg is None:
        raise Unreadable("a field has no name")
    return keyword.arg


def _number(node: ast.expr) -> int | float:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        number: int | float = node.value  # type: ignore[assignment]
        return number
    raise Unreadable("what is negated is no number")
