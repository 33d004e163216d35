"""A drawing as SVG text, laid out by ourselves; every text in it is escaped, and no script is in it."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from tracelib.render.drawing import Box, Drawing
from tracelib.render.labels import cells
from tracelib.render.layers import Point
from tracelib.render.layout import Edge, Layout, Plan, lay_out
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
    SANS,
)

MARGIN = 28.0
HEAD = 46.0  # above the picture, for the title
LEAST = 560.0  # so that title and legend have room
TITLE_CELL = 7.7  # pixels of one character of a title
VALUE_CELL = 6.63
WORD_CELL = 6.0
TITLE_ROW = 18.0
VALUE_ROW = 15.0
WORD_ROW = 13.0
TOP = 8.0  # inside a box, above and below its text
SIDE = 12.0
STACK = 6.0  # how far a stack shows beyond its first box

STYLE = "".join(
    [
        f".tl-s{{font-family:{SANS};fill:{INK}}}",
        ".tl-h{font-size:16px;font-weight:bold}",
        ".tl-t{font-size:13px;font-weight:bold}",
        f".tl-v{{font-family:{MONO};font-size:11px;fill:{INK}}}",
        f".tl-d{{font-family:{MONO};font-size:11px;fill:{FAINT}}}",
        f".tl-f{{font-family:{SANS};font-size:11px;font-style:italic;fill:{FEEDBACK_INK}}}",
        f".tl-w{{font-family:{SANS};font-size:10px;fill:{FAINT}}}",
        f".tl-l{{font-family:{SANS};font-size:10px;fill:{FAINT};stroke:#fff;stroke-width:3px;paint-order:stroke}}",
        f".tl-frame{{fill:{FRAME_FILL};stroke:{FRAME_INK};stroke-width:1}}",
        *(
            f".tl-{kind}{{fill:{look.fill};stroke:{look.stroke};stroke-width:1.3}}"
            for kind, look in BOXES.items()
        ),
        ".tl-out{stroke-width:3}",
        *(
            f".tl-{kind}-e{{fill:none;stroke:{line.colour};stroke-width:{line.width}"
            + (f";stroke-dasharray:{line.dashes}" if line.dashes else "")
            + "}"
            for kind, line in LINES.items()
        ),
    ]
)

HEADS = {  # each kind of line has a head of its own shape
    "argument": '<path d="M0 1L9 5L0 9Z" fill="{c}"/>',
    "returned": '<path d="M1 1L9 5L1 9Z" fill="#fff" stroke="{c}"/>',
    "read": '<path d="M1 1L9 5L1 9" fill="none" stroke="{c}" stroke-width="1.5"/>',
    "within": '<circle cx="6" cy="5" r="3" fill="{c}"/>',
    "uses": '<path d="M0 1L9 5L0 9Z" fill="{c}"/>',
    "flows": '<path d="M0 1L9 5L0 9Z" fill="{c}"/>',
    "calls": '<path d="M1 1L9 5L1 9Z" fill="#fff" stroke="{c}"/>',
    "control": '<path d="M1 5L5 2L9 5L5 8Z" fill="#fff" stroke="{c}"/>',
}


def svg(drawing: Drawing) -> str:
    """The drawing as one SVG document: title above, legend and caption below."""
    planned = plan(drawing)
    layout = lay_out(planned)
    words = max(text_width(drawing.title, 8.6), text_width(drawing.caption, 5.4))
    width = max(layout.width, words, LEAST)
    legend = legend_of(drawing, width)
    foot = HEAD + layout.height + 26
    end = foot + 22 * len(legend) + (18 if drawing.caption else 0)
    parts = [opening(drawing, width + 2 * MARGIN, end + 16), words_at(28, "tl-s tl-h", drawing.title)]
    parts.append(f'<g transform="translate({MARGIN + (width - layout.width) / 2:.1f} {HEAD:g})">')
    parts.extend(frames(drawing, layout))
    parts.extend(lines(drawing, layout))
    parts.extend(boxes(drawing, planned, layout))
    parts.append("</g>")
    for row, samples in enumerate(legend):
        parts.append(f'<g transform="translate({MARGIN:g} {foot + 22 * row:.1f})">{samples}</g>')
    parts.append(words_at(end, "tl-w", drawing.caption))
    parts.append("</svg>\n")
    return "\n".join(parts)


def words_at(y: float, style: str, text: str) -> str:
    return f'<text class="{style}" x="{MARGIN:g}" y="{y:.1f}">{safe(text)}</text>' if text else ""


def opening(drawing: Drawing, width: float, height: float) -> str:
    name = safe(drawing.title or "recorded graph")
    markers = "".join(
        f'<marker id="tl-{kind}-h" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" '
        f'markerUnits="userSpaceOnUse" orient="auto">{HEADS[kind].format(c=line.colour)}</marker>'
        for kind, line in LINES.items()
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" xml:space="preserve" role="img" aria-label="{name}">\n'
        f"<title>{name}</title><style>{STYLE}</style><defs>{markers}</defs>\n"
        f'<rect width="100%" height="100%" fill="#fff"/>'
    )


def safe(text: str) -> str:
    return text if text.isalnum() else escape(text)


def text_width(text: str, cell: float) -> float:
    return cells(text) * cell


def plan(drawing: Drawing) -> Plan:
    """Sizes of the boxes, wide enough for their text and for the labels of the lines that end there."""
    rooms = [18.0 + text_width(line.label, 5.4) if line.label else 0.0 for line in drawing.lines]
    heads = [0.0] * len(drawing.boxes)
    for line, room in zip(drawing.lines, rooms, strict=True):
        heads[line.target] += room or 14.0
    return Plan(
        sizes=[size(box, least) for box, least in zip(drawing.boxes, heads, strict=True)],
        edges=[
            Edge(line.source, line.target, line.kind, room)
            for line, room in zip(drawing.lines, rooms, strict=True)
        ],
        frame_of=[box.frame for box in drawing.boxes] if drawing.frames else (),
        parents=[frame.parent for frame in drawing.frames],
        titles=[text_width(frame.title, 6.6) for frame in drawing.frames],
    )


def size(box: Box, heads: float) -> tuple[float, float]:
    width = len(box.title) * TITLE_CELL if box.title.isascii() else cells(box.title) * TITLE_CELL
    height = 2 * TOP + TITLE_ROW - 4
    if box.word:
        width = max(width, len(box.word) * WORD_CELL)
        height += WORD_ROW
    rows = 0
    for text in (*box.details, *box.value):
        width = max(width, (len(text) if text.isascii() else cells(text)) * VALUE_CELL)
        rows += 1
    for text in box.feedback:
        width = max(width, cells(text) * 5.9)
        rows += 1
    height += rows * VALUE_ROW + (8 if box.feedback else 0)
    spare = STACK if box.kind == "group" else 0.0
    return max(width + 2 * SIDE, 56.0, min(heads * 1.1, 900.0)) + spare, height + spare


def frames(drawing: Drawing, layout: Layout) -> Iterable[str]:
    for frame, (x, y, width, height) in zip(drawing.frames, layout.frames, strict=True):
        yield (
            f"{rounded('tl-frame', x, y, width, height)}"
            f'<text class="tl-w" x="{x + 12:.1f}" y="{y + 18:.1f}">{safe(frame.title)}</text>'
        )


def lines(drawing: Drawing, layout: Layout) -> Iterable[str]:
    """The lines, then their labels above them; where all lines meet boxes in the middle, none has room."""
    labels = []
    draw = path if layout.curved else straight
    for run in layout.runs:
        if not run.points:
            continue
        line = drawing.lines[run.edge]
        head = f' marker-end="url(#tl-{line.kind}-h)"' if run.arrow else ""
        yield f'<path class="tl-{line.kind}-e" d="{draw(run.points)}"{head}/>'
        if run.arrow and line.label and layout.curved:
            x, y = run.points[-1]
            y += 13 if run.points[-2][1] > y else -5
            labels.append(f'<text class="tl-l" x="{x + 6:.1f}" y="{y:.1f}">{safe(line.label)}</text>')
    yield from labels


def straight(points: list[Point]) -> str:
    """Through the points, for pictures of very many lines."""
    return "M" + " ".join([f"{x:.0f} {y:.0f}" for x, y in points])


def path(points: list[Point]) -> str:
    """Straight where it goes down, else a curve that starts and ends upright."""
    x0, y0 = points[0]
    parts = [f"M{x0:.1f} {y0:.1f}"]
    for x1, y1 in points[1:]:
        if abs(x1 - x0) < 0.5:
            parts.append(f"L{x1:.1f} {y1:.1f}")
        else:
            middle = (y0 + y1) / 2
            parts.append(f"C{x0:.1f} {middle:.1f} {x1:.1f} {middle:.1f} {x1:.1f} {y1:.1f}")
        x0, y0 = x1, y1
    return "".join(parts)


def boxes(drawing: Drawing, planned: Plan, layout: Layout) -> Iterable[str]:
    for box, (x, y), (width, height) in zip(drawing.boxes, layout.boxes, planned.sizes, strict=True):
        hint = f"<title>{safe(box.hint)}</title>" if box.hint else ""
        inner = "".join(texts(box, x + width / 2, y, width))
        yield f"<g>{hint}{outline(box, x, y, width, height)}{inner}</g>"


def outline(box: Box, x: float, y: float, width: float, height: float) -> str:
    kind = f"tl-{box.kind} tl-out" if box.output else f"tl-{box.kind}"
    return OUTLINES[BOXES[box.kind].outline](kind, x, y, width, height)


def legend_of(drawing: Drawing, width: float) -> list[str]:
    """Rows of samples with their meaning, only of what the drawing has."""
    samples = []
    for kind in present(BOXES, [box.kind for box in drawing.boxes]):
        shape = OUTLINES[BOXES[kind].outline](f"tl-{kind}", 0, 1, 26, 15)
        samples.append((shape, BOXES[kind].meaning))
    if any(box.output for box in drawing.boxes):
        samples.append((rounded("tl-call tl-out", 1, 2, 24, 13), "output, thick border"))
    if any(box.feedback for box in drawing.boxes):
        bar = f'<rect y="1" width="26" height="15" rx="4" fill="{FEEDBACK_FILL}"/>'
        samples.append((bar, "feedback, in italics"))
    strokes = [
        (f'<path class="tl-{kind}-e" d="M0 9H26" marker-end="url(#tl-{kind}-h)"/>', LINES[kind].meaning)
        for kind in present(LINES, [line.kind for line in drawing.lines])
    ]
    return [row for group in (samples, strokes) for row in legend_rows(group, width)]


def present(known: Iterable[str], used: Iterable[str]) -> list[str]:
    """The used kinds, in the palette's order."""
    kinds = set(used)
    return [kind for kind in known if kind in kinds]


