"""Which two candidates to merge: two of the front that changed different parts of a common ancestor.

As in GEPA (Agrawal et al. 2025, arXiv 2507.19457, appendix on merge): neither descends from the other,
the ancestor is no better than either, and each of them left a part as it was that the other changed.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from optimizers.candidate import Candidate
from optimizers.effects import Propose
from optimizers.policies.memory import attempt_of
from optimizers.policies.pool import Pool
from optimizers.rollout import Rollout

KIND = "merge"
"""The kind of request that a merge is."""
SAMPLE = 5
"""Validation examples on which a merged candidate is tried first, as in GEPA."""


@dataclass(frozen=True)
class Pair:
    """Two candidates, and the nearest ancestor they have in common."""

    first: Candidate
    second: Candidate
    ancestor: Candidate

    def request(self, nth: int, pool: Pool) -> Propose:
        """The merge, told what each of the two scored."""
        told = tuple(attempt_of(one, pool.rollouts[one.id]) for one in (self.first, self.second))
        return Propose(self.first, (), nth, told, kind=KIND, others=(self.second, self.ancestor))


@dataclass
class Merges:
    """How many merges are left, whether one is due, and which pairs were tried."""

    left: int
    due: bool = False
    tried: set[tuple[str, str, str]] = field(default_factory=set)

    def next(self, pool: Pool, rng: random.Random) -> Pair | None:
        """A pair that was not merged yet, when a merge is due; None when there is none.

        A merge is due after each proposal that was accepted.
        """
        if not self.due or self.left <= 0:
            return None
        self.due = False
        chosen = next((pair for pair in pairs_of(pool, rng) if _key(pair) not in self.tried), None)
        if chosen is not None:
            self.tried.add(_key(chosen))
            self.left -= 1
        return chosen


def pairs_of(pool: Pool, rng: random.Random) -> Iterator[Pair]:
    """The pairs of the front that can be merged, in random order, each with its nearest ancestor."""
    pairs = list(combinations(pool.front(), 2))
    for one, other in rng.sample(pairs, len(pairs)):
        mine, its = pool.ancestors(one), pool.ancestors(other)
        if one not in its and other not in mine:
            shared = [key for key in pool.kept if key in mine and key in its]
            pair = _over(pool, one, other, shared)
            if pair is not None:
                yield pair


def _over(pool: Pool, one: str, other: str, ancestors: Sequence[str]) -> Pair | None:
    """The two over the latest of these ancestors that is better than neither."""
    for key in reversed(ancestors):
        pair = Pair(pool.kept[one], pool.kept[other], pool.kept[key])
        if complementary(pair) and not (pool.better(one, key) or pool.better(other, key)):
            return pair
    return None


def complementary(pair: Pair) -> bool:
    """Whether each changed a part of the ancestor that the other left as it was."""
    mine, its = pair.first.changed_from(pair.ancestor), pair.second.changed_from(pair.ancestor)
    return bool(mine.keys() - its.keys()) and bool(its.keys() - mine.keys())


def subsample(pool: Pool, pair: Pair, rng: random.Random) -> tuple[int, ...]:
    """A few validation examples: some on which the first is better, some the second, some neither."""
    mine, its = (
        {example: float("-inf") if score is None else score for example, score in pool.scores(one.id).items()}
        for one in (pair.first, pair.second)
    )
    groups = (
        [example for example in mine if mine[example] > its[example]],
        [example for example in mine if mine[example] < its[example]],
        [example for example in mine if mine[example] == its[example]],
    )
    share = -(-SAMPLE // len(groups))
    chosen = [one for group in groups for one in rng.sample(group, min(share, len(group)))][:SAMPLE]
    rest = [example for example in mine if example not in chosen]
    return tuple(sorted(chosen + rng.sample(rest, min(SAMPLE - len(chosen), len(rest)))))


def holds(pool: Pool, pair: Pair, new: Sequence[Rollout]) -> bool:
    """Whether the merged candidate is at least as good on these examples as both it was made of."""
    return all(pool.holds(one.id, new) for one in (pair.first, pair.second))


def _key(pair: Pair) -> tuple[str, str, str]:
    return (pair.first.id, pair.second.id, pair.ancestor.id)
