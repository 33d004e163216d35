"""A loop of steps as every optimizer runs it: which questions, and what is noted. Standard library only."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.simulated.world import World

BATCH = 3
"""Examples of each step."""


@dataclass(frozen=True)
class Place:
    """Where a loop runs: the address of a server, and the seed of the world that it serves."""

    url: str
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.seed}@{self.url}"

    @classmethod
    def of(cls, text: str) -> Place:
        """The place that a text stands for.

        >>> Place.of(str(Place("http://127.0.0.1:80/v1", 3)))
        Place(url='http://127.0.0.1:80/v1', seed=3)
        """
        seed, _, url = text.partition("@")
        return cls(url, int(seed))

    @property
    def world(self) -> World:
        return World(self.seed)


@dataclass(frozen=True)
class Ran:
    """A loop that ended: the last prompt, how each failed step failed, seconds by the wall and of CPU."""

    prompt: str
    failures: Sequence[str] = ()
    seconds: float = 0.0
    cpu: float = 0.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Ran:
        return cls(**value)


@dataclass
class Stopwatch:
    """Times what runs between its making and `ran`; `failures` are noted on the way."""

    failures: list[str] = field(default_factory=list)
    _wall: float = field(default_factory=time.perf_counter)
    _cpu: float = field(default_factory=time.process_time)

    def tried(self, step: Callable[[], object]) -> None:
        """Take a step; how it fails is noted, and the loop goes on."""
        try:
            step()
        except Exception as error:
            # A peer may raise anything at all; which steps raise is one of the figures.
            self.failures.append(f"{type(error).__name__}: {error}")

    def ran(self, prompt: str) -> Ran:
        wall, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        return Ran(prompt, self.failures, wall, cpu)


def minibatches(world: World, steps: int, size: int = BATCH) -> list[Sequence[str]]:
    """The questions of each step of a loop, the same for every optimizer."""
    order = world.questions("TR")
    random.Random(0).shuffle(order)
    return [[order[(step * size + n) % len(order)] for n in range(size)] for step in range(steps)]
