"""Defects found in a library close to ours, on values, containers, operators, scale and memory: none is here.

Each docstring starts with the number of the defect; those of calls are in test_peer_defects_calls.py.
"""

from __future__ import annotations

import copy
import gc
import json
import pickle
import subprocess
import sys
import weakref
from typing import Any

import numpy as np
import pytest

import tracelib as trace
from tracelib.errors import ConstraintError, ExecutionError, InPlaceError, MutationWarning


@trace.bundle
def total(values: Any) -> Any:
    return sum(values)


@trace.bundle
def increment(x: Any) -> Any:
    return x + 1


def reached(output: Any) -> list[Any]:
    found: list[Any] = output.backward("said").reached
    return found


def test_nodes_in_a_list_or_dict_argument_are_behind_the_result() -> None:
    """1: their parameters were lost and heard nothing."""
    a, b = trace.node(1, trainable=True), trace.node(2, trainable=True)
    z = total([a, b])
    assert z.data == 3
    assert [id(p) for p in reached(z)] == [id(a), id(b)]
    of_dict = trace.bundle(lambda table: table["a"] + table["b"])({"a": a, "b": b})
    assert [id(p) for p in reached(of_dict)] == [id(a), id(b)]


GLOBAL = trace.node(100, trainable=True, name="GLOBAL")


def test_a_global_node_read_in_a_call_is_behind_the_result() -> None:
    """1: an operation on it was lost, and reading its data was an error."""
    for body in (lambda x: x + GLOBAL, lambda x: x + GLOBAL.data, lambda x: GLOBAL):
        y = trace.bundle(body)(trace.node(1))
        assert [id(p) for p in reached(y)] == [id(GLOBAL)]
    GLOBAL.zero_feedback()


def test_a_call_that_returns_a_node_has_it_as_a_parent() -> None:
    """1: a returned node was lost."""
    a = trace.node(1, trainable=True)
    y = trace.bundle(lambda x: x * 2 and a)(5)
    assert y.data == 1
    assert [id(p) for p in reached(y)] == [id(a)]


def test_backward_takes_no_parent_from_another_output() -> None:
    """2: parents of equal value were dropped when another output had gone backward."""
    x = trace.node(1, trainable=True)
    h2 = x * 2
    h1 = x + 1
    out1 = h1 + 0
    out2 = h2 - h1
    out1.backward("fb")
    assert [id(p) for p in out2.parents] == [id(h2), id(h1)]
    assert [p.op.name for p in out2.parents] == ["mul", "add"]


def test_backward_works_on_arrays() -> None:
    """2: comparing arrays as truth values made backward fail."""
    x = trace.node(np.ones(3), trainable=True)
    y1, y2 = x + np.ones(3), x + np.ones(3)
    assert [id(p) for p in reached(y2)] == [id(x)]
    assert [id(p) for p in reached(y1 + y2)] == [id(x)]


def test_each_call_keeps_its_own_record() -> None:
    """4: the record of an earlier call showed the inputs and the failure of a later one."""
    y1 = increment(trace.node(10))
    increment(trace.node(20))
    assert y1.inputs["x"].data == 10
    assert y1.call.inputs == {"x": 10}
    with pytest.raises(TypeError):
        increment(trace.node("a"))
    y3 = increment(trace.node(30))
    assert y1.call.error is None
    assert y3.call.error is None
    assert y3.call.inputs == {"x": 30}


def test_an_array_parameter_takes_a_list_as_its_elements() -> None:
    """5: a suggested [3, 4] became an uninitialised array of that shape."""
    p = trace.node(np.array([1, 2]), trainable=True)
    p.update([3, 4])
    assert p.data.tolist() == [3, 4]
    assert p.data.dtype == np.array([1, 2]).dtype
    q = trace.node(np.array([1.0, 2.0]), trainable=True)
    q.update([0.5, 1])
    assert q.data.tolist() == [0.5, 1.0]
    with pytest.raises(ConstraintError):
        p.update([0.5, 1.5])


def test_names_never_collide_and_an_update_reaches_one_parameter() -> None:
    """6: `a1` and the eleventh `a` were shown as one variable, and one suggestion changed both."""
    p = trace.node(1, name="a1", trainable=True)
    others = [trace.node(0, name="a", trainable=i == 10) for i in range(11)]
    q = others[10]
    graph = trace.Graph.behind(total([p, *others]))
    found = [graph.name(n) for n in graph.nodes]
    assert len(found) == len(set(found))
    assert graph.named()[graph.name(p)] is p
    p.update(77)
    assert (p.data, q.data) == (77, 0)


def test_the_words_of_a_name_mean_nothing() -> None:
    """7: names with `_copy` in them were cut, so that one parameter's update landed on another."""
    headline = trace.node("h", name="ad_copy_headline", trainable=True)
    body = trace.node("b", name="ad_copy_body", trainable=True)
    y = headline + body
    graph = trace.Graph.behind(y)
    assert graph.named()["ad_copy_headline"] is headline
    assert graph.named()["ad_copy_body"] is body
    twin = copy.deepcopy(y)
    assert [p.name for p in trace.Graph.behind(twin).parameters] == ["ad_copy_headline", "ad_copy_body"]


