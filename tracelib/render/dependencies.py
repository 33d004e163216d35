"""A picture of who uses whom: functions and the definitions they reach, one frame for each module."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import graphviz

from tracelib.errors import RenderError
from tracelib.render.dot import digraph
from tracelib.render.drawing import Box, Drawing, Frame, Line
from tracelib.render.labels import one_line
from tracelib.render.picture import LARGE, LAYOUTS, drawn, format_of, written
from tracelib.versioning.dependencies import dependency_graph, used_first

if TYPE_CHECKING:
    import networkx

    from tracelib.versioning.version import Version

SHOWN = 42
"""Characters of a constant that are shown."""
HINT = 400

KINDS = {"function": "definition", "class": "definition", "opaque": "opaque"}
WORDS = {"live": "value made while running", "opaque": "no source", "import": "installed"}


def render_dependencies(
    versions: Iterable[Version] | networkx.MultiDiGraph,
    path: str | os.PathLike[str],
    format: str | None = None,
    layout: str | None = None,
) -> Path:
    """Draw what functions use into a file and return its path; the format is that of the suffix.

    Given are their versions, or a graph of `dependency_graph` or `store.dependencies`. `format` and `layout`
    are as in `Graph.render`. Raises RenderError, and then writes nothing.
    """
    target = Path(path)
    kind = format_of(target, format)
    if layout is not None and layout not in LAYOUTS:
        raise RenderError(f"layout={layout!r}: choose one of {', '.join(map(repr, LAYOUTS))}")
    drawing = dependencies_drawing(_graph(versions))
    return written(target, drawn(drawing, kind, layout, len(drawing.boxes) > LARGE))


def dependencies_to_dot(versions: Iterable[Version] | networkx.MultiDiGraph) -> graphviz.Digraph:
    """What functions use as a `graphviz.Digraph`; node ids are n0, n1, ..., what is used first."""
    return digraph(dependencies_drawing(_graph(versions)))


def _graph(given: Iterable[Version] | networkx.MultiDiGraph) -> networkx.MultiDiGraph:
    return given if hasattr(given, "add_edge") else dependency_graph(given)


def dependencies_drawing(graph: networkx.MultiDiGraph) -> Drawing:
    """The dependency graph as boxes and lines: an arrow leads from what is used to what uses it."""
    names = used_first(graph)
    modules = dict.fromkeys(graph.nodes[name]["module"] for name in names if _framed(graph.nodes[name]))
    places = {module: at for at, module in enumerate(modules)}
    number = {name: at for at, name in enumerate(names)}
    edges = [
        (number[used], number[user], told["kind"], f"{told['count']}x" if told.get("count") else "")
        for user, used, told in graph.edges(data=True)
        if told["kind"] != "uses" or not graph.has_edge(user, used, key="calls")
    ]
    drawn_edges = [Line(*edge) for edge in edges if edge[0] < edge[1]]
    round_about = len(edges) - len(drawn_edges)
    caption = f"Not drawn, since they lead back in a circle: {round_about}." if round_about else ""
    boxes = [_box(graph.nodes[name], places) for name in names]
    return Drawing(boxes, drawn_edges, [Frame(module) for module in modules], _title(graph), caption)


def _title(graph: networkx.MultiDiGraph) -> str:
    asked = sum(1 for _, version in graph.nodes(data="version") if version)
    return f"{asked} function{'s' * (asked != 1)} and what they use"


def _framed(node: dict[str, str]) -> bool:
    """What is installed stands in no module of the program."""
    return node["kind"] != "import"


def _box(node: dict[str, str], places: dict[str, int]) -> Box:
    kind, text = node["kind"], node["text"]
    word = WORDS.get(kind, kind)
    value: tuple[str, ...] = ()
    if node["version"]:
        word = f"{word} {node['version'][:11]}"
    elif kind in ("constant", "value"):
        value = (one_line(text.partition("=")[2].strip(), SHOWN),)
    return Box(
        "version" if node["version"] else KINDS.get(kind, "installed"),
        one_line(node["name"], SHOWN),
        word,
        value=value,
        hint=text[:HINT],
        frame=places[node["module"]] if _framed(node) else -1,
        output=bool(node["version"]),
    )
