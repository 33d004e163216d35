"""Pictures of who uses whom."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from seeing import needs_dot

from tracelib.errors import RenderError
from tracelib.render.dependencies import (
    dependencies_drawing,
    dependencies_to_dot,
    render_dependencies,
)
from tracelib.versioning import Version, version_of
from tracelib.versioning.dependencies import dependency_graph

LIMIT = 3
HOSTILE = "</text><script>alert(1)</script> \\N -> x"


def helper(x: int) -> str:
    return f"{x + LIMIT}{HOSTILE}"


def even(n: int) -> bool:
    return n == 0 or odd(n - 1)


def odd(n: int) -> bool:
    return n != 0 and even(n - 1)


def target(x: int) -> str:
    return helper(x) + str(even(x))


@pytest.fixture
def versions() -> list[Version]:
    return [version_of(target), version_of(odd)]


def test_a_function_with_a_version_stands_out_and_modules_are_frames(versions: list[Version]) -> None:
    drawing = dependencies_drawing(dependency_graph(versions))
    kinds = {box.title: box.kind for box in drawing.boxes}
    assert kinds["target"] == "version"
    assert kinds["odd"] == "version"
    assert kinds["helper"] == "definition"
    assert kinds["LIMIT"] == "installed"
    assert [frame.title for frame in drawing.frames] == [versions[0].module]
    assert drawing.title == "2 functions and what they use"


def test_uses_that_lead_in_a_circle_are_told(versions: list[Version]) -> None:
    drawing = dependencies_drawing(dependency_graph(versions))
    assert all(line.source < line.target for line in drawing.lines)
    assert drawing.caption == "Not drawn, since they lead back in a circle: 1."


def test_our_own_layout_writes_an_svg_that_nothing_breaks_out_of(
    versions: list[Version], tmp_path: Path
) -> None:
    path = render_dependencies(versions, tmp_path / "uses.svg", layout="own")
    root = ElementTree.fromstring(path.read_bytes())
    assert root.tag.endswith("svg")
    assert not [e for e in root.iter() if e.tag.endswith("script")]
    assert "function with a version" in path.read_text(encoding="utf-8")


@needs_dot
def test_dot_draws_it(versions: list[Version], tmp_path: Path) -> None:
    path = render_dependencies(versions, tmp_path / "uses.png")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_dot_text_is_the_same_each_time(versions: list[Version]) -> None:
    assert dependencies_to_dot(versions).source == dependencies_to_dot(versions).source
    assert "n0" in dependencies_to_dot(versions).source


def test_an_unknown_layout_is_refused(versions: list[Version], tmp_path: Path) -> None:
    with pytest.raises(RenderError, match="choose one of 'dot', 'own'"):
        render_dependencies(versions, tmp_path / "uses.svg", layout="neat")
