"""Reflection: one question about the variables, with what each example gave them, made and was told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from optimizers.effects import Propose
from optimizers.proposers.cases import case_sections
from optimizers.proposers.sections import Section
from optimizers.proposers.suggestion import SuggestionPrompt


@dataclass(frozen=True)
class ReflectionPrompt(SuggestionPrompt):
    """The reflective mutation of GEPA, Agrawal et al. 2025 (arXiv 2507.19457).

    It shows the present text and, for each example, what the calls that used it were given, what they
    made of it, and the feedback. Ask it with `names=(one,)` to edit one component at a time, as GEPA does.
    """

    tag: ClassVar[str] = "reflection"

    def sections(self, request: Propose) -> Iterable[Section]:
        """What the variables are, the examples, earlier attempts."""
        record = self.record(request)
        yield from record.variables()
        yield from record.constraints()
        yield from case_sections(record)
        yield from record.earlier()
