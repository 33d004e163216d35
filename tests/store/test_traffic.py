"""The dependency graph of a store: what the code says, and what the calls did."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tracelib as trace
from tracelib.render.dependencies import dependencies_to_dot, render_dependencies
from tracelib.store.store import Store, open_store


@trace.bundle
def part(text: str) -> str:
    return text.upper()


@trace.bundle
def whole(texts: list[str]) -> str:
    return "+".join(part(text) for text in texts)


@trace.bundle
def seldom(text: str) -> str:
    return part(text) if text == "never" else text


@trace.bundle
def asked(fn: Any, text: str) -> Any:
    return fn(text)


@pytest.fixture
def store(blank: str, tmp_path: Path) -> Iterator[Store]:
    made = open_store(blank, journal=tmp_path / "journal")
    with made:
        first = whole(["a", "b", "c"])
        seldom(first)
        seldom(first)
        asked(part, "d")
    return made


def edges(store: Store, kind: str, *names: str) -> dict[tuple[str, str], int]:
    graph = store.dependencies(*names)
    return {
        (graph.nodes[user]["name"], graph.nodes[used]["name"]): told["count"]
        for user, used, told in graph.edges(data=True)
        if told["kind"] == kind
    }


def test_calls_are_counted_by_who_made_them_also_where_no_code_says_so(store: Store) -> None:
    assert edges(store, "calls") == {("whole", "part"): 3, ("seldom", "part"): 0, ("asked", "part"): 1}


def test_values_are_counted_by_where_they_came_from(store: Store) -> None:
    flows = edges(store, "flows")
    assert flows["seldom", "whole"] == 2
    assert flows["asked", "part"] == 1
    assert ("part", "whole") not in flows


def test_of_some_functions_only_what_is_between_them(store: Store) -> None:
    assert edges(store, "calls", "whole", "part") == {("whole", "part"): 3}
    assert edges(store, "flows", "seldom", "whole") == {("seldom", "whole"): 2}


def test_the_picture_says_how_often(store: Store, tmp_path: Path) -> None:
    graph = store.dependencies()
    text = dependencies_to_dot(graph).source
    assert "2x" in text
    assert "3x" in text
    assert "its results were given to" in text
    assert "2x" in render_dependencies(graph, tmp_path / "uses.svg", layout="own").read_text()
