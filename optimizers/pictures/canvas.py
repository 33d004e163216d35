"""A picture painted by matplotlib, as png or pdf; the only module here that loads it."""

from __future__ import annotations

import io
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from optimizers.pictures.sheet import Box, Dot, Line, Picture, Words

PIXELS = 96.0  # of one inch, as SVG has it
POINTS = 0.75  # of one pixel
SHARP = 2  # pixels of a png for one of the picture
SHAPES = {"circle": "o", "square": "s", "diamond": "D"}
ANCHORS = {"start": "left", "middle": "center", "end": "right"}


def painted(picture: Picture, kind: str) -> bytes:
    """The bytes of the file; nothing of pyplot's state is touched."""
    figure = Figure(figsize=(picture.width / PIXELS, picture.height / PIXELS), dpi=PIXELS * SHARP)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, picture.width)
    axes.set_ylim(picture.height, 0)
    axes.set_axis_off()
    for place, mark in enumerate(picture.marks):
        _paint(axes, mark, place)
    out = io.BytesIO()
    figure.savefig(out, format=kind, metadata={"Title": picture.title})
    return out.getvalue()


def _paint(axes: Any, mark: Line | Box | Dot | Words, place: int) -> None:
    if isinstance(mark, Line):
        _line(axes, mark, place)
    elif isinstance(mark, Box):
        _box(axes, mark, place)
    elif isinstance(mark, Dot):
        look = {"markerfacecolor": mark.fill, "markeredgecolor": mark.ink, "markersize": 1.5 * mark.radius}
        axes.plot(*mark.at, SHAPES[mark.shape], zorder=place, **look)
    else:
        weight = "bold" if mark.bold else "normal"
        look = {"color": mark.ink, "fontsize": mark.size * POINTS, "ha": ANCHORS[mark.anchor]}
        # A dollar sign is one, not the beginning of a formula.
        axes.text(*mark.at, mark.text, va="baseline", weight=weight, zorder=place, parse_math=False, **look)


def _line(axes: Any, line: Line, place: int) -> None:
    look = {"color": line.ink, "linewidth": line.width * POINTS, "linestyle": "--" if line.dashed else "-"}
    axes.plot(*zip(*line.points, strict=True), zorder=place, **look)
    if line.arrow:
        start, end = line.points[-2:]
        head = FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=7, shrinkA=0, shrinkB=0)
        head.set(color=line.ink, zorder=place)
        axes.add_patch(head)


def _box(axes: Any, box: Box, place: int) -> None:
    width, height = box.size
    patch = FancyBboxPatch(box.at, width, height, boxstyle="round,pad=0,rounding_size=4")
    patch.set(facecolor=box.fill, edgecolor=box.ink, zorder=place)
    patch.set(linewidth=box.width * POINTS, linestyle="--" if box.dashed else "-")
    axes.add_patch(patch)
