"""A program of four stages of which one is at fault, recorded for real: how fast is the right one mended?

Each stage follows the rules in its own parameter. Two rules are missing, both in one parameter of the four,
or in two of them. A scripted proposer that is asked to change a parameter adds a rule that is missing
there with the chance P_FIX, else one that changes nothing. It is the same for every strategy and draws by
the content of the request.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from optimizers.candidate import Proposal
from optimizers.driver import Driver, Splits
from optimizers.driving.asking import Asking
from optimizers.driving.outcome import Outcome
from optimizers.effects import Propose
from optimizers.evaluating.dataset import examples_of
from optimizers.evaluating.evaluation import ProgramEvaluator
from optimizers.evaluating.subject import Subject, program_parameters
from optimizers.policies.stopping import ScoreReached
from tracelib.graph.bundle import bundle
from tracelib.graph.module import model
from tracelib.graph.node import node

STAGES = ("plan", "search", "read", "answer")
RULES = {stage: (f"{stage}-early", f"{stage}-late") for stage in STAGES}
P_FIX = 0.6
TRAIN, VALIDATION = 12, 6

Task = dict[str, list[str]]


def followed(stage: str, task: Task, rules: str) -> list[str]:
    """The rules that the task wants of a stage and the stage has; raises when it is strict and lacks one."""
    missing = [rule for rule in task.get(stage, []) if rule not in rules.split()]
    if missing and "strict" in task:
        raise ValueError(f"{len(missing)} rules are missing")
    return [rule for rule in task.get(stage, []) if rule not in missing]


@bundle
def plan(task: Task, done: list[str], rules: str) -> list[str]:
    return done + followed("plan", task, rules)


@bundle
def search(task: Task, done: list[str], rules: str) -> list[str]:
    return done + followed("search", task, rules)


@bundle
def read(task: Task, done: list[str], rules: str) -> list[str]:
    return done + followed("read", task, rules)


@bundle
def answer(task: Task, done: list[str], rules: str) -> list[str]:
    return done + followed("answer", task, rules)


@model
class Clerk:
    """Sends a task through the stages it names; the rules in `lacking` are its faults."""

    def __init__(self, lacking: Collection[str]) -> None:
        self.plan_rules = self._rules("plan", lacking)
        self.search_rules = self._rules("search", lacking)
        self.read_rules = self._rules("read", lacking)
        self.answer_rules = self._rules("answer", lacking)

    def _rules(self, stage: str, lacking: Collection[str]) -> Any:
        return node(" ".join(rule for rule in RULES[stage] if rule not in lacking), trainable=True)

    def __call__(self, task: Task) -> Any:
        done: Any = node([])
        if "plan" in task:
            done = plan(task, done, self.plan_rules)
        if "search" in task:
            done = search(task, done, self.search_rules)
        if "read" in task:
            done = read(task, done, self.read_rules)
        if "answer" in task:
            done = answer(task, done, self.answer_rules)
        return done


def quiet(output: list[str], expected: list[str]) -> tuple[float, str]:
    """The share of the rules that were followed; the words name nothing."""
    share = sum(rule in output for rule in expected) / len(expected)
    return share, f"{share:.0%} of it is right"


def telling(output: list[str], expected: list[str]) -> tuple[float, str]:
    """The share of the rules that were followed; the words name the stages that left some out."""
    lacking = {rule.partition("-")[0] for rule in expected if rule not in output}
    return quiet(output, expected)[0], "; ".join(
        f"the {stage} step left something out" for stage in sorted(lacking)
    )


@dataclass(frozen=True)
class Tasks:
    """What tells the parameters apart: how many stages a task goes through, errors, words; or nothing.

    With `apart` the two faults are in two parameters.
    """

    stages: int = 4
    strict: bool = False
    metric: Any = quiet
    apart: bool = False

    def lacking(self, number: int) -> tuple[str, str]:
        """The two rules that are missing at first."""
        stage, other = STAGES[number % 4], STAGES[(number + 1 + number // 4 % 3) % 4]
        return RULES[stage][0], RULES[other if self.apart else stage][1]

    def examples(self, count: int) -> list[tuple[Task, list[str]]]:
        """Tasks that go through every choice of so many stages, and want the rules of a stage in turn."""
        ways = list(combinations(STAGES, self.stages))
        return [
            self._example(ways[place % len(ways)], place // len(ways) + place % len(ways))
            for place in range(count)
        ]

    def _example(self, chosen: tuple[str, ...], turn: int) -> tuple[Task, list[str]]:
        task: Task = {stage: [RULES[stage][(turn + place) % 2]] for place, stage in enumerate(chosen)}
        expected = [rule for stage in chosen for rule in task[stage]]
        return ({**task, "strict": []} if self.strict else task), expected


class Mender:
    """The scripted proposer: it adds only what the tasks it is shown want, where it is asked to."""

    def choose(self, request: Propose, rng: random.Random) -> Proposal:
        (path,) = request.names
        rules = str(request.candidate.values[path]).split()
        wanted = " ".join(
            str(value.text) for one in request.evidence if one.evidence for value in one.evidence.inputs
        )
        missing = [rule for rule in RULES[path.partition("_")[0]] if rule not in rules and rule in wanted]
        right = bool(missing) and rng.random() < P_FIX
        added = missing[0] if right else f"idle-{rng.randrange(10**6)}"
        return Proposal({path: " ".join([*rules, added])}, "one rule more")


def mended(strategy: Any, tasks: Tasks, number: int, **choices: Any) -> Outcome:
    """Run until validation is perfect; the faults and all chance follow from the number."""
    program = Clerk(tasks.lacking(number))
    given = {"train": tasks.examples(TRAIN), "validation": tasks.examples(VALIDATION)}
    examples = {split: examples_of(data, split) for split, data in given.items()}
    subject = Subject(program_parameters(program))
    evaluator = ProgramEvaluator(program, tasks.metric, examples, subject)
    driver = Driver(
        evaluator,
        Asking(Mender(), None, subject.check),
        stopping=[ScoreReached(1.0)],
        seed=number,
        **{"executor": 1, **choices},
    )
    return driver.run(strategy, subject.start(), Splits(TRAIN, VALIDATION))
