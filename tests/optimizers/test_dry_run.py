"""What a training would take, told before: compared with what it takes."""

from __future__ import annotations

import json

import pytest
from training import TRIPLES, Line, near

from optimizers import (
    Beam,
    BestOfN,
    Bootstrap,
    Budget,
    Cost,
    Credit,
    Evaluate,
    Evolution,
    Gated,
    Halving,
    History,
    LocalSearch,
    Mipro,
    OptoPrime,
    Pareto,
    Plain,
    Priority,
    Propose,
    Simba,
    TextGrad,
    Trainer,
)
from tracelib.errors import NoModelError, OptimizerError
from tracelib.graph.tracing import listening
from tracelib.testing import ScriptedModel

TRAIN, VALIDATION, TEST = TRIPLES[:4], TRIPLES[4:8], TRIPLES[8:]
PRICES = {"scripted": {"input": 1.0, "output": 2.0}}


def silent(**choices):
    """A model that fails the test when it is asked."""
    return ScriptedModel([], **choices)


def suggesting(*suggestions):
    """A model that suggests these, one after the other."""
    return ScriptedModel([json.dumps({"suggestion": one}) for one in suggestions])


def gated(llm, steps=3, **choices):
    line = Line()
    optimizer = OptoPrime(line.parameters(), llm=llm)
    return Trainer(line, optimizer, near, strategy=Gated(steps=steps), **choices)


def test_nothing_is_run_asked_told_or_written(tmp_path, monkeypatch):
    class Ear:
        def __getattr__(self, name):
            return lambda *args: heard.append(name)

    monkeypatch.chdir(tmp_path)
    heard, model = [], silent()
    line = Line()
    trainer = Trainer(
        lambda x: heard.append(x),
        OptoPrime(line.parameters(), llm=model),
        lambda out, want: heard.append(out),
        strategy=Gated(steps=3),
        callbacks=[heard.append],
        progress=True,
    )
    with listening(Ear()):
        trainer.project(TRAIN, VALIDATION, TEST)
    assert heard == []
    assert model.asked == []
    assert line.slope.data == 1
    assert list(tmp_path.iterdir()) == []


def test_a_search_takes_what_was_told():
    trainer = Trainer(Line(), LocalSearch(trials=20), near)
    told = trainer.project(TRAIN, VALIDATION, TEST)
    took = trainer.fit(TRAIN, VALIDATION, TEST).spent
    assert told.idle.rollouts <= took.rollouts <= told.busy.rollouts
    assert (told.busy.proposals, told.busy.calls) == (0, 0)


def test_a_run_in_which_every_proposal_helps_takes_what_the_busy_course_tells():
    told = gated(silent()).project(TRAIN, VALIDATION, TEST)
    improving = suggesting({"slope": 2}, {"slope": 3}, {"offset": 2})
    took = gated(improving).fit(TRAIN, VALIDATION, TEST).spent
    assert told.busy.rollouts == took.rollouts == 4 + 4 + 3 * (4 + 4 + 4) + 4
    assert (told.busy.proposals, told.busy.calls) == (took.proposals, took.calls) == (3, 3)


def test_a_run_in_which_no_proposal_helps_takes_what_the_idle_course_tells():
    told = gated(silent(), steps=2).project(TRAIN, VALIDATION, TEST)
    useless = suggesting({"slope": 0}, {"slope": 0, "offset": 1})
    took = gated(useless, steps=2).fit(TRAIN, VALIDATION, TEST).spent
    assert told.idle.rollouts == took.rollouts == 4 + 4 + 4 + 2 * 4
    assert (told.idle.proposals, told.idle.calls) == (took.proposals, took.calls) == (2, 2)


def test_tokens_and_dollars_are_estimated_from_the_questions_that_would_be_asked():
    few = gated(silent(prices=PRICES)).project(TRAIN, VALIDATION, reply_tokens=10)
    many = gated(silent(prices=PRICES)).project(TRAIN, VALIDATION, reply_tokens=110)
    assert many.idle.tokens - few.idle.tokens == 300
    assert many.idle.dollars - few.idle.dollars == pytest.approx(300 * 2.0 / 1e6)
    took = gated(ScriptedModel(["no"] * 6))
    took.fit(TRAIN, VALIDATION)
    shown = sum(len(json.dumps(asked)) for asked in took.optimizer.llm.questions[::2]) / 4
    assert few.idle.tokens - 30 == pytest.approx(shown, rel=0.3)


def test_an_unknown_price_is_unknown():
    told = gated(silent()).project(TRAIN, VALIDATION)
    assert told.idle.dollars is None
    assert "dollars: unknown" in str(told)
    assert told.idle.tokens > 0


