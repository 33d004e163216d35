"""Running means of candidates on whatever examples they have seen, and who is to run next."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from math import log, sqrt
from typing import Any, TypeAlias

from optimizers.candidate import Candidate
from optimizers.effects import Evaluate
from optimizers.rollout import Rollout

Running: TypeAlias = Generator[list[Evaluate], Any, list[tuple[Rollout, ...]]]


@dataclass
class Arms:
    """Candidates by id with the scores they got; a failure counts as the lowest score that any run had.

    It counts so in this order only: nothing is reported from it.
    """

    kept: dict[str, Candidate] = field(default_factory=dict)
    scores: dict[str, list[float | None]] = field(default_factory=dict)

    @classmethod
    def of(cls, candidates: Iterable[Candidate]) -> Arms:
        arms = cls()
        for one in candidates:
            arms.observe(one, ())
        return arms

    def __len__(self) -> int:
        return len(self.kept)

    def observe(self, candidate: Candidate, rollouts: Sequence[Rollout]) -> None:
        """Add what a candidate did; one that is new joins."""
        self.kept.setdefault(candidate.id, candidate)
        self.scores.setdefault(candidate.id, []).extend(rollout.score for rollout in rollouts)

    def run(self, candidates: Sequence[Candidate], ids: tuple[int, ...], evidence: bool = False) -> Running:
        """Run candidates on these examples of train at the same time, and add what they did."""
        tried = yield [Evaluate(one, "train", ids, evidence=evidence) for one in candidates]
        for one, rollouts in zip(candidates, tried, strict=True):
            self.observe(one, rollouts)
        return list(tried)

    def means(self) -> dict[str, float]:
        """The mean score of each that has run, by id."""
        low, _ = self._range()
        return {
            key: sum(low if score is None else score for score in found) / len(found)
            for key, found in self.scores.items()
            if found
        }

    def best(self, count: int = 1) -> list[Candidate]:
        """Those with the highest means, the earliest among equals."""
        means = self.means()
        order = sorted(means, key=lambda key: -means[key])
        return [self.kept[key] for key in order[:count]]

    def promising(self, count: int, exploration: float = 1.0) -> list[Candidate]:
        """Those with the highest upper confidence bounds; whoever has not run comes first.

        UCB1 (Auer et al. 2002): mean + exploration * range * sqrt(ln(runs of all) / runs), where the range
        is that of the scores seen, so that scores may be on any scale.
        """
        means, (low, high) = self.means(), self._range()
        total = log(max(1, sum(map(len, self.scores.values()))) + 1)

        def bound(key: str) -> float:
            runs = len(self.scores[key])
            return means[key] + exploration * (high - low) * sqrt(total / runs) if runs else float("inf")

        return [self.kept[key] for key in sorted(self.kept, key=lambda key: -bound(key))[:count]]

    def _range(self) -> tuple[float, float]:
        found = [score for scores in self.scores.values() for score in scores if score is not None]
        return (min(found), max(found)) if found else (0.0, 0.0)
