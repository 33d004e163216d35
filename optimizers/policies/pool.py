"""The candidates a search keeps, each with what it did on validation; who is a parent, and who is best."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from optimizers.candidate import Candidate
from optimizers.policies.fronts import Cells, Frontier, cells_of, frequencies
from optimizers.policies.gate import NonInferior, Strict
from optimizers.policies.objectives import Objective, Score
from optimizers.policies.sampling import drawn
from optimizers.policies.standing import by_example
from optimizers.rollout import Rollout


@dataclass
class Pool:
    """Candidates by id in the order they came, and their rollouts; what follows from these is kept by id."""

    frontier: Frontier = "example"
    names: Sequence[str] = ()
    objective: Objective = field(default_factory=Score)
    kept: dict[str, Candidate] = field(default_factory=dict)
    rollouts: dict[str, tuple[Rollout, ...]] = field(default_factory=dict)
    cells: dict[str, Cells] = field(default_factory=dict)
    lineage: dict[str, frozenset[str]] = field(default_factory=dict)
    standing: dict[str, int] | None = None

    def __contains__(self, candidate: object) -> bool:
        return isinstance(candidate, Candidate) and candidate.id in self.kept

    def add(self, candidate: Candidate, rollouts: tuple[Rollout, ...]) -> None:
        key = candidate.id
        self.kept.setdefault(key, candidate)
        self.rollouts[key] = rollouts
        self.cells[key] = cells_of(self.objective.view(rollouts), self.frontier, self.names)
        parents = [one for one in self.kept[key].parents if one in self.kept]
        self.lineage[key] = frozenset(parents).union(*(self.lineage[one] for one in parents))
        self.standing = None

    def front(self) -> dict[str, int]:
        """On how many fronts each candidate stands, by id; without those that are dominated."""
        if self.standing is None:
            self.standing = frequencies(self.cells)
        return self.standing

    def parent(self, rng: random.Random) -> Candidate:
        """A candidate of the front, drawn by how often it stands on one; any when all runs failed."""
        return self.kept[drawn(self.front() or dict.fromkeys(self.kept, 1), rng)]

    def best(self) -> Candidate:
        """The best of all, the earliest among equals."""
        first, *rest = self.kept
        for key in rest:
            first = key if self.better(first, key) else first
        return self.kept[first]

    def better(self, old: str, new: str) -> bool:
        """Whether the new one, by id, is better than the old one."""
        return self.objective.judge(self.rollouts[old], self.rollouts[new], Strict()).accepted

    def holds(self, old: str, new: Sequence[Rollout]) -> bool:
        """Whether rollouts on some of the examples are at least as good there as the old one's."""
        ids = {rollout.example for rollout in new}
        before = [rollout for rollout in self.rollouts[old] if rollout.example in ids]
        return self.objective.judge(before, new, NonInferior()).accepted

    def scores(self, key: str) -> dict[int, float | None]:
        """What it reached on each example, None where it failed."""
        return by_example(self.objective.view(self.rollouts[key]))

    def ancestors(self, key: str) -> frozenset[str]:
        """The ids of all kept candidates it descends from."""
        return self.lineage[key]
