"""Random search: candidates drawn from the parameters' spaces, all scored on the whole of train."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from optimizers.candidate import Candidate
from optimizers.effects import Evaluate, Steps
from optimizers.policies.space import Space
from optimizers.policies.standing import better

# Draws in a row that gave nothing new before a small space counts as exhausted.
STALE = 200
# Candidates that run at the same time; a constant, so that the number of workers changes nothing.
TOGETHER = 4


@dataclass(frozen=True)
class RandomSearching:
    """A strategy that tries `trials` candidates drawn from the spaces, by path of the parameter.

    Bergstra and Bengio 2012: with few parameters that matter, drawing finds good values in fewer trials
    than a grid does.
    """

    spaces: Mapping[str, Space]
    trials: int

    def __call__(self, seed: Candidate, train: int, validation: int, rng: random.Random) -> Steps:
        everything = tuple(range(train))
        best, reached = seed, (yield Evaluate(seed, "train", everything))
        drawn = draw(seed, self.spaces, self.trials, rng)
        for first in range(0, len(drawn), TOGETHER):
            kids = drawn[first : first + TOGETHER]
            results = yield [Evaluate(kid, "train", everything) for kid in kids]
            for kid, rollouts in zip(kids, results, strict=True):
                if better(reached, rollouts):
                    best, reached = kid, rollouts
        return best


def draw(seed: Candidate, spaces: Mapping[str, Space], count: int, rng: random.Random) -> list[Candidate]:
    """Up to `count` different candidates other than the seed; fewer when the spaces hold fewer."""
    drawn: dict[str, Candidate] = {}
    stale = 0
    while len(drawn) < count and stale < STALE:
        kid = seed.edit({path: space.sample(rng) for path, space in spaces.items()}, "drawn at random")
        stale = stale + 1 if kid.id in drawn or kid == seed else 0
        if kid != seed:
            drawn.setdefault(kid.id, kid)
    return list(drawn.values())
