"""Finding a closure: from a function along the names it uses, each resolved in its own module.

Definitions count where they are written; the live objects decide which of several definitions it is,
and give the values of plain constants. Nothing here recurses, and no code of the user's runs.
"""

from __future__ import annotations

import ast
import builtins
import dis
import types
from typing import Any

from tracelib.redaction import DEFAULT as REDACTOR
from tracelib.versioning import places
from tracelib.versioning.canonical import canonical, digest
from tracelib.versioning.chunks import DEFINITIONS, Binding, Place, Statement, first_line
from tracelib.versioning.found import bytecode, code_of, globals_of, place_of
from tracelib.versioning.inspection import (
    cell_value,
    cells_of,
    class_dict,
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
from tracelib.versioning.pieces import (
    BUILTIN,
    CLASS,
    CONSTANT,
    DUNDER,
    DUNDERS,
    FUNCTION,
    IMPORT,
    LIVE,
    MISSING,
    OPAQUE,
    VALUE,
    Inner,
    Owner,
    Piece,
    kind_of_node,
)
from tracelib.versioning.scope import Imported, Load, names_of
from tracelib.versioning.spaces import Space, Spaces, is_local_module, was_edited
from tracelib.versioning.values import (
    expression,
    is_plain,
    literal,
    live_digest,
    live_expression,
    plain_text,
    type_name,
)

BUILTINS = vars(builtins)
ABSENT: Any = object()


class Walk:
    """One closure while it is found. `pieces[0]` is the root."""

    def __init__(self) -> None:
        self.spaces = Spaces()
        self.pieces: list[Piece] = []
        self.keyed: dict[Any, Piece] = {}
        self.owners: dict[tuple[int, str], Owner] = {}
        self.finals: dict[tuple[int, str], tuple[Space, str]] = {}
        self.modules: dict[str, tuple[Space, dict[str, None]]] = {}
        self.seen: dict[tuple[int, str], tuple[Space, Any]] = {}
        self.recorded: dict[int, Any] = {}
        self.libraries: dict[str, str] = {}
        self.why: dict[str, None] = {}
        self.state: dict[tuple[str, str], None] = {}
        self.free_values: dict[str, Any] = {}
        self.global_values: dict[str, Any] = {}
        self.cells: dict[int, tuple[types.CellType, str, bool]] = {}

    def follow(self) -> None:
        """Visit every piece, in the order in which they were first met, and find what it uses."""
        at = 0
        while at < len(self.pieces):
            self._link(self.pieces[at])
            at += 1

    def partial(self, reason: str) -> None:
        self.why[reason] = None

    # Pieces

    def new(self, key: Any, kind: str, name: str, space: Space) -> tuple[Piece, bool]:
        """The piece of that key, and whether it is new."""
        found = self.keyed.get(key)
        if found is not None:
            return found, False
        made = self.keyed[key] = Piece(len(self.pieces), kind, name, space)
        self.pieces.append(made)
        return made, True

    def definition(self, space: Space, name: str, chosen: Statement, bindings: list[Binding]) -> Owner:
        """The piece of the statements that define a name, and of those that change what it holds."""
        piece, new = self.new(id(chosen), kind_of_node(chosen.node), name, space)
        if new:
            piece.statements = self._group(space, name, chosen, bindings)
            for statement in piece.statements:
                piece.take(statement.names)
            piece.canonical = "\n".join(statement.canonical for statement in piece.statements)
            if was_edited(space) and not isinstance(chosen.node, DEFINITIONS):
                self.partial(f"{space.name}: its file was edited after it was imported")
        return Owner("piece", piece)

    def _group(self, space: Space, name: str, chosen: Statement, bindings: list[Binding]) -> list[Statement]:
        statements = [b.statement for b in bindings]
        at = next((i for i, s in enumerate(statements) if s is chosen), -1)
        found = [chosen] if at < 0 else statements[_fresh(statements, name, at) : at + 1]
        names = {name} | {b.name for s in found if not isinstance(s.node, DEFINITIONS) for b in s.names.bound}
        for bound in sorted(names):
            found += space.mutations(bound)
        unique = {id(s): s for s in found}
        return sorted(unique.values(), key=lambda s: (space.ranks.get(id(s.chunk), 1 << 30), s.number))

    def constant(self, space: Space, name: str, value: Any, binding: Statement | None, key: Any) -> Owner:
        """The piece of a plain constant, which counts by its value."""
        piece, new = self.new(key, CONSTANT, name, space)
        if new:
            piece.statements = [] if binding is None else [binding]
            piece.secret = REDACTOR.is_secret_name(name) and type(value) in (str, bytes)
            if piece.secret:
                text = value if type(value) is str else value.decode("latin-1")
                piece.canonical = f"secret {digest('secret', text)}"
                piece.value_text = f"{name} = {REDACTOR.mark(text)!r}"
            else:
                piece.canonical = f"constant {_brief(plain_text(value))}"
                if not _written(binding, name, value):
                    piece.value_text = f"{name} = {expression(value)}"
            self._show(space, name, value, piece.secret)
        return Owner("piece", piece)

    def _show(self, space: Space, name: str, value: Any, secret: bool = False) -> None:
        shown = self.free_values if isinstance(space, Inner) else self.global_values
        if secret:
            text = value if type(value) is str else repr(value)
            value = REDACTOR.mark(text)
        shown.setdefault(name, value)

    def imported(
        self, module: str, attribute: str | None, space: Space, name: str, text: str, at: Statement | None
    ) -> Owner:
        """The piece of something installed: known by its name and the version of its distribution."""
        piece, new = self.new(("import", module, attribute), IMPORT, name, space)
        if new:
            piece.module, piece.attribute = module, attribute
            piece.canonical = f"import {module} {attribute or ''} {self._library(module)}"
        if text:
            piece.spellings.setdefault((id(space), name), (space, text, at))
        return Owner("piece", piece)

    def _library(self, modules: str) -> str:
        found = []
        for module in modules.split():
            top = module.partition(".")[0]
            if top in places.RECORDERS:
                continue
            live = places.loaded(module) or places.loaded(top)
            if places.place(module, None if live is None else places.namespace_of(live)) == places.PYTHON:
                continue
            distribution = places.distribution(top)
            if distribution is not None:
                self.libraries[distribution[0]] = distribution[1]
                found.append(" ".join(distribution))
        return " ".join(found)

    def live(self, space: Space, name: str, value: Any, key: Any) -> Owner:
        """The piece of a value that no statement defines: its content as it is now."""
        piece, new = self.new(key, LIVE, name, space)
        if new:
            found, whole = live_digest(value)
            piece.canonical = f"live {found}"
            text = live_expression(value)
            piece.note = f"# {name} is a {type_name(value)} that was put there while running"
            piece.value_text = f"{name} = {text}" if text is not None else None
            if not whole:
                self.partial(f"{name}: a {type_name(value)} that no statement defines")
            self._show(space, name, value)
        return Owner("piece", piece)

    # Names

    def owner(self, space: Space, name: str) -> Owner:
        """What a name of a space stands for, past imports from other local modules."""
        trail: list[tuple[int, str]] = []
        here = space
        while True:
            key = (id(here), name)
            found = self.owners.get(key)
            if found is None and key in trail:
                found = MISSING
            if found is None:
                trail.append(key)
                step = self._step(here, name)
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
            self.recorded.setdefault(id(value), value)
        bindings = space.bindings(name)
        if not bindings:
            return self._unbound(space, name, value)
        return self._bound(space, name, value, bindings)

    def _unbound(self, space: Space, name: str, value: Any) -> Owner | tuple[Space, str]:
        """A name that no statement binds: from a star import, a builtin, or put there while running."""
        for star in reversed(space.stars):
            module = places.absolute(star.module or "", star.level, space.package)
            other = self.spaces.named(module)
            if other is not None:
                if name in other.namespace or other.bindings(name):
                    return other, name
                continue
            live = places.loaded(module)
            if live is not None and value is not ABSENT and places.namespace_of(live).get(name) is value:
                return self.imported(module, name, space, name, f"from {module} import {name}", None)
        if value is ABSENT:
            return BUILTIN if name in BUILTINS else MISSING
        return self.of_value(space, name, value, ("put", id(space), name))

    def _bound(
        self, space: Space, name: str, value: Any, bindings: list[Binding]
    ) -> Owner | tuple[Space, str]:
        binding = self._choose(space, name, value, bindings)
        node = binding.bound.node
        if isinstance(node, ast.alias):
            return self._alias(space, name, value, binding)
        if value is ABSENT:
            return self._unloaded(space, name, binding, bindings)
        if is_plain(value) and not space.is_state(name):
            return self.constant(space, name, value, binding.statement, ("constant", id(space), name))
        if is_function(value):
            found = self._live_function(space, name, value, binding)
            if found is not None:
                return found
        self._hold(space, name, value)
        return self._defined(space, name, value, binding, bindings)

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
        if inside and kind_of_node(binding.statement.node) == VALUE:
            place = Place(binding.statement.chunk, binding.statement, node, ())
            return self.fragment(space, node.name, place, {})
        found = self.definition(space, name, binding.statement, bindings)
        if is_function(value) and found.piece is not None and not isinstance(node, DEFINITIONS):
            self._add_cells(found.piece, value)
        return found

    def _add_cells(self, piece: Piece, fn: types.FunctionType) -> None:
        """Plain constants in the cells of a function that a call made: a model name passed to a factory."""
        if not fn.__closure__ or " cells" in piece.note:
            return
        place, _ = place_of(fn)
        changing = place.statement.names.nonlocals if place is not None else set()
        found = []
        for name, cell in sorted(cells_of(fn).items()):
            self.cells.setdefault(id(cell), (cell, name, name in changing))
            filled, value = cell_value(cell)
            if name in changing:
                self.state[(piece.space.name, name)] = None
            elif filled and is_plain(value):
                found.append(f"{name}={_brief(plain_text(value))}")
            if filled and (is_plain(value) or type(value) in (list, dict, set)):
                secret = REDACTOR.is_secret_name(name) and type(value) is str
                self.free_values.setdefault(name, REDACTOR.mark(value) if secret else value)
        piece.canonical += f" cells {found}"

    def _hold(self, space: Space, name: str, value: Any) -> None:
        """Note a global whose value is state, or at least worth showing."""
        if type(value) in (list, dict, set, bytearray) or (is_plain(value) and space.is_state(name)):
            self.state[(space.name, name)] = None
            self._show(space, name, value, REDACTOR.is_secret_name(name) and type(value) is str)
        elif type(value) is types.MemberDescriptorType:
            return

    def _choose(self, space: Space, name: str, value: Any, bindings: list[Binding]) -> Binding:
        """The binding that made the live value: by the code of a function, else the last that fits."""
        if len(bindings) == 1:
            return bindings[0]
        fn = value if is_function(value) else innermost(value) if value is not ABSENT else None
        if fn is not None:
            code = code_of(fn)
            for binding in reversed(bindings):
                node = binding.bound.node
                here = binding.statement.chunk.filename == code.co_filename
                named = here and isinstance(node, DEFINITIONS) and node.name == code.co_name
                if named and first_line(node) == code.co_firstlineno:
                    return binding
        for binding in reversed(bindings):
            if not isinstance(binding.bound.node, ast.alias):
                if not _contradicts(binding, value):
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
        if is_function(value) and other.loaded and other.namespace.get(alias.name, ABSENT) is not value:
            return self.function(value)
        if alias.name not in other.namespace and not other.bindings(alias.name):
            below = self.spaces.named(f"{module}.{alias.name}")
            if below is not None:
                return self.module(below)
        return other, alias.name

    def _patched(self, module: str, attribute: str, value: types.FunctionType) -> bool:
        """Whether a name imported from an installed module now holds a local function."""
        if places.place_of_file(code_of(value).co_filename) != places.LOCAL:
            return False
        live = places.loaded(module)
        return live is not None and places.namespace_of(live).get(attribute) is not value

    def module(self, space: Space) -> Owner:
        """A local module that is used as an object."""
        parts = space.name.split(".")
        for depth in range(1, len(parts) + 1):
            above = self.spaces.named(".".join(parts[:depth])) if depth < len(parts) else space
            if above is not None and above.name not in self.modules:
                self.modules[above.name] = (above, {})
        return Owner("module", space=space)

    # Values

    def of_value(self, space: Space, name: str, value: Any, key: Any) -> Owner:
        """What a live value is, where no statement says so."""
        if is_plain(value):
            return self.constant(space, name, value, None, key)
        if is_recorded_function(value):
            self.recorded.setdefault(id(value), value)
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
            if name is not None and self._is_local(namespace):
                space = self.spaces.of(namespace)
                if space.bindings(name):
                    return self.owner(space, name)
        return None

    def _is_local(self, namespace: dict[str, Any]) -> bool:
        name = places.plain_string(namespace.get("__name__")) or ""
        return places.place(name, namespace) == places.LOCAL

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
        for found in class_dict(value).values():
            inner = innermost(function_under(found))
            if inner is not None and code_of(inner).co_qualname.startswith(qualname + "."):
                return self.function(inner)
        return self.live(space, name, value, key)

    def _installed(self, space: Space, name: str, module: str, qualname: str) -> Owner:
        if module == "builtins" and qualname == name:
            return BUILTIN
        if "<" in qualname or "." in qualname:
            return self.imported(module, qualname, space, name, "", None)
        text = f"from {module} import {qualname}" + (f" as {name}" if qualname != name else "")
        return self.imported(module, qualname, space, name, text, None)

    def _live_function(
        self, space: Space, name: str, value: types.FunctionType, binding: Binding
    ) -> Owner | None:
        """Where the live function is not what the binding says: the function itself, by its code."""
        node = binding.bound.node
        code = code_of(value)
        if isinstance(node, ast.ClassDef):
            return self.function(value)
        if isinstance(node, DEFINITIONS):
            inner = innermost(value) or value
            if not node.decorator_list:
                return self.function(value)
            own = next((f for f in (inner, *_held(value)) if code_of(f).co_name == node.name), None)
            if own is not None and first_line(node) != code_of(own).co_firstlineno:
                return self.function(value)
            if own is not None and place_of(own)[0] is None:
                return self.function(own)
            return self.function(value) if own is None and "<locals>" not in code.co_qualname else None
        assigned = getattr(binding.statement.node, "value", None)
        if isinstance(assigned, ast.Lambda) and (
            code.co_name != "<lambda>" or code.co_firstlineno != assigned.lineno
        ):
            return self.function(value)
        return None

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
        if not self._is_local(namespace) and not code_of(fn).co_filename.startswith("<tracelib "):
            if fn.__closure__ and (named := self._named(fn)) is not None:
                return named
            module = places.plain_string(fn.__module__) or space.name
            return self._installed(space, fn.__name__, module, fn.__qualname__)
        place, why = place_of(fn)
        if place is None:
            return self._opaque(space, fn, why)
        return self._at(space, fn, place)

    def _at(self, space: Space, fn: types.FunctionType, place: Place) -> Owner:
        around: tuple[Any, ...] = place.around
        node: Any = place.node
        statement = place.statement
        in_classes = all(isinstance(a, ast.ClassDef) for a in around)
        if around and in_classes and around[0] is statement.node:
            return self.definition(space, around[0].name, statement, space.bindings(around[0].name))
        if not around and node is statement.node:
            return self.definition(space, node.name, statement, space.bindings(node.name))
        named = self._named(fn)
        if named is not None and named.piece is not None:
            return named
        name = getattr(node, "name", "lambda_")
        last = max((i for i, a in enumerate(around) if not isinstance(a, ast.ClassDef)), default=-1)
        if around and last < len(around) - 1:
            outer = around[last + 1]
            place = Place(place.chunk, statement, outer, around[: last + 1])
            name = outer.name
        return self.fragment(space, name, place, _cells_around(fn))

    def fragment(self, space: Space, name: str, place: Place, cells: dict[str, types.CellType]) -> Owner:
        """The piece of a definition that stands inside another one, with the cells it was made with."""
        shared = tuple(sorted((n, id(c)) for n, c in cells.items() if n != "__class__"))
        key = ("inner", id(place.node), shared)
        piece, new = self.new(key, kind_of_node(place.node), name, space)
        if not new:
            return Owner("piece", piece)
        inner = Inner(space, {n: c for n, c in cells.items() if n != "__class__"}, place)
        names = names_of([place.node])
        stored = {n for f in place.around for n in _stored(f)} - {name}
        inner.hidden = frozenset(stored - set(cells))
        piece.space, piece.node, piece.chunk, piece.place = inner, place.node, place.chunk, place
        piece.take(names)
        piece.canonical = canonical([place.node])
        lost = sorted({ld.chain[0] for ld in piece.loads if ld.chain[0] in inner.hidden and not ld.soft})
        if lost:
            self.partial(f"{name}: {', '.join(lost)} of the function around it is not to be had any more")
        return Owner("piece", piece)

    def _cell(self, space: Inner, name: str) -> Owner:
        cell = space.cells[name]
        filled, value = cell_value(cell)
        key = ("cell", id(cell))
        changing = _is_changed(space.around, name)
        self.cells.setdefault(id(cell), (cell, name, changing))
        if not filled:
            piece, _ = self.new(key, OPAQUE, name, space)
            piece.canonical, piece.note = "empty cell", f"# {name} was not bound yet"
            return Owner("piece", piece)
        if is_plain(value) and not changing:
            return self.constant(space, name, value, None, key)
        if is_plain(value) or type(value) in (list, dict, set, bytearray):
            return self._held_cell(space, name, value, key)
        return self.of_value(space, name, value, key)

    def _held_cell(self, space: Inner, name: str, value: Any, key: Any) -> Owner:
        """A cell that is state: the statements that bind it count, its value is only shown."""
        written = [s for f in space.around.around[-1:] for s in _binding_statements(f, name)]
        if not written:
            owner = self.live(space, name, value, key)
        else:
            piece, new = self.new(key, VALUE, name, space)
            owner = Owner("piece", piece)
            if new:
                piece.canonical = f"state {canonical(written)}"
                text = live_expression(value)
                piece.value_text = None if text is None else f"{name} = {text}"
                self._show(space, name, value)
        self.state[(space.name, name)] = None
        return owner

    def _opaque(self, space: Space, fn: types.FunctionType, why: str) -> Owner:
        """A function without text: its bytecode counts, and the names it loads are followed."""
        code = code_of(fn)
        piece, new = self.new(("code", id(code)), OPAQUE, fn.__name__, space)
        if new:
            cells = cells_of(fn)
            piece.space = Inner(space, cells, Place(None, None, None, ())) if cells else space  # type: ignore[arg-type]
            piece.canonical = f"code {fn.__name__} {bytecode(code)} {_defaults(fn)}"
            piece.note = f"# {fn.__qualname__}: {why}"
            piece.loads = _global_loads(code) + [Load((n,)) for n in cells]
            self.partial(f"{fn.__qualname__}: {why}")
        return Owner("piece", piece)

    # Uses

    def _link(self, piece: Piece) -> None:
        for load in piece.loads:
            self._use(piece, load)
        for found in piece.imports:
            self._use_import(piece, found)
        if any(ld.chain[0] in ("globals", "vars") for ld in piece.loads):
            self._use_words(piece)
        for name in piece.computed:
            self.partial(f"{piece.name}: {name}() of a text made while running")
        piece.refs = list(dict.fromkeys(piece.refs))

    def _use(self, piece: Piece, load: Load) -> None:
        chain = load.chain
        owner, used = self._along(piece.space, chain)
        if owner.piece is not None:
            piece.refs.append((".".join(chain[:used]), owner.piece.index))
        elif owner.kind == "module" and owner.space is not None:
            self._whole(piece, owner.space, ".".join(chain[:used]))
        elif owner is MISSING and used == 1 and not load.soft and not self._expected(piece, chain[0]):
            self.partial(f"{piece.name}: {chain[0]} is not defined")

    def _expected(self, piece: Piece, name: str) -> bool:
        """Whether a missing name is no surprise: the piece makes it itself, or it was told already."""
        return name in piece.declared or (isinstance(piece.space, Inner) and name in piece.space.hidden)

    def _along(self, space: Space, chain: tuple[str, ...]) -> tuple[Owner, int]:
        """What a chain of attributes leads to, through local modules, and how much of it that took."""
        owner, used = self.owner(space, chain[0]), 1
        while owner.kind == "module" and owner.space is not None and used < len(chain):
            owner = self.attribute(owner.space, chain[used])
            used += 1
        return owner, used

    def attribute(self, space: Space, name: str) -> Owner:
        """What an attribute of a local module stands for; the module object is to have it."""
        if name in DUNDERS:
            return DUNDER
        self.module(space)
        self.modules[space.name][1][name] = None
        if name not in space.namespace and not space.bindings(name):
            below = self.spaces.named(f"{space.name}.{name}")
            if below is not None:
                return self.module(below)
        return self.owner(space, name)

    def _whole(self, piece: Piece, space: Space, label: str) -> None:
        """A module that is passed on as it is: everything its text binds is used."""
        for name in space.names:
            owner = self.attribute(space, name)
            if owner.piece is not None and owner.piece is not piece:
                piece.refs.append((f"{label}.{name}", owner.piece.index))

    def _use_import(self, piece: Piece, found: Imported) -> None:
        """An import inside a function: the module must be there as an object when it runs."""
        module = places.absolute(found.module, found.level, piece.space.package)
        space = self.spaces.named(module)
        if space is None:
            if found.attribute != "*":
                owner = self.imported(module, found.attribute, piece.space, module, "", None)
                assert owner.piece is not None
                piece.refs.append((f"import {module}", owner.piece.index))
            return
        self.module(space)
        chain = (found.attribute,) if found.attribute else found.chain
        if chain == ("",):
            return
        if not chain:
            self._whole(piece, space, module)
            return
        owner, used = self.attribute(space, chain[0]), 1
        while owner.kind == "module" and owner.space is not None and used < len(chain):
            owner = self.attribute(owner.space, chain[used])
            used += 1
        if owner.piece is not None:
            piece.refs.append((f"import {module}.{'.'.join(chain[:used])}", owner.piece.index))
        elif owner.kind == "module" and owner.space is not None and not found.chain:
            self._whole(piece, owner.space, owner.space.name)

    def _use_words(self, piece: Piece) -> None:
        """`globals()["h"]`: strings that are names of the module count as uses."""
        space = piece.space.outer if isinstance(piece.space, Inner) else piece.space
        for word in dict.fromkeys(piece.words):
            if word.isidentifier() and (word in space.namespace or space.bindings(word)):
                self._use(piece, Load((word,), True))
        nodes = [piece.node] if piece.node is not None else [s.node for s in piece.statements]
        if any(_computed_lookup(node) for node in nodes):
            self.partial(f"{piece.name}: globals() is read by a name made while running")


def _brief(text: str) -> str:
    return text if len(text) < 200 else f"{len(text)} {digest(text)}"


def _fresh(statements: list[Statement], name: str, at: int) -> int:
    """The first of the statements that together bind the name: the last that needs nothing before it."""
    while at > 0 and not _starts_anew(statements[at], name):
        at -= 1
    return at


def _starts_anew(statement: Statement, name: str) -> bool:
    node = statement.node
    if isinstance(node, (ast.Assign, ast.AnnAssign, *DEFINITIONS, ast.Import, ast.ImportFrom)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return not any(
                isinstance(n, ast.Name) and n.id == name for d in node.decorator_list for n in ast.walk(d)
            )
        return all(load.chain[0] != name for load in statement.names.loads)
    return False


def _written(binding: Statement | None, name: str, value: Any) -> bool:
    """Whether the statement is `name = literal` with the very value."""
    node = None if binding is None else binding.node
    if not isinstance(node, (ast.Assign, ast.AnnAssign)):
        return False
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    if len(targets) != 1 or not isinstance(targets[0], ast.Name) or targets[0].id != name:
        return False
    known, found = literal(node.value)
    return known and is_plain(found) and (found is value or plain_text(found) == plain_text(value))


def _contradicts(binding: Binding, value: Any) -> bool:
    """Whether a literal on the right side is not the live value, though of the same builtin type."""
    node = binding.statement.node
    if value is ABSENT or not isinstance(node, (ast.Assign, ast.AnnAssign)):
        return False
    known, found = literal(node.value)
    if not known or type(found) is not type(value) or type(found) not in (dict, list, set):
        return False
    return live_digest(found) != live_digest(value)


def _held(fn: types.FunctionType) -> list[types.FunctionType]:
    """The functions in the cells of a function: what a decorator without `wraps` decorated."""
    found = (v for ok, v in map(cell_value, fn.__closure__ or ()) if ok)
    return [inner for v in found if (inner := innermost(v) if not is_function(v) else v) is not None]


def _cells_around(fn: types.FunctionType) -> dict[str, types.CellType]:
    """The cells of a function; of a method in a local class, those of all methods."""
    found = cells_of(fn)
    owner = found.get("__class__")
    if owner is not None:
        filled, value = cell_value(owner)
        if filled and is_class(value):
            for other in class_dict(value).values():
                inner = innermost(function_under(other))
                if inner is not None:
                    found = {**cells_of(inner), **found}
    return found


def _stored(node: ast.AST) -> set[str]:
    """Names that a function binds, roughly: those of its inner functions, too."""
    found = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    found |= {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}
    return found | {n.name for n in ast.walk(node) if isinstance(n, DEFINITIONS)}


def _is_changed(place: Place, name: str) -> bool:
    """Whether some function inside the enclosing one declares the name nonlocal."""
    return any(
        isinstance(n, ast.Nonlocal) and name in n.names for outer in place.around for n in ast.walk(outer)
    )


def _binding_statements(function: Any, name: str) -> list[ast.stmt]:
    return (
        [
            s
            for s in function.body
            if not isinstance(s, DEFINITIONS)
            and any(
                isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Store) for n in ast.walk(s)
            )
        ]
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        else []
    )


def _global_loads(code: types.CodeType) -> list[Load]:
    """The globals that bytecode loads, inner code included."""
    found: dict[str, None] = {}
    waiting = [code]
    while waiting:
        inner = waiting.pop(0)
        for step in dis.get_instructions(inner):
            if step.opname in ("LOAD_GLOBAL", "LOAD_NAME") and isinstance(step.argval, str):
                found[step.argval] = None
        waiting.extend(c for c in inner.co_consts if isinstance(c, types.CodeType))
    return [Load((name,)) for name in found]


def _defaults(fn: types.FunctionType) -> str:
    values = [*(fn.__defaults__ or ()), *(fn.__kwdefaults__ or {}).values()]
    return " ".join(_brief(plain_text(v)) for v in values if is_plain(v))


def _computed_lookup(node: ast.AST) -> bool:
    """Whether `globals()` is used otherwise than with a constant key."""
    calls = 0
    constant = 0
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name) and inner.func.id == "globals":
            calls += 1
        if isinstance(inner, ast.Subscript) and _is_globals(inner.value):
            constant += isinstance(inner.slice, ast.Constant)
        if (
            isinstance(inner, ast.Call)
            and isinstance(inner.func, ast.Attribute)
            and _is_globals(inner.func.value)
        ):
            constant += bool(inner.args) and isinstance(inner.args[0], ast.Constant)
    return calls > constant


def _is_globals(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "globals"


KINDS = (FUNCTION, CLASS, VALUE, CONSTANT, IMPORT, LIVE, OPAQUE)
