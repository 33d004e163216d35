"""What every strategy survives: failing runs, rejected proposals, tiny splits, a split that is missing."""

from __future__ import annotations

from typing import Any

import pytest
from landscape import SEED, crashing_height, height, improving, told
from test_driver_laws import ASKING, STRATEGIES, driver

from optimizers.driver import Splits
from optimizers.effects import Job
from optimizers.rollout import Rollout
from optimizers.strategies.gated import Gated
from optimizers.strategies.replicated import Replicated
from tracelib.testing import ScriptedModel

each_strategy = pytest.mark.parametrize("name", STRATEGIES)
each_asking_strategy = pytest.mark.parametrize("name", ASKING)


@each_strategy
def test_examples_that_fail_are_survived_and_a_candidate_that_fails_more_does_not_win(name: str) -> None:
    alone, together = (
        driver(crashing_height, executor=threads).run(STRATEGIES[name], SEED, Splits(5, 4))
        for threads in (1, 8)
    )
    assert told(alone) == told(together)
    assert alone.winner.values["n"] <= 4


@each_asking_strategy
def test_when_every_run_fails_the_seed_stays(name: str) -> None:
    def broken(job: Job) -> Rollout:
        raise ValueError("nothing works")

    outcome = driver(broken).run(STRATEGIES[name], SEED, Splits(5, 4))
    assert outcome.winner == SEED
    assert "failed on all 4 examples" in outcome.notes[0]


@each_asking_strategy
def test_a_seed_that_always_fails_may_be_replaced_by_what_works(name: str) -> None:
    def mended(job: Job) -> Rollout:
        if job.candidate == SEED:
            raise ValueError("the seed is broken")
        return height(job)

    outcome = driver(mended).run(STRATEGIES[name], SEED, Splits(5, 4))
    able = name not in ("bootstrap", "simba")  # these learn from runs that went well
    assert outcome.improved or not able


@each_asking_strategy
def test_when_no_reply_can_be_used_the_seed_stays_and_the_run_ends(name: str) -> None:
    def garbled(messages: list[dict[str, Any]]) -> str:
        return "[]" if '"names"' not in messages[0]["content"] else "{"

    outcome = driver(model=ScriptedModel(garbled)).run(STRATEGIES[name], SEED, Splits(5, 4))
    unasked = name in ("bootstrap", "mipro", "simba")  # demonstrations ask no model
    assert outcome.winner == SEED or unasked
    assert outcome.stopped == ""


@each_strategy
@pytest.mark.parametrize("splits", [Splits(1, 1), Splits(1), Splits(2), Splits(1, 9, 2)], ids=str)
def test_splits_of_any_size_will_do(name: str, splits: Splits) -> None:
    outcome = driver().run(STRATEGIES[name], SEED, splits)
    assert outcome.stopped == ""
    judged = {rollout.example for rollout in outcome.rollouts(outcome.winner, "validation")}
    assert len(judged) == splits.sizes[splits.judge]


@each_asking_strategy
def test_strategies_as_they_come_run_on_a_handful_of_examples(name: str) -> None:
    """With their own settings, whose batches are larger than the splits."""
    kind = type(STRATEGIES[name])
    strategy = kind(Gated()) if kind is Replicated else kind()
    model = ScriptedModel(improving)
    outcome = driver(model=model).run(strategy, SEED, Splits(4, 3))
    assert outcome.winner.id
    assert outcome.stopped == ""
