"""Beam search by textual gradients: reasons, edits, paraphrases; a bandit chooses the next beam."""

from __future__ import annotations

import random
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, ClassVar

from optimizers.candidate import Candidate
from optimizers.effects import Consult, Propose, Steps
from optimizers.policies.arms import Arms
from optimizers.policies.sampling import distinct, minibatches
from optimizers.policies.standing import perfect
from optimizers.proposers.protegi import EditPrompt, GradientCounsel, ParaphrasePrompt
from optimizers.roles import Maker
from optimizers.rollout import Rollout
from optimizers.strategies.champion import Champion

Expanding = Generator[list[Consult] | list[Propose], Any, list[Candidate]]


@dataclass(frozen=True)
class Beam:
    """ProTeGi (Pryzant et al. 2023, arXiv 2305.03495): beam search with UCB selection.

    Each of the `width` members of the beam runs on a minibatch; for each of `groups` groups of its errors a
    counsel gives reasons (kind "gradient"), each reason makes one edit (kind "edit"), each edit
    `paraphrases` (kind "paraphrase"); at most `expansion` of a member's successors, drawn by chance, go on.
    Then `pulls` times `sample` examples of train are spent by upper confidence bounds, `width` candidates at
    a time, and those with the best means are the next beam; the first of them meets validation.

    With m reasons, calls per step: width * groups * (1 + m * (1 + paraphrases)); runs: width * batch +
    pulls * sample, and validation when the first is new.
    """

    width: int = 4
    steps: int = 6
    batch: int = 16
    groups: int = 1
    paraphrases: int = 2
    expansion: int = 8
    pulls: int = 24
    sample: int = 4
    exploration: float = 1.0
    perfect: float | None = 1.0
    proposers: Mapping[str, Maker] = field(
        default_factory=lambda: {
            "gradient": GradientCounsel,
            "edit": EditPrompt,
            "paraphrase": ParaphrasePrompt,
        }
    )
    validates: ClassVar[bool] = True

    def __call__(self, seed: Candidate, train: int, validation: int, rng: random.Random) -> Steps:
        champion, beam, nth = Champion(seed, validation), [seed], count()
        yield from champion.meet(seed)
        batches, samples = minibatches(train, self.batch, rng), minibatches(train, self.sample, rng)
        for _ in range(self.steps):
            arms = Arms()
            seen = yield from arms.run(beam, next(batches), evidence=True)
            kids: list[Candidate] = []
            for one, rollouts in zip(beam, seen, strict=True):
                if not perfect(rollouts, self.perfect):
                    found = yield from self._successors(one, rollouts, nth)
                    kids += rng.sample(found, min(self.expansion, len(found)))
            for kid in distinct(kids, arms.kept):
                arms.observe(kid, ())
            for pulled in self._rounds():
                yield from arms.run(arms.promising(pulled, self.exploration), next(samples))
            beam = arms.best(self.width)
            yield from champion.meet(beam[0])
        return champion.best

    def _successors(self, one: Candidate, seen: Sequence[Rollout], nth: Iterator[int]) -> Expanding:
        """Edits for each reason given, and their paraphrases."""
        evidence = tuple(seen)
        advice = yield [Consult(one, "gradient", evidence, group) for group in range(self.groups)]
        reasons = [text for given in advice for text in given.texts]
        made = yield [Propose(one, evidence, next(nth), kind="edit", notes=(reason,)) for reason in reasons]
        edits = distinct(made, [one.id])
        more = yield [
            Propose(edit, nth=next(nth), kind="paraphrase") for edit in edits for _ in range(self.paraphrases)
        ]
        return distinct([*edits, *more], [one.id])

    def _rounds(self) -> list[int]:
        """How many candidates run in each round of the bandit, `pulls` in all."""
        whole, rest = divmod(self.pulls, self.width)
        return [self.width] * whole + [rest] * (rest > 0)
