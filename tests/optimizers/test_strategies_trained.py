"""Every strategy with its own proposers, in a trainer: it finds what there is to find."""

from __future__ import annotations

import random
from typing import Any

import pytest
from landscape_rules import Follower, Writing, judged, replied, tasks

import optimizers
from optimizers import Budget, OptoPrime, Trainer
from optimizers.strategies.beam import Beam
from optimizers.strategies.best_of_n import BestOfN
from optimizers.strategies.bootstrap import Bootstrap
from optimizers.strategies.credit import Credit
from optimizers.strategies.evolution import Evolution
from optimizers.strategies.gated import Gated
from optimizers.strategies.halving import Halving
from optimizers.strategies.history import History
from optimizers.strategies.mipro import Mipro
from optimizers.strategies.pareto import Pareto
from optimizers.strategies.plain import Plain
from optimizers.strategies.priority import Priority
from optimizers.strategies.replicated import Replicated
from optimizers.strategies.simba import Simba
from tracelib.testing import ScriptedModel

SEARCHES = {
    "plain": Plain(steps=20),
    "gated": Gated(steps=20),
    "history": History(proposals=3, steps=8),
    "pareto": Pareto(steps=25),
    "credit": Credit(steps=25),
    "beam": Beam(width=2, steps=4, batch=6, pulls=10, sample=3),
    "priority": Priority(steps=6),
    "genetic": Evolution("genetic", population=5, generations=5),
    "differential": Evolution(population=5, generations=6),
}
"""Those that go on from what they found, so that they may find all rules."""


def trained(strategy: Any, number: int, program: Any = None, *also: str) -> Any:
    program, budget, model = program or Follower(), Budget(rollouts=600), ScriptedModel(Writing())
    trainer = Trainer(program, strategy, judged, budget=budget, llm=model, seed=number, executor=1)
    return trainer.fit(tasks(10, number, *also), tasks(5, number + 100, *also))


def reached(result: Any) -> float:
    """The mean score on validation of what the search ended with."""
    assert result.validation is not None
    return float(result.validation.after.mean)


@pytest.mark.parametrize("strategy", SEARCHES.values(), ids=SEARCHES)
def test_a_search_finds_nearly_all_rules(strategy: Any) -> None:
    results = [trained(strategy, number) for number in (0, 1)]
    assert all(result.improved for result in results)
    assert sum(map(reached, results)) / 2 >= 0.8


@pytest.mark.parametrize("strategy", [BestOfN(proposals=6), Halving(proposals=7, rounds=3)])
def test_choosing_among_proposals_finds_some_rules(strategy: Any) -> None:
    assert reached(trained(strategy, 0)) > 0.2


def test_mipro_tries_combinations_of_instructions_and_demonstrations() -> None:
    program = Follower("Follow: R0 R1", shots=True)
    result = trained(Mipro(options=5, trials=20, batch=4, threshold=0.3), 0, program, "SHOTS")
    assert reached(result) > 0.5
    assert set(result.changed) == {"instruction", "shots"}


def test_demonstrations_come_from_runs_that_went_well() -> None:
    program = Follower("Follow: R0 R1 R2 R3 R4", shots=True)
    result = trained(Bootstrap(sets=4, threshold=0.6, wanted=4, batch=4), 0, program, "SHOTS")
    assert reached(result) == 1.0
    assert len(program.shots.data) >= 2
    assert result.spent.calls == 0


def test_simba_learns_from_runs_of_one_program_that_differ() -> None:
    program = Follower("Follow: R0 R1", shots=True, moody=True)
    strategy = Simba(programs=3, candidates=3, batch=5, steps=6)
    assert reached(trained(strategy, 0, program, "SHOTS")) > 0.5


@pytest.mark.parametrize("strategy", [Credit(steps=20), Pareto(steps=20), Gated(steps=20), Priority(steps=5)])
def test_an_optimizer_proposes_in_place_of_the_strategys_own(strategy: Any) -> None:
    program, model = Follower(), ScriptedModel(Writing())
    optimizer = OptoPrime(program.parameters(), llm=model)
    trainer = Trainer(program, optimizer, judged, Budget(rollouts=400), executor=1, strategy=strategy)
    result = trainer.fit(tasks(10, 0), tasks(5, 100))
    assert reached(result) >= 0.6
    assert result.proposers[""].startswith("optoprime")


def sound(messages: list[dict[str, Any]]) -> str:
    """The simulated model without its malformed replies."""
    question = "\n".join(str(message["content"]) for message in messages)
    return replied(question, True, random.Random(question))


@pytest.mark.parametrize(("batch", "steps"), [(1, 3), (3, 2)])
def test_textual_gradients_ask_a_critic_per_edge_and_once_per_parameter(batch: int, steps: int) -> None:
    model = ScriptedModel(sound)
    strategy = Plain(batch=batch, steps=steps, perfect=None)
    Trainer(Follower(), strategy, judged, llm=model, executor=1).fit(tasks(10, 0), tasks(5, 1))
    edges, parameters = 1, 1
    assert len(model.asked) == steps * (batch * edges + parameters)


def test_every_strategy_brings_makers_for_the_kinds_it_asks_for() -> None:
    public = [getattr(optimizers, name) for name in optimizers.__all__]
    strategies = [
        kind for kind in public if getattr(kind, "__module__", "").startswith("optimizers.strategies")
    ]
    assert len(strategies) >= 13
    assert all(kind().proposers for kind in strategies if kind is not Replicated)