def test_without_a_model_its_questions_are_counted_all_the_same(monkeypatch):
    monkeypatch.delenv("TRACELIB_MODEL", raising=False)
    trainer = gated(None)
    assert trainer.project(TRAIN, VALIDATION).busy.calls == 3
    with pytest.raises(NoModelError):
        trainer.fit(TRAIN, VALIDATION)


def test_a_reply_is_no_longer_than_the_model_may_write():
    told = gated(silent(max_tokens=20)).project(TRAIN, VALIDATION)
    assert any("a reply has 20 tokens" in one for one in told.assumed)


def test_what_the_program_itself_asks_is_told_by_the_user_or_said_to_be_left_out():
    left_out = gated(silent(prices=PRICES)).project(TRAIN, VALIDATION)
    assert any("a run of the program asks no model" in one for one in left_out.assumed)
    cost = Cost(calls=2, tokens=100, dollars=0.5)
    told = gated(silent(prices=PRICES)).project(TRAIN, VALIDATION, per_rollout=cost)
    assert told.idle.calls == 3 + 2 * told.idle.rollouts
    assert told.idle.tokens == left_out.idle.tokens + 100 * told.idle.rollouts
    assert told.idle.dollars == pytest.approx(left_out.idle.dollars + 0.5 * told.idle.rollouts)
    unknown = gated(silent()).project(TRAIN, VALIDATION, per_rollout=Cost(1, None, None))
    assert (unknown.idle.tokens, unknown.idle.dollars) == (None, None)


@pytest.mark.parametrize(
    "budget",
    [Budget(rollouts=9), Budget(proposals=1), Budget(calls=2), Budget(tokens=4_500), Budget(dollars=0.0045)],
)
def test_both_courses_keep_within_the_budget(budget):
    model = silent(prices=PRICES, max_tokens=200)
    told = gated(model, budget=budget).project(TRAIN, VALIDATION)
    for kind, limit in budget.limits().items():
        if kind != "steps":
            assert getattr(told.busy, kind) <= limit
            assert getattr(told.idle, kind) <= limit
    unlimited = gated(silent(prices=PRICES)).project(TRAIN, VALIDATION)
    assert told.busy.rollouts < unlimited.busy.rollouts or told.busy.calls < unlimited.busy.calls


def test_a_budget_that_fit_would_refuse_is_refused():
    with pytest.raises(OptimizerError, match="needs the price of 'scripted'"):
        gated(silent(max_tokens=5), budget=Budget(dollars=1)).project(TRAIN, VALIDATION)


def test_a_strategy_of_the_users_own_is_projected():
    def own(seed, train, validation, rng):
        seen = yield Evaluate(seed, "train", (0, 1), evidence=True)
        kid = yield Propose(seed, seen)
        (again,) = yield [Evaluate(kid, "train", (0, 1))]
        return kid if again[0].score > seen[0].score else seed

    line = Line()
    trainer = Trainer(line, OptoPrime(line.parameters(), llm=silent()), near, strategy=own)
    told = trainer.project(TRAIN, VALIDATION, TEST)
    assert (told.idle.rollouts, told.busy.rollouts) == (4 + 4 + 2 + 2, 4 + 4 + 2 + 2 + 4 + 4)
    assert str(told).startswith("rollouts: 12 to 20\nproposals: 1\ncalls: 1\ntokens: ")


STRATEGIES = {
    "plain": Plain(steps=3),
    "pareto": Pareto(steps=8),
    "credit": Credit(steps=8),
    "beam": Beam(steps=2),
    "priority": Priority(steps=4),
    "evolution": Evolution(population=4, generations=2),
    "bootstrap": Bootstrap(),
    "simba": Simba(steps=2),
    "halving": Halving(),
    "history": History(steps=3),
    "mipro": Mipro(trials=6),
    "best of n": BestOfN(proposals=4),
}


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_is_projected(name):
    line = Line()
    trainer = Trainer(line, OptoPrime(line.parameters(), llm=silent()), near, strategy=STRATEGIES[name])
    told = trainer.project(TRAIN, VALIDATION, TEST)
    assert 8 <= told.idle.rollouts
    assert told.busy.proposals > 0


def test_the_critics_of_a_conversation_are_counted():
    line = Line()
    parameters = [line.slope, line.offset]
    trainer = Trainer(line, TextGrad(parameters, llm=silent()), near, strategy=Plain(batch=2, steps=1))
    told = trainer.project(TRAIN, VALIDATION)
    # Two examples with an edge to each of two parameters, then a question for each parameter.
    assert told.idle.calls == 2 * 2 + 2
