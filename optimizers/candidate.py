"""Values for parameters, and what is made on the way to them: candidates, proposals, attempts; all JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

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
class Proposal:
    """New values for parameters, the reason, and the raw reply they were read from.

    `problem` is None when the values can be used, else it says why they cannot.
    """

    values: Mapping[str, Any]
    reason: str = ""
    reply: str = ""
    problem: str | None = None

    def said_in(self, reply: str) -> Proposal:
        """The proposal with the reply it was read from, where it has none of its own."""
        return self if self.reply else replace(self, reply=reply)

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
class Advice:
    """Texts that a model was asked for: what went wrong, what the data is like, rules to follow.

    `problem` says why there are none, when the reply could not be used; `reply` is the raw text.
    """

    texts: tuple[str, ...] = ()
    reply: str = ""
    problem: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {"texts": list(self.texts), "reply": self.reply, "problem": self.problem}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Advice:
        return cls(tuple(data["texts"]), data["reply"], data["problem"])
