"""The graph behind an output: its order, its names and its callers are the same whatever ran when."""

from __future__ import annotations

import asyncio
import concurrent.futures
import random
import subprocess
import sys
import threading
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tracelib as trace
from tracelib.errors import GraphError


@trace.bundle
def double(x: int) -> int:
    return 2 * x


@trace.bundle
def total(xs: list[int]) -> int:
    return sum(xs)


def names(*outputs: Any) -> list[str]:
    graph = trace.Graph.behind(*outputs)
    return [graph.name(n) for n in graph.ordered]


def shape(output: Any) -> list[tuple[str, str, str, str]]:
    """Every edge by the names of its ends: what must not depend on the schedule."""
    graph = trace.Graph.behind(output)
    return sorted((graph.name(e.source), graph.name(e.target), e.name, e.kind) for e in graph.edges)


def test_the_nodes_are_in_creation_order_parents_before_children_constants_included() -> None:
    a = trace.node(1)
    b = a + 5
    c = double(b)
    graph = trace.Graph.behind(c)
    assert [n.data for n in graph.nodes] == [1, 5, 6, 12]
    assert graph.output is c
    assert len(graph) == 4
    place = {id(n): i for i, n in enumerate(graph.nodes)}
    assert all(place[id(e.source)] < place[id(e.target)] for e in graph.edges)


def test_only_what_is_behind_the_output_is_in_its_graph() -> None:
    a = trace.node(1)
    b, _ = a + 1, a + 2
    assert [n.data for n in trace.Graph.behind(b).nodes] == [1, 1, 2]


def test_the_graph_behind_several_outputs_has_what_is_behind_any() -> None:
    a = trace.node(1)
    b, c = double(a), double(3)
    graph = trace.Graph.behind(b, c)
    assert graph.outputs == (b, c)
    assert [n.data for n in graph.nodes] == [1, 2, 3, 6]


def test_the_edges_say_as_what_each_node_was_used() -> None:
    g = trace.node(3, name="g")

    @trace.bundle
    def inner(x: int) -> int:
        return x

    @trace.bundle
    def outer(x: int) -> Any:
        if g > 100:
            return None
        inner(x)
        return inner(g)

    graph = trace.Graph.behind(outer(trace.node(1, name="x")))
    kinds = {(graph.name(e.source), graph.name(e.target)): e.kind for e in graph.edges}
    assert kinds[("x", "outer0")] == "argument"
    assert kinds[("inner1", "outer0")] == "returned"
    assert kinds[("inner0", "outer0")] == "within"
    assert kinds[("gt0", "outer0")] == "control"


def test_names_come_from_operators_and_types_and_count_from_zero() -> None:
    y = double(trace.node(1) + 2) + double(3)
    assert names(y) == ["int0", "int1", "add0", "double0", "int2", "double1", "add1"]


def test_a_user_s_name_is_kept_and_every_name_is_unique() -> None:
    parts = [trace.node(i, name="a") for i in range(12)] + [
        trace.node(0, name=n) for n in ("a1", "a10", "add0")
    ]
    y = trace.node(0)
    for part in parts:
        y = y + part
    found = names(y)
    assert len(found) == len(set(found))
    assert {"a", "a1", "a10", "add0"} <= set(found)
    graph = trace.Graph.behind(y)
    assert graph.name(parts[12]) == "a1"
    assert graph.name(parts[0]) == "a"
    assert graph.named()["a1"] is parts[12]


@given(st.lists(st.sampled_from(["a", "a0", "a1", "int0", "add0", "add1", "ü", "a b", ""]), max_size=12))
def test_names_are_unique_whatever_users_call_their_nodes(given_names: list[str]) -> None:
    y = trace.node(0)
    for name in given_names:
        y = y + trace.node(1, name=name, trainable=len(name) == 2)
    found = names(y)
    assert len(found) == len(set(found))


