"""The recorded calls that used a variable: what each was given besides, and what it gave."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from optimizers.evidence.evidence import Evidence, Line
from optimizers.evidence.excerpt import Excerpt
from optimizers.proposers.runs import LONG
from optimizers.proposers.sections import Entry, hanging, label


@dataclass(frozen=True)
class Use:
    """One call that a variable went into.

    `variables` are those that it used, `given` its other arguments by label, `result` what it gave (None:
    that was not kept). Texts are code-like, strings quoted as in JSON.
    """

    line: Line
    variables: tuple[str, ...]
    given: tuple[tuple[str, Excerpt], ...]
    result: Excerpt | None

    def entries(self) -> list[Entry]:
        """The call as lines of a section."""
        name, rank = label(self.line.name), self.line.rank
        used = ", ".join(label(one) for one in self.variables)
        lines = [Entry(f"{name} used {used}", rank=rank)]
        lines += [Entry(f"{name} was given {label(at)} = ", text, rank) for at, text in self.given]
        if self.line.failed:
            lines.append(Entry(f"{name} failed", rank=rank))
        elif self.result is not None:
            lines.append(Entry(f"{name} gave ", self.result, rank))
        return lines


def uses_of(evidence: Evidence, names: Collection[str]) -> list[Use]:
    """The calls that used one of these variables, in the order of the record."""
    values = values_of(evidence)
    found = []
    for line in evidence.code:
        used = dict.fromkeys(name for _, name in (*line.arguments, *line.others) if name in names)
        if used:
            given = tuple(
                (at, values[name]) for at, name in line.arguments if name not in used and name in values
            )
            found.append(Use(line, tuple(used), given, values.get(line.name)))
    return found


def followers(evidence: Evidence, uses: Sequence[Use]) -> list[Entry]:
    """What the calls gave that were given the result of such a call, as lines of a section.

    Outputs are left out: they are shown as such.
    """
    values, known = values_of(evidence), {use.line.name for use in uses}
    outputs = {value.name for value in evidence.outputs}
    found = []
    for line in evidence.code:
        sources = list(dict.fromkeys(name for _, name in line.arguments if name in known))
        if sources and line.name in values and line.name not in known | outputs and not line.failed:
            given = ", ".join(map(label, sources))
            found.append(Entry(f"{label(line.name)}, given {given}, gave ", values[line.name], line.rank))
    return found


def values_of(evidence: Evidence) -> Mapping[str, Excerpt]:
    """The texts of all values that were kept, by name."""
    values = {
        variable.name: Excerpt.of(hanging(str(variable.value)), LONG) for variable in evidence.variables
    }
    for value in (*evidence.inputs, *evidence.others, *evidence.outputs, *evidence.errors):
        values[value.name] = value.text
    return values
