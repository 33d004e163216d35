"""Names that need no search: bound once, by a plain function, and the module still holds that function."""

from __future__ import annotations

import ast
import types

from tracelib.versioning.earlier import Earlier
from tracelib.versioning.found import code_of, globals_of, is_code_of
from tracelib.versioning.pieces import Owner
from tracelib.versioning.spaces import Space

PLAIN = (ast.FunctionDef, ast.AsyncFunctionDef)


class Direct(Earlier):
    """Most names of most programs, found in one step instead of a dozen, with what those would find."""

    def direct(self, space: Space, name: str) -> Owner | None:
        """What a name stands for where it is of that kind; None where it has to be looked for."""
        bindings = space.bindings(name)
        if len(bindings) != 1 or type(space) is not Space or not space.loaded:
            return None
        statement, bound = bindings[0].statement, bindings[0].bound
        node, value = bound.node, space.namespace.get(name)
        if node is not statement.node or not isinstance(node, PLAIN) or node.decorator_list:
            return None
        if type(value) is not types.FunctionType or not self._is_its_own(space, value) or space.stars():
            return None
        if not is_code_of(statement, code_of(value), statement.chunk.may_be_edited(space.namespace)):
            return None
        key = (id(space), name)
        self.seen[key] = (space, value)
        self.finals[key] = (space, name)
        owner = self.definition(space, name, statement, bindings)
        self.owners[key] = self.owners[(id(value), "")] = owner
        return owner

    def _is_its_own(self, space: Space, fn: types.FunctionType) -> bool:
        """Whether a function was defined in this local module, and is no wrapper of another one."""
        own = globals_of(fn) is space.namespace and self.is_local(space.namespace)
        return own and "__wrapped__" not in fn.__dict__
