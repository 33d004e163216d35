"""What notebooks show of graphs and nodes: plain text, a picture, a small table; all of it escaped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import Any

from tracelib.graph.graph import Graph
from tracelib.graph.node import Node
from tracelib.render.collapse import collapsed
from tracelib.render.labels import clip, one_line
from tracelib.render.palette import BOXES, FAINT, FEEDBACK_INK, INK, MONO, SANS
from tracelib.render.picture import LARGE
from tracelib.render.sketch import Choices, Seen, box_of, seen, title_of
from tracelib.render.svg import svg

PARENTS = 8  # parents that a card names
VALUE = 1_000  # characters of the value that a card shows

Bundle = dict[str, str]


def graph_card(
    graph: Graph, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None
) -> Bundle:
    """A graph for a notebook: its picture in our own layout, and one line of text."""
    sight = seen(graph)

    def picture() -> str:
        return svg(collapsed(sight, None if len(sight.nodes) > LARGE else "none", Choices()))

    return chosen(
        {"text/plain": lambda: f"<graph {title_of(sight)}>", "image/svg+xml": picture}, include, exclude
    )


def node_card(
    node: Node[Any], include: Iterable[str] | None = None, exclude: Iterable[str] | None = None
) -> Bundle:
    """A node for a notebook: name, value, what made it and from what."""
    entries = entries_of(node)
    return chosen(
        {
            "text/plain": lambda: plain_card(entries),
            "text/html": lambda: html_card(entries, box_colour(node)),
        },
        include,
        exclude,
    )


def chosen(
    makers: Mapping[str, Callable[[], str]], include: Iterable[str] | None, exclude: Iterable[str] | None
) -> Bundle:
    """The representations that IPython asks for, all unless it says."""
    wanted = set(makers if include is None else include) - set(exclude or ())
    return {kind: make() for kind, make in makers.items() if kind in wanted}


def entries_of(node: Node[Any]) -> dict[str, tuple[str, ...]]:
    """What a card says, as lines under their headings."""
    sight = seen(Graph.behind(node))
    place = next(iter(sight.outputs))
    box = box_of(sight, place, Choices(limit=VALUE))
    parents = parent_names(sight, place)
    found = {
        "name": (box.title,),
        "value": box.value,
        "made by": (sight.nodes[place]._op.name,) if sight.nodes[place]._op is not None else (),  # type: ignore[union-attr]
        "from": parents,
        "description": clip(box.hint, VALUE) if box.hint else (),
        "feedback": tuple(line.removeprefix("feedback: ") for line in box.feedback),
    }
    return {heading: lines for heading, lines in found.items() if lines}


def parent_names(sight: Seen, place: int) -> tuple[str, ...]:
    sources = dict.fromkeys(source for source, target in sight.ends if target == place)
    names = [one_line(sight.graph.name(sight.nodes[source])) for source in list(sources)[:PARENTS]]
    return (*names, f"… ({len(sources):,} in all)") if len(sources) > PARENTS else tuple(names)


def box_colour(node: Node[Any]) -> str:
    sight = seen(Graph.behind(node))
    return BOXES[sight.kinds[next(iter(sight.outputs))]].stroke


def plain_card(entries: Mapping[str, tuple[str, ...]]) -> str:
    indent = "\n" + " " * 13
    return "\n".join(f"{heading:<11}  {indent.join(lines)}" for heading, lines in entries.items())


def html_card(entries: Mapping[str, tuple[str, ...]], colour: str) -> str:
    rows = "".join(html_row(heading, lines) for heading, lines in entries.items())
    return (
        f'<table style="border-collapse:collapse;border-left:4px solid {colour};background:#fff;'
        f'font-family:{SANS};font-size:13px;color:{INK}"><tbody>{rows}</tbody></table>'
    )


def html_row(heading: str, lines: tuple[str, ...]) -> str:
    style = {"name": "font-weight:bold", "feedback": f"font-style:italic;color:{FEEDBACK_INK}"}.get(
        heading, f"font-family:{MONO};white-space:pre-wrap;font-size:12px"
    )
    text = "<br>".join(escape(line) for line in lines)
    return (
        f'<tr style="background:none"><th scope="row" style="text-align:left;vertical-align:top;'
        f"font-weight:normal;"
        f'color:{FAINT};padding:2px 12px">{heading}</th>'
        f'<td style="text-align:left;padding:2px 12px 2px 0;{style}">{text}</td></tr>'
    )
