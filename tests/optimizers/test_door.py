"""Model calls of a run: counted, refused, given up, wherever they are made."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor

import pytest
from landscape import SEED, Writer, height, improving
from training import TRIPLES, near, scripted_line

from optimizers.budget import Budget
from optimizers.candidate import Rejected
from optimizers.driver import Driver
from optimizers.driving.asking import Asking
from optimizers.driving.outcome import Splits
from optimizers.effects import Evaluate, Job, Propose
from optimizers.rollout import Rollout
from optimizers.search import RandomSearch
from optimizers.trainer import Trainer
from tracelib.errors import BadRequest, ModelTimeout, OptimizerError, QuotaExceeded
from tracelib.llm.reply import Reply, Usage
from tracelib.testing import ScriptedModel


def proposing(model, budget=None):
    made = []

    def strategy(seed, train, validation, rng):
        for nth in range(3):
            made.append((yield Propose(seed, nth=nth)))
        return seed

    driver = Driver(height, Asking(Writer(), model), budget or Budget(), executor=1)
    return driver.run(strategy, SEED, Splits(1)), made


def test_a_model_that_gives_no_reply_in_time_rejects_the_proposal_and_the_run_goes_on():
    outcome, made = proposing(ScriptedModel([ModelTimeout("no answer in 60 s"), '{"n": 2}', '{"n": 3}']))
    assert isinstance(made[0], Rejected)
    assert "no answer in 60 s" in made[0].problem
    assert [kid.values["n"] for kid in made[1:]] == [2, 3]
    assert outcome.spent.calls == 3


@pytest.mark.parametrize("error", [QuotaExceeded("no credit"), BadRequest("wrong key", status=401)])
def test_an_error_that_no_further_call_would_mend_ends_the_run(error):
    model = ScriptedModel([error, error, error])
    with pytest.raises(type(error)):
        proposing(model)
    assert len(model.asked) == 1


def test_a_request_that_is_refused_for_its_content_rejects_only_that_proposal():
    _, made = proposing(ScriptedModel([BadRequest("too long", status=400), '{"n": 2}', '{"n": 3}']))
    assert isinstance(made[0], Rejected)
    assert not isinstance(made[1], Rejected)


def test_a_program_whose_model_fails_for_a_moment_has_a_failure_and_no_score():
    model = ScriptedModel([ModelTimeout("no answer"), "fine", "fine"])

    def program(job: Job) -> Rollout:
        model.ask("?")
        return height(job)

    def strategy(seed, train, validation, rng):
        yield Evaluate(seed, "train", (0, 1, 2))
        return seed

    outcome = Driver(program, executor=1).run(strategy, SEED, Splits(3))
    scores = [rollout.score for rollout in outcome.rollouts(SEED, "train")]
    assert [score is None for score in scores] == [True, False, False]


def test_a_program_whose_account_is_empty_ends_the_run_instead_of_failing_on():
    model = ScriptedModel(lambda messages: (_ for _ in ()).throw(QuotaExceeded("no credit")))

    def program(job: Job) -> Rollout:
        model.ask("?")
        return height(job)

    with pytest.raises(QuotaExceeded):
        Driver(program, executor=1).run(lambda *_: iter(()), SEED, Splits(50))
    assert len(model.asked) == 1


def test_what_the_programs_own_models_use_is_in_the_rollouts_and_in_the_total():
    model = ScriptedModel(lambda messages: Reply("ok", Usage(7, 3, 10), cost=0.5))

    def program(job: Job) -> Rollout:
        for _ in range(2):
            model.ask("?")
        return height(job)

    def strategy(seed, train, validation, rng):
        yield Evaluate(seed, "train", (0,))
        return seed

    outcome = Driver(program).run(strategy, SEED, Splits(3))
    assert [rollout.cost.calls for rollout in outcome.rollouts(SEED, "train")] == [2, 2, 2]
    assert (outcome.spent.calls, outcome.spent.tokens, outcome.spent.dollars) == (6, 60, 3.0)


def test_a_recorded_program_that_is_refused_a_call_is_cut_short_and_not_failed():
    line, model = scripted_line()
    search = RandomSearch(line.parameters(), trials=20)
    result = Trainer(line, search, near, Budget(calls=20)).fit(TRIPLES[:4], TRIPLES[4:8])
    assert len(model.asked) <= 20
    assert "20 calls" in result.stopped
    assert all(trial.failed == 0 for trial in result.history)


def test_calls_made_in_other_processes_are_counted():
    line, _ = scripted_line()
    search = RandomSearch(line.parameters(), trials=3)
    with ProcessPoolExecutor(2) as pool:
        result = Trainer(line, search, near, executor=pool).fit(TRIPLES[:4], TRIPLES[4:8])
    assert result.spent.calls == result.spent.rollouts > 0


def test_a_budget_in_calls_refuses_a_program_that_asks_models_in_other_processes():
    line, _ = scripted_line()
    search = RandomSearch(line.parameters(), trials=3)
    with ProcessPoolExecutor(1) as pool, pytest.raises(OptimizerError, match="in another process"):
        Trainer(line, search, near, Budget(calls=100), executor=pool).fit(TRIPLES[:4], TRIPLES[4:8])


def test_proposals_are_counted_beside_a_budget_in_calls():
    outcome, made = proposing(ScriptedModel(improving), Budget(calls=2))
    assert len(made) == 2
    assert "2 calls has 0 left" in outcome.stopped
