"""The job itself: train the librarian on questions, by search or by a model. Prints nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optimizers.budget import Budget
from optimizers.demo.agent import Librarian
from optimizers.demo.corpus import Question
from optimizers.demo.splits import Splits
from optimizers.driving.events import Callback
from optimizers.optoprime import OptoPrime
from optimizers.result import Result
from optimizers.search import LocalSearch
from optimizers.strategies.gated import Gated
from optimizers.trainer import Trainer
from tracelib.errors import NoModelError
from tracelib.graph.parameter import Parameter, bind
from tracelib.graph.tracing import stop_tracing
from tracelib.sandbox.confine import Confinement

OBJECTIVE = (
    "The program says which module of Python's standard library a sentence of its documentation comes "
    "from. Change the variables so that it names the right module for questions it has not seen."
)

BATCH = 16
"""Questions that the model is shown, and on which its proposal must do better before it goes on."""


@dataclass(frozen=True)
class Settings:
    """What the user chose. `trials` bounds the search, `calls` the questions to a model."""

    trials: int = 40
    seed: int = 0
    model: str | None = None
    calls: int = 8
    code: bool = False

    @property
    def optimizer(self) -> str:
        return "LocalSearch" if self.model is None else "OptoPrime"

    def check(self) -> None:
        """Raises NoModelError when a model was named and nothing says where it is."""
        if self.model and not (os.environ.get("OPENAI_API_KEY") or os.environ.get("OPENAI_BASE_URL")):
            raise NoModelError(
                f"--model {self.model} needs OPENAI_API_KEY, or OPENAI_BASE_URL for another server such as "
                "http://localhost:11434/v1; neither is set"
            )


def trained(agent: Librarian, splits: Splits, settings: Settings, journal: Path, watch: Callback) -> Result:
    """Train the agent, judge on the validation questions and score on those held out.

    What had ended is in the journal, and is taken from there when it exists.
    """
    trainer = _searching if settings.model is None else _asking
    return trainer(agent, splits, settings, watch).fit(
        splits.train, splits.validation, splits.test, resume=journal
    )


def right(answer: Any, module: str) -> float:
    """1 for the right module, else 0."""
    return float(answer == module)


def unrecorded(agent: Librarian) -> Callable[[Question], Any]:
    """The agent without its record, for runs that nobody looks back at: a search needs the score alone."""

    def answer(question: Question) -> Any:
        with stop_tracing():
            return agent(question)

    return answer


def values_of(agent: Librarian) -> dict[str, Parameter[Any]]:
    """The trainable values by path, without the code."""
    return {path: one for path, one in agent.named_parameters().items() if not one.is_code}


def _searching(agent: Librarian, splits: Splits, settings: Settings, watch: Callback) -> Trainer:
    return Trainer(
        unrecorded(agent),
        LocalSearch(values_of(agent), trials=settings.trials),
        right,
        executor=1,  # the work is Python's own, so that threads would only wait for each other
        callbacks=[watch],
        seed=settings.seed,
        progress=False,
    )


def _asking(agent: Librarian, splits: Splits, settings: Settings, watch: Callback) -> Trainer:
    """The code is a parameter of the optimizer only where the user wants it rewritten."""
    return Trainer(
        agent,
        OptoPrime(
            agent.named_parameters() if settings.code else values_of(agent),
            settings.model,
            OBJECTIVE,
            memory_size=4,
            sandbox=Confinement(tools=[agent.library.rarity, agent.library.places]),
        ),
        right,
        budget=Budget(calls=settings.calls),
        executor=1,
        callbacks=[watch],
        seed=settings.seed,
        strategy=Gated(batch=BATCH, steps=settings.calls, memory=4),
        progress=False,
    )


def answers(agent: Librarian, question: Question, values: Mapping[str, Any]) -> str:
    """What the agent answers with these values in place of its own."""
    own = agent.named_parameters()
    with stop_tracing(), bind({own[path]: value for path, value in values.items()}):
        return str(agent(question))
