"""A gate by resampling: how often chance alone would give as high a mean gain, whatever the scores' scale."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import fsum

from optimizers.policies.gate import Verdict
from optimizers.policies.standing import better, pairs, standing
from optimizers.rollout import Rollout

EXACT = 12
"""Up to so many examples all 2 ** n draws are made, so that the probability is exact."""


@dataclass(frozen=True)
class PairedBootstrap:
    """Accepts what is better, when as high a mean gain would come by chance with probability at most `alpha`.

    A wild bootstrap of the paired differences (Liu 1988): each draw turns the sign of each difference
    by the toss of a coin. A candidate whose scores differ from the old ones by noise alone is accepted
    with probability at most `alpha` in each judgment, since its differences are as often gains as losses of
    the same size; that holds for any number of examples. It sees the size of gains, which the sign test
    does not, so it finds smaller ones. With fewer than log2(1 / alpha) examples, 5 for 0.05, nothing is
    accepted. The draws follow from the differences alone: equal scores get equal verdicts.
    """

    alpha: float = 0.05
    draws: int = 2_000

    def judge(self, old: Sequence[Rollout], new: Sequence[Rollout]) -> Verdict:
        gains = [after - before for before, after in pairs(old, new)]
        chance = chance_of(gains, self.draws)
        mean = fsum(gains) / len(gains) if gains else 0.0
        reason = f"{standing(old)} -> {standing(new)}; mean gain {mean:.4g} on {len(gains)}, p = {chance:.3g}"
        return Verdict(better(old, new) and chance <= self.alpha, reason)


def chance_of(gains: Sequence[float], draws: int = 2_000) -> float:
    """The probability of at least so high a sum when each gain is as likely a loss.

    Exact for up to 12 gains other than 0; else from `draws` draws, with the observed one among them
    (Phipson and Smyth 2010), so that it is never too low.

    >>> chance_of([1.0] * 5)
    0.03125
    """
    sizes = [abs(gain) for gain in gains if gain != 0]
    total = fsum(gains)
    # Sums of the same numbers with other signs may differ by rounding alone.
    needed = total - 1e-9 * fsum(sizes)
    if len(sizes) <= EXACT:
        sums = [fsum(signed) for signed in _all_signs(sizes)]
        return sum(one >= needed for one in sums) / len(sums)
    rng = random.Random(repr(list(gains)))
    reached = sum(_drawn_sum(sizes, rng) >= needed for _ in range(draws))
    return (1 + reached) / (1 + draws)


def _all_signs(sizes: Sequence[float]) -> Iterator[tuple[float, ...]]:
    return product(*[(size, -size) for size in sizes])


def _drawn_sum(sizes: Sequence[float], rng: random.Random) -> float:
    signs = rng.getrandbits(len(sizes))
    return fsum(size if signs >> place & 1 else -size for place, size in enumerate(sizes))
