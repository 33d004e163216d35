"""When a search may end before its budget: asked between steps, so that schedules make no difference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from optimizers.driving.archive import Archive


@runtime_checkable
class Stopping(Protocol):
    """The reason to stop now, or None; `split` is the one candidates are judged on."""

    def reason(self, archive: Archive, split: str) -> str | None: ...


@dataclass(frozen=True)
class ScoreReached:
    """Stops when the best mean score on validation is at least `score`, without failures."""

    score: float

    def reason(self, archive: Archive, split: str) -> str | None:
        best = archive.best(split)
        if best is None:
            return None
        found = archive.standing(best, split)
        reached = found.mean is not None and found.mean >= self.score and not found.failed
        return f"a score of {found.mean:.4f} reached the goal of {self.score:g}" if reached else None


@dataclass(frozen=True)
class Patience:
    """Stops when the last `candidates` candidates were made without a new best one on `split`.

    Rejected proposals count. `split` is "train" or "validation": the one on which the strategy tries
    every candidate.
    """

    candidates: int
    split: str = "train"

    def reason(self, archive: Archive, split: str) -> str | None:
        best = archive.best(split if self.split == "validation" else self.split)
        if best is None:
            return None
        since = archive.since(best)
        return f"{since} candidates brought nothing better" if since >= self.candidates else None


@dataclass(frozen=True)
class Plateau:
    """Stops when the last `candidates` that ran on the whole of validation raised its best by no more than
    `gain`.

    For strategies that run only those on validation which did well on train. It is the means that count;
    what gave no score counts as no gain.
    """

    candidates: int
    gain: float = 0.0

    def reason(self, archive: Archive, split: str) -> str | None:
        judged = [one for one in archive.candidates if archive.complete(one, split)]
        means = [archive.standing(one, split).mean for one in judged]
        earlier = [mean for mean in means[: -self.candidates] if mean is not None]
        if not earlier:
            return None
        gain = max([mean for mean in means if mean is not None]) - max(earlier)
        if gain > self.gain:
            return None
        return f"the last {self.candidates} on validation gained {gain:.4g}, no more than {self.gain:g}"
