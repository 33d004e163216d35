"""Which combination of options to try next, from the scores of those tried: a small Parzen estimator.

An option is known by its place only, so nothing here knows what is chosen.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil, log
from statistics import fmean
from typing import Protocol, TypeAlias

Choice: TypeAlias = dict[str, int]
"""The place of the option that is taken, by name."""


class Suggesting(Protocol):
    """One search: suggests a choice, and is told its score before the next one."""

    def suggest(self) -> Choice: ...
    def tell(self, choice: Choice, score: float | None) -> None:
        """`score` is None when every run failed."""


class Sampler(Protocol):
    """A setting that starts a search over so many options by name; all chance comes from the seed."""

    def start(self, sizes: Mapping[str, int], seed: int) -> Suggesting: ...


@dataclass(frozen=True)
class Parzen:
    """A tree-structured Parzen estimator over places (Bergstra et al. 2011), each name on its own.

    After `startup` choices at random, the best `share` of all is set against the rest: of `draws` choices
    drawn as the good ones are, the one is taken that is likelier among the good than among the rest.
    """

    startup: int = 10
    share: float = 0.25
    draws: int = 24

    def start(self, sizes: Mapping[str, int], seed: int) -> Suggesting:
        return _Estimator(self, dict(sizes), random.Random(seed))


@dataclass
class _Estimator:
    settings: Parzen
    sizes: dict[str, int]
    rng: random.Random
    told: dict[tuple[int, ...], list[float]] = field(default_factory=dict)

    def suggest(self) -> Choice:
        if len(self.told) < self.settings.startup:
            return {name: self.rng.randrange(size) for name, size in self.sizes.items()}
        good, rest = self._parted()
        weights = [[_chance(place, at, good, size) for place in range(size)] for at, size in self._columns()]
        drawn = [
            tuple(self.rng.choices(range(len(column)), column)[0] for column in weights)
            for _ in range(self.settings.draws)
        ]
        best = max(drawn, key=lambda choice: self._gain(choice, good, rest))
        return dict(zip(self.sizes, best, strict=True))

    def tell(self, choice: Choice, score: float | None) -> None:
        low = min((one for found in self.told.values() for one in found), default=0.0)
        place = tuple(choice[name] for name in self.sizes)
        # Told only in the order of choices: one that gave no score is as poor as the poorest.
        self.told.setdefault(place, []).append(low if score is None else score)

    def _parted(self) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
        order = sorted(self.told, key=lambda choice: -fmean(self.told[choice]))
        count = ceil(self.settings.share * len(order))
        return order[:count], order[count:]

    def _columns(self) -> list[tuple[int, int]]:
        return list(enumerate(self.sizes.values()))

    def _gain(
        self, choice: tuple[int, ...], good: list[tuple[int, ...]], rest: list[tuple[int, ...]]
    ) -> float:
        return sum(
            log(_chance(choice[at], at, good, size)) - log(_chance(choice[at], at, rest, size))
            for at, size in self._columns()
        )


def _chance(place: int, at: int, choices: list[tuple[int, ...]], size: int) -> float:
    """How likely a place is in one column of these choices, each place counted once more than it came."""
    return (1 + sum(choice[at] == place for choice in choices)) / (size + len(choices))
