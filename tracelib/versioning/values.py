"""Values as far as a version knows them: plain constants, and digests of what has no definition.

Nothing here runs code of the user's: types are compared exactly, and an object of any other type is
known by the name of its type alone.
"""

from __future__ import annotations

import ast
import hashlib
import math
from typing import Any

from tracelib.versioning.canonical import digest
from tracelib.versioning.forms import constant

ATOMS = frozenset((type(None), bool, int, float, complex, str, bytes, type(...)))
SIMPLE = frozenset((type(None), bool, str, bytes, type(...)))
"""Types whose `repr` is an expression that gives the value."""

FLAT = frozenset((type(None), bool, str, bytes, int))
LONG = 1_000
"""Elements from which on a tuple is taken by its `repr` as a whole."""

LIVE_LIMIT = 200_000
"""Elements of a container without definition that its digest looks at."""

SMALL_INT = 10**15
SHOWN = 2_000
"""Characters of a value that is kept for display."""


def is_plain(value: Any) -> bool:
    """A constant that counts by its value: an atom, or a tuple or frozenset of plain ones."""
    kind = type(value)
    if kind in ATOMS:
        return True
    if kind is not tuple and kind is not frozenset:
        return False
    waiting = [value]
    while waiting:
        item = waiting.pop()
        for inner in set(map(type, item)) - ATOMS:
            if inner is not tuple and inner is not frozenset:
                return False
            waiting.extend(v for v in item if type(v) is inner)
    return True


def plain_text(value: Any) -> str:
    """The canonical text of a plain constant; a long flat tuple costs one `repr`."""
    long = long_repr(value)
    if long is not None:
        return f"tuple:{long}"
    try:
        return constant(value)
    except RecursionError:
        return f"deep {type(value).__name__} of {len(value)}"


def long_repr(value: Any) -> str | None:
    """The `repr` of a long flat tuple where it is the same on every Python; None for any other value.

    Which characters beyond ASCII are escaped depends on the minor version, and very long integers
    have no decimal text.
    """
    if type(value) is not tuple or len(value) < LONG or not set(map(type, value)) <= FLAT:
        return None
    try:
        text = repr(value)
    except ValueError:
        return None
    return text if text.isascii() else None


def expression(value: Any) -> str:
    """Python that gives the plain constant."""
    kind = type(value)
    if kind in SIMPLE:
        return "..." if value is ... else repr(value)
    if kind is int:
        return repr(value) if -SMALL_INT < value < SMALL_INT or value.bit_length() < 10_000 else hex(value)
    if kind is float:
        return repr(value) if math.isfinite(value) else f"float({str(value)!r})"
    if kind is complex:
        parts = (value.real, value.imag)
        told = all(math.isfinite(part) and str(part) != "-0.0" for part in parts)
        if told and not (value.real == 0 and value.imag < 0):  # `-1j` is the negative of 1j: -0.0 - 1j
            return repr(value)
        return f"complex({expression(value.real)}, {expression(value.imag)})"
    return _collection(value)


def _collection(value: Any) -> str:
    if type(value) is frozenset:
        inner = ", ".join(sorted(map(expression, value)))
        return f"frozenset({{{inner}}})" if inner else "frozenset()"
    types = set(map(type, value))
    if types <= SIMPLE - {type(...)} or (types == {int} and len(value) and _small(value)):
        return repr(value)
    inner = ", ".join(map(expression, value))
    return f"({inner},)" if len(value) == 1 else f"({inner})"


def _small(value: tuple[int, ...]) -> bool:
    return min(value) > -SMALL_INT and max(value) < SMALL_INT


