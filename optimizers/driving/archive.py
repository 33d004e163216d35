"""Every candidate of a run with what it did; asked for the best one and for the history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from optimizers.candidate import Candidate, Rejected
from optimizers.effects import Evaluate
from optimizers.policies.standing import Standing, better, standing
from optimizers.rollout import Rollout


@dataclass
class Entry:
    """One candidate, and its rollouts by split and (example, replicate).

    `place` is how many candidates and rejected proposals there were before it.
    """

    candidate: Candidate
    place: int = 0
    rollouts: dict[str, dict[tuple[int, int], Rollout]] = field(default_factory=dict)

    def on(self, split: str) -> tuple[Rollout, ...]:
        """Its rollouts on a split, by example and replicate."""
        found = self.rollouts.get(split, {})
        return tuple(found[place] for place in sorted(found))


class Archive:
    """Candidates in the order they came, the seed first; `sizes` are the lengths of the splits."""

    def __init__(self, seed: Candidate, sizes: Mapping[str, int]) -> None:
        self.seed = seed
        self.sizes = dict(sizes)
        self.rejected: list[Rejected] = []
        self._entries: dict[str, Entry] = {}
        self.add(seed)

    def add(self, candidate: Candidate) -> bool:
        """Whether the candidate is new; the first lineage of equal values is kept."""
        new = candidate.id not in self._entries
        if new:
            self._entries[candidate.id] = Entry(candidate, self.tried)
        return new

    def record(self, effect: Evaluate, rollouts: Sequence[Rollout]) -> None:
        """Keep what a candidate did; a later run of the same example and replicate replaces the earlier."""
        self.add(effect.candidate)
        seen = self._entries[effect.candidate.id].rollouts.setdefault(effect.split, {})
        seen.update({(rollout.example, rollout.replicate): rollout for rollout in rollouts})

    def reject(self, rejected: Rejected) -> None:
        self.rejected.append(rejected)

    @property
    def tried(self) -> int:
        """How many candidates there are, the seed among them, and rejected proposals."""
        return len(self._entries) + len(self.rejected)

    @property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(self._entries.values())

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        return tuple(entry.candidate for entry in self._entries.values())

    def since(self, candidate: Candidate) -> int:
        """How many candidates and rejected proposals came after this one."""
        return self.tried - 1 - self._entries[candidate.id].place

    def rollouts(self, candidate: Candidate, split: str) -> tuple[Rollout, ...]:
        """What this candidate did on a split, by example; empty when it never ran there."""
        entry = self._entries.get(candidate.id)
        return entry.on(split) if entry else ()

    def standing(self, candidate: Candidate, split: str) -> Standing:
        return standing(self.rollouts(candidate, split))

    def complete(self, candidate: Candidate, split: str) -> bool:
        """Whether it ran on every example of the split."""
        ran = {rollout.example for rollout in self.rollouts(candidate, split)}
        return 0 < self.sizes.get(split, 0) == len(ran)

    def best(self, split: str) -> Candidate | None:
        """The best of those that ran on the whole split, the earliest among equals; None without any."""
        best: Candidate | None = None
        for candidate in self.candidates:
            if self.complete(candidate, split) and (best is None or self._better(best, candidate, split)):
                best = candidate
        return best

    def _better(self, old: Candidate, new: Candidate, split: str) -> bool:
        return better(self.rollouts(old, split), self.rollouts(new, split))
