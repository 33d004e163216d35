"""Who takes part in a run: strategies, proposers, counsels and evaluators, each by a method or two."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Generator, Mapping
from typing import Any, Protocol, TypeAlias, TypeVar, runtime_checkable

from optimizers.candidate import Advice, Candidate, Proposal
from optimizers.effects import Consult, Job, Propose, Steps
from optimizers.rollout import Rollout
from tracelib.graph.parameter import Parameter

R = TypeVar("R")

Messages: TypeAlias = list[dict[str, Any]]
"""One question to a model."""

Talk: TypeAlias = Generator[list[Messages], list[str], R]
"""Talking to a model: yields lists of questions, receives the text of each reply, in the same order."""

Check: TypeAlias = Callable[[Proposal], Proposal]
"""The proposal with its values as the parameters would take them, or with the problem they have."""


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

    def messages(self, request: Propose) -> Messages: ...
    def parse(self, reply: str, request: Propose) -> Proposal: ...
    def repair(self, reply: str, proposal: Proposal, request: Propose) -> Messages: ...


@runtime_checkable
class Conversation(Protocol):
    """A proposer that asks more than one question; every value it comes to goes through `check`."""

    def converse(self, request: Propose, check: Check) -> Talk[Proposal]: ...


@runtime_checkable
class Chooser(Protocol):
    """A proposer that asks no model; its chance is seeded by the request."""

    def choose(self, request: Propose, rng: random.Random) -> Proposal: ...


@runtime_checkable
class Counsel(Protocol):
    """Answers a `Consult`: a talk that ends in texts, or in an Advice with its problem."""

    def advise(self, request: Consult) -> Talk[Advice]: ...


Asked: TypeAlias = Proposer | Conversation | Chooser | Counsel
"""Whoever answers the requests of one kind."""

Maker: TypeAlias = Callable[[Mapping[str, Parameter[Any]]], Asked]
"""Makes one of these for the parameters that are trained, by path."""


class Evaluator(Protocol):
    """Runs one job; may be async. An exception it raises becomes a rollout that failed."""

    def __call__(self, job: Job, /) -> Rollout | Awaitable[Rollout]: ...