def live_expression(value: Any, depth: int = 20) -> str | None:
    """Python that gives a value made of builtin containers and plain constants; None where there is none."""
    kind = type(value)
    if is_plain(value):
        return expression(value)
    if depth == 0 or kind not in (list, dict, set, tuple, bytearray) or len(value) > 10_000:
        return None
    if kind is bytearray:
        return f"bytearray({bytes(value)!r})"
    if kind is dict:
        pairs = [(live_expression(k, depth - 1), live_expression(v, depth - 1)) for k, v in value.items()]
        if any(k is None or v is None for k, v in pairs):
            return None
        return "{" + ", ".join(f"{k}: {v}" for k, v in pairs) + "}"
    items = [live_expression(v, depth - 1) for v in value]
    texts = [v for v in items if v is not None]
    if len(texts) < len(items):
        return None
    if kind is set:
        return "{" + ", ".join(sorted(texts)) + "}" if texts else "set()"
    if kind is list:
        return f"[{', '.join(texts)}]"
    return f"({texts[0]},)" if len(texts) == 1 else f"({', '.join(texts)})"


def type_name(value: Any) -> str:
    """`module.Class` of the value, read without running anything."""
    kind = type(value)
    names = type.__dict__["__dict__"].__get__(kind)
    module = names.get("__module__")
    qualname = type.__dict__["__qualname__"].__get__(kind)
    return f"{module}.{qualname}" if type(module) is str and module != "builtins" else str(qualname)


def live_digest(value: Any) -> tuple[str, bool]:
    """A digest of a value that has no definition, and whether all of it was seen.

    Builtin containers and numpy arrays count by content, sets in a sorted order; anything else by the
    name of its type. At most LIVE_LIMIT elements are looked at.
    """
    out: list[str] = []
    whole = True
    waiting: list[Any] = [value]
    on_path: set[int] = set()
    left = LIVE_LIMIT
    while waiting:
        item = waiting.pop()
        if type(item) is _Mark:
            out.append(item.text)
            on_path.discard(item.left)
            continue
        left -= 1
        if left < 0:
            return digest(*out, "cut"), False
        kind = type(item)
        if is_plain(item):
            out.append(plain_text(item))
        elif kind in (list, tuple, dict, set, frozenset) and id(item) not in on_path:
            on_path.add(id(item))
            waiting.append(_Mark(")", id(item)))
            out.append(f"({kind.__name__}")
            if kind is dict:
                waiting.extend(part for pair in reversed(item.items()) for part in (pair[1], pair[0]))
            elif kind in (set, frozenset):
                left -= len(item)
                if left < 0:
                    return digest(*out, "cut"), False
                inner = [live_digest(v) for v in item]
                whole = whole and all(seen for _, seen in inner)
                waiting.append(_Mark("|".join(sorted(text for text, _ in inner)), 0))
            else:
                waiting.extend(reversed(item))
        elif kind is bytearray:
            out.append(plain_text(bytes(item)))
        elif is_array(item):
            out.append(f"array {item.dtype.str} {item.shape} {hashlib.sha256(item.tobytes()).hexdigest()}")
        else:
            whole = False
            out.append(f"<{type_name(item)}>")
    return digest(*out), whole


class _Mark:
    """A text to write when everything pushed after it is done."""

    __slots__ = ("left", "text")

    def __init__(self, text: str, left: int) -> None:
        self.text = text
        self.left = left


def is_array(value: Any) -> bool:
    """A numpy array of numbers; numpy is no dependency, so it is known by name."""
    kind = type(value)
    return kind.__name__ == "ndarray" and kind.__module__ == "numpy" and not value.dtype.hasobject


def literal(node: ast.AST | None) -> tuple[bool, Any]:
    """Whether an expression is a literal, and its value."""
    if node is None:
        return False, None
    if isinstance(node, ast.Constant):
        return True, node.value
    try:
        return True, ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False, None


def shown(value: Any) -> Any:
    """A value for display: JSON where it is plain and short, else Python text or the type's name, cut."""
    if type(value) in (type(None), bool) or (type(value) is float and math.isfinite(value)):
        return value
    if type(value) is int and -SMALL_INT < value < SMALL_INT:
        return value
    if type(value) is str:
        return value if len(value) <= SHOWN else value[:SHOWN] + "…"
    text = live_expression(value) if not _large(value) else None
    if text is None:
        return f"<{type_name(value)}>"
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def _large(value: Any) -> bool:
    return type(value) in (tuple, list, dict, set, frozenset, bytes, bytearray) and len(value) > 1_000
