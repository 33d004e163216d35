"""Gates: what they accept, and how often chance alone gets past them."""

from __future__ import annotations

import random
from collections.abc import Callable
from math import comb
from typing import Any

import pytest

from optimizers.candidate import Candidate, Proposal
from optimizers.driver import Driver, Splits
from optimizers.driving.asking import Asking
from optimizers.effects import Evaluate, Job, Propose
from optimizers.policies.anchors import Anchored
from optimizers.policies.gate import Gate, NonInferior, SignTest, Strict, sign_probability
from optimizers.policies.objectives import By, NonDominated
from optimizers.policies.resampling import PairedBootstrap, chance_of
from optimizers.policies.standing import better, standing
from optimizers.rollout import Rollout
from optimizers.strategies.gated import Gated
from optimizers.strategies.pareto import Pareto
from optimizers.strategies.replicated import Replicated


def rollouts(*scores: float | None, split: str = "validation") -> tuple[Rollout, ...]:
    return tuple(Rollout(place, split, score) for place, score in enumerate(scores))


def test_the_strict_gate_needs_a_higher_mean() -> None:
    gate = Strict()
    assert gate.judge(rollouts(0, 1), rollouts(1, 1)).accepted
    assert not gate.judge(rollouts(0, 1), rollouts(1, 0)).accepted
    assert not gate.judge(rollouts(1, 1), rollouts(0, 1)).accepted


def test_a_failure_counts_against_a_candidate_although_it_is_no_score() -> None:
    assert not better(rollouts(0.5, 0.5, 0.0), rollouts(1.0, 1.0, None))
    assert better(rollouts(0.5, None), rollouts(0.5, 0.0))
    assert not better(rollouts(0.5, None), rollouts(0.4, 1.0))
    assert better(rollouts(None, None), rollouts(None, 0.0))
    assert not better(rollouts(None), rollouts(None))


def test_replicates_of_an_example_count_as_their_mean() -> None:
    noisy = (*rollouts(1.0), Rollout(0, "validation", 0.0, replicate=1))
    assert standing(noisy).mean == 0.5
    assert better(noisy, rollouts(0.6))


def test_a_non_inferior_candidate_may_lose_the_margin_and_no_more() -> None:
    assert NonInferior(0.1).judge(rollouts(1.0, 0.8), rollouts(0.9, 0.8)).accepted
    assert not NonInferior(0.1).judge(rollouts(1.0, 0.8), rollouts(0.7, 0.8)).accepted
    assert not NonInferior(5.0).judge(rollouts(1.0, 0.8), rollouts(1.0, None)).accepted


def test_the_sign_test_wants_more_wins_than_chance_gives() -> None:
    assert SignTest().judge(rollouts(*[0] * 5), rollouts(*[1] * 5)).accepted
    assert not SignTest().judge(rollouts(*[0] * 4), rollouts(*[1] * 4)).accepted
    verdict = SignTest().judge(rollouts(0, 0, 1), rollouts(1, 1, 0))
    assert not verdict.accepted
    assert "2 wins, 1 losses, p = 0.5" in verdict.reason


def test_the_sign_probability_is_exact_for_many_examples() -> None:
    assert sign_probability(0, 0) == 1.0
    assert sign_probability(1, 1) == 0.75
    assert 0.5 < sign_probability(1000, 1000) < 0.52


def test_a_bootstrap_wants_gains_that_chance_would_seldom_give() -> None:
    gate = PairedBootstrap(0.05)
    assert gate.judge(rollouts(*[0.0] * 5), rollouts(*[0.1] * 5)).accepted
    assert not gate.judge(rollouts(*[0.0] * 4), rollouts(*[9.0] * 4)).accepted
    assert not gate.judge(rollouts(0.5), rollouts(0.5)).accepted
    assert not gate.judge(rollouts(*[0.0] * 6), rollouts(*[1.0] * 5, None)).accepted
    assert "mean gain 0.1 on 5, p = 0.0312" in gate.judge(rollouts(*[0.0] * 5), rollouts(*[0.1] * 5)).reason


def test_a_bootstrap_sees_the_size_of_gains_where_the_sign_test_counts_them() -> None:
    old, new = rollouts(*[0.5] * 10), rollouts(*[0.9] * 7, *[0.49] * 3)
    assert PairedBootstrap(0.05).judge(old, new).accepted
    assert not SignTest(0.05).judge(old, new).accepted


