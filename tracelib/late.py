"""Late bindings: what lives in a higher or heavier room, imported when it is first used.

A room that needs some writes them down in one table, name -> "module:attribute", which the layer test
reads; these tables and the lazy public names are the only late imports.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def resolver(table: Mapping[str, str]) -> Callable[[str], Any]:
    """A function that gives what the table binds a name to."""
    known: dict[str, Any] = {}

    def late(name: str) -> Any:
        found = known.get(name)
        if found is None:
            module, _, attribute = table[name].partition(":")
            found = known[name] = getattr(importlib.import_module(module), attribute)
        return found

    return late
