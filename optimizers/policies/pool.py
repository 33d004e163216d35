"""The candidates a search keeps, each with what it did on validation; who is a parent, and who is best."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from optimizers.candidate import Candidate
from optimizers.policies.fronts import Frontier, cells_of, frequencies
from optimizers.policies.sampling import drawn
from optimizers.policies.standing import better, by_example
from optimizers.rollout import Rollout

Better = Callable[[Sequence[Rollout], Sequence[Rollout]], bool]


@dataclass
class Pool:
    """Candidates by id in the order they came, and their rollouts."""

    frontier: Frontier = "example"
    names: Sequence[str] = ()
    better: Better = better
    kept: dict[str, Candidate] = field(default_factory=dict)
    rollouts: dict[str, tuple[Rollout, ...]] = field(default_factory=dict)

    def __contains__(self, candidate: object) -> bool:
        return isinstance(candidate, Candidate) and candidate.id in self.kept

    def add(self, candidate: Candidate, rollouts: tuple[Rollout, ...]) -> None:
        self.kept.setdefault(candidate.id, candidate)
        self.rollouts[candidate.id] = rollouts

    def front(self) -> dict[str, int]:
        """On how many fronts each candidate stands, by id; without those that are dominated."""
        return frequencies(
            {key: cells_of(found, self.frontier, self.names) for key, found in self.rollouts.items()}
        )

    def parent(self, rng: random.Random) -> Candidate:
        """A candidate of the front, drawn by how often it stands on one; any when all runs failed."""
        return self.kept[drawn(self.front() or dict.fromkeys(self.kept, 1), rng)]

    def best(self) -> Candidate:
        """The best of all, the earliest among equals."""
        first, *rest = self.kept
        for key in rest:
            first = key if self.better(self.rollouts[first], self.rollouts[key]) else first
        return self.kept[first]

    def scores(self, candidate: Candidate) -> dict[int, float | None]:
        """Its score on each example, None where it failed."""
        return by_example(self.rollouts[candidate.id])

    def mean(self, key: str) -> float:
        """Its mean score on validation, below every number when it has none."""
        found = [score for score in by_example(self.rollouts[key]).values() if score is not None]
        return sum(found) / len(found) if found else float("-inf")

    def ancestors(self, key: str) -> set[str]:
        """The ids of all kept candidates it descends from."""
        found: set[str] = set()
        waiting = list(self.kept[key].parents)
        while waiting:
            one = waiting.pop()
            if one in self.kept and one not in found:
                found.add(one)
                waiting.extend(self.kept[one].parents)
        return found
