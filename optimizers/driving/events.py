"""What a run tells its callbacks: one small value per event, and the one who tells them.

Recorders that listen to the process hear the same events by name.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeAlias, runtime_checkable

from optimizers.budget import Budget, Spent
from optimizers.candidate import Advice, Candidate, Rejected
from optimizers.effects import Consult, Evaluate, Job, Propose
from optimizers.policies.gate import Verdict
from optimizers.policies.standing import Standing
from optimizers.rollout import Rollout
from tracelib.errors import TraceWarning
from tracelib.graph.tracing import notify_event


@dataclass(frozen=True)
class RunStarted:
    """A run began; `kept` pieces of work were found in its journal. `sizes` are by split."""

    name: ClassVar[str] = "run_started"
    seed: Candidate
    sizes: dict[str, int]
    budget: Budget
    kept: int = 0

    def data(self) -> dict[str, Any]:
        return {"candidate": self.seed.id, "sizes": self.sizes, "budget": str(self.budget), "kept": self.kept}


@dataclass(frozen=True)
class RolloutDone:
    """One run on one example ended, in the order in which they end."""

    name: ClassVar[str] = "rollout"
    job: Job
    rollout: Rollout
    spent: Spent

    def data(self) -> dict[str, Any]:
        found = self.rollout
        return {
            "candidate": self.job.candidate.id,
            "split": found.split,
            "example": found.example,
            "score": found.score,
            "error": found.error,
        }


@dataclass(frozen=True)
class Evaluated:
    """A candidate ran on examples; `rollouts` are in the order asked for."""

    name: ClassVar[str] = "evaluated"
    effect: Evaluate
    rollouts: tuple[Rollout, ...]
    standing: Standing

    def data(self) -> dict[str, Any]:
        return {
            "candidate": self.effect.candidate.id,
            "split": self.effect.split,
            "examples": len(self.effect.ids),
            "score": self.standing.mean,
            "failed": self.standing.failed,
        }


@dataclass(frozen=True)
class CandidateMade:
    """A proposal became a candidate; its note is the reason."""

    name: ClassVar[str] = "candidate"
    request: Propose
    candidate: Candidate

    def data(self) -> dict[str, Any]:
        made = self.candidate
        return {"candidate": made.id, "parents": list(made.parents), "because": made.note}


@dataclass(frozen=True)
class CandidateRejected:
    """A proposal could not be used."""

    name: ClassVar[str] = "rejected"
    request: Propose
    rejected: Rejected

    def data(self) -> dict[str, Any]:
        return {"parent": self.rejected.parent, "problem": self.rejected.problem}


@dataclass(frozen=True)
class Advised:
    """A model was asked for texts; the advice has its problem when they could not be used."""

    name: ClassVar[str] = "advice"
    request: Consult
    advice: Advice

    def data(self) -> dict[str, Any]:
        return {
            "candidate": self.request.candidate.id,
            "kind": self.request.kind,
            "texts": list(self.advice.texts),
            "problem": self.advice.problem,
        }


@dataclass(frozen=True)
class SearchEnded:
    """The strategy returned, or was stopped for the reason given."""

    name: ClassVar[str] = "search_ended"
    reason: str
    spent: Spent

    def data(self) -> dict[str, Any]:
        return {"reason": self.reason, "spent": self.spent.to_json()}


@dataclass(frozen=True)
class Judged:
    """The gate compared a challenger with the seed."""

    name: ClassVar[str] = "verdict"
    candidate: Candidate
    verdict: Verdict

    def data(self) -> dict[str, Any]:
        return {
            "candidate": self.candidate.id,
            "accepted": self.verdict.accepted,
            "because": self.verdict.reason,
        }


@dataclass(frozen=True)
class RunEnded:
    """The run is over; `winner` is the seed when nothing beat it."""

    name: ClassVar[str] = "run_ended"
    winner: Candidate
    spent: Spent

    def data(self) -> dict[str, Any]:
        return {"candidate": self.winner.id, "spent": self.spent.to_json()}


@dataclass(frozen=True)
class RunBroken:
    """The run was left by an exception, an interruption too; what had ended is in its journal."""

    name: ClassVar[str] = "run_broken"
    error: str

    def data(self) -> dict[str, Any]:
        return {"error": self.error}


Event: TypeAlias = (
    RunStarted
    | RolloutDone
    | Evaluated
    | CandidateMade
    | CandidateRejected
    | Advised
    | SearchEnded
    | Judged
    | RunEnded
    | RunBroken
)


@runtime_checkable
class Callback(Protocol):
    """Hears the events of a run, one at a time, from whichever thread they happen in."""

    def on(self, event: Event) -> None: ...


class Teller:
    """Tells every callback; one that fails is warned about once and passed over from then on."""

    def __init__(self, callbacks: Sequence[Callback | Callable[[Event], None]]) -> None:
        self._hearers: list[Callable[[Event], None]] = [
            callback.on if isinstance(callback, Callback) else callback for callback in callbacks
        ]
        self._deaf: set[int] = set()
        self._lock = threading.Lock()

    def tell(self, event: Event) -> None:
        with self._lock:
            for place, hear in enumerate(self._hearers):
                self._call(place, hear, event)
        notify_event(event.name, **event.data())

    def _call(self, place: int, hear: Callable[[Event], None], event: Event) -> None:
        if place in self._deaf:
            return
        try:
            hear(event)
        except Exception as error:
            self._deaf.add(place)
            warnings.warn(
                f"callback {hear!r} failed and is passed over: {error!r}", TraceWarning, stacklevel=2
            )
