"""How many runs and model calls each strategy takes: the formulas of its docstring, counted in real runs.

V is the size of validation, b of a minibatch. The driver itself runs the seed on validation, and the
winner when the strategy did not; nothing else is taken.
"""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from landscape import OTHERS, Counted, Writer

import optimizers.strategies
from optimizers.candidate import Candidate
from optimizers.driver import Driver, Splits
from optimizers.driving.asking import Asking
from optimizers.driving.outcome import Outcome
from optimizers.effects import Job
from optimizers.rollout import Rollout
from optimizers.strategies.beam import Beam
from optimizers.strategies.best_of_n import BestOfN
from optimizers.strategies.bootstrap import Bootstrap
from optimizers.strategies.credit import Credit
from optimizers.strategies.evolution import Evolution
from optimizers.strategies.gated import Gated
from optimizers.strategies.halving import Halving, rungs
from optimizers.strategies.history import History
from optimizers.strategies.mipro import Mipro
from optimizers.strategies.pareto import Pareto
from optimizers.strategies.plain import Plain
from optimizers.strategies.priority import Priority
from optimizers.strategies.simba import Simba
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
    """A model whose every reply is new, its values higher than all before; advice is two texts."""

    def __init__(self) -> None:
        self.replies = 0

    def __call__(self, messages: list[dict[str, Any]]) -> str:
        self.replies += 1
        asked = json.loads(messages[0]["content"])
        if "names" not in asked:
            return json.dumps([f"one {self.replies}", f"two {self.replies}"])
        return json.dumps(dict.fromkeys(asked["names"] or ["a"], self.replies))


@dataclass(frozen=True)
class Count:
    """What a run took."""

    runs: int
    calls: int
    outcome: Outcome


def counted(
    strategy: Any, evaluate: Any, splits: Splits = SPLITS, seed: int = 0, start: Candidate = SEED
) -> Count:
    """Run a strategy on one thread, and count at the evaluator and at the model."""
    runs, model = Counted(evaluate), ScriptedModel(Fresh())
    outcome = Driver(runs, Asking(Writer(), model, others=OTHERS), executor=1, seed=seed).run(
        strategy, start, splits
    )
    assert outcome.spent.rollouts == len(runs.runs)
    assert outcome.spent.calls == len(model.asked)
    return Count(len(runs.runs), len(model.asked), outcome)


STEPS = [1, 2, 5]


def test_the_body_of_every_strategy_fits_on_a_screen() -> None:
    found = {}
    for path in (Path(optimizers.strategies.__file__)).parent.glob("*.py"):
        for part in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(part, ast.FunctionDef) and part.name == "__call__":
                found[path.name] = len(part.body) and (part.end_lineno or 0) - part.body[0].lineno + 1
    assert len(found) >= 14
    assert max(found.values()) <= 40, found


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
def test_history_runs_its_examples_for_every_proposal_and_validation_for_a_new_best(k: int, n: int) -> None:
    count = counted(History(proposals=n, steps=k, examples=10), rising)
    assert (count.runs, count.calls) == (V + 10 + k * (n * 10 + V), k * n)
    count = counted(History(proposals=n, steps=k, examples=10), falling)
    assert (count.runs, count.calls) == (V + 10 + k * n * 10, k * n)


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


@pytest.mark.parametrize("m", [0, 2])
@pytest.mark.parametrize("k", [1, 2])
def test_a_beam_asks_for_reasons_edits_and_paraphrases_and_its_bandit_spends_its_pulls(
    k: int, m: int
) -> None:
    beam = Beam(width=3, steps=k, batch=4, groups=2, paraphrases=m, expansion=3, pulls=8, sample=2)
    count = counted(beam, rising, Splits(T * 4, V))
    members = [1, 3][:k]
    reasons = 2  # per group
    assert count.calls == sum(w * 2 * (1 + reasons * (1 + m)) for w in members)
    assert count.runs == V + sum(w * 4 + 8 * 2 + V for w in members)


