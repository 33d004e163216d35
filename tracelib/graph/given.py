"""Values that a call gave out as they are: which call, found again by identity.

A result that is no text cannot always be a node: who asks for a pydantic object wants that class. The
object handed out is noted here, weakly, beside the node, which holds a copy of its own; when the object
goes, so does the note.
"""

from __future__ import annotations

import weakref
from typing import Any

from tracelib.graph.node import Node

_given: dict[int, tuple[weakref.ref[Any], Node[Any]]] = {}


def give(value: Any, made: Node[Any]) -> Any:
    """The value, noted as what `made` stands for; `made` must hold another object that equals it."""
    key = id(value)
    _given[key] = weakref.ref(value, lambda _: _given.pop(key, None)), made
    return value


def giver(value: Any) -> Node[Any] | None:
    """The node of a value that was given out; None for any other."""
    found = _given.get(id(value)) if _given else None
    return found[1] if found is not None and found[0]() is value else None
