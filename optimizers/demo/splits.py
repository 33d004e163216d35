"""Which questions train, which decide and which are held out. Knows no agent."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from optimizers.demo.corpus import Question
from tracelib.errors import NoSourceError

Example: TypeAlias = tuple[Question, str]
"""A question, and the name of the module that answers it."""

SHARES = (400, 300, 600)
"""Questions to train on, to gate on and to report on."""

FEWEST = 130
"""Questions below which the numbers would say nothing."""


@dataclass(frozen=True)
class Splits:
    """Three sets of questions that share none."""

    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    test: tuple[Example, ...]

    @classmethod
    def of(cls, questions: Sequence[Example], seed: int) -> Splits:
        """Questions drawn by the seed: 400, 300 and 600, or in these proportions where there are fewer.

        Raises NoSourceError when there are fewer than 130.
        """
        if len(questions) < FEWEST:
            raise NoSourceError(
                f"only {len(questions)} questions were found in this Python's standard library, "
                f"{FEWEST} are needed: its source seems to be incomplete"
            )
        part = min(1.0, len(questions) / sum(SHARES))
        train, validation, test = (int(share * part) for share in SHARES)
        drawn = random.Random(seed).sample(questions, train + validation + test)
        return cls(
            tuple(drawn[:train]),
            tuple(drawn[train : train + validation]),
            tuple(drawn[train + validation :]),
        )
