"""Samplers over indices: what they have in common, whoever does the sampling."""

from __future__ import annotations

import random
from typing import Any

import pytest
from landscape import OTHERS, SEED, Writer, height, improving, told

from optimizers.driver import Driver, Splits
from optimizers.driving.asking import Asking
from optimizers.policies.indices import Parzen
from optimizers.policies.optuna_indices import OptunaSampler
from optimizers.strategies.mipro import Mipro
from tracelib.testing import ScriptedModel

SIZES = {"instruction": 6, "demos": 5, "style": 4}
BEST = {"instruction": 4, "demos": 2, "style": 1}
each_sampler = pytest.mark.parametrize("sampler", [Parzen(), OptunaSampler()], ids=["own", "optuna"])


def value(choice: dict[str, int]) -> float:
    return sum(choice[name] == place for name, place in BEST.items()) / 3


def searched(sampler: Any, seed: int, trials: int = 40, noise: float = 0.1) -> list[dict[str, int]]:
    search, rng = sampler.start(SIZES, seed), random.Random(seed)
    choices = []
    for _ in range(trials):
        choice = search.suggest()
        choices.append(choice)
        search.tell(choice, value(choice) + rng.gauss(0, noise))
    return choices


@each_sampler
def test_every_choice_has_one_place_of_each_name(sampler: Any) -> None:
    for choice in searched(sampler, 0):
        assert choice.keys() == SIZES.keys()
        assert all(0 <= choice[name] < size for name, size in SIZES.items())


@each_sampler
def test_later_choices_are_better_than_those_by_chance(sampler: Any) -> None:
    late = [value(choice) for seed in range(6) for choice in searched(sampler, seed)[-10:]]
    assert sum(late) / len(late) > 2 * (1 / 6 + 1 / 5 + 1 / 4) / 3


@each_sampler
def test_the_seed_alone_decides_what_is_chosen(sampler: Any) -> None:
    assert searched(sampler, 3, 25) == searched(sampler, 3, 25) != searched(sampler, 4, 25)


@each_sampler
def test_choices_that_give_no_score_are_survived(sampler: Any) -> None:
    search = sampler.start({"a": 3}, 0)
    chosen = set()
    for _ in range(40):
        choice = search.suggest()
        search.tell(choice, None if choice["a"] == 1 else 1.0)
        chosen.add(choice["a"])
    assert chosen == {0, 1, 2}


def test_a_run_with_optuna_depends_on_its_seed_alone() -> None:
    strategy = Mipro(options=3, trials=8, batch=2, every=3, bootstrap=3, sampler=OptunaSampler(startup=3))

    def run(threads: int) -> Any:
        asking = Asking(Writer(), ScriptedModel(improving), others=OTHERS)
        return told(Driver(height, asking, executor=threads).run(strategy, SEED, Splits(5, 4)))

    assert run(1) == run(8)
