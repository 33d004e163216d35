"""One run of a candidate on an example: what came of it, and what it took; JSON and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from optimizers.evidence.evidence import Evidence
from tracelib.feedback.feedback import Feedback


@dataclass(frozen=True)
class Cost:
    """What was used: model calls, tokens, dollars, seconds of one worker.

    Tokens and dollars are None when a model did not say; unknown is never 0.
    """

    calls: int = 0
    tokens: int | None = 0
    dollars: float | None = 0.0
    seconds: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.calls + other.calls,
            None if self.tokens is None or other.tokens is None else self.tokens + other.tokens,
            None if self.dollars is None or other.dollars is None else self.dollars + other.dollars,
            self.seconds + other.seconds,
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "calls": self.calls,
            "tokens": self.tokens,
            "dollars": self.dollars,
            "seconds": self.seconds,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Cost:
        return cls(data["calls"], data["tokens"], data["dollars"], data["seconds"])


@dataclass(frozen=True)
class Rollout:
    """One run of a candidate on one example of a split.

    `score` is higher-is-better, and None when the run failed: then `error` says how. `scores` are the
    named numbers of a metric that gives several. `output` is a short view of what the program returned.
    """

    example: int
    split: str
    score: float | None
    feedback: Feedback = field(default_factory=Feedback)
    evidence: Evidence | None = None
    error: str | None = None
    output: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    replicate: int = 0
    cost: Cost = field(default_factory=Cost, compare=False)

    @property
    def failed(self) -> bool:
        return self.score is None

    def to_json(self) -> dict[str, Any]:
        return {**self.content(), "cost": self.cost.to_json()}

    def content(self) -> dict[str, Any]:
        """What was seen, without what it took to see it; equal runs have equal content."""
        return {
            "example": self.example,
            "split": self.split,
            "score": self.score,
            "feedback": self.feedback.to_json(),
            "evidence": self.evidence.to_json() if self.evidence is not None else None,
            "error": self.error,
            "output": self.output,
            "scores": dict(self.scores),
            "replicate": self.replicate,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Rollout:
        evidence = data["evidence"]
        return cls(
            data["example"],
            data["split"],
            data["score"],
            Feedback.from_json(data["feedback"]),
            None if evidence is None else Evidence.from_json(evidence),
            data["error"],
            data["output"],
            data["scores"],
            data["replicate"],
            Cost.from_json(data["cost"]),
        )
