"""Rules: how feedback passes one operator."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import pytest

import tracelib as trace
from tracelib import Feedback, define_feedback, pass_on
from tracelib.errors import GraphError


@trace.bundle
def compare(first: Any, second: Any, *rest: Any, **named: Any) -> Any:
    return first


@trace.bundle
def outer(x: Any) -> Any:
    return compare(x, HIDDEN)


HIDDEN = trace.node("hidden", name="hidden", trainable=True)


@pytest.fixture(autouse=True)
def no_rules_left() -> Iterator[None]:
    yield
    for op in (compare, outer, "add", "upper", operator.mul):
        define_feedback(op, pass_on)
    HIDDEN.zero_feedback()


def parameters(*names: str) -> list[Any]:
    return [trace.node(name, name=name, trainable=True) for name in names]


def test_a_rule_may_change_what_is_passed_to_all_inputs() -> None:
    a, b = parameters("a", "b")
    define_feedback(compare, lambda node, feedback: f"{node.op}: {feedback}")
    compare(a, b).backward("wrong")
    assert a.feedback.text == b.feedback.text == "compare: wrong"


def test_a_rule_may_tell_each_input_something_else_by_name() -> None:
    a, b, c, d = parameters("a", "b", "c", "d")
    define_feedback(
        compare, lambda node, feedback: {"first": "you won", "second": feedback, "rest[0]": 0.5, "key": "k"}
    )
    names = list(compare(a, b, c, key=d).inputs)
    define_feedback(
        compare,
        lambda node, feedback: dict(
            zip(names, ("you won", feedback, 0.5, {"score": 1, "feedback": "k"}), strict=True)
        ),
    )
    compare(a, b, c, key=d).backward("wrong")
    assert [p.feedback.text for p in (a, b, c, d)] == ["you won", "wrong", "score: 0.5", "k"]
    assert d.feedback.score == 1


def test_an_input_that_a_rule_does_not_name_hears_nothing() -> None:
    a, b = parameters("a", "b")
    define_feedback(compare, lambda node, feedback: {"first": feedback})
    report = compare(a, b).backward("said")
    assert [p.name for p in report.reached] == ["a"]
    assert not b.feedback


def test_a_rule_that_gives_none_stops_feedback() -> None:
    (a,) = parameters("a")
    define_feedback(compare, lambda node, feedback: None)
    with pytest.warns(trace.errors.UnreachedWarning):
        compare(a, 1).backward("said")
    assert not a.feedback


def test_a_rule_may_name_what_was_read_or_returned() -> None:
    (a,) = parameters("a")
    define_feedback(outer, lambda node, feedback: {name: f"via {name}" for name in node.inputs})
    outer(a).backward("said")
    assert "via x" in a.feedback.text
    assert HIDDEN.feedback.text == "via returned"


def test_a_rule_that_names_an_unknown_input_says_which_there_are() -> None:
    (a,) = parameters("a")
    define_feedback(compare, lambda node, feedback: {"third": feedback})
    with pytest.raises(GraphError, match="third; it has first, second"):
        compare(a, 1).backward("said")
    assert not a.feedback


@pytest.mark.parametrize("error", [IndexError("gone"), KeyError("k"), ValueError("v"), StopIteration()])
def test_an_error_in_a_rule_passes_with_the_name_of_the_operator_and_nobody_hears(error: Exception) -> None:
    a, b = parameters("a", "b")

    def broken(node: Any, feedback: Any) -> Any:
        raise error

    define_feedback(compare, broken)
    with pytest.raises(type(error)) as caught:
        compare(compare(a, 1) + b, 2).backward("said")
    assert "compare" in caught.value.__notes__[0]
    assert not a.feedback
    assert not b.feedback


def test_a_rule_for_one_pass_holds_where_an_operator_has_none_of_its_own() -> None:
    a, b = parameters("a", "b")
    define_feedback("add", lambda node, feedback: "from add")
    y = compare(a + "x", b)
    y.backward("said", rule=lambda node, feedback: f"from rule: {feedback}")
    assert a.feedback.text == "from add"
    assert b.feedback.text == "from rule: said"


def test_an_operator_of_python_is_found_by_name_and_by_function() -> None:
    a, b = parameters("a", "b")
    define_feedback("upper", lambda node, feedback: "from upper")
    define_feedback(operator.mul, lambda node, feedback: {"x": "from mul"})
    (a.upper() + b * 2).backward("said")
    assert a.feedback.text == "from upper"
    assert b.feedback.text == "from mul"


def test_define_feedback_works_as_a_decorator_and_gives_the_rule_back() -> None:
    (a,) = parameters("a")

    @define_feedback(compare)
    def rule(node: Any, feedback: Feedback) -> Any:
        return "decorated"

    compare(a, 1).backward("said")
    assert a.feedback.text == "decorated"
    assert rule(None, Feedback()) == "decorated"


def test_pass_on_restores_the_default() -> None:
    (a,) = parameters("a")
    define_feedback(compare, lambda node, feedback: None)
    define_feedback(compare, pass_on)
    compare(a, 1).backward("said")
    assert a.feedback.text == "said"


def test_what_is_no_operator_is_refused_with_what_there_is() -> None:
    with pytest.raises(GraphError, match="add"):
        define_feedback("no such operator", pass_on)


def test_each_remark_arrives_once_and_in_the_order_of_the_graph() -> None:
    (p,) = parameters("p")
    define_feedback(compare, lambda node, feedback: {name: f"as {name}" for name in node.inputs})
    early, late = trace.bundle(lambda x: x, name="early")(p), trace.bundle(lambda x: x, name="late")(p)
    compare(late, early, p).backward("said")
    assert [r.text for r in p.feedback.remarks][:2] == ["as second", "as first"]
    assert len(p.feedback.remarks) == 3


def test_a_rule_sees_the_node_with_its_inputs_and_hears_all_its_readers_first() -> None:
    (p,) = parameters("p")
    heard: list[tuple[str, str]] = []

    def rule(node: Any, feedback: Feedback) -> Any:
        heard.append((str(node.op), feedback.text))
        return f"{node.op}<{feedback.text}>" if node.op != "compare" else {"first": "l", "second": "r"}

    middle = p + "!"
    compare(middle.upper(), middle.lower()).backward("said", rule=rule)
    assert [h for h in heard if h[0] == "add"] == [("add", "upper<l>\nlower<r>")]
    assert p.feedback.text == "add<upper<l>\nlower<r>>"


def test_rules_for_one_bundle_leave_another_of_the_same_name_alone() -> None:
    (a,) = parameters("a")
    one = trace.bundle(lambda x: x, name="same")
    two = trace.bundle(lambda x: x, name="same")
    define_feedback(one, lambda node, feedback: None)
    two(a).backward("said")
    assert a.feedback.text == "said"
