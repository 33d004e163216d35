"""TextGrad: which critics are asked, what they are shown, and that momentum reaches the question."""

from __future__ import annotations

import json
from typing import Any

from proposing import CONVERSATIONS, HISTORY, Capitals, held, same_as_golden, sections_of, suggested, written

import tracelib as trace
from optimizers.candidate import Candidate, Proposal
from optimizers.effects import Propose
from optimizers.evidence.evidence import evidence_of
from optimizers.proposers.gradients import Gradient, noted_in, reason_of
from optimizers.proposers.textgrad import TextGradPrompt
from optimizers.roles import Conversation
from optimizers.rollout import Rollout
from tracelib.feedback.feedback import Feedback
from tracelib.graph.graph import Graph

FITTING = {
    "instruct": "Name the city.",
    "demos": [{"q": "a"}],
    "tidy": "def tidy(text):\n    return text[:9]",
}


def accepted(proposal: Proposal) -> Proposal:
    return proposal


def target_of(question: Any) -> str | None:
    """What a critic is asked about; None for a question that asks for a new value."""
    titles = [title for title in sections_of(question[1]["content"]) if title.startswith("criticised: ")]
    return titles[0].removeprefix("criticised: ").split(",")[0] if titles else None


def model(question: Any) -> str:
    """A critic's words name what they are about and what was heard; a variable gets its fitting value."""
    sections, target = sections_of(question[1]["content"]), target_of(question)
    if target is not None:
        return json.dumps({"feedback": f"{target}: {sections['feedback'].splitlines()[0]}"})
    name = next(title for title in sections if title.startswith("variable ")).split()[1].rstrip(":")
    return suggested(**{name: FITTING[name]})


def converse(world: Capitals, request: Propose, answer: Any = model, **settings: Any) -> Any:
    return held(TextGradPrompt(world.parameters, **settings).converse(request, accepted), answer)


def asked(world: Capitals, **more: Any) -> Propose:
    return Propose(**{"candidate": world.candidate(), "evidence": world.runs(), **more})


def test_a_critic_is_asked_about_each_edge_towards_a_variable_and_none_about_a_constant() -> None:
    world = Capitals()
    proposal, rounds = converse(world, asked(world))
    targets = [[target_of(question) for question in questions] for questions in rounds]
    near, far = ["reply0", "tidy"], ["instruct", "demos"]
    assert targets == [[*near, *near, *far], [*far, *far], [None] * 3]
    assert proposal.problem is None
    assert proposal.values == FITTING


def test_only_the_way_to_the_variables_asked_for_is_criticised() -> None:
    world = Capitals()
    _, rounds = converse(world, asked(world, names=("tidy",)))
    assert [[target_of(one) for one in questions] for questions in rounds] == [["tidy", "tidy"], [None]]


def test_what_a_later_call_s_critic_said_is_the_feedback_of_the_earlier_call() -> None:
    world = Capitals()
    _, rounds = converse(world, asked(world, evidence=world.runs()[:1], names=("instruct",)))
    (critic,) = rounds[1]
    assert sections_of(critic[1]["content"])["feedback"] == "reply0: Mind the capital letter."
    (last,) = rounds[2]
    shown = sections_of(last[1]["content"])
    assert shown["gradient 1 from example 1"] == "instruct: reply0: Mind the capital letter."


def test_the_questions_are_as_agreed() -> None:
    world = Capitals()
    case = CONVERSATIONS["textgrad"]
    conversation = case.proposer(world)
    assert isinstance(conversation, Conversation)
    earlier = reason_of([], [Gradient("instruct", f"Say {n}.") for n in range(3)])
    request = case.asked(world, notes=(earlier,), history=HISTORY)
    _, rounds = held(conversation.converse(request, accepted), model)
    for name, question in [
        ("critic", rounds[0][0]),
        ("critic_of_failure", rounds[0][2]),
        ("", rounds[-1][0]),
    ]:
        assert same_as_golden(f"textgrad_{name}".rstrip("_"), written(question))


def test_where_a_result_is_the_value_itself_the_feedback_is_passed_on_unasked() -> None:
    prompt = trace.node("p", name="prompt", trainable=True)
    inner = trace.bundle(lambda p, q: p + q, name="inner")
    output = trace.bundle(lambda q: inner(prompt, q), name="outer")("?")
    parameters = {"prompt": prompt}
    evidence = evidence_of(Graph.behind(output), "no", parameters)
    assert ("returned", "inner0") in evidence.code[-1].others
    request = Propose(Candidate({"prompt": "p"}), (Rollout(0, "train", None, Feedback.of("no"), evidence),))
    proposal, rounds = held(
        TextGradPrompt(parameters).converse(request, accepted),
        lambda question: '{"feedback": "louder"}' if target_of(question) else suggested(prompt="P"),
    )
    assert proposal.values == {"prompt": "P"}
    shown = [sections_of(one[1]["content"]) for questions in rounds[:-1] for one in questions]
    assert ("inner gave inner0", "no") in [(one["call"], one["feedback"]) for one in shown]
    assert "inner0" not in [target_of(one) for questions in rounds for one in questions]


def test_a_call_used_twice_hears_both_and_is_asked_once_it_has_heard_all() -> None:
    prompt = trace.node("p", name="prompt", trainable=True)
    first = trace.bundle(lambda p: p + "1", name="first")(prompt)
    second = trace.bundle(lambda f: f + "2", name="second")(first)
    output = trace.bundle(lambda f, s: f + s, name="last")(first, second)
    evidence = evidence_of(Graph.behind(output), "no", {"prompt": prompt})
    request = Propose(Candidate({"prompt": "p"}), (Rollout(0, "train", None, Feedback.of("no"), evidence),))
    _, rounds = held(
        TextGradPrompt({}).converse(request, accepted),
        lambda question: (
            json.dumps({"feedback": f"about {target_of(question)}"}) if target_of(question) else suggested()
        ),
    )
    targets = [[target_of(one) for one in questions] for questions in rounds]
    assert targets == [["first0", "second0"], ["first0"], ["prompt"], [None]]
    assert sections_of(rounds[2][0][1]["content"])["feedback"] == "about first0\nabout first0"


