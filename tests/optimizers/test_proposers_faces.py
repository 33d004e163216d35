"""TextGrad and OPRO as optimizers of their own: zero_feedback, backward, step."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

from proposing import Capitals, sections_of, suggested

from optimizers.opro import OPRO
from optimizers.optimizer import Optimizer
from optimizers.proposers.reflection import ReflectionPrompt
from optimizers.textgrad import TextGrad
from tracelib.testing import ScriptedModel


def shown(question: Any) -> dict[str, str]:
    return sections_of(question[1]["content"])


def is_critic(question: Any) -> bool:
    return any(title.startswith("criticised") for title in shown(question))


class Numbered:
    """A model whose critics say which step it is, and whose values are numbered."""

    def __init__(self) -> None:
        self.step = 0

    def __call__(self, question: Any) -> str:
        if is_critic(question):
            return json.dumps({"feedback": f"gradient of step {self.step}"})
        return suggested(instruct=f"Version {self.step}.")


def steps(optimizer: Optimizer, world: Capitals, model: Numbered, count: int) -> list[Any]:
    made = []
    for model.step in range(1, count + 1):
        optimizer.zero_feedback()
        optimizer.backward(
            world("What is the capital of Peru?"), {"score": model.step / 10, "feedback": "hm"}
        )
        made.append(optimizer.step())
    return made


def test_textgrad_asks_once_per_edge_towards_its_parameters_and_once_per_parameter() -> None:
    world, numbered = Capitals(), Numbered()
    model = ScriptedModel(numbered)
    (step,) = steps(TextGrad([world.instruct], model), world, numbered, 1)
    assert [is_critic(one) for one in model.questions] == [True, True, False]
    assert step.changed == {"instruct": ("Answer the question.", "Version 1.")}
    assert step.reason.startswith("instruct: because")


def test_the_last_gradients_stand_in_the_next_question() -> None:
    world, numbered = Capitals(), Numbered()
    model = ScriptedModel(numbered)
    steps(TextGrad([world.instruct], model, momentum=2), world, numbered, 4)
    last = shown(model.questions[-1])
    assert last["gradient 1 from example 1"] == "gradient of step 4"
    assert last["earlier gradient 1"] == "gradient of step 2"
    assert last["earlier gradient 2"] == "gradient of step 3"


def test_gradients_of_a_step_that_changed_nothing_are_not_kept() -> None:
    world = Capitals()
    model = ScriptedModel(
        lambda question: '{"feedback": "no"}' if is_critic(question) else suggested(instruct=["bad"])
    )
    optimizer = TextGrad([world.instruct], model, momentum=2)
    steps(optimizer, world, Numbered(), 2)
    assert not [title for one in model.questions for title in shown(one) if title.startswith("earlier")]
    assert world.instruct.data == "Answer the question."


def test_critics_of_one_depth_are_asked_at_the_same_time() -> None:
    world, barrier = Capitals(), threading.Barrier(3)

    def model(question: Any) -> str:
        if is_critic(question):
            if any(title.startswith("criticised: reply0") for title in shown(question)):
                barrier.wait(20)
            return '{"feedback": "no"}'
        return suggested(instruct="Name it.")

    optimizer = TextGrad([world.instruct], ScriptedModel(model))
    for question in ("capital of Peru?", "capital of Chad?", "capital of France?"):
        optimizer.backward(world(question), "no")
    assert optimizer.step().changed


def test_textgrad_can_be_awaited() -> None:
    world, numbered = Capitals(), Numbered()
    optimizer = TextGrad([world.instruct], ScriptedModel(numbered))
    optimizer.backward(world("capital of Peru?"), "no")
    assert asyncio.run(optimizer.astep()).changed


def test_what_critics_are_told_and_the_instruction_may_be_the_user_s_own() -> None:
    world, numbered = Capitals(), Numbered()
    model = ScriptedModel(numbered)
    optimizer = TextGrad([world.instruct], model, "Be right.", critic="Be strict.", instruction="Rewrite.")
    steps(optimizer, world, numbered, 1)
    systems = [one[0]["content"] for one in model.questions]
    assert systems == ["Be strict.\n\n# The objective\n\nBe right."] * 2 + [
        "Rewrite.\n\n# The objective\n\nBe right."
    ]


def test_opro_asks_once_and_shows_the_rounds_before_in_ascending_order_of_score() -> None:
    world, numbered = Capitals(), Numbered()
    model = ScriptedModel(numbered)
    steps(OPRO([world.instruct], model, best=3), world, numbered, 5)
    assert len(model.questions) == 5
    attempts = {title: text for title, text in shown(model.questions[-1]).items() if "attempt" in title}
    assert [text.splitlines()[0] for text in attempts.values()] == [
        'instruct = "Version 2."',
        'instruct = "Version 3."',
        'instruct = "Version 4."',
    ]
    assert "program" not in shown(model.questions[-1])


def test_opro_shows_rounds_without_scores_in_the_order_they_came() -> None:
    world, numbered = Capitals(), Numbered()
    model = ScriptedModel(numbered)
    optimizer = OPRO([world.instruct], model)
    for numbered.step in (1, 2):
        optimizer.zero_feedback()
        optimizer.backward(world("capital of Peru?"), f"said {numbered.step}")
        optimizer.step()
    assert shown(model.questions[-1])["attempt 1 of 1"] == 'instruct = "Answer the question."\nsaid 1'


def test_any_proposer_has_the_classic_face_by_optimizer_itself() -> None:
    world, numbered = Capitals(), Numbered()
    (step,) = steps(
        Optimizer([world.instruct], ReflectionPrompt, ScriptedModel(numbered)), world, numbered, 1
    )
    assert step.changed == {"instruct": ("Answer the question.", "Version 1.")}
