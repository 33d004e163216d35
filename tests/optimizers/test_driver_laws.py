"""The laws every run keeps: budget, resume, schedule, cache, failures, and the null law."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest
from landscape import (
    OTHERS,
    SEED,
    SPACES,
    Counted,
    Killed,
    Writer,
    awaited_height,
    crashing_height,
    halves,
    height,
    improving,
    told,
)

from optimizers.budget import Budget
from optimizers.candidate import Candidate
from optimizers.driver import Driver, Splits
from optimizers.driving.asking import Asking
from optimizers.driving.events import RolloutDone
from optimizers.effects import Evaluate, Job, Propose
from optimizers.journal import Journal
from optimizers.rollout import Rollout
from optimizers.strategies.beam import Beam
from optimizers.strategies.best_of_n import BestOfN
from optimizers.strategies.bootstrap import Bootstrap
from optimizers.strategies.credit import Credit
from optimizers.strategies.evolution import Evolution
from optimizers.strategies.gated import Gated
from optimizers.strategies.halving import Halving
from optimizers.strategies.history import History
from optimizers.strategies.local_search import LocalSearching
from optimizers.strategies.mipro import Mipro
from optimizers.strategies.pareto import Pareto
from optimizers.strategies.plain import Plain
from optimizers.strategies.priority import Priority
from optimizers.strategies.random_search import RandomSearching
from optimizers.strategies.replicated import Replicated
from optimizers.strategies.simba import Simba
from tracelib.errors import OptimizerError
from tracelib.llm.reply import Reply, Usage
from tracelib.testing import ScriptedModel

SPLITS = Splits(train=5, validation=4, test=3)
STRATEGIES = {
    "plain": Plain(batch=2, steps=4, memory=2, perfect=None),
    "history": History(proposals=2, steps=3, memory=3),
    "pareto": Pareto(batch=2, steps=6, perfect=None),
    "credit": Credit(batch=2, steps=6, perfect=None),
    "beam": Beam(width=2, steps=2, batch=2, paraphrases=1, pulls=5, sample=2, perfect=None),
    "best of n": BestOfN(proposals=5, batch=2),
    "halving": Halving(proposals=5, rounds=2, batch=2),
    "priority": Priority(explored=2, proposals=2, batch=2, steps=3),
    "genetic": Evolution("genetic", population=4, generations=2, examples=3),
    "differential": Evolution("differential", population=4, generations=2),
    "bootstrap": Bootstrap(sets=4, threshold=1.0, wanted=3, batch=2),
    "mipro": Mipro(options=3, trials=12, batch=2, every=3, bootstrap=3),
    "simba": Simba(programs=3, candidates=3, batch=3, steps=3),
    "replicated": Replicated(Priority(explored=2, proposals=1, batch=2, steps=2), times=2),
    "gated": Gated(batch=2, proposals=2, steps=5, memory=3, perfect=None),
    "random": RandomSearching(SPACES, trials=9),
    "local": LocalSearching(SPACES, trials=12),
}
ASKING = [name for name in STRATEGIES if name not in ("random", "local")]
each_strategy = pytest.mark.parametrize("name", STRATEGIES)
each_asking_strategy = pytest.mark.parametrize("name", ASKING)


def driver(evaluate=height, model=None, **choices) -> Driver:
    asking = Asking(Writer(), model or ScriptedModel(improving), others=OTHERS)
    return Driver(evaluate, asking, **{"executor": 2, **choices})


# Schedule


@each_strategy
def test_one_two_and_eight_threads_an_event_loop_and_processes_come_to_the_same_result(name):
    strategy = STRATEGIES[name]
    expected = told(driver(executor=1).run(strategy, SEED, SPLITS))

    assert told(driver(executor=2).run(strategy, SEED, SPLITS)) == expected
    assert told(driver(executor=8).run(strategy, SEED, SPLITS)) == expected
    assert told(driver(awaited_height).run(strategy, SEED, SPLITS)) == expected
    assert told(asyncio.run(driver(awaited_height).arun(strategy, SEED, SPLITS))) == expected
    assert told(asyncio.run(driver().arun(strategy, SEED, SPLITS))) == expected
    with ThreadPoolExecutor(3) as pool:
        assert told(driver(executor=pool).run(strategy, SEED, SPLITS)) == expected


def test_a_process_pool_comes_to_the_same_result_as_threads():
    with ProcessPoolExecutor(2) as pool:
        for strategy in STRATEGIES.values():
            expected = told(driver(executor=1).run(strategy, SEED, SPLITS))
            assert told(driver(executor=pool).run(strategy, SEED, SPLITS)) == expected


def test_rollouts_of_one_step_run_at_the_same_time():
    both = threading.Barrier(2, timeout=5)

    def meeting(job: Job) -> Rollout:
        both.wait()
        return height(job)

    def strategy(seed, train, validation, rng):
        yield [Evaluate(seed, "train", (0,)), Evaluate(seed, "train", (1,))]
        return seed

    outcome = Driver(meeting, executor=2).run(strategy, SEED, Splits(train=2))
    assert [rollout.failed for rollout in outcome.rollouts(SEED, "train")] == [False, False]


def test_async_rollouts_of_one_step_run_on_the_callers_loop_at_the_same_time():
    async def run():
        here, both, inside = asyncio.get_running_loop(), asyncio.Event(), []

        async def meeting(job: Job) -> Rollout:
            assert asyncio.get_running_loop() is here
            inside.append(job)
            if len(inside) == 2:
                both.set()
            await asyncio.wait_for(both.wait(), 5)
            return height(job)

        return await Driver(meeting, executor=2).arun(lone_seed, SEED, Splits(train=2))

    outcome = asyncio.run(run())
    assert [rollout.error for rollout in outcome.rollouts(SEED, "train")] == [None, None]


def lone_seed(seed, train, validation, rng):
    yield Evaluate(seed, "train", tuple(range(train)))
    return seed


# Budget


@each_strategy
@pytest.mark.parametrize("threads", [1, 8])
def test_no_limit_in_rollouts_is_exceeded_at_any_moment(name, threads):
    needed = told(driver().run(STRATEGIES[name], SEED, SPLITS))["spent"]["rollouts"]
    for limit in range(0, needed + 2, 3):
        evaluate, seen = Counted(), []
        heard = [lambda event, seen=seen: seen.append(event) if isinstance(event, RolloutDone) else None]
        outcome = driver(evaluate, budget=Budget(rollouts=limit), executor=threads, callbacks=heard).run(
            STRATEGIES[name], SEED, SPLITS
        )

        assert len(evaluate.runs) == outcome.spent.rollouts <= limit
        assert all(event.spent.rollouts <= limit for event in seen)
        assert bool(outcome.stopped or outcome.notes) == (limit < needed)


@each_asking_strategy
@pytest.mark.parametrize("kind", ["proposals", "calls", "steps"])
def test_no_limit_in_proposals_calls_or_steps_is_exceeded(name, kind):
    strategy = STRATEGIES[name]
    needed = told(driver().run(strategy, SEED, SPLITS))["spent"][kind]
    for limit in [*range(0, needed, 4), needed, needed + 1]:
        model = ScriptedModel(improving)
        outcome = driver(model=model, budget=Budget(**{kind: limit}), executor=8).run(strategy, SEED, SPLITS)
        spent = outcome.spent.to_json()
        assert spent[kind] <= limit
        assert spent["calls"] == len(model.asked)
        assert bool(outcome.stopped) == (limit < needed)


@pytest.mark.parametrize("threads", [2, 8])
def test_what_a_call_budget_leaves_does_not_depend_on_the_number_of_threads(threads):
    def asking(job: Job) -> Rollout:
        model.ask(f"{job.candidate.id} {job.split} {job.example}")
        return height(job)

    model = ScriptedModel(lambda messages: "yes")
    for limit in range(10, 60, 7):
        alone = driver(asking, budget=Budget(calls=limit), executor=1)
        together = driver(asking, budget=Budget(calls=limit), executor=threads)
        first, second = (told(one.run(STRATEGIES["random"], SEED, SPLITS)) for one in (alone, together))
        assert first["entries"] == second["entries"]
        assert first["winner"] == second["winner"]


def test_a_program_that_catches_the_budgets_refusal_is_not_taken_for_one_that_ended():
    def stubborn(job: Job) -> Rollout:
        try:
            model.ask("once more")
        except Exception:
            return Rollout(job.example, job.split, 100.0)
        return height(job)

    model = ScriptedModel(lambda messages: "yes")
    outcome = driver(stubborn, budget=Budget(calls=30)).run(STRATEGIES["random"], SEED, SPLITS)
    scores = [
        rollout.score
        for entry in outcome.archive.entries
        for split in entry.rollouts
        for rollout in entry.on(split)
    ]
    assert len(model.asked) <= 30
    assert outcome.stopped
    assert 100.0 not in scores


def test_tokens_are_reserved_before_a_call_and_settled_after_it():
    model = ScriptedModel(improving, max_tokens=50)
    for limit in range(0, 1200, 150):
        outcome = driver(model=model, budget=Budget(tokens=limit)).run(STRATEGIES["gated"], SEED, SPLITS)
        assert outcome.spent.tokens <= limit
    # The bound of a call is larger than what it uses, and the difference is given back.
    assert outcome.spent.tokens > 100


def test_dollars_are_reserved_by_the_price_and_never_exceeded():
    prices = {"scripted": {"input": 1000.0, "output": 2000.0}}
    for limit in (0.0, 0.1, 0.3, 0.5, 1.0):
        model = ScriptedModel(improving, max_tokens=20, prices=prices)
        outcome = driver(model=model, budget=Budget(dollars=limit)).run(STRATEGIES["gated"], SEED, SPLITS)
        assert outcome.spent.dollars == pytest.approx(0.02 * len(model.asked))
        assert outcome.spent.dollars <= limit + 1e-9


def test_a_dollar_budget_refuses_a_model_without_a_price():
    model = ScriptedModel(improving, max_tokens=20)
    with pytest.raises(OptimizerError, match="needs the price of 'scripted'"):
        driver(model=model, budget=Budget(dollars=1.0)).run(STRATEGIES["gated"], SEED, SPLITS)
    assert model.asked == []


def test_a_token_budget_refuses_a_model_without_a_limit_on_its_replies():
    with pytest.raises(OptimizerError, match="max_tokens="):
        driver(budget=Budget(tokens=1000)).run(STRATEGIES["gated"], SEED, SPLITS)


def test_after_the_deadline_nothing_new_is_started():
    runs = []

    def slow(job: Job) -> Rollout:
        runs.append(job)
        if job.split == "train":
            time.sleep(0.5)  # so that the deadline is over when it ends, whenever it began
        return height(job)

    outcome = driver(slow, budget=Budget(seconds=0.5)).run(STRATEGIES["random"], SEED, SPLITS)
    # Each of two workers may have begun a run on train before the time was over, and none after it.
    assert sum(job.split == "train" for job in runs) <= 2
    assert "of 0.5 seconds are over" in outcome.stopped or "scoring the seed" in outcome.stopped


def test_a_run_that_its_deadline_ended_still_has_its_winner_when_replayed_after_it(tmp_path):
    def slow(job: Job) -> Rollout:
        time.sleep(0.005)
        return height(job)

    def run(evaluate, seconds):
        with Journal(tmp_path / f"{seconds}.jsonl", {}) as journal:
            driver = Driver(evaluate, budget=Budget(seconds=seconds), journal=journal)
            return driver.run(LocalSearching(SPACES, 10_000), SEED, SPLITS)

    # On a busy machine the shorter deadlines may pass before anything better was found.
    for seconds in (0.3, 1.5, 7.5, 30.0):
        first, second = Counted(slow), Counted(slow)
        if run(first, seconds).winner != SEED:
            break
    assert run(second, seconds).winner != SEED
    # The clock decides whether a little more is tried, but nothing is done twice.
    assert set(first.runs).isdisjoint(second.runs)


def test_what_scoring_the_winner_takes_is_held_back_from_the_search():
    full = driver().run(STRATEGIES["random"], SEED, SPLITS).spent.rollouts
    for limit in range(SPLITS.validation * 2 + SPLITS.test * 2 + SPLITS.train * 2, full):
        outcome = driver(budget=Budget(rollouts=limit)).run(STRATEGIES["random"], SEED, SPLITS)
        assert "not scored" not in " ".join(outcome.notes)
        assert len(outcome.rollouts(outcome.winner, "test")) == SPLITS.test
    assert "held back" in outcome.stopped


def test_a_budget_that_does_not_cover_the_seed_spends_nothing_and_says_so():
    evaluate = Counted()
    outcome = driver(evaluate, budget=Budget(rollouts=3)).run(STRATEGIES["random"], SEED, SPLITS)
    assert evaluate.runs == []
    assert outcome.winner == SEED
    assert "needs 4" in outcome.notes[0]


# Cache


def test_what_was_done_before_costs_nothing_and_steps_bound_a_strategy_that_lives_on_it():
    def idle(seed, train, validation, rng):
        while True:
            yield [Evaluate(seed, "train", (0, 1)), Evaluate(seed, "train", (1, 0))]

    evaluate = Counted()
    outcome = Driver(evaluate, budget=Budget(steps=50, rollouts=20)).run(idle, SEED, Splits(train=2))
    assert len(evaluate.runs) == outcome.spent.rollouts == 2
    assert outcome.spent.steps == 50
    assert "50 steps has 0 left" in outcome.stopped


def test_the_same_proposal_asked_for_twice_asks_the_model_once():
    def twice(seed, train, validation, rng):
        rollouts = yield Evaluate(seed, "train", (0,))
        first, second = yield [Propose(seed, rollouts), Propose(seed, rollouts)]
        third = yield Propose(seed, rollouts)
        assert first == second == third
        return seed

    model = ScriptedModel(improving)
    outcome = driver(model=model).run(twice, SEED, SPLITS)
    assert len(model.asked) == outcome.spent.proposals == 1


def test_a_replicate_runs_the_same_example_anew():
    def replicated(seed, train, validation, rng):
        yield [Evaluate(seed, "train", (0,), replicate=n) for n in (0, 1, 1)]
        return seed

    evaluate = Counted()
    Driver(evaluate).run(replicated, SEED, Splits(train=1))
    assert len(evaluate.runs) == 2


# Resume


def uninterrupted(strategy):
    evaluate, model = Counted(), ScriptedModel(improving)
    outcome = driver(evaluate, model, executor=1).run(strategy, SEED, SPLITS)
    return told(outcome), evaluate.runs, len(model.asked)


@each_strategy
def test_killed_at_every_rollout_it_resumes_to_the_same_result_and_repeats_nothing(name, tmp_path):
    strategy = STRATEGIES[name]
    expected, runs, calls = uninterrupted(strategy)
    for k in range(0, len(runs), 2):
        path, model = tmp_path / f"{k}.jsonl", ScriptedModel(improving)
        dying, living = Counted(dies_at=k), Counted()
        with Journal(path, {"seed": 0}) as journal, pytest.raises(Killed):
            driver(dying, model, executor=1, journal=journal).run(strategy, SEED, SPLITS)
        with Journal(path, {"seed": 0}) as journal:
            outcome = driver(living, model, executor=1, journal=journal).run(strategy, SEED, SPLITS)

        assert told(outcome) == expected
        assert sorted(dying.runs + living.runs) == sorted(runs)
        assert len(model.asked) == calls


@each_asking_strategy
def test_killed_at_every_model_call_it_resumes_without_paying_for_half_a_proposal_again(name, tmp_path):
    strategy = STRATEGIES[name]
    expected, runs, calls = uninterrupted(strategy)
    for k in range(0, calls, 2):
        path, evaluate, answered = tmp_path / f"{k}.jsonl", Counted(), []

        def dying(messages, k=k, answered=answered):
            if len(answered) == k:
                raise Killed
            answered.append(messages)
            return improving(messages)

        model = ScriptedModel(dying)
        with Journal(path, {}) as journal, pytest.raises(Killed):
            driver(evaluate, model, executor=1, journal=journal).run(strategy, SEED, SPLITS)
        with Journal(path, {}) as journal:
            rest = ScriptedModel(improving)
            outcome = driver(evaluate, rest, executor=1, journal=journal).run(strategy, SEED, SPLITS)

        assert told(outcome) == expected
        assert sorted(evaluate.runs) == sorted(runs)
        assert len(answered) + len(rest.asked) == calls


def test_model_calls_of_a_rollout_that_did_not_end_are_not_paid_again(tmp_path):
    def two_calls(job: Job) -> Rollout:
        said = [model.ask(f"{job.key} {n}").text for n in range(2)]
        return Rollout(job.example, job.split, float(len(said)))

    model = ScriptedModel(["a", Killed(), "b"])
    for _ in range(2):
        with Journal(tmp_path / "run.jsonl", {}) as journal:
            try:
                outcome = Driver(two_calls, journal=journal, executor=1).run(lone_seed, SEED, Splits(train=1))
            except Killed:
                continue
    assert len(model.asked) == 3
    assert outcome.spent.calls == 2


def test_a_resumed_run_stays_within_the_budget_of_both_sessions(tmp_path):
    strategy, budget = STRATEGIES["random"], Budget(rollouts=40)
    expected = told(driver(budget=budget).run(strategy, SEED, SPLITS))
    dying, living = Counted(dies_at=23), Counted()
    with Journal(tmp_path / "run.jsonl", {}) as journal, pytest.raises(Killed):
        driver(dying, executor=1, journal=journal, budget=budget).run(strategy, SEED, SPLITS)
    with Journal(tmp_path / "run.jsonl", {}) as journal:
        outcome = driver(living, journal=journal, budget=budget).run(strategy, SEED, SPLITS)
    assert told(outcome) == expected
    assert len(dying.runs) + len(living.runs) <= 40


def test_a_finished_run_is_replayed_without_running_anything(tmp_path):
    strategy, evaluate, model = STRATEGIES["gated"], Counted(), ScriptedModel(improving)
    outcomes = []
    for _ in range(2):
        with Journal(tmp_path / "run.jsonl", {}) as journal:
            outcomes.append(told(driver(evaluate, model, journal=journal).run(strategy, SEED, SPLITS)))
    assert outcomes[0] == outcomes[1]
    assert len(evaluate.runs) == outcomes[0]["spent"]["rollouts"]
    assert len(model.asked) == outcomes[0]["spent"]["calls"]


def test_a_run_with_failures_resumes_to_the_same_result(tmp_path):
    strategy = STRATEGIES["local"]
    expected = told(driver(crashing_height, executor=1).run(strategy, SEED, SPLITS))
    for k in range(5, 60, 11):
        dying = Counted(crashing_height, dies_at=k)
        with Journal(tmp_path / f"{k}.jsonl", {}) as journal, pytest.raises(Killed):
            driver(dying, executor=1, journal=journal).run(strategy, SEED, SPLITS)
        with Journal(tmp_path / f"{k}.jsonl", {}) as journal:
            outcome = driver(crashing_height, journal=journal).run(strategy, SEED, SPLITS)
        assert told(outcome) == expected


def test_a_run_with_merges_is_the_same_on_any_schedule_and_after_any_interruption(tmp_path):
    def run(evaluate, **choices):
        strategy, splits = Pareto(batch=4, steps=8, perfect=None), Splits(8, 6)
        return told(driver(evaluate, **{"executor": 1, **choices}).run(strategy, SEED, splits))

    seed, expected = next(
        (seed, found) for seed in range(20) for found in [run(halves, seed=seed)] if merged(found)
    )
    assert run(halves, seed=seed, executor=8) == expected
    for k in range(6, expected["spent"]["rollouts"], 7):
        dying, living = Counted(halves, dies_at=k), Counted(halves)
        with Journal(tmp_path / f"{k}.jsonl", {}) as journal, pytest.raises(Killed):
            run(dying, journal=journal, seed=seed)
        with Journal(tmp_path / f"{k}.jsonl", {}) as journal:
            assert run(living, journal=journal, seed=seed) == expected
        assert len(dying.runs) + len(living.runs) == expected["spent"]["rollouts"]


def merged(found):
    """Whether a candidate was made of two and their ancestor."""
    return any(len(entry["candidate"]["parents"]) == 3 for entry in found["entries"])


CHILD = """
import os, signal, sys
sys.path.insert(0, {here!r})
from landscape import SEED, SPACES, Counted, height
from optimizers.driver import Driver, Splits
from optimizers.journal import Journal
from optimizers.strategies.local_search import LocalSearching

