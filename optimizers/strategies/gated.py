"""Propose, try on a minibatch, gate on validation: the plain way to train with a proposer."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from optimizers.candidate import Attempt, Candidate
from optimizers.effects import Evaluate, Propose, Steps
from optimizers.policies.gate import Gate, Strict
from optimizers.policies.memory import remember
from optimizers.policies.sampling import distinct, minibatches
from optimizers.policies.standing import better, perfect
from optimizers.proposers.optoprime import OptoPrimePrompt
from optimizers.roles import Maker
from optimizers.rollout import Rollout


@dataclass(frozen=True)
class Gated:
    """A strategy: in each step the best candidate runs on a minibatch of train, proposals are made from
    what was seen, the best of them on the same minibatch goes to validation, and the gate decides.

    `perfect` is the score at which a minibatch has nothing to teach and is passed over, None if there is
    none. `memory` is how many earlier attempts a proposal is told of. Calls per step: proposals; runs: batch,
    proposals * batch, and validation when one was better on the minibatch.
    """

    batch: int = 4
    proposals: int = 1
    steps: int = 20
    gate: Gate = field(default_factory=Strict)
    memory: int = 0
    perfect: float | None = 1.0
    proposers: Mapping[str, Maker] = field(default_factory=lambda: {"": OptoPrimePrompt})
    validates: ClassVar[bool] = True

    def __call__(self, seed: Candidate, train: int, validation: int, rng: random.Random) -> Steps:
        everything = tuple(range(validation))
        best, reached = seed, (yield Evaluate(seed, "validation", everything))
        history: deque[Attempt] = deque(maxlen=self.memory)
        batches = minibatches(train, self.batch, rng)
        for step in range(self.steps):
            batch = next(batches)
            old = yield Evaluate(best, "train", batch, evidence=True)
            if perfect(old, self.perfect):
                continue
            asked = [self._request(best, old, step, n, history) for n in range(self.proposals)]
            made = yield asked
            kids = distinct(made, [best.id])
            tried = yield [Evaluate(kid, "train", batch) for kid in kids]
            remember(history, made, kids, tried)
            chosen = best_of(old, kids, tried)
            if chosen is None:
                continue
            scored = yield Evaluate(chosen, "validation", everything)
            if self.gate.judge(reached, scored).accepted:
                best, reached = chosen, scored
        return best

    def _request(
        self, best: Candidate, seen: tuple[Rollout, ...], step: int, n: int, history: deque[Attempt]
    ) -> Propose:
        return Propose(best, seen, step * self.proposals + n, tuple(history))


def best_of(
    old: tuple[Rollout, ...], kids: list[Candidate], tried: list[tuple[Rollout, ...]]
) -> Candidate | None:
    """The candidate that did best on the minibatch, None when none did better than the old one."""
    chosen, reached = None, old
    for kid, rollouts in zip(kids, tried, strict=True):
        if better(reached, rollouts):
            chosen, reached = kid, rollouts
    return chosen
