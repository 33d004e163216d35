"""The report says whom feedback reached and, of those asked about, why not."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import pytest

import tracelib as trace
from tracelib.errors import UnreachedWarning


@trace.bundle
def ask(prompt: Any, more: Any = "") -> str:
    return f"{prompt}{more}"


def reason(output: Any, parameter: Any) -> str:
    """Why a parameter heard nothing."""
    with warnings.catch_warnings(action="ignore", category=UnreachedWarning):
        report = output.backward("said").about([parameter])
    ((found, why),) = report.unreached
    assert found is parameter
    assert not parameter.feedback
    assert why in str(report)
    return why


def test_the_reached_are_in_graph_order_with_what_each_heard() -> None:
    a, b = trace.node("a", name="a", trainable=True), trace.node("b", name="b", trainable=True)
    report = ask(b, a).backward("said").about([b, a])
    assert [p.name for p in report.reached] == ["a", "b"]
    assert report.of(a).text == "said"
    assert report.unreached == ()
    assert str(report) == "feedback reached a, b"
    assert report.graph.output.op == "ask"


def test_what_a_parameter_heard_in_this_pass_is_told_from_what_it_heard_before() -> None:
    p = trace.node("p", trainable=True)
    ask(p).backward("one")
    report = ask(p).backward("two")
    assert report.of(p).text == "two"
    assert p.feedback.text == "one\ntwo"
    assert not report.of(trace.node("q", trainable=True))


def test_no_path() -> None:
    p = trace.node("p", name="p", trainable=True)
    assert reason(ask("x"), p).startswith("no path")


def test_detached_by_reading_data_in_plain_code() -> None:
    p = trace.node("p", name="p", trainable=True)
    why = reason(ask(p.data), p)
    assert why.startswith("detached")
    assert "read as a plain value" in why
    assert "pass the node itself" in why


@pytest.mark.parametrize(
    "glue",
    [
        lambda p: f"Be {p}",
        lambda p: "Be {}".format(p),  # noqa: UP032
        lambda p: "Be %s" % p if not isinstance(p, str) else f"Be {p!s}",  # noqa: UP031
        lambda p: f"Be {p!s}",
        lambda p: str(p.data),
        lambda p: f"Be {p + '!'}",
        lambda p: f"Be {(p + '!').upper()}",
        lambda p: f"Be {p.strip()}",
        lambda p: str((p + "!").data),
    ],
)
def test_detached_by_making_a_plain_string_before_the_call(glue: Any) -> None:
    p = trace.node("p", name="p", trainable=True)
    assert reason(ask(glue(p)), p).startswith("detached")


@pytest.mark.parametrize("glue", [lambda p: f"{p!s}", lambda p: f"{p + '!'}", lambda p: f"{p.strip():>9}"])
def test_a_text_that_is_formatted_alone_is_not_detached(glue: Any) -> None:
    p = trace.node("p", name="p", trainable=True)
    assert ask(glue(p)).backward("bad").reached == [p]


def test_detached_by_a_conversion_to_a_number() -> None:
    p = trace.node(5, name="p", trainable=True)
    assert reason(ask(int(p)), p).startswith("detached")
    q = trace.node(5, name="q", trainable=True)
    assert reason(ask(int(q * 2)), q).startswith("detached")


def test_detached_by_detach() -> None:
    p = trace.node("p", name="p", trainable=True)
    assert reason(ask(p.detach()), p).startswith("no path")


def test_tested_by_a_branch_in_plain_code() -> None:
    p = trace.node("es", name="p", trainable=True)
    why = reason(ask("hola" if p == "es" else "hi"), p)
    assert "compared or tested" in why
    q = trace.node(5, name="q", trainable=True)
    why = reason(ask("many" if q > 3 else "few"), q)
    assert "compared or tested" in why


def test_only_a_branch_in_a_call_read_it() -> None:
    p = trace.node("es", name="p", trainable=True)

    @trace.bundle
    def choose() -> str:
        return "hola" if p == "es" else "hi"

    why = reason(choose(), p)
    assert "only a branch condition read it" in why
    assert "choose0" in why


def test_only_a_branch_in_a_call_read_what_was_made_of_it() -> None:
    p = trace.node(5, name="p", trainable=True)

    @trace.bundle
    def choose() -> str:
        return "many" if p * 2 > 3 else "few"

    assert "only a branch condition" in reason(choose(), p)


def test_the_code_of_another_instance_was_called() -> None:
    @trace.model
    class Agent:
        @trace.bundle(trainable=True)
        def act(self, x: str) -> str:
            """Act."""
            return x

    used, unused = Agent(), Agent()
    (p,) = unused.parameters()
    assert reason(used.act("x"), p).startswith("shared by instances")


def test_a_copy_was_used() -> None:
    p = trace.node("p", name="p", trainable=True)
    why = reason(ask(copy.deepcopy(p)), p)
    assert "another parameter named p was reached" in why


def test_a_rule_passed_nothing() -> None:
    p = trace.node("p", name="p", trainable=True)
    with warnings.catch_warnings(action="ignore", category=UnreachedWarning):
        report = ask(p).backward("said", rule=lambda node, feedback: None).about([p])
    assert "a feedback rule" in report.unreached[0][1]


def test_the_first_call_after_a_read_alone_is_suspected() -> None:
    p = trace.node("p", name="p", trainable=True)
    text = f"Be {p}"
    first = ask(text)
    second = ask("x")
    assert reason(first, p).startswith("detached")
    assert reason(second, p).startswith("no path")


def test_with_nobody_reached_the_report_hints_at_what_plain_code_read() -> None:
    p = trace.node("p", name="p", trainable=True)
    with pytest.warns(UnreachedWarning, match="possible dependency"):
        report = ask(f"Be {p}").backward("said")
    assert "feedback reached nobody" in str(report)
    assert "possible dependency" in str(report)


def test_a_warning_names_the_parameter_that_only_a_branch_read() -> None:
    p = trace.node("es", name="lang", trainable=True)
    choose = trace.bundle(lambda: 1 if p == "es" else 0, name="choose")
    with pytest.warns(UnreachedWarning, match="lang was not reached: only a branch condition"):
        choose().backward("said")
