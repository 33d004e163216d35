"""Priority search: running means of all candidates, the best and the most promising are worked on."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import ClassVar

from optimizers.candidate import Candidate
from optimizers.effects import Evaluate, Propose, Steps
from optimizers.policies.arms import Arms
from optimizers.policies.sampling import distinct, minibatches
from optimizers.proposers.optoprime import OptoPrimePrompt
from optimizers.roles import Maker
from optimizers.strategies.champion import Champion


@dataclass(frozen=True)
class Priority:
    """Priority search as in POLCA (arXiv 2603.14769) and Trace's search: means under noise, not single wins.

    In each step the `explored` candidates with the highest upper confidence bounds, the best mean always
    among them, run on a minibatch of their own; `proposals` are made of each. Then all of these, old and
    new, run on one further minibatch. Every run counts in the candidate's mean, so that luck wears off.

    Calls per step: explored * proposals; runs: explored * batch, (explored * proposals + explored) * batch,
    and validation when the best mean is new.
    """

    explored: int = 2
    proposals: int = 2
    batch: int = 4
    steps: int = 10
    exploration: float = 1.0
    proposers: Mapping[str, Maker] = field(default_factory=lambda: {"": OptoPrimePrompt})
    validates: ClassVar[bool] = True

    def __call__(self, seed: Candidate, train: int, validation: int, rng: random.Random) -> Steps:
        champion, arms, nth = Champion(seed, validation), Arms.of([seed]), count()
        yield from champion.meet(seed)
        batches = minibatches(train, self.batch, rng)
        for _ in range(self.steps):
            here = self._explored(arms)
            seen = yield [Evaluate(one, "train", next(batches), evidence=True) for one in here]
            made = yield [
                Propose(one, runs, next(nth))
                for one, runs in zip(here, seen, strict=True)
                for _ in range(self.proposals)
            ]
            tried, batch = [*here, *distinct(made, arms.kept)], next(batches)
            for one, runs in zip(here, seen, strict=True):
                arms.observe(one, runs)
            yield from arms.run(tried, batch)
            yield from champion.meet(arms.best()[0])
        return champion.best

    def _explored(self, arms: Arms) -> list[Candidate]:
        """The best mean, and the most promising beside it."""
        best = arms.best()
        others = [one for one in arms.promising(len(arms), self.exploration) if one not in best]
        return [*best, *others][: self.explored]
