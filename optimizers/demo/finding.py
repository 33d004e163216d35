"""What a run of the demonstration found, ready for JSON. Knows no screen."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from optimizers.demo.corpus import Corpus
from optimizers.demo.job import Settings
from optimizers.demo.splits import Splits
from optimizers.result import Result
from optimizers.results.trials import Comparison


@dataclass(frozen=True)
class Sample:
    """One question that was held out, and what the agent answered before and after training."""

    sentence: str
    right: str
    before: str
    after: str


@dataclass(frozen=True)
class Finding:
    """The whole result of one run; scores are shares of right answers on the questions held out.

    `seconds` is wall-clock time from the start of the command to the end of training.
    """

    settings: Settings
    python: str
    modules: int
    questions: Mapping[str, int]
    result: Result
    scores: Comparison
    sample: Sample | None
    seconds: float

    @classmethod
    def of(
        cls,
        settings: Settings,
        corpus: Corpus,
        splits: Splits,
        result: Result,
        sample: Sample | None,
        seconds: float,
    ) -> Finding:
        """Raises no error: a trained demo was scored on the questions held out, or it would have raised."""
        assert result.test is not None, "the budget covers scoring the questions held out"
        sizes = {"train": len(splits.train), "validation": len(splits.validation), "test": len(splits.test)}
        python, modules = platform.python_version(), len(corpus.modules)
        return cls(settings, python, modules, sizes, result, result.test, sample, seconds)

    def to_json(self) -> dict[str, Any]:
        """Readable JSON: the settings, the data, the scores, the learned values, then every candidate."""
        learned = {path: {"before": old, "after": new} for path, (old, new) in self.result.changed.items()}
        return {
            "settings": asdict(self.settings),
            "python": self.python,
            "modules": self.modules,
            "questions": dict(self.questions),
            "scores": asdict(self.scores),
            "learned": learned,
            "sample": None if self.sample is None else asdict(self.sample),
            "seconds": round(self.seconds, 2),
            "training": self.result.to_json(),
        }
