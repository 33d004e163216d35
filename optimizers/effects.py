"""The effects that a strategy yields: run a candidate, ask for a new one, ask for advice.

Nothing here knows how an effect is performed, what it costs or where it is kept.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from optimizers.candidate import Attempt, Candidate, content_key
from optimizers.rollout import Rollout
from tracelib.feedback.feedback import Feedback


@dataclass(frozen=True)
class Job:
    """One run that is asked for: a candidate on one example of a split."""

    candidate: Candidate
    split: str
    example: int
    replicate: int = 0
    evidence: bool = False

    @cached_property
    def key(self) -> str:
        """The content key; the same run asked for twice has one key."""
        return content_key(
            ["rollout", self.candidate.id, self.split, self.example, self.replicate, self.evidence]
        )

    def failure(self, error: str, feedback: Feedback | None = None) -> Rollout:
        """The rollout of this job when it ended in an error."""
        heard = Feedback.of(error) if feedback is None else feedback
        return Rollout(self.example, self.split, None, heard, error=error, replicate=self.replicate)


@dataclass(frozen=True)
class Evaluate:
    """Run a candidate on examples of a split; gives one Rollout per id, in the same order.

    A higher `replicate` runs the same examples anew. With `evidence` each rollout carries a view of
    the recorded graph. `ids` are indices into the split.
    """

    candidate: Candidate
    split: str
    ids: tuple[int, ...]
    replicate: int = 0
    evidence: bool = False

    @property
    def jobs(self) -> tuple[Job, ...]:
        """One job per id, in the same order."""
        return tuple(
            Job(self.candidate, self.split, example, self.replicate, self.evidence) for example in self.ids
        )

    @cached_property
    def key(self) -> str:
        return content_key(["evaluate", [job.key for job in self.jobs]])


@dataclass(frozen=True)
class Propose:
    """Ask for a new candidate made from this one; gives a Candidate, or a Rejected with the reason.

    `kind` says which of the run's proposers is asked, "" is the run's own. `nth` tells apart several
    proposals from the same evidence; `names` are the paths that may change (empty: all of the
    candidate's); `history` is what was tried before, oldest first. `others` are further candidates to
    take from, `notes` texts to go by.
    """

    candidate: Candidate
    evidence: tuple[Rollout, ...] = ()
    nth: int = 0
    history: tuple[Attempt, ...] = ()
    names: tuple[str, ...] = ()
    kind: str = ""
    others: tuple[Candidate, ...] = ()
    notes: tuple[str, ...] = ()

    @cached_property
    def key(self) -> str:
        return content_key(
            [
                "propose",
                self.kind,
                self.candidate.id,
                [rollout.content() for rollout in self.evidence],
                self.nth,
                [attempt.to_json() for attempt in self.history],
                list(self.names),
                [other.id for other in self.others],
                list(self.notes),
            ]
        )


@dataclass(frozen=True)
class Consult:
    """Ask for texts about a candidate and what was seen of it; gives an Advice, empty with its problem.

    `kind` says which of the run's counsels is asked. The rest is as in `Propose`.
    """

    candidate: Candidate
    kind: str
    evidence: tuple[Rollout, ...] = ()
    nth: int = 0
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @cached_property
    def key(self) -> str:
        return content_key(
            [
                "consult",
                self.kind,
                self.candidate.id,
                [rollout.content() for rollout in self.evidence],
                self.nth,
                list(self.names),
                list(self.notes),
            ]
        )


Request: TypeAlias = Propose | Consult
"""What a model is asked."""

Effect: TypeAlias = Evaluate | Propose | Consult
Steps: TypeAlias = Generator[
    Effect | list[Effect] | list[Evaluate] | list[Propose] | list[Consult], Any, Candidate
]
