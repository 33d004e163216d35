"""What training came to: the best values, how sure the gain is, every candidate, and what it took."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimizers.budget import Spent
from optimizers.candidate import Candidate, canonical
from optimizers.driving.outcome import Outcome
from optimizers.evaluating.subject import Subject, given_parameters
from optimizers.results.chronicle import Chronicle
from optimizers.results.trials import Comparison, Trial, comparison_of, history_of
from optimizers.results.words import change_lines, diff_text, table
from tracelib.errors import OptimizerError
from tracelib.graph.tracing import Update
from tracelib.late import resolver

if TYPE_CHECKING:
    from optimizers.pictures.sheet import Picture

# Bound late, name -> "module:function": what reads and writes sources, and draws, is not needed to train.
LATE = {
    "exported": "optimizers.exports.export:exported",
    "curves": "optimizers.pictures.curves:curves",
    "tree": "optimizers.pictures.tree:tree",
}
_late = resolver(LATE)

FORMAT = "tracelib result 1"


@dataclass(frozen=True)
class Origin:
    """Where a result comes from: its journal; whose the parameters are; with which meta-prompts."""

    journal: str | None = None
    programs: Mapping[str, str] = field(default_factory=dict)
    proposers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
class Result:
    """What `fit` gives back. The program has the best values already, if it `improved`.

    `best` and `seed` are values by path. `test` is None without a test split, or when the budget did not
    cover it (then a note says so). `stopped` says why the search ended before its strategy did. `programs`
    says whose the parameters are, as "module:qualname" by path: the trained program's where they do not
    know. `proposers` are the versions of the meta-prompts that were asked with, by kind of request.
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
    proposers: Mapping[str, str] = field(default_factory=dict)
    updates: tuple[Update, ...] = field(default=(), compare=False, repr=False)

    @property
    def changed(self) -> dict[str, tuple[Any, Any]]:
        """The old and the new value of each parameter that changed, by path."""
        return {
            path: (self.seed[path], value)
            for path, value in self.best.items()
            if canonical(value) != canonical(self.seed[path])
        }

    def diff(self) -> str:
        """What changed, whole: a unified diff in which each parameter is a file."""
        return diff_text(self.changed)

    def apply(self, program: Any) -> tuple[Update, ...]:
        """Give the best values to the parameters of a program, or of a list or mapping of them: all or none.

        For a result that was loaded; `fit` has applied its own. Raises OptimizerError where a parameter is
        not there, and ConstraintError where one refuses its value.
        """
        given = program if isinstance(program, Mapping | list | tuple) else None
        subject = Subject(given_parameters(program, given, "the result"))
        missing = [path for path in self.best if path not in subject.parameters]
        if missing:
            known = ", ".join(subject.parameters)
            raise OptimizerError(f"there is no parameter {missing[0]!r} to give a value; there are {known}")
        now = Candidate({path: subject.start().values[path] for path in self.best})
        reason = self.verdict or "from a saved result"
        return subject.apply(now, Candidate(self.best, note=reason), "Result.apply")

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
            "proposers": dict(self.proposers),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Result:
        """What `to_json` gave, also after a way through JSON text; it has no updates to undo."""
        given = {name: value for name, value in data.items() if name != "format"}
        return cls(
            **{
                **given,
                "history": tuple(map(Trial.from_json, data["history"])),
                "validation": data["validation"] and Comparison.from_json(data["validation"]),
                "test": data["test"] and Comparison.from_json(data["test"]),
                "spent": Spent(**data["spent"]),
                "notes": tuple(data["notes"]),
            }
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the result as readable JSON, whole or not at all."""
        write_whole(Path(path), (json.dumps(self.to_json(), indent=2, ensure_ascii=False) + "\n").encode())

    def curves(self) -> Picture:
        """Scores over the runs spent, and the best so far; `.save("curves.svg")`, or .png and .pdf."""
        picture: Picture = _late("curves")(self.history)
        return picture

    def tree(self) -> Picture:
        """Who was made from whom, with scores and reasons; `.save("tree.svg")`, or .png and .pdf."""
        picture: Picture = _late("tree")(self.history)
        return picture

    def export(self, path: str | os.PathLike[str], *sources: str) -> Path:
        """Write what was learned into a file that needs none of us, by its suffix.

        `prompt.json` holds the best values by path. `agent.py` is the user's own source file with them in
        place, in which a few lines of plain Python take the place of tracelib. `x.patch` changes the source
        files by `git apply`. `sources` are files or programs ("app:Agent") to look into; without any the
        result says itself whose parameters it has. Raises OptimizerError, and writes nothing, where one of
        them cannot be put there.
        """
        target = Path(path)
        write_whole(target, _late("exported")(self.to_json(), target, sources))
        return target

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Result:
        """What `save` wrote. Raises OptimizerError where it is something else."""
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
            if data["format"] != FORMAT:
                raise ValueError(f"its format is {data['format']!r}, not {FORMAT!r}")
            return cls.from_json(data)
        except (ValueError, KeyError, TypeError) as error:
            raise OptimizerError(f"{path} is no saved result: {error!r:.200}") from error

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
        return [line for path, change in self.changed.items() for line in change_lines(path, *change)]

    def _rest(self) -> list[str]:
        stopped = [f"stopped: {self.stopped}"] if self.stopped else []
        return [f"spent: {self.spent}", *stopped, *(f"note: {note}" for note in self.notes)]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": self._repr_html_()}

    def _repr_html_(self) -> str:
        return (
            f"<pre>{html.escape(str(self))}</pre>"
            f"<details><summary>{len(self.history)} candidates and proposals</summary>"
            f"{table(self.history)}</details>"
        )


def write_whole(target: Path, content: bytes) -> None:
    """Write a file, whole or not at all."""
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    beside.write_bytes(content)
    os.replace(beside, target)


def result_of(
    outcome: Outcome,
    notes: tuple[str, ...] = (),
    origin: Origin = Origin(),
    updates: tuple[Update, ...] = (),
    chronicle: Chronicle | None = None,
) -> Result:
    """The result of a run; the chronicle that heard it knows what candidates were made from."""
    return Result(
        best=dict(outcome.winner.values),
        seed=dict(outcome.seed.values),
        improved=outcome.improved,
        history=history_of(outcome, chronicle),
        validation=comparison_of(outcome, "validation"),
        test=comparison_of(outcome, "test"),
        spent=outcome.spent,
        verdict=outcome.verdict.reason if outcome.verdict is not None else "",
        stopped=outcome.stopped,
        notes=(*outcome.notes, *notes),
        journal=origin.journal,
        programs=dict(origin.programs),
        proposers=dict(origin.proposers),
        updates=updates,
    )
