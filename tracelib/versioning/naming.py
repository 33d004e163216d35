"""What a name of a module stands for: the statements that bind it, checked against the live value."""

from __future__ import annotations

import ast
import builtins
import types
from typing import Any

from tracelib.redaction import DEFAULT as REDACTOR
from tracelib.versioning import places
from tracelib.versioning.choosing import Choosing, told_by_its_lines
from tracelib.versioning.chunks import DEFINITIONS, Binding, Place, Statement, first_line
from tracelib.versioning.definitions import ABSENT
from tracelib.versioning.enclosing import held_functions
from tracelib.versioning.found import code_of, place_of
from tracelib.versioning.inspection import (
    class_names,
    innermost,
    is_class,
    is_function,
    is_recorded_function,
)
from tracelib.versioning.moments import MOMENT, PLACE, as_seen_from, hints, is_computed
from tracelib.versioning.pieces import BUILTIN, DUNDER, DUNDERS, MISSING, VALUE, Inner, Owner, kind_of_node
from tracelib.versioning.spaces import Space, is_local_module
from tracelib.versioning.values import is_plain, literal

BUILTINS = vars(builtins)


class Naming(Choosing):
    """Names resolved in the module that uses them, past imports of local modules."""

    def owner(self, space: Space, name: str) -> Owner:
        """What a name of a space stands for, past imports from other local modules."""
        known = self.owners.get((id(space), name))
        if known is not None:
            return known
        trail: list[tuple[int, str]] = []
        here = space
        while True:
            key = (id(here), name)
            found = self.owners.get(key)
            if found is None and key in trail:
                found = MISSING
            if found is None:
                trail.append(key)
                self.resolving.add(key)
                step = self._step(here, name)
                self.resolving.discard(key)
                if isinstance(step, Owner):
                    found = step
                else:
                    here, name = step
                    continue
            last = self.finals.get(key, (here, name))
            for passed in trail:
                self.owners[passed] = found
                self.finals[passed] = last
            return found

    def _step(self, space: Space, name: str) -> Owner | tuple[Space, str]:
        if isinstance(space, Inner):
            if name in space.cells:
                return self._cell(space, name)
            if name in space.hidden:
                return MISSING
            return space.outer, name
        if name in DUNDERS:
            return DUNDER
        value = space.namespace.get(name, ABSENT) if space.loaded else ABSENT
        if space.loaded:
            self.seen[(id(space), name)] = (space, value)
        if value is not ABSENT and is_recorded_function(value):
            self.recorded[(id(space), name)] = (space, value)
        bindings = space.bindings(name)
        if not bindings:
            return self._unbound(space, name, value)
        return self._bound(space, name, value, bindings)

    def _unbound(self, space: Space, name: str, value: Any) -> Owner | tuple[Space, str]:
        """A name that no statement binds: from a star import, a builtin, or put there while running."""
        for star in reversed(space.stars()):
            found = self._from_star(space, star, name, value)
            if found is not None:
                return found
        if value is ABSENT:
            return BUILTIN if name in BUILTINS else MISSING
        return self.of_value(space, name, value, ("put", id(space), name))

    def _from_star(
        self, space: Space, star: ast.ImportFrom, name: str, value: Any
    ) -> Owner | tuple[Space, str] | None:
        module = places.absolute(star.module or "", star.level, space.package)
        other = self.spaces.named(module)
        if other is not None:
            return (other, name) if other.exports(name) else None
        live = places.loaded(module)
        if live is None or value is ABSENT or places.namespace_of(live).get(name) is not value:
            return None
        return self.imported(module, name, space, name, f"from {module} import {name}", None)

    def _starred_over(
        self, space: Space, name: str, value: Any, after: Statement
    ) -> Owner | tuple[Space, str] | None:
        """Where a star import later than the last binding gave the name what it holds."""
        for star in reversed(space.stars(after) if value is not ABSENT else []):
            live = places.loaded(places.absolute(star.module or "", star.level, space.package))
            if live is not None and places.namespace_of(live).get(name, ABSENT) is value:
                return self._from_star(space, star, name, value)
        return None

    def _bound(
        self, space: Space, name: str, value: Any, bindings: list[Binding]
    ) -> Owner | tuple[Space, str]:
        starred = self._starred_over(space, name, value, bindings[-1].statement)
        if starred is not None:
            return starred
        binding = self._choose(space, name, value, bindings)
        node = binding.bound.node
        if isinstance(node, ast.alias):
            return self._alias(space, name, value, binding)
        if value is ABSENT:
            return self._unloaded(space, name, binding, bindings)
        if places.is_module(value) and is_local_module(value):
            return self.module(self.spaces.of(places.namespace_of(value)))
        if is_plain(value) and not space.is_state(name):
            return self._plain(space, name, value, binding, bindings)
        if is_function(value):
            found = self._live_function(space, name, value, binding)
            if found is not None:
                return found
        if isinstance(node, ast.ClassDef) and not node.decorator_list and self._is_of_another(space, value):
            return self.of_class(space, name, value, ("put", id(space), name))
        self._hold(space, name, value)
        return self._defined(space, name, value, binding, bindings)

    def _plain(self, space: Space, name: str, value: Any, binding: Binding, bindings: list[Binding]) -> Owner:
        """A plain constant, which counts by its value, unless that is another one in each run or folder."""
        told = hints(self.spaces, space, binding.statement) if is_computed(binding.statement, value) else ()
        if MOMENT in told:
            self.state[(space.name, name)] = None
            self._show(space, name, value, REDACTOR.is_secret_name(name) and type(value) is str)
            return self._defined(space, name, value, binding, bindings)
        found = self.constant(space, name, value, binding.statement, ("constant", id(space), name))
        if PLACE in told and found.piece is not None and (path := as_seen_from(space, value)) is not None:
            found.piece.canonical = f"place {path}"
        return found

    def _unloaded(self, space: Space, name: str, binding: Binding, bindings: list[Binding]) -> Owner:
        node = binding.statement.node
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and not space.is_state(name):
            known, value = literal(node.value)
            if known and is_plain(value):
                return self.constant(space, name, value, binding.statement, ("constant", id(space), name))
        return self._defined(space, name, ABSENT, binding, bindings)

    def _defined(
        self, space: Space, name: str, value: Any, binding: Binding, bindings: list[Binding]
    ) -> Owner:
        node: Any = binding.bound.node
        inside = isinstance(node, DEFINITIONS) and node is not binding.statement.node
        if isinstance(node, ast.ClassDef) and not told_by_its_lines(value):
            inside = inside and sum(b.statement is binding.statement for b in bindings) == 1
        if inside and kind_of_node(binding.statement.node) == VALUE:
            place = Place(binding.statement.chunk, binding.statement, node, ())
            return self.fragment(space, node.name, place, {})
        found = self.definition(space, name, binding.statement, bindings)
        if is_function(value) and found.piece is not None and not isinstance(node, DEFINITIONS):
            self._add_cells(found.piece, value)
        return found

    def _hold(self, space: Space, name: str, value: Any) -> None:
        """Note a global whose value is state, or at least worth showing."""
        if type(value) in (list, dict, set, bytearray) or (is_plain(value) and space.is_state(name)):
            self.state[(space.name, name)] = None
            self._show(space, name, value, REDACTOR.is_secret_name(name) and type(value) is str)
        elif type(value) is types.MemberDescriptorType:
            return

    def _alias(self, space: Space, name: str, value: Any, binding: Binding) -> Owner | tuple[Space, str]:
        alias, node = binding.bound.node, binding.bound.statement
        assert isinstance(alias, ast.alias)
        if isinstance(node, ast.ImportFrom):
            return self._from(space, name, value, binding, alias, node)
        whole = alias.name if alias.asname else alias.name.partition(".")[0]
        other = self.spaces.named(whole)
        if other is not None:
            return self.module(other)
        if value is not ABSENT and places.is_module(value) and is_local_module(value):
            return self.module(self.spaces.of(places.namespace_of(value)))
        if value is ABSENT and space.loaded:
            return MISSING
        if alias.asname:
            return self.imported(whole, None, space, name, f"import {whole} as {name}", binding.statement)
        dotted = [b.bound.node.name for b in space.bindings(name) if isinstance(b.bound.node, ast.alias)]
        dotted = sorted({d for d in dotted if d.partition(".")[0] == whole})
        text = "\n".join(f"import {d}" for d in dotted)
        return self.imported(" ".join(dotted), None, space, name, text, binding.statement)

    def _from(
        self, space: Space, name: str, value: Any, binding: Binding, alias: ast.alias, node: ast.ImportFrom
    ) -> Owner | tuple[Space, str]:
        module = places.absolute(node.module or "", node.level, space.package)
        other = self.spaces.named(module)
        if other is None:
            if is_function(value) and self._patched(module, alias.name, value):
                return self.function(value)
            text = f"from {module} import {alias.name}" + (f" as {name}" if name != alias.name else "")
            return self.imported(module, alias.name, space, name, text, binding.statement)
        if other.loaded and other.namespace.get(alias.name, ABSENT) is not value:
            if is_function(value):
                return self.function(value)
            if self._is_of_another(space, value):
                return self.of_class(space, name, value, ("put", id(space), name))
        if value is not ABSENT and places.is_module(value) and is_local_module(value):
            return self.module(self.spaces.of(places.namespace_of(value)))
        if alias.name not in other.namespace and not other.bindings(alias.name):
            below = self.spaces.named(f"{module}.{alias.name}")
            if below is not None:
                return self.module(below)
        return other, alias.name

    def _is_of_another(self, space: Space, value: Any) -> bool:
        """Whether a value is a class that another local module holds, or that a function made."""
        if value is ABSENT or not is_class(value):
            return False
        module, qualname = class_names(value)
        live = places.loaded(module)
        if live is None or not is_local_module(live):
            return False
        other = self.spaces.of(places.namespace_of(live))
        if "<locals>" in qualname:
            return True
        bindings = other.bindings(qualname)
        held = other is not space and other.namespace.get(qualname, ABSENT) is value
        return held and bool(bindings) and isinstance(bindings[-1].bound.node, ast.ClassDef)

    def _patched(self, module: str, attribute: str, value: types.FunctionType) -> bool:
        """Whether a name imported from an installed module now holds a local function."""
        if places.place_of_file(code_of(value).co_filename) != places.LOCAL:
            return False
        live = places.loaded(module)
        return live is not None and places.namespace_of(live).get(attribute) is not value

    def _live_function(
        self, space: Space, name: str, value: types.FunctionType, binding: Binding
    ) -> Owner | None:
        """Where the live function is not what the binding says: the function itself, by its code."""
        node = binding.bound.node
        code = code_of(value)
        if isinstance(node, ast.ClassDef):
            return self.function(value)
        if isinstance(node, DEFINITIONS):
            if not node.decorator_list:
                return self.function(value)
            inner = innermost(value) or value
            own = next((f for f in (inner, *held_functions(value)) if code_of(f).co_name == node.name), None)
            if own is not None and first_line(node) != code_of(own).co_firstlineno:
                return self.function(value)
            if own is not None and place_of(own, self.texts)[0] is None:
                return self.function(own)
            return self.function(value) if own is None and "<locals>" not in code.co_qualname else None
        assigned = getattr(binding.statement.node, "value", None)
        if isinstance(assigned, ast.Lambda) and (
            code.co_name != "<lambda>" or code.co_firstlineno != assigned.lineno
        ):
            return self.function(value)
        return None