def test_what_a_rule_said_to_a_variable_is_a_gradient_of_it() -> None:
    prompt = trace.node("p", name="prompt", trainable=True)
    report = trace.bundle(lambda p: p, name="ask")(prompt).backward(
        "both", rule=lambda node, said: {"p": "mine"}
    )
    heard = {id(parameter): said for parameter, said in report.heard}
    evidence = evidence_of(report.graph, "both", {"prompt": prompt}, heard)
    request = Propose(Candidate({"prompt": "p"}), (Rollout(0, "train", None, Feedback.of("both"), evidence),))
    _, rounds = held(
        TextGradPrompt({"prompt": prompt}).converse(request, accepted),
        lambda question: '{"feedback": "louder"}' if target_of(question) else suggested(prompt="P"),
    )
    shown = sections_of(rounds[-1][0][1]["content"])
    assert (shown["gradient 1 from example 1"], shown["gradient 2 from example 1"]) == ("mine", "louder")


# --- momentum -------------------------------------------------------------------------------------


def test_the_last_gradients_of_a_parameter_stand_in_its_question() -> None:
    world = Capitals()
    notes = [
        reason_of([("instruct", "first try")], [Gradient("instruct", "old"), Gradient("demos", "not mine")]),
        "a reason of another kind\ngradient of nothing: x",
        reason_of([], [Gradient("instruct", "newer\nin two lines"), Gradient("instruct", "newest")]),
    ]
    request = asked(world, names=("instruct",), notes=tuple(notes))
    _, rounds = converse(world, request, momentum=2)
    shown = sections_of(rounds[-1][0][1]["content"])
    earlier = {title: text for title, text in shown.items() if title.startswith("earlier gradient")}
    assert earlier == {"earlier gradient 1": "newer\nin two lines", "earlier gradient 2": "newest"}
    _, every = converse(world, request)
    assert "earlier gradient 3" in sections_of(every[-1][0][1]["content"])
    _, without = converse(world, request, momentum=0)
    assert "earlier gradient" not in str(list(sections_of(without[-1][0][1]["content"])))


def test_a_proposal_s_reason_holds_its_gradients_for_the_next() -> None:
    world = Capitals()
    proposal, _ = converse(world, asked(world, names=("instruct",)))
    assert proposal.reason.splitlines()[0] == "instruct: because"
    assert [one.variable for one in noted_in([proposal.reason])] == ["instruct"] * 3
    request = asked(world, names=("instruct",), notes=(proposal.reason,))
    _, rounds = converse(world, request, momentum=3)
    shown = sections_of(rounds[-1][0][1]["content"])
    assert shown["earlier gradient 1"] == "instruct: reply0: Mind the capital letter."


# --- replies that cannot be used ------------------------------------------------------------------


def test_a_critic_that_cannot_be_read_twice_says_nothing_and_the_others_count() -> None:
    world = Capitals()

    def answer(question: Any) -> str:
        return "TERMINATE" if target_of(question) == "instruct" else model(question)

    proposal, rounds = converse(world, asked(world), answer)
    assert proposal.problem is None
    assert set(proposal.values) == {"demos", "tidy"}
    assert sum(len(questions) for questions in rounds) == 10 + 3 + 2


def test_without_any_usable_critic_there_is_no_proposal() -> None:
    world = Capitals()
    proposal, rounds = converse(world, asked(world), lambda question: "{")
    assert same_as_golden("textgrad_critic_repair", written(rounds[1][0][2:]))
    assert (proposal.values, proposal.problem) == ({}, "no critic said anything that could be used")
    assert [len(questions) for questions in rounds] == [6, 6]


def test_a_value_that_cannot_be_used_after_its_repair_leaves_its_variable_as_it_was() -> None:
    world = Capitals()

    def answer(question: Any) -> str:
        if target_of(question) is None and "variable tidy: code" in question[1]["content"]:
            return suggested(tidy="def tidy(text, more):\n    return text")
        return model(question)

    proposal, rounds = converse(world, asked(world), answer)
    assert set(proposal.values) == {"instruct", "demos"}
    assert [len(questions) for questions in rounds] == [6, 4, 3, 1]
    assert "tidy: kept, since its new value could not be used" in proposal.reason


def test_every_new_value_goes_through_the_check() -> None:
    world = Capitals()

    def refused(proposal: Proposal) -> Proposal:
        return Proposal(proposal.values, proposal.reason, proposal.reply, "not today")

    talk = TextGradPrompt(world.parameters).converse(asked(world, names=("instruct",)), refused)
    proposal, rounds = held(talk, model)
    assert (proposal.values, proposal.problem) == ({}, "instruct: not today")
    assert "not today" in rounds[-1][0][-1]["content"]


def test_rollouts_without_a_graph_are_no_errors() -> None:
    world = Capitals()
    proposal, rounds = converse(world, asked(world, evidence=(Rollout(0, "train", 0.0, Feedback.of("no")),)))
    assert rounds == []
    assert proposal.problem is not None


def test_what_critics_are_told_counts_for_the_version() -> None:
    world = Capitals()
    versions = {
        TextGradPrompt(world.parameters, **settings).version
        for settings in ({}, {"critic": "Be strict."}, {"momentum": 1}, {"instruction": "Rewrite it."})
    }
    assert len(versions) == 4
