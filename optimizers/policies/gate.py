"""When a new candidate may replace an old one: small objects that judge two sets of rollouts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import comb
from statistics import fmean
from typing import Protocol, runtime_checkable

from optimizers.policies.standing import better, failures, pairs, standing
from optimizers.rollout import Rollout


@dataclass(frozen=True)
class Verdict:
    """Whether the new candidate is accepted, and why."""

    accepted: bool
    reason: str


@runtime_checkable
class Gate(Protocol):
    """Judges rollouts of an old and a new candidate on the same examples."""

    def judge(self, old: Sequence[Rollout], new: Sequence[Rollout]) -> Verdict: ...


@dataclass(frozen=True)
class Strict:
    """Accepts what is better: a higher mean where both scored, and no more failures."""

    def judge(self, old: Sequence[Rollout], new: Sequence[Rollout]) -> Verdict:
        return Verdict(better(old, new), _compared(old, new))


@dataclass(frozen=True)
class NonInferior:
    """Accepts what loses at most `margin` of the mean where both scored, with no more failures.

    For simpler or cheaper candidates that need not score higher.
    """

    margin: float = 0.0

    def judge(self, old: Sequence[Rollout], new: Sequence[Rollout]) -> Verdict:
        common = pairs(old, new)
        if not common or failures(new) > failures(old):
            return Verdict(False, _compared(old, new))
        loss = fmean(a - b for a, b in common)
        return Verdict(loss <= self.margin, f"{_compared(old, new)}, margin {self.margin:g}")


@dataclass(frozen=True)
class SignTest:
    """Accepts what is better, when as many wins would come by chance with probability below `alpha`.

    One-sided paired sign test over the examples, ties left out: a candidate that is no better is
    accepted with probability at most `alpha`, whatever the scores' distribution.
    """

    alpha: float = 0.05

    def judge(self, old: Sequence[Rollout], new: Sequence[Rollout]) -> Verdict:
        common = pairs(old, new)
        wins = sum(b > a for a, b in common)
        losses = sum(b < a for a, b in common)
        chance = sign_probability(wins, losses)
        reason = f"{_compared(old, new)}; {wins} wins, {losses} losses, p = {chance:.3g}"
        return Verdict(better(old, new) and chance < self.alpha, reason)


def sign_probability(wins: int, losses: int) -> float:
    """The probability of at least so many wins when wins and losses are equally likely.

    >>> sign_probability(5, 0)
    0.03125
    """
    n = wins + losses
    ways = sum(comb(n, k) for k in range(wins, n + 1))
    return float(Fraction(ways, 2**n))


def _compared(old: Sequence[Rollout], new: Sequence[Rollout]) -> str:
    return f"{standing(old)} -> {standing(new)}"
