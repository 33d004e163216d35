"""ProTeGi: reasons for errors, one edit for a reason, and other words for a text.

After Pryzant et al. 2023, "Automatic Prompt Optimization with Gradient Descent and Beam Search" (arXiv
2305.03495), section 2.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from optimizers.effects import Consult, Propose, Request
from optimizers.proposers.cases import case_sections, text_sections
from optimizers.proposers.counsel import CounselPrompt, Words
from optimizers.proposers.reply import Form
from optimizers.proposers.sections import Section
from optimizers.proposers.suggestion import SuggestionPrompt
from optimizers.rollout import Rollout


class Reasons(Form):
    """Several texts, each a reason of its own."""

    shape: ClassVar[str] = '{"reasons": ["...", "..."]}'

    reasons: Annotated[list[Words], Field(min_length=1)]


@dataclass(frozen=True)
class GradientCounsel(CounselPrompt):
    """Textual gradients: `reasons` reasons, in one call, why the present values led to `errors` errors.

    The errors are the worst examples of the evidence; the `nth` request for the same evidence shows the
    next ones.
    """

    reasons: int = 4
    errors: int = 4

    tag: ClassVar[str] = "gradient"
    form: ClassVar[type[Form]] = Reasons
    goal: ClassVar[str] = "The outputs become what the feedback asks for."

    @property
    def standing(self) -> str:
        return f"{super().standing}\n\nGive at most {self.reasons} reasons."

    def sections(self, request: Consult) -> Iterable[Section]:
        """What the variables are, and the errors."""
        record = self.record(request, errors_in(request.evidence, self.errors, request.nth))
        yield from record.variables()
        yield from record.constraints()
        yield from case_sections(record)

    def texts(self, answer: Reasons) -> tuple[str, ...]:
        return tuple(dict.fromkeys(answer.reasons))[: self.reasons]


@dataclass(frozen=True)
class EditPrompt(SuggestionPrompt):
    """One edit that answers a reason, the first of the request's `notes`; it sees `errors` errors."""

    errors: int = 4

    tag: ClassVar[str] = "edit"

    def sections(self, request: Propose) -> Iterable[Section]:
        """What the variables are, the errors, the reason."""
        record = self.record(request, errors_in(request.evidence, self.errors))
        yield from record.variables()
        yield from record.constraints()
        yield from case_sections(record)
        yield from text_sections("reason", request.notes[:1], self.ceilings)


@dataclass(frozen=True)
class ParaphrasePrompt(SuggestionPrompt):
    """The same in other words: a step of the Monte Carlo search around a candidate. It sees no example."""

    tag: ClassVar[str] = "paraphrase"
    goal: ClassVar[str] = "Say the same in other words."

    def offered(self, request: Request) -> tuple[str, ...]:
        """The texts among the names, code too; all names where there is none."""
        names = super().offered(request)
        return tuple(name for name in names if isinstance(request.candidate.values[name], str)) or names

    def sections(self, request: Propose) -> Iterable[Section]:
        """What the variables are."""
        record = self.record(request, ())
        yield from record.variables()
        yield from record.constraints()


def errors_in(rollouts: Sequence[Rollout], most: int, group: int = 0) -> list[Rollout]:
    """The worst rollouts, failed ones first, in the order they came in; `group` 1 is the next after these.

    Those as good as the best are no errors, unless all are alike. A group beyond the last begins anew.
    """
    best = max((one.score for one in rollouts if one.score is not None), default=None)
    errors = [one for one in rollouts if one.score is None or one.score != best] or list(rollouts)
    errors.sort(key=lambda one: (one.score is not None, one.score or 0.0))
    groups = max(1, -(-len(errors) // most))
    first = group % groups * most
    return errors[first : first + most]
