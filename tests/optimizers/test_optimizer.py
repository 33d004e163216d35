"""The classic face: zero_feedback, backward, propose, step."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

import numpy as np
import pytest
from pydantic import BaseModel, Field

import tracelib as trace
from optimizers.candidate import Proposal
from optimizers.optoprime import OptoPrime
from optimizers.policies.length import Length
from tracelib.errors import (
    ConstraintError,
    ExecutionError,
    GraphError,
    ModelUnavailable,
    NoModelError,
    OptimizerError,
    SandboxUnavailable,
    UnreachedWarning,
)
from tracelib.testing import LoopbackServer, ScriptedModel


def answer(reasoning: str = "because", **values: Any) -> str:
    return json.dumps({"reasoning": reasoning, "suggestion": values})


@trace.bundle
def say(prompt: Any, query: Any) -> str:
    """Say what the prompt asks for."""
    return f"{prompt} {query}"


def prompt_node(value: str = "Hi", name: str = "prompt") -> Any:
    return trace.node(value, name=name, trainable=True)


def taught(*replies: Any, parameters: Any = None, **options: Any) -> tuple[Any, OptoPrime, ScriptedModel]:
    """A prompt, an optimizer that has heard feedback about it, and its model."""
    prompt = prompt_node()
    model = ScriptedModel(list(replies))
    optimizer = OptoPrime([prompt] if parameters is None else parameters, llm=model, **options)
    optimizer.backward(say(prompt, "Ada"), "too short")
    return prompt, optimizer, model


# --- a step ---------------------------------------------------------------------------------------


def test_a_step_asks_once_changes_the_values_and_says_what_and_why() -> None:
    prompt, optimizer, model = taught(answer("be friendlier", prompt="Hello dear"))
    step = optimizer.step()
    assert prompt.data == "Hello dear"
    assert step.changed == {"prompt": ("Hi", "Hello dear")}
    assert step.reason == "be friendlier"
    assert step.rejected is None
    assert str(step) == '1 variable changed\nprompt: "Hi" -> "Hello dear"\nbecause: be friendlier'
    assert len(model.questions) == 1


def test_a_step_can_be_undone() -> None:
    prompt, optimizer, _ = taught(answer(prompt="Hello"))
    step = optimizer.step()
    step.undo()
    assert prompt.data == "Hi"


def test_undoing_twice_or_under_a_later_change_is_refused() -> None:
    prompt, optimizer, _ = taught(answer(prompt="second"), answer(prompt="third"))
    first, second = optimizer.step(), optimizer.step()
    with pytest.raises(OptimizerError, match="Undo later steps first"):
        first.undo()
    assert prompt.data == "third"
    second.undo()
    first.undo()
    assert prompt.data == "Hi"
    with pytest.raises(OptimizerError, match="no longer holds"):
        first.undo()


def test_a_proposal_changes_nothing_until_it_is_applied() -> None:
    prompt, optimizer, _ = taught(answer(prompt="Hello"))
    proposal = optimizer.propose()
    assert proposal.values == {"prompt": "Hello"}
    assert prompt.data == "Hi"
    assert optimizer.apply(proposal).changed == {"prompt": ("Hi", "Hello")}


def test_all_parameters_are_asked_about_in_one_question() -> None:
    parameters = [prompt_node(name, name) for name in ("one", "two", "three")]
    model = ScriptedModel([answer(one="1", three="3")])
    optimizer = OptoPrime(parameters, llm=model)
    optimizer.backward(say(say(parameters[0], parameters[1]), parameters[2]), "wrong")
    step = optimizer.step()
    assert [p.data for p in parameters] == ["1", "two", "3"]
    assert list(step.changed) == ["one", "three"]
    assert len(model.questions) == 1


async def test_a_step_can_be_awaited() -> None:
    prompt, optimizer, _ = taught("no JSON", answer(prompt="Hello"))
    step = await optimizer.astep()
    assert prompt.data == "Hello"
    assert step.changed


async def test_steps_of_two_optimizers_overlap_when_awaited() -> None:
    started: list[str] = []

    async def ask(messages: list[dict[str, Any]], **params: Any) -> str:
        started.append("started")
        while len(started) < 2:
            await asyncio.sleep(0)
        return answer(prompt="Hello")

    optimizers = []
    for _ in range(2):
        prompt = prompt_node()
        optimizer = OptoPrime([prompt], llm=ask)
        optimizer.backward(say(prompt, "Ada"), "too short")
        optimizers.append(optimizer)
    steps = await asyncio.wait_for(asyncio.gather(*(one.astep() for one in optimizers)), 10)
    assert all(step.changed for step in steps)


def test_listeners_hear_who_changed_what_and_why() -> None:
    prompt, optimizer, _ = taught(answer("be friendlier", prompt="Hello"))

    class Ear:
        def __init__(self) -> None:
            self.updates: list[Any] = []

        def call_started(self, frame: Any) -> None: ...
        def call_finished(self, call: Any) -> None: ...
        def event(self, name: str, data: Any) -> None: ...
        def parameter_updated(self, update: Any) -> None:
            self.updates.append(update)

    with trace.listening(Ear()) as ear:
        optimizer.step()
    (update,) = ear.updates
    assert (update.parameter, update.new, update.because, update.by) == (
        prompt,
        "Hello",
        "be friendlier",
        "OptoPrime",
    )


def test_a_model_over_http_does_as_well() -> None:
    prompt = prompt_node()
    with LoopbackServer([answer(prompt="Hello")]) as server:
        from tracelib.llm.openai import OpenAIModel

        optimizer = OptoPrime([prompt], llm=OpenAIModel("any", base_url=server.base_url))
        optimizer.backward(say(prompt, "Ada"), "too short")
        optimizer.step()
    assert prompt.data == "Hello"


# --- nothing to change ----------------------------------------------------------------------------


def test_an_empty_suggestion_is_a_step_that_says_nothing_changed_and_why() -> None:
    prompt, optimizer, model = taught(answer("it is right already"))
    step = optimizer.step()
    assert (step.changed, step.rejected, prompt.data) == ({}, None, "Hi")
    assert str(step) == "nothing changed: no value was suggested; the reason given: it is right already"
    assert len(model.questions) == 1


def test_suggesting_the_present_value_is_a_step_that_says_so() -> None:
    _, optimizer, _ = taught(answer("keep it", prompt="Hi"))
    step = optimizer.step()
    assert step.changed == {}
    assert "the suggested values are the present ones (prompt)" in str(step)


def test_an_array_that_is_suggested_as_it_is_counts_as_unchanged() -> None:
    weights = trace.node(np.array([1, 2]), name="weights", trainable=True)
    optimizer = OptoPrime([weights], llm=ScriptedModel([answer(weights=[1, 2]), answer(weights=[3, 4])]))
    optimizer.backward(weights * 2, "too low")
    assert optimizer.step().changed == {}
    optimizer.step()
    assert type(weights.data) is np.ndarray
    assert weights.data.tolist() == [3, 4]
    assert weights.data.dtype == np.array([1, 2]).dtype


class Style(BaseModel):
    tone: str
    words: int = 10


def test_an_object_is_suggested_as_json_and_becomes_what_the_parameter_holds() -> None:
    style = trace.node(Style(tone="dry"), name="style", trainable=True)
    model = ScriptedModel(
        [answer(style={"tone": "warm", "words": "few"}), answer(style={"tone": "warm", "words": 5})]
    )
    optimizer = OptoPrime([style], llm=model)
    optimizer.backward(say(style, "Ada"), "too dry")
    step = optimizer.step()
    assert style.data == Style(tone="warm", words=5)
    assert 'variable style: Style\n{"tone": "dry", "words": 10}\n' in model.questions[0][1]["content"]
    assert "words: Input should be a valid integer" in model.questions[1][3]["content"]
    assert str(step).startswith('1 variable changed\nstyle: Style(tone="dry", words=10) -> Style(tone="warm"')


# --- replies that cannot be used ------------------------------------------------------------------


def test_an_unusable_reply_is_repaired_in_one_more_round() -> None:
    prompt, optimizer, model = taught(answer(prompt=["a", "b"]), answer(prompt="Hello"))
    step = optimizer.step()
    assert prompt.data == "Hello"
    assert step.rejected is None
    assert len(model.questions) == 2
    assert model.questions[1][2]["content"] == answer(prompt=["a", "b"])
    assert "holds str, the proposal is list ['a', 'b']" in model.questions[1][3]["content"]


def test_a_reply_that_stays_unusable_is_kept_with_the_reason_and_changes_nothing() -> None:
    prompt, optimizer, model = taught("I would say Hello.", "TERMINATE")
    step = optimizer.step()
    assert prompt.data == "Hi"
    assert step.changed == {}
    assert step.rejected is not None
    assert step.rejected.reply == "TERMINATE"
    assert step.rejected.problem == "the reply holds no JSON object"
    assert str(step) == "nothing changed: the proposal cannot be used:\nthe reply holds no JSON object"
    assert len(model.questions) == 2


def test_of_a_proposal_with_one_bad_value_nothing_is_applied() -> None:
    a, b = (
        prompt_node("a", "a"),
        trace.node(1, name="b", trainable=True, constraint=Annotated[int, Field(le=9)]),
    )
    bad = answer(a="other", b=10)
    optimizer = OptoPrime([a, b], llm=ScriptedModel([bad, bad]))
    optimizer.backward(say(a, b), "wrong")
    step = optimizer.step()
    assert (a.data, b.data) == ("a", 1)
    assert step.rejected is not None
    assert step.rejected.reply == bad


def test_words_of_a_protocol_inside_a_value_are_just_words() -> None:
    text = 'Never answer TERMINATE, nor "def f():", nor {"suggestion": {}}.'
    prompt, optimizer, _ = taught(answer(prompt=text))
    optimizer.step()
    assert prompt.data == text


@pytest.mark.parametrize(
    ("value", "suggestion"),
    [(3, "abc"), (3, 4.7), (3, True), (True, "no"), ("t", None), ([1], "[3]"), (1.5, "2")],
)
def test_a_value_of_another_type_is_never_converted(value: Any, suggestion: Any) -> None:
    parameter = trace.node(value, name="parameter", trainable=True)
    bad = answer(parameter=suggestion)
    optimizer = OptoPrime([parameter], llm=ScriptedModel([bad, bad]))
    optimizer.backward(say(parameter, "x"), "wrong")
    step = optimizer.step()
    assert parameter.data == value
    assert type(parameter.data) is type(value)
    assert step.rejected is not None


def test_applying_a_hand_made_proposal_checks_it() -> None:
    prompt, optimizer, _ = taught()
    assert optimizer.apply(Proposal({"prompt": "Hello"}, "by hand")).changed
    for wrong in (
        Proposal({"prompt": 3}),
        Proposal({"prompt": "x", "nobody": 1}),
        Proposal({}, problem="no"),
    ):
        step = optimizer.apply(wrong)
        assert step.rejected is not None
        assert step.rejected.problem
    assert prompt.data == "Hello"


def test_a_model_that_fails_leaves_everything_as_it_was() -> None:
    prompt, optimizer, _ = taught(ModelUnavailable("down"), answer(prompt="Hello"))
    with pytest.raises(ModelUnavailable):
        optimizer.step()
    assert prompt.data == "Hi"
    assert optimizer.step().changed


# --- before a model is paid -----------------------------------------------------------------------


def test_a_step_without_feedback_says_what_to_do_first() -> None:
    model = ScriptedModel([])
    with pytest.raises(OptimizerError, match=r"call backward\(output, feedback\) before"):
        OptoPrime([prompt_node()], llm=model).step()
    assert model.questions == []


def test_feedback_that_reached_no_parameter_is_an_error_that_says_why_for_each() -> None:
    used, unused = prompt_node(name="used"), prompt_node(name="unused")
    model = ScriptedModel([])
    optimizer = OptoPrime([used, unused], llm=model)
    with pytest.warns(UnreachedWarning):
        optimizer.backward(say(str(used.data), "Ada"), "wrong")
    with pytest.raises(OptimizerError) as caught:
        optimizer.step()
    text = str(caught.value)
    assert "- used: detached" in text
    assert "- unused: no path" in text
    assert model.questions == []


def test_a_step_tells_which_parameters_no_feedback_reached_and_leaves_them_out() -> None:
    prompt, unused = prompt_node(), prompt_node(name="unused")
    model = ScriptedModel([answer(unused="x"), answer(prompt="Hello")])
    optimizer = OptoPrime([prompt, unused], llm=model)
    report = optimizer.backward(say(prompt, "Ada"), "wrong")
    assert [(p.name, reason.split(":")[0]) for p, reason in report.unreached] == [("unused", "no path")]
    step = optimizer.step()
    assert list(step.unreached) == ["unused"]
    assert "no feedback reached unused: no path" in str(step)
    assert "variable unused" not in model.questions[0][1]["content"]
    assert "- unused: there is no such variable to change" in model.questions[1][3]["content"]


def test_code_that_nothing_could_run_is_refused_before_a_model_is_asked() -> None:
    @trace.bundle(trainable=True)
    def greet(name):  # type: ignore[no-untyped-def]
        return f"Hi {name}"

    prompt = prompt_node()
    model = ScriptedModel([])
    optimizer = OptoPrime([prompt, greet.parameter], llm=model, sandbox="none such")
    optimizer.backward(greet(prompt), "wrong")
    for act in (optimizer.propose, optimizer.step):
        with pytest.raises(SandboxUnavailable, match="there is no sandbox 'none such'"):
            act()
    with pytest.raises(SandboxUnavailable):
        optimizer.apply(Proposal({"greet": "def greet(name):\n    return 'x'"}))
    assert model.questions == []
    assert greet("Ada").data == "Hi Ada"


def test_without_any_model_construction_works_and_a_step_says_how_to_name_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("TRACELIB_MODEL", raising=False)
    prompt = prompt_node()
    optimizer = OptoPrime([prompt])
    optimizer.backward(say(prompt, "Ada"), "wrong")
    with pytest.raises(NoModelError, match="TRACELIB_MODEL"):
        optimizer.step()


def test_a_plain_value_cannot_be_learned_from() -> None:
    _, optimizer, _ = taught()
    with pytest.raises(GraphError, match="recorded node"):
        optimizer.backward("Hi Ada", "wrong")  # type: ignore[arg-type]


# --- its parameters -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ([], "at least one parameter"),
        (["text"], r"item 0 given to OptoPrime is no Parameter but str \"text\""),
        ([trace.node("fixed")], "a node of str"),
        ("text", "takes a list"),
        (trace.node("one", trainable=True), "put it in a list"),
    ],
)
def test_what_is_no_list_of_parameters_is_refused_in_words(parameters: Any, reason: str) -> None:
    with pytest.raises(OptimizerError, match=reason):
        OptoPrime(parameters)


def test_a_module_in_place_of_its_parameters_is_pointed_out() -> None:
    class Agent(trace.Module):
        pass

    with pytest.raises(OptimizerError, match=r"use its \.parameters\(\)"):
        OptoPrime(Agent())  # type: ignore[arg-type]


def test_a_parameter_given_twice_counts_once() -> None:
    prompt = prompt_node()
    assert list(OptoPrime([prompt, prompt]).parameters) == ["prompt"]


def test_two_parameters_of_one_name_are_told_apart_and_the_right_one_is_updated() -> None:
    one = trace.node(1, name="a1", trainable=True)
    others = [trace.node(0, name="a", trainable=True) for _ in range(3)]
    model = ScriptedModel([answer(a_2=77)])
    optimizer = OptoPrime([one, *others], llm=model)
    total = one
    for other in others:
        total = total + other
    optimizer.backward(total, "too low")
    optimizer.step()
    assert list(optimizer.parameters) == ["a1", "a", "a_2", "a_3"]
    assert [one.data, *(p.data for p in others)] == [1, 0, 77, 0]


def test_an_optimizer_shows_what_it_improves() -> None:
    assert repr(OptoPrime([prompt_node(), prompt_node(name="other")])) == "<OptoPrime of prompt, other>"


def test_a_mapping_names_the_parameters() -> None:
    prompt = prompt_node()
    optimizer = OptoPrime({"agent.prompt": prompt}, llm=ScriptedModel([answer(**{"agent.prompt": "Hello"})]))
    optimizer.backward(say(prompt, "Ada"), "wrong")
    assert optimizer.step().changed == {"agent.prompt": ("Hi", "Hello")}


def test_a_value_without_json_form_is_refused_with_the_way_out() -> None:
    odd = trace.node(object(), name="odd", trainable=True)
    optimizer = OptoPrime([odd], llm=ScriptedModel([]))
    optimizer.backward(say(odd, "x"), "wrong")
    with pytest.raises(OptimizerError, match="odd cannot be shown to a model"):
        optimizer.step()


# --- feedback -------------------------------------------------------------------------------------


def test_two_losses_keep_their_own_feedback() -> None:
    number = trace.node(1, name="number", trainable=True)
    model = ScriptedModel([answer(number=2)])
    optimizer = OptoPrime([number], llm=model)
    optimizer.backward(number + 1, "too low")
    optimizer.backward(number * 2, "too high")
    optimizer.step()
    text = model.questions[0][1]["content"]
    assert text.index("feedback of example 1\ntoo low\n") < text.index("feedback of example 2\ntoo high\n")
    assert number.feedback.text == "too low\ntoo high"


def test_zero_feedback_forgets_what_was_said() -> None:
    prompt, optimizer, model = taught(answer(prompt="Hello"))
    optimizer.zero_feedback()
    assert not prompt.feedback
    optimizer.backward(say(prompt, "Bo"), "too long")
    optimizer.step()
    assert "too short" not in model.questions[0][1]["content"]


@pytest.mark.parametrize(
    "feedback", ["wrong", 0, 0.5, True, np.float64(0.25), {"score": 1, "feedback": "good"}, ("a", "b"), None]
)
def test_any_kind_of_feedback_can_be_learned_from(feedback: Any) -> None:
    prompt = prompt_node()
    optimizer = OptoPrime([prompt], llm=ScriptedModel([answer(prompt="Hello")]))
    optimizer.backward(say(prompt, "Ada"), feedback)
    assert optimizer.step().changed


def test_memory_shows_earlier_rounds_and_no_more_of_them_than_asked() -> None:
    prompt = prompt_node("v0")
    model = ScriptedModel([answer(prompt=f"v{n}") for n in range(1, 5)])
    optimizer = OptoPrime([prompt], llm=model, memory_size=2)
    for n in range(4):
        optimizer.zero_feedback()
        optimizer.backward(say(prompt, "Ada"), {"score": n, "feedback": f"said{n}"})
        optimizer.step()
    first, last = (model.questions[n][1]["content"] for n in (0, 3))
    assert "earlier" not in first
    assert 'earlier 1 of 2\nprompt = "v1"\nsaid1\nscore 1 (higher is better)\n' in last
    assert 'earlier 2 of 2\nprompt = "v2"\nsaid2\n' in last
    assert "v0" not in last


def test_without_memory_earlier_rounds_are_not_shown() -> None:
    prompt = prompt_node("v0")
    model = ScriptedModel([answer(prompt="v1"), answer(prompt="v2")])
    optimizer = OptoPrime([prompt], llm=model)
    for _ in range(2):
        optimizer.zero_feedback()
        optimizer.backward(say(prompt, "Ada"), "no")
        optimizer.step()
    assert "v0" not in model.questions[1][1]["content"]


def test_proposing_twice_asks_the_same_question() -> None:
    _, optimizer, model = taught(answer(prompt="a"), answer(prompt="b"), memory_size=3)
    optimizer.propose()
    optimizer.propose()
    assert model.questions[0] == model.questions[1]


def test_the_objective_reaches_the_model() -> None:
    _, optimizer, model = taught(answer(), objective="Sound like a pirate.")
    optimizer.step()
    assert "Sound like a pirate." in model.questions[0][0]["content"]


def test_the_log_keeps_questions_replies_and_problems_and_is_bounded() -> None:
    _, optimizer, _ = taught(*["nothing"] * 4, answer(prompt="x"), log_size=3)
    for _ in range(2):
        optimizer.step()
    optimizer.step()
    assert [exchange.problem for exchange in optimizer.log] == ["the reply holds no JSON object"] * 2 + [None]
    assert optimizer.log[-1].reply.text == answer(prompt="x")
    assert optimizer.log[-1].messages[0]["role"] == "system"


def test_the_question_is_the_same_as_the_proposer_makes_for_the_trainer() -> None:
    _, optimizer, model = taught(answer())
    optimizer.step()
    assert optimizer.proposer_for(optimizer.parameters) == optimizer.proposer
    assert optimizer.llm is model


# --- the program of the paper's page --------------------------------------------------------------


@trace.model
class Agent:
    def __init__(self, system_prompt):  # type: ignore[no-untyped-def]
        self.system_prompt = system_prompt
        self.instruct1 = trace.node("Decide the language", trainable=True)
        self.instruct2 = trace.node("Extract name", trainable=True)

    def __call__(self, user_query):  # type: ignore[no-untyped-def]
        response = call_llm(self.system_prompt, self.instruct1, user_query)
        en_or_es = self.decide_lang(response)
        user_name = call_llm(self.system_prompt, self.instruct2, user_query)
        return self.greet(en_or_es, user_name)

    @trace.bundle(trainable=True)
    def decide_lang(self, response):  # type: ignore[no-untyped-def]
        """Map the language into a variable"""
        return

    @trace.bundle(trainable=True)
    def greet(self, lang, user_name):  # type: ignore[no-untyped-def]
        """Produce a greeting based on the language"""
        greeting = "Hola"
        return f"{greeting}, {user_name}!"


@trace.bundle
def call_llm(system_prompt: Any, instruct: Any, query: Any) -> str:
    """Ask the language model."""
    if "name" in instruct:
        return str(query).rstrip(".").split()[-1]
    return "Spanish" if "Hola" in query else "English"


GREETING = {"es": "Hola", "en": "Hello"}

LESSONS = [
    answer(
        "greet must look at lang",
        greet="def greet(self, lang, user_name):\n    return GREETING[lang] + user_name",
    ),
    answer(
        "lang is None, and the comma is missing",
        decide_lang='def decide_lang(self, response):\n    return "es" if response == "Spanish" else "en"',
        greet='def greet(self, lang, user_name):\n    return f"{GREETING[lang]}, {user_name}!"',
    ),
]


def test_the_agent_learns_from_feedback_and_from_its_own_error() -> None:
    agent = Agent("You are a sales assistant.")
    model = ScriptedModel(LESSONS)
    optimizer = OptoPrime(agent.parameters(), llm=model)
    outcomes = []
    for _ in range(3):
        try:
            greeting = agent("Hello, I am Juan.")
            feedback: Any = "Correct" if greeting.data == "Hello, Juan!" else "Incorrect"
        except ExecutionError as error:
            greeting = error.exception_node
            feedback = (greeting.data,)
        outcomes.append(feedback)
        if feedback == "Correct":
            break
        optimizer.zero_feedback()
        optimizer.backward(greeting, feedback)
        optimizer.step()
    assert outcomes[0] == "Incorrect"
    assert "KeyError: None" in outcomes[1][0]
    assert outcomes[2] == "Correct"
    assert agent("Hola, soy Ana.").data == "Hola, Ana!"
    assert "# <-- KeyError: None" in model.questions[1][1]["content"]
    assert Agent("other").greet(None, "Juan").data == "Hola, Juan!"


def test_code_with_another_signature_is_refused_and_the_old_code_runs() -> None:
    agent = Agent("s")
    bad = answer(greet="def greet(self, lang):\n    return lang")
    optimizer = OptoPrime(agent.parameters(), llm=ScriptedModel([bad, bad]))
    optimizer.backward(agent("Hola, soy Juan."), "wrong")
    step = optimizer.step()
    assert step.rejected is not None
    assert "arguments must stay" in (step.rejected.problem or "")
    assert agent("Hola, soy Juan.").data == "Hola, Juan!"
    with pytest.raises(ConstraintError):
        agent.greet.parameter.check("def greet(self, lang):\n    return lang")


def test_a_guard_sends_a_proposal_back_with_the_reason() -> None:
    prompt = prompt_node()
    old = str(prompt.data)
    model = ScriptedModel([answer(prompt="x" * 500), answer(prompt="Greet, please.")])
    optimizer = OptoPrime({"prompt": prompt}, llm=model, guards=[Length(max_characters=100)])
    optimizer.backward(trace.bundle(lambda p: p + "!")(prompt), "wrong")
    step = optimizer.step()
    assert step.changed == {"prompt": (old, "Greet, please.")}
    assert "500" in model.questions[1][-1]["content"]
    assert optimizer.log[0].problem is not None
    assert optimizer.log[1].problem is None
