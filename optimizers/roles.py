"""Who takes part in a run: strategies, proposers, choosers and evaluators, each by a method or two."""

from __future__ import annotations

import random
from collections.abc import Awaitable
from typing import Any, Protocol, runtime_checkable

from optimizers.candidate import Candidate, Proposal
from optimizers.effects import Job, Propose, Steps
from optimizers.rollout import Rollout


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