def test_an_f_string_shows_the_value() -> None:
    """8: the node's representation stood in the prompt."""
    assert f"{trace.node('hi')}" == "hi"
    assert f"{trace.node(3):03d}" == "003"
    assert "%s" % trace.node("hi") == "hi"  # noqa: UP031
    assert json.dumps({"q": trace.node("hi")}) == '{"q": "hi"}'


def test_both_comparisons_of_a_chain_are_behind_the_call_that_made_it() -> None:
    """8: only the last comparison was kept."""
    x, low, high = trace.node(1), trace.node(0), trace.node(2)
    y = trace.bundle(lambda: "in" if low < x < high else "out")()
    assert y.data == "in"
    behind = {id(n) for n in trace.Graph.behind(y).nodes}
    assert {id(x), id(low), id(high)} <= behind


def test_equality_membership_and_truth_do_not_cut_the_graph_in_silence() -> None:
    """8: `==`, `in` and `bool` were not recorded at all."""
    p = trace.node("es", trainable=True)
    for body in (lambda: p == "es", lambda: p in ["es"], lambda: bool(p), lambda: "e" in p):
        y = trace.bundle(body)()
        assert [id(g) for g in trace.Graph.behind(y).parameters] == [id(p)]


def test_a_call_that_changes_its_argument_in_place_is_reported() -> None:
    """9: the recorded (trainable) value changed with it, unnoticed."""
    a = trace.node([1], trainable=True)
    push = trace.bundle(lambda values, v: values.append(v) or values, name="push")
    with pytest.warns(MutationWarning, match="push changed its argument 'values'"):
        push(a, 2)


def test_changing_a_recorded_value_is_refused_and_no_node_gets_into_it() -> None:
    """9: `node([1]).append(5)` stored a node inside the list."""
    n = trace.node([1])
    with pytest.raises(InPlaceError):
        n.append(trace.node(5))
    with pytest.raises(InPlaceError):
        n[0] = 5
    assert n.data == [1]


@pytest.mark.parametrize(
    ("present", "proposal"), [(3, "abc"), (True, "no"), ("txt", None), ([1, 2], "[3, 4]"), (1.5, "high")]
)
def test_a_proposal_of_another_type_is_refused_and_not_converted(present: Any, proposal: Any) -> None:
    """10: an int became 'abc', True stayed for 'no', text became 'None', a list was torn into letters."""
    p = trace.node(present, trainable=True)
    with pytest.raises(ConstraintError):
        p.update(proposal)
    assert p.data == present


@pytest.mark.parametrize("text", ["def f(x): return", "never say TERMINATE", "class", "def", "```", "{x}"])
def test_words_in_a_text_value_have_no_meaning(text: str) -> None:
    """10: prose with "def" was refused as bad code, and "TERMINATE" stopped the update, in silence."""
    p = trace.node("t", trainable=True)
    p.update(text)
    assert p.data == text


def test_what_crashed_on_ordinary_use_works() -> None:
    """12: abs, round, int, float, index use, attributes and methods of a node failed."""
    assert abs(trace.node(-3)).data == 3
    assert round(trace.node(3.7)).data == 4
    assert int(trace.node(3.7)) == 3
    assert float(trace.node(3)) == 3.0
    assert [1, 2][trace.node(0)] == 1
    assert trace.node(3 + 4j).real.data == 3.0
    assert trace.node("abc").startswith("a") is True
    assert trace.node("abc").startswith(trace.node("a")) is True


def test_numpy_and_nodes_mix_on_both_sides() -> None:
    """12: `array + node` and `array @ node` were object arrays of a node for each element."""
    node = trace.node(np.array([1.0, 2.0]))
    for result, expected in ((np.ones(2) + node, [2.0, 3.0]), (node + np.ones(2), [2.0, 3.0])):
        assert isinstance(result, trace.Node)
        assert result.data.dtype == float
        assert result.data.tolist() == expected
    product = np.ones(2) @ node
    assert product.data == 3.0
    assert product.parents[1] is node


def test_losses_with_different_feedback_accumulate() -> None:
    """17: two losses with different feedback on one parameter were an assertion error."""
    p = trace.node(1, trainable=True)
    (p + 1).backward("too low")
    (p * 2).backward("too high")
    assert [r.text for r in p.feedback.remarks] == ["too low", "too high"]


def test_feedback_may_be_an_array_and_backward_may_run_twice() -> None:
    """17: numpy feedback was a ValueError, and a second backward an AssertionError."""
    p = trace.node(1, trainable=True)
    y = p + 1
    for _ in range(2):
        y.backward(np.array([0.1, 0.2]))
    y.backward(np.float64(0.5))
    assert len(p.feedback.remarks) == 2


def test_a_rule_that_fails_is_heard_of() -> None:
    """18: a propagator that raised IndexError ended backward in silence, without feedback."""
    p = trace.node(1, trainable=True)
    with pytest.raises(IndexError):
        (p + 1).backward("said", rule=lambda node, feedback: [][0])
    assert not p.feedback


