"""Definitions inside functions: they see the cells they were made with, then their module."""

from __future__ import annotations

import types
from typing import Any

from tracelib.redaction import DEFAULT as REDACTOR
from tracelib.versioning.canonical import canonical
from tracelib.versioning.enclosing import binding_statements, is_changed
from tracelib.versioning.found import place_of
from tracelib.versioning.gathering import brief
from tracelib.versioning.inspection import cell_value, cells_of
from tracelib.versioning.objects import Objects
from tracelib.versioning.pieces import OPAQUE, VALUE, Inner, Owner, Piece
from tracelib.versioning.values import is_plain, live_expression, plain_text


class Inside(Objects):
    """Parts that are no statements of a module."""

    def _cell(self, space: Inner, name: str) -> Owner:
        cell = space.cells[name]
        filled, value = cell_value(cell)
        key = ("cell", id(cell))
        changing = is_changed(space.around, name)
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
        written = [s for f in space.around.around[-1:] for s in binding_statements(f, name)]
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

    def _add_cells(self, piece: Piece, fn: types.FunctionType) -> None:
        """Plain constants in the cells of a function that a call made: a model name passed to a factory."""
        if not fn.__closure__ or " cells" in piece.note:
            return
        place, _ = place_of(fn, self.texts)
        changing = place.statement.names.nonlocals if place is not None else set()
        found = []
        for name, cell in sorted(cells_of(fn).items()):
            self.cells.setdefault(id(cell), (cell, name, name in changing))
            filled, value = cell_value(cell)
            if name in changing:
                self.state[(piece.space.name, name)] = None
            elif filled and is_plain(value):
                found.append(f"{name}={brief(plain_text(value))}")
            if filled and (is_plain(value) or type(value) in (list, dict, set)):
                secret = REDACTOR.is_secret_name(name) and type(value) is str
                self.free_values.setdefault(name, REDACTOR.mark(value) if secret else value)
        piece.canonical += f" cells {found}"
