"""How much a parameter has to do with the runs that went wrong, read from the recorded graphs.

The share of failing runs that a parameter reaches, set against the runs that went well, is D*, a measure
of fault localization (Wong et al. 2014, "The DStar method for effective software fault localization"). It is
weighted by what the feedback says, and by whether past edits of the parameter helped.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from optimizers.candidate import Candidate
from optimizers.evidence.evidence import Evidence, Line
from optimizers.rollout import Rollout
from tracelib.graph.operator import BUILTIN

POINTING = 4.0
"""How many times more a run counts for a parameter that its feedback or error points at."""
SHORTEST = 3
"""Letters of a name that feedback may mention: shorter ones are words of their own."""


@dataclass(frozen=True)
class ByCredit:
    """Picks the parameter with the highest credit; of equals the one that was edited least.

    `perfect` is the score from which on a run has gone well; with None it is the best score of the runs
    at hand.
    """

    perfect: float | None = 1.0

    def picker(self) -> CreditPicker:
        return CreditPicker(self.perfect)


@dataclass
class CreditPicker:
    """What one run has shown so far: the runs of each candidate, and the edits by parameter."""

    perfect: float | None = 1.0
    seen: dict[str, dict[int, Rollout]] = field(default_factory=dict)
    edits: Counter[str] = field(default_factory=Counter)
    vain: Counter[str] = field(default_factory=Counter)
    helped: set[str] = field(default_factory=set)

    def pick(self, parent: Candidate, seen: Sequence[Rollout], rng: random.Random) -> tuple[str, ...]:
        known = self._record(parent, seen)
        credit = credits_of(tuple(parent.values), tuple(known.values()), self.perfect)
        return (max(credit, key=lambda name: (credit[name] * self.promise(name), -self.edits[name])),)

    def learn(
        self, parent: Candidate, names: tuple[str, ...], kid: Candidate | None, new: Sequence[Rollout] = ()
    ) -> None:
        self.edits.update(names)
        self.vain.update(names)
        if kid is not None:
            self._record(kid, new)
            self.helped.update(names)
            for name in names:
                self.vain[name] = 0

    def promise(self, name: str) -> float:
        """What past edits promise of the next one: halved by each in vain, doubled once one has helped.

        As Bayes would have it, when every other edit of the parameter at fault helps.
        """
        return (2.0 if name in self.helped else 1.0) * 0.5 ** self.vain[name]

    def _record(self, candidate: Candidate, rollouts: Sequence[Rollout]) -> dict[int, Rollout]:
        known = self.seen.setdefault(candidate.id, {})
        known.update({rollout.example: rollout for rollout in rollouts})
        return known


def credits_of(
    names: Sequence[str], seen: Sequence[Rollout], perfect: float | None = 1.0
) -> dict[str, float]:
    """The credit of each parameter for what went wrong in these runs, 0 or more.

    All alike when no run tells them apart: none went wrong, or none was recorded.
    """
    wrong = shortfalls(seen, perfect)
    found = {
        name: _suspicion(name, seen, wrong) * (1 + POINTING * _pointing(name, seen, wrong)) for name in names
    }
    return found if any(found.values()) else dict.fromkeys(names, 1.0)


def shortfalls(seen: Sequence[Rollout], perfect: float | None) -> list[float]:
    """How far each run fell short, 0 for those that went well, 1 for the worst; a failure is a worst one."""
    scores = [rollout.score for rollout in seen if rollout.score is not None]
    goal = perfect if perfect is not None else max(scores, default=0.0)
    lacking = [max(0.0, goal - score) for score in scores]
    worst = max(lacking, default=0.0) or 1.0
    return [1.0 if one.score is None else max(0.0, goal - one.score) / worst for one in seen]


def reaches(name: str, evidence: Evidence | None) -> bool:
    """Whether the parameter was behind what the run gave, and heard of it."""
    variables = () if evidence is None else evidence.variables
    return any(one.name == name and (one.heard is None or bool(one.heard)) for one in variables)


def points_at(name: str, evidence: Evidence) -> float:
    """How much a run's feedback or error points at a parameter, 0 to 1.

    1 for feedback of its own, for its name or that of an operator that takes it in the words, and for
    an error in such an operator's line; an error further down the line counts a quarter per step.
    """
    own = any(one.name == name and one.heard for one in evidence.variables)
    # Python's own operators have names that any sentence may hold: add, format, join.
    takers = {line.operator for line in evidence.code if name in _sources(line)} - BUILTIN.keys()
    words = {name, name.rpartition(".")[2], *(taker.rpartition(".")[2] for taker in takers)}
    if own or any(_said(word, evidence.feedback.text) for word in words):
        return 1.0
    steps = _steps_to_error(name, evidence)
    return 0.0 if steps is None else 0.25 ** (steps - 1)


def _suspicion(name: str, seen: Sequence[Rollout], wrong: Sequence[float]) -> float:
    """D* with its usual exponent of 2: what it reaches of what went wrong, against all it does not explain.

    One is added below, so that a single run proves nothing yet.
    """
    reached = [reaches(name, one.evidence) for one in seen]
    in_wrong = sum(weight for weight, here in zip(wrong, reached, strict=True) if here)
    in_right = sum(weight == 0 and here for weight, here in zip(wrong, reached, strict=True))
    return in_wrong**2 / (sum(wrong) - in_wrong + in_right + 1)


def _pointing(name: str, seen: Sequence[Rollout], wrong: Sequence[float]) -> float:
    """The mean of `points_at` over the failing runs that the parameter reaches, by how wrong they went."""
    reached = [
        (weight, one.evidence)
        for one, weight in zip(seen, wrong, strict=True)
        if weight and one.evidence is not None and reaches(name, one.evidence)
    ]
    total = sum(weight for weight, _ in reached)
    return sum(weight * points_at(name, evidence) for weight, evidence in reached) / total if total else 0.0


def _steps_to_error(name: str, evidence: Evidence) -> int | None:
    """How many lines lead from the parameter to the one that failed; None when no error is behind it."""
    steps: dict[str, int] = {name: 0}
    for line in evidence.code:  # in the order of the calls, so sources come first
        found = [steps[source] for source in _sources(line) if source in steps]
        if found:
            steps.setdefault(line.name, min(found) + 1)
            if line.failed:
                return steps[line.name]
    return None


def _sources(line: Line) -> set[str]:
    return {source for _, source in (*line.arguments, *line.others)}


@lru_cache(maxsize=1024)
def _word(word: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.]){re.escape(word)}(?!\w)")


def _said(word: str, text: str) -> bool:
    return len(word) >= SHORTEST and _word(word).search(text) is not None
