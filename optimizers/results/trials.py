"""Every candidate of a run with its reason and evidence, and the seed compared with the winner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from optimizers.candidate import Candidate, Rejected
from optimizers.driving.archive import Entry
from optimizers.driving.outcome import Outcome
from optimizers.evaluating.interval import Interval, bootstrap
from optimizers.policies.standing import by_example, pairs, standing
from optimizers.results.chronicle import Chronicle, Seen
from optimizers.rollout import Rollout


@dataclass(frozen=True)
class Trial:
    """One candidate of a run, or one proposal that was rejected.

    Scores are means over the examples that gave one, None where it did not run on the whole split;
    `failed` counts the examples of all splits on which every run ended in an error. `status` is seed,
    winner, tried or rejected; a rejected one has its `problem`. `evidence` is what it was made from, and
    `at` how many rollouts were spent when it was first scored on all of a split, by split.
    """

    id: str
    values: Mapping[str, Any]
    status: str
    reason: str = ""
    parents: tuple[str, ...] = ()
    train: float | None = None
    validation: float | None = None
    failed: int = 0
    problem: str | None = None
    reply: str = ""
    evidence: tuple[Seen, ...] = ()
    at: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Trial:
        evidence = tuple(map(Seen.from_json, data.get("evidence", ())))
        return cls(**{**data, "parents": tuple(data["parents"]), "evidence": evidence})


@dataclass(frozen=True)
class Comparison:
    """The seed and the winner on the same examples; `gain` is of the differences, in pairs.

    An interval is None where no run gave a score. Failures are counted, never scored.
    """

    split: str
    before: Interval | None
    after: Interval | None
    gain: Interval | None
    failed_before: int = 0
    failed_after: int = 0

    @classmethod
    def of(cls, split: str, old: tuple[Rollout, ...], new: tuple[Rollout, ...]) -> Comparison:
        gains = [after - before for before, after in pairs(old, new)]
        return cls(
            split,
            _interval(old),
            _interval(new),
            bootstrap(gains) if gains else None,
            standing(old).failed,
            standing(new).failed,
        )

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Comparison:
        read = {name: data[name] and Interval(**data[name]) for name in ("before", "after", "gain")}
        return cls(**{**data, **read})

    def __str__(self) -> str:
        failed = f", failed {self.failed_before} -> {self.failed_after}"
        told = f"{self.before or 'no score'} -> {self.after or 'no score'}"
        gain = f", gain {self.gain}" if self.gain is not None else ""
        return told + gain + (failed if self.failed_before or self.failed_after else "")


def history_of(outcome: Outcome, chronicle: Chronicle | None = None) -> tuple[Trial, ...]:
    """Every candidate in the order it came, then every rejected proposal."""
    told = chronicle or Chronicle()
    tried = [_trial(entry, outcome, told) for entry in outcome.archive.entries]
    seen = [*told.refused, *[()] * len(outcome.archive.rejected)]
    return (*tried, *map(_rejection, outcome.archive.rejected, seen))


def comparison_of(outcome: Outcome, split: str) -> Comparison | None:
    """None where one of them did not run on the whole split."""
    meant = outcome.splits.of(split)
    if not all(outcome.archive.complete(one, meant) for one in (outcome.seed, outcome.winner)):
        return None
    old, new = (outcome.rollouts(one, split) for one in (outcome.seed, outcome.winner))
    return Comparison.of(meant, old, new)


def _trial(entry: Entry, outcome: Outcome, told: Chronicle) -> Trial:
    candidate = entry.candidate
    return Trial(
        candidate.id,
        dict(candidate.values),
        _status(candidate, outcome),
        candidate.note,
        candidate.parents,
        _mean(outcome, candidate, "train"),
        _mean(outcome, candidate, "validation"),
        sum(standing(entry.on(split)).failed for split in entry.rollouts),
        evidence=told.made_from.get(candidate.id, ()),
        at=dict(told.at.get(candidate.id, {})),
    )


def _status(candidate: Candidate, outcome: Outcome) -> str:
    if candidate == outcome.seed:
        return "seed"
    return "winner" if candidate == outcome.winner else "tried"


def _rejection(rejected: Rejected, evidence: tuple[Seen, ...]) -> Trial:
    proposal = rejected.proposal
    return Trial(
        "",
        dict(proposal.values),
        "rejected",
        proposal.reason,
        (rejected.parent,),
        problem=rejected.problem,
        reply=proposal.reply,
        evidence=evidence,
    )


def _mean(outcome: Outcome, candidate: Candidate, split: str) -> float | None:
    meant = outcome.splits.of(split)
    if not outcome.archive.complete(candidate, meant):
        return None
    return outcome.archive.standing(candidate, meant).mean


def _interval(rollouts: tuple[Rollout, ...]) -> Interval | None:
    """Of the examples, each with the mean of its replicates: runs of one example are not independent."""
    scores = [score for score in by_example(rollouts).values() if score is not None]
    return bootstrap(scores) if scores else None
