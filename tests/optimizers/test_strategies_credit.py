"""Credit: what tells parameters apart in recorded runs, and what it saves against taking turns."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from landscape import told
from landscape_credit import Tasks, mended, telling

from optimizers.budget import Budget
from optimizers.candidate import Candidate
from optimizers.evidence.evidence import Evidence, Line, Variable
from optimizers.evidence.excerpt import Excerpt
from optimizers.journal import Journal
from optimizers.policies.credit import ByCredit, CreditPicker, credits_of, points_at, reaches, shortfalls
from optimizers.rollout import Rollout
from optimizers.strategies.credit import Credit
from optimizers.strategies.pareto import Pareto
from tracelib.feedback.feedback import Feedback

NAMES = ("agent.plan", "agent.tone")
SEED = Candidate(dict.fromkeys(NAMES, ""))
LINES = (
    Line("plan0", "make_plan", (("prompt", "agent.plan"), ("task", "task0"))),
    Line("say0", "say", (("plan", "plan0"), ("tone", "agent.tone"))),
)


def run(score: float | None, *names: str, said: str = "", example: int = 0, **changes: Any) -> Rollout:
    """A run that these parameters reach."""
    variables = tuple(Variable(name, "str", Excerpt(""), "") for name in names)
    evidence = Evidence(code=LINES, variables=variables, feedback=Feedback.of(said))
    return Rollout(example, "train", score, evidence=changes.get("evidence", evidence))


def test_what_all_failing_runs_reach_and_no_other_does_has_the_most_credit() -> None:
    seen = [run(0.0, "agent.plan"), run(1.0, "agent.tone"), run(1.0, "agent.tone"), run(0.0, *NAMES)]
    credit = credits_of(NAMES, seen)
    assert credit["agent.plan"] > 4 * credit["agent.tone"]


def test_what_no_failing_run_reaches_has_no_credit() -> None:
    assert credits_of(NAMES, [run(0.0, "agent.plan"), run(1.0, "agent.tone")])["agent.tone"] == 0


def test_without_failures_or_recorded_graphs_all_are_alike() -> None:
    alike = dict.fromkeys(NAMES, 1.0)
    assert credits_of(NAMES, [run(1.0, "agent.plan")]) == alike
    assert credits_of(NAMES, [run(0.0, evidence=None)]) == alike
    assert credits_of(NAMES, []) == alike


@pytest.mark.parametrize(
    ("said", "pointed"),
    [
        ("agent.tone is too stiff", "agent.tone"),
        ("the tone is too stiff", "agent.tone"),
        ("make_plan forgot a step", "agent.plan"),
        ("make_plans or untoned or intone", None),
        ("wrong", None),
    ],
)
def test_words_point_at_parameters_and_at_the_operators_that_take_them(
    said: str, pointed: str | None
) -> None:
    found = {name: points_at(name, run(0.0, *NAMES, said=said).evidence or Evidence()) for name in NAMES}
    assert [name for name, much in found.items() if much] == ([pointed] if pointed else [])


def test_names_as_short_as_words_are_not_taken_for_mentions() -> None:
    evidence = run(0.0, "a", "is", said="it is a pity").evidence or Evidence()
    assert points_at("a", evidence) == points_at("is", evidence) == 0.0


def test_an_error_points_at_the_line_it_came_from_and_less_at_what_came_before() -> None:
    failed = (LINES[0], Line("error0", "say", LINES[1].arguments, failed=True))
    evidence = Evidence(code=failed, variables=tuple(Variable(n, "str", Excerpt(""), "") for n in NAMES))
    assert points_at("agent.tone", evidence) == 1.0
    assert points_at("agent.plan", evidence) == 0.25
    assert points_at("other", evidence) == 0.0


def test_feedback_of_its_own_points_at_a_parameter_and_silence_of_its_own_keeps_it_out() -> None:
    def heard(feedback: Feedback | None) -> Evidence:
        return Evidence(variables=(Variable("a", "str", Excerpt(""), "", heard=feedback),))

    assert points_at("a", heard(Feedback.of("be brief"))) == 1.0
    assert points_at("a", heard(None)) == 0.0
    assert reaches("a", heard(None))
    assert not reaches("a", heard(Feedback()))
    assert not reaches("a", None)


def test_runs_fall_short_by_how_far_they_are_from_perfect_and_failures_are_the_worst() -> None:
    seen = [run(1.0), run(0.5), run(0.0), run(None), run(1.5)]
    assert shortfalls(seen, 1.0) == [0.0, 0.5, 1.0, 1.0, 0.0]
    assert shortfalls(seen, None) == pytest.approx([1 / 3, 2 / 3, 1.0, 1.0, 0.0])
    assert shortfalls([run(None)], None) == [1.0]


def test_edits_in_vain_take_promise_and_one_that_helped_gives_it_back() -> None:
    picker, seen, rng = CreditPicker(), [run(0.0, *NAMES)], random.Random(0)
    first = picker.pick(SEED, seen, rng)
    picker.learn(SEED, first, None)
    second = picker.pick(SEED, seen, rng)
    assert {*first, *second} == set(NAMES)
    kid = SEED.edit({second[0]: "x"})
    picker.learn(SEED, second, kid, seen)
    assert picker.pick(kid, seen, rng) == second
    assert picker.promise(second[0]) == 2.0
    assert picker.promise(first[0]) == 0.5


def test_feedback_that_points_at_the_wrong_parameter_is_not_believed_for_ever() -> None:
    picker, seen = ByCredit().picker(), [run(0.0, *NAMES, said="mind the tone")]
    picks = []
    for _ in range(8):
        names = picker.pick(SEED, seen, random.Random(0))
        picker.learn(SEED, names, None)
        picks.append(names[0])
    assert picks[:2] == ["agent.tone"] * 2
    assert 2 <= picks.count("agent.plan") <= 4


def test_runs_of_a_candidate_are_remembered_and_those_of_its_parent_are_not() -> None:
    picker, rng = CreditPicker(), random.Random(0)
    picker.pick(SEED, [run(0.0, "agent.tone", example=n) for n in range(3)], rng)
    assert picker.pick(SEED, [run(0.0, *NAMES, example=3)], rng) == ("agent.tone",)
    kid = SEED.edit({"agent.tone": "x"})
    assert picker.pick(kid, [run(0.0, "agent.plan")], rng) == ("agent.plan",)


def test_credit_is_the_same_on_threads_and_when_its_evidence_comes_from_a_journal(tmp_path: Path) -> None:
    strategy, tasks = Credit(steps=200, merges=0), Tasks(stages=2)
    expected = told(mended(strategy, tasks, 3))
    assert told(mended(strategy, tasks, 3, executor=8)) == expected
    for rollouts in (12, 25):
        for budget in (Budget(rollouts=rollouts), Budget()):
            with Journal(tmp_path / f"{rollouts}.jsonl", {}) as journal:
                outcome = mended(strategy, tasks, 3, journal=journal, budget=budget)
        assert told(outcome) == expected


TOLD_APART = {
    "by the ways tasks take": Tasks(stages=2),
    "by errors": Tasks(strict=True),
    "by words": Tasks(metric=telling),
}


@pytest.mark.parametrize("tasks", TOLD_APART.values(), ids=TOLD_APART)
def test_credit_needs_at_most_seven_tenths_of_the_runs_that_taking_turns_needs(tasks: Tasks) -> None:
    turns, credit = (
        [mended(kind(steps=200, merges=0), tasks, number) for number in range(20)]
        for kind in (Pareto, Credit)
    )
    assert all("reached the goal" in outcome.stopped for outcome in (*turns, *credit))
    runs = [sum(outcome.spent.rollouts for outcome in found) for found in (turns, credit)]
    assert runs[1] <= 0.7 * runs[0], runs


def test_credit_does_no_worse_than_turns_where_nothing_tells_the_parameters_apart() -> None:
    runs = [
        sum(mended(kind(steps=200, merges=0), Tasks(), number).spent.rollouts for number in range(8))
        for kind in (Pareto, Credit)
    ]
    assert runs[1] <= runs[0], runs
