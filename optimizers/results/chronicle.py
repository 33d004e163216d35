"""What a run's events tell beyond its outcome: what each candidate was made from, and when it was scored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optimizers.driving.events import (
    Advised,
    CandidateMade,
    CandidateRejected,
    Evaluated,
    Event,
    RolloutDone,
    RunStarted,
)
from optimizers.effects import Request
from optimizers.evidence.excerpt import Excerpt
from optimizers.rollout import Rollout

LIMIT = 400
"""Characters of what one run gave, and of what was said about it."""
RUNS = 32
"""Runs that are listed of those a proposal was made from."""


@dataclass(frozen=True)
class Seen:
    """One run that a proposal was made from: its example, score, output, and what was said about it."""

    split: str
    example: int
    score: float | None
    output: str = ""
    feedback: str = ""

    @classmethod
    def of(cls, rollout: Rollout) -> Seen:
        said = str(Excerpt.of(rollout.feedback.text, LIMIT))
        return cls(rollout.split, rollout.example, rollout.score, rollout.output, said)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Seen:
        return cls(**data)


class Chronicle:
    """Hears a run. `made_from` is by candidate, `refused` in the order of the archive's rejected proposals.

    `at` is how many rollouts were spent when a candidate was first scored on all of a split, by split.
    """

    def __init__(self) -> None:
        self.made_from: dict[str, tuple[Seen, ...]] = {}
        self.refused: list[tuple[Seen, ...]] = []
        self.at: defaultdict[str, dict[str, int]] = defaultdict(dict)
        self._sizes: Mapping[str, int] = {}
        self._rollouts = 0

    def on(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._sizes = event.sizes
        elif isinstance(event, RolloutDone):
            self._rollouts = max(self._rollouts, event.spent.rollouts)
        elif isinstance(event, Evaluated):
            if len(set(event.effect.ids)) == self._sizes.get(event.effect.split):
                self.at[event.effect.candidate.id].setdefault(event.effect.split, self._rollouts)
        elif isinstance(event, CandidateMade):
            self.made_from.setdefault(event.candidate.id, _seen(event.request))
        elif isinstance(event, CandidateRejected) or (
            isinstance(event, Advised) and event.advice.problem is not None
        ):
            self.refused.append(_seen(event.request))


def _seen(request: Request) -> tuple[Seen, ...]:
    return tuple(map(Seen.of, request.evidence[:RUNS]))
