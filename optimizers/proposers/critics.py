"""Carrying feedback back along a recorded graph, by one question per edge towards a variable.

It knows how an edge is shown and which edges are asked about, not what is made of the answers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from optimizers.conversation import together
from optimizers.evidence.evidence import Evidence, Line
from optimizers.evidence.excerpt import Excerpt
from optimizers.proposers.ceilings import Ceilings
from optimizers.proposers.counsel import Words
from optimizers.proposers.question import answered, question
from optimizers.proposers.reply import Form
from optimizers.proposers.runs import LONG, feedback_text
from optimizers.proposers.sections import Entry, Section, body_of, fenced, hanging, label
from optimizers.proposers.uses import values_of
from optimizers.roles import Talk
from tracelib.errors import InvalidReply

PASSED_ON = "returned"
"""The kind of edge along which feedback goes as it is: the result is the value."""


class Criticism(Form):
    """What a critic says of one value."""

    shape: ClassVar[str] = '{"feedback": "..."}'

    feedback: Words


@dataclass(frozen=True)
class Edge:
    """A value that a call used, and how: as the argument of a label, or as code, read, within, control."""

    line: Line
    source: str
    how: str


@dataclass(frozen=True)
class Critics:
    """The critics of one example: `standing` is what they are told, `variables` where they lead to.

    Only edges that lead to one of the variables are asked about, so none to a constant. Where a result is
    the value itself the feedback is passed on unasked.
    """

    evidence: Evidence
    variables: tuple[str, ...]
    standing: str
    ceilings: Ceilings

    def gradients(self, feedback: str) -> Talk[dict[str, list[str]]]:
        """What each variable hears when the outputs heard `feedback`; an unusable critic says nothing.

        Calls of one depth are asked about at the same time. What a rule said to a variable comes first.
        """
        heard = {name: [feedback] for name in self._outputs()}
        for one in self.evidence.variables:
            if one.heard is not None:
                heard[one.name] = [feedback_text(one.heard)]
        for lines in self._by_depth():
            edges = [edge for line in lines if heard.get(line.name) for edge in self._edges(line)]
            for edge in edges:
                if edge.how == PASSED_ON:
                    both = [*heard.get(edge.source, ()), *heard[edge.line.name]]
                    heard[edge.source] = list(dict.fromkeys(both))
            asked = [edge for edge in edges if edge.how != PASSED_ON]
            said = yield from together([self._asked(edge, heard[edge.line.name]) for edge in asked])
            for edge, text in zip(asked, said, strict=True):
                if text is not None:
                    heard.setdefault(edge.source, []).append(text)
        return {name: heard[name] for name in self.variables if name in heard}

    @cached_property
    def _values(self) -> Mapping[str, Excerpt]:
        return values_of(self.evidence)

    def _outputs(self) -> list[str]:
        outputs = [value.name for value in self.evidence.outputs]
        return outputs or [line.name for line in self.evidence.code[-1:]]

    def _edges(self, line: Line) -> Iterator[Edge]:
        towards = self._towards
        for at, source in dict.fromkeys(line.arguments):
            if source in towards:
                yield Edge(line, source, at)
        for how, source in line.others:
            if source in towards:
                yield Edge(line, source, how)

    @cached_property
    def _towards(self) -> Collection[str]:
        """The variables, and the results that depend on one."""
        found = set(self.variables)
        for line in self.evidence.code:
            if any(name in found for name in _sources(line)):
                found.add(line.name)
        return found

    def _by_depth(self) -> list[list[Line]]:
        """The lines by their longest way to an output, so that all that follows a line stands before it."""
        depths: dict[str, int] = {}
        levels: dict[int, list[Line]] = {}
        for line in reversed(self.evidence.code):
            depth = depths.get(line.name, 0)
            levels.setdefault(depth, []).insert(0, line)
            for name in _sources(line):
                depths[name] = max(depths.get(name, 0), depth + 1)
        return [levels[depth] for depth in sorted(levels)]

    def _asked(self, edge: Edge, heard: list[str]) -> Talk[str | None]:
        asked = question(self.standing, fenced(list(self._sections(edge, heard))))
        try:
            answer, _ = yield from answered(asked, Criticism)
        except InvalidReply:  # the proposal is made from what the other critics say
            return None
        return answer.feedback

    def _sections(self, edge: Edge, heard: list[str]) -> Iterable[Section]:
        line, ceilings, values = edge.line, self.ceilings, self._values
        given = [
            Entry(f"{label(at)} = ", values.get(name, Excerpt.of("?", 1)))
            for at, name in line.arguments
            if name != edge.source
        ]
        words = [text for name, text in self.evidence.documentation if name == line.operator]
        fitted = ceilings.fit([Entry("", Excerpt.of(one, LONG)) for one in words], ceilings.documentation)
        yield Section("call", "\n".join([f"{line.operator} gave {label(line.name)}", *filter(None, fitted)]))
        if given:
            yield Section("given", body_of(ceilings.fit(given, ceilings.inputs), "values"))
        variable = next((one for one in self.evidence.variables if one.name == edge.source), None)
        kind = f"variable, {variable.kind}" if variable is not None else "result on the way"
        value = variable.value if variable is not None else values.get(edge.source)
        target = self._whole(value, ceilings.variables)
        yield Section(f"criticised: {label(edge.source)}, used as {label(edge.how)} ({kind})", target)
        result = "failure" if line.failed else "result"
        yield Section(result, self._whole(values.get(line.name), ceilings.outputs + ceilings.errors))
        texts = heard if len(heard) == 1 else [hanging(text) for text in heard]
        said = [Entry("", Excerpt.of(text, LONG)) for text in texts]
        yield Section("feedback", body_of(ceilings.fit(said, ceilings.feedback), "remarks"))

    def _whole(self, text: Excerpt | None, ceiling: int) -> str:
        if text is None:
            return "(it was not kept)"
        (fitted,) = self.ceilings.fit([Entry("", text)], ceiling)
        return str(fitted)


def _sources(line: Line) -> list[str]:
    return list(dict.fromkeys(name for _, name in (*line.arguments, *line.others)))
