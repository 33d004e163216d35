"""Evolution: a population of candidates, children made from several of them, the fittest survive."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from optimizers.candidate import Candidate
from optimizers.effects import Propose, Steps
from optimizers.policies.arms import Arms
from optimizers.policies.sampling import distinct, drawn, sample_of
from optimizers.proposers.evolution import CrossoverPrompt, DifferencePrompt
from optimizers.proposers.protegi import ParaphrasePrompt
from optimizers.roles import Maker
from optimizers.strategies.champion import Champion


@dataclass(frozen=True)
class Evolution:
    """EvoPrompt (Guo et al. 2023, arXiv 2309.08532): genetic, or differential evolution.

    The first population is the values you have and paraphrases of them. A generation makes one child per
    member: with "genetic" from two parents drawn by fitness (proposals of the kind "crossover"), and the
    best of old and new survive; with "differential" from a member, two others and the best (kind
    "difference"), and a child takes the place of its member when it is better.

    Calls per generation: population; runs: population * examples, `examples` of train drawn once (all for
    None), and validation when the best is new. The first population takes one child less.
    """

    way: Literal["genetic", "differential"] = "differential"
    population: int = 10
    generations: int = 10
    examples: int | None = None
    proposers: Mapping[str, Maker] = field(
        default_factory=lambda: {
            "paraphrase": ParaphrasePrompt,
            "crossover": CrossoverPrompt,
            "difference": DifferencePrompt,
        }
    )
    validates: ClassVar[bool] = True

    def __call__(self, seed: Candidate, train: int, validation: int, rng: random.Random) -> Steps:
        champion, arms = Champion(seed, validation), Arms()
        yield from champion.meet(seed)
        ids, size = sample_of(train, self.examples, rng), self.population
        made = yield [Propose(seed, nth=n, kind="paraphrase") for n in range(size - 1)]
        members = [seed, *distinct(made, [seed.id])]
        yield from arms.run(members, ids)
        yield from champion.meet(arms.best()[0])
        for generation in range(1, self.generations + 1):
            made = yield self._asked(members, arms.means(), generation * size, rng)
            yield from arms.run(distinct(made, arms.kept), ids)
            members = self._survivors(members, made, arms)
            yield from champion.meet(arms.best()[0])
        return champion.best

    def _asked(
        self, members: list[Candidate], means: Mapping[str, float], first: int, rng: random.Random
    ) -> list[Propose]:
        if self.way == "genetic":
            return [self._crossed(members, means, first + n, rng) for n in range(self.population)]
        return [self._differing(members, means, n, first + n, rng) for n in range(len(members))]

    def _crossed(
        self, members: list[Candidate], means: Mapping[str, float], nth: int, rng: random.Random
    ) -> Propose:
        """Two parents by the roulette wheel; scores below 0 are moved up until the lowest is 0."""
        low = min(0.0, *means.values())
        fitness = {place: means[one.id] - low for place, one in enumerate(members)}
        first = drawn(fitness, rng)
        second = drawn({place: fit for place, fit in fitness.items() if place != first} or fitness, rng)
        return Propose(members[first], nth=nth, kind="crossover", others=(members[second],))

    def _differing(
        self, members: list[Candidate], means: Mapping[str, float], place: int, nth: int, rng: random.Random
    ) -> Propose:
        base = members[place]
        others = [one for one in members if one != base] or [base]
        pair = rng.sample(others, 2) if len(others) > 1 else others * 2
        best = max(members, key=lambda one: means[one.id])
        return Propose(base, nth=nth, kind="difference", others=(*pair, best))

    def _survivors(self, members: list[Candidate], made: list[object], arms: Arms) -> list[Candidate]:
        if self.way == "genetic":
            return arms.best(self.population)
        means = arms.means()
        return [
            kid if isinstance(kid, Candidate) and means[kid.id] > means[old.id] else old
            for old, kid in zip(members, made, strict=True)
        ]
