"""Pictures in files: `dot` draws them where it is installed and the graph is small, our own SVG elsewhere."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import graphviz

from tracelib.errors import RenderError
from tracelib.render.collapse import collapsed
from tracelib.render.dot import digraph
from tracelib.render.drawing import Drawing
from tracelib.render.labels import LIMIT
from tracelib.render.sketch import choices, seen
from tracelib.render.svg import svg

if TYPE_CHECKING:
    from tracelib.feedback.feedback import Feedback
    from tracelib.feedback.report import Report
    from tracelib.graph.graph import Graph

FORMATS = ("svg", "png", "pdf", "dot")
LAYOUTS = ("dot", "own")
LARGE = 500  # nodes above which dot takes minutes and a picture of every node helps nobody

INSTALL = (
    "The dot program is not installed: get it with `apt install graphviz` (Debian, Ubuntu), "
    "`dnf install graphviz` (Fedora), `brew install graphviz` (macOS) or `winget install graphviz` (Windows)."
)


def render(
    graph: Graph,
    path: str | os.PathLike[str],
    format: str | None = None,
    layout: str | None = None,
    collapse: str | None = None,
    report: Report | Mapping[int, Feedback] | None = None,
    *,
    constants: bool = False,
    limit: int = LIMIT,
) -> Path:
    """Draw the graph into a file and return its path; the format is that of the suffix.

    `format` is svg, png, pdf or dot. `layout` is "dot", or "own" for tracelib's own (svg only); left
    out, `dot` draws graphs of up to 500 nodes where it is installed, and the picture's caption says
    when it did not. `collapse` is "none", "caller", "run" or "operator"; left out, graphs of more
    than 500 nodes are collapsed to some 60 boxes, but never in a dot file. `report` is what
    `backward` returned, or feedback by `id(node)`. Raises RenderError, and then writes nothing.
    """
    target = Path(path)
    kind = format_of(target, format)
    if layout is not None and layout not in LAYOUTS:
        raise RenderError(f"layout={layout!r}: choose one of {', '.join(map(repr, LAYOUTS))}")
    sight = seen(graph)
    large = len(sight.nodes) > LARGE
    mode = collapse if collapse is not None or (large and kind != "dot") else "none"
    drawing = collapsed(sight, mode, choices(report, constants, limit))
    return written(target, drawn(drawing, kind, layout, large))


def format_of(path: Path, given: str | None) -> str:
    kind = (given or path.suffix).lower().removeprefix(".")
    if kind not in FORMATS:
        found = f"{given!r}" if given else f"the suffix {path.suffix!r} of {str(path)!r}"
        raise RenderError(f"No picture format for {found}: choose one of {', '.join(FORMATS)}")
    return kind


def drawn(drawing: Drawing, kind: str, layout: str | None, large: bool) -> bytes:
    """The picture's bytes; `large` says that the graph has more nodes than dot should be given."""
    if kind == "dot":
        text: str = digraph(drawing).source
        return text.encode()
    installed = shutil.which("dot") is not None
    if kind == "svg" and layout != "dot":
        if layout == "own" or large or not installed:
            return svg(with_reason(drawing, layout, large)).encode()
        return piped(drawing, kind)
    if layout == "own":
        raise RenderError(
            f"Our own layout writes svg only: leave out layout for {kind}, or draw to a .svg file."
        )
    if not installed:
        raise RenderError(f"{INSTALL} A .svg file needs no dot.")
    if len(drawing.boxes) > LARGE and layout is None:
        raise RenderError(
            f"{len(drawing.boxes):,} boxes are too many for dot to draw as {kind} in reasonable time: "
            f"draw to a .svg file, leave out collapse, or insist with layout='dot'."
        )
    return piped(drawing, kind)


def with_reason(drawing: Drawing, layout: str | None, large: bool) -> Drawing:
    """The drawing with a caption that says whose layout it is, and why."""
    if layout == "own":
        reason = "Laid out by tracelib."
    elif large:
        reason = f"Laid out by tracelib: dot is used up to {LARGE} nodes."
    else:
        reason = "Laid out by tracelib: the dot program is not installed."
    caption = f"{drawing.caption} {reason}".strip()
    return Drawing(drawing.boxes, drawing.lines, drawing.frames, drawing.title, caption)


def piped(drawing: Drawing, kind: str) -> bytes:
    try:
        found: bytes = digraph(drawing).pipe(format=kind)
    except graphviz.ExecutableNotFound as error:
        raise RenderError(f"{INSTALL} A .svg file needs no dot.") from error
    except graphviz.CalledProcessError as error:
        said = (error.stderr or b"").decode(errors="replace").strip()
        raise RenderError(f"dot failed with status {error.returncode} for {kind}: {said}") from error
    return found


def written(path: Path, content: bytes) -> Path:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise RenderError(
            f"The picture could not be written to {str(path)!r}: {error.strerror or error}"
        ) from error
    return path