def mortal(job):
    done.append(job)
    if len(done) == {k}:
        os.kill(os.getpid(), signal.SIGKILL)
    return height(job)

done = []
with Journal({path!r}, {{}}) as journal:
    Driver(mortal, executor=2, journal=journal).run(LocalSearching(SPACES, trials=12), SEED, Splits(5, 4, 3))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_process_killed_outright_is_resumed_from_its_journal(tmp_path):
    path = tmp_path / "run.jsonl"
    code = CHILD.format(here=str(Path(__file__).parent), path=str(path), k=30)
    root = str(Path(__file__).parents[2])
    ended = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": root}, check=False)
    assert ended.returncode == -signal.SIGKILL

    evaluate = Counted()
    with Journal(path, {}) as journal:
        kept = journal.replayed
        outcome = driver(evaluate, journal=journal).run(STRATEGIES["local"], SEED, SPLITS)
    assert kept >= 28
    assert len(evaluate.runs) == outcome.spent.rollouts - kept
    assert told(outcome) == told(driver().run(STRATEGIES["local"], SEED, SPLITS))


def test_an_interrupted_run_says_how_to_go_on(tmp_path):
    def interrupted(job: Job) -> Rollout:
        raise KeyboardInterrupt

    with Journal(tmp_path / "run.jsonl", {}) as journal, pytest.raises(KeyboardInterrupt) as caught:
        Driver(interrupted, journal=journal).run(lone_seed, SEED, Splits(train=2))
    assert "run.jsonl" in caught.value.__notes__[0]


