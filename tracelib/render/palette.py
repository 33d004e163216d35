"""Colours, shapes and words of a picture: each kind differs in shape and word, never in colour alone."""

from __future__ import annotations

from dataclasses import dataclass

SANS = "Helvetica,Arial,sans-serif"
MONO = "DejaVu Sans Mono,Menlo,Consolas,monospace"
INK = "#1a2233"
FAINT = "#5b6577"
FEEDBACK_INK = "#6b21a8"
FEEDBACK_FILL = "#f3e8ff"
FRAME_FILL = "#f7f8fb"
FRAME_INK = "#a9b3c4"


@dataclass(frozen=True)
class Look:
    """How one kind of box is drawn; `shape` is DOT's name, `outline` our SVG's."""

    fill: str
    stroke: str
    shape: str
    outline: str
    meaning: str


@dataclass(frozen=True)
class Stroke:
    """How one kind of edge is drawn; `dashes` is SVG's, `style` and `head` DOT's, `glyph` its legend's."""

    colour: str
    style: str
    head: str
    dashes: str
    glyph: str
    meaning: str
    width: float = 1.3


BOXES: dict[str, Look] = {
    "parameter": Look("#fff3d1", "#a66a00", "box", "double", "parameter (trainable), double border"),
    "call": Look("#e6f0ff", "#2f63b0", "box", "round", "call, rounded"),
    "operator": Look("#f1f3f7", "#5b6577", "ellipse", "pill", "Python operation, oval"),
    "group": Look("#dfe9fb", "#2f63b0", "box3d", "stack", "calls collapsed into one, stacked"),
    "constant": Look("#ffffff", "#7a8597", "note", "note", "value from outside, folded corner"),
    "error": Look("#fde4e4", "#b42318", "box", "octagon", "failed call, cut corners"),
    "version": Look("#e6f0ff", "#2f63b0", "box", "round", "function with a version, rounded"),
    "definition": Look("#f1f3f7", "#5b6577", "ellipse", "pill", "definition it uses, oval"),
    "installed": Look("#ffffff", "#7a8597", "note", "note", "value or installed code, folded corner"),
    "opaque": Look("#fde4e4", "#b42318", "box", "octagon", "code without source, cut corners"),
}

LINES: dict[str, Stroke] = {
    "argument": Stroke("#3d4a5f", "solid", "normal", "", "──▶", "argument"),
    "returned": Stroke("#2f63b0", "solid", "empty", "", "──▷", "returned from an inner call", 1.8),
    "read": Stroke("#3d4a5f", "dashed", "vee", "6 4", "╌╌>", "read inside the call"),
    "within": Stroke("#8591a5", "dotted", "dot", "1.5 4", "┈┈●", "made inside the call"),
    "control": Stroke("#98a2b3", "dashed", "odiamond", "9 3 2 3", "─ ·◇", "only a branch read it", 1.1),
    "uses": Stroke("#3d4a5f", "solid", "normal", "", "──▶", "is used by"),
    "flows": Stroke("#2e7d4f", "dashed", "normal", "6 4", "╌╌▶", "its results were given to", 1.4),
    "calls": Stroke("#2f63b0", "solid", "empty", "", "──▷", "recorded function, used by", 1.8),
}
