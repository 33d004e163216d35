"""OPRO: earlier values with their scores, the best last, and a new one that should score higher."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from optimizers.candidate import Attempt, canonical
from optimizers.effects import Propose
from optimizers.evidence.excerpt import Excerpt
from optimizers.policies.standing import standing
from optimizers.proposers.cases import case_sections
from optimizers.proposers.ceilings import Ceilings
from optimizers.proposers.runs import LONG, attempt_text
from optimizers.proposers.sections import Entry, Section
from optimizers.proposers.suggestion import SuggestionPrompt


@dataclass(frozen=True)
class OproPrompt(SuggestionPrompt):
    """The meta-prompt of OPRO, Yang et al. 2023 (arXiv 2309.03409), section 4.2.

    It shows the `best` attempts in ascending order of score, the present values among them, and
    `exemplars` of the examples; no program. However long the history is, the question is bounded.
    """

    best: int = 20
    exemplars: int = 3

    tag: ClassVar[str] = "opro"
    goal: ClassVar[str] = "Find values for the variables that reach as high a score as can be."

    def sections(self, request: Propose) -> Iterable[Section]:
        """What the variables are, some examples, the attempts."""
        record = self.record(request, request.evidence[: self.exemplars])
        yield from record.variables()
        yield from record.constraints()
        yield from case_sections(record)
        names = self.offered(request)
        yield from attempt_sections(ascending(request, names)[-self.best :], names, self.ceilings)


def ascending(request: Propose, names: tuple[str, ...]) -> list[Attempt]:
    """The attempts by their score, the best last, the present values among them with that of the evidence.

    Of equal values the latest counts. Those without a score are left out, unless none has one: then all of
    which something was said, oldest first.
    """
    present = Attempt(request.candidate.values, standing(request.evidence).mean)
    tried = [one for one in (*request.history, present) if one.problem is None]
    chosen = [one for one in tried if one.score is not None] or [one for one in tried if one.feedback]
    found: dict[str, Attempt] = {}
    for attempt in chosen:
        key = canonical([attempt.values.get(name) for name in names])
        found.pop(key, None)
        found[key] = attempt
    return sorted(found.values(), key=lambda attempt: attempt.score or 0.0)


def attempt_sections(
    attempts: list[Attempt], names: tuple[str, ...], ceilings: Ceilings
) -> Iterable[Section]:
    """Attempts in this order; where room is short the first ones give way."""
    entries = [
        Entry("", Excerpt.of(attempt_text(attempt, names), LONG), (len(attempts) - place,))
        for place, attempt in enumerate(attempts)
    ]
    for number, text in enumerate(ceilings.fit(entries, ceilings.earlier), 1):
        if text is not None:
            yield Section(f"attempt {number} of {len(entries)}", text)
