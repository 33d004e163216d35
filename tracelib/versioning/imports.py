"""Where an imported name is defined, read from the imports alone: no part of a closure is made."""

from __future__ import annotations

import ast

from tracelib.versioning import places
from tracelib.versioning.spaces import Space, Spaces


def origin(spaces: Spaces, space: Space, name: str) -> tuple[Space, str]:
    """The local module that defines a name, and the name it has there, past imports from local modules."""
    passed: set[tuple[int, str]] = set()
    while (id(space), name) not in passed:
        passed.add((id(space), name))
        bindings = space.bindings(name)
        node = bindings[-1].bound.statement if bindings else None
        alias = bindings[-1].bound.node if bindings else None
        if not isinstance(node, ast.ImportFrom) or not isinstance(alias, ast.alias):
            break
        other = spaces.named(places.absolute(node.module or "", node.level, space.package))
        if other is None:
            break
        space, name = other, alias.name
    return space, name
