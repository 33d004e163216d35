"""Selection: fronts, parents, merges, several objectives, and which parameters to edit."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from optimizers.candidate import Candidate, Proposal
from optimizers.driver import Driver, Splits
from optimizers.driving.asking import Asking
from optimizers.driving.outcome import Outcome
from optimizers.effects import Job, Propose
from optimizers.policies.fronts import cells_of, frequencies, fronts, undominated
from optimizers.policies.gate import SignTest, Strict
from optimizers.policies.memory import ascending, attempt_of
from optimizers.policies.merging import Merges, holds, pairs_of, subsample
from optimizers.policies.objectives import AnyOf, By, Lexicographic, NonDominated, Weighted
from optimizers.policies.picking import AllAtOnce, RoundRobin
from optimizers.policies.pool import Pool
from optimizers.policies.sampling import drawn, sample_of, softmax
from optimizers.rollout import Rollout
from optimizers.strategies.pareto import Pareto
from tracelib.errors import OptimizerError
from tracelib.feedback.feedback import Feedback

SEED = Candidate({"a": 0, "b": 0})


def rollouts(*scores: float | None) -> tuple[Rollout, ...]:
    return tuple(Rollout(place, "validation", score) for place, score in enumerate(scores))


def several(**numbers: list[float]) -> tuple[Rollout, ...]:
    """One rollout per place of the lists, with the numbers by name; the score is the first of them."""
    places = range(len(next(iter(numbers.values()))))
    named = [{name: found[place] for name, found in numbers.items()} for place in places]
    return tuple(
        Rollout(place, "validation", next(iter(scores.values())), scores=scores)
        for place, scores in enumerate(named)
    )


def pool_of(*scores: tuple[float | None, ...]) -> Pool:
    """A pool with one candidate per tuple of scores, each made from the first."""
    pool = Pool()
    for place, found in enumerate(scores):
        kid = SEED.edit({"a": place}) if place else SEED
        pool.add(kid, rollouts(*found))
    return pool


# Fronts


def test_whoever_is_best_of_an_example_stands_on_its_front() -> None:
    table = {"x": {0: 1.0, 1: 0.0}, "y": {0: 0.0, 1: 1.0}, "z": {0: 1.0, 1: 0.5}}
    assert fronts(table) == {0: {"x", "z"}, 1: {"y"}}


def test_who_is_best_only_where_others_are_too_is_dropped_the_worst_first() -> None:
    table = {"seed": {0: 1.0, 1: 0.0}, "x": {0: 1.0, 1: 0.5}, "y": {0: 0.0, 1: 1.0}}
    assert undominated(table) == {0: {"x"}, 1: {"y"}}
    assert frequencies(table) == {"x": 1, "y": 1}


def test_of_equals_the_earliest_stays() -> None:
    assert frequencies({"seed": {0: 1.0, 1: 1.0}, "twin": {0: 1.0, 1: 1.0}}) == {"seed": 2}


def test_a_failure_is_never_best_even_where_all_failed() -> None:
    table = {
        key: cells_of(found) for key, found in {"x": rollouts(None, 0.0), "y": rollouts(None, 1.0)}.items()
    }
    assert frequencies(table) == {"y": 1}


def test_a_parent_is_drawn_as_often_as_it_stands_on_a_front() -> None:
    pool = pool_of((0.0, 0.0, 0.0, 0.0), (1.0, 1.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0))
    rng = random.Random(0)
    found = Counter(pool.parent(rng).values["a"] for _ in range(400))
    assert found[0] == 0
    assert 270 <= found[1] <= 330


def test_when_all_runs_failed_any_may_be_a_parent() -> None:
    assert pool_of((None, None)).parent(random.Random(0)) == SEED


@pytest.mark.parametrize(
    ("frontier", "expected"),
    [
        ("example", {0, 1}),
        ("objective", {"good", "-slow"}),
        ("both", {0, 1, "good", "-slow"}),
        ("each", {("good", 0), ("good", 1), ("-slow", 0), ("-slow", 1)}),
    ],
)
def test_fronts_are_per_example_per_number_or_both(frontier, expected) -> None:
    cells = cells_of(several(good=[1.0, 0.0], slow=[3.0, 5.0]), frontier, ("good", "-slow"))
    assert cells.keys() == expected
    assert cells.get("-slow", -4.0) == -4.0


def test_without_names_every_number_of_the_metric_has_a_front() -> None:
    assert cells_of(several(good=[1.0], slow=[3.0]), "objective") == {"good": 1.0, "slow": 3.0}
    assert cells_of(rollouts(0.5), "objective") == {"score": 0.5}


def test_a_frontier_that_does_not_exist_is_named() -> None:
    with pytest.raises(OptimizerError, match="'instance'; there are example, objective"):
        cells_of(rollouts(1.0), "instance")


def test_the_best_of_a_pool_is_the_earliest_among_equals() -> None:
    assert pool_of((0.5, 0.5), (1.0, 0.0), (0.9, 0.9), (0.9, 0.9)).best().values["a"] == 2


# Merges


def family() -> tuple[Pool, Candidate, Candidate]:
    """A seed, and two children of it that changed different values, each better on its own half."""
    pool, one, two = Pool(), SEED.edit({"a": 1}), SEED.edit({"b": 1})
    pool.add(SEED, rollouts(*[0.5] * 6))
    pool.add(one, rollouts(*[1.0] * 3, *[0.4] * 3))
    pool.add(two, rollouts(*[0.4] * 3, *[1.0] * 3))
    return pool, one, two


def test_two_of_the_front_that_changed_different_values_of_an_ancestor_can_be_merged() -> None:
    pool, one, two = family()
    (pair,) = pairs_of(pool, random.Random(0))
    assert (pair.first, pair.second, pair.ancestor) == (one, two, SEED)
    request = pair.request(7, pool)
    assert (request.kind, request.candidate, request.others) == ("merge", one, (two, SEED))
    assert [attempt.values for attempt in request.history] == [one.values, two.values]


def test_neither_relatives_in_line_nor_two_changes_of_the_same_value_are_merged() -> None:
    pool = Pool()
    one = SEED.edit({"a": 1})
    pool.add(SEED, rollouts(0.0, 0.0))
    pool.add(one, rollouts(1.0, 0.0))
    pool.add(one.edit({"b": 1}), rollouts(0.0, 1.0))
    assert list(pairs_of(pool, random.Random(0))) == []
    pool = Pool()
    pool.add(SEED, rollouts(0.0, 0.0))
    pool.add(one, rollouts(1.0, 0.0))
    pool.add(SEED.edit({"a": 2}), rollouts(0.0, 1.0))
    assert list(pairs_of(pool, random.Random(0))) == []


def test_an_ancestor_that_is_better_than_one_of_them_is_no_ground_to_merge() -> None:
    pool, _, _ = family()
    pool.add(SEED, rollouts(*[0.9] * 6))
    assert list(pairs_of(pool, random.Random(0))) == []


def test_a_merge_is_due_once_after_each_acceptance_and_no_pair_twice() -> None:
    pool, _, _ = family()
    merges, rng = Merges(5), random.Random(0)
    assert merges.next(pool, rng) is None
    merges.due = True
    assert merges.next(pool, rng) is not None
    assert merges.next(pool, rng) is None
    merges.due = True
    assert merges.next(pool, rng) is None
    assert Merges(0, due=True).next(pool, rng) is None


def test_a_merge_is_tried_where_each_is_better_and_must_hold_against_both() -> None:
    pool, _, _ = family()
    (pair,) = pairs_of(pool, random.Random(0))
    ids = subsample(pool, pair, random.Random(0))
    assert len(ids) == 5
    assert {example < 3 for example in ids} == {True, False}
    new = tuple(Rollout(example, "validation", 1.0) for example in (0, 1, 3))
    assert holds(pool, pair, new)
    assert not holds(pool, pair, tuple(Rollout(example, "validation", 0.5) for example in (0, 1, 3)))
    assert not holds(pool, pair, (*new, Rollout(4, "validation", None)))


# Objectives


def test_a_weighted_objective_compares_sums_and_less_may_be_better() -> None:
    old, new = several(good=[1.0, 1.0], slow=[2.0, 2.0]), several(good=[0.9, 0.9], slow=[0.0, 0.0])
    assert By(Weighted({"good": 1.0, "slow": -0.1})).judge(old, new).accepted
    assert not By(Weighted({"good": 1.0})).judge(old, new).accepted


def test_in_order_the_first_number_decides_and_the_next_when_it_is_equal() -> None:
    judge = By(Lexicographic(("good", "-slow"))).judge
    base = several(good=[0.5, 0.5], slow=[2.0, 2.0])
    assert judge(base, several(good=[0.6, 0.6], slow=[9.0, 9.0])).accepted
    assert judge(base, several(good=[0.5, 0.5], slow=[1.0, 1.0])).accepted
    assert not judge(base, several(good=[0.5, 0.5], slow=[3.0, 3.0])).accepted
    assert not judge(base, several(good=[0.4, 0.4], slow=[0.0, 0.0])).accepted
    assert "good" in judge(base, several(good=[0.4, 0.4], slow=[0.0, 0.0])).reason
    near = By(Lexicographic(("good", "-slow"), margin=0.2)).judge
    assert near(base, several(good=[0.4, 0.4], slow=[0.0, 0.0])).accepted


def test_what_dominates_gains_somewhere_and_loses_nowhere() -> None:
    judge = By(NonDominated(("good", "-slow"))).judge
    base = several(good=[0.5, 0.5], slow=[2.0, 2.0])
    assert judge(base, several(good=[0.5, 0.5], slow=[1.0, 1.0])).accepted
    assert judge(base, several(good=[0.9, 0.5], slow=[2.0, 2.0])).accepted
    assert not judge(base, base).accepted
    assert not judge(base, several(good=[0.9, 0.9], slow=[2.1, 2.0])).accepted
    assert (
        By(NonDominated(("good", "-slow"), margin=0.1))
        .judge(base, several(good=[0.9, 0.9], slow=[2.1, 2.0]))
        .accepted
    )


def test_a_gain_on_any_number_may_be_enough() -> None:
    judge = By(AnyOf(("good", "-slow"))).judge
    base = several(good=[0.5, 0.5], slow=[2.0, 2.0])
    assert judge(base, several(good=[0.0, 0.0], slow=[1.0, 1.0])).accepted
    assert not judge(base, several(good=[0.0, 0.0], slow=[2.0, 2.0])).accepted


def test_an_objective_hands_on_the_strictness_of_its_gate() -> None:
    old, new = several(good=[0.0] * 4, slow=[1.0] * 4), several(good=[1.0] * 4, slow=[1.0] * 4)
    for objective in (Weighted({"good": 2.0}), Lexicographic(("good",)), NonDominated(("good", "slow"))):
        assert By(objective, Strict()).judge(old, new).accepted
        assert not By(objective, SignTest(0.05)).judge(old, new).accepted


def test_failures_stay_failures_and_a_missing_number_is_named() -> None:
    (failed,) = Weighted({"good": 1.0}).view((Rollout(0, "train", None, error="no"),))
    assert failed.failed
    with pytest.raises(OptimizerError, match=r"names 'fast'.*example 0 of validation .it gave good, slow"):
        Weighted({"fast": 1.0}).view(several(good=[1.0], slow=[2.0]))


def test_a_pool_draws_parents_and_names_its_best_by_the_objective() -> None:
    pool = Pool(objective=Weighted({"good": 1.0, "slow": -1.0}))
    fast = SEED.edit({"a": 1})
    pool.add(SEED, several(good=[1.0, 1.0], slow=[3.0, 0.0]))
    pool.add(fast, several(good=[0.9, 0.9], slow=[0.0, 0.0]))
    assert pool.front() == {SEED.id: 1, fast.id: 1}
    assert pool.best() == fast
    plain = Pool()
    for one in (SEED, fast):
        plain.add(one, pool.rollouts[one.id])
    assert plain.best() == SEED


class Drawing:
    """Proposes one of the numbers from 0 to 10 for a; asks nobody."""

    def choose(self, request: Propose, rng: random.Random) -> Proposal:
        return Proposal({"a": rng.randint(0, 10)}, "drawn")


def trading(job: Job) -> Rollout:
    """More of a is better at good and worse at cost, but 7 and above are good for nothing."""
    a = job.candidate.values["a"]
    scores = {"good": float(a) if a < 7 else 0.0, "cost": float(a)}
    return Rollout(job.example, job.split, scores["good"], scores=scores)


def trained(**choices: Any) -> Outcome:
    strategy = Pareto(batch=2, steps=60, merges=0, perfect=None, **choices)
    driver = Driver(trading, Asking(Drawing(), None), executor=1, gate=By(strategy.objective))
    return driver.run(strategy, Candidate({"a": 8}), Splits(4, 3))


def test_a_run_finds_the_best_of_its_objective() -> None:
    assert trained(objective=Weighted({"good": 1.0, "cost": -0.1})).winner.values["a"] == 6
    assert trained(objective=Weighted({"good": 1.0, "cost": -2.0})).winner.values["a"] == 0
    assert trained(objective=Lexicographic(("good", "-cost"))).winner.values["a"] == 6
    assert trained(objective=Lexicographic(("-cost", "good"))).winner.values["a"] == 0


def test_fronts_per_number_keep_what_is_best_at_each() -> None:
    names = ("good", "-cost")
    outcome = trained(frontier="objective", names=names, gate=By(AnyOf(names)), objective=NonDominated(names))
    pool = Pool("objective", ("good", "-cost"))
    for candidate in outcome.archive.candidates:
        if outcome.rollouts(candidate, "validation"):
            pool.add(candidate, outcome.rollouts(candidate, "validation"))
    assert {pool.kept[key].values["a"] for key in pool.front()} == {0, 6}
    # What dominates the seed wins: it costs less and is good for more, or for as much.
    assert outcome.winner.values["a"] < 8


# Which parameters


def test_turns_go_round_and_a_child_goes_on_where_its_parent_was() -> None:
    picker, rng = RoundRobin().picker(), random.Random(0)
    seed = Candidate({"a": 0, "b": 0, "c": 0})
    assert [picker.pick(seed, (), rng) for _ in range(4)] == [("a",), ("b",), ("c",), ("a",)]
    kid = seed.edit({"a": 1})
    assert picker.pick(kid, (), rng) == ("b",)
    assert picker.pick(seed, (), rng) == ("b",)


def test_all_parameters_may_be_picked_at_once() -> None:
    assert AllAtOnce().picker().pick(SEED, (), random.Random(0)) == ("a", "b")


# Draws and memory


def test_draws_follow_their_weights_and_are_even_when_there_are_none() -> None:
    rng = random.Random(0)
    assert {drawn({"a": 0.0, "b": 1.0, "c": -1.0}, rng) for _ in range(50)} == {"b"}
    assert {drawn({"a": 0.0, "b": 0.0}, rng) for _ in range(50)} == {"a", "b"}
    assert softmax({"a": 0.0, "b": -1000.0}, 0.2) == {"a": 1.0, "b": 0.0}


def test_a_sample_is_ordered_without_repetition_and_whole_when_more_are_wanted() -> None:
    assert sample_of(5, None, random.Random(0)) == sample_of(5, 9, random.Random(0)) == (0, 1, 2, 3, 4)
    found = sample_of(100, 10, random.Random(0))
    assert list(found) == sorted(set(found))
    assert len(found) == 10


def test_the_history_shown_is_bounded_and_ends_with_the_best() -> None:
    attempts = [attempt_of(SEED.edit({"a": n}), rollouts(n / 10)) for n in (3, 1, 5, 2)]
    attempts.append(attempt_of(SEED, rollouts(None)))
    assert [attempt.values["a"] for attempt in ascending(attempts, 3)] == [2, 3, 5]
    assert ascending(attempts, 0) == ()


def test_an_attempt_keeps_what_was_said_of_its_worst_runs() -> None:
    seen = [
        Rollout(n, "train", score, Feedback.of(f"run {n}")) for n, score in enumerate((0.9, 0.1, None, 0.2))
    ]
    assert attempt_of(SEED, seen).feedback.text.splitlines() == ["run 2", "run 1", "run 3"]
