"""What is particular to each proposer that asks one question for new values."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from proposing import HISTORY, OTHERS, Capitals, sections_of, suggested
from pydantic import Field

import tracelib as trace
from optimizers.candidate import Attempt, Candidate
from optimizers.effects import Propose
from optimizers.evidence.evidence import evidence_of
from optimizers.proposers.ceilings import Ceilings
from optimizers.proposers.code import CodePrompt
from optimizers.proposers.evolution import CrossoverPrompt, DifferencePrompt
from optimizers.proposers.instruction import TIPS, InstructionPrompt
from optimizers.proposers.opro import OproPrompt
from optimizers.proposers.protegi import EditPrompt, ParaphrasePrompt, errors_in
from optimizers.proposers.reflection import ReflectionPrompt
from optimizers.proposers.rules import RulePrompt, contrast
from optimizers.rollout import Rollout
from tracelib.errors import OptimizerError
from tracelib.feedback.feedback import Feedback
from tracelib.graph.graph import Graph


def shown(prompt: Any, request: Propose) -> dict[str, str]:
    return sections_of(prompt.messages(request)[1]["content"])


def asked(world: Capitals, **more: Any) -> Propose:
    return Propose(**{"candidate": world.candidate(), "evidence": world.runs(), **more})


def rollout(score: float | None, example: int = 0) -> Rollout:
    return Rollout(example, "train", score)


# --- reflection -----------------------------------------------------------------------------------


def test_reflection_shows_of_each_example_the_calls_of_the_variables_asked_about_and_no_program() -> None:
    world = Capitals()
    sections = shown(ReflectionPrompt(world.parameters), asked(world, names=("tidy",)))
    assert (
        sections["calls of example 1"]
        == 'tidy0 used tidy\ntidy0 was given text = "paris"\ntidy0 gave "paris"'
    )
    assert "program of example 1" not in sections
    assert "outputs of example 1" not in sections
    assert sections["feedback of example 1"].startswith("Mind the capital letter.")


def test_what_the_next_call_made_of_a_text_that_a_variable_is_put_into_is_shown() -> None:
    prompt = trace.node("Name the capital of {}.", name="prompt", trainable=True)
    fill = trace.bundle(lambda prompt, of: prompt.format(of), name="fill")
    model = trace.bundle(lambda text: "Lima!", name="model")
    tidied = trace.bundle(lambda text: text.strip("!"), name="tidied")
    evidence = evidence_of(Graph.behind(tidied(model(fill(prompt, "Peru")))), "no", {"prompt": prompt})
    run = Rollout(0, "train", None, Feedback.of("no"), evidence)
    request = Propose(Candidate({"prompt": prompt.data}), (run,))
    sections = shown(ReflectionPrompt({"prompt": prompt}), request)
    assert sections["calls"].splitlines()[-2:] == [
        'fill0 gave "Name the capital of Peru."',
        'model0, given fill0, gave "Lima!"',
    ]
    assert sections["outputs"] == 'tidied0 = "Lima"'


def test_reflection_shows_what_a_variable_was_in_runs_of_another_candidate() -> None:
    world = Capitals()
    request = asked(world, candidate=world.candidate(instruct="Name it."), names=("instruct",))
    sections = shown(ReflectionPrompt(world.parameters), request)
    assert sections["variable instruct: str"] == "Name it."
    assert sections["earlier values of example 1"] == "instruct = Answer the question."


def test_many_large_examples_stay_under_the_ceilings() -> None:
    world = Capitals()
    runs = tuple(
        world.run(f"{'long ' * 300} {n} Peru?", {"score": 0.0, "feedback": "no " * 2_000}, n)
        for n in range(30)
    )
    for prompt in (ReflectionPrompt, EditPrompt, InstructionPrompt, OproPrompt, RulePrompt):
        text = prompt(world.parameters).messages(asked(world, evidence=runs))[1]["content"]
        assert len(text) < 20_000
        assert "characters cut ...]" in text


# --- opro -----------------------------------------------------------------------------------------


def test_opro_s_attempts_are_the_best_in_ascending_order_and_the_question_is_bounded() -> None:
    world = Capitals()
    history = tuple(Attempt({"instruct": f"try {n}"}, (n * 37 % 100) / 100) for n in range(100))
    prompt = OproPrompt(world.parameters, best=5)
    sections = shown(prompt, asked(world, names=("instruct",), history=history))
    attempts = [text.splitlines() for title, text in sections.items() if title.startswith("attempt")]
    assert [float(lines[1].split()[1]) for lines in attempts] == [0.95, 0.96, 0.97, 0.98, 0.99]
    sizes = [
        len(str(shown(OproPrompt(world.parameters), asked(world, names=("instruct",), history=history[:n]))))
        for n in (20, 60, 100)
    ]
    assert max(sizes) - min(sizes) < 50


def test_opro_counts_the_present_values_by_their_score_and_equal_values_once() -> None:
    world = Capitals()
    history = (Attempt({"instruct": "Answer the question."}, 0.9), *HISTORY, Attempt({"instruct": "?"}, None))
    sections = shown(OproPrompt(world.parameters), asked(world, names=("instruct",), history=history))
    attempts = [text.splitlines()[0] for title, text in sections.items() if title.startswith("attempt")]
    assert attempts == [
        'instruct = "Answer briefly."',
        'instruct = "Name the city."',
        'instruct = "Answer the question."',
    ]
    assert "score 0.5 " in sections["attempt 3 of 3"]


def test_where_room_is_short_the_best_attempts_stay() -> None:
    world = Capitals()
    history = tuple(Attempt({"instruct": f"try {n} " * 30}, n / 10) for n in range(9))
    prompt = OproPrompt(world.parameters, ceilings=Ceilings(earlier=500))
    titles = [t for t in shown(prompt, asked(world, names=("instruct",), history=history)) if "attempt" in t]
    assert titles[-1] == "attempt 10 of 10"
    assert titles == [f"attempt {n} of 10" for n in range(5, 11)]


# --- protegi --------------------------------------------------------------------------------------


def test_errors_are_the_worst_first_and_those_as_good_as_the_best_are_none() -> None:
    runs = [rollout(score, n) for n, score in enumerate([1.0, 0.5, None, 0.0, 1.0])]
    assert [one.example for one in errors_in(runs, 9)] == [2, 3, 1]
    assert [one.example for one in errors_in(runs, 2)] == [2, 3]
    assert [one.example for one in errors_in([rollout(0.5, n) for n in range(3)], 2)] == [0, 1]
    assert errors_in([], 2) == []


def test_an_edit_goes_by_its_first_note_alone() -> None:
    world = Capitals()
    sections = shown(EditPrompt(world.parameters), asked(world, notes=("too vague", "too long")))
    assert sections["reason"] == "too vague"
    assert "too long" not in str(sections)


def test_a_paraphrase_sees_no_example_and_only_texts() -> None:
    world = Capitals()
    assert ParaphrasePrompt(world.parameters).offered(asked(world)) == ("instruct", "tidy")
    assert set(shown(ParaphrasePrompt(world.parameters), asked(world, names=("instruct",)))) == {
        "variable instruct: str",
        "constraints",
    }


# --- evolution ------------------------------------------------------------------------------------


def test_each_parent_is_shown_once() -> None:
    world = Capitals()
    request = asked(world, names=("instruct",), others=(world.candidate(), OTHERS[0], OTHERS[1]))
    sections = shown(CrossoverPrompt(world.parameters), request)
    assert [text for title, text in sections.items() if title.startswith("parent")] == [
        "Answer the question.",
        "Answer in one word.",
        "Name the city, no more.",
    ]


def test_the_difference_of_two_goes_into_the_best_or_the_present_where_there_is_none() -> None:
    world = Capitals()
    for others, best in ((OTHERS, "Reply with the name alone."), (OTHERS[:2], "Answer the question.")):
        sections = shown(DifferencePrompt(world.parameters), asked(world, names=("instruct",), others=others))
        assert sections["best, variable instruct: str"] == best
        assert sections["first, variable instruct: str"] == "Answer in one word."


@pytest.mark.parametrize(("prompt", "others"), [(CrossoverPrompt, ()), (DifferencePrompt, OTHERS[:1])])
def test_too_few_candidates_to_breed_from_are_an_error(prompt: Any, others: Any) -> None:
    world = Capitals()
    with pytest.raises(OptimizerError, match="in `others`"):
        prompt(world.parameters).messages(asked(world, others=others))


def test_a_mark_of_a_cut_is_refused_wherever_it_stood_in_the_question() -> None:
    world = Capitals()
    other = OTHERS[0].edit({"instruct": "w" * 9_000})
    prompt = CrossoverPrompt(world.parameters, ceilings=Ceilings(variables=2_000))
    request = asked(world, names=("instruct",), others=(other,))
    text = shown(prompt, request)["parent 2, variable instruct: str"]
    mark = text[text.index("[...") : text.index("...]") + 4]
    assert "repeats" in str(prompt.parse(suggested(instruct=f"w{mark}w"), request).problem)
    assert prompt.parse(suggested(instruct="[... 1 of 2 characters cut ...]"), request).problem is None


# --- instruction ----------------------------------------------------------------------------------


def test_an_empty_note_is_not_shown_and_the_first_attempt_sees_no_others() -> None:
    world = Capitals()
    sections = shown(InstructionPrompt(world.parameters), asked(world, notes=("", "a program", TIPS["none"])))
    assert "data" not in sections
    assert "tip" not in sections
    assert sections["program"] == "a program"
    assert not [title for title in sections if "attempt" in title or "feedback" in title]


# --- rules ----------------------------------------------------------------------------------------


def test_the_best_and_the_worst_run_are_contrasted_and_a_failed_one_is_the_worst() -> None:
    runs = [rollout(score, n) for n, score in enumerate([0.5, None, 1.0, 0.0, 1.0])]
    assert [one.example for one in contrast(runs)] == [2, 1]
    assert [one.example for one in contrast([rollout(0.5, n) for n in range(3)])] == [0, 2]
    assert [one.example for one in contrast(runs[:1])] == [0]
    assert contrast([]) == ()


def test_a_rule_is_put_behind_the_text() -> None:
    world = Capitals()
    prompt, request = RulePrompt(world.parameters), asked(world)
    assert prompt.offered(request) == ("instruct",)
    proposal = prompt.parse(
        suggested(instruct="  If asked for a city, write its name in capitals. "), request
    )
    assert proposal.values == {
        "instruct": "Answer the question.\n\nIf asked for a city, write its name in capitals."
    }


def test_rules_are_offered_only_for_texts_that_may_grow() -> None:
    constraints = {
        "mode": Literal["fast", "deep"],
        "fast": Annotated[str, Field(max_length=9)],
        "text": Annotated[str, Field(max_length=99)],
    }
    parameters = {
        name: trace.node("fast", name=name, trainable=True, constraint=one)
        for name, one in constraints.items()
    }
    parameters["count"] = trace.node(3, name="count", trainable=True)
    request = Propose(Candidate({name: one.data for name, one in parameters.items()}))
    assert RulePrompt(parameters).offered(request) == ("text",)
    assert RulePrompt({}).offered(request) == ("mode", "fast", "text")


@pytest.mark.parametrize("rule", ["", "  \n", ["a rule"], None, 3])
def test_a_rule_that_says_nothing_is_refused(rule: Any) -> None:
    world = Capitals()
    proposal = RulePrompt(world.parameters).parse(suggested(instruct=rule), asked(world))
    assert (proposal.values, "a text that says something" in str(proposal.problem)) == ({}, True)


# --- code -----------------------------------------------------------------------------------------


def test_only_functions_are_offered_for_code_edits() -> None:
    world = Capitals()
    assert CodePrompt(world.parameters).offered(asked(world)) == ("tidy",)
    assert CodePrompt({}).offered(asked(world)) == ("tidy",)


def test_replacements_are_made_in_the_source() -> None:
    world = Capitals()
    edits = [
        {"find": "text.strip()", "replace": "text.strip().title()"},
        {"find": "title", "replace": "upper"},
    ]
    proposal = CodePrompt(world.parameters).parse(suggested(tidy=edits), asked(world))
    assert proposal.problem is None
    assert proposal.values["tidy"].endswith("    return text.strip().upper()")


@pytest.mark.parametrize(
    ("edits", "reason"),
    [
        ([{"find": "text", "replace": "x"}], "'text' occurs 2 times in the source"),
        ([{"find": "missing", "replace": "x"}], "'missing' occurs 0 times"),
        ([{"find": "", "replace": "x"}], "neither a whole source nor a list"),
        ([{"find": "a"}], "neither a whole source nor a list"),
        (["a"], "neither a whole source nor a list"),
        ([{"find": "text: Any", "replace": "text, more"}], "arguments"),
        ([{"find": "return text.strip()", "replace": "return ("}], "does not parse"),
    ],
)
def test_replacements_that_cannot_be_made_or_break_the_function_are_refused(edits: Any, reason: str) -> None:
    world = Capitals()
    proposal = CodePrompt(world.parameters).parse(suggested(tidy=edits), asked(world))
    assert proposal.values == {}
    assert reason in str(proposal.problem)
