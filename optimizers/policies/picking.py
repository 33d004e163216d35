"""Which parameters the next proposal may change: all, one after the other, or by credit."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from optimizers.candidate import Candidate
from optimizers.rollout import Rollout


class Picker(Protocol):
    """Names the parameters to change in one run, and hears what came of it."""

    def pick(self, parent: Candidate, seen: Sequence[Rollout], rng: random.Random) -> tuple[str, ...]: ...

    def learn(
        self, parent: Candidate, names: tuple[str, ...], kid: Candidate | None, new: Sequence[Rollout] = ()
    ) -> None:
        """`kid` is the candidate that was accepted, with its runs; None when none was."""


class Picking(Protocol):
    """A setting that makes a picker for each run."""

    def picker(self) -> Picker: ...


@dataclass(frozen=True)
class AllAtOnce:
    """Every parameter at once: one question for all of them."""

    def picker(self) -> Picker:
        return _Whole()


@dataclass(frozen=True)
class RoundRobin:
    """One parameter after the other; a candidate goes on where its parent was, as in GEPA."""

    def picker(self) -> Picker:
        return _Turns()


class _Whole:
    def pick(self, parent: Candidate, seen: Sequence[Rollout], rng: random.Random) -> tuple[str, ...]:
        return tuple(parent.values)

    def learn(
        self, parent: Candidate, names: tuple[str, ...], kid: Candidate | None, new: Sequence[Rollout] = ()
    ) -> None:
        pass


@dataclass
class _Turns:
    turns: dict[str, int] = field(default_factory=dict)

    def pick(self, parent: Candidate, seen: Sequence[Rollout], rng: random.Random) -> tuple[str, ...]:
        turn = self.turns.setdefault(
            parent.id, max((self.turns.get(id_, 0) for id_ in parent.parents), default=0)
        )
        self.turns[parent.id] = turn + 1
        names = tuple(parent.values)
        return (names[turn % len(names)],)

    def learn(
        self, parent: Candidate, names: tuple[str, ...], kid: Candidate | None, new: Sequence[Rollout] = ()
    ) -> None:
        pass
