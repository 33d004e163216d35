"""The values that travel between a strategy and the driver; all of them go to JSON and back.

A strategy yields effects (`Evaluate`, `Propose`) and receives rollouts and candidates. Nothing here
knows how an effect is performed, what it costs or where it is kept.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Awaitable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, TypeAlias, runtime_checkable

from optimizers.evidence.evidence import Evidence
from tracelib.errors import OptimizerError
from tracelib.feedback.feedback import Feedback


def canonical(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no spaces, no NaN.

    Raises OptimizerError for what JSON cannot hold.

    >>> canonical({"b": (1, 2), "a": None})
    '{"a":null,"b":[1,2]}'
    """
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise OptimizerError(f"{repr(value)[:200]} cannot be kept as JSON: {error}") from error


def content_key(value: Any) -> str:
    """The first 16 hex digits of the sha256 of the canonical JSON."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class Candidate:
    """Values for some parameters, by path; the other parameters keep their own.

    `parents` are ids of the candidates it was made from, `note` says why it was made. Neither counts
    for identity: the same values are the same candidate, where 1 and True are not the same.
    """

    values: Mapping[str, Any]
    parents: tuple[str, ...] = ()
    note: str = ""

    @cached_property
    def id(self) -> str:
        """The content key of the values: 16 hex digits."""
        return content_key(dict(self.values))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Candidate) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def edit(
        self, changes: Mapping[str, Any], note: str = "", parents: Sequence[str] | None = None
    ) -> Candidate:
        """This candidate with some values replaced; it becomes the parent unless parents are given."""
        lineage = (self.id,) if parents is None else tuple(parents)
        return Candidate({**self.values, **changes}, lineage, note)

    def changed_from(self, other: Candidate) -> dict[str, Any]:
        """The values that the other candidate does not have, by path."""
        return {
            path: value
            for path, value in self.values.items()
            if path not in other.values or canonical(other.values[path]) != canonical(value)
        }

    def to_json(self) -> dict[str, Any]:
        return {"values": dict(self.values), "parents": list(self.parents), "note": self.note}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Candidate:
        return cls(data["values"], tuple(data["parents"]), data["note"])


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


@dataclass(frozen=True)
class Proposal:
    """New values for parameters, the reason, and the raw reply they were read from.

    `problem` is None when the values can be used, else it says why they cannot.
    """

    values: Mapping[str, Any]
    reason: str = ""
    reply: str = ""
    problem: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "values": dict(self.values),
            "reason": self.reason,
            "reply": self.reply,
            "problem": self.problem,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Proposal:
        return cls(data["values"], data["reason"], data["reply"], data["problem"])


@dataclass(frozen=True)
class Rejected:
    """A proposal that could not be used: what it was made for, and why not."""

    parent: str
    proposal: Proposal

    @property
    def problem(self) -> str:
        return self.proposal.problem or "it changes nothing"

    def to_json(self) -> dict[str, Any]:
        return {"parent": self.parent, "proposal": self.proposal.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Rejected:
        return cls(data["parent"], Proposal.from_json(data["proposal"]))


@dataclass(frozen=True)
class Attempt:
    """Something tried before: values by path, with what came of it.

    `problem` is set for proposals that were rejected.
    """

    values: Mapping[str, Any]
    score: float | None = None
    feedback: Feedback = field(default_factory=Feedback)
    problem: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "values": dict(self.values),
            "score": self.score,
            "feedback": self.feedback.to_json(),
            "problem": self.problem,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Attempt:
        return cls(data["values"], data["score"], Feedback.from_json(data["feedback"]), data["problem"])


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

    `nth` tells apart several proposals from the same evidence; `names` are the paths that may change
    (empty: all of the candidate's); `history` is what was tried before, oldest first.
    """

    candidate: Candidate
    evidence: tuple[Rollout, ...] = ()
    nth: int = 0
    history: tuple[Attempt, ...] = ()
    names: tuple[str, ...] = ()

    @cached_property
    def key(self) -> str:
        return content_key(
            [
                "propose",
                self.candidate.id,
                [rollout.content() for rollout in self.evidence],
                self.nth,
                [attempt.to_json() for attempt in self.history],
                list(self.names),
            ]
        )


Effect: TypeAlias = Evaluate | Propose
Steps: TypeAlias = Generator[Effect | list[Effect] | list[Evaluate] | list[Propose], Any, Candidate]


class Strategy(Protocol):
    """A whole algorithm: a generator that yields effects, receives their results and returns the winner.

    `train` and `validation` are the sizes of the splits. A list of effects is performed in parallel and
    gives a list of results. All chance comes from `rng`.
    """

    def __call__(self, seed: Candidate, train: int, validation: int, rng: random.Random) -> Steps: ...


@runtime_checkable
class Proposer(Protocol):
    """A prompt and a parser, and nothing else; the driver does the asking.

    `repair` gives the messages of the one more round that follows a reply with a problem. A proposal
    without `problem` is checked again by the parameters themselves before it becomes a candidate.
    """

    def messages(self, request: Propose) -> list[dict[str, Any]]: ...
    def parse(self, reply: str, request: Propose) -> Proposal: ...
    def repair(self, reply: str, proposal: Proposal, request: Propose) -> list[dict[str, Any]]: ...


@runtime_checkable
class Chooser(Protocol):
    """A proposer that asks no model; its chance is seeded by the request."""

    def choose(self, request: Propose, rng: random.Random) -> Proposal: ...


class Evaluator(Protocol):
    """Runs one job; may be async. An exception it raises becomes a rollout that failed."""

    def __call__(self, job: Job, /) -> Rollout | Awaitable[Rollout]: ...
