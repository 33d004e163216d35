"""A recorded graph as a graphviz object: the same text on every run, and no value breaks out of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from html import escape
from typing import TYPE_CHECKING

import graphviz

from tracelib.render.collapse import collapsed
from tracelib.render.drawing import Box, Drawing
from tracelib.render.labels import LIMIT
from tracelib.render.palette import (
    BOXES,
    FAINT,
    FEEDBACK_FILL,
    FEEDBACK_INK,
    FRAME_FILL,
    FRAME_INK,
    INK,
    LINES,
    MONO,
)
from tracelib.render.sketch import choices, seen

if TYPE_CHECKING:
    from tracelib.feedback.feedback import Feedback
    from tracelib.feedback.report import Report
    from tracelib.graph.graph import Graph

FONT = "Helvetica,Arial,sans-serif"


def to_dot(
    graph: Graph,
    report: Report | Mapping[int, Feedback] | None = None,
    *,
    constants: bool = False,
    collapse: str | None = "none",
    limit: int = LIMIT,
) -> graphviz.Digraph:
    """The graph as a `graphviz.Digraph`; node ids are n0, n1, ... in the order of `graph.ordered`.

    `report` is what `backward` returned, or feedback by `id(node)`; without it parameters show what
    they have heard so far. `constants=True` gives short constants boxes of their own; `collapse` is
    as in `Graph.render`, but nothing is collapsed unless asked. `limit` is how many characters of a
    value are shown.
    """
    return digraph(collapsed(seen(graph), collapse, choices(report, constants, limit)))


def digraph(drawing: Drawing, caption: str = "") -> graphviz.Digraph:
    """The drawing in DOT."""
    made = graphviz.Digraph(
        "trace",
        graph_attr={
            "bgcolor": "white",
            "fontname": FONT,
            "fontcolor": INK,
            "label": nothing_but(legend(drawing, caption)),
            "labelloc": "b",
            "nodesep": "0.3",
            "ranksep": "0.45",
            "pad": "0.3",
        },
        node_attr={"fontname": FONT, "fontsize": "12", "fontcolor": INK, "margin": "0.14,0.08"},
        edge_attr={"fontname": FONT, "fontsize": "9", "fontcolor": FAINT, "arrowsize": "0.75"},
    )
    made.body.extend(nested(drawing))
    made.body.extend(
        [f"\tn{source} -> n{target}{line_end(kind, label)}" for source, target, kind, label in drawing.lines]
    )
    return made


def nothing_but(text: str) -> str:
    """The text as an HTML-like label: it is all between one pair of angle brackets."""
    return f"<{text}>"


def nested(drawing: Drawing) -> Iterable[str]:
    """The statements of boxes and clusters, each cluster around what is in it."""
    inside: list[list[str]] = [
        [] for _ in range(len(drawing.frames) + 1)
    ]  # the last, index -1, is outside all
    for number, box in enumerate(drawing.boxes):
        inside[box.frame].append(
            f"\tn{number} [label=<{box_label(box)}>{box_attributes(box.kind, box.output)}]\n"
        )
    for number in range(len(drawing.frames) - 1, -1, -1):
        frame = drawing.frames[number]
        opening = (
            f"\tsubgraph cluster_{number} {{\n\t\tgraph [label=<{markup(frame.title)}>{frame_attributes()}]\n"
        )
        inside[frame.parent].append("".join([opening, *inside[number], "\t}\n"]))
    return inside[-1]


@cache
def box_attributes(kind: str, output: bool) -> str:
    look = BOXES[kind]
    attributes = {"shape": look.shape, "style": "filled", "fillcolor": look.fill, "color": look.stroke}
    if look.outline == "round":
        attributes["style"] = "rounded,filled"
    if look.outline == "octagon":
        attributes["style"] = "diagonals,filled"
    if look.outline == "double":
        attributes["peripheries"] = "2"
    if look.shape == "ellipse":
        attributes["margin"] = "0.02,0.02"
    if output:
        attributes["penwidth"] = "3"
    return "".join(f" {name}={graphviz.quoting.quote(value)}" for name, value in attributes.items())


@lru_cache
def line_end(kind: str, label: str) -> str:
    """The attributes of a line; few are different, as most labels are names of parameters."""
    line = LINES[kind]
    weight = "" if kind in ("argument", "returned", "uses", "calls") else " weight=0"
    words = f" label=<{markup(label)}>" if label else ""
    return (
        f' [class={kind} color="{line.colour}" style={line.style} arrowhead={line.head} '
        f"penwidth={line.width:g}{weight}{words}]\n"
    )


@cache
def frame_attributes() -> str:
    return (
        f' labelloc=t labeljust=l fontsize=10 fontcolor="{FAINT}" '
        f'style="rounded,filled" fillcolor="{FRAME_FILL}" '
        f'color="{FRAME_INK}" margin=12'
    )


def markup(text: str) -> str:
    r"""The text for an HTML-like label: nothing in it is a tag or an entity, and its spaces are kept.

    Backslashes are doubled: dot replaces `\N` and its like in these labels, too.
    """
    if text.isalnum():
        return text
    escaped = escape(text, quote=False).replace("\\", r"\\")
    return escaped.replace("  ", "\u00a0\u00a0") or "\u00a0"


def box_label(box: Box) -> str:
    """The word, the title and the lines of a box, in graphviz's HTML-like markup; each line ends itself."""
    parts = []
    if box.word:
        parts.append(f'<font point-size="9" color="{FAINT}">{markup(box.word)}<br/></font>')
    parts.append(f"<b>{markup(box.title)}</b><br/>")
    end = (
        "<br/>" if len(box.details) + len(box.value) == 1 or box.kind == "operator" else '<br align="left"/>'
    )
    for colour, texts in ((FAINT, box.details), (INK, box.value)):
        if texts:
            lines = "".join([markup(text) + end for text in texts])
            parts.append(f'<font face="{MONO}" point-size="10" color="{colour}">{lines}</font>')
    text = "".join(parts)
    return with_feedback(text, box.feedback) if box.feedback else text


