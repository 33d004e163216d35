"""Recorded runs as a prompt shows them: programs in code-like lines, examples with their values.

Knows no ceiling: everything is made as entries, which the record cuts to size.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from optimizers.candidate import Attempt
from optimizers.evidence.display import digest_of, kind_of
from optimizers.evidence.evidence import Evidence, Line, Value, Variable
from optimizers.evidence.excerpt import Excerpt
from optimizers.proposers.sections import Entry, cut_mark, hanging, label, listed
from optimizers.rollout import Rollout
from tracelib.feedback.feedback import Feedback

INLINE = 60
"""Characters of the longest constant that stands in the code itself."""
LINE = 400
"""Characters of the longest line of a program."""
HOW = {"code": "code", "read": "reads", "returned": "returns", "within": "runs", "control": "branches on"}
LONG = 1 << 30
"""No limit: the section's ceiling will cut it."""


@dataclass(frozen=True)
class Offered:
    """A variable that may change, and the value it has now in JSON form."""

    variable: Variable
    value: Any

    @classmethod
    def unknown(cls, name: str, value: Any) -> Offered:
        return cls(Variable(name, kind_of(value), Excerpt.of("", 0), digest_of(value)), value)


class Example:
    """One rollout as the record shows it."""

    def __init__(self, number: int, several: bool, rollout: Rollout) -> None:
        self.number = number
        self.several = several
        self.rollout = rollout
        self.evidence = rollout.evidence if rollout.evidence is not None else Evidence()

    def titled(self, title: str) -> str:
        return f"{title} of example {self.number}" if self.several else title

    def inputs(self, shared: Mapping[str, Value]) -> list[Entry]:
        """The inputs that not all examples of the program had alike."""
        return [value_entry(value) for value in self.evidence.inputs if value.name not in shared]

    def older(self, offered: Sequence[Offered]) -> list[Entry]:
        """The variables that had another value when this example ran."""
        now = {one.variable.name: digest_of(one.value) for one in offered}
        return [
            Entry(f"{label(variable.name)} = ", Excerpt.of(hanging(str(variable.value)), LONG))
            for variable in self.evidence.variables
            if now.get(variable.name, variable.digest) != variable.digest
        ]

    def others(self) -> list[Entry]:
        return [value_entry(value) for value in self.evidence.others]

    def outputs(self) -> list[Entry]:
        failed = {value.name for value in self.evidence.errors}
        outputs = [value_entry(value) for value in self.evidence.outputs if value.name not in failed]
        if not self.evidence.outputs and self.rollout.output:
            return [Entry("", Excerpt.of(self.rollout.output, LONG))]
        return outputs

    def errors(self) -> list[Entry]:
        """Where it failed, unless the feedback says the same."""
        said = {remark.text.strip() for remark in self.rollout.feedback.remarks}
        errors = [value for value in self.evidence.errors if str(value.text).strip() not in said]
        if not self.evidence.errors and self.rollout.error and self.rollout.error.strip() not in said:
            return [Entry("", Excerpt.of(self.rollout.error, LONG))]
        return [Entry(f"{label(value.name)}:\n", value.text, value.rank) for value in errors]

    def feedback(self, offered: Sequence[Offered]) -> list[Entry]:
        """What was said about the outputs, and what a rule made of it for single variables."""
        names = {one.variable.name for one in offered}
        said = [Entry("", Excerpt.of(feedback_text(self.rollout.feedback), LONG))]
        return said + [
            Entry(f"to {label(variable.name)}: ", Excerpt.of(hanging(feedback_text(variable.heard)), LONG))
            for variable in self.evidence.variables
            if variable.heard is not None and variable.name in names
        ]


class Program:
    """What some examples ran alike: the same calls, whatever the values."""

    def __init__(self, examples: Sequence[Example]) -> None:
        self.examples = examples
        self.evidence = examples[0].evidence

    @cached_property
    def shared(self) -> Mapping[str, Value]:
        """The inputs that were the same in all examples, by name."""
        common = {value.name: value for value in self.evidence.inputs}
        for example in self.examples[1:]:
            texts = {value.name: value.text for value in example.evidence.inputs}
            common = {name: value for name, value in common.items() if texts.get(name) == value.text}
        return common

    @cached_property
    def inlined(self) -> Mapping[str, str]:
        """The short ones of these that have no name: they stand in the code."""
        return {
            name: str(value.text)
            for name, value in self.shared.items()
            if not value.named and value.text.whole and len(value.text) <= INLINE
        }

    def shared_inputs(self) -> list[Entry]:
        return [value_entry(value) for name, value in self.shared.items() if name not in self.inlined]

    @property
    def of_examples(self) -> str:
        """What a title says of the examples; nothing where there is but one."""
        if not self.examples[0].several:
            return ""
        several = "s" if len(self.examples) > 1 else ""
        return f" of example{several} {listed(example.number for example in self.examples)}"

    def entries(self) -> list[Entry]:
        return [Entry(str(Excerpt.of(self._line(line), LINE)), rank=line.rank) for line in self.evidence.code]

    def _line(self, line: Line) -> str:
        given = ", ".join(f"{name}={self._reference(source)}" for name, source in line.arguments)
        notes = [
            f"{verb} {', '.join(self._reference(source) for how, source in line.others if how == kind)}"
            for kind, verb in HOW.items()
            if any(how == kind for how, _ in line.others)
        ]
        notes += ["failed"] if line.failed else []
        behind = f"  # {'; '.join(notes)}" if notes else ""
        return f"{label(line.name)} = {line.operator}({given}){behind}"

    def _reference(self, name: str) -> str:
        return self.inlined.get(name) or label(name)

    def marks(self, texts: Sequence[str | None]) -> list[str]:
        """What to say of the operations that are not shown."""
        kept = [line for line, text in zip(self.evidence.code, texts, strict=True) if text is not None]
        off = sum(line.rank[0] > 0 for line in kept)
        missing = [
            (self.evidence.off_path - off, "operations not on a path from a parameter"),
            (
                self.evidence.on_path - (len(kept) - off),
                "operations in the middle of a path from a parameter",
            ),
        ]
        return [cut_mark(count, what) for count, what in missing if count]

    def documentation(self, texts: Sequence[str | None]) -> Iterable[tuple[str, str]]:
        operators = {
            line.operator for line, text in zip(self.evidence.code, texts, strict=True) if text is not None
        }
        return (pair for pair in self.evidence.documentation if pair[0] in operators)


def value_text(value: Any) -> str:
    """A variable's value as the model is to read and write it: text as it is, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def value_entry(value: Value) -> Entry:
    return Entry(f"{label(value.name)} = ", value.text, value.rank)


def feedback_text(feedback: Feedback) -> str:
    """What was said; the remark that only repeats the score gives way to a line that says how to read it."""
    score = feedback.score
    repeated = () if score is None else (f"score: {score}", f"score: {score:g}")
    said = [str(remark) for remark in feedback.remarks if remark.text not in repeated]
    if score is not None:
        said.append(f"score {score:.6g} (higher is better)")
    return "\n".join(said) or "(nothing was said)"


def attempt_text(attempt: Attempt, names: Sequence[str]) -> str:
    tried = [
        f"{label(name)} = {json.dumps(attempt.values[name], ensure_ascii=False)}"
        for name in names
        if name in attempt.values
    ]
    said = replace(attempt.feedback, score=attempt.score)
    if attempt.problem is not None:
        tried.append(f"refused: {attempt.problem}")
    if attempt.problem is None or said:
        tried.append(feedback_text(said))
    return "\n".join(tried)
