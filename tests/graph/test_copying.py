"""Pickle, copy and deepcopy: of any depth, with sharing kept, and values as they were."""

from __future__ import annotations

import concurrent.futures
import copy
import io
import multiprocessing
import pickle
import threading
from typing import Annotated, Any, Literal

import numpy as np
import pydantic
import pytest

import tracelib as trace
from tracelib.errors import ExecutionError

PROTOCOLS = [2, 3, 4, 5]


@trace.bundle
def add(a: Any, b: Any) -> Any:
    """A bundle named as an operator of Python."""
    return a + b


@trace.bundle
def fail(x: Any) -> Any:
    raise ValueError("bad", x)


@trace.bundle(trainable=True)
def greet(name: Any) -> str:
    """Say hello."""
    return f"hello {name}"


@trace.bundle
def nested(n: int) -> Any:
    return 0 if n == 0 else nested(n - 1)


@trace.model
class Agent:
    def __init__(self) -> None:
        self.prompt = trace.node("hi", trainable=True)
        self.parts = [trace.node(1, trainable=True), self.prompt]

    @trace.bundle(trainable=True)
    def act(self, x: Any) -> Any:
        """Act."""
        return x


def round_trip(value: Any, protocol: int = 5) -> Any:
    return pickle.loads(pickle.dumps(value, protocol))


def shape(*outputs: Any) -> Any:
    graph = trace.Graph.behind(*outputs)
    edges = [(graph.name(e.source), graph.name(e.target), e.name, e.kind) for e in graph.edges]
    return [(graph.name(n), n.data, str(n.op)) for n in graph.ordered], edges


def sample() -> Any:
    p = trace.node(2, name="p", trainable=True)
    y = add(p, [trace.node(3), 4][0]) + 10
    return add(a=y, b=y)


