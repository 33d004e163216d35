"""Graph shapes as lists of integer parents, and the raw sweep over them that backward is measured against."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

Shape = list[tuple[int, ...]]
"""The parents of each item. Parents stand first; items without are leaves; the last is the output."""


def chain(n: int) -> Shape:
    """n operations, each on the one before."""
    return [(), *((i,) for i in range(n))]


def fanin(n: int) -> Shape:
    """One leaf, n operations on it, one operation on all of those."""
    return [(), *([(0,)] * n), tuple(range(1, n + 1))]


def wide(n: int) -> Shape:
    """n leaves, one operation on all of them."""
    return [*([()] * n), tuple(range(n))]


def dag(n: int, window: int = 16) -> Shape:
    """n operations, each on two different ones of the 16 items before it; the same in every run."""
    rng = random.Random(0)
    first: Shape = [(), ()]
    return first + [tuple(rng.sample(range(max(0, i - window), i), 2)) for i in range(2, n + 2)]


SHAPES: dict[str, Callable[[int], Shape]] = {"chain": chain, "fanin": fanin, "wide": wide, "dag": dag}


def built(shape: Shape, leaf: Callable[[], Any], operation: Callable[..., Any]) -> Any:
    """The shape made real; gives its output."""
    items: list[Any] = []
    for parents in shape:
        items.append(operation(*[items[p] for p in parents]) if parents else leaf())
    return items[-1]


def sweep(shape: Shape) -> list[Any]:
    """The least a backward pass can do: from the output to the leaves over lists of integers."""
    said: list[Any] = [None] * len(shape)
    said[-1] = "feedback"
    for i in range(len(shape) - 1, -1, -1):
        word = said[i]
        if word is not None:
            for parent in shape[i]:
                said[parent] = word
    return said


def reached(shape: Shape) -> Iterator[tuple[int, tuple[int, ...]]]:
    """The items behind the output with their parents, in order."""
    for i, word in enumerate(sweep(shape)):
        if word is not None:
            yield i, shape[i]
