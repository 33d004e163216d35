"""Successive halving: many proposals on few examples, the better part of them on more, and so on."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from optimizers.candidate import Candidate
from optimizers.effects import Evaluate, Propose, Steps
from optimizers.policies.arms import Arms
from optimizers.policies.sampling import distinct
from optimizers.proposers.optoprime import OptoPrimePrompt
from optimizers.roles import Maker
from optimizers.strategies.champion import Champion


@dataclass(frozen=True)
class Halving:
    """Successive halving (Karnin et al. 2013; Jamieson and Talwalkar 2016, arXiv 1502.07943) over proposals.

    In each round `proposals` are made from the best so far, and run with it on a few examples of train; one
    in `rate` goes on to `rate` times as many, until one is left, which has run on all. What was run is not
    run again. The last one meets the champion on validation.

    Calls per round: proposals; runs: batch, then for each rung its candidates times the examples that are
    new in it, and validation when the winner is new.
    """

    proposals: int = 15
    rounds: int = 2
    rate: int = 2
    batch: int = 4
    proposers: Mapping[str, Maker] = field(default_factory=lambda: {"": OptoPrimePrompt})
    validates: ClassVar[bool] = True

    def __call__(self, seed: Candidate, train: int, validation: int, rng: random.Random) -> Steps:
        champion = Champion(seed, validation)
        yield from champion.meet(seed)
        for number in range(self.rounds):
            here, first = champion.best, number * self.proposals
            order = rng.sample(range(train), train)
            seen = yield Evaluate(here, "train", tuple(order[: self.batch]), evidence=True)
            made = yield [Propose(here, seen, first + n) for n in range(self.proposals)]
            left = [here, *distinct(made, [here.id])]
            for size in rungs(len(left), train, self.rate):
                arms = Arms()
                yield from arms.run(left, tuple(order[:size]))
                left = arms.best(max(1, len(left) // self.rate))
            yield from champion.meet(left[0])
        return champion.best


def rungs(candidates: int, examples: int, rate: int) -> list[int]:
    """On how many examples each rung runs: the last on all, each before it on a part, `rate` times fewer.

    >>> rungs(8, 40, 2)
    [10, 20, 40]
    >>> rungs(1, 40, 2)
    [40]
    """
    count = 1
    while candidates >= rate**2:
        candidates //= rate
        count += 1
    return [max(1, examples // rate**more) for more in reversed(range(count))]
