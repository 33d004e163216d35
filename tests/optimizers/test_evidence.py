"""Evidence tells all of a recorded run that an improver needs, in plain data, the same every time."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from pydantic import Field

import tracelib as trace
from optimizers.evidence.display import digest_of
from optimizers.evidence.evidence import LINE_LIMIT, Evidence, constraint_text, evidence_of
from tracelib.errors import ExecutionError
from tracelib.feedback.report import hints
from tracelib.graph.graph import Graph
from tracelib.testing import ScriptedModel


@trace.bundle
def ask(instruct: Any, query: Any) -> str:
    """Ask a model."""
    return f"{instruct}: {query}"


@trace.bundle
def join(parts: Any) -> str:
    return " ".join(parts)


@trace.bundle(trainable=True)
def shout(text: Any) -> str:
    """Say it loudly."""
    return str(text).upper()


@trace.bundle
def count(text: Any) -> int:
    if not text:
        raise ValueError("nothing to count")
    return len(text)


def seen(output: Any, feedback: Any = "", **parameters: Any) -> Evidence:
    return evidence_of(Graph.behind(output), feedback, parameters)


def lines(evidence: Evidence) -> list[str]:
    return [
        f"{line.name} = {line.operator}({', '.join(f'{name}={source}' for name, source in line.arguments)})"
        for line in evidence.code
    ]


def test_calls_become_lines_in_which_every_value_has_a_name() -> None:
    prompt = trace.node("Name?", name="prompt", trainable=True)
    evidence = seen(join([ask(prompt, "I am Ada"), "!"]), "good", prompt=prompt)
    assert lines(evidence) == ["ask0 = ask(instruct=prompt, query=c0)", "join0 = join(parts[0]=ask0)"]
    assert [(value.name, str(value.text)) for value in evidence.inputs] == [("c0", '"I am Ada"')]
    assert [(value.name, str(value.text)) for value in evidence.others] == [("ask0", '"Name?: I am Ada"')]
    assert [(value.name, str(value.text)) for value in evidence.outputs] == [("join0", '"Name?: I am Ada !"')]
    assert evidence.feedback.text == "good"


@pytest.mark.parametrize("listed", [True, False])
def test_a_program_s_docstring_is_no_documentation_where_it_is_the_variable(listed: bool) -> None:
    model = ScriptedModel(lambda messages: "Ada")

    @trace.lm(model=model, trainable=True)
    def name_of(letter: str) -> str:
        """Find the name."""
        return letter

    (prompt,) = name_of.parameters()
    evidence = seen(name_of("I am Ada"), "good", **({"prompt": prompt} if listed else {}))
    assert evidence.documentation == (() if listed else (("name_of", "Find the name."),))


def test_documentation_tells_each_function_once_and_python_s_own_not_at_all() -> None:
    a = trace.node(1, name="a", trainable=True)
    evidence = seen(ask(a + 1, 2) + ask(a, 3), a=a)
    assert evidence.documentation == (("ask", "Ask a model."),)


def test_the_code_of_a_function_is_a_variable_and_no_argument() -> None:
    evidence = seen(shout("hello"), shout=shout.parameter)
    (line,) = evidence.code
    (variable,) = evidence.variables
    assert line.arguments == (("text", "c0"),)
    assert line.others == (("code", "shout"),)
    assert variable.is_code
    assert variable.kind == "code"
    assert str(variable.value).startswith("def shout(text: Any) -> str:")
    assert evidence.documentation == ()


def test_code_that_is_not_to_be_changed_is_an_input() -> None:
    a = trace.node("x", name="a", trainable=True)
    evidence = seen(shout(a), a=a)
    assert [variable.name for variable in evidence.variables] == ["a"]
    assert [value.name for value in evidence.inputs] == ["shout"]


def test_equal_constants_are_named_and_shown_once() -> None:
    long = "x" * 500
    a = trace.node("a", name="a", trainable=True)
    evidence = seen(ask(ask(a, long), "x" * 250 + "x" * 250) + str(long), a=a)
    assert [value.name for value in evidence.inputs] == ["c0"]
    assert [dict(line.arguments)["query"] for line in evidence.code if line.operator == "ask"] == ["c0", "c0"]


def test_constants_of_other_types_are_not_taken_for_equal() -> None:
    a = trace.node(2, name="a", trainable=True)
    evidence = seen(ask(ask(a * 1, 1.0), True), a=a)
    assert [str(value.text) for value in evidence.inputs] == ["1", "1.0", "True"]


def test_names_are_unique_whatever_the_user_calls_things() -> None:
    parameter = trace.node("p", name="ask0", trainable=True)
    named = trace.node("n", name="c0")
    evidence = seen(ask(ask(parameter, named), "plain constant"), ask0=parameter)
    names = [line.name for line in evidence.code] + [value.name for value in evidence.inputs]
    assert len({*names, "ask0"}) == len(names) + 1
    assert [variable.name for variable in evidence.variables] == ["ask0"]


def test_two_parameters_of_one_name_stay_two() -> None:
    one, two = (trace.node(value, name="same", trainable=True) for value in (1, 2))
    evidence = seen(ask(one, two), first=one, second=two)
    assert lines(evidence) == ["ask0 = ask(instruct=first, query=second)"]
    assert [(v.name, str(v.value)) for v in evidence.variables] == [("first", "1"), ("second", "2")]


def test_a_name_is_one_line() -> None:
    query = trace.node("q", name="two\nlines")
    a = trace.node("a", name="a", trainable=True)
    assert [value.name for value in seen(ask(a, query), a=a).inputs] == ["two lines"]


def test_variables_have_the_values_of_the_time_of_recording() -> None:
    prompt = trace.node("old", name="prompt", trainable=True)
    output = ask(prompt, "q")
    prompt.update("new")
    (variable,) = seen(output, prompt=prompt).variables
    assert (str(variable.value), variable.digest) == ("old", digest_of("old"))


def test_a_bound_value_is_the_one_that_was_run() -> None:
    prompt = trace.node("own", name="prompt", trainable=True)
    with trace.bind({prompt: "bound"}):
        output = ask(prompt, "q")
    (variable,) = seen(output, prompt=prompt).variables
    assert str(variable.value) == "bound"


def test_a_failed_call_is_marked_and_its_source_kept() -> None:
    a = trace.node("", name="a", trainable=True)
    with pytest.raises(ExecutionError) as caught:
        count(a)
    evidence = seen(caught.value.exception_node, "it failed", a=a)
    assert [line.failed for line in evidence.code] == [True]
    (error,) = evidence.errors
    assert 'raise ValueError("nothing to count")  # <-- ValueError: nothing to count' in str(error.text)


def test_calls_inside_a_call_and_values_read_by_it_are_named_behind_it() -> None:
    a = trace.node("a", name="a", trainable=True)
    glob = trace.node("g", name="glob")

    @trace.bundle
    def outer(x: Any) -> str:
        ask(x, "inside")
        return str(x) + str(glob.data)

    evidence = seen(outer(a), a=a)
    assert dict(evidence.code[-1].others) == {"read": "glob", "within": "ask0"}


def test_a_cut_value_says_how_much_is_missing() -> None:
    a = trace.node("a", name="a", trainable=True)
    evidence = seen(ask(a, "y" * 100_000), a=a)
    (value,) = evidence.inputs
    assert "of 100,002 characters cut" in str(value.text)
    assert len(str(value.text)) <= 2_000


def test_constraints_are_words_or_a_schema() -> None:
    assert constraint_text("at most ten words") == "at most ten words"
    assert constraint_text(None) is None
    assert constraint_text(Annotated[float, Field(ge=0, le=1)]) == (
        'JSON schema {"maximum": 1, "minimum": 0, "type": "number"}'
    )
    assert constraint_text(Literal["a"]) == 'JSON schema {"const": "a", "type": "string"}'


def test_a_numpy_parameter_is_evidence_too() -> None:
    weights = trace.node(np.array([1.0, 2.0]), name="weights", trainable=True)
    (variable,) = seen(weights * 2, weights=weights).variables
    assert variable.kind == "ndarray of float64, shape (2,)"
    assert variable.digest == digest_of([1.0, 2.0])


def test_what_a_rule_said_to_one_variable_is_kept_apart() -> None:
    a, b = (trace.node(name, name=name, trainable=True) for name in "ab")
    output = ask(a, b)
    report = output.backward("both", rule=lambda node, said: {"instruct": "only a", "query": said})
    heard = {id(parameter): said for parameter, said in report.heard}
    evidence = evidence_of(report.graph, "both", {"a": a, "b": b}, heard)
    assert [v.heard.text if v.heard else None for v in evidence.variables] == ["only a", None]


def test_a_parameter_that_heard_nothing_is_no_variable() -> None:
    a, b = (trace.node(name, name=name, trainable=True) for name in "ab")
    report = ask(a, b).backward("x", rule=lambda node, said: {"instruct": said})
    heard = {id(parameter): said for parameter, said in report.heard}
    evidence = evidence_of(report.graph, "x", {"a": a, "b": b}, heard)
    assert [variable.name for variable in evidence.variables] == ["a"]


def test_operations_off_the_paths_are_counted_and_ranked_behind() -> None:
    a = trace.node(1, name="a", trainable=True)
    side = trace.node(1, name="side")
    for _ in range(5):
        side = side + 1
    evidence = seen((a + side) * 2, a=a)
    assert (evidence.on_path, evidence.off_path) == (2, 5)
    assert [line.rank[0] for line in evidence.code] == [5, 4, 3, 2, 1, 0, 0]


def test_of_a_huge_graph_the_lines_nearest_to_the_paths_are_kept() -> None:
    a = trace.node(1, name="a", trainable=True)
    side = trace.node(1, name="side")
    for _ in range(3 * LINE_LIMIT):
        side = side + 1
    evidence = seen(a + side, a=a)
    assert len(evidence.code) == LINE_LIMIT
    assert (evidence.on_path, evidence.off_path) == (1, 3 * LINE_LIMIT)
    assert evidence.code[-1].rank == (0, 0)
    assert len(json.dumps(evidence.to_json())) < 300_000


def test_evidence_goes_to_json_and_back() -> None:
    a = trace.node("", name="a", trainable=True, description="the text", constraint=Literal["x", ""])
    with pytest.raises(ExecutionError) as caught:
        count(ask(a, "y" * 3_000) and a)
    evidence = seen(caught.value.exception_node, {"score": 0.5, "feedback": ["one", "two"]}, a=a)
    assert Evidence.from_json(json.loads(json.dumps(evidence.to_json()))) == evidence
    assert replace(evidence, on_path=7) != evidence


def test_threads_do_not_change_the_order() -> None:
    a = trace.node("a", name="a", trainable=True)

    def run(order: list[int]) -> Evidence:
        answers: dict[int, Any] = {}
        calls = [trace.wrap(lambda i=i: answers.setdefault(i, ask(a, f"q{i}"))) for i in range(4)]
        for i in order:
            thread = threading.Thread(target=calls[i])
            thread.start()
            thread.join()
        return seen(join([answers[i] for i in range(4)]), a=a)

    assert run([0, 1, 2, 3]) == run([3, 1, 0, 2])


def test_reading_a_graph_is_no_use_of_its_values() -> None:
    a = trace.node("a", name="a", trainable=True)
    output = ask(a, "q")
    count("ends what was read before")
    seen(output, a=a)
    assert hints(Graph.behind(count("next"))) == []
    assert output.data
    assert hints(Graph.behind(count("the same reading by the user is noticed"))) != []
