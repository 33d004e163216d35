"""Propose, try on a minibatch, gate on validation: the plain way to train with a proposer."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from optimizers.candidate import Attempt, Candidate, Rejected
from optimizers.effects import Evaluate, Propose, Steps
from optimizers.policies.gate import Gate, Strict
from optimizers.policies.standing import better, standing
from optimizers.rollout import Rollout


@dataclass(frozen=True)
class Gated:
    """A strategy: in each step the best candidate runs on a minibatch of train, proposals are made from
    what was seen, the best of them on the same minibatch goes to validation, and the gate decides.

    `perfect` is the score at which a minibatch has nothing to teach and is passed over, None if there is
    none. `memory` is how many earlier attempts each proposal is told of.
    """

    batch: int = 4
    proposals: int = 1
    steps: int = 20
    gate: Gate = field(default_factory=Strict)
    memory: int = 0
    perfect: float | None = 1.0
    validates: ClassVar[bool] = True

    def __call__(self, seed: Candidate, train: int, validation: int, rng: random.Random) -> Steps:
        everything = tuple(range(validation))
        best, reached = seed, (yield Evaluate(seed, "validation", everything))
        history: deque[Attempt] = deque(maxlen=self.memory)
        batches = minibatches(train, self.batch, rng)
        for step in range(self.steps):
            batch = next(batches)
            old = yield Evaluate(best, "train", batch, evidence=True)
            if self._nothing_to_learn(old):
                continue
            asked = [self._request(best, old, step, n, history) for n in range(self.proposals)]
            made = yield asked
            kids = distinct(made, best)
            tried = yield [Evaluate(kid, "train", batch) for kid in kids]
            remember(history, made, kids, tried)
            chosen = best_of(old, kids, tried)
            if chosen is None:
                continue
            scored = yield Evaluate(chosen, "validation", everything)
            if self.gate.judge(reached, scored).accepted:
                best, reached = chosen, scored
        return best

    def _nothing_to_learn(self, rollouts: tuple[Rollout, ...]) -> bool:
        # Equal, not at least: scores on another scale than 0-1 are not perfect for being above 1.
        return self.perfect is not None and all(rollout.score == self.perfect for rollout in rollouts)

    def _request(
        self, best: Candidate, seen: tuple[Rollout, ...], step: int, n: int, history: deque[Attempt]
    ) -> Propose:
        return Propose(best, seen, step * self.proposals + n, tuple(history))


def minibatches(size: int, batch: int, rng: random.Random) -> Iterator[tuple[int, ...]]:
    """Indices in batches without end, every epoch a new shuffle of all.

    A short batch at the end of an epoch is filled up from the next; no example is twice in a batch.
    """
    batch, waiting = min(batch, size), rng.sample(range(size), size)
    while True:
        chosen, waiting = waiting[:batch], waiting[batch:]
        if len(chosen) < batch:
            epoch = rng.sample(range(size), size)
            more = [example for example in epoch if example not in chosen][: batch - len(chosen)]
            chosen, waiting = chosen + more, [example for example in epoch if example not in more]
        yield tuple(chosen)


def distinct(made: list[Candidate | Rejected], best: Candidate) -> list[Candidate]:
    """The candidates among what was made, each once, without the best."""
    kids = (kid for kid in made if isinstance(kid, Candidate) and kid != best)
    return list({kid.id: kid for kid in kids}.values())


def best_of(
    old: tuple[Rollout, ...], kids: list[Candidate], tried: list[tuple[Rollout, ...]]
) -> Candidate | None:
    """The candidate that did best on the minibatch, None when none did better than the old one."""
    chosen, reached = None, old
    for kid, rollouts in zip(kids, tried, strict=True):
        if better(reached, rollouts):
            chosen, reached = kid, rollouts
    return chosen


def remember(
    history: deque[Attempt],
    made: list[Any],
    kids: list[Candidate],
    tried: list[tuple[Rollout, ...]],
) -> None:
    """Add what was tried, and what could not be, to what later proposals are told."""
    for kid, rollouts in zip(kids, tried, strict=True):
        history.append(Attempt(kid.values, standing(rollouts).mean))
    for rejected in made:
        if isinstance(rejected, Rejected):
            history.append(Attempt(rejected.proposal.values, problem=rejected.problem))
