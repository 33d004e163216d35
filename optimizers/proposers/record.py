"""The record that a prompt shows: variables, recorded programs, examples and earlier rounds.

Each section has a ceiling in characters over the whole prompt; what goes beyond it is cut, visibly.
Programs that several examples ran alike are shown once. Knows no instruction and no reply.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from optimizers.candidate import Attempt
from optimizers.evidence.evidence import Line
from optimizers.evidence.excerpt import Excerpt, fair_shares
from optimizers.proposers.runs import LONG, Example, Offered, Program, attempt_text, value_text
from optimizers.proposers.sections import (
    Entry,
    Section,
    body_of,
    cut_mark,
    fenced,
    fit,
    fit_groups,
    hanging,
    label,
)
from optimizers.rollout import Rollout


@dataclass(frozen=True)
class Ceilings:
    """Characters that each kind of section may take in one prompt, over all its examples.

    All but `variables` and `earlier` together come to 16,000. `examples` is a number of
    examples; those beyond it are counted, not shown.
    """

    program: int = 4_500
    documentation: int = 1_500
    variables: int = 40_000
    notes: int = 1_500
    inputs: int = 2_000
    others: int = 2_000
    outputs: int = 1_500
    errors: int = 1_500
    feedback: int = 3_000
    earlier: int = 4_000
    examples: int = 12


CEILINGS = Ceilings()


@dataclass(frozen=True)
class Record:
    """All the data of one question: what may change, what was run and said, what was tried before."""

    offered: Sequence[Offered]
    rollouts: Sequence[Rollout]
    history: Sequence[Attempt]
    ceilings: Ceilings

    def text(self) -> str:
        """The record, fenced; equal content gives equal text."""
        return fenced(
            [
                *self._program_sections(),
                *self._documentation(),
                *self._variables(),
                *self._notes(),
                *self._shared_inputs(),
                *self._example_sections(),
                *self._earlier(),
            ]
        )

    def mark_of(self, name: str) -> str:
        """The mark that stands in the value of a variable where it was cut; empty when it is whole."""
        for one, excerpt in zip(self.offered, self._variable_texts, strict=True):
            if one.variable.name == name:
                return excerpt.mark
        return ""

    @cached_property
    def _variable_texts(self) -> list[Excerpt]:
        texts = [value_text(one.value) for one in self.offered]
        shares = fair_shares([len(text) for text in texts], self.ceilings.variables)
        return [Excerpt.of(text, share) for text, share in zip(texts, shares, strict=True)]

    @cached_property
    def _examples(self) -> list[Example]:
        shown = self.rollouts[: self.ceilings.examples]
        several = len(shown) > 1
        return [Example(number, several, rollout) for number, rollout in enumerate(shown, 1)]

    @cached_property
    def _programs(self) -> list[Program]:
        """The programs that were run, in order of appearance, each with the examples that ran it."""
        found: dict[tuple[Line, ...], list[Example]] = {}
        for example in self._examples:
            if example.evidence.code:
                found.setdefault(example.evidence.code, []).append(example)
        return [Program(examples) for examples in found.values()]

    @cached_property
    def _fitted_programs(self) -> list[list[str | None]]:
        return fit_groups([program.entries() for program in self._programs], self.ceilings.program)

    def _program_sections(self) -> Iterable[Section]:
        for program, texts in zip(self._programs, self._fitted_programs, strict=True):
            lines = [text for text in texts if text is not None]
            title = f"program{program.of_examples}"
            yield Section(title, "\n".join([*program.marks(texts), *lines]))

    def _documentation(self) -> Iterable[Section]:
        """What the operators of the lines that are shown do."""
        words: dict[tuple[str, str], None] = {}
        for program, texts in zip(self._programs, self._fitted_programs, strict=True):
            words.update(dict.fromkeys(program.documentation(texts)))
        entries = [Entry(f"{name}: ", Excerpt.of(hanging(text), LONG)) for name, text in words]
        yield from self._section("documentation", entries, self.ceilings.documentation, "operations")

    def _variables(self) -> Iterable[Section]:
        for one, excerpt in zip(self.offered, self._variable_texts, strict=True):
            yield Section(f"variable {label(one.variable.name)}: {one.variable.kind}", str(excerpt))

    def _notes(self) -> Iterable[Section]:
        entries = []
        for variable in (one.variable for one in self.offered):
            name = label(variable.name)
            if variable.description and not variable.is_code:
                entries.append(Entry(f"{name} is: ", Excerpt.of(hanging(variable.description), LONG)))
            if variable.constraint:
                entries.append(
                    Entry(f"{name} must satisfy: ", Excerpt.of(hanging(variable.constraint), LONG))
                )
        yield from self._section("constraints", entries, self.ceilings.notes, "notes on variables")

    @cached_property
    def _fitted_inputs(self) -> list[list[str | None]]:
        """The inputs that each program's examples had alike, then those that each example had of its own."""
        shared = {id(example): program.shared for program in self._programs for example in program.examples}
        groups = [program.shared_inputs() for program in self._programs]
        groups += [example.inputs(shared.get(id(example), {})) for example in self._examples]
        return fit_groups(groups, self.ceilings.inputs)

    def _shared_inputs(self) -> Iterable[Section]:
        for program, texts in zip(self._programs, self._fitted_inputs, strict=False):
            if texts:
                yield Section(f"inputs{program.of_examples}", body_of(texts, "values"))

    def _example_sections(self) -> Iterable[Section]:
        examples, ceilings = self._examples, self.ceilings
        columns = [
            ("inputs", self._fitted_inputs[len(self._programs) :]),
            ("earlier values", fit_groups([e.older(self.offered) for e in examples], ceilings.earlier)),
            ("others", fit_groups([e.others() for e in examples], ceilings.others)),
            ("outputs", fit_groups([e.outputs() for e in examples], ceilings.outputs)),
            ("errors", fit_groups([e.errors() for e in examples], ceilings.errors)),
            ("feedback", fit_groups([e.feedback(self.offered) for e in examples], ceilings.feedback)),
        ]
        for place, example in enumerate(examples):
            for title, fitted in columns:
                if fitted[place]:
                    yield Section(example.titled(title), body_of(fitted[place], "values"))
        beyond = len(self.rollouts) - len(self._examples)
        if beyond:
            yield Section("more examples", cut_mark(beyond, "examples"))

    def _earlier(self) -> Iterable[Section]:
        names = [one.variable.name for one in self.offered]
        entries = [
            Entry("", Excerpt.of(attempt_text(attempt, names), LONG), (age,))
            for age, attempt in zip(range(len(self.history), 0, -1), self.history, strict=True)
        ]
        for number, text in enumerate(fit(entries, self.ceilings.earlier), 1):
            if text is not None:
                yield Section(f"earlier {number} of {len(entries)}", text)

    def _section(self, title: str, entries: list[Entry], ceiling: int, what: str) -> Iterable[Section]:
        if entries:
            yield Section(title, body_of(fit(entries, ceiling), what))
