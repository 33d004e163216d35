"""How much is measured: all of it, enough to see a change, or just enough to see that it runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """Counts, not times: repeats of a cell, operations in a repeat, nodes of graphs, calls in a store.

    `loops` are repeats of an optimizer's loop, `steps` its steps, `seeds` and `rollouts` those of a search.
    """

    repeats: int
    calls: int
    graphs: tuple[int, ...]
    graph_repeats: int
    memory: tuple[int, int]
    pictures: tuple[int, ...]
    decorations: int
    interpreters: int
    thread_calls: int
    closures: tuple[int, ...]
    stored: int
    loops: int
    steps: int
    seeds: int
    rollouts: int


FULL = Size(
    repeats=15,
    calls=10_000,
    graphs=(1_000, 10_000, 100_000, 1_000_000),
    graph_repeats=5,
    memory=(10_000, 40_000),
    pictures=(1_000, 10_000),
    decorations=100,
    interpreters=9,
    thread_calls=200_000,
    closures=(5, 50, 500),
    stored=1_000_000,
    loops=5,
    steps=24,
    seeds=20,
    rollouts=300,
)
QUICK = Size(
    repeats=5,
    calls=5_000,
    graphs=(1_000, 10_000, 100_000),
    graph_repeats=3,
    memory=(5_000, 20_000),
    pictures=(1_000,),
    decorations=30,
    interpreters=3,
    thread_calls=40_000,
    closures=(5, 50, 500),
    stored=50_000,
    loops=3,
    steps=24,
    seeds=5,
    rollouts=300,
)
TINY = Size(
    repeats=1,
    calls=40,
    graphs=(20, 40),
    graph_repeats=1,
    memory=(50, 200),
    pictures=(20,),
    decorations=1,
    interpreters=1,
    thread_calls=320,
    closures=(2, 4),
    stored=200,
    loops=1,
    steps=3,
    seeds=1,
    rollouts=80,
)

SIZES = {"full": FULL, "quick": QUICK, "tiny": TINY}