COPIERS: dict[str, Any] = {
    **{f"pickle {n}": (lambda v, n=n: round_trip(v, n)) for n in PROTOCOLS},
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("how", COPIERS)
def test_a_copied_graph_is_the_same_graph_of_other_nodes(how: str) -> None:
    y = sample()
    z = COPIERS[how](y)
    assert shape(z) == shape(y)
    assert not {id(n) for n in trace.Graph.behind(z).nodes} & {id(n) for n in trace.Graph.behind(y).nodes}
    assert z.op == y.op
    assert z.op.fn is not None


@pytest.mark.parametrize("how", COPIERS)
@pytest.mark.parametrize(
    "value", [1, "text", None, [1, 2], {"a": (1,)}, b"x", 1.5, len], ids=lambda v: type(v).__name__
)
def test_a_copied_leaf_has_the_same_value_name_and_words(how: str, value: Any) -> None:
    n = trace.node(value, name="n", description="d")
    m = COPIERS[how](n)
    assert type(m) is type(n)
    assert (m.data, m.name, m.description) == (value, "n", "d")


@pytest.mark.parametrize("how", COPIERS)
def test_a_copied_text_is_a_str_and_knows_its_parents(how: str) -> None:
    t = COPIERS[how](trace.node("a", name="n").upper() + "!")
    assert t == "A!"
    assert isinstance(t, str)
    assert isinstance(t, trace.Text)
    assert trace.Graph.behind(t).nodes[0].name == "n"


@pytest.mark.parametrize("how", COPIERS)
def test_a_copied_parameter_has_its_value_constraint_and_feedback_and_learns_alone(how: str) -> None:
    p = trace.node("a", name="p", trainable=True, description="d", constraint=Literal["a", "b"])
    (p + "x").backward("said")
    q = COPIERS[how](p)
    assert (q.data, q.name, q.description, q.constraint) == ("a", "p", "d", Literal["a", "b"])
    assert q.feedback.text == "said"
    q.update("b")
    (q + "x").backward("more")
    assert p.data == "a"
    assert p.feedback.text == "said"


@pytest.mark.parametrize("how", COPIERS)
def test_a_copied_graph_leads_to_one_copied_parameter_that_can_be_used_on(how: str) -> None:
    p = trace.node(2, name="p", trainable=True)
    y = COPIERS[how](add(p, p * 3))
    (q,) = trace.Graph.behind(y).parameters
    assert q is not p
    assert y.inputs["a"] is q
    z = y + q
    assert [n.data for n in trace.Graph.behind(z).nodes if n.op is None and n.name == "p"] == [2]
    z.backward("said")
    assert q.feedback.text == "said"
    assert not p.feedback


@pytest.mark.parametrize("how", COPIERS)
def test_an_earlier_value_of_a_parameter_stays_the_earlier_value(how: str) -> None:
    p = trace.node([1], name="p", trainable=True)
    before = p + [1]  # noqa: RUF005
    p.update([2])
    y = COPIERS[how](before + p)
    (q,) = trace.Graph.behind(y).parameters
    assert q.data == [2]
    assert y.data == [1, 1, 2]
    assert y.inputs["x"].inputs["x"].data == [1]


@pytest.mark.parametrize("how", COPIERS)
def test_nodes_copied_together_share_what_is_behind_them(how: str) -> None:
    p = trace.node(1, name="p", trainable=True)
    a, b = p + 1, p + 2
    c, d, q = COPIERS[how]([a, b, p])
    assert c.inputs["x"] is q
    assert d.inputs["x"] is q
    c, e = COPIERS[how]((a, a * 2))
    assert e.inputs["x"] is c


@pytest.mark.parametrize("how", COPIERS)
def test_an_exception_node_keeps_its_error_and_its_annotated_source(how: str) -> None:
    p = trace.node(7, trainable=True)
    with pytest.raises(ValueError, match="bad") as caught:
        fail(p)
    n = COPIERS[how](caught.value.exception_node)
    assert isinstance(n, trace.ExceptionNode)
    assert n.data == caught.value.exception_node.data
    assert n.exception.args == ("bad", 7)
    assert len(trace.Graph.behind(n).parameters) == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_execution_error_is_pickled_with_its_node(protocol: int) -> None:
    with pytest.raises(ValueError, match="bad") as caught:
        fail(trace.node(7))
    error = round_trip(caught.value, protocol)
    assert isinstance(error, ExecutionError)
    assert isinstance(error, ValueError)
    assert error.exception_node.inputs["x"].data == 7


@pytest.mark.parametrize("how", COPIERS)
def test_a_copied_module_shares_no_parameter_with_the_original_and_keeps_ties(how: str) -> None:
    agent = Agent()
    twin = COPIERS[how](agent)
    assert list(twin.named_parameters()) == list(agent.named_parameters())
    assert twin.parts[1] is twin.prompt
    twin.prompt.update("bye")
    assert agent.prompt.data == "hi"
    assert twin.act(5).data == 5
    assert not {id(p) for p in twin.parameters()} & {id(p) for p in agent.parameters()}


@pytest.mark.parametrize("how", COPIERS)
def test_a_module_and_the_graph_it_made_are_copied_together(how: str) -> None:
    agent = Agent()
    y = agent.act(agent.prompt)
    twin, z = COPIERS[how]((agent, y))
    assert any(p is twin.prompt for p in trace.Graph.behind(z).parameters)


@pytest.mark.parametrize("how", COPIERS)
def test_a_bundle_is_copied_as_functions_are(how: str) -> None:
    assert COPIERS[how](add) is add
    assert COPIERS[how](greet)("x").data == "hello x"


@pytest.mark.parametrize("how", COPIERS)
def test_a_copied_graph_object_is_behind_the_copied_output(how: str) -> None:
    graph = trace.Graph.behind(sample())
    graph.named()
    twin = COPIERS[how](graph)
    assert shape(*twin.outputs) == shape(*graph.outputs)


@pytest.mark.parametrize("how", COPIERS)
def test_the_calls_of_a_copied_graph_keep_ids_callers_and_clocks(how: str) -> None:
    y = nested(3)
    call = y.call
    z = COPIERS[how](y)
    assert z.call.id == call.id
    assert z.call.duration == call.duration
    assert z.call.start == pytest.approx(call.start)
    graph = trace.Graph.behind(z)
    inner = z.inputs["returned"]
    assert graph.caller(inner) is z


def test_copy_gives_another_node_of_the_same_value_and_parents() -> None:
    p = trace.node(1, trainable=True)
    y = p + 1
    z = copy.copy(y)
    assert z is not y
    assert z.data == 2
    assert [id(n) for n in z.parents] == [id(n) for n in y.parents]
    q = copy.copy(p)
    q.update(5)
    assert p.data == 1


def test_deepcopy_copies_the_values_and_copy_does_not() -> None:
    data = [1]
    n = trace.node(data)
    assert copy.deepcopy(n).data == [1]
    assert copy.deepcopy(n).data is not data
    assert copy.copy(n).data is data


def test_an_operator_of_the_user_with_a_name_of_python_s_is_restored_as_his() -> None:
    mine, python = round_trip(add(1, 2)).op, round_trip(trace.node(1) + 2).op
    assert (mine, python) == ("add", "add")
    assert mine is add.op
    assert python is (trace.node(1) + 2).op


def chain(n: int) -> Any:
    y: Any = trace.node(0, trainable=True)
    for _ in range(n):
        y = -y
    return y


def test_a_chain_of_100_000_operations_is_pickled_and_restored() -> None:
    y = round_trip(chain(100_000))
    assert y.data == 0
    graph = trace.Graph.behind(y)
    assert len(graph) == 100_001
    assert len(graph.parameters) == 1


def test_a_chain_of_100_000_operations_is_copied_deeply() -> None:
    y = copy.deepcopy(chain(100_000))
    assert len(trace.Graph.behind(y)) == 100_001


def test_a_deep_call_tree_is_pickled_and_copied() -> None:
    y = nested(150)
    for z in (round_trip(y), copy.deepcopy(y)):
        assert shape(z) == shape(y)
        assert sum(1 for n in trace.Graph.behind(z).nodes if n.op == "nested") == 151


def test_values_that_hold_nodes_inside_objects_are_copied_with_them() -> None:
    class_ = type("Box", (), {})
    globals()["Box"] = class_
    class_.__module__ = __name__
    box = class_()
    box.node = trace.node(1) + 1  # type: ignore[attr-defined]
    n = round_trip(trace.node(box, name="box"))
    assert n.data.node.data == 2
    assert len(n.data.node.parents) == 2


def test_a_value_that_cannot_be_pickled_fails_as_pickle_says_and_spoils_nothing() -> None:
    bad = trace.node(threading.Lock())
    y = trace.bundle(lambda x: 1, name="f")(bad)
    with pytest.raises((TypeError, pickle.PicklingError)):
        pickle.dumps(y)
    buffer = io.BytesIO()
    with pytest.raises((TypeError, pickle.PicklingError)) as kept:
        pickle._Pickler(buffer).dump(y)  # type: ignore[attr-defined]
    assert shape(round_trip(sample())) == shape(sample())
    assert len(trace.Graph.behind(round_trip(chain(20_000)))) == 20_001
    del kept


def test_a_parameter_with_a_pydantic_constraint_still_checks_after_a_pickle() -> None:
    p = trace.node(0.5, trainable=True, constraint=Annotated[float, pydantic.Field(ge=0, le=1)])
    q = round_trip(p)
    assert q.check(0.7) == 0.7
    with pytest.raises(ValueError, match="less than or equal"):
        q.check(7.0)


def test_an_array_shared_by_two_nodes_is_shared_by_their_copies() -> None:
    array = np.ones(3)
    a, b = trace.node(array), trace.node(array)
    c, d = round_trip([a, b])
    assert c.data is d.data


def work(x: Any) -> Any:
    return add(x, 1)


def work_and_fail(x: Any) -> Any:
    return fail(x)


def test_nodes_travel_to_a_process_that_was_spawned_and_back() -> None:
    p = trace.node(1, name="p", trainable=True)
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        y = pool.submit(work, p * 2).result()
        failure = pool.submit(work_and_fail, p).exception()
    assert y.data == 3
    assert y.op is add.op
    assert [q.name for q in trace.Graph.behind(y).parameters] == ["p"]
    after = y + 1
    nodes = trace.Graph.behind(after).nodes
    assert nodes[-1] is after
    assert isinstance(failure, ExecutionError)
    assert isinstance(failure, ValueError)
    assert failure.exception_node.inputs["x"].data == 1