@pytest.mark.parametrize("n", [1, 5])
def test_best_of_n_runs_one_batch_and_validation_for_every_proposal(n: int) -> None:
    count = counted(BestOfN(proposals=n, batch=6), rising)
    assert (count.runs, count.calls) == (V + 6 + n * V, n)


def test_halving_runs_what_is_left_on_the_examples_that_are_new_in_a_rung() -> None:
    count = counted(Halving(proposals=7, rounds=1, batch=4), falling)
    assert rungs(8, T, 2) == [15, 30, 60]
    assert count.runs == V + 8 * 15 + 4 * (30 - 15) + 2 * (60 - 30)
    assert count.calls == 7
    count = counted(Halving(proposals=7, rounds=2, batch=4), rising)
    # The second round begins with the winner of the first, which ran on all of train, but unrecorded.
    assert count.runs == V + (8 * 15 + 4 * 15 + 2 * 30 + V) + 4 + (7 * 15 + 4 * 15 + 2 * 30 + V)


@pytest.mark.parametrize("k", [1, 2, 4])
def test_priority_runs_the_explored_twice_and_their_kids_once(k: int) -> None:
    count = counted(Priority(explored=2, proposals=3, batch=2, steps=k), rising)
    explored = [1, *[2] * (k - 1)]
    assert count.calls == sum(c * 3 for c in explored)
    assert count.runs == V + sum(c * 2 + (c * 3 + c) * 2 + V for c in explored)


@pytest.mark.parametrize("way", ["genetic", "differential"])
@pytest.mark.parametrize("k", STEPS)
def test_a_generation_makes_and_runs_one_child_per_member(way: Any, k: int) -> None:
    count = counted(Evolution(way, population=4, generations=k, examples=9), rising)
    assert count.calls == 3 + k * 4
    assert count.runs == V + (4 * 9 + V) + k * (4 * 9 + V)


def test_bootstrap_asks_no_model_and_runs_train_until_enough_went_well() -> None:
    seed = Candidate({"a": 0, "shown": []})
    count = counted(Bootstrap(sets=5, threshold=1.0, wanted=10, batch=4), shown, start=seed)
    assert (count.runs, count.calls) == (V + 12 + 6 * V, 0)
    count = counted(Bootstrap(sets=5, threshold=99.0, wanted=10, batch=4), shown, start=seed)
    assert (count.runs, count.calls) == (V + T + 6 * V, 0)


def shown(job: Job) -> Rollout:
    """The more is shown the better; replicates differ a little."""
    values = job.candidate.values
    return Rollout(job.example, job.split, 10.0 + len(values["shown"]) + values["a"] + job.replicate / 1000)


@pytest.mark.parametrize("trials", [3, 10])
def test_mipro_asks_once_for_every_option_and_runs_a_minibatch_per_trial(trials: int) -> None:
    seed = Candidate({"a": 0, "b": 0, "shown": []})
    mipro = Mipro(options=4, trials=trials, batch=5, every=3, bootstrap=6)
    count = counted(mipro, shown, Splits(T * 10, V), start=seed)
    assert count.calls == 2 + 3 * 2
    full = -(-trials // 3)
    assert count.runs == V + 6 + trials * 5 + full * V


@pytest.mark.parametrize("k", [1, 3])
def test_simba_runs_a_minibatch_for_each_program_and_each_kid(k: int) -> None:
    seed = Candidate({"a": 0, "shown": []})
    count = counted(Simba(programs=3, candidates=2, batch=4, steps=k), shown, start=seed)
    ran = [one for one in count.outcome.archive.candidates if count.outcome.rollouts(one, "train")]
    ruled = [one for one in ran if one.note == "it was written so"]
    assert len(ran) == 1 + 2 * k
    assert count.calls == len(ruled) <= 2 * k
    assert count.runs == V + k * (3 * 4 + 2 * 4 + V)
