"""Several numbers per run, and how two candidates compare on them: weighted, in order, or each by itself.

An objective asks a gate about one number after another; so every gate works with every objective.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

from optimizers.policies.gate import Gate, NonInferior, Strict, Verdict
from optimizers.rollout import Rollout
from tracelib.errors import OptimizerError


@runtime_checkable
class Objective(Protocol):
    """What is to be good: judges two sets of rollouts on the same examples with a gate's strictness.

    `view` gives the rollouts with the one number as score that says most, for fronts per example.
    """

    def judge(self, old: Sequence[Rollout], new: Sequence[Rollout], gate: Gate) -> Verdict: ...
    def view(self, rollouts: Sequence[Rollout]) -> tuple[Rollout, ...]: ...


@dataclass(frozen=True)
class Score:
    """The score itself: that of the metric's number, or of its entry "score", or the mean of its numbers."""

    def judge(self, old: Sequence[Rollout], new: Sequence[Rollout], gate: Gate) -> Verdict:
        return gate.judge(old, new)

    def view(self, rollouts: Sequence[Rollout]) -> tuple[Rollout, ...]:
        return tuple(rollouts)


@dataclass(frozen=True)
class Weighted:
    """The sum of the named numbers, each times its weight; a weight below 0 makes less of it better.

    Weighted({"correct": 1.0, "tokens": -0.001})
    """

    weights: Mapping[str, float]

    def judge(self, old: Sequence[Rollout], new: Sequence[Rollout], gate: Gate) -> Verdict:
        return gate.judge(self.view(old), self.view(new))

    def view(self, rollouts: Sequence[Rollout]) -> tuple[Rollout, ...]:
        """The rollouts with the weighted sum as their score; failures stay failures."""
        return tuple(
            rollout if rollout.failed else replace(rollout, score=self._sum(rollout)) for rollout in rollouts
        )

    def _sum(self, rollout: Rollout) -> float:
        return sum(weight * number_of(rollout, name) for name, weight in self.weights.items())


@dataclass(frozen=True)
class Lexicographic:
    """The first name decides; where it is neither better nor worse by more than `margin`, the next one does.

    A name after a minus is better when it is less: Lexicographic(("correct", "-tokens")).
    """

    names: Sequence[str]
    margin: float = 0.0

    def judge(self, old: Sequence[Rollout], new: Sequence[Rollout], gate: Gate) -> Verdict:
        verdict = Verdict(False, "nothing to compare")
        for name in self.names:
            before, after = on(name, old), on(name, new)
            verdict = _named(name, gate.judge(before, after))
            worse = not NonInferior(self.margin).judge(before, after).accepted
            if worse or (verdict.accepted and not NonInferior(self.margin).judge(after, before).accepted):
                return verdict
        return verdict

    def view(self, rollouts: Sequence[Rollout]) -> tuple[Rollout, ...]:
        """The first of the numbers as the score."""
        return on(self.names[0], rollouts)


@dataclass(frozen=True)
class NonDominated:
    """Better is what gains on one of the names and loses on none by more than `margin` (Pareto's order).

    A name after a minus is better when it is less. Two candidates may each be no better than the other:
    then the one that was there stays.
    """

    names: Sequence[str]
    margin: float = 0.0

    def judge(self, old: Sequence[Rollout], new: Sequence[Rollout], gate: Gate) -> Verdict:
        gains = []
        for name in self.names:
            before, after = on(name, old), on(name, new)
            kept = NonInferior(self.margin).judge(before, after)
            if not kept.accepted:
                return _named(name, kept)
            gains.append(_named(name, gate.judge(before, after)))
        return next((verdict for verdict in gains if verdict.accepted), gains[-1])

    def view(self, rollouts: Sequence[Rollout]) -> tuple[Rollout, ...]:
        """The rollouts as they are: no number stands for the others."""
        return tuple(rollouts)


@dataclass(frozen=True)
class AnyOf:
    """Better is what gains on one of the names, whatever it loses on the others.

    For the minibatches of a search whose fronts are per number: there a trade is worth a place. A name after
    a minus is better when it is less.
    """

    names: Sequence[str]

    def judge(self, old: Sequence[Rollout], new: Sequence[Rollout], gate: Gate) -> Verdict:
        found = [_named(name, gate.judge(on(name, old), on(name, new))) for name in self.names]
        return next((verdict for verdict in found if verdict.accepted), found[-1])

    def view(self, rollouts: Sequence[Rollout]) -> tuple[Rollout, ...]:
        """The rollouts as they are: no number stands for the others."""
        return tuple(rollouts)


@dataclass(frozen=True)
class By:
    """A gate that judges by an objective: By(Weighted({"correct": 1, "tokens": -0.001}), SignTest())."""

    objective: Objective
    gate: Gate = field(default_factory=Strict)

    def judge(self, old: Sequence[Rollout], new: Sequence[Rollout]) -> Verdict:
        return self.objective.judge(old, new, self.gate)


def on(name: str, rollouts: Sequence[Rollout]) -> tuple[Rollout, ...]:
    """The rollouts with one of their numbers as the score; its negative for a name after a minus."""
    sign, bare = (-1.0, name[1:]) if name.startswith("-") else (1.0, name)
    return tuple(
        rollout if rollout.failed else replace(rollout, score=sign * number_of(rollout, bare))
        for rollout in rollouts
    )


def number_of(rollout: Rollout, name: str) -> float:
    """The number of that name; "score" is the score where the metric gave no entry of that name.

    Raises OptimizerError when a run that did not fail has none.
    """
    if name in rollout.scores:
        return rollout.scores[name]
    if name == "score" and rollout.score is not None:
        return rollout.score
    known = ", ".join(rollout.scores) or "none: it returned one number"
    raise OptimizerError(
        f"an objective names {name!r}, and the metric gave no number of that name for example "
        f"{rollout.example} of {rollout.split} (it gave {known}): return a dict with it from the metric"
    )


def _named(name: str, verdict: Verdict) -> Verdict:
    return Verdict(verdict.accepted, f"{name}: {verdict.reason}")