def test_the_chance_of_a_gain_is_exact_for_few_examples_and_near_it_for_many() -> None:
    assert chance_of([]) == chance_of([0.0, 0.0]) == 1.0
    assert chance_of([1.0, 1.0, -1.0]) == 0.5
    assert chance_of([0.1] * 12) == 2.0**-12
    assert chance_of([1.0] * 9 + [-1.0] * 6) == pytest.approx(sign_probability(9, 6), abs=0.03)
    assert chance_of([1.0] * 40) == 1 / 2001


def test_equal_scores_get_equal_verdicts() -> None:
    rng = random.Random(0)
    gains = [rng.gauss(0.1, 1) for _ in range(30)]
    assert chance_of(gains) == chance_of(list(gains))


# False accepts

NOISES: dict[str, Callable[[random.Random], float]] = {
    "even": lambda rng: rng.random(),
    "right or wrong": lambda rng: float(rng.random() < 0.7),
    "heavy tails": lambda rng: rng.gauss(0, 1) / (abs(rng.gauss(0, 1)) + 0.01),
    "skewed": lambda rng: rng.random() ** 6,
}
TRIALS = 300


def unlikely(accepted: int, trials: int, alpha: float) -> bool:
    """Whether so many accepts would come with probability below 1 in 1,000 if the rate were alpha."""
    ways = range(accepted, trials + 1)
    return sum(comb(trials, k) * alpha**k * (1 - alpha) ** (trials - k) for k in ways) < 0.001


@pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)
@pytest.mark.parametrize("gate", [SignTest(0.1), PairedBootstrap(0.1, draws=200)], ids=["sign", "bootstrap"])
@pytest.mark.parametrize("examples", [4, 6, 20])
def test_noise_alone_is_accepted_at_most_as_often_as_a_gate_says(
    noise: Callable[[random.Random], float], gate: Gate, examples: int
) -> None:
    accepted = sum(
        gate.judge(*(rollouts(*(noise(rng) for _ in range(examples))) for _ in range(2))).accepted
        for rng in map(random.Random, range(TRIALS))
    )
    assert not unlikely(accepted, TRIALS, 0.1), accepted


@pytest.mark.parametrize("gate", [SignTest(0.1), PairedBootstrap(0.1, draws=200)], ids=["sign", "bootstrap"])
def test_examples_of_different_difficulty_and_replicates_change_nothing_of_it(gate: Gate) -> None:
    def noisy(rng: random.Random) -> tuple[Rollout, ...]:
        return tuple(
            Rollout(place, "validation", place + rng.gauss(0, 1 + place), replicate=replicate)
            for place in range(8)
            for replicate in range(3)
        )

    accepted = sum(gate.judge(noisy(rng), noisy(rng)).accepted for rng in map(random.Random, range(TRIALS)))
    assert not unlikely(accepted, TRIALS, 0.1), accepted


def test_what_is_better_is_accepted_more_often_with_replicates() -> None:
    def power(times: int) -> int:
        found = 0
        for rng in map(random.Random, range(100)):
            old, new = (
                tuple(
                    Rollout(place, "validation", rng.gauss(level, 1.0), replicate=replicate)
                    for place in range(12)
                    for replicate in range(times)
                )
                for level in (0.0, 0.5)
            )
            found += PairedBootstrap(0.05).judge(old, new).accepted
        return found

    assert power(4) > 1.5 * power(1)


SEED = Candidate({"x": 0.0})


class Chance:
    """Proposes anything; asks nobody."""

    def choose(self, request: Propose, rng: random.Random) -> Proposal:
        return Proposal({"x": rng.random()}, "by chance")


class Hill:
    """A strategy of one's own, which yields one effect at a time and lists too."""

    def __call__(self, seed: Candidate, train: int, validation: int, rng: random.Random) -> Any:
        first = yield Evaluate(seed, "validation", tuple(range(validation)))
        (kid,) = yield [Propose(seed, first)]
        yield [Evaluate(kid, "validation", tuple(range(validation))), Evaluate(kid, "train", (0,))]
        return kid


def noise(job: Job) -> Rollout:
    """A score that has nothing to do with the candidate's value."""
    return Rollout(job.example, job.split, random.Random(job.key).gauss(0, 1))


