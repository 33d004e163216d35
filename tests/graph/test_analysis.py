"""A recorded graph in networkx, and questions about ways through it."""

from __future__ import annotations

import random
from itertools import islice
from typing import Any

import networkx
import pytest

import tracelib as trace
from tracelib.errors import GraphError
from tracelib.graph.analysis import ancestors, bottlenecks, descendants, longest_chain, paths


def diamonds(count: int) -> Any:
    """A chain of diamonds: two ways through each, 2 ** count in all."""
    value = trace.node(1, name="start", trainable=True)
    for _ in range(count):
        value = -value + +value
    return value


def names(graph: trace.Graph, nodes: list[trace.Node[Any]]) -> list[str]:
    return [graph.name(node) for node in nodes]


def random_graph(seed: int) -> trace.Graph:
    rng = random.Random(seed)
    made: list[Any] = [trace.node(n, name=f"leaf{n}", trainable=rng.random() < 0.5) for n in range(4)]
    for _ in range(25):
        made.append(rng.choice(made[-8:]) + rng.choice(made[-8:]))
    return trace.Graph.behind(made[-1])


def test_every_node_and_edge_is_there_by_name() -> None:
    graph = trace.Graph.behind(diamonds(2))
    found = graph.to_networkx()
    assert isinstance(found, networkx.MultiDiGraph)
    assert list(found.nodes) == names(graph, graph.ordered)
    assert sorted(found.edges(data="name")) == sorted(
        (graph.name(e.source), graph.name(e.target), e.name) for e in graph.edges
    )


def test_nodes_and_edges_have_attributes() -> None:
    rate = trace.node(0.5, name="rate", trainable=True, description="the share")

    @trace.bundle
    def scaled(value: float, by: float) -> Any:
        """Value times by."""
        return value * rate * by

    graph = trace.Graph.behind(scaled(trace.node(4, name="value"), 2))
    found = graph.to_networkx()
    assert found.nodes["rate"]["kind"] == "parameter"
    assert found.nodes["rate"]["node"] is rate
    assert found.nodes["rate"]["value"] == 0.5
    assert found.nodes["rate"]["description"] == "the share"
    assert found.nodes["value"]["kind"] == "constant"
    assert found.nodes["scaled0"]["op"] == "scaled"
    assert found.nodes["scaled0"]["output"] is True
    assert found.nodes["mul0"]["caller"] == "scaled0"
    assert {"name": "value", "kind": "argument"} in list(found.get_edge_data("value", "scaled0").values())


def test_the_same_node_given_twice_has_two_edges() -> None:
    value = trace.node(2, name="value")
    assert trace.Graph.behind(value * value).to_networkx().number_of_edges("value", "mul0") == 2


def test_a_failed_call_is_an_error() -> None:
    @trace.bundle
    def fail(text: str) -> int:
        return int(text)

    with pytest.raises(trace.ExecutionError) as caught:
        fail(trace.node("x"))
    found = trace.Graph.behind(caught.value.exception_node).to_networkx()
    assert "error" in {kind for _, kind in found.nodes(data="kind")}


@pytest.mark.parametrize("seed", range(10))
def test_ancestors_and_descendants_are_those_of_networkx(seed: int) -> None:
    graph = random_graph(seed)
    plain = graph.to_networkx()
    for node in graph.ordered:
        name = graph.name(node)
        assert set(names(graph, ancestors(graph, node))) == networkx.ancestors(plain, name)
        assert set(names(graph, descendants(graph, name))) == networkx.descendants(plain, name)


@pytest.mark.parametrize("seed", range(10))
def test_paths_are_those_of_networkx(seed: int) -> None:
    graph = random_graph(seed)
    plain = networkx.DiGraph(graph.to_networkx())
    start, end = graph.name(graph.ordered[0]), graph.name(graph.output)
    found = [tuple(names(graph, path)) for path in paths(graph, start, end, limit=10**6)]
    assert sorted(found) == sorted(map(tuple, networkx.all_simple_paths(plain, start, end)))


def test_paths_are_found_one_by_one_and_bounded() -> None:
    graph = trace.Graph.behind(diamonds(40))
    assert len(list(islice(paths(graph, "start", graph.output), 5))) == 5
    assert len(list(paths(graph, "start", graph.output))) == 1_000
    assert len(list(paths(graph, "start", graph.output, limit=7))) == 7


def test_there_is_no_path_backwards_and_one_to_itself() -> None:
    graph = trace.Graph.behind(diamonds(2))
    assert list(paths(graph, graph.output, "start")) == []
    assert [len(path) for path in paths(graph, "start", "start")] == [1]


def test_bottlenecks_are_where_the_diamonds_meet() -> None:
    graph = trace.Graph.behind(diamonds(3))
    assert names(graph, bottlenecks(graph)) == ["start", "add0", "add1", "add2"]


@pytest.mark.parametrize("seed", range(20))
def test_bottlenecks_are_the_dominators_of_the_output(seed: int) -> None:
    graph = random_graph(seed)
    plain = networkx.DiGraph(graph.to_networkx())
    behind = networkx.ancestors(plain, graph.name(graph.output))
    plain.add_edges_from(("", graph.name(p)) for p in graph.parameters if graph.name(p) in behind)
    expected = []
    if "" in plain:
        above = networkx.immediate_dominators(plain, "")
        step = graph.name(graph.output)
        while step:
            expected.append(step)
            step = above[step]
    assert names(graph, bottlenecks(graph)) == expected[::-1]


def test_bottlenecks_on_the_way_to_another_node() -> None:
    graph = trace.Graph.behind(diamonds(3))
    assert names(graph, bottlenecks(graph, "add1")) == ["start", "add0", "add1"]


def test_without_parameters_there_is_no_bottleneck() -> None:
    assert bottlenecks(trace.Graph.behind(trace.node(1) + 2)) == []


def test_the_longest_chain_is_as_long_as_networkx_says() -> None:
    for seed in range(10):
        graph = random_graph(seed)
        chain = longest_chain(graph)
        assert len(chain) == networkx.dag_longest_path_length(networkx.DiGraph(graph.to_networkx())) + 1
        plain = graph.to_networkx()
        assert all(
            plain.has_edge(a, b) for a, b in zip(names(graph, chain), names(graph, chain)[1:], strict=False)
        )


def test_questions_about_a_deep_chain_need_no_recursion() -> None:
    value = trace.node(0, name="start", trainable=True)
    for _ in range(20_000):
        value = -value
    graph = trace.Graph.behind(value)
    assert len(longest_chain(graph)) == 20_001
    assert len(bottlenecks(graph)) == 20_001
    assert len(ancestors(graph, graph.output)) == 20_000
    assert [len(path) for path in paths(graph, "start", graph.output)] == [20_001]


def test_a_name_or_node_that_is_not_there_is_an_error() -> None:
    graph = trace.Graph.behind(trace.node(1) + 2)
    with pytest.raises(GraphError, match="No node is named 'nobody'"):
        ancestors(graph, "nobody")
    with pytest.raises(GraphError, match="is not in the graph"):
        descendants(graph, trace.node(5))
