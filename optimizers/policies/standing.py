"""How well rollouts did, and which of two sets of them is better; a failure is never a number here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from optimizers.rollout import Rollout


@dataclass(frozen=True)
class Standing:
    """The mean score of the examples that gave one (None: none did), and how many failed."""

    mean: float | None
    scored: int
    failed: int

    def __str__(self) -> str:
        shown = "no score" if self.mean is None else f"{self.mean:.4f}"
        return f"{shown} ({self.failed} of {self.scored + self.failed} failed)" if self.failed else shown


def by_example(rollouts: Iterable[Rollout]) -> dict[int, float | None]:
    """The score of each example, the mean of its replicates; None where all of them failed."""
    scores: defaultdict[int, list[float]] = defaultdict(list)
    for rollout in rollouts:
        found = scores[rollout.example]
        if rollout.score is not None:
            found.append(rollout.score)
    return {example: fmean(found) if found else None for example, found in scores.items()}


def standing(rollouts: Iterable[Rollout]) -> Standing:
    """Where these rollouts stand."""
    scores = by_example(rollouts)
    found = [score for score in scores.values() if score is not None]
    return Standing(fmean(found) if found else None, len(found), len(scores) - len(found))


def pairs(old: Iterable[Rollout], new: Iterable[Rollout]) -> list[tuple[float, float]]:
    """(old, new) scores of the examples on which both gave one, by example."""
    before, after = by_example(old), by_example(new)
    both = ((before[example], after.get(example)) for example in sorted(before))
    return [(a, b) for a, b in both if a is not None and b is not None]


def failures(rollouts: Iterable[Rollout]) -> int:
    """On how many examples every run failed."""
    return sum(score is None for score in by_example(rollouts).values())


def better(old: Sequence[Rollout], new: Sequence[Rollout]) -> bool:
    """Whether new is strictly better: a higher mean where both scored, and no more failures.

    At equal means fewer failures are better; so is any score where old has none. A program that
    crashes on what it finds hard does not gain by it.
    """
    more = failures(new) - failures(old)
    if more > 0:
        return False
    common = pairs(old, new)
    gain = fmean(b for _, b in common) - fmean(a for a, _ in common) if common else 0.0
    return gain > 0 or (gain == 0 and more < 0)


def perfect(rollouts: Iterable[Rollout], score: float | None) -> bool:
    """Whether every run has this score, so that nothing can be learned from them; never for None.

    Equal, not at least: scores on another scale than 0-1 are not perfect for being above 1.
    """
    return score is not None and all(rollout.score == score for rollout in rollouts)
