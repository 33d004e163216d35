"""How sure a mean is: bootstrap intervals, seeded. Knows nothing of what was scored."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from tracelib.errors import OptimizerError

DRAWS = 2_000


@dataclass(frozen=True)
class Interval:
    """A mean, and the ends between which it lies with the given confidence; `n` scores were drawn from."""

    mean: float
    low: float
    high: float
    n: int
    confidence: float = 0.95

    def __str__(self) -> str:
        return f"{self.mean:.4f} [{self.low:.4f}, {self.high:.4f}]"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def bootstrap(
    scores: Sequence[float], confidence: float = 0.95, draws: int = DRAWS, seed: int = 0
) -> Interval:
    """The mean with its percentile bootstrap interval (Efron 1979).

    Equal scores and seeds give equal intervals. For the gain of one program over another give the
    differences, one per example: so the examples are drawn in pairs. Raises OptimizerError for no scores.

    >>> str(bootstrap([0.0, 1.0] * 50))
    '0.5000 [0.4000, 0.5900]'
    """
    if not scores:
        raise OptimizerError("there are no scores to take the mean of")
    rng, n = random.Random(seed), len(scores)
    means = sorted(fmean(rng.choices(scores, k=n)) for _ in range(draws))
    tail = min(draws - 1, round((1 - confidence) / 2 * draws))
    return Interval(fmean(scores), means[tail], means[-tail - 1], n, confidence)
