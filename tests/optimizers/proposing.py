"""A small program, runs of it, and every proposer with a request: what tests of proposers share."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tracelib as trace
from optimizers.candidate import Attempt, Candidate
from optimizers.effects import Consult, Propose
from optimizers.evidence.display import plain
from optimizers.evidence.evidence import evidence_of
from optimizers.proposers.code import CodePrompt
from optimizers.proposers.evolution import CrossoverPrompt, DifferencePrompt
from optimizers.proposers.instruction import DataSummary, InstructionPrompt, ProgramDescription
from optimizers.proposers.opro import OproPrompt
from optimizers.proposers.optoprime import OptoPrimePrompt
from optimizers.proposers.protegi import EditPrompt, GradientCounsel, ParaphrasePrompt
from optimizers.proposers.reflection import ReflectionPrompt
from optimizers.proposers.rules import RulePrompt
from optimizers.proposers.textgrad import TextGradPrompt
from optimizers.rollout import Rollout
from tracelib.errors import ExecutionError
from tracelib.feedback.feedback import Feedback
from tracelib.graph.graph import Graph

GOLDEN = Path(__file__).parent / "golden"
KNOWN = {"France": "paris", "Peru": "lima", "Chad": " N'Djamena "}


@trace.bundle
def reply(instruct: Any, demos: Any, question: Any) -> str:
    """Answer a question as the instruction says."""
    return KNOWN[question.rstrip("?").split()[-1]]


@trace.bundle(trainable=True)
def tidy(text: Any) -> str:
    """Make a reply fit to be shown."""
    return text.strip()


class Capitals:
    """Names capitals; to learn are an instruction, examples for it, and a function."""

    def __init__(self) -> None:
        self.instruct = trace.node(
            "Answer the question.", name="instruct", trainable=True, constraint="at most three sentences"
        )
        self.demos = trace.node([], name="demos", trainable=True, description="worked examples")
        self.tidy = trace.bundle(tidy.fn, trainable=True)
        self.parameters = {
            "instruct": self.instruct,
            "demos": self.demos,
            "tidy": self.tidy.parameter,
        }

    def __call__(self, question: str) -> Any:
        try:
            return self.tidy(reply(self.instruct, self.demos, question))
        except ExecutionError as error:
            return error.exception_node

    def run(self, question: str, said: Any, example: int = 0) -> Rollout:
        """One run with what was said about it."""
        output = self(question)
        feedback = Feedback.of(said)
        evidence = evidence_of(Graph.behind(output), feedback, self.parameters)
        error = None if feedback.score is not None else "KeyError"
        return Rollout(example, "train", feedback.score, feedback, evidence, error, str(output.data)[:40])

    def runs(self) -> tuple[Rollout, ...]:
        """A poor run, a good one, and one that failed."""
        return (
            self.run(
                "What is the capital of France?", {"score": 0.0, "feedback": "Mind the capital letter."}
            ),
            self.run("What is the capital of Chad?", {"score": 1.0, "feedback": "Right."}, 1),
            self.run("What is the capital of Oz?", "It failed.", 2),
        )

    def candidate(self, **values: Any) -> Candidate:
        present = {name: plain(parameter.data) for name, parameter in self.parameters.items()}
        return Candidate({**present, **values})


HISTORY = (
    Attempt({"instruct": "Answer briefly."}, 0.25, Feedback.of("worse")),
    Attempt({"instruct": "Name the city."}, 0.5, Feedback.of("better")),
    Attempt({"instruct": 7}, None, problem="instruct holds str, the proposal is int 7"),
)


@dataclass(frozen=True)
class Case:
    """A proposer's class, the settings it is made with and what is asked of it."""

    made: Any
    settings: Mapping[str, Any] = field(default_factory=dict)
    request: Mapping[str, Any] = field(default_factory=dict)

    def proposer(self, world: Capitals, **settings: Any) -> Any:
        return self.made(world.parameters, **{**self.settings, **settings})

    def consulted(self, world: Capitals, **more: Any) -> Consult:
        """As `asked`, for texts."""
        asked = {"candidate": world.candidate(), "evidence": world.runs(), **self.request, **more}
        return Consult(kind="any", **asked)

    def asked(self, world: Capitals, **more: Any) -> Propose:
        asked = {"candidate": world.candidate(), "evidence": world.runs(), **self.request, **more}
        return Propose(**asked)


