"""Which of several statements that bind a name made what the name holds now."""

from __future__ import annotations

import ast
from typing import Any

from tracelib.versioning import places
from tracelib.versioning.chunks import DEFINITIONS, Binding, first_line
from tracelib.versioning.definitions import ABSENT, contradicts
from tracelib.versioning.enclosing import own_method
from tracelib.versioning.found import code_of
from tracelib.versioning.inner import Inside
from tracelib.versioning.inspection import innermost, is_class, is_function
from tracelib.versioning.spaces import Space


class Choosing(Inside):
    """The binding behind a live value: by the lines of its code, else the last that fits."""

    def _choose(self, space: Space, name: str, value: Any, bindings: list[Binding]) -> Binding:
        if len(bindings) == 1:
            return bindings[0]
        found = _by_lines(value, bindings) if value is not ABSENT else None
        if found is not None:
            return found
        for binding in reversed(bindings):
            if not isinstance(binding.bound.node, ast.alias):
                if not contradicts(binding, value):
                    return binding
            elif value is ABSENT or self._gives(space, binding, value):
                return binding
        return bindings[-1]

    def _gives(self, space: Space, binding: Binding, value: Any) -> bool:
        """Whether an import binds the live value."""
        alias, node = binding.bound.node, binding.bound.statement
        assert isinstance(alias, ast.alias)
        if isinstance(node, ast.ImportFrom):
            name = places.absolute(node.module or "", node.level, space.package)
            module = places.loaded(name)
            return module is not None and places.namespace_of(module).get(alias.name, ABSENT) is value
        return value is places.loaded(alias.name if alias.asname else alias.name.partition(".")[0])


def _by_lines(value: Any, bindings: list[Binding]) -> Binding | None:
    method = own_method(value) if is_class(value) else None
    fn = method or (value if is_function(value) else innermost(value))
    if fn is None:
        return None
    code = code_of(fn)
    for binding in reversed(bindings):
        node = binding.bound.node
        if not isinstance(node, DEFINITIONS) or binding.statement.chunk.filename != code.co_filename:
            continue
        if method is not None and isinstance(node, ast.ClassDef):
            if node.lineno <= code.co_firstlineno <= (node.end_lineno or 0):
                return binding
        elif node.name == code.co_name and first_line(node) == code.co_firstlineno:
            return binding
    return None


def told_by_its_lines(value: Any) -> bool:
    """Whether a live class holds code that says which of several definitions it is."""
    return value is not ABSENT and is_class(value) and own_method(value) is not None