@pytest.mark.parametrize("strategy", [Gated, Pareto])
@pytest.mark.parametrize("gate", [SignTest(0.1), PairedBootstrap(0.1, draws=200)], ids=["sign", "bootstrap"])
def test_a_run_on_noise_alone_ends_with_the_seed_as_often_as_its_gate_says(strategy: Any, gate: Gate) -> None:
    outcomes = [
        Driver(noise, Asking(Chance(), None), gate=gate, seed=seed, executor=1).run(
            strategy(steps=1, perfect=None), Candidate({"x": float(seed)}), Splits(6, 10)
        )
        for seed in range(60)
    ]
    assert not unlikely(sum(outcome.improved for outcome in outcomes), 60, 0.1)


def test_a_strict_gate_takes_noise_for_a_gain_half_of_the_time() -> None:
    accepted = sum(
        Strict().judge(*(rollouts(*(rng.random() for _ in range(10))) for _ in range(2))).accepted
        for rng in map(random.Random, range(TRIALS))
    )
    assert 0.4 < accepted / TRIALS < 0.6


# Replicates


def replicated(job: Job) -> Rollout:
    """Each replicate scores one more than the one before it."""
    return Rollout(job.example, job.split, job.candidate.values["x"] + job.replicate)


@pytest.mark.parametrize("strategy", [Gated(steps=2, perfect=None), Pareto(steps=2, perfect=None), Hill()])
def test_a_replicated_strategy_runs_validation_as_often_as_it_is_told(strategy: Any) -> None:
    driver = Driver(replicated, Asking(Chance(), None), executor=1)
    outcome = driver.run(Replicated(strategy, times=3), SEED, Splits(4, 5))
    assert outcome.improved
    for candidate in (SEED, outcome.winner):
        assert sorted({one.replicate for one in outcome.rollouts(candidate, "validation")}) == [0, 1, 2]
        assert len(outcome.rollouts(candidate, "validation")) == 15
        assert {one.replicate for one in outcome.rollouts(candidate, "train")} <= {0}
    assert outcome.verdict is not None
    assert outcome.verdict.reason.startswith("1.0000 -> ")


def test_a_replicated_strategy_asks_as_the_strategy_does_and_ends_when_it_ends() -> None:
    plain, wrapped = (
        Driver(replicated, Asking(Chance(), None), executor=1).run(strategy, SEED, Splits(4, 5))
        for strategy in (Pareto(steps=3, perfect=None), Replicated(Pareto(steps=3, perfect=None), times=1))
    )
    assert [one.id for one in plain.archive.candidates] == [one.id for one in wrapped.archive.candidates]
    assert plain.spent.rollouts == wrapped.spent.rollouts
    assert Replicated(Pareto()).validates
    assert Replicated(Pareto()).proposers == Pareto().proposers
    assert not Replicated(Hill()).validates


# Anchors


def test_what_loses_on_an_anchor_is_refused_whatever_it_gains_elsewhere() -> None:
    gate = Anchored({0, 2}, margin=0.1)
    old = rollouts(1.0, 0.0, 0.5)
    assert gate.judge(old, rollouts(1.0, 1.0, 0.5)).accepted
    assert gate.judge(old, rollouts(0.9, 1.0, 0.5)).accepted
    verdict = gate.judge(old, rollouts(0.8, 9.0, 0.5))
    assert not verdict.accepted
    assert verdict.reason == "anchor 0 of validation fell from 1 to 0.8"
    assert "anchor 2 of validation fails now" in gate.judge(old, rollouts(1.0, 9.0, None)).reason


def test_anchors_hold_on_their_own_split_and_only_where_the_old_one_held() -> None:
    gate = Anchored({0})
    assert gate.judge(rollouts(1.0, 0.0, split="train"), rollouts(0.5, 9.0, split="train")).accepted
    assert gate.judge(rollouts(None, 0.0), rollouts(None, 1.0)).accepted
    assert not gate.judge(rollouts(1.0, 0.0), rollouts(1.0, 0.0)).accepted


def test_anchors_go_with_every_gate() -> None:
    gate = Anchored({0}, By(NonDominated(("score",)), SignTest(0.05)))
    assert gate.judge(rollouts(*[0.0] * 6), rollouts(*[1.0] * 6)).accepted
    assert not gate.judge(rollouts(1.0, *[0.0] * 6), rollouts(0.0, *[1.0] * 6)).accepted
