"""Bootstrapped demonstrations with random search: which of the runs that went well to show the model."""

from __future__ import annotations

import random
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

from optimizers.candidate import Candidate
from optimizers.effects import Evaluate, Propose, Steps
from optimizers.policies.sampling import distinct
from optimizers.policies.standing import better
from optimizers.proposers.demonstrations import Demonstrations
from optimizers.roles import Maker
from optimizers.rollout import Rollout

any_run = partial(Demonstrations, threshold=float("-inf"))
"""Demonstrations from whatever runs a strategy gives, which has chosen them by itself."""


@dataclass(frozen=True)
class Bootstrap:
    """BootstrapFewShot with random search (DSPy, Khattab et al. 2023, arXiv 2310.03714).

    The program as it is runs on train, `batch` examples at a time, until `wanted` runs scored `threshold`
    or more. What they did becomes demonstrations in parameters that hold a list (proposals of the kind
    "demos", which ask no model): the first in order, then `sets` random choices; with `labels` the given
    examples alone too. All run on validation, and the best wins; the empty list is the program as it is.

    Calls: 0; runs: at most train, and validation for each of sets + 1 candidates (+ 1 with labels).
    """

    sets: int = 16
    threshold: float = 1.0
    wanted: int = 16
    batch: int = 8
    labels: bool = False
    proposers: Mapping[str, Maker] = field(default_factory=lambda: {"demos": any_run})
    validates: ClassVar[bool] = True

    def __call__(self, seed: Candidate, train: int, validation: int, rng: random.Random) -> Steps:
        everything = tuple(range(validation))
        best, reached = seed, (yield Evaluate(seed, "validation", everything))
        good = yield from self._good(seed, train, rng)
        asked = [Propose(seed, good, n, kind="demos") for n in range(self.sets + 1)]
        if self.labels:
            asked.append(Propose(seed, (), 0, kind="demos"))
        kids = distinct((yield asked), [seed.id])
        scored = yield [Evaluate(kid, "validation", everything) for kid in kids]
        for kid, rollouts in zip(kids, scored, strict=True):
            if better(reached, rollouts):
                best, reached = kid, rollouts
        return best

    def _good(
        self, seed: Candidate, train: int, rng: random.Random
    ) -> Generator[Evaluate, Any, tuple[Rollout, ...]]:
        """Recorded runs that reached the threshold, in the order they came."""
        order, good = rng.sample(range(train), train), []
        for first in range(0, train, self.batch):
            ids = tuple(order[first : first + self.batch])
            seen = yield Evaluate(seed, "train", ids, evidence=True)
            good += [one for one in seen if one.score is not None and one.score >= self.threshold]
            if len(good) >= self.wanted:
                break
        return tuple(good[: self.wanted])
