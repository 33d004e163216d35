"""Proposers that ask several questions or none: TextGrad, counsels, merge, demonstrations."""

from __future__ import annotations

import json

import pytest
from proposing import (
    ANSWERS,
    COUNSELS,
    Capitals,
    held,
    same_as_golden,
    sections_of,
    written,
)

from optimizers.candidate import Advice
from optimizers.effects import Consult
from optimizers.proposers.instruction import DataSummary
from optimizers.proposers.protegi import GradientCounsel
from optimizers.roles import Counsel

# --- counsels -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COUNSELS)
def test_a_counsel_s_question_is_as_agreed(name: str) -> None:
    world = Capitals()
    counsel = COUNSELS[name].proposer(world)
    assert isinstance(counsel, Counsel)
    advice, rounds = held(counsel.advise(COUNSELS[name].consulted(world)), lambda asked: ANSWERS[name])
    assert advice.problem is None
    assert advice.texts
    assert [len(questions) for questions in rounds] == [1]
    assert same_as_golden(f"counsel_{name}", written(rounds[0][0]))


@pytest.mark.parametrize("name", COUNSELS)
def test_advice_that_cannot_be_read_is_asked_for_once_more_and_then_a_problem(name: str) -> None:
    world = Capitals()
    talk = COUNSELS[name].proposer(world).advise(COUNSELS[name].consulted(world))
    advice, rounds = held(talk, lambda asked: "I would rather not.")
    assert len(rounds) == 2
    assert rounds[1][0][:2] == rounds[0][0]
    assert same_as_golden(f"counsel_{name}_repair", written(rounds[1][0][2:]))
    assert advice == Advice((), "I would rather not.", "the reply holds no JSON object")


def test_gradients_are_at_most_as_many_as_asked_for_each_once() -> None:
    world = Capitals()
    counsel = GradientCounsel(world.parameters, reasons=2)
    reply = json.dumps({"reasons": ["a", " a ", "b", "c"]})
    advice, _ = held(counsel.advise(Consult(world.candidate(), "g", world.runs())), lambda asked: reply)
    assert advice.texts == ("a", "b")


def test_each_group_of_errors_is_shown_by_a_request_of_its_own() -> None:
    world = Capitals()
    runs = tuple(
        world.run("the capital of France?", {"score": n / 10, "feedback": f"no{n}"}, n) for n in range(6)
    )
    counsel = GradientCounsel(world.parameters, errors=2)
    shown = [
        [
            n
            for n in range(6)
            if f"no{n}" in written(counsel.messages(Consult(world.candidate(), "g", runs, nth)))
        ]
        for nth in range(4)
    ]
    assert shown == [[0, 1], [2, 3], [4], [0, 1]]


def test_data_is_summed_up_in_batches_each_with_the_summary_so_far() -> None:
    world = Capitals()
    runs = tuple(world.run("the capital of Peru?", {"score": 1.0, "feedback": f"r{n}"}, n) for n in range(7))
    counsel = DataSummary(world.parameters, batch=2, calls=3)
    replies = iter(['{"summary": "one"}', '{"summary": "two"}', "?", "?"])
    advice, rounds = held(
        counsel.advise(Consult(world.candidate(), "data", runs)), lambda asked: next(replies)
    )
    shown = [sections_of(questions[0][1]["content"]) for questions in rounds]
    assert [one.get("summary so far") for one in shown] == [None, "one", "two", "two"]
    assert ["r0" in str(one) for one in shown] == [True, False, False, False]
    assert ["r4" in str(one) for one in shown] == [False, False, True, True]
    assert advice.texts == ("two",)


def test_there_is_no_summary_of_no_data() -> None:
    world = Capitals()
    advice, rounds = held(DataSummary(world.parameters).advise(Consult(world.candidate(), "data")), str)
    assert (advice.texts, advice.problem, rounds) == ((), "there is no example to read", [])