def with_feedback(text: str, feedback: tuple[str, ...]) -> str:
    said = "<br/>".join(f"<i>{markup(line)}</i>" for line in feedback)
    return (
        f'<table border="0" cellborder="0" cellspacing="0"><tr><td>{text}</td></tr>'
        f'<tr><td bgcolor="{FEEDBACK_FILL}">'
        f'<font color="{FEEDBACK_INK}" point-size="10">{said}</font></td></tr></table>'
    )


def legend(drawing: Drawing, caption: str) -> str:
    """Title, samples of what is in the drawing, and the caption, as one table."""
    kinds = {box.kind for box in drawing.boxes}
    cells = [
        f'<td bgcolor="{look.fill}"><font color="{look.stroke}">■</font> {look.meaning}</td>'
        for kind, look in BOXES.items()
        if kind in kinds
    ]
    if any(box.output for box in drawing.boxes):
        cells.append("<td><b>▢</b> output, thick border</td>")
    if any(box.feedback for box in drawing.boxes):
        cells.append(f'<td bgcolor="{FEEDBACK_FILL}"><i>feedback, in italics</i></td>')
    used = {line.kind for line in drawing.lines}
    cells += [
        f'<td><font color="{line.colour}">{markup(line.glyph)}</font> {line.meaning}</td>'
        for kind, line in LINES.items()
        if kind in used
    ]
    rows = "".join(f"<tr>{''.join(cells[at : at + 4])}</tr>" for at in range(0, len(cells), 4))
    notes = "".join(
        f'<tr><td colspan="4">{markup(note)}</td></tr>' for note in (drawing.caption, caption) if note
    )
    title = f'<tr><td colspan="4"><font point-size="14"><b>{markup(drawing.title)}</b></font></td></tr>'
    return (
        f'<font point-size="9" color="{FAINT}"><table border="0" cellborder="0" cellspacing="4">'
        f"{title if drawing.title else ''}{rows}{notes}</table></font>"
    )
