"""Running the same examples several times, where a program or a metric is noisy."""

from __future__ import annotations

from collections.abc import Iterable

from optimizers.candidate import Candidate
from optimizers.effects import Evaluate
from optimizers.rollout import Rollout


def repeated(
    candidate: Candidate, split: str, ids: tuple[int, ...], times: int, evidence: bool = False
) -> list[Evaluate]:
    """The same evaluation `times` times, each as a replicate of its own; all of them run at the same time.

    Gates and standings take the mean of an example's replicates, so they judge examples, not runs: replicates
    make them see smaller gains, and do not make chance look like proof.
    """
    return [Evaluate(candidate, split, ids, replicate, evidence) for replicate in range(times)]


def joined(results: Iterable[tuple[Rollout, ...]]) -> tuple[Rollout, ...]:
    """All replicates in one, as gates take them."""
    return tuple(rollout for rollouts in results for rollout in rollouts)
