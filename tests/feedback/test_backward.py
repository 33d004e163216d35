"""Backward: feedback reaches every parameter behind the output, and changes nothing else."""

from __future__ import annotations

import time
import warnings
from typing import Any

import pytest

import tracelib as trace
from tracelib import Feedback
from tracelib.errors import GraphError, UnreachedWarning


@trace.bundle
def join(x: Any, y: Any = "") -> str:
    return f"{x} {y}"


def said(parameter: Any) -> list[str]:
    return [remark.text for remark in parameter.feedback.remarks]


def test_every_parameter_behind_the_output_hears_and_no_other() -> None:
    a, b, c = (trace.node(n, name=n, trainable=True) for n in "abc")
    other = join(c)
    report = join(join(a), b).backward("too long")
    assert said(a) == said(b) == ["too long"]
    assert said(c) == []
    assert [p.name for p in report.reached] == ["a", "b"]
    assert other.feedback is None


def test_nothing_but_parameters_is_touched() -> None:
    a = trace.node("a", trainable=True)
    middle = join(a)
    output = join(middle, "b")
    before = [(n.data, n.op, len(n.parents)) for n in trace.Graph.behind(output).nodes]
    output.backward("said")
    assert [(n.data, n.op, len(n.parents)) for n in trace.Graph.behind(output).nodes] == before
    assert middle.feedback is None
    assert output.feedback is None


def test_a_parameter_may_itself_be_the_output() -> None:
    p = trace.node("a", trainable=True)
    p.backward("said")
    assert said(p) == ["said"]


def test_backward_runs_again_and_says_the_same_remark_once() -> None:
    p = trace.node("a", trainable=True)
    y = join(p)
    y.backward("one")
    y.backward("one")
    y.backward("two")
    assert said(p) == ["one", "two"]


def test_losses_with_different_feedback_add_up_in_the_order_they_were_said() -> None:
    p, q = trace.node("p", trainable=True), trace.node("q", trainable=True)
    for i in range(3):
        join(p, i).backward(Feedback.of(f"wrong {i}", source=f"example {i}"))
    join(p, q).backward(0.5)
    assert said(p) == ["wrong 0", "wrong 1", "wrong 2", "score: 0.5"]
    assert [r.source for r in p.feedback.remarks[:3]] == ["example 0", "example 1", "example 2"]
    assert said(q) == ["score: 0.5"]


def test_a_parameter_used_many_times_hears_a_remark_once() -> None:
    p = trace.node("p", trainable=True)
    join(join(p, p), join(p)).backward("said")
    assert said(p) == ["said"]


def test_zero_feedback_forgets_and_later_feedback_is_heard() -> None:
    p = trace.node("p", trainable=True)
    y = join(p)
    y.backward("one")
    p.zero_feedback()
    assert said(p) == []
    y.backward("two")
    assert said(p) == ["two"]


def test_feedback_of_any_type_may_be_given() -> None:
    import numpy as np

    p = trace.node("p", trainable=True)
    for feedback in (np.array([1.0, 2.0]), np.float64(0.5), {"a": 1}, None, ["x", "y"], True, object):
        join(p).backward(feedback)
    assert len(p.feedback.remarks) == 7


def test_the_graph_behind_an_output_goes_backward_too() -> None:
    p = trace.node("p", trainable=True)
    report = trace.Graph.behind(join(p)).backward("said")
    assert said(p) == ["said"]
    assert report.feedback.text == "said"


def test_feedback_goes_back_from_a_failed_call() -> None:
    p = trace.node("p", trainable=True)

    @trace.bundle
    def fail(x: Any) -> Any:
        raise ValueError(x)

    with pytest.raises(ValueError, match="p") as caught:
        fail(join(p))
    caught.value.exception_node.backward(caught.value.exception_node.data)
    assert "ValueError: p" in p.feedback.text


def test_feedback_reaches_what_was_read_returned_or_made_within() -> None:
    a, b, c, d = (trace.node(n, name=n, trainable=True) for n in "abcd")

    @trace.bundle
    def agent(x: Any) -> Any:
        join(a)
        text = b.data + f"{c}"
        return [d, text, x]

    report = agent(1).backward("said")
    assert [p.name for p in report.reached] == ["a", "b", "c", "d"]


