"""A picture as SVG text; every text in it is escaped."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

from tracelib.render.labels import printable
from tracelib.render.palette import SANS

if TYPE_CHECKING:
    from optimizers.pictures.sheet import Box, Dot, Line, Mark, Picture, Words

HEAD = (
    '<marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" '
    'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 1L9 5L0 9Z" fill="#3d4a5f"/></marker>'
)
DASHES = ' stroke-dasharray="5 3"'


def svg(picture: Picture) -> str:
    """The whole document."""
    size = f'width="{picture.width:.0f}" height="{picture.height:.0f}"'
    title = _safe(picture.title)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {picture.width:.0f} '
            f'{picture.height:.0f}" role="img" aria-label="{title}" font-family="{SANS}">',
            f'<title>{title}</title><defs>{HEAD}</defs><rect width="100%" height="100%" fill="#fff"/>',
            *map(_drawn, picture.marks),
            "</svg>\n",
        ]
    )


def _drawn(mark: Mark) -> str:
    drawn: str = _DRAWN[type(mark).__name__](mark)
    return drawn


def _line(line: Line) -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in line.points)
    dashes, head = DASHES if line.dashed else "", ' marker-end="url(#head)"' if line.arrow else ""
    stroke = f'stroke="{line.ink}" stroke-width="{line.width:g}"'
    return f'<polyline points="{points}" fill="none" {stroke}{dashes}{head}/>'


def _box(box: Box) -> str:
    (x, y), (width, height) = box.at, box.size
    dashes = DASHES if box.dashed else ""
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="4"'
    stroke = f'stroke="{box.ink}" stroke-width="{box.width:g}"'
    return f'<rect {place} fill="{box.fill}" {stroke}{dashes}>{_hint(box.hint)}</rect>'


def _dot(dot: Dot) -> str:
    (x, y), r = dot.at, dot.radius
    look = f'fill="{dot.fill}" stroke="{dot.ink}" stroke-width="1.3"'
    if dot.shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:g}" {look}>{_hint(dot.hint)}</circle>'
    corners = [(-r, -r), (r, -r), (r, r), (-r, r)]
    if dot.shape == "diamond":
        corners = [(0, -1.4 * r), (1.4 * r, 0), (0, 1.4 * r), (-1.4 * r, 0)]
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return f'<polygon points="{points}" {look}>{_hint(dot.hint)}</polygon>'


def _words(words: Words) -> str:
    x, y = words.at
    weight = ' font-weight="bold"' if words.bold else ""
    look = f'fill="{words.ink}" font-size="{words.size:g}" text-anchor="{words.anchor}"{weight}'
    return f'<text x="{x:.1f}" y="{y:.1f}" {look}>{_safe(words.text)}</text>'


def _safe(text: str) -> str:
    """Escaped, and without the characters that XML has no way to write."""
    return escape(" ".join(map(printable, text.splitlines())))


def _hint(text: str) -> str:
    return f"<title>{_safe(text)}</title>" if text else ""


_DRAWN: dict[str, Callable[[Any], str]] = {"Line": _line, "Box": _box, "Dot": _dot, "Words": _words}
