"""Rules from contrast: what a good run did that a poor one of the same example did not, as advice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from optimizers.effects import Propose, Request
from optimizers.proposers.record import Record
from optimizers.proposers.sections import Section
from optimizers.proposers.suggestion import SuggestionPrompt
from optimizers.rollout import Rollout
from tracelib.errors import ConstraintError
from tracelib.graph.constraint import decode


@dataclass(frozen=True)
class RulePrompt(SuggestionPrompt):
    """The `append a rule` step of SIMBA in DSPy (Khattab et al. 2023, arXiv 2310.03714).

    It shows the best and the worst run of the evidence, each with the program, the values on the way and
    what was said; failed runs are the worst. What the model suggests for a variable is a rule, which is put
    behind the present text. Only variables that are text are offered.
    """

    tag: ClassVar[str] = "rule"
    goal: ClassVar[str] = "Have the good run happen again where the poor one did."

    def offered(self, request: Request) -> tuple[str, ...]:
        """The names of texts that may grow; all names where there is none."""
        names = super().offered(request)
        return tuple(name for name in names if self._takes_rules(name, request)) or names

    def sections(self, request: Propose) -> Iterable[Section]:
        """What the variables are, then both runs."""
        record = self.record(request, ())
        yield from record.variables()
        yield from record.constraints()
        for whose, rollout in zip(("good run", "poor run"), contrast(request.evidence), strict=False):
            for section in self._run(request, rollout):
                yield Section(f"{whose}, {section.title}", section.body)

    def changed(self, name: str, suggested: Any, request: Propose) -> Any:
        """The present text with the rule behind it."""
        present = request.candidate.values[name]
        if not isinstance(suggested, str) or not suggested.strip():
            raise ConstraintError("the suggestion is a rule, a text that says something")
        if not isinstance(present, str):
            raise ConstraintError("it is no text, so no rule can be put behind it")
        return f"{present.rstrip()}\n\n{suggested.strip()}" if present.strip() else suggested.strip()

    def _run(self, request: Propose, rollout: Rollout) -> Iterable[Section]:
        record: Record = self.record(request, (rollout,))
        yield from record.programs()
        yield from record.shared_inputs()
        yield from record.examples()

    def _takes_rules(self, name: str, request: Request) -> bool:
        """Whether a variable is a text to which words may be added: no code, no choice of a few words."""
        present = request.candidate.values[name]
        if not isinstance(present, str) or name not in self.parameters:
            return isinstance(present, str)
        try:
            decode(self.parameters[name], f"{present}\n\nIf it rains, take an umbrella.")
        except ConstraintError:
            return False
        return True


def contrast(rollouts: Sequence[Rollout]) -> tuple[Rollout, ...]:
    """The best and the worst of these, of equal ones the first and the last; one alone where there is one."""
    if len(rollouts) < 2:
        return tuple(rollouts)
    ranked = sorted(rollouts, key=lambda one: (one.score is None, -(one.score or 0.0)))
    return ranked[0], ranked[-1]