def test_a_parameter_has_its_name_even_where_another_node_took_it_first() -> None:
    other = trace.node(1, name="p")
    p = trace.node(2, name="p", trainable=True)
    graph = trace.Graph.behind(other + p)
    assert graph.name(p) == "p"
    assert graph.name(other) != "p"


def test_a_parameter_keeps_its_name_beside_its_earlier_values() -> None:
    p = trace.node(1, name="p", trainable=True)
    before = p + 0
    p.update(2)
    graph = trace.Graph.behind(before + p)
    assert graph.name(p) == "p"
    assert graph.parameters == [p]
    earlier = next(n for n in graph.nodes if n.data == 1 and n.op is None)
    assert graph.of_parameter(earlier) is p
    assert graph.of_parameter(before) is None


def test_the_name_of_a_result_is_its_name_in_the_graph_behind_it() -> None:
    assert double(double(1)).name == "double1"
    assert (trace.node(1) + 1).name == "add0"


def test_a_node_of_another_graph_has_no_name_in_this_one() -> None:
    with pytest.raises(GraphError, match="not in the graph"):
        trace.Graph.behind(trace.node(1) + 1).name(trace.node(5))


def test_the_parameters_are_each_there_once_in_the_order_they_were_made() -> None:
    a, b = trace.node(1, trainable=True), trace.node(2, trainable=True)
    y = b + a + b
    assert [id(p) for p in trace.Graph.behind(y).parameters] == [id(a), id(b)]


def test_the_caller_of_a_node_is_the_call_it_was_made_within() -> None:
    made: list[Any] = []

    @trace.bundle
    def outer(x: int) -> Any:
        made.append(double(x))
        return made[0] + 1

    y = outer(trace.node(3))
    graph = trace.Graph.behind(y)
    assert graph.caller(made[0]) is y
    assert graph.caller(y) is None
    assert graph.caller(graph.nodes[0]) is None


def test_the_caller_is_found_through_several_levels() -> None:
    @trace.bundle
    def count(n: int) -> Any:
        return 0 if n == 0 else count(n - 1)

    y = count(5)
    graph = trace.Graph.behind(y)
    depth, at = 0, graph.nodes[-1] if graph.nodes[-1] is not y else y
    deepest = next(n for n in graph.nodes if n.op == "count" and n.call.inputs == {"n": 0})
    at = deepest
    while graph.caller(at) is not None:
        at, depth = graph.caller(at), depth + 1
    assert (at, depth) == (y, 5)


# the same on every schedule


def jitter() -> None:
    time.sleep(random.random() / 300)


@trace.bundle
def work(i: int) -> Any:
    """Calls inside, operations, constants and values of its own, at any speed."""
    jitter()
    inner = double(trace.node(i, name=f"n{i}")) + 1
    jitter()
    return double(inner + trace.node(100))


def run_in_threads(workers: int) -> Any:
    @trace.bundle
    def fan_out(n: int) -> Any:
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            jobs = [pool.submit(trace.wrap(work), i) for i in range(n)]
            return [job.result() for job in jobs]

    return total(fan_out(6))


def test_threads_do_not_change_order_names_or_edges() -> None:
    expected = run_in_threads(1)
    for workers in (2, 6):
        found = run_in_threads(workers)
        assert found.data == expected.data
        assert names(found) == names(expected)
        assert shape(found) == shape(expected)


def test_threads_at_the_top_level_do_not_change_order_or_names() -> None:
    def run(workers: int) -> Any:
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            jobs = [pool.submit(trace.wrap(work), i) for i in range(6)]
            return total([job.result() for job in jobs])

    expected = run(1)
    for _ in range(3):
        found = run(6)
        assert names(found) == names(expected)
        assert shape(found) == shape(expected)


async def test_tasks_do_not_change_order_names_or_edges() -> None:
    @trace.bundle
    async def step(i: int) -> Any:
        await asyncio.sleep(random.random() / 300)
        inner = double(i)
        await asyncio.sleep(random.random() / 300)
        return inner + 1

    @trace.bundle
    async def gathered(n: int) -> Any:
        return await asyncio.gather(*(step(i) for i in range(n)))

    async def one_by_one(n: int) -> Any:
        return [await step(i) for i in range(n)]

    first = await gathered(6)
    for _ in range(3):
        again = await gathered(6)
        assert names(again) == names(first)
        assert shape(again) == shape(first)
    alone, together = await one_by_one(4), await asyncio.gather(*(step(i) for i in range(4)))
    assert names(*alone) == names(*together)


