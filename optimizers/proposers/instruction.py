"""Proposing instructions: from what the data is like, what the program does, and a tip how to write.

After the grounded proposer of MIPRO, Opsahl-Ong et al. 2024 (arXiv 2406.11695); with a history
of scored attempts as COPRO asks (Khattab et al. 2023, arXiv 2310.03714).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

from optimizers.candidate import Advice
from optimizers.effects import Consult, Propose
from optimizers.proposers.cases import case_sections, text_sections
from optimizers.proposers.counsel import CounselPrompt, Words
from optimizers.proposers.opro import ascending, attempt_sections
from optimizers.proposers.question import answered, question
from optimizers.proposers.reply import Form
from optimizers.proposers.sections import Section, fenced
from optimizers.proposers.suggestion import SuggestionPrompt
from optimizers.roles import Talk
from optimizers.rollout import Rollout
from tracelib.errors import InvalidReply

TIPS: Mapping[str, str] = MappingProxyType(
    {
        "none": "",
        "bold": "Dare something: an instruction that nobody would write at once.",
        "simple": "Keep it plain and short.",
        "detailed": "Say everything that matters: what is given, what is wanted, and in what form.",
        "stakes": "Say what depends on a right answer.",
        "role": "Say who is to answer: somebody who knows the matter.",
    }
)
"""Tips on how to write an instruction, for a strategy to choose from; MIPRO draws one for each proposal."""
NOTES = ("data", "program", "tip")
"""What the notes of a request are, in this order; an empty one is not shown."""


@dataclass(frozen=True)
class InstructionPrompt(SuggestionPrompt):
    """Writes values anew. `notes` are a summary of the data, a description of the program, and a tip.

    It shows the `best` attempts in ascending order of score, and `exemplars` of the examples.
    """

    best: int = 10
    exemplars: int = 3

    tag: ClassVar[str] = "instruction"
    goal: ClassVar[str] = "Write the values with which the program does its task best."

    def sections(self, request: Propose) -> Iterable[Section]:
        """What is known of the task, what the variables are, some examples, the attempts."""
        record = self.record(request, request.evidence[: self.exemplars])
        for title, note in zip(NOTES, request.notes, strict=False):
            if note.strip():
                yield from text_sections(title, [note], self.ceilings)
        yield from record.variables()
        yield from record.constraints()
        yield from case_sections(record, judged=False)
        names, attempts = self.offered(request), list(request.history)
        if attempts:
            yield from attempt_sections(ascending(request, names)[-self.best :], names, self.ceilings)


class Summary(Form):
    """What the data is like."""

    shape: ClassVar[str] = '{"summary": "..."}'

    summary: Words


class Description(Form):
    """What a program does."""

    shape: ClassVar[str] = '{"description": "..."}'

    description: Words


@dataclass(frozen=True)
class DataSummary(CounselPrompt):
    """What the examples have in common, in one text; read in batches of `batch`, in at most `calls` calls.

    Each further batch is read with the summary so far. A batch whose reply cannot be used is passed over;
    where none can be used, the advice has the problem of the last.
    """

    batch: int = 10
    calls: int = 10

    tag: ClassVar[str] = "data_summary"
    form: ClassVar[type[Form]] = Summary
    goal: ClassVar[str] = "Whoever writes instructions for this task should know its data."

    def advise(self, request: Consult) -> Talk[Advice]:
        summary, reply, problem = "", "", "there is no example to read"
        starts = range(0, len(request.evidence), self.batch)[: self.calls]
        for start in starts:
            rollouts = request.evidence[start : start + self.batch]
            asked = question(self.standing, fenced(list(self._shown(request, rollouts, summary))))
            try:
                answer, reply = yield from answered(asked, Summary)
                summary = answer.summary
            except InvalidReply as error:
                reply, problem = error.reply, str(error)
        return Advice((summary,), reply) if summary else Advice((), reply, problem)

    def sections(self, request: Consult) -> Iterable[Section]:
        """The first batch."""
        return self._shown(request, request.evidence[: self.batch], "")

    def texts(self, answer: Summary) -> tuple[str, ...]:
        return (answer.summary,)

    def _shown(self, request: Consult, rollouts: Sequence[Rollout], summary: str) -> Iterable[Section]:
        if summary:
            yield from text_sections("summary so far", [summary], self.ceilings)
        record = self.record(request, rollouts)
        yield from record.shared_inputs()
        yield from record.examples()


@dataclass(frozen=True)
class ProgramDescription(CounselPrompt):
    """What the program does and what part the variables have in it, in one text."""

    tag: ClassVar[str] = "program_description"
    form: ClassVar[type[Form]] = Description
    goal: ClassVar[str] = "Whoever writes instructions for this program should know what it does."

    def sections(self, request: Consult) -> Iterable[Section]:
        """The recorded programs, their operations, the variables."""
        record = self.record(request)
        yield from record.programs()
        yield from record.documentation()
        yield from record.variables()
        yield from record.constraints()

    def texts(self, answer: Description) -> tuple[str, ...]:
        return (answer.description,)
