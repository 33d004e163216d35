"""Strategies with the proposers they were published with, over a recorded program: the laws hold."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from proposing import key_of

import tracelib as trace
from optimizers import (
    Beam,
    Bootstrap,
    Budget,
    Credit,
    Evolution,
    Gated,
    History,
    InstructionPrompt,
    Keep,
    Length,
    Mipro,
    NoCopy,
    Pareto,
    Plain,
    Trainer,
)
from tracelib.feedback.feedback import Feedback
from tracelib.testing import ScriptedModel

WORDS = ("shortly", "in capitals", "kindly", "as a list", "at length")
CITIES = {
    "Peru": "LIMA",
    "Chad": "N'DJAMENA",
    "Cuba": "HAVANA",
    "Fiji": "SUVA",
    "Iran": "TEHRAN",
    "Mali": "BAMAKO",
}
EXAMPLES = [(f"The capital of {land}?", city) for land, city in CITIES.items()]


@trace.model
class Capitals:
    """Right in capitals where the instruction or a demonstration asks for them and no style spoils it."""

    def __init__(self) -> None:
        self.instruct = trace.node("Answer {question}.", trainable=True)
        self.style = trace.node("Plainly.", trainable=True)
        self.demos = trace.node([], trainable=True)

    @trace.bundle
    def reply(self, instruct: str, demos: list[Any], question: str) -> str:
        """Answer a question."""
        city = CITIES[question.rstrip("?").split()[-1]]
        known = "capitals" in instruct or any(one["output"].isupper() for one in demos) or city > "M"
        return city if known else city.lower()

    @trace.bundle
    def polished(self, style: str, text: str) -> str:
        """Polish an answer."""
        return f"{text}, at your service" if "kindly" in style else text

    def __call__(self, question: str) -> Any:
        return self.polished(self.style, self.reply(self.instruct, self.demos, question))


def metric(output: str, expected: str) -> Feedback:
    said = "right" if output == expected else f"write it as {expected}"
    return Feedback.of({"score": float(output == expected), "feedback": said})


def chance(*parts: Any) -> int:
    """A number that depends on the content alone."""
    return int(hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:8], 16)


def model(messages: list[dict[str, Any]]) -> str:
    """What a proposer asks for, chosen by the content of the question; each fifth reply is malformed."""
    system, record = messages[0]["content"], messages[1]["content"]
    draw = chance([one["content"] for one in messages])
    if draw % 5 == 0:
        return ["", "Use this: RAW {", '{"suggestion": {"instruct": "RAW', "```\nRAW\n```"][draw // 5 % 4]
    if '"reasons"' in system:
        return json.dumps({"reasons": ["no capitals", "too plain"]})
    for key in ("summary", "description", "feedback"):
        if f'{{"{key}":' in system:
            return json.dumps({key: "It is about capitals."})
    names = re.findall(rf"^\[{key_of(record)}\] .*?variable (\w+): str$", record, re.MULTILINE)
    values = {name: f"Answer {{question}} {WORDS[(draw + place) % 5]}." for place, name in enumerate(names)}
    if draw % 7 == 0:
        values = dict.fromkeys(names, "Answer.")
    return json.dumps({"reasoning": "why not", "suggestion": values})


STRATEGIES = {
    "plain, textgrad": Plain(batch=2, steps=4, memory=2),
    "history, opro": History(proposals=2, steps=3),
    "gated, instructions": Gated(batch=2, steps=4, memory=2, proposers={"": InstructionPrompt}),
    "pareto, reflection and merge": Pareto(batch=2, steps=6, merges=3),
    "credit, reflection and merge": Credit(batch=2, steps=6, merges=3),
    "beam, protegi": Beam(width=2, steps=2, batch=3, paraphrases=1, pulls=4, sample=2),
    "evolution, evoprompt": Evolution(population=3, generations=2),
    "bootstrap, demonstrations": Bootstrap(sets=4, batch=3),
    "mipro, instructions and demonstrations": Mipro(options=3, trials=6, batch=3, bootstrap=6, every=3),
}


every = pytest.mark.parametrize("name", STRATEGIES)


def trainer(name: str, answering: Any = model, **choices: Any) -> Trainer:
    scripted = answering if isinstance(answering, ScriptedModel) else ScriptedModel(answering)
    usual = {"llm": scripted, "executor": 2, "progress": False}
    return Trainer(Capitals(), STRATEGIES[name], metric, **{**usual, **choices})


def fitted(name: str, answering: Any = model, resume: Any = None, **choices: Any) -> Any:
    return trainer(name, answering, **choices).fit(EXAMPLES[:4], EXAMPLES[4:], resume=resume)


def tried(result: Any) -> list[Any]:
    """The values of every candidate."""
    return [trial.values for trial in result.history if trial.status != "rejected"]


def told(result: Any) -> dict[str, Any]:
    """What may not depend on who ran it, nor when."""
    found = result.to_json()
    del found["spent"]["seconds"]
    return {name: value for name, value in found.items() if name != "journal"}


@every
def test_every_value_that_is_tried_was_read_from_a_reply_and_none_is_a_raw_one(name: str) -> None:
    scripted = ScriptedModel(model)
    result = fitted(name, scripted)
    assert len(tried(result)) > 1
    assert "RAW" not in json.dumps(tried(result))
    for values in tried(result):
        assert isinstance(values["instruct"], str)
        assert isinstance(values["demos"], list)
    assert result.spent.calls == len(scripted.questions)


@every
def test_the_result_is_the_same_for_any_number_of_threads_and_awaited(name: str) -> None:
    expected = told(fitted(name, executor=1))
    assert told(fitted(name, executor=8)) == expected
    awaited = trainer(name).afit(EXAMPLES[:4], EXAMPLES[4:])
    assert told(asyncio.run(awaited)) == expected


@every
def test_a_run_that_has_ended_is_found_in_its_journal_and_nothing_is_asked_again(
    name: str, tmp_path: Path
) -> None:
    first = told(fitted(name, resume=tmp_path / "run.jsonl"))
    silent = ScriptedModel([])
    assert told(fitted(name, silent, resume=tmp_path / "run.jsonl")) == first
    assert silent.questions == []


@every
def test_the_result_says_which_meta_prompts_were_asked(name: str) -> None:
    result = fitted(name)
    for kind, made in STRATEGIES[name].proposers.items():
        assert result.proposers[kind] == made(dict(Capitals().named_parameters())).version


@every
def test_calls_never_exceed_their_budget(name: str) -> None:
    for calls in (0, 1, 5):
        scripted = ScriptedModel(model)
        assert fitted(name, scripted, budget=Budget(calls=calls)).spent.calls <= calls
        assert len(scripted.questions) <= calls


@every
def test_guards_hold_over_a_whole_run(name: str) -> None:
    guards = [Keep(), Length(max_characters=60), NoCopy(examples=EXAMPLES)]
    for values in tried(fitted(name, guards=guards)):
        assert "{question}" in values["instruct"]
        assert len(values["instruct"]) <= 60


def test_the_gradients_of_earlier_steps_stand_in_later_questions_of_a_training() -> None:
    scripted = ScriptedModel(model)
    fitted("plain, textgrad", scripted)
    assert any(
        "] earlier gradient 1\nIt is about capitals." in one[1]["content"] for one in scripted.questions
    )


def test_demonstrations_of_calls_that_went_well_improve_a_program_that_reads_them() -> None:
    result = fitted("bootstrap, demonstrations")
    assert result.improved
    assert result.best["demos"]
    assert all(set(one) == {"question", "output"} for one in result.best["demos"])