def test_the_order_is_topological_also_for_what_was_made_in_a_later_call() -> None:
    box: list[Any] = []
    early = trace.bundle(lambda: box.append(trace.node(1) + 1) or 0)
    early()
    late = double(box[0])
    graph = trace.Graph.behind(late)
    place = {id(n): i for i, n in enumerate(graph.ordered)}
    assert len(place) == len(graph.nodes)
    assert all(place[id(e.source)] < place[id(e.target)] for e in graph.edges)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 3)), max_size=40))
def test_any_program_has_a_topological_order_and_a_name_for_each_node(
    steps: list[tuple[int, int, int]],
) -> None:
    made: list[Any] = [trace.node(1, trainable=True), trace.node(2)]
    for i, j, kind in steps:
        x, y = made[i % len(made)], made[j % len(made)]
        made.append(
            [lambda x, y: x + y, lambda x, y: double(x), lambda x, y: total([x, y]), lambda x, y: x < y][
                kind
            ](x, y)
        )
    graph = trace.Graph.behind(*made)
    for order in (graph.nodes, graph.ordered):
        place = {id(n): i for i, n in enumerate(order)}
        assert len(place) == len(order)
        assert all(place[id(e.source)] < place[id(e.target)] for e in graph.edges)
    assert len({graph.name(n) for n in graph.nodes}) == len(graph.nodes)


def test_names_and_order_are_the_same_in_every_process() -> None:
    code = (
        "import tracelib as t\n"
        "f = t.bundle(lambda xs, k: sum(xs) * k, name='f')\n"
        "p = t.node(2, trainable=True, name='p')\n"
        "k = t.bundle(len, name='k')({t.node(c, name=c) for c in 'edcba'})\n"
        "y = f([t.node(i) + p for i in range(5)], p) + f([p, p], k)\n"
        "g = t.Graph.behind(y)\n"
        "print([g.name(n) for n in g.ordered], [(g.name(e.source), e.name) for e in g.edges])\n"
        "print(list(map(str, k.inputs.values())))\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(outputs) == 1


# scale


def test_a_chain_of_100_000_operations_is_walked_named_and_freed_without_recursion() -> None:
    y = trace.node(0)
    for _ in range(100_000):
        y = -y
    graph = trace.Graph.behind(y)
    assert len(graph) == 100_001
    assert graph.name(y) == "neg99999"
    assert graph.ordered[-1] is y
    del y, graph


def test_a_deep_recursion_of_calls_is_walked() -> None:
    @trace.bundle
    def down(n: int) -> Any:
        return n if n == 0 else down(n - 1) + 1

    y = down(200)
    assert y.data == 200
    assert len(names(y)) == len(set(names(y)))


def test_walking_takes_time_in_proportion_to_the_size() -> None:
    def cost(n: int) -> float:
        y: Any = trace.node(0)
        for i in range(n):
            y = total([y, y, i])
        started = time.process_time()
        graph = trace.Graph.behind(y)
        assert len(graph.ordered) > n
        graph.named()
        return time.process_time() - started

    small, large = (min(cost(n) for _ in range(2)) for n in (1_000, 8_000))
    assert large < small * 8 * 4


def test_a_listener_s_thread_and_a_switching_interpreter_lose_no_parent() -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    wrong: list[Any] = []

    def hammer(k: int) -> None:
        x = trace.node(k)
        for _ in range(300):
            y = double(x)
            if y.data != 2 * k or y.parents[0] is not x or len(y.parents) != 1:
                wrong.append(y)

    try:
        threads = [threading.Thread(target=hammer, args=(k,)) for k in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert wrong == []