def test_a_cancelled_async_run_starts_nothing_more():
    async def run():
        begun = []

        async def endless(job: Job) -> Rollout:
            begun.append(job)
            await asyncio.sleep(60)

        task = asyncio.create_task(Driver(endless, executor=2).arun(lone_seed, SEED, Splits(train=9)))
        while len(begun) < 2:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return begun

    assert len(asyncio.run(run())) == 2


# Failures


def test_a_failing_example_is_recorded_with_its_error_and_never_as_a_score():
    outcome = driver(crashing_height).run(STRATEGIES["local"], SEED, SPLITS)
    failed = [
        rollout
        for entry in outcome.archive.entries
        for split in entry.rollouts
        for rollout in entry.on(split)
        if rollout.failed
    ]
    assert failed
    assert {rollout.error for rollout in failed} == {"ValueError: too steep"}
    assert all(rollout.score is None and "too steep" in rollout.feedback.text for rollout in failed)
    # The seed fails nowhere, so nothing that fails more may win.
    assert outcome.winner.values["n"] <= 4


def test_a_failure_is_not_taken_for_the_next_time():
    tries = []

    def flaky(job: Job) -> Rollout:
        if job.split == "train":
            tries.append(job)
            if len(tries) == 1:
                raise ConnectionError("gone for a moment")
        return height(job)

    def again(seed, train, validation, rng):
        first = yield Evaluate(seed, "train", (1,))
        second = yield Evaluate(seed, "train", (1,))
        third = yield Evaluate(seed, "train", (1,))
        assert [rollouts[0].failed for rollouts in (first, second, third)] == [True, False, False]
        return seed

    Driver(flaky, executor=1).run(again, SEED, Splits(train=2, validation=1))
    assert len(tries) == 2


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_a_score_that_is_no_number_is_a_failure(score):
    def strange(job: Job) -> Rollout:
        return Rollout(job.example, job.split, score if job.example else 1.0)

    outcome = Driver(strange).run(lone_seed, SEED, Splits(train=2))
    rollouts = outcome.rollouts(SEED, "train")
    assert rollouts[1].score is None
    assert "not a number" in rollouts[1].error


