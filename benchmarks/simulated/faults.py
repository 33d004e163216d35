"""Four steps with a prompt each, of which one is at fault: which one has to be found before it can be mended.

Two of the three rules of that step are missing. Every step applies its own rules only, so a rule that is put
into another step's prompt does nothing.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Any

import tracelib as trace
from benchmarks.harness import Row, exactly
from benchmarks.simulated.oracle import Nature, Oracle
from benchmarks.simulated.world import RULES, answer, applied, known, prompt_with
from benchmarks.sizes import Size
from optimizers import Budget, Candidate, Credit, Pareto, Rollout, ScoreReached, Trainer
from tracelib import Feedback
from tracelib.llm.model import as_model

STEPS = ("read", "search", "reckon", "write")
OWN: Mapping[str, tuple[str, ...]] = {name: RULES[3 * n : 3 * n + 3] for n, name in enumerate(STEPS)}
ROUTES = (("read", "search"), ("read", "reckon"), ("search", "write"), ("reckon", "write"))
"""Which steps a question goes through, where the steps branch."""
QUESTIONS = {"TR": 24, "VA": 12}
"""Of train, and of validation."""
LIMIT = 3_000
"""Rollouts after which a search is given up."""


@dataclass(frozen=True)
class Task:
    """One fault: the seed decides which step has it, and what each question needs.

    Where it `branches` a question goes through two of the steps, else through all. The feedback `names` the
    step that ignored a rule, or does not.
    """

    seed: int
    branches: bool
    names: bool = False

    @property
    def faulty(self) -> str:
        return STEPS[self.seed % len(STEPS)]

    @cached_property
    def questions(self) -> Mapping[str, tuple[str, ...]]:
        """What each question of both splits needs of the steps on its way."""
        rng = random.Random(f"faults {self.seed}")
        names = [f"{split}{number:02d}" for split, size in QUESTIONS.items() for number in range(size)]
        return {name: self._needs(self.route(name), rng) for name in names}

    def _needs(self, route: tuple[str, ...], rng: random.Random) -> tuple[str, ...]:
        return tuple(rule for name in route for rule in rng.sample(OWN[name], 2))

    def route(self, question: str) -> tuple[str, ...]:
        return ROUTES[int(question[2:]) % len(ROUTES)] if self.branches else STEPS

    def examples(self, split: str) -> list[tuple[str, str]]:
        return [(name, name) for name in self.questions if name.startswith(split)]

    def judged(self, said: str, question: str) -> Feedback:
        """The share of needed rules that were applied, and those that were not."""
        needed = self.questions[question]
        missing = [rule for rule in needed if rule not in applied(said)]
        words = " ".join(f"{self._whose(rule)}need:{rule}" for rule in missing)
        text = f"wrong, the answer ignored {words}" if missing else "correct"
        return Feedback.of({"score": 1 - len(missing) / len(needed), "feedback": text})

    def _whose(self, rule: str) -> str:
        return f"{next(name for name, own in OWN.items() if rule in own)}: " if self.names else ""


class Office(trace.Module):
    """Sends a question through its steps; each adds the rules of its own that its prompt knows."""

    def __init__(self, task: Task) -> None:
        self.task = task
        for name in STEPS:
            rules = OWN[name][:1] if name == task.faulty else OWN[name]
            setattr(self, name, trace.node(prompt_with(rules), trainable=True, description=f"how to {name}"))

    def __call__(self, question: str) -> Any:
        work: Any = answer(question, ())
        for name in self.task.route(question):
            work = STEP[name](getattr(self, name), work, self.task.questions[question])
        return work


def _step(name: str) -> Any:
    def run(prompt: str, work: str, needs: tuple[str, ...]) -> str:
        added = known(prompt) & set(OWN[name]) & set(needs)
        return answer(work.split()[1], applied(work) | added)

    run.__name__ = run.__qualname__ = name
    run.__doc__ = f"{name.capitalize()}, by the rules that the prompt knows."
    return trace.bundle(run)


STEP = {name: _step(name) for name in STEPS}


def needed_by(strategy: Pareto, task: Task) -> int:
    """Rollouts until a candidate has the full score on validation; LIMIT when none had."""
    model = as_model(Oracle(Nature(seed=task.seed, fixes=0.3, rewords=True)))
    office = Office(task)
    trainer = Trainer(
        office,
        strategy,
        task.judged,
        Budget(rollouts=LIMIT),
        executor=1,
        seed=task.seed,
        llm=model,
        stopping=[ScoreReached(1.0)],
        progress=False,
    )
    return trainer.fit(task.examples("TR"), task.examples("VA")).spent.rollouts


@dataclass(frozen=True)
class Knowing:
    """Picks the step that is at fault: no picker can do better."""

    step: str

    def picker(self) -> Knowing:
        return self

    def pick(self, parent: Candidate, seen: Sequence[Rollout], rng: random.Random) -> tuple[str, ...]:
        return (self.step,)

    def learn(self, *told: object) -> None:
        """It knows all there is to know."""


LANDSCAPES: Mapping[str, tuple[str, dict[str, bool]]] = {
    "branching": ("simulated credit", {"branches": True}),
    "in a row, feedback names the step": ("simulated credit", {"branches": False, "names": True}),
    "in a row": ("simulated credit, blind", {"branches": False}),
}


def credited(size: Size) -> Iterator[Row]:
    """Rollouts of credit in those of the same search that takes one parameter after the other."""
    for name, (goal, kind) in LANDSCAPES.items():
        tasks = [Task(seed, **kind) for seed in range(size.seeds)]
        turns = fmean(needed_by(Pareto(steps=LIMIT), task) for task in tasks)
        credit = fmean(needed_by(Credit(steps=LIMIT), task) for task in tasks)
        least = fmean(needed_by(Pareto(steps=LIMIT, picking=Knowing(task.faulty)), task) for task in tasks)
        note = f"rollouts {credit:.0f}, in turn {turns:.0f}, knowing the step {least:.0f}; {len(tasks)} seeds"
        yield Row(f"simulated fault in one of four, {name}", goal, exactly(credit / turns), note)
