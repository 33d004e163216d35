"""Ranks of a layered drawing and the order within each: few crossings, then straight lines."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

Link = tuple[int, int]
End = tuple[int, int]  # an item, and in which eighth of its width a link meets it
SWEEPS = 12
EIGHTHS = 8


def ranked(count: int, links: Sequence[Link], first: int, last: int, widest: int) -> list[int]:
    """The rank of each item, 0 at the top; every link goes down by one rank or more.

    Links go from a lower index to a higher. The `first` items stand alone in rank 0 and the `last`
    ones alone at the bottom. No rank gets more than `widest` items. Items with more links out than
    in are moved down to those that use them.
    """
    above: list[list[int]] = [[] for _ in range(count)]
    below: list[list[int]] = [[] for _ in range(count)]
    for source, target in links:
        above[target].append(source)
        below[source].append(target)
    ranks = [0] * count
    crowd = Crowd(widest)
    start = 1 if first else 0
    inner = range(first, count - last)
    for item in inner:
        wanted = max([ranks[other] for other in above[item]], default=start - 1) + 1
        ranks[item] = crowd.enter_below(max(wanted, start))
    for item in reversed(inner):
        users = [other for other in below[item] if other < count - last]
        if users and len(above[item]) <= len(below[item]):
            lowest = min([ranks[other] for other in users]) - 1
            if lowest > ranks[item]:
                ranks[item] = crowd.move(ranks[item], lowest)
    bottom = max([ranks[item] for item in inner], default=0) + 1
    ranks[count - last :] = [bottom] * last
    return without_gaps(ranks)


class Crowd:
    """How many items each rank holds; a full rank passes its next item on to the first free one."""

    def __init__(self, widest: int) -> None:
        self.widest = widest
        self.sizes: dict[int, int] = {}
        self.onward: dict[int, int] = {}

    def enter_below(self, rank: int) -> int:
        passed = []
        while rank in self.onward:
            passed.append(rank)
            rank = self.onward[rank]
        for full in passed:  # shortens the way for the next, as in union-find
            self.onward[full] = rank
        size = self.sizes[rank] = self.sizes.get(rank, 0) + 1
        if size >= self.widest:
            self.onward[rank] = rank + 1
        return rank

    def move(self, rank: int, lowest: int) -> int:
        """The item's new rank: the lowest with room, looking a few ranks up, else its own."""
        for candidate in range(lowest, max(rank, lowest - 8), -1):
            if self.sizes.get(candidate, 0) < self.widest:
                self.sizes[candidate] = self.sizes.get(candidate, 0) + 1
                self.sizes[rank] -= 1
                return candidate
        return rank


def without_gaps(ranks: list[int]) -> list[int]:
    used = {rank: place for place, rank in enumerate(sorted(set(ranks)))}
    return [used[rank] for rank in ranks]


def rows_of(ranks: Sequence[int]) -> list[list[int]]:
    rows: list[list[int]] = [[] for _ in range(max(ranks, default=-1) + 1)]
    for item, rank in enumerate(ranks):
        rows[rank].append(item)
    return rows


def untangled(rows: list[list[int]], ups: Sequence[list[End]], downs: Sequence[list[End]]) -> list[list[int]]:
    """The rows reordered by the barycentre of their neighbours, down and up in turn.

    Barycentre sweeps as in Sugiyama, Tagawa and Toda 1981; the order with the fewest crossings wins.
    """
    places = [0] * len(ups)
    for row in rows:
        number(row, places)
    best, fewest = [list(row) for row in rows], crossings(rows, downs, places)
    stale = 0
    for sweep in range(SWEEPS):
        if not fewest or stale > 3:
            break
        towards = ups if sweep % 2 == 0 else downs
        for row in rows if sweep % 2 == 0 else reversed(rows):
            sort_row(row, towards, places)
        found = crossings(rows, downs, places)
        stale += 1
        if found < fewest:
            best, fewest, stale = [list(row) for row in rows], found, 0
    return best


def number(row: list[int], places: list[int]) -> None:
    """Note where each item of the row begins, in eighths of an item."""
    for place, item in enumerate(row):
        places[item] = place * EIGHTHS


def sort_row(row: list[int], towards: Sequence[list[End]], places: list[int]) -> None:
    """Sort by the mean place of the neighbours; an item without any keeps its place."""
    keys: dict[int, float] = {}
    for item in row:
        ends = towards[item]
        own = places[item] + EIGHTHS // 2
        keys[item] = sum([places[other] + eighth for other, eighth in ends]) / len(ends) if ends else own
    row.sort(key=keys.__getitem__)
    number(row, places)


def crossings(rows: list[list[int]], downs: Sequence[list[End]], places: Sequence[int]) -> int:
    """How many pairs of links between neighbouring rows cross (Barth, Jünger and Mutzel 2002)."""
    total = 0
    for upper, lower in pairwise(rows):
        size = len(lower) * EIGHTHS + 1
        tree = [0] * (size + 1)
        seen = 0
        for item in upper:
            ends = sorted([places[other] + eighth for other, eighth in downs[item]])
            for end in ends:
                total += seen - counted(tree, end + 1)
            for end in ends:
                add(tree, end + 1, size)
            seen += len(ends)
    return total


def counted(tree: list[int], index: int) -> int:
    """How many of the numbers added so far are at most `index` (a Fenwick tree)."""
    total = 0
    while index:
        total += tree[index]
        index &= index - 1
    return total


def add(tree: list[int], index: int, size: int) -> None:
    while index <= size:
        tree[index] += 1
        index += index & -index


def settled(wanted: Sequence[float], weights: Sequence[float], gaps: Sequence[float]) -> list[float]:
    """Places in the given order, `gaps` apart at least, as near as can be to the wanted ones.

    Weighted least squares by pooling adjacent violators. `gaps[i]` is the least distance from
    item i - 1 to item i; `gaps[0]` is not used.
    """
    means: list[float] = []
    masses: list[float] = []
    sizes: list[int] = []
    shift = 0.0
    shifts: list[float] = []
    for index, want in enumerate(wanted):
        shift += gaps[index] if index else 0.0
        shifts.append(shift)
        mean, mass, size = want - shift, weights[index], 1
        while means and means[-1] > mean:
            mass += masses[-1]
            mean += (means.pop() - mean) * masses.pop() / mass
            size += sizes.pop()
        means.append(mean)
        masses.append(mass)
        sizes.append(size)
    flat = [mean for mean, size in zip(means, sizes, strict=True) for _ in range(size)]
    return [mean + shift for mean, shift in zip(flat, shifts, strict=True)]
