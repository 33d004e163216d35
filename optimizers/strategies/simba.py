"""Learning from contrast: where runs of the same example differ most, a rule or a demonstration is added."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import ClassVar, Literal

from optimizers.candidate import Candidate, Rejected
from optimizers.effects import Evaluate, Propose, Steps
from optimizers.policies.arms import Arms
from optimizers.policies.sampling import distinct, drawn, minibatches, softmax
from optimizers.proposers.rules import RulePrompt
from optimizers.roles import Maker
from optimizers.rollout import Rollout
from optimizers.strategies.bootstrap import any_run
from optimizers.strategies.champion import Champion

Kind = Literal["rule", "demos"]


@dataclass(frozen=True)
class Simba:
    """SIMBA of DSPy: stochastic introspective mini-batch ascent.

    In each step a minibatch runs `programs` times, each time with a candidate drawn by its mean (softmax of
    the given temperature), as a replicate of its own. Examples are ordered by how far their runs lie
    apart; each of the first `candidates` of them gives a kid of a candidate drawn again: a rule from its
    best and its worst run (kind "rule"), or its best run as one more demonstration (kind "demos").
    The kids run on the same minibatch, the best of them meets validation. Where all runs of an example
    score the same there is nothing to learn; a program that always does the same learns only once several
    candidates differ.

    Calls per step: at most candidates; runs: (programs + kids) * batch, and validation.
    """

    programs: int = 6
    candidates: int = 6
    batch: int = 32
    steps: int = 8
    temperature: float = 0.2
    demonstrations: int = 4
    proposers: Mapping[str, Maker] = field(default_factory=lambda: {"rule": RulePrompt, "demos": any_run})
    validates: ClassVar[bool] = True

    def __call__(self, seed: Candidate, train: int, validation: int, rng: random.Random) -> Steps:
        champion, arms, nth = Champion(seed, validation), Arms.of([seed]), count()
        yield from champion.meet(seed)
        batches = minibatches(train, self.batch, rng)
        for step in range(self.steps):
            batch, first = next(batches), step * self.programs
            drawings = [self._drawn(arms, rng) for _ in range(self.programs)]
            runs = yield [
                Evaluate(one, "train", batch, replicate=first + n, evidence=True)
                for n, one in enumerate(drawings)
            ]
            for one, rollouts in zip(drawings, runs, strict=True):
                arms.observe(one, rollouts)
            asked = [
                self._request(self._drawn(arms, rng), best, worst, next(nth), rng)
                for best, worst in contrasts(runs)[: self.candidates]
            ]
            made = yield asked
            kids = distinct([self._grown(*pair) for pair in zip(asked, made, strict=True)], arms.kept)
            yield from arms.run(kids, batch)
            ranked = [one for one in arms.best(len(arms)) if one in kids]
            yield from champion.meet([*ranked, seed][0])
        return champion.best

    def _drawn(self, arms: Arms, rng: random.Random) -> Candidate:
        means = arms.means() or dict.fromkeys(arms.kept, 0.0)
        return arms.kept[drawn(softmax(means, self.temperature), rng)]

    def _request(
        self, one: Candidate, best: Rollout, worst: Rollout, nth: int, rng: random.Random
    ) -> Propose:
        lists = tuple(name for name, value in one.values.items() if isinstance(value, list))
        texts = tuple(name for name, value in one.values.items() if isinstance(value, str))
        if lists and (not texts or rng.random() < 0.5):
            return Propose(one, (best,), nth, kind="demos", names=lists)
        return Propose(one, (best, worst), nth, kind="rule", names=texts)

    def _grown(self, request: Propose, made: Candidate | Rejected) -> Candidate | Rejected:
        """Demonstrations are added to those there were, the oldest go first when there are too many."""
        if request.kind != "demos" or isinstance(made, Rejected):
            return made
        old = request.candidate.values
        lists = {name: [*old[name], *made.values[name]][-self.demonstrations :] for name in request.names}
        return request.candidate.edit(lists, made.note)


def contrasts(runs: list[tuple[Rollout, ...]]) -> list[tuple[Rollout, Rollout]]:
    """The best and the worst run of each example whose runs differ, the widest gap first.

    Gaps of one size are ordered by how good the best run is; a failure is the worst there is, its gap is as
    wide as the widest.
    """
    pairs = [(max(found, key=_score), min(found, key=_score)) for found in zip(*runs, strict=True)]
    told = [(best, worst) for best, worst in pairs if best.score is not None and best.score != worst.score]
    widest = max((best.score - worst.score for best, worst in told if worst.score is not None), default=0.0)

    def gap(pair: tuple[Rollout, Rollout]) -> tuple[float, float]:
        best, worst = _score(pair[0]), pair[1].score
        return (-(widest if worst is None else best - worst), -best)

    return sorted(told, key=gap)


def _score(rollout: Rollout) -> float:
    return float("-inf") if rollout.score is None else rollout.score
