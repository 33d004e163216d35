from __future__ import annotations

import itertools
import random

import pytest
from landscape import SEED, SPACES, Writer, height, improving

from optimizers.budget import Budget
from optimizers.candidate import Attempt, Candidate, Proposal, Rejected
from optimizers.driver import Driver, Splits
from optimizers.driving.archive import Archive
from optimizers.driving.asking import Asking
from optimizers.effects import Evaluate, Propose
from optimizers.policies.sampling import minibatches
from optimizers.policies.space import Choice, Real
from optimizers.policies.standing import standing
from optimizers.policies.stopping import Patience, Plateau, ScoreReached
from optimizers.rollout import Rollout
from optimizers.strategies.gated import Gated
from optimizers.strategies.local_search import LocalSearching
from optimizers.strategies.random_search import RandomSearching
from tracelib.testing import ScriptedModel


def rollouts(*scores, split="validation"):
    return tuple(Rollout(place, split, score) for place, score in enumerate(scores))


def play(strategy, evaluate, propose=None, seed=SEED, train=6, validation=4):
    """Drive a strategy by hand; gives what it yielded and what it returned."""
    steps, asked, answer = strategy(seed, train, validation, random.Random(0)), [], None
    while True:
        try:
            effects = steps.send(answer)
        except StopIteration as end:
            return asked, end.value
        asked.append(effects)
        one = lambda effect: (  # noqa: E731
            tuple(evaluate(job) for job in effect.jobs) if isinstance(effect, Evaluate) else propose(effect)
        )
        answer = [one(effect) for effect in effects] if isinstance(effects, list) else one(effects)


# Searches


@pytest.mark.parametrize("strategy", [RandomSearching(SPACES, 25), LocalSearching(SPACES, 25)])
def test_a_search_tries_exactly_its_trials_each_once_and_returns_the_best_of_them(strategy):
    asked, best = play(strategy, height)
    tried = [
        effect.candidate
        for effects in asked
        for effect in (effects if isinstance(effects, list) else [effects])
    ]
    assert tried[0] == SEED
    assert len(tried) == len(set(tried)) == 26
    scores = {
        kid: standing(height(job) for job in Evaluate(kid, "train", tuple(range(6))).jobs).mean
        for kid in tried
    }
    assert scores[best] == max(scores.values())


@pytest.mark.parametrize("kind", [RandomSearching, LocalSearching])
def test_a_small_space_ends_the_search_when_all_of_it_was_tried(kind):
    spaces = {"x": Choice((1, 2)), "y": Choice(("a", "b", "c"))}
    seed = Candidate({"x": 1, "y": "a"})
    asked, best = play(
        kind(spaces, 1000),
        lambda job: Rollout(job.example, job.split, float(job.candidate.values["x"])),
        seed=seed,
    )
    tried = {
        effect.candidate
        for effects in asked
        for effect in (effects if isinstance(effects, list) else [effects])
    }
    assert len(tried) == 6
    assert best.values["x"] == 2


@pytest.mark.parametrize("seed", range(5))
def test_local_search_finds_the_top_of_a_mixed_landscape_in_sixty_trials(seed):
    found = Driver(height, seed=seed).run(LocalSearching(SPACES, 60), SEED, Splits(3, 2)).winner.values
    assert found["c"] == "b"
    assert abs(found["n"] - 6) <= 1
    assert abs(found["x"] - 0.7) <= 0.05


def test_local_search_leaves_a_local_top():
    spaces = {"x": Real(0, 1), "way": Choice(("low", "high"))}

    def two_tops(job):
        x, way = job.candidate.values["x"], job.candidate.values["way"]
        low, high = 0.5 - abs(x - 0.2), 1 - 3 * abs(x - 0.9)
        return Rollout(job.example, job.split, low if way == "low" else high)

    seed = Candidate({"x": 0.2, "way": "low"})
    outcome = Driver(two_tops).run(LocalSearching(spaces, 200), seed, Splits(1))
    assert outcome.winner.values["way"] == "high"


def test_a_seed_outside_its_space_is_searched_all_the_same():
    seed = Candidate({"x": 7.5, "n": 1, "c": "zzz"})
    outcome = Driver(height).run(LocalSearching(SPACES, 60), seed, Splits(2))
    assert outcome.winner.values["c"] == "b"
    assert 0 <= outcome.winner.values["x"] <= 1


