"""What training came to: the best values, how sure the gain is, every candidate, and what it took."""

from __future__ import annotations

import difflib
import html
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from optimizers.budget import Spent
from optimizers.candidate import Candidate, Rejected
from optimizers.driving.archive import Entry
from optimizers.driving.outcome import Outcome
from optimizers.evaluating.interval import Interval, bootstrap
from optimizers.evidence.display import shown
from optimizers.policies.standing import pairs, standing
from optimizers.rollout import Rollout
from tracelib.graph.tracing import Update

SHOWN = 80
"""Characters of a value in the text of a result."""
FORMAT = "tracelib result 1"


@dataclass(frozen=True)
class Trial:
    """One candidate of a run, or one proposal that was rejected.

    Scores are means over the examples that gave one, None where it did not run on the whole split;
    `failed` counts the examples of all splits on which every run ended in an error. `status` is seed,
    winner, tried or rejected; a rejected one has its `problem`.
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

    def __str__(self) -> str:
        failed = f", failed {self.failed_before} -> {self.failed_after}"
        told = f"{self.before or 'no score'} -> {self.after or 'no score'}"
        gain = f", gain {self.gain}" if self.gain is not None else ""
        return told + gain + (failed if self.failed_before or self.failed_after else "")


@dataclass(frozen=True, repr=False)
class Result:
    """What `fit` gives back. The program has the best values already, if it `improved`.

    `best` and `seed` are values by path. `test` is None without a test split, or when the budget did not
    cover it (then a note says so). `stopped` says why the search ended before its strategy did. `programs`
    says whose the parameters are, as "module:qualname" by path: the trained program's where they do not know.
    """

    best: Mapping[str, Any]
    seed: Mapping[str, Any]
    improved: bool
    history: tuple[Trial, ...]
    validation: Comparison | None
    test: Comparison | None
    spent: Spent
    verdict: str = ""
    stopped: str = ""
    notes: tuple[str, ...] = ()
    journal: str | None = None
    programs: Mapping[str, str] = field(default_factory=dict)
    updates: tuple[Update, ...] = field(default=(), compare=False, repr=False)

    @property
    def changed(self) -> dict[str, tuple[Any, Any]]:
        """The old and the new value of each parameter that changed, by path."""
        return {
            path: (self.seed[path], value) for path, value in self.best.items() if value != self.seed[path]
        }

    def undo(self) -> None:
        """Give the program's parameters the values back that they had before `fit`."""
        for update in reversed(self.updates):
            update.parameter.restore(update.old, f"undone: {update.because}", update.by)

    def to_json(self) -> dict[str, Any]:
        """Everything but the updates, as JSON values."""
        return {
            "format": FORMAT,
            "best": dict(self.best),
            "seed": dict(self.seed),
            "improved": self.improved,
            "history": [asdict(trial) for trial in self.history],
            "validation": None if self.validation is None else asdict(self.validation),
            "test": None if self.test is None else asdict(self.test),
            "spent": self.spent.to_json(),
            "verdict": self.verdict,
            "stopped": self.stopped,
            "notes": list(self.notes),
            "journal": self.journal,
            "programs": dict(self.programs),
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the result as readable JSON, whole or not at all."""
        target = Path(path)
        beside = target.with_name(f".{target.name}.{os.getpid()}")
        beside.write_text(json.dumps(self.to_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(beside, target)

    def __str__(self) -> str:
        return "\n".join([self._headline(), *self._scores(), *self._changes(), *self._rest()])

    def __repr__(self) -> str:
        return f"<Result: {self._headline()}>"

    def _headline(self) -> str:
        tried = sum(trial.status in ("tried", "winner") for trial in self.history)
        rejected = sum(trial.status == "rejected" for trial in self.history)
        found = "improved" if self.improved else "nothing beat the seed"
        also = f", {rejected} proposals rejected" if rejected else ""
        return f"{found}; {tried} candidates tried{also}"

    def _scores(self) -> list[str]:
        told = [comparison for comparison in (self.validation, self.test) if comparison is not None]
        return [f"{comparison.split}: {comparison}" for comparison in told]

    def _changes(self) -> list[str]:
        return [line for path, change in self.changed.items() for line in _change(path, *change)]

    def _rest(self) -> list[str]:
        stopped = [f"stopped: {self.stopped}"] if self.stopped else []
        return [f"spent: {self.spent}", *stopped, *(f"note: {note}" for note in self.notes)]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": self._repr_html_()}

    def _repr_html_(self) -> str:
        rows = "".join(_row(trial) for trial in self.history)
        head = "".join(
            f"<th style='text-align:left'>{name}</th>"
            for name in ("candidate", "status", "train", "validation", "failed", "reason")
        )
        return (
            f"<pre>{html.escape(str(self))}</pre>"
            f"<details><summary>{len(self.history)} candidates and proposals</summary>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></details>"
        )


def result_of(
    outcome: Outcome,
    notes: tuple[str, ...] = (),
    journal: str | None = None,
    updates: tuple[Update, ...] = (),
    programs: Mapping[str, str] | None = None,
) -> Result:
    """The result of a run."""
    return Result(
        best=dict(outcome.winner.values),
        seed=dict(outcome.seed.values),
        improved=outcome.improved,
        history=history_of(outcome),
        validation=_comparison(outcome, "validation"),
        test=_comparison(outcome, "test"),
        spent=outcome.spent,
        verdict=outcome.verdict.reason if outcome.verdict is not None else "",
        stopped=outcome.stopped,
        notes=(*outcome.notes, *notes),
        journal=journal,
        programs=dict(programs or {}),
        updates=updates,
    )


def history_of(outcome: Outcome) -> tuple[Trial, ...]:
    """Every candidate in the order it came, then every rejected proposal."""
    tried = [_trial(entry, outcome) for entry in outcome.archive.entries]
    return (*tried, *map(_rejection, outcome.archive.rejected))


def _trial(entry: Entry, outcome: Outcome) -> Trial:
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
    )


def _status(candidate: Candidate, outcome: Outcome) -> str:
    if candidate == outcome.seed:
        return "seed"
    return "winner" if candidate == outcome.winner else "tried"


def _rejection(rejected: Rejected) -> Trial:
    proposal = rejected.proposal
    return Trial(
        "",
        dict(proposal.values),
        "rejected",
        proposal.reason,
        (rejected.parent,),
        problem=rejected.problem,
        reply=proposal.reply,
    )


def _mean(outcome: Outcome, candidate: Candidate, split: str) -> float | None:
    meant = outcome.splits.of(split)
    return (
        outcome.archive.standing(candidate, meant).mean
        if outcome.archive.complete(candidate, meant)
        else None
    )


def _comparison(outcome: Outcome, split: str) -> Comparison | None:
    meant = outcome.splits.of(split)
    if not all(outcome.archive.complete(one, meant) for one in (outcome.seed, outcome.winner)):
        return None
    old, new = (outcome.rollouts(one, split) for one in (outcome.seed, outcome.winner))
    return Comparison.of(meant, old, new)


def _interval(rollouts: tuple[Rollout, ...]) -> Interval | None:
    scores = [rollout.score for rollout in rollouts if rollout.score is not None]
    return bootstrap(scores) if scores else None


def _change(path: str, old: Any, new: Any) -> list[str]:
    if isinstance(old, str) and isinstance(new, str) and "\n" in old + new:
        lines = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=1)
        return [f"{path}:", *(f"  {line}" for line in list(lines)[2:])]
    return [f"{path}: {shown(old, SHOWN)} -> {shown(new, SHOWN)}"]


def _row(trial: Trial) -> str:
    reason = trial.problem or trial.reason
    cells = [
        trial.id or "-",
        trial.status,
        _number(trial.train),
        _number(trial.validation),
        str(trial.failed),
    ]
    return "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in [*cells, reason[:200]]) + "</tr>"


def _number(score: float | None) -> str:
    return "" if score is None else f"{score:.4f}"
