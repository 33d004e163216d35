"""How a recorded value reads in a prompt: the same text on every run and every machine."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from enum import Enum
from itertools import islice
from typing import Any

from pydantic import BaseModel

from optimizers.evidence.excerpt import Excerpt
from tracelib.errors import StateError
from tracelib.graph.constraint import encode

ITEMS = 100
"""Items of a container that are shown; a longer one says how many more there are."""
DEPTH = 8
"""Nested containers that are shown."""
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def shown(value: Any, limit: int) -> Excerpt:
    """The value as a code-like text of at most `limit` characters.

    Strings are quoted as in JSON, so that a value is one line whatever it contains. Memory addresses
    are left out and sets are sorted: the text depends on the value alone.

    >>> str(shown({"b": ("it's", None), "a": {2, 1}}, 100))
    '{"b": ("it\\'s", None), "a": {1, 2}}'
    """
    return Excerpt.of(_text(value, DEPTH), limit)


def raw(value: Any, limit: int) -> Excerpt:
    """As `shown`, but a string stands unquoted, with its line breaks."""
    return Excerpt.of(value, limit) if type(value) is str else shown(value, limit)


def kind_of(value: Any) -> str:
    """The type of a value in a word or two; an array tells its shape.

    >>> kind_of(["a"]), kind_of(None)
    ('list', 'None')
    """
    if value is None:
        return "None"
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"{type(value).__name__} of {value.dtype}, shape {tuple(value.shape)}"
    return type(value).__name__


def _text(value: Any, depth: int) -> str:
    if isinstance(value, str):
        return json.dumps(str(value), ensure_ascii=False)
    if value is None or (
        isinstance(value, int | float | complex | bytes) and type(value).__module__ == "builtins"
    ):
        return _object_text(value)
    if depth == 0:
        return f"<{type(value).__name__}>"
    if isinstance(value, Mapping):
        return _joined(
            "{", (f"{_text(k, depth - 1)}: {_text(v, depth - 1)}" for k, v in value.items()), value, "}"
        )
    if isinstance(value, list):
        return _joined("[", (_text(item, depth - 1) for item in value), value, "]")
    if isinstance(value, set | frozenset):
        return (
            _joined("{", iter(sorted(_text(item, depth - 1) for item in value)), value, "}")
            if value
            else "set()"
        )
    if isinstance(value, tuple):
        return _tuple_text(value, depth)
    if isinstance(value, BaseModel) or (dataclasses.is_dataclass(value) and not isinstance(value, type)):
        return _fields_text(value, depth)
    return _object_text(value)


def _joined(left: str, items: Iterator[str], sized: Any, right: str) -> str:
    first = list(islice(items, ITEMS))
    more = len(sized) - len(first)
    return left + ", ".join(first + ([f"... {more:,} more"] if more > 0 else [])) + right


def _tuple_text(value: tuple[Any, ...], depth: int) -> str:
    names = getattr(value, "_fields", None)
    if names is not None:
        pairs = (f"{name}={_text(item, depth - 1)}" for name, item in zip(names, value, strict=True))
        return _joined(f"{type(value).__name__}(", pairs, value, ")")
    text = _joined("(", (_text(item, depth - 1) for item in value), value, ")")
    return text if len(value) != 1 else f"{text[:-1]},)"


def _fields_text(value: Any, depth: int) -> str:
    if isinstance(value, BaseModel):
        names = list(type(value).model_fields)
    else:
        names = [field.name for field in dataclasses.fields(value) if field.repr]
    pairs = (f"{name}={_text(getattr(value, name, None), depth - 1)}" for name in names)
    return _joined(f"{type(value).__name__}(", pairs, names, ")")


def _object_text(value: Any) -> str:
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        return repr(value.item())  # numpy 2 writes np.float64(4.5), numpy 1 wrote 4.5
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if getattr(type(value), "__repr__", None) is object.__repr__:
        return f"<{type(value).__name__}>"
    try:
        text = repr(value)
    except Exception as error:  # repr is the user's code; Python's own refuses integers of over 4,300 digits
        return f"<{type(value).__name__}, whose repr raised {type(error).__name__}>"
    return _ADDRESS.sub("", text)


def plain(value: Any) -> Any:
    """The JSON form of a value: what a model is shown of a variable, and answers with.

    It is what a state file holds, but sets come in the order of their items' text. Raises StateError
    for what has no JSON form.

    >>> plain((1, {"a": {3, 2}}))
    [1, {'a': [2, 3]}]
    """
    return encode(_ordered(value))


def _ordered(value: Any) -> Any:
    """Containers as lists and dicts, sets sorted, numpy's scalars as Python's."""
    if isinstance(value, dict):
        return {key: _ordered(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return [_ordered(item) for item in value]
    if isinstance(value, set | frozenset):
        return [_ordered(item) for item in sorted(value, key=lambda item: _text(item, DEPTH))]
    return value.tolist() if hasattr(value, "dtype") and hasattr(value, "tolist") else value


def digest_of(value: Any) -> str:
    """16 hex digits that tell values apart; an array and the list of its items have the same.

    >>> digest_of((1, 2)) == digest_of([1, 2]) != digest_of([1.0, 2])
    True
    """
    try:
        text = json.dumps(plain(value), sort_keys=True)
    except StateError:
        text = _text(value, DEPTH)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
