"""Search by history: a model is shown what was tried, with the scores, and writes what may be better."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from optimizers.candidate import Candidate
from optimizers.effects import Evaluate, Propose, Steps
from optimizers.policies.memory import ascending, attempt_of
from optimizers.policies.sampling import distinct, sample_of
from optimizers.policies.standing import better
from optimizers.proposers.opro import OproPrompt
from optimizers.roles import Maker
from optimizers.strategies.champion import Champion


@dataclass(frozen=True)
class History:
    """OPRO (Yang et al. 2023, arXiv 2309.03409): a model is shown the best attempts so far, the best last.

    In each step `proposals` are made from the best `memory` attempts and all run on the same examples
    of train, `examples` of them drawn once, all for None. The history shown is bounded, so prompts do not
    grow. Calls per step: proposals; runs: proposals * examples, and validation when the best is new.
    """

    proposals: int = 8
    steps: int = 10
    memory: int = 20
    examples: int | None = None
    proposers: Mapping[str, Maker] = field(default_factory=lambda: {"": OproPrompt})
    validates: ClassVar[bool] = True

    def __call__(self, seed: Candidate, train: int, validation: int, rng: random.Random) -> Steps:
        champion, ids = Champion(seed, validation), sample_of(train, self.examples, rng)
        yield from champion.meet(seed)
        best, reached = seed, (yield Evaluate(seed, "train", ids, evidence=True))
        history, known = [attempt_of(seed, reached)], {seed.id}
        for step in range(self.steps):
            shown, first = ascending(history, self.memory), step * self.proposals
            made = yield [Propose(best, reached, first + n, shown) for n in range(self.proposals)]
            kids = distinct(made, known)
            tried = yield [Evaluate(kid, "train", ids, evidence=True) for kid in kids]
            for kid, rollouts in zip(kids, tried, strict=True):
                history.append(attempt_of(kid, rollouts))
                known.add(kid.id)
                if better(reached, rollouts):
                    best, reached = kid, rollouts
            yield from champion.meet(best)
        return champion.best
