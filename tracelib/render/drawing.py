"""A picture before it has places: boxes, lines and frames; it knows no graph and no file format."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Box(NamedTuple):
    """One drawn node, or several collapsed into one.

    `title` is the node's name, `word` what it is in plain words, `details` the arguments folded
    into it, `value` what it holds, `feedback` what it was told; all lines are cut already and may
    hold any character but line breaks. `hint` is shown on hovering. `frame` is an index into the
    drawing's frames, -1 outside all. `merged` counts the calls a collapsed box stands for, 0 else.
    """

    kind: str
    title: str
    word: str = ""
    details: tuple[str, ...] = ()
    value: tuple[str, ...] = ()
    feedback: tuple[str, ...] = ()
    hint: str = ""
    frame: int = -1
    output: bool = False
    merged: int = 0


class Line(NamedTuple):
    """An edge between two boxes, by their index; `label` is written at its head."""

    source: int
    target: int
    kind: str
    label: str = ""


class Frame(NamedTuple):
    """What was called inside one call; `parent` is the index of the frame around it, -1 for none."""

    title: str
    parent: int = -1


@dataclass(frozen=True)
class Drawing:
    """All that a picture shows; parents of frames stand before them, sources before targets."""

    boxes: list[Box]
    lines: list[Line]
    frames: list[Frame] = field(default_factory=list)
    title: str = ""
    caption: str = ""
