"""Which examples and candidates come next: minibatches, draws by weight, what is new among what was made."""

from __future__ import annotations

import random
from collections.abc import Container, Iterator, Mapping, Sequence
from math import exp
from typing import TypeVar

from optimizers.candidate import Advice, Candidate, Rejected

K = TypeVar("K")


def minibatches(size: int, batch: int, rng: random.Random) -> Iterator[tuple[int, ...]]:
    """Indices in batches without end, every epoch a new shuffle of all.

    A short batch at the end of an epoch is filled up from the next; no example is twice in a batch.
    """
    batch, waiting = min(batch, size), rng.sample(range(size), size)
    while True:
        chosen, waiting = waiting[:batch], waiting[batch:]
        if len(chosen) < batch:
            epoch = rng.sample(range(size), size)
            more = [example for example in epoch if example not in chosen][: batch - len(chosen)]
            chosen, waiting = chosen + more, [example for example in epoch if example not in more]
        yield tuple(chosen)


def sample_of(size: int, wanted: int | None, rng: random.Random) -> tuple[int, ...]:
    """`wanted` indices drawn without repetition, in order; all of them for None or when there are fewer."""
    if wanted is None or wanted >= size:
        return tuple(range(size))
    return tuple(sorted(rng.sample(range(size), wanted)))


def distinct(made: Sequence[Candidate | Rejected | Advice], known: Container[str] = ()) -> list[Candidate]:
    """The candidates among what was made, each once, without those whose ids are known."""
    kids = (kid for kid in made if isinstance(kid, Candidate) and kid.id not in known)
    return list({kid.id: kid for kid in kids}.values())


def drawn(weights: Mapping[K, float], rng: random.Random) -> K:
    """One key, with a chance in proportion to its weight; all alike when no weight is above 0."""
    keys = list(weights)
    found = [max(0.0, weights[key]) for key in keys]
    return rng.choices(keys, found if sum(found) > 0 else None)[0]


def softmax(scores: Mapping[K, float], temperature: float) -> dict[K, float]:
    """Weights in proportion to exp(score / temperature); the highest score has the weight 1."""
    top = max(scores.values())
    return {key: exp((score - top) / temperature) for key, score in scores.items()}