@pytest.mark.parametrize("kind", [RandomSearching, LocalSearching])
def test_the_seed_number_alone_decides_what_is_tried(kind):
    def tried(seed):
        outcome = Driver(height, seed=seed).run(kind(SPACES, 12), SEED, Splits(2))
        return [candidate.id for candidate in outcome.archive.candidates]

    assert tried(0) == tried(0) != tried(1)


# Gated


def test_gated_asks_and_evaluates_what_its_steps_say():
    kids = iter(range(100))

    def propose(request):
        return request.candidate.edit({"x": 0.2 + next(kids) / 100})

    asked, best = play(Gated(batch=2, proposals=3, steps=2, perfect=None), height, propose)
    kinds = [
        (type(effects[0] if isinstance(effects, list) else effects).__name__, getattr(effects, "split", None))
        if not isinstance(effects, list)
        else (type(effects[0]).__name__, len(effects))
        for effects in asked
    ]
    step = [("Evaluate", "train"), ("Propose", 3), ("Evaluate", 3), ("Evaluate", "validation")]
    assert kinds == [("Evaluate", "validation"), *step, *step]
    assert best.values["x"] == 0.25


def test_what_helps_on_the_minibatch_and_not_on_validation_is_not_kept():
    def propose(request):
        return request.candidate.edit({"n": 9})

    def evaluate(job):
        good = (job.candidate.values["n"] == 9) == (job.split == "train")
        return Rollout(job.example, job.split, 0.5 if good else 0.0)

    _, best = play(Gated(steps=3), evaluate, propose)
    assert best == SEED


def test_a_perfect_minibatch_asks_no_model():
    asked, best = play(Gated(steps=5), lambda job: Rollout(job.example, job.split, 1.0))
    assert best == SEED
    assert not any(
        isinstance(one, Propose) for effects in asked if isinstance(effects, list) for one in effects
    )


def test_rejected_proposals_are_survived_and_remembered():
    requests = []

    def propose(request):
        requests.append(request)
        if len(requests) == 1:
            return Rejected(request.candidate.id, Proposal({"n": "x"}, problem="n holds int"))
        return request.candidate.edit({"n": len(requests)})

    play(Gated(steps=4, memory=2, perfect=None), height, propose)
    assert requests[1].history == (Attempt({"n": "x"}, problem="n holds int"),)
    assert len(requests[3].history) == 2
    assert requests[3].history[0].values["n"] == 2


def test_every_request_of_a_run_is_different():
    requests = []

    def propose(request):
        requests.append(request)
        return request.candidate

    play(Gated(batch=6, proposals=2, steps=4, perfect=None), height, propose)
    assert len({request.key for request in requests}) == len(requests) == 8


@pytest.mark.parametrize(("size", "batch"), [(7, 3), (5, 2), (4, 4), (3, 10), (1, 4)])
def test_minibatches_use_every_example_equally_and_none_twice_in_one(size, batch):
    found = list(itertools.islice(minibatches(size, batch, random.Random(0)), 4 * size))
    counts = [sum(example in ids for ids in found) for example in range(size)]
    assert all(len(ids) == len(set(ids)) == min(batch, size) for ids in found)
    assert max(counts) - min(counts) <= 1


def test_proposals_come_from_a_model_with_one_repair():
    model = ScriptedModel(improving)
    outcome = Driver(height, Asking(Writer(), model)).run(Gated(steps=5, perfect=None), SEED, Splits(4, 3))
    assert outcome.winner.values["n"] > SEED.values["n"]
    repairs = [question for question in model.questions if "repair" in question[-1]["content"]]
    assert len(repairs) == 1
    assert outcome.archive.rejected == []
    assert outcome.spent.calls == len(model.questions) == outcome.spent.proposals + 1


# Stopping


def test_a_search_stops_when_the_goal_is_reached():
    driver = Driver(height, stopping=[ScoreReached(2.5)])
    outcome = driver.run(LocalSearching(SPACES, 500), SEED, Splits(2))
    assert "reached the goal of 2.5" in outcome.stopped
    assert len(outcome.archive.entries) < 60


def test_a_search_stops_when_nothing_better_came_for_a_while():
    outcome = Driver(height, stopping=[Patience(10)]).run(RandomSearching(SPACES, 500), SEED, Splits(2))
    best = outcome.archive.candidates.index(outcome.archive.best("train"))
    assert "brought nothing better" in outcome.stopped
    assert 10 <= len(outcome.archive.candidates) - 1 - best < 10 + 4