def legend_rows(samples: list[tuple[str, str]], width: float) -> Iterable[str]:
    """Samples side by side, as many in a row as the width has room for."""
    x = 0.0
    parts: list[str] = []
    for shape, meaning in samples:
        room = 34 + 5.2 * len(meaning) + 18
        if parts and x + room > width:
            yield "".join(parts)
            x, parts = 0.0, []
        text = f'<text class="tl-w" x="34" y="13">{meaning}</text>'
        parts.append(f'<g transform="translate({x:.1f} 0)">{shape}{text}</g>')
        x += room
    if parts:
        yield "".join(parts)


def rounded(kind: str, x: float, y: float, width: float, height: float) -> str:
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="8"/>'


def pill(kind: str, x: float, y: float, width: float, height: float) -> str:
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'rx="{min(height / 2, 20):.1f}"/>'
    )


def double(kind: str, x: float, y: float, width: float, height: float) -> str:
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'
        f'<rect class="{kind}" fill-opacity="0" x="{x + 3:.1f}" y="{y + 3:.1f}" '
        f'width="{width - 6:.1f}" height="{height - 6:.1f}"/>'
    )


def stack(kind: str, x: float, y: float, width: float, height: float) -> str:
    return "".join(rounded(kind, x + step, y + step, width - STACK, height - STACK) for step in (6, 3, 0))


