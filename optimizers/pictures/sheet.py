"""A picture before it has a format: lines, boxes, dots and words at their places, in pixels, y downwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from optimizers.pictures.svg import svg
from tracelib.errors import RenderError
from tracelib.late import resolver

# Bound late, name -> "module:function": it loads matplotlib, which is an extra.
LATE = {"painted": "optimizers.pictures.canvas:painted"}
_late = resolver(LATE)

Point: TypeAlias = tuple[float, float]
INSTALL = "pip install 'tracelib[matplotlib]'"


@dataclass(frozen=True)
class Line:
    """Straight from point to point."""

    points: Sequence[Point]
    ink: str
    width: float = 1.0
    dashed: bool = False
    arrow: bool = False


@dataclass(frozen=True)
class Box:
    """A rectangle by its upper left corner; `hint` is shown on hovering, where a format can."""

    at: Point
    size: Point
    fill: str
    ink: str
    width: float = 1.3
    dashed: bool = False
    hint: str = ""


@dataclass(frozen=True)
class Dot:
    """A mark of one value; each kind has a shape of its own."""

    at: Point
    shape: Literal["circle", "square", "diamond"]
    fill: str
    ink: str
    radius: float = 4.0
    hint: str = ""


@dataclass(frozen=True)
class Words:
    """One line of text; `at` is its baseline's start, middle or end."""

    at: Point
    text: str
    ink: str
    size: float = 11.0
    anchor: Literal["start", "middle", "end"] = "start"
    bold: bool = False


Mark: TypeAlias = Line | Box | Dot | Words


@dataclass(frozen=True)
class Picture:
    """A picture of `width` by `height` pixels. Notebooks show it; `save` writes svg, png or pdf."""

    title: str
    width: float
    height: float
    marks: tuple[Mark, ...]

    @property
    def svg(self) -> str:
        """The picture as SVG text, without scripts or anything from elsewhere."""
        return svg(self)

    def save(self, path: str) -> Path:
        """Write it by the suffix: svg by ourselves, png and pdf by matplotlib. Raises RenderError."""
        target, suffix = Path(path), Path(path).suffix.lower()
        if suffix == ".svg":
            target.write_text(self.svg, encoding="utf-8")
        elif suffix in (".png", ".pdf"):
            target.write_bytes(self._painted(suffix[1:]))
        else:
            raise RenderError(f"the kind of {target.name} is not known: choose .svg, .png or .pdf")
        return target

    def _painted(self, kind: str) -> bytes:
        try:
            paint = _late("painted")
        except ImportError as error:
            raise RenderError(f"{kind} is drawn by matplotlib: {INSTALL}, or save it as .svg") from error
        content: bytes = paint(self, kind)
        return content

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": repr(self), "image/svg+xml": self.svg}

    def __repr__(self) -> str:
        return f"<Picture: {self.title}>"
