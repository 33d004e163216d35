"""What later proposals are told of earlier ones: attempts, with their scores and what was said of them."""

from __future__ import annotations

from collections.abc import Iterable, MutableSequence, Sequence

from optimizers.candidate import Attempt, Candidate, Rejected
from optimizers.policies.standing import standing
from optimizers.rollout import Rollout
from tracelib.feedback.feedback import Feedback

HEARD = 3
"""Rollouts whose feedback an attempt keeps, the worst first: every later prompt holds all of them."""


def attempt_of(candidate: Candidate, rollouts: Sequence[Rollout] = ()) -> Attempt:
    """A candidate as something that was tried, with its mean score and what was said of its worst runs."""
    return Attempt(candidate.values, standing(rollouts).mean, heard_in(rollouts))


def heard_in(rollouts: Sequence[Rollout]) -> Feedback:
    """What was said of the worst of these runs, each remark once; failures are worse than any score."""
    worst = sorted(rollouts, key=lambda one: float("-inf") if one.score is None else one.score)[:HEARD]
    return Feedback(Feedback.joined(rollout.feedback for rollout in worst).remarks)


def remember(
    history: MutableSequence[Attempt],
    made: Iterable[object],
    kids: Sequence[Candidate],
    tried: Sequence[tuple[Rollout, ...]],
) -> None:
    """Add what was tried, and what could not be, to what later proposals are told."""
    for kid, rollouts in zip(kids, tried, strict=True):
        history.append(Attempt(kid.values, standing(rollouts).mean))
    for rejected in made:
        if isinstance(rejected, Rejected):
            history.append(Attempt(rejected.proposal.values, problem=rejected.problem))


def ascending(history: Iterable[Attempt], most: int) -> tuple[Attempt, ...]:
    """The best `most` attempts, the best last, as a model is shown them; only those with a score."""
    scored = [attempt for attempt in history if attempt.score is not None]
    best = sorted(scored, key=lambda attempt: attempt.score or 0.0)
    return tuple(best[-most:]) if most > 0 else ()
