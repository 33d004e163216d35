"""What a run works on and what it comes to: the sizes of the splits, and the outcome."""

from __future__ import annotations

from dataclasses import dataclass

from optimizers.budget import Spent
from optimizers.candidate import Candidate
from optimizers.driving.archive import Archive
from optimizers.policies.gate import Verdict
from optimizers.policies.standing import standing
from optimizers.rollout import Rollout
from tracelib.errors import OptimizerError


@dataclass(frozen=True)
class Splits:
    """How many examples each split has. Without a validation split, train stands in for it."""

    train: int
    validation: int | None = None
    test: int = 0

    def __post_init__(self) -> None:
        for split in ("train", "validation"):
            if getattr(self, split) == 0:
                raise OptimizerError(f"there are no examples in {split}")

    @property
    def judge(self) -> str:
        """The split on which candidates are judged."""
        return "train" if self.validation is None else "validation"

    def of(self, split: str) -> str:
        """The split that is meant by a name."""
        return self.judge if split == "validation" else split

    @property
    def sizes(self) -> dict[str, int]:
        """The splits a strategy may use, with their sizes."""
        judged = {} if self.validation is None else {"validation": self.validation}
        return {"train": self.train, **judged}


@dataclass(frozen=True)
class Outcome:
    """What a run came to. `winner` is the seed when nothing beat it; `verdict` is None when nothing tried.

    `stopped` says why the search ended before its strategy returned, "" when it did return.
    """

    seed: Candidate
    winner: Candidate
    archive: Archive
    splits: Splits
    spent: Spent
    verdict: Verdict | None = None
    stopped: str = ""
    notes: tuple[str, ...] = ()

    @property
    def improved(self) -> bool:
        return self.winner != self.seed

    @property
    def score(self) -> float | None:
        """What the winner was measured at, on the examples that candidates are judged on."""
        return standing(self.rollouts(self.winner, self.splits.judge)).mean

    def rollouts(self, candidate: Candidate, split: str) -> tuple[Rollout, ...]:
        """What a candidate did on a split, by example."""
        return self.archive.rollouts(candidate, self.splits.of(split))
