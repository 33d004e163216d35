"""Local search: one parameter at a time is moved a little; what helps is kept; stuck, it starts elsewhere.

A pattern search (Hooke and Jeeves 1961) over mixed spaces: ranges are moved by a reach that grows when
it helps and shrinks when it does not, options are exchanged.
"""

from __future__ import annotations

import random
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

from optimizers.candidate import Candidate
from optimizers.effects import Evaluate, Steps
from optimizers.policies.space import Space
from optimizers.policies.standing import better
from optimizers.rollout import Rollout

FIRST_REACH = 0.25
LAST_REACH = 0.01
GROWTH = 1.6
SHRINKAGE = 0.5
# Moves in a row that led to nothing new, after which the spaces count as exhausted.
STALE = 1000

Try = Generator[list[Evaluate], Any, bool]


@dataclass(frozen=True)
class LocalSearching:
    """A strategy that tries `trials` candidates near the best so far, by path of the parameter."""

    spaces: Mapping[str, Space]
    trials: int

    def __call__(self, seed: Candidate, train: int, validation: int, rng: random.Random) -> Steps:
        everything = tuple(range(train))
        rollouts = yield Evaluate(seed, "train", everything)
        state = State(self.spaces, everything, self.trials, rng, seed, rollouts, seed, rollouts, {seed.id})
        while state.left > 0 and state.stale < STALE:
            moved = yield from state.sweep()
            if not moved and not state.reaches() and state.left > 0:
                yield from state.restart()
        return state.best


@dataclass
class State:
    """Where the search is: the best found, where it stands now, what was tried, how far it reaches."""

    spaces: Mapping[str, Space]
    examples: tuple[int, ...]
    left: int
    rng: random.Random
    best: Candidate
    best_rollouts: tuple[Rollout, ...]
    here: Candidate
    here_rollouts: tuple[Rollout, ...]
    tried: set[str]
    stale: int = 0
    reach: dict[str, float] = field(default_factory=dict)

    def sweep(self) -> Try:
        """Move along each parameter once, in random order; whether any move helped."""
        paths = sorted(self.spaces)
        self.rng.shuffle(paths)
        helped = False
        for path in paths:
            if self.left > 0:
                helped = (yield from self._move(path)) or helped
        return helped

    def _move(self, path: str) -> Try:
        reach = self.reach.setdefault(path, FIRST_REACH)
        moves = self._near(path, reach)
        helped = yield from self._try([self.here.edit({path: to}, f"{path} moved") for to in moves])
        self.reach[path] = min(0.5, reach * GROWTH) if helped else reach * SHRINKAGE
        return helped

    def _near(self, path: str, reach: float) -> list[Any]:
        space, value = self.spaces[path], self.here.values[path]
        if not space.contains(value):
            return [space.sample(self.rng), space.sample(self.rng)]
        return space.neighbours(value, reach, self.rng)

    def _try(self, kids: list[Candidate]) -> Try:
        """Score those that are new, and go to the best of them where it is better than here."""
        new = list({kid.id: kid for kid in kids if kid.id not in self.tried}.values())[: self.left]
        self.stale = 0 if new else self.stale + 1
        if not new:
            return False
        self.left -= len(new)
        self.tried.update(kid.id for kid in new)
        results = yield [Evaluate(kid, "train", self.examples) for kid in new]
        helped = False
        for kid, rollouts in zip(new, results, strict=True):
            if better(self.here_rollouts, rollouts):
                self._go(kid, rollouts)
                helped = True
        return helped

    def _go(self, to: Candidate, rollouts: tuple[Rollout, ...]) -> None:
        self.here, self.here_rollouts = to, rollouts
        if better(self.best_rollouts, rollouts):
            self.best, self.best_rollouts = to, rollouts

    def reaches(self) -> bool:
        """Whether a reach is left to try; each move that did not help has shrunk its own."""
        return any(reach >= LAST_REACH for reach in self.reach.values())

    def restart(self) -> Try:
        """Go somewhere else: the best with some of its parameters drawn anew, perhaps all."""
        paths = sorted(self.spaces)
        some = self.rng.sample(paths, self.rng.randint(1, len(paths)))
        kid = self.best.edit({path: self.spaces[path].sample(self.rng) for path in some}, "started elsewhere")
        new = kid.id not in self.tried
        self.reach, self.stale, self.left = {}, 0 if new else self.stale + 1, self.left - new
        self.tried.add(kid.id)
        # Going back to what was tried costs nothing, and its surroundings may be new.
        (rollouts,) = yield [Evaluate(kid, "train", self.examples)]
        self._go(kid, rollouts)
        return new
