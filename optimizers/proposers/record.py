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
from optimizers.evidence.excerpt import Excerpt
from optimizers.proposers.ceilings import Ceilings
from optimizers.proposers.runs import LONG, Example, Offered, Program, attempt_text, value_text
from optimizers.proposers.sections import (
    Entry,
    Section,
    body_of,
    cut_mark,
    fenced,
    hanging,
    label,
)
from optimizers.rollout import Rollout


@dataclass(frozen=True)
class Record:
    """All the data of one question: what may change, what was run and said, what was tried before."""

    offered: Sequence[Offered]
    rollouts: Sequence[Rollout]
    history: Sequence[Attempt]
    ceilings: Ceilings

    def text(self) -> str:
        """The record, fenced; equal content gives equal text."""
        return fenced(list(self.sections()))

    def sections(self) -> Iterable[Section]:
        """All there is to show, in order."""
        yield from self.programs()
        yield from self.documentation()
        yield from self.variables()
        yield from self.constraints()
        yield from self.shared_inputs()
        yield from self.examples()
        yield from self.earlier()

    @cached_property
    def _variable_texts(self) -> list[Excerpt]:
        return self.ceilings.fit_whole(
            [value_text(one.value) for one in self.offered], self.ceilings.variables
        )

    @cached_property
    def shown(self) -> list[Example]:
        """The examples that are shown, numbered from 1."""
        rollouts = self.rollouts[: self.ceilings.examples]
        return [Example(number, len(rollouts) > 1, rollout) for number, rollout in enumerate(rollouts, 1)]

    @cached_property
    def _programs(self) -> list[Program]:
        """The programs that were run, in order of appearance, each with the examples that ran it."""
        found: dict[tuple[Line, ...], list[Example]] = {}
        for example in self.shown:
            if example.evidence.code:
                found.setdefault(example.evidence.code, []).append(example)
        return [Program(examples) for examples in found.values()]

    @cached_property
    def _fitted_programs(self) -> list[list[str | None]]:
        return self.ceilings.fit_groups(
            [program.entries() for program in self._programs], self.ceilings.program
        )

    def programs(self) -> Iterable[Section]:
        for program, texts in zip(self._programs, self._fitted_programs, strict=True):
            lines = [text for text in texts if text is not None]
            title = f"program{program.of_examples}"
            yield Section(title, "\n".join([*program.marks(texts), *lines]))

    def documentation(self) -> Iterable[Section]:
        """What the operators of the lines that are shown do."""
        words: dict[tuple[str, str], None] = {}
        for program, texts in zip(self._programs, self._fitted_programs, strict=True):
            words.update(dict.fromkeys(program.documentation(texts)))
        entries = [Entry(f"{name}: ", Excerpt.of(hanging(text), LONG)) for name, text in words]
        yield from self.section("documentation", entries, self.ceilings.documentation, "operations")

    def variables(self) -> Iterable[Section]:
        for one, excerpt in zip(self.offered, self._variable_texts, strict=True):
            yield Section(f"variable {label(one.variable.name)}: {one.variable.kind}", str(excerpt))

    def constraints(self) -> Iterable[Section]:
        entries = []
        for variable in (one.variable for one in self.offered):
            name = label(variable.name)
            if variable.description and not variable.is_code:
                entries.append(Entry(f"{name} is: ", Excerpt.of(hanging(variable.description), LONG)))
            if variable.constraint:
                entries.append(
                    Entry(f"{name} must satisfy: ", Excerpt.of(hanging(variable.constraint), LONG))
                )
        yield from self.section("constraints", entries, self.ceilings.notes, "notes on variables")

    @cached_property
    def _fitted_inputs(self) -> list[list[str | None]]:
        """The inputs that each program's examples had alike, then those that each example had of its own."""
        shared = {id(example): program.shared for program in self._programs for example in program.examples}
        groups = [program.shared_inputs() for program in self._programs]
        groups += [example.inputs(shared.get(id(example), {})) for example in self.shown]
        return self.ceilings.fit_groups(groups, self.ceilings.inputs)

    def shared_inputs(self) -> Iterable[Section]:
        for program, texts in zip(self._programs, self._fitted_inputs, strict=False):
            if texts:
                yield Section(f"inputs{program.of_examples}", body_of(texts, "values"))

    def examples(self) -> Iterable[Section]:
        examples, ceilings = self.shown, self.ceilings
        columns = [
            ("inputs", self._fitted_inputs[len(self._programs) :]),
            (
                "earlier values",
                ceilings.fit_groups([e.older(self.offered) for e in examples], ceilings.earlier),
            ),
            ("others", ceilings.fit_groups([e.others() for e in examples], ceilings.others)),
            ("outputs", ceilings.fit_groups([e.outputs() for e in examples], ceilings.outputs)),
            ("errors", ceilings.fit_groups([e.errors() for e in examples], ceilings.errors)),
            (
                "feedback",
                ceilings.fit_groups([e.feedback(self.offered) for e in examples], ceilings.feedback),
            ),
        ]
        for place, example in enumerate(examples):
            for title, fitted in columns:
                if fitted[place]:
                    yield Section(example.titled(title), body_of(fitted[place], "values"))
        beyond = len(self.rollouts) - len(self.shown)
        if beyond:
            yield Section("more examples", cut_mark(beyond, "examples"))

    def earlier(self) -> Iterable[Section]:
        names = [one.variable.name for one in self.offered]
        entries = [
            Entry("", Excerpt.of(attempt_text(attempt, names), LONG), (age,))
            for age, attempt in zip(range(len(self.history), 0, -1), self.history, strict=True)
        ]
        for number, text in enumerate(self.ceilings.fit(entries, self.ceilings.earlier), 1):
            if text is not None:
                yield Section(f"earlier {number} of {len(entries)}", text)

    def section(self, title: str, entries: list[Entry], ceiling: int, what: str) -> Iterable[Section]:
        if entries:
            yield Section(title, body_of(self.ceilings.fit(entries, ceiling), what))
