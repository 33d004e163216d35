"""Best of n: several proposals at once, each tried on validation; the baseline for all that search longer."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from optimizers.candidate import Candidate
from optimizers.effects import Evaluate, Propose, Steps
from optimizers.policies.sampling import distinct, sample_of
from optimizers.policies.standing import better
from optimizers.proposers.optoprime import OptoPrimePrompt
from optimizers.roles import Maker


@dataclass(frozen=True)
class BestOfN:
    """`proposals` made from the same `batch` runs of the values you have; the best on validation wins.

    Calls: proposals; runs: batch, and validation for each proposal. Everything runs at the same time.
    """

    proposals: int = 8
    batch: int = 8
    proposers: Mapping[str, Maker] = field(default_factory=lambda: {"": OptoPrimePrompt})
    validates: ClassVar[bool] = True

    def __call__(self, seed: Candidate, train: int, validation: int, rng: random.Random) -> Steps:
        everything = tuple(range(validation))
        best, reached = seed, (yield Evaluate(seed, "validation", everything))
        seen = yield Evaluate(seed, "train", sample_of(train, self.batch, rng), evidence=True)
        made = yield [Propose(seed, seen, n) for n in range(self.proposals)]
        kids = distinct(made, [seed.id])
        scored = yield [Evaluate(kid, "validation", everything) for kid in kids]
        for kid, rollouts in zip(kids, scored, strict=True):
            if better(reached, rollouts):
                best, reached = kid, rollouts
        return best
