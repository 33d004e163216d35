"""The question that most proposers ask: new values for variables, as one JSON object.

A proposer adds what is its own: a standing text, the sections it shows, what it makes of a suggestion. It
asks no model and changes no parameter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from optimizers.candidate import Proposal
from optimizers.effects import Propose
from optimizers.evidence.display import kind_of, plain
from optimizers.proposers.prompt import Prompt
from optimizers.proposers.question import asked_again, question
from optimizers.proposers.reply import Answer, read_answer
from optimizers.proposers.runs import value_text
from optimizers.proposers.sections import Section, fenced, label
from optimizers.roles import Messages
from tracelib.errors import ConstraintError, InvalidReply
from tracelib.graph.constraint import decode

MARK = re.compile(r"\[\.\.\. [\d,]+ of [\d,]+ characters cut \.\.\.\]")


@dataclass(frozen=True)
class SuggestionPrompt(Prompt):
    """A proposer that asks one question about all the variables a request names.

    What is suggested is checked by the parameters; a name that is not among them is only held to the
    JSON type of its present value.
    """

    def messages(self, request: Propose) -> Messages:
        """The question: what stays the same from call to call first, the record last."""
        return question(self.standing, fenced(list(self.sections(request))))

    def sections(self, request: Propose) -> Iterable[Section]:
        """What is shown of a request."""
        return self.record(request).sections()

    def parse(self, reply: str, request: Propose) -> Proposal:
        """The proposal in a reply: every value checked, or a `problem` that lists all that is wrong."""
        try:
            answer = read_answer(reply)
        except InvalidReply as error:
            return Proposal({}, "", reply, str(error))
        values: dict[str, Any] = {}
        problems: list[str] = []
        for name, value in answer.suggestion.items():
            try:
                values[name] = self._checked(name, value, request)
            except ConstraintError as error:
                problems.append(f"- {_said_of(name, error)}")
        if problems:
            return Proposal({}, answer.reasoning, reply, "\n".join(problems))
        return Proposal(values, answer.reasoning, reply)

    def repair(self, reply: str, proposal: Proposal, request: Propose) -> Messages:
        """The question again, with the reply and what is wrong with it."""
        names = f" The variables you may name are: {_listed(self.offered(request))}."
        return asked_again(self.messages(request), reply, proposal.problem or "", Answer, names)

    def changed(self, name: str, suggested: Any, request: Propose) -> Any:
        """The new value that a suggestion comes to; raises ConstraintError where it comes to none."""
        return suggested

    def _checked(self, name: str, suggested: Any, request: Propose) -> Any:
        """The value in JSON form, as the parameter takes it; raises ConstraintError."""
        offered = self.offered(request)
        if name not in offered:
            raise ConstraintError(f"there is no such variable to change; those are {_listed(offered)}")
        self._refuse_marks(name, suggested, request)
        value = self.changed(name, suggested, request)
        if name in self.parameters:
            return plain(decode(self.parameters[name], value))
        return _same_type(value, request.candidate.values[name])

    def _refuse_marks(self, name: str, value: Any, request: Propose) -> None:
        """Refuse a value that repeats the mark of a place where the question was cut."""
        present = value_text(request.candidate.values[name])
        marks = [mark for mark in MARK.findall(value_text(value)) if mark not in present]
        if not marks:
            return
        asked = self.messages(request)[-1]["content"]
        for mark in marks:
            if mark in asked:
                raise ConstraintError(f"the suggestion repeats {mark!r}, which is no part of the value")


def _said_of(name: str, error: ConstraintError) -> str:
    """What is wrong with a suggestion, under the name that the model knows."""
    if error.parameter is not None and error.parameter.name == name:
        return error.reason
    return f"{label(name)}: {error.reason}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(json.dumps(name, ensure_ascii=False) for name in names)


def _same_type(value: Any, old: Any) -> Any:
    if type(value) is type(old) or old is None:
        return value
    if type(old) is float and type(value) is int:
        return float(value)
    shown = json.dumps(value, ensure_ascii=False)[:200]
    raise ConstraintError(f"it holds {kind_of(old)}, the suggestion is {kind_of(value)} {shown}", None, value)