def test_a_rule_of_a_user_that_adds_up_works() -> None:
    """18: the summing propagator that came with the library was a TypeError."""
    p = trace.node(1, trainable=True)
    (p + 1 + p).backward(1.0, rule=lambda node, feedback: feedback)
    assert p.feedback.score == 1.0


def test_a_used_parameter_and_a_deep_graph_are_pickled_and_copied() -> None:
    """21: a used parameter could not be pickled, and deepcopy of a deep graph was a RecursionError."""
    x = trace.node(1, trainable=True)
    y: Any = x
    for _ in range(5_000):
        y = y + 1
    assert pickle.loads(pickle.dumps(x)).data == 1
    assert pickle.loads(pickle.dumps(y)).data == 5_001
    assert copy.deepcopy(y).data == 5_001
    assert pickle.loads(pickle.dumps(increment)) is increment


def test_the_same_program_gives_the_same_names_and_order_each_time() -> None:
    """25: ties were broken by memory address, so prompts differed from run to run."""

    def run() -> list[str]:
        p = trace.node(1, trainable=True, name="p")
        y = total([p + i for i in range(6)]) + total([p, p * 2, {"a": 3}["a"]])
        graph = trace.Graph.behind(y)
        return [graph.name(n) for n in graph.ordered] + [graph.name(e.source) for e in graph.edges]

    first = run()
    keep = [object() for _ in range(1000)]
    assert all(run() == first for _ in range(8))
    del keep


def test_backward_looks_at_each_edge_once() -> None:
    """26: backward was quadratic in the number of operations."""

    def work(n: int) -> int:
        calls = 0

        def rule(node: Any, feedback: Any) -> Any:
            nonlocal calls
            calls += 1
            return feedback

        y: Any = trace.node(0, trainable=True)
        for _ in range(n):
            y = y + y
        y.backward("said", rule=rule)
        return calls

    assert work(50) == 50
    assert work(1_000) == 1_000


def test_many_parameters_behind_one_output_cost_no_sets_of_dependencies() -> None:
    """26: 800 summed parameters kept 16 MB of dependency sets."""
    parameters = [trace.node(i, trainable=True) for i in range(800)]
    y: Any = trace.node(0)
    for p in parameters:
        y = y + p
    met: set[int] = set()
    stack, size = [y], 0
    while stack:
        at = stack.pop()
        if id(at) not in met:
            met.add(id(at))
            size += sys.getsizeof(at) + sys.getsizeof(at._args)
            stack.extend(n for n in at._args if isinstance(n, trace.Node))
    assert size < 800 * 500
    assert len(reached(y)) == 800


def test_nodes_are_freed_with_what_uses_them() -> None:
    """27: every node was kept for ever by a global registry, and outputs by the parameters behind them."""
    gc.collect()
    gc.disable()
    try:
        p = trace.node(1, trainable=True)
        outputs = [increment(p) for _ in range(200)]
        alive = [weakref.ref(y) for y in outputs]
        outputs[0].backward("said")
        outputs.clear()
        assert sum(r() is not None for r in alive) == 0
    finally:
        gc.enable()


def test_a_bundle_keeps_neither_the_variables_around_it_nor_its_last_arguments() -> None:
    """27: decoration captured all local variables, and a call its last arguments."""

    class Big:
        pass

    def make() -> tuple[Any, Any]:
        unrelated = Big()
        f = trace.bundle(lambda x: 1)
        return f, weakref.ref(unrelated)

    f, unrelated = make()
    assert unrelated() is None
    argument = Big()
    seen = weakref.ref(argument)
    f(argument)
    del argument
    assert seen() is None


def test_importing_loads_no_third_party() -> None:
    """29: importing took most of a second and loaded clients of models."""
    heavy = (
        "openai",
        "networkx",
        "sqlalchemy",
        "graphviz",
        "pydantic",
        "numpy",
        "pandas",
        "litellm",
        "httpx",
    )
    code = (
        "import sys, tracelib as t\n"
        "y = t.bundle(lambda x: x)(t.node('a', trainable=True)) + 'b'; y.backward('said')\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_parameters_in_lists_and_dicts_are_found_and_tied_ones_once_and_properties_not_run() -> None:
    """29: those in plain lists and dicts were not found, tied ones twice, and properties were executed."""

    class Agent(trace.Module):
        def __init__(self) -> None:
            self.parts = [trace.node(1, trainable=True)]
            self.table = {"k": trace.node(2, trainable=True)}
            self.whole = self.again = trace.node(3, trainable=True)

        @property
        def costly(self) -> Any:
            raise AssertionError("executed")

    assert list(Agent().named_parameters()) == ["parts.0", "table.k", "whole"]


def test_a_failing_operation_is_an_error_with_a_node() -> None:
    """12: an operation that failed surfaced as an error about something else."""
    with pytest.raises(TypeError) as caught:
        abs(trace.node("x"))
    assert isinstance(caught.value, ExecutionError)
    assert caught.value.exception_node.op == "abs"
