"""Large graphs in few boxes."""

from __future__ import annotations

from pathlib import Path

import pytest
import recorded
from seeing import picture

import tracelib as trace
from tracelib.errors import RenderError


def test_a_graph_of_500_nodes_shows_every_call(tmp_path: Path) -> None:
    assert picture(recorded.chain(240), tmp_path).shapes("operator") == 240


def test_a_long_chain_of_one_operator_is_one_box(tmp_path: Path) -> None:
    seen = picture(recorded.chain(1_000), tmp_path)
    assert seen.of_class("t") == ["start", "add × 1,000"]
    assert "999 links among them" in seen.of_class("d")
    assert "last: 1000" in seen.of_class("v")


def test_a_large_minibatch_shows_what_is_inside_once(tmp_path: Path) -> None:
    graph = recorded.minibatch(300)
    assert len(graph.nodes) > 2_000
    seen = picture(graph, tmp_path)
    assert seen.of_class("t") == ["prompt", "add × 300", "ask × 600", "agent × 300", "score × 300", "mean0"]
    assert "inside agent × 300" in seen.texts
    assert any("in 6 boxes" in text for text in seen.texts)


def test_collapsing_by_caller_keeps_calls_apart(tmp_path: Path) -> None:
    seen = picture(recorded.minibatch(40), tmp_path, collapse="caller")
    titles = seen.of_class("t")
    assert [f"agent{n}" in titles for n in range(40)] == [True] * 40
    assert not any(title.startswith("ask") for title in titles)
    assert seen.of_class("d").count("3 operations inside") == 40


def test_calls_are_opened_while_there_is_room(tmp_path: Path) -> None:
    titles = picture(recorded.minibatch(5), tmp_path, collapse="caller").of_class("t")
    assert "ask9" in titles


def test_runs_of_one_operator_are_joined_in_their_order(tmp_path: Path) -> None:
    total = trace.node(1, name="start")
    for _ in range(50):
        total = total + 1
    for _ in range(50):
        total = total * 1
    for _ in range(50):
        total = total + 1
    titles = picture(trace.Graph.behind(total), tmp_path, collapse="run").of_class("t")
    assert titles == ["add × 50", "mul × 50", "add × 50"]


def test_collapsing_by_operator_draws_loops_upwards(tmp_path: Path) -> None:
    total = trace.node(1, name="start", trainable=True)
    for _ in range(100):
        total = (total + 1) * 2
    seen = picture(trace.Graph.behind(total), tmp_path, collapse="operator")
    assert seen.of_class("t") == ["start", "add × 100", "mul × 100"]
    assert sorted(seen.of_class("l")) == ["×100", "×99"]


def test_parameters_are_never_hidden_in_a_group(tmp_path: Path) -> None:
    assert picture(recorded.minibatch(100), tmp_path).shapes("parameter") == 1


def test_many_parameters_with_the_same_readers_share_a_box(tmp_path: Path) -> None:
    parts = [trace.node(n, name=f"part{n}", trainable=True) for n in range(100)]
    seen = picture(trace.Graph.behind(recorded.mean(parts)), tmp_path, collapse="operator")
    assert seen.of_class("t") == ["100 parameters", "mean0"]


def test_failed_calls_are_counted(tmp_path: Path) -> None:
    failed = []
    for n in range(100):
        try:
            recorded.fail(trace.node(f"no number {n}"))
        except trace.ExecutionError as error:
            failed.append(error.exception_node)
    seen = picture(trace.Graph.behind(*failed), tmp_path, collapse="operator")
    assert "100 failed" in " ".join(seen.of_class("d"))
    assert seen.shapes("error") == 1


def test_an_unknown_way_to_collapse_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RenderError, match=r"'fold'.*'none', 'caller', 'run', 'operator'"):
        recorded.nested().render(tmp_path / "graph.svg", collapse="fold")


def test_dot_is_collapsed_only_on_request() -> None:
    graph = recorded.chain(1_000)
    assert graph.to_dot().source.count("shape=ellipse") == 1_000
    assert graph.to_dot(collapse="operator").source.count("shape=box3d") == 1


def test_a_collapsed_picture_is_the_same_each_time(tmp_path: Path) -> None:
    first = recorded.minibatch(100).render(tmp_path / "a.svg").read_bytes()
    assert recorded.minibatch(100).render(tmp_path / "b.svg").read_bytes() == first
