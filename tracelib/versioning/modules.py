"""Local modules that a closure uses as objects: made first, their attributes set after the definitions."""

from __future__ import annotations

from tracelib.versioning.lines import END, Item, Lines, import_text
from tracelib.versioning.pieces import IMPORT, LIVE, OPAQUE, Piece
from tracelib.versioning.spaces import Space


class ModuleObjects(Lines):
    """Lines that make module objects and give them what is used of them."""

    def module_lines(self) -> list[str]:
        """Lines that make the module objects, outer packages first."""
        if not self.walk.modules:
            return []
        lines = ["import sys as _sys", "import types as _types"]
        for name in sorted(self.walk.modules):
            space, _ = self.walk.modules[name]
            lines.append(f"_sys.modules[{name!r}] = _types.ModuleType({name!r})")
            if "__path__" in space.namespace:
                lines.append(f"_sys.modules[{name!r}].__path__ = []")
            above, _, own = name.rpartition(".")
            if above in self.walk.modules:
                lines.append(f"_sys.modules[{above!r}].{own} = _sys.modules[{name!r}]")
        for (place, name), ident in self.idents.items():
            if (place, name) in self.defined:
                continue
            key = self.key(self.spaces[place], name)
            line = f"{ident} = _sys.modules[{key[-1]!r}]"
            if key[0] == "module" and line not in lines:
                lines.append(line)
        return lines

    def write_attributes(self) -> None:
        """After a definition, the attributes of module objects that lead to it."""
        for module, (space, attributes) in self.walk.modules.items():
            for attribute in attributes:
                key = self.key(space, attribute)
                target = f"_sys.modules[{module!r}].{attribute}"
                if key[0] == "module":
                    line = f"{target} = _sys.modules[{key[1]!r}]"
                    self.items.append(Item(space, (-3, 0, 0), line))
                elif key[0] == "piece":
                    self.write_attribute(target, space, attribute, self.walk.pieces[key[1]], key[2])

    def write_attribute(self, target: str, space: Space, attribute: str, piece: Piece, own: str) -> None:
        if piece.kind == OPAQUE or (piece.kind == LIVE and piece.value_text is None):
            return
        ident = self.idents.get((id(piece.space), own), own)
        if piece.kind == IMPORT:
            ident = self.idents.get((id(space), attribute), "")
            if not ident:
                text = piece.spellings.get((id(space), attribute), (space, "", None))[1]
                ident = self.claim(space, attribute)
                made = import_text(piece, attribute, ident, text)
                self.items.append(Item(space, (-2, 0, 0), made))
                self.items.append(Item(space, (-1, 0, 0), f"{target} = {ident}"))
                return
        where, place = self.behind(piece) if piece.index in self.after else (space, (END, 9, 1))
        self.items.append(Item(where, place, f"{target} = {ident}"))