def test_a_branch_condition_carries_no_feedback() -> None:
    p, q = trace.node(5, name="p", trainable=True), trace.node(1, name="q", trainable=True)

    @trace.bundle
    def choose(x: Any) -> Any:
        if p > 3 and p == 5:
            return x + 1
        return x

    report = choose(q).backward("said")
    assert [r.name for r in report.reached] == ["q"]
    assert said(p) == []


def test_the_code_of_a_trainable_call_hears() -> None:
    @trace.bundle(trainable=True)
    def greet(name: str) -> str:
        """Say hello."""
        return f"hello {name}"

    greet("Ann").backward("say goodbye")
    assert said(greet.parameter) == ["say goodbye"]


def test_when_no_parameter_is_reached_it_warns_and_says_what_to_do() -> None:
    with pytest.warns(UnreachedWarning, match="trainable=True"):
        report = join("a").backward("said")
    assert report.reached == []


def test_the_warning_points_to_the_user_s_line() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        join("a").backward("said")
        trace.Graph.behind(join("a")).backward("said")
    assert [w.filename for w in caught] == [__file__, __file__]


def test_a_parameter_that_changed_after_the_run_hears_about_its_earlier_value() -> None:
    p = trace.node("old", trainable=True)
    y = join(p)
    p.update("new")
    y.backward("said")
    assert said(p) == ["said"]


def test_the_original_and_its_copy_each_hear_their_own() -> None:
    import copy

    p = trace.node("p", trainable=True)
    y = join(p)
    z = copy.deepcopy(y)
    z.backward("copy")
    assert said(p) == []
    y.backward("original")
    assert said(p) == ["original"]


def test_visualize_gives_a_graphviz_digraph() -> None:
    import graphviz

    p = trace.node("p", name="prompt", trainable=True)
    drawn = join(p).backward("too long", visualize=True)
    assert isinstance(drawn, graphviz.Digraph)
    assert "prompt" in drawn.source
    assert "too long" in drawn.source
    assert said(p) == ["too long"]


# scale


def chain(n: int) -> Any:
    p = trace.node(0, trainable=True)
    y: Any = p
    for _ in range(n):
        y = -y
    return p, y


@pytest.mark.parametrize("rule", [None, lambda node, feedback: feedback])
def test_a_chain_of_100_000_operations_is_walked_without_recursion(rule: Any) -> None:
    p, y = chain(100_000)
    y.backward("said", rule=rule)
    assert said(p) == ["said"]


def cost_of(build: Any, rule: Any, n: int) -> float:
    y = build(n)
    started = time.process_time()
    y.backward("said", rule=rule)
    return time.process_time() - started


def wide(n: int) -> Any:
    return trace.bundle(sum)([trace.node(i, trainable=True) for i in range(n)])


def deep(n: int) -> Any:
    return chain(n)[1]


def dag(n: int) -> Any:
    made: list[Any] = [trace.node(0.5, trainable=True) for _ in range(10)]
    for i in range(n):
        made.append(made[-1 - i % 7] + made[-1 - i % 10])
    return made[-1]


def tell_apart(node: Any, feedback: Any) -> Any:
    return dict.fromkeys(node.inputs, feedback)


@pytest.mark.parametrize("build", [wide, deep, dag])
@pytest.mark.parametrize("rule", [None, tell_apart])
def test_backward_takes_time_in_proportion_to_the_graph(build: Any, rule: Any) -> None:
    small, large = (min(cost_of(build, rule, n) for _ in range(3)) for n in (1_000, 8_000))
    assert large < small * 8 * 4 + 0.01


def test_many_losses_on_one_parameter_take_time_in_proportion_to_their_number() -> None:
    def cost(n: int) -> float:
        p = trace.node(0, trainable=True)
        outputs = [p + i for i in range(n)]
        started = time.process_time()
        for i, output in enumerate(outputs):
            output.backward(f"said {i}")
        assert len(p.feedback.remarks) == n
        return time.process_time() - started

    small, large = (min(cost(n) for _ in range(2)) for n in (300, 2_400))
    assert large < small * 8 * 4 + 0.01


def test_feedback_is_shared_and_not_copied() -> None:
    feedback = Feedback.of("said")
    parameters = [trace.node(i, trainable=True) for i in range(5)]
    trace.bundle(sum)(parameters).backward(feedback)
    assert all(p.feedback is feedback for p in parameters)


def test_backward_from_what_is_no_node_is_an_error_with_reasons() -> None:
    with pytest.raises(GraphError, match="stop_tracing"):
        trace.Graph.behind("plain").backward("said")  # type: ignore[arg-type]
