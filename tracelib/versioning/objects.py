"""From live objects to the parts that define them: functions by their code, classes by their name."""

from __future__ import annotations

import ast
import types
from typing import Any

from tracelib.versioning import places
from tracelib.versioning.chunks import DEFINITIONS, Place
from tracelib.versioning.enclosing import cells_around, defaults_as_cells, own_method
from tracelib.versioning.found import bytecode, code_of, globals_of, place_of
from tracelib.versioning.gathering import Gathering
from tracelib.versioning.inspection import (
    cells_of,
    class_names,
    function_under,
    innermost,
    is_class,
    is_function,
    is_recorded_function,
    name_in,
    namespaces_around,
    wrapped,
)
from tracelib.versioning.lookups import default_constants, global_loads
from tracelib.versioning.names import Load
from tracelib.versioning.pieces import BUILTIN, OPAQUE, Inner, Owner
from tracelib.versioning.spaces import Space, is_local_module
from tracelib.versioning.values import is_plain


class Objects(Gathering):
    """Parts found from values instead of names."""

    def of_value(self, space: Space, name: str, value: Any, key: Any) -> Owner:
        """What a live value is, where no statement says so."""
        if is_plain(value):
            return self.constant(space, name, value, None, key)
        if is_recorded_function(value):
            self.recorded[(id(space), name)] = (space, value)
        if places.is_module(value):
            return self._module_value(space, name, value)
        value = function_under(value)
        if is_class(value):
            return self.of_class(space, name, value, key)
        if is_function(value):
            return self.function(value)
        if type(value) is types.BuiltinFunctionType or type(value) is types.BuiltinMethodType:
            return self._builtin(space, name, value)
        named = self._named(value)
        if named is not None:
            return named
        inner = innermost(value)
        if inner is not None:
            return self.function(inner)
        return self.live(space, name, value, key)

    def _module_value(self, space: Space, name: str, value: Any) -> Owner:
        if is_local_module(value):
            return self.module(self.spaces.of(places.namespace_of(value)))
        whole = places.plain_string(places.namespace_of(value).get("__name__")) or name
        text = f"import {whole}" if whole == name else f"import {whole} as {name}"
        return self.imported(whole, None, space, name, text, None)

    def _builtin(self, space: Space, name: str, value: Any) -> Owner:
        module = value.__module__ if type(value.__module__) is str else "builtins"
        own = value.__name__
        if module == "builtins" and own == name:
            return BUILTIN
        text = f"from {module} import {own}" + (f" as {name}" if own != name else "")
        return self.imported(module, own, space, name, text, None)

    def _named(self, value: Any) -> Owner | None:
        """An object that some namespace around it holds under a name."""
        for namespace in namespaces_around(value):
            name = name_in(namespace, value)
            if name is not None and self.is_local(namespace):
                space = self.spaces.of(namespace)
                if space.bindings(name) and (id(space), name) not in self.resolving:
                    return self.owner(space, name)
        return None

    def is_local(self, namespace: dict[str, Any]) -> bool:
        """Whether the module of a namespace is the user's own code."""
        found = self.local.get(id(namespace))
        if found is None:
            name = places.plain_string(namespace.get("__name__")) or ""
            found = self.local[id(namespace)] = places.place(name, namespace) == places.LOCAL
        return found

    def of_class(self, space: Space, name: str, value: type, key: Any) -> Owner:
        """A class, by the module and the name it says it has."""
        module, qualname = class_names(value)
        live = places.loaded(module)
        top = qualname.partition(".")[0]
        if live is not None:
            namespace = places.namespace_of(live)
            if places.place(module, namespace) != places.LOCAL:
                return self._installed(space, name, module, qualname)
            other = self.spaces.of(namespace)
            if "<locals>" not in qualname and other.bindings(top):
                return self.owner(other, top)
        inner = own_method(value)
        if inner is not None:
            self.classes[id(inner)] = value
            return self.function(inner)
        return self.live(space, name, value, key)

    def _installed(self, space: Space, name: str, module: str, qualname: str) -> Owner:
        if module == "builtins" and qualname == name:
            return BUILTIN
        if "<" in qualname or "." in qualname:
            return self.imported(module, qualname, space, name, "", None)
        text = f"from {module} import {qualname}" + (f" as {name}" if qualname != name else "")
        return self.imported(module, qualname, space, name, text, None)

    def function(self, fn: types.FunctionType) -> Owner:
        """The piece of a live function, found by its code object."""
        key = (id(fn), "")
        found = self.owners.get(key)
        if found is None:
            found = self.owners[key] = self._function(fn)
        return found

    def _function(self, fn: types.FunctionType) -> Owner:
        namespace = globals_of(fn)
        space = self.spaces.of(namespace)
        below = wrapped(fn)
        if below is not None:
            named = self._named(fn)
            inner = innermost(fn)
            if named is not None or (inner is not None and inner is not fn):
                return named or self.function(inner)  # type: ignore[arg-type]
        if not self.is_local(namespace) and not code_of(fn).co_filename.startswith("<tracelib "):
            if fn.__closure__ and (named := self._named(fn)) is not None:
                return named
            module = places.plain_string(fn.__module__) or space.name
            return self._installed(space, fn.__name__, module, fn.__qualname__)
        place, why = place_of(fn, self.texts)
        if place is None:
            return self._opaque(space, fn, why)
        return self._at(space, fn, place)

    def _at(self, space: Space, fn: types.FunctionType, place: Place) -> Owner:
        around: tuple[Any, ...] = place.around
        node: Any = place.node
        statement: Any = place.statement
        if not around and node is statement.node:
            return self.definition(space, node.name, statement, space.bindings(node.name))
        in_classes = all(isinstance(a, ast.ClassDef) for a in around)
        if around and in_classes and around[0] is statement.node:
            return self.definition(space, around[0].name, statement, space.bindings(around[0].name))
        if not around and isinstance(node, DEFINITIONS):
            return self.fragment(space, node.name, place, {})
        named = self._named(fn)
        if named is not None and named.piece is not None:
            return named
        name = getattr(node, "name", "lambda_")
        last = max((i for i, a in enumerate(around) if not isinstance(a, ast.ClassDef)), default=-1)
        if around and last < len(around) - 1:
            outer = around[last + 1]
            place = Place(place.chunk, statement, outer, around[: last + 1])
            name = outer.name
        cells = {**defaults_as_cells(node, fn), **cells_around(fn, self.classes.get(id(fn)))}
        return self.fragment(space, name, place, cells)

    def _opaque(self, space: Space, fn: types.FunctionType, why: str) -> Owner:
        """A function without text: its bytecode counts, and the names it loads are followed."""
        code = code_of(fn)
        piece, new = self.new(("code", id(code)), OPAQUE, fn.__name__, space)
        if new:
            cells = cells_of(fn)
            piece.space = Inner(space, cells, Place(None, None, None, ())) if cells else space  # type: ignore[arg-type]
            piece.canonical = f"code {fn.__name__} {bytecode(code)} {default_constants(fn)}"
            piece.note = f"# {fn.__qualname__}: {why}"
            piece.loads = global_loads(code) + [Load((n,)) for n in cells]
            self.partial(f"{fn.__qualname__}: {why}")
        return Owner("piece", piece)
