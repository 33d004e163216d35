"""How many runs and model calls each strategy takes: the formulas of its docstring, counted in real runs.

V is the size of validation, b of a minibatch. The driver itself runs the seed on validation, and the
winner when the strategy did not; nothing else is taken.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from landscape import OTHERS, Counted, Writer

from optimizers.candidate import Candidate
from optimizers.driver import Driver, Splits
from optimizers.driving.asking import Asking
from optimizers.driving.outcome import Outcome
from optimizers.effects import Job
from optimizers.rollout import Rollout
from optimizers.strategies.credit import Credit
from optimizers.strategies.gated import Gated
from optimizers.strategies.history import History
from optimizers.strategies.pareto import Pareto
from optimizers.strategies.plain import Plain
from tracelib.testing import ScriptedModel

SEED = Candidate({"a": 0, "b": 0})
T, V = 60, 7
SPLITS = Splits(train=T, validation=V)


def rising(job: Job) -> Rollout:
    """Every new value is better than those before it."""
    return Rollout(job.example, job.split, 10.0 + sum(job.candidate.values.values()))


def falling(job: Job) -> Rollout:
    """Every new value is worse than those before it."""
    return Rollout(job.example, job.split, -float(sum(job.candidate.values.values())))


class Fresh:
    """A model whose every reply is new: the values grow by one more each time; advice is two texts."""

    def __init__(self) -> None:
        self.replies = 0

    def __call__(self, messages: list[dict[str, Any]]) -> str:
        self.replies += 1
        asked = json.loads(messages[0]["content"])
        if "names" not in asked:
            return json.dumps([f"one {self.replies}", f"two {self.replies}"])
        return json.dumps({name: asked["values"][name] + self.replies for name in asked["names"] or ["a"]})


@dataclass(frozen=True)
class Count:
    """What a run took."""

    runs: int
    calls: int
    outcome: Outcome


def counted(strategy: Any, evaluate: Any, splits: Splits = SPLITS, seed: int = 0) -> Count:
    """Run a strategy on one thread, and count at the evaluator and at the model."""
    runs, model = Counted(evaluate), ScriptedModel(Fresh())
    outcome = Driver(runs, Asking(Writer(), model, others=OTHERS), executor=1, seed=seed).run(
        strategy, SEED, splits
    )
    assert outcome.spent.rollouts == len(runs.runs)
    assert outcome.spent.calls == len(model.asked)
    return Count(len(runs.runs), len(model.asked), outcome)


STEPS = [1, 2, 5]


@pytest.mark.parametrize("k", STEPS)
def test_plain_runs_a_minibatch_and_asks_once_per_step(k: int) -> None:
    count = counted(Plain(batch=3, steps=k), rising)
    assert (count.runs, count.calls) == (V + k * 3 + V, k)


@pytest.mark.parametrize("k", STEPS)
@pytest.mark.parametrize("n", [1, 3])
def test_gated_runs_its_minibatch_for_every_proposal_and_validation_for_the_best(k: int, n: int) -> None:
    count = counted(Gated(batch=3, proposals=n, steps=k), rising)
    assert (count.runs, count.calls) == (V + k * (3 + n * 3 + V), k * n)
    count = counted(Gated(batch=3, proposals=n, steps=k), falling)
    assert (count.runs, count.calls) == (V + k * (3 + n * 3), k * n)


@pytest.mark.parametrize("k", STEPS)
@pytest.mark.parametrize("n", [1, 4])
def test_history_runs_its_examples_for_every_proposal(k: int, n: int) -> None:
    count = counted(History(proposals=n, steps=k, examples=10), rising)
    assert (count.runs, count.calls) == (V + 10 + k * n * 10 + V, k * n)


@pytest.mark.parametrize("k", STEPS)
@pytest.mark.parametrize("kind", [Pareto, Credit])
def test_pareto_runs_two_minibatches_per_step_and_validation_for_what_is_accepted(k: int, kind: Any) -> None:
    count = counted(kind(batch=3, steps=k, merges=0), rising)
    assert (count.runs, count.calls) == (V + k * (2 * 3 + V), k)
    count = counted(kind(batch=3, steps=k), falling)
    assert (count.runs, count.calls) == (V + k * 2 * 3, k)


def test_a_merge_runs_five_examples_and_the_rest_of_validation_when_it_holds() -> None:
    def parts(job: Job) -> Rollout:
        """Each value gains its half of the examples and loses a little of the other, until both are set."""
        mine, other = (job.candidate.values[name] > 0 for name in ("ab", "ba")[job.example % 2])
        return Rollout(job.example, job.split, 1.0 if mine else 0.4 if other else 0.5)

    count = counted(Pareto(batch=4, steps=8, merges=1, perfect=None), parts, seed=5)
    candidates = count.outcome.archive.candidates
    (merged,) = (one for one in candidates if len(one.parents) == 3)
    validated = [one for one in candidates if count.outcome.rollouts(one, "validation")]
    assert merged.values["a"] * merged.values["b"] > 0
    assert len(count.outcome.rollouts(merged, "validation")) == V
    assert count.calls == 8 - 1
    assert count.runs == 7 * 2 * 4 + V * len(validated)
