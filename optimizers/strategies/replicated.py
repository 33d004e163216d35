"""Any strategy with its validation run several times, where a program or a metric is noisy."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from optimizers.candidate import Candidate
from optimizers.effects import Effect, Evaluate, Steps
from optimizers.roles import Maker, Strategy
from optimizers.rollout import Rollout


@dataclass(frozen=True)
class Replicated:
    """A strategy whose every evaluation on `split` is made `times` times, at the same time.

    Replicated(Pareto(), times=3). The strategy sees the runs of all replicates as one evaluation, so its
    gates and means take the mean of an example's runs: they judge examples, not runs. Replicates make
    smaller gains visible; they do not make chance look like proof. Calls: those of the strategy; runs: the
    same, those on `split` `times` times.
    """

    strategy: Strategy
    times: int = 3
    split: str = "validation"

    @property
    def proposers(self) -> Mapping[str, Maker]:
        """Those of the strategy."""
        found: Mapping[str, Maker] = getattr(self.strategy, "proposers", {})
        return found

    @property
    def validates(self) -> bool:
        """Whether what the strategy returns has run on validation."""
        return bool(getattr(self.strategy, "validates", False))

    def __call__(self, seed: Candidate, train: int, validation: int, rng: random.Random) -> Steps:
        steps = self.strategy(seed, train, validation, rng)
        try:
            asked = next(steps)
            while True:
                effects = asked if isinstance(asked, list) else [asked]
                results = iter((yield [one for effect in effects for one in self._repeated(effect)]))
                answers = [self._joined(effect, results) for effect in effects]
                asked = steps.send(answers if isinstance(asked, list) else answers[0])
        except StopIteration as end:
            winner: Candidate = end.value
            return winner
        finally:
            steps.close()

    def _repeated(self, effect: Effect) -> Sequence[Effect]:
        if not isinstance(effect, Evaluate) or effect.split != self.split:
            return [effect]
        first = effect.replicate * self.times
        return [replace(effect, replicate=first + n) for n in range(self.times)]

    def _joined(self, effect: Effect, results: Any) -> Any:
        """The result of an effect: the next one, or the runs of all its replicates in one."""
        found = [next(results) for _ in self._repeated(effect)]
        if len(found) == 1:
            return found[0]
        rollouts: tuple[Rollout, ...] = tuple(one for runs in found for one in runs)
        return rollouts
