"""What a node is: its value, its names and words, its call; and `trace.node`."""

from __future__ import annotations

import pytest

import tracelib as trace
from tracelib.errors import GraphError


def test_a_node_holds_the_value_itself() -> None:
    value = {"a": [1]}
    assert trace.node(value).data is value


def test_node_of_a_node_is_that_node() -> None:
    n = trace.node(1)
    assert trace.node(n) is n


def test_a_string_becomes_a_text_and_any_other_value_does_not() -> None:
    assert isinstance(trace.node("a"), trace.Text)
    assert not isinstance(trace.node(1), str)
    assert isinstance(trace.node(1), trace.Node)


def test_name_and_description_are_as_given() -> None:
    n = trace.node(1, name="temperature", description="between 0 and 1")
    assert n.name == "temperature"
    assert n.description == "between 0 and 1"
    assert trace.node(1).description is None


def test_a_value_has_no_operator_no_inputs_and_no_call() -> None:
    n = trace.node(1)
    assert n.op is None
    assert n.inputs == {}
    assert n.parents == []
    assert n.call is None
    assert n.feedback is None


def test_a_result_tells_what_made_it() -> None:
    @trace.bundle
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    x = trace.node(1)
    y = add(x, b=2)
    assert y.op == "add"
    assert y.op == add.op
    assert y.description == "Add two numbers."
    assert list(y.inputs) == ["a", "b"]
    assert y.inputs["a"] is x
    assert y.inputs["b"].data == 2


def test_the_call_of_a_result_has_its_inputs_its_output_and_its_clocks() -> None:
    import time

    before = time.time()
    y = trace.bundle(lambda a: a * 2)(trace.node(4))
    call = y.call
    assert call.inputs == {"a": 4}
    assert call.output == 8
    assert call.error is None
    assert call.caller is None
    assert before - 1 <= call.start <= time.time() + 1
    assert 0 <= call.duration < 1


def test_the_id_of_a_call_is_a_uuid_of_version_7_with_the_time_of_its_start() -> None:
    import uuid

    y = trace.bundle(lambda: 1)()
    found = uuid.UUID(y.call.id)
    assert found.version == 7
    assert y.call.id == y.call.id
    assert (found.int >> 80) == pytest.approx(y.call.start * 1000, abs=2)


def test_ids_of_later_calls_sort_after_those_of_earlier_ones() -> None:
    import time

    f = trace.bundle(lambda: 1)
    first = f()
    time.sleep(0.003)
    second = f()
    assert second.call.id > first.call.id


def test_an_operation_of_python_is_no_call() -> None:
    assert (trace.node(1) + 1).call is None


def test_repr_shows_the_kind_the_value_and_what_made_it() -> None:
    assert repr(trace.node(1)) == "<Node 1>"
    assert repr(trace.node(1, name="q")) == "<Node 1, name='q'>"
    assert repr(trace.node(1) + 1) == "<Node 2, op=add>"
    assert repr(trace.node(2, name="p", trainable=True)) == "<Parameter p=2>"
    assert len(repr(trace.node(["a"] * 1000))) < 120


def test_str_of_a_node_is_str_of_its_value() -> None:
    n = trace.node(3.5)
    assert str(n) == "3.5"
    assert str(n).parents[0] is n
    assert "%s" % n == "3.5"  # noqa: UP031


def test_detach_keeps_the_value_and_cuts_what_is_behind() -> None:
    p = trace.node(1, trainable=True, name="p")
    y = (p + 1).detach()
    assert y.data == 2
    assert y.parents == []
    assert trace.Graph.behind(y * 2).parameters == []
    assert not isinstance(p.detach(), trace.Parameter)


def test_node_of_a_list_of_nodes_has_them_as_parents() -> None:
    a, b = trace.node(1), trace.node(2)
    both = trace.node([a, b], name="both", description="two")
    assert both.data == [1, 2]
    assert [id(p) for p in both.parents] == [id(a), id(b)]
    assert (both.name, both.description) == ("both", "two")
    first, second = both
    assert (first.data, second.data) == (1, 2)


def test_a_node_has_no_room_for_attributes_of_others() -> None:
    with pytest.raises(AttributeError):
        trace.node(1).anything = 5


def test_comparing_a_node_with_what_cannot_be_compared_raises_what_python_raises() -> None:
    class Strict:
        def __eq__(self, other: object) -> bool:
            raise ValueError("no")

        __hash__ = None  # type: ignore[assignment]

    with pytest.raises(ValueError, match="no"):
        assert trace.node(Strict()) == 1


def test_under_stop_tracing_an_operation_gives_a_node_without_parents() -> None:
    x = trace.node(1)
    with trace.stop_tracing():
        y = x + 1
        both = trace.node([x])
    assert y.data == 2
    assert y.parents == []
    assert both.data == [1]
    assert both.parents == []


def test_graph_behind_a_plain_value_is_refused_with_the_likely_reasons() -> None:
    with pytest.raises(GraphError, match="stop_tracing"):
        trace.Graph.behind(5)  # type: ignore[arg-type]
    with pytest.raises(GraphError, match="at least one"):
        trace.Graph.behind()


def test_reading_data_in_a_call_makes_the_node_an_input_of_the_call() -> None:
    hidden = trace.node(10, name="hidden")

    @trace.bundle
    def f(x: int) -> int:
        return x + hidden.data

    y = f(trace.node(1))
    assert y.data == 11
    assert any(p is hidden for p in y.parents)
    assert y.inputs["hidden"] is hidden


def test_the_conversions_that_python_asks_for_in_a_call_are_inputs_of_the_call() -> None:
    hidden = trace.node(2, name="hidden")
    bodies = [
        lambda: int(hidden),
        lambda: float(hidden),
        lambda: [1, 2, 3][hidden],
        lambda: list(range(hidden)),
        lambda: f"{hidden}",
        lambda: str(hidden),
        lambda: hidden + 1,
        lambda: [hidden],
        lambda: hidden,
        lambda: (lambda: hidden.data)(),
    ]
    for body in bodies:
        y = trace.bundle(body)()
        assert any(n is hidden for n in trace.Graph.behind(y).nodes)
        p = trace.node(2, trainable=True)
        hidden_before, hidden = hidden, p
        trace.bundle(body)().backward("said")
        assert p.feedback.text == "said"
        hidden = hidden_before


def test_a_branch_in_a_call_is_a_control_edge_of_the_call() -> None:
    flag = trace.node(True, name="flag")

    @trace.bundle
    def choose() -> str:
        return "yes" if flag else "no"

    graph = trace.Graph.behind(choose())
    assert [(graph.name(e.source), e.kind) for e in graph.edges] == [("flag", "control")]


@pytest.mark.parametrize("held", [trace.node(1), trace.node(1, trainable=True), trace.node("a")])
def test_assigning_the_data_says_what_to_do_instead(held: trace.Node[object]) -> None:
    with pytest.raises(TypeError, match=r"parameter\.update"):
        held.data = 2
    assert held in (1, "a")