OTHERS = tuple(
    Candidate({"instruct": text, "demos": [], "tidy": "def tidy(text):\n    return text.title()"})
    for text in ("Answer in one word.", "Name the city, no more.", "Reply with the name alone.")
)
INSTRUCT = {"names": ("instruct",)}
NOTES = {"notes": ("Questions about capitals.", "It asks a model and tidies the reply.", "Keep it short.")}

CASES = {
    "optoprime": Case(OptoPrimePrompt, request={"history": HISTORY}),
    "reflection": Case(ReflectionPrompt, request={"history": HISTORY, **INSTRUCT}),
    "opro": Case(OproPrompt, {"best": 2}, {"history": HISTORY, **INSTRUCT}),
    "edit": Case(EditPrompt, request={"notes": ("It does not say how to write names.",), **INSTRUCT}),
    "paraphrase": Case(ParaphrasePrompt, request=INSTRUCT),
    "crossover": Case(CrossoverPrompt, request={"kind": "crossover", "others": OTHERS[:1], **INSTRUCT}),
    "difference": Case(DifferencePrompt, request={"kind": "difference", "others": OTHERS}),
    "instruction": Case(InstructionPrompt, request={"history": HISTORY, **INSTRUCT, **NOTES}),
    "rule": Case(RulePrompt),
    "code": Case(CodePrompt),
}
"""The proposers that ask one question for new values."""

COUNSELS = {
    "gradient": Case(GradientCounsel, {"reasons": 2}),
    "data_summary": Case(DataSummary),
    "program_description": Case(ProgramDescription),
}
"""Those that are asked for texts."""

ANSWERS = {
    "gradient": '{"reasons": ["It is vague.", "It names no form."]}',
    "data_summary": '{"summary": "Questions about capitals."}',
    "program_description": '{"description": "It answers questions."}',
}

CONVERSATIONS = {"textgrad": Case(TextGradPrompt, {"momentum": 2}, INSTRUCT)}
"""Those that ask several questions."""


def same_as_golden(name: str, text: str) -> bool:
    """Whether a golden file says the same; TRACELIB_WRITE_GOLDEN=1 writes it anew."""
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("TRACELIB_WRITE_GOLDEN"):
        path.write_text(text + "\n", encoding="utf-8")
    return path.read_text(encoding="utf-8") == text + "\n"


def written(messages: list[dict[str, Any]]) -> str:
    """A question as a golden file holds it."""
    return "\n".join(f"=== {one['role']}\n{one['content']}" for one in messages)


def suggested(**values: Any) -> str:
    return json.dumps({"reasoning": "because", "suggestion": values})


def key_of(record: str) -> str:
    """The key that opens the sections of a record."""
    found = re.match(r"The key of this record is ([0-9a-f]{8})\.", record)
    assert found is not None
    return found[1]


def sections_of(record: str) -> dict[str, str]:
    """The sections of a record, by title."""
    parts = record.split(f"\n[{key_of(record)}] ")[1:-1]
    return dict(part.split("\n", 1) for part in parts)


def held(talk: Any, answer: Any) -> tuple[Any, list[list[Any]]]:
    """The result of a talk, and the questions of each of its rounds; `answer` is a function of a question."""
    rounds = []
    try:
        questions = next(talk)
        while True:
            rounds.append(questions)
            questions = talk.send([answer(one) for one in questions])
    except StopIteration as end:
        return end.value, rounds
