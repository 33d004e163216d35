"""Who is best at something: Pareto fronts over examples and objectives, and how often each stands on one.

Selection as in GEPA (Agrawal et al. 2025, arXiv 2507.19457, algorithm 2): a candidate that is best on a
single example is kept, for what it does there can be learned from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from statistics import fmean
from typing import Literal, TypeAlias, TypeVar, get_args

from optimizers.policies.objectives import on
from optimizers.policies.standing import by_example
from optimizers.rollout import Rollout
from tracelib.errors import OptimizerError

K = TypeVar("K")

Frontier: TypeAlias = Literal["example", "objective", "both", "each"]
"""What there is a front for: every example, every named number (its mean), both of these, or every
named number on every example."""

Cells: TypeAlias = Mapping[Hashable, float]
"""How a candidate did, by what there is a front for; higher is better. What failed has no cell."""


def cells_of(
    rollouts: Sequence[Rollout], frontier: Frontier = "example", names: Sequence[str] = ()
) -> dict[Hashable, float]:
    """What a candidate's rollouts say about each cell of the frontier; raises OptimizerError for others.

    `names` are the numbers to look at, all that the metric gave when empty; one after a minus is better
    when it is less.
    """
    if frontier not in get_args(Frontier):
        raise OptimizerError(f"there is no frontier {frontier!r}; there are {', '.join(get_args(Frontier))}")
    found: dict[Hashable, float] = {}
    if frontier in ("example", "both"):
        found.update(_scored(rollouts).items())
    for name in (names or _names(rollouts)) if frontier != "example" else ():
        numbers = _scored(on(name, rollouts))
        if frontier == "each":
            found |= {(name, example): number for example, number in numbers.items()}
        elif numbers:
            found[name] = fmean(numbers.values())
    return found


def _scored(rollouts: Sequence[Rollout]) -> dict[int, float]:
    return {example: score for example, score in by_example(rollouts).items() if score is not None}


def _names(rollouts: Sequence[Rollout]) -> list[str]:
    given = [list(rollout.scores) or ["score"] for rollout in rollouts if not rollout.failed]
    return list(dict.fromkeys(name for names in given for name in names))


def fronts(table: Mapping[K, Cells]) -> dict[Hashable, set[K]]:
    """Those that reach the highest number in each cell."""
    best: dict[Hashable, float] = {}
    for cells in table.values():
        for cell, number in cells.items():
            best[cell] = max(number, best.get(cell, number))
    return {
        cell: {key for key, cells in table.items() if cells.get(cell) == number}
        for cell, number in best.items()
    }


def undominated(table: Mapping[K, Cells]) -> dict[Hashable, set[K]]:
    """The fronts without those that are dominated: each front they stand on is held by others that stay.

    The one with the lowest sum goes first, of equals the later one.
    """
    found = fronts(table)
    places = {key: place for place, key in enumerate(table)}
    for key in sorted(table, key=lambda key: (sum(table[key].values()), -places[key])):
        mine = [front for front in found.values() if key in front]
        if all(len(front) > 1 for front in mine):
            for front in mine:
                front.discard(key)
    return found


def frequencies(table: Mapping[K, Cells]) -> dict[K, int]:
    """On how many fronts each undominated key stands, in the order of the table; the weights of parents."""
    counts = Counter(key for front in undominated(table).values() for key in front)
    return {key: counts[key] for key in table if counts[key]}
