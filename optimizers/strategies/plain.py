"""Plain steps: run a minibatch, take what is proposed, without looking whether it helped."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from optimizers.candidate import Attempt, Candidate
from optimizers.effects import Evaluate, Propose, Steps
from optimizers.policies.memory import attempt_of
from optimizers.policies.sampling import minibatches
from optimizers.policies.standing import perfect
from optimizers.proposers.textgrad import TextGradPrompt
from optimizers.roles import Maker


@dataclass(frozen=True)
class Plain:
    """Textual gradient descent (TextGrad, Yuksekgonul et al. 2024, arXiv 2406.07496), and OptoPrime's loop
    (Cheng et al. 2024, arXiv 2406.16218): what is proposed is adopted, whatever it does.

    The cheapest there is: runs per step: batch; calls: 1, or a critic per edge and 1 per parameter with
    TextGrad's prompts. Nothing keeps a gain, so noise wears it off; the trainer's gate judges only the end.
    `memory` is how many earlier values, and reasons of earlier proposals, each proposal is told of.
    """

    batch: int = 3
    steps: int = 20
    memory: int = 0
    perfect: float | None = 1.0
    proposers: Mapping[str, Maker] = field(default_factory=lambda: {"": TextGradPrompt})

    def __call__(self, seed: Candidate, train: int, validation: int, rng: random.Random) -> Steps:
        here, history, reasons = seed, deque[Attempt](maxlen=self.memory), deque[str](maxlen=self.memory)
        batches = minibatches(train, self.batch, rng)
        for step in range(self.steps):
            rollouts = yield Evaluate(here, "train", next(batches), evidence=True)
            if perfect(rollouts, self.perfect):
                continue
            made = yield Propose(here, rollouts, step, tuple(history), notes=tuple(reasons))
            history.append(attempt_of(here, rollouts))
            if isinstance(made, Candidate):
                here = made
                reasons.append(made.note)
        return here
