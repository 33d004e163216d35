"""EvoPrompt: children of several candidates, by crossover or by the difference of two.

After Guo et al. 2023, "Connecting Large Language Models with Evolutionary Algorithms Yields Powerful
Prompt Optimizers" (arXiv 2309.08532), section 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from optimizers.candidate import Candidate
from optimizers.effects import Propose
from optimizers.proposers.runs import value_text
from optimizers.proposers.sections import Section, label
from optimizers.proposers.suggestion import SuggestionPrompt
from tracelib.errors import OptimizerError


@dataclass(frozen=True)
class CrossoverPrompt(SuggestionPrompt):
    """The genetic step: one child of the candidate and `others`, crossed over and mutated, in one call."""

    tag: ClassVar[str] = "crossover"
    goal: ClassVar[str] = "Find values for the variables that score higher than all of these."

    def sections(self, request: Propose) -> Iterable[Section]:
        """What the variables are, and the parents' values."""
        _wanted(request, 1, "a second parent")
        record = self.record(request, ())
        parents = {one.id: one for one in (request.candidate, *request.others)}
        yield from record.constraints()
        for number, parent in enumerate(parents.values(), 1):
            yield from self._values(f"parent {number}", parent, request)

    def _values(self, whose: str, candidate: Candidate, request: Propose) -> Iterable[Section]:
        names = self.offered(request)
        texts = [value_text(candidate.values[name]) for name in names]
        room = self.ceilings.variables // (1 + len(request.others))
        kinds = [one.variable.kind for one in self.record(request, ()).offered]
        for name, kind, excerpt in zip(names, kinds, self.ceilings.fit_whole(texts, room), strict=True):
            yield Section(f"{whose}, variable {label(name)}: {kind}", str(excerpt))


@dataclass(frozen=True)
class DifferencePrompt(CrossoverPrompt):
    """The step of differential evolution: what parts the two first of `others` is mutated and put into the
    third, the best so far, and that is crossed with the candidate; in one call."""

    tag: ClassVar[str] = "difference"

    def sections(self, request: Propose) -> Iterable[Section]:
        """What the variables are, the present values, and the three others'."""
        _wanted(request, 2, "the two candidates whose difference it takes")
        yield from self.record(request, ()).constraints()
        yield from self._values("present", request.candidate, request)
        for whose, other in zip(("first", "second", "best"), _donors(request), strict=False):
            yield from self._values(whose, other, request)


def _donors(request: Propose) -> Sequence[Candidate]:
    """The first, the second and the best; without a best the candidate is taken for it."""
    first, second, *best = request.others
    return first, second, (best or [request.candidate])[0]


def _wanted(request: Propose, count: int, what: str) -> None:
    if len(request.others) < count:
        raise OptimizerError(
            f"a proposal of the kind {request.kind!r} wants {what} in `others`, and got {len(request.others)}"
        )
