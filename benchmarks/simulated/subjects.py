"""Programs whose parameters the simulated proposer can mend, and how well they did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tracelib as trace
from benchmarks.simulated.world import SEED, World
from tracelib import Feedback
from tracelib.llm.message import system, user
from tracelib.llm.model import Model


class Clerk(trace.Module):
    """Answers questions by one prompt, which is trained; each answer is one call of the model."""

    def __init__(self, model: Model, prompt: str = SEED) -> None:
        self.model = model
        self.prompt = trace.node(prompt, trainable=True, description="the clerk's system prompt")

    def __call__(self, question: str) -> Any:
        return self.ask(self.prompt, question)

    @trace.bundle
    def ask(self, prompt: str, question: str) -> str:
        """Ask the model with the system prompt and the question."""
        return self.model.ask([system(prompt), user(question)]).text


@dataclass(frozen=True)
class Judge:
    """The metric: the share of needed rules that were applied, and the names of those that were not."""

    world: World

    def __call__(self, answer: str, question: str) -> Feedback:
        said = {
            "score": self.world.score(answer, question),
            "feedback": self.world.said_of(answer, question),
        }
        return Feedback.of(said)


def examples(world: World, split: str) -> list[tuple[str, str]]:
    """Questions as examples: what is asked, and what it is judged by."""
    return [(question, question) for question in world.questions(split)]
