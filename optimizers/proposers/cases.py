"""Examples without their program: the calls that used the variables, outputs, errors, feedback."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from optimizers.evidence.excerpt import Excerpt
from optimizers.proposers.ceilings import Ceilings
from optimizers.proposers.record import Record
from optimizers.proposers.runs import LONG, Example, value_entry
from optimizers.proposers.sections import Entry, Section, body_of, cut_mark
from optimizers.proposers.uses import Use, followers, uses_of


def case_sections(record: Record, judged: bool = True) -> Iterable[Section]:
    """The examples of a record, each with its calls, outputs and errors, and `judged` with its feedback."""
    ceilings, examples = record.ceilings, record.shown
    older = [one.older(record.offered) for one in examples]
    columns = [
        ("earlier values", ceilings.fit_groups(older, ceilings.earlier)),
        ("calls", ceilings.fit_groups([_calls(record, one) for one in examples], room_for_calls(ceilings))),
        ("outputs", ceilings.fit_groups([_outputs(record, one) for one in examples], ceilings.outputs)),
        ("errors", ceilings.fit_groups([one.errors() for one in examples], ceilings.errors)),
    ]
    if judged:
        said = [one.feedback(record.offered) for one in examples]
        columns.append(("feedback", ceilings.fit_groups(said, ceilings.feedback)))
    for place, example in enumerate(examples):
        for title, fitted in columns:
            if fitted[place]:
                yield Section(example.titled(title), body_of(fitted[place], "values"))
    beyond = len(record.rollouts) - len(examples)
    if beyond:
        yield Section("more examples", cut_mark(beyond, "examples"))


def room_for_calls(ceilings: Ceilings) -> int:
    """What calls may take: their values are inputs and others at once."""
    return ceilings.inputs + ceilings.others


def text_sections(title: str, texts: Sequence[str], ceilings: Ceilings) -> Iterable[Section]:
    """Texts to go by, under one ceiling, each a section of its own."""
    shown = ceilings.fit([Entry("", Excerpt.of(text.strip(), LONG)) for text in texts], ceilings.advice)
    for number, text in enumerate(shown, 1):
        if text is not None:
            yield Section(title if len(texts) == 1 else f"{title} {number}", text)


def _uses(record: Record, example: Example) -> list[Use]:
    return uses_of(example.evidence, {one.variable.name for one in record.offered})


def _calls(record: Record, example: Example) -> list[Entry]:
    """The calls that used a variable; where none is known, what the program was given."""
    uses = _uses(record, example)
    if uses:
        return [entry for use in uses for entry in use.entries()] + followers(example.evidence, uses)
    return [value_entry(value) for value in example.evidence.inputs]


def _outputs(record: Record, example: Example) -> list[Entry]:
    """The outputs that are not already the result of a call."""
    shown = {use.line.name for use in _uses(record, example) if use.result is not None}
    outputs = [value.name for value in example.evidence.outputs]
    return [] if outputs and set(outputs) <= shown else example.outputs()