def test_a_search_whose_seed_fails_everywhere_stops_with_the_first_error():
    def broken(job: Job) -> Rollout:
        raise TypeError("the metric takes two arguments")

    with pytest.raises(OptimizerError, match="TypeError: the metric takes two arguments"):
        Driver(broken).run(lone_seed, SEED, Splits(train=3))


# Null


@pytest.mark.parametrize("executor", [1, 8])
@each_asking_strategy
def test_useless_proposals_never_make_the_result_worse_than_the_seed(name, executor):
    outcome = driver(worsening, ScriptedModel(useless), executor=executor).run(STRATEGIES[name], SEED, SPLITS)
    assert outcome.winner == SEED
    assert len(outcome.archive.entries) > 1


def useless(messages):
    asked = json.loads(messages[0]["content"])
    if "names" not in asked:
        return Reply(json.dumps(["do nothing", "do less"]), Usage(1, 1, 2))
    values = {"n": 0, "c": "c", "x": 1 + len(messages[0]["content"]) + asked["nth"] / 100}
    return Reply(json.dumps({name: values[name] for name in asked["names"] or values}), Usage(1, 1, 2))


def worsening(job: Job) -> Rollout:
    """Everything but the seed is worse than it, on each example."""
    score = 0.5 if job.candidate == SEED else 0.4 - len(job.candidate.id) / 100
    return Rollout(job.example, job.split, score + job.example / 100 + job.replicate % 3 / 1000)


@pytest.mark.parametrize("name", ["random", "local"])
def test_what_only_looks_better_on_train_does_not_beat_the_seed(name):
    def overfitting(job: Job) -> Rollout:
        rollout = height(job)
        sign = 1 if job.split == "train" else -1
        return Rollout(job.example, job.split, sign * rollout.score)

    outcome = driver(overfitting).run(STRATEGIES[name], SEED, SPLITS)
    assert outcome.winner == SEED
    assert not outcome.verdict.accepted


def test_a_strategy_that_returns_something_unscored_has_it_judged_before_it_wins():
    worse = Candidate({"x": 0.0, "n": 0, "c": "c"})

    def careless(seed, train, validation, rng):
        yield Evaluate(seed, "train", (0,))
        return worse

    outcome = driver().run(careless, SEED, SPLITS)
    assert outcome.winner == SEED
    assert len(outcome.rollouts(worse, "validation")) == SPLITS.validation
