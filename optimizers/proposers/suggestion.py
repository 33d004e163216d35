"""The question that most proposers ask: new values for variables, as one JSON object.

A proposer adds what is its own: a standing text, the sections it shows, what it makes of a suggestion. It
asks no model and changes no parameter.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from optimizers.candidate import Proposal
from optimizers.effects import Propose, Request
from optimizers.evidence.display import kind_of, plain
from optimizers.evidence.evidence import variable_of
from optimizers.evidence.naming import value_of
from optimizers.proposers.ceilings import CEILINGS, Ceilings
from optimizers.proposers.question import asked_again, question
from optimizers.proposers.record import Record
from optimizers.proposers.reply import Answer, read_answer
from optimizers.proposers.runs import Offered, value_text
from optimizers.proposers.sections import Section, fenced, label
from optimizers.proposers.texts import prompt_file, standing_text, version_of
from optimizers.roles import Messages
from tracelib.errors import ConstraintError, InvalidReply
from tracelib.graph.constraint import decode
from tracelib.graph.parameter import Parameter


@dataclass(frozen=True)
class SuggestionPrompt:
    """A proposer that asks one question about all the variables a request names.

    `parameters`, by the names that candidates use, check what is suggested; a name that is not among
    them is only held to the JSON type of its present value. `objective` is the user's own goal.
    `instruction` takes the place of the standing text in prompts/<tag>.md.
    """

    parameters: Mapping[str, Parameter[Any]]
    objective: str | None = None
    instruction: str | None = None
    ceilings: Ceilings = CEILINGS

    tag: ClassVar[str]
    goal: ClassVar[str] = "Change the variables so that the outputs become what the feedback asks for."

    @property
    def version(self) -> str:
        """Which question this is: the tag, and a hash of the texts and settings that shape it."""
        return version_of(self, self.standing, prompt_file("repair.md"))

    @property
    def standing(self) -> str:
        """What stays the same from question to question."""
        instruction = self.instruction if self.instruction is not None else standing_text(self.tag)
        return f"{instruction}\n\n# The objective\n\n{self.objective or self.goal}"

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

    def offered(self, request: Request) -> tuple[str, ...]:
        """The names that may change: those asked for which some recorded graph was seen to use."""
        names = request.names or tuple(request.candidate.values)
        graphs = [rollout.evidence for rollout in request.evidence if rollout.evidence is not None]
        reached = {variable.name for graph in graphs for variable in graph.variables}
        return tuple(name for name in names if name in reached) or names

    def record(self, request: Propose) -> Record:
        """The data of a request."""
        offers = [offer(name, self.parameters, request) for name in self.offered(request)]
        return Record(offers, request.evidence, request.history, self.ceilings)

    def changed(self, name: str, suggested: Any, request: Propose) -> Any:
        """The new value that a suggestion comes to; raises ConstraintError where it comes to none."""
        return suggested

    def _checked(self, name: str, suggested: Any, request: Propose) -> Any:
        """The value in JSON form, as the parameter takes it; raises ConstraintError."""
        offered = self.offered(request)
        if name not in offered:
            raise ConstraintError(f"there is no such variable to change; those are {_listed(offered)}")
        _refuse_marks(name, suggested, self.record(request))
        value = self.changed(name, suggested, request)
        if name in self.parameters:
            return plain(decode(self.parameters[name], value))
        return _same_type(value, request.candidate.values[name])


def offer(name: str, parameters: Mapping[str, Parameter[Any]], request: Request) -> Offered:
    """A variable with the value it has in the request's candidate."""
    value = request.candidate.values[name]
    if name in parameters:
        parameter = parameters[name]
        return Offered(variable_of(name, parameter, value_of(parameter)), value)
    for rollout in request.evidence:
        for variable in rollout.evidence.variables if rollout.evidence is not None else ():
            if variable.name == name:
                return Offered(variable, value)
    return Offered.unknown(name, value)


def only(request: Propose, *names: str) -> Propose:
    """The request, about these variables alone."""
    return replace(request, names=names)


def _said_of(name: str, error: ConstraintError) -> str:
    """What is wrong with a suggestion, under the name that the model knows."""
    if error.parameter is not None and error.parameter.name == name:
        return error.reason
    return f"{label(name)}: {error.reason}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(json.dumps(name, ensure_ascii=False) for name in names)


def _refuse_marks(name: str, value: Any, record: Record) -> None:
    """Refuse a value that repeats the mark of the place where its old value was cut."""
    mark = record.mark_of(name)
    if mark and mark in value_text(value):
        raise ConstraintError(f"the suggestion repeats {mark!r}, which is no part of the value")


def _same_type(value: Any, old: Any) -> Any:
    if type(value) is type(old) or old is None:
        return value
    if type(old) is float and type(value) is int:
        return float(value)
    shown = json.dumps(value, ensure_ascii=False)[:200]
    raise ConstraintError(f"it holds {kind_of(old)}, the suggestion is {kind_of(value)} {shown}", None, value)
