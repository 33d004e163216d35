"""What a reader sees in a picture: the texts, boxes and lines of an SVG file."""

from __future__ import annotations

import re
import shutil
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import tracelib as trace

SVG = "{http://www.w3.org/2000/svg}"

needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="the dot program is not installed")


@dataclass(frozen=True)
class Picture:
    """An SVG of our own layout, read as XML."""

    root: ElementTree.Element

    @property
    def texts(self) -> list[str]:
        return ["".join(text.itertext()) for text in self.root.iter(f"{SVG}text")]

    def of_class(self, name: str) -> list[str]:
        """The texts of one style: "v" for values, "d" for details, "t" for titles, "f" for feedback."""
        return [
            "".join(text.itertext())
            for text in self.root.iter(f"{SVG}text")
            if f"tl-{name}" in text.get("class", "").split()
        ]

    def shapes(self, kind: str) -> int:
        """How many outlines of a kind of box there are, the legend's sample left out."""
        groups = [group for group in self.root.iter(f"{SVG}g") if group.get("transform") is None]
        return sum(any(f"tl-{kind}" in shape.get("class", "").split() for shape in group) for group in groups)

    def lines(self, kind: str) -> int:
        """How many lines of a kind end at a box, the legend's sample left out."""
        found = [path for path in self.root.iter(f"{SVG}path") if path.get("class") == f"tl-{kind}-e"]
        return sum(path.get("marker-end") is not None and path.get("d") != "M0 9H26" for path in found)


def picture(graph: trace.Graph, folder: Path, **choices: Any) -> Picture:
    path = graph.render(folder / "picture.svg", layout="own", **choices)
    return Picture(ElementTree.fromstring(path.read_text(encoding="utf-8")))


def value_lines(value: Any, folder: Path, **choices: Any) -> list[str]:
    """How a value is written in its box."""
    return picture(trace.Graph.behind(trace.node(value)), folder, **choices).of_class("v")


def dot_texts(svg: bytes) -> list[str]:
    """The texts of an SVG that dot drew."""
    root = ElementTree.fromstring(svg)
    return ["".join(text.itertext()).replace("\u00a0", " ") for text in root.iter(f"{SVG}text")]


def statements(source: str, pattern: str) -> list[str]:
    """Lines of DOT that match from their start."""
    return [line.strip() for line in source.splitlines() if re.match(pattern, line.strip())]