def note(kind: str, x: float, y: float, width: float, height: float) -> str:
    fold = 9
    return (
        f'<path class="{kind}" d="M{x:.1f} {y:.1f}h{width - fold:.1f}l{fold} {fold}v{height - fold:.1f}'
        f'h{-width:.1f}zM{x + width - fold:.1f} {y:.1f}v{fold}h{fold}"/>'
    )


def octagon(kind: str, x: float, y: float, width: float, height: float) -> str:
    cut = min(10.0, height / 3)
    inner, tall = width - 2 * cut, height - 2 * cut
    return (
        f'<path class="{kind}" d="M{x + cut:.1f} {y:.1f}h{inner:.1f}l{cut} {cut}v{tall:.1f}l-{cut} {cut}'
        f'h{-inner:.1f}l-{cut} -{cut}v{-tall:.1f}z"/>'
    )


OUTLINES = {
    "round": rounded,
    "pill": pill,
    "double": double,
    "stack": stack,
    "note": note,
    "octagon": octagon,
}


def texts(box: Box, middle: float, y: float, width: float) -> Iterable[str]:
    """The box's lines: centred title, then the value from the left, feedback on a ground of its own."""
    left = middle - width / 2 + SIDE
    if box.kind == "group":
        middle -= STACK / 2
    at = y + TOP
    if box.word:
        at += WORD_ROW
        yield centred("tl-w", middle, at - 3, box.word)
    at += TITLE_ROW
    yield centred("tl-s tl-t", middle, at - 5, box.title)
    one = len(box.details) + len(box.value) == 1
    for style, group in (("d", box.details), ("v", box.value)):
        for text in group:
            at += VALUE_ROW
            yield (
                centred(f"tl-{style}", middle, at - 4, text)
                if one
                else f'<text class="tl-{style}" x="{left:.1f}" y="{at - 4:.1f}">{safe(text)}</text>'
            )
    if box.feedback:
        yield from feedback(box, left, at + 4, width)


def centred(style: str, middle: float, y: float, text: str) -> str:
    return f'<text class="{style}" x="{middle:.1f}" y="{y:.1f}" text-anchor="middle">{safe(text)}</text>'


def feedback(box: Box, left: float, at: float, width: float) -> Iterable[str]:
    tall = VALUE_ROW * len(box.feedback) + 2
    yield (
        f'<rect x="{left - SIDE + 6:.1f}" y="{at:.1f}" width="{width - 12:.1f}" height="{tall:.1f}" '
        f'rx="4" fill="{FEEDBACK_FILL}"/>'
    )
    for text in box.feedback:
        at += VALUE_ROW
        yield f'<text class="tl-f" x="{left:.1f}" y="{at - 4:.1f}">{safe(text)}</text>'