def test_patience_counts_what_came_after_the_best_and_rejections_too():
    archive = Archive(SEED, {"train": 1, "validation": 1})
    for _ in range(3):
        archive.reject(Rejected(SEED.id, Proposal({}, problem="no")))
    kid = SEED.edit({"n": 5})
    archive.record(Evaluate(SEED, "train", (0,)), rollouts(0.1, split="train"))
    archive.record(Evaluate(kid, "train", (0,)), rollouts(0.9, split="train"))
    assert Patience(1).reason(archive, "validation") is None
    archive.reject(Rejected(SEED.id, Proposal({}, problem="no")))
    assert Patience(1).reason(archive, "validation") == "1 candidates brought nothing better"
    assert Patience(2).reason(archive, "validation") is None


@pytest.mark.parametrize(
    ("scores", "stops"),
    [
        ((0.1, 0.5), False),
        ((0.1, 0.5, 0.5, 0.4), True),
        ((0.1, 0.5, 0.5, 0.56), True),
        ((0.1, 0.5, 0.5, 0.7), False),
        ((0.1, 0.5, None, None), True),
        ((None, 0.5, 0.6), False),
    ],
)
def test_a_plateau_is_when_the_last_on_validation_gained_too_little(scores, stops):
    archive = Archive(SEED, {"train": 1, "validation": 1})
    for place, score in enumerate(scores):
        kid = SEED.edit({"n": place + 10})
        archive.record(Evaluate(kid, "validation", (0,)), rollouts(score))
        archive.record(Evaluate(SEED.edit({"n": -place - 10}), "train", (0,)), rollouts(0.0, split="train"))
    assert bool(Plateau(2, gain=0.1).reason(archive, "validation")) == stops


# Archive and driver edges


def test_the_best_is_the_earliest_of_equals_that_ran_on_the_whole_split():
    kids = [SEED.edit({"n": n}) for n in (2, 3, 4)]
    archive = Archive(SEED, {"train": 2})
    assert archive.best("train") is None
    for kid, scores in zip(kids, ([0.5, 0.5], [0.5, 0.5], [1.0]), strict=True):
        archive.record(Evaluate(kid, "train", (0, 1)), rollouts(*scores, split="train"))
    assert archive.best("train") == kids[0]


@pytest.mark.parametrize(
    ("effect", "said"),
    [
        (Evaluate(SEED, "test", (0,)), "held out"),
        (Evaluate(SEED, "train", (9,)), "train has 2 examples, there is no number 9"),
        ("evaluate!", "yields Evaluate, Propose and Consult"),
        (Propose(SEED), "no proposer"),
    ],
)
def test_a_strategy_that_asks_for_what_there_is_not_is_told_so(effect, said):
    from tracelib.errors import OptimizerError

    def strategy(seed, train, validation, rng):
        yield effect
        return seed

    with pytest.raises(OptimizerError, match=said):
        Driver(height).run(strategy, SEED, Splits(2, 2, 2))


def test_a_strategy_hears_rejections_and_the_run_goes_on():
    class Stubborn(Writer):
        def parse(self, reply, request):
            return Proposal({"nobody": 1}, "why not", reply)

    def strategy(seed, train, validation, rng):
        made = yield Propose(seed)
        assert isinstance(made, Rejected)
        assert "no parameter 'nobody'" in made.problem
        return seed

    model = ScriptedModel(improving)
    outcome = Driver(height, Asking(Stubborn(), model)).run(strategy, SEED, Splits(1))
    assert len(outcome.archive.rejected) == 1
    assert len(model.asked) == 2


def test_a_proposer_that_chooses_by_itself_asks_no_model_and_has_its_own_chance():
    class Chance:
        def choose(self, request, rng):
            return Proposal({"n": rng.randint(0, 9)}, "by chance")

    def strategy(seed, train, validation, rng):
        made = yield [Propose(seed, nth=n) for n in range(20)]
        return made[-1]

    def run(threads):
        driver = Driver(height, Asking(Chance(), None), executor=threads, budget=Budget(calls=0))
        return [candidate.id for candidate in driver.run(strategy, SEED, Splits(1)).archive.candidates]

    assert run(1) == run(8)
    assert len(run(1)) > 4
