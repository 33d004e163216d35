"""Recorded values and what they hold. This room lies below none of the graph's, so their shape tells them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SHAPE = ("data", "inputs", "parents")
_PLAIN = frozenset((str, int, float, bool, type(None), bytes, list, tuple, dict))
"""Types that are told apart at a tenth of what a look at the shape takes."""


def is_recorded(value: Any) -> bool:
    """Whether a value is a node or a text of the record."""
    kind = type(value)
    return kind not in _PLAIN and all(hasattr(kind, name) for name in _SHAPE)


def plain_data(value: Any) -> Any:
    """The data of a recorded value, anything else as it is."""
    while is_recorded(value):
        value = value.data
    return value


def plain(value: Any) -> Any:
    """A copy without any record: recorded values give their data, texts are plain `str`, all the way down."""
    return _copied(plain_data(value), plain)


def kept(value: Any) -> Any:
    """A copy with containers of its own, in which recorded values stay what they are."""
    return value if is_recorded(value) else _copied(value, kept)


def _copied(value: Any, inner: Any) -> Any:
    if isinstance(value, str):
        return value if type(value) is str else str.__str__(value)
    if isinstance(value, Mapping):
        return {inner(key): inner(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [inner(item) for item in value]
    return value
