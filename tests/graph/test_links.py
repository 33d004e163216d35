"""What a node was made from: inputs by name, parents once, edges with their kinds."""

from __future__ import annotations

from typing import Any

import pytest

import tracelib as trace


def test_every_kind_of_argument_has_the_name_of_its_parameter() -> None:
    @trace.bundle
    def f(a: Any, /, b: Any, *rest: Any, c: Any, d: Any = 4, **more: Any) -> int:
        return 0

    nodes = [trace.node(i) for i in range(6)]
    y = f(nodes[0], nodes[1], nodes[2], 7, c=nodes[3], e=nodes[4], f=nodes[5])
    assert [name for name in y.inputs if "[" not in name] == ["a", "b", "c", "d", "e", "f"]
    assert [n.data for n in y.inputs.values()] == [0, 1, 2, 7, 3, 4, 4, 5]
    assert {id(n) for n in nodes} <= {id(p) for p in y.parents}


def test_a_default_is_an_input_too() -> None:
    default = trace.node("d")

    @trace.bundle
    def f(x: Any, mode: Any = default) -> Any:
        return (x, mode)

    y = f(1)
    assert y.data == (1, "d")
    assert y.inputs["mode"] is default


def test_each_call_keeps_its_own_inputs() -> None:
    f = trace.bundle(lambda x: x)
    first, second = f(trace.node(1)), f(trace.node(2))
    assert first.inputs["x"].data == 1
    assert second.inputs["x"].data == 2


def test_inputs_of_one_name_are_told_apart() -> None:
    a, b = trace.node(1, name="x"), trace.node(2, name="x")

    @trace.bundle
    def f(x: Any) -> Any:
        return x + a.data + b.data

    y = f(trace.node(5))
    assert list(y.inputs) == ["x", "x1", "x2"]
    assert [n.data for n in y.inputs.values()] == [5, 1, 2]


def test_an_argument_that_is_read_in_the_body_too_is_one_parent() -> None:
    a = trace.node(1)
    y = trace.bundle(lambda x: x + a.data)(a)
    assert [id(p) for p in y.parents] == [id(a)]


def test_a_returned_node_is_behind_the_result_with_its_own_edge() -> None:
    a = trace.node(1, trainable=True)
    y = trace.bundle(lambda: a)()
    assert y.data == 1
    assert [(e.kind, e.source is a) for e in trace.Graph.behind(y).edges] == [("returned", True)]


def test_a_node_read_from_a_global_is_behind_the_result() -> None:
    y = trace.bundle(lambda x: x + GLOBAL)(1)
    assert y.data == 101
    assert any(n is GLOBAL for n in trace.Graph.behind(y).nodes)


GLOBAL = trace.node(100, name="GLOBAL")


def test_a_node_only_tested_in_the_body_is_a_control_input() -> None:
    flag, word, number = trace.node(True), trace.node("es"), trace.node(3)
    bodies = [
        lambda: 1 if flag else 0,
        lambda: 1 if word == "es" else 0,
        lambda: 1 if word != "es" else 0,
        lambda: 1 if word in {"es", "en"} else 0,
        lambda: 1 if word.startswith("e") else 0,
        lambda: 1 if "e" in word else 0,
        lambda: 1 if number > 2 else 0,
        lambda: 1 if 2 < number < 5 else 0,
        lambda: 1 if not flag else 0,
        lambda: {"es": 1}.get(word, 0),
    ]
    for body in bodies:
        y = trace.bundle(body)()
        kinds = {e.kind for e in trace.Graph.behind(y).edges if e.target is y}
        assert kinds == {"control"}
        behind = {id(n) for n in trace.Graph.behind(y).nodes}
        assert behind & {id(flag), id(word), id(number)}


def test_a_call_made_inside_is_behind_the_result_even_when_nobody_saw_it_used() -> None:
    import json

    ask = trace.bundle(lambda q: {"answer": q})
    p = trace.node("prompt", trainable=True)

    @trace.bundle
    def agent() -> Any:
        reply = ask(p)
        return json.loads(json.dumps({"a": dict(reply.data)}))

    assert [id(r) for r in agent().backward("said").reached] == [id(p)]


def test_of_a_chain_inside_a_call_only_the_end_is_an_edge() -> None:
    @trace.bundle
    def f(x: int) -> int:
        y = trace.node(x) + 1
        z = y * 2
        return int(z.data)

    result = f(trace.node(1))
    inside = [e for e in trace.Graph.behind(result).edges if e.target is result and e.kind != "argument"]
    assert [e.source.op.name for e in inside if e.source.op] == ["mul"]


@pytest.mark.parametrize("depth", [1, 3])
def test_a_node_read_deep_inside_belongs_to_the_innermost_call(depth: int) -> None:
    hidden = trace.node(1, name="hidden")

    @trace.bundle
    def down(n: int) -> Any:
        return hidden.data if n == 0 else down(n - 1)

    y = down(depth)
    graph = trace.Graph.behind(y)
    reader = next(e.target for e in graph.edges if e.kind == "read")
    assert reader.call.inputs == {"n": 0}
