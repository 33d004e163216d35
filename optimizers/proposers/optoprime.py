"""OptoPrime: one question about all parameters, with the recorded graph as code-like text.

After Cheng, Nie and Swaminathan 2024 (arXiv 2406.16218). A prompt and a parser and nothing else: it
asks no model and changes no parameter.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any

from optimizers.candidate import Proposal
from optimizers.effects import Propose
from optimizers.evidence.display import kind_of, plain
from optimizers.evidence.evidence import variable_of
from optimizers.evidence.excerpt import Excerpt
from optimizers.evidence.naming import value_of
from optimizers.proposers.record import CEILINGS, Ceilings, Record
from optimizers.proposers.reply import read_answer
from optimizers.proposers.runs import Offered, value_text
from optimizers.proposers.sections import label
from tracelib.errors import ConstraintError, InvalidReply
from tracelib.graph.constraint import decode
from tracelib.graph.parameter import Parameter

OBJECTIVE = "Change the variables so that the outputs become what the feedback asks for."
REPLY_LIMIT = 8_000
"""Characters of an unusable reply that are quoted back."""


@cache
def prompt_file(name: str) -> str:
    """The text of a file in prompts/, without the white space at its ends."""
    return (files("optimizers.proposers") / "prompts" / name).read_text(encoding="utf-8").strip()


@dataclass(frozen=True)
class OptoPrimePrompt:
    """The proposer of OptoPrime.

    `parameters`, by the names that candidates use, check what is suggested; a name that is not among
    them is only held to the JSON type of its present value. `objective` is the user's own goal.
    `instruction` takes the place of the standing text in prompts/optoprime.md.
    """

    parameters: Mapping[str, Parameter[Any]]
    objective: str | None = None
    instruction: str | None = None
    ceilings: Ceilings = CEILINGS

    def messages(self, request: Propose) -> list[dict[str, Any]]:
        """The question: what stays the same from call to call first, the record last."""
        return [
            {"role": "system", "content": self._standing()},
            {"role": "user", "content": self._record(request).text()},
        ]

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

    def repair(self, reply: str, proposal: Proposal, request: Propose) -> list[dict[str, Any]]:
        """The question again, with the reply and what is wrong with it."""
        names = ", ".join(json.dumps(name, ensure_ascii=False) for name in self.offered(request))
        asked = Template(prompt_file("repair.md")).substitute(problem=proposal.problem, names=names)
        said = str(Excerpt.of(reply, REPLY_LIMIT)) if reply.strip() else "(an empty reply)"
        return [
            *self.messages(request),
            {"role": "assistant", "content": said},
            {"role": "user", "content": asked},
        ]

    def offered(self, request: Propose) -> tuple[str, ...]:
        """The names that may change: those asked for which some recorded graph was seen to use."""
        names = request.names or tuple(request.candidate.values)
        graphs = [rollout.evidence for rollout in request.evidence if rollout.evidence is not None]
        reached = {variable.name for graph in graphs for variable in graph.variables}
        return tuple(name for name in names if name in reached) or names

    def _standing(self) -> str:
        instruction = self.instruction if self.instruction is not None else prompt_file("optoprime.md")
        return f"{instruction}\n\n# The objective\n\n{self.objective or OBJECTIVE}"

    def _record(self, request: Propose) -> Record:
        return Record(
            [self._offer(name, request) for name in self.offered(request)],
            request.evidence,
            request.history,
            self.ceilings,
        )

    def _offer(self, name: str, request: Propose) -> Offered:
        value = request.candidate.values[name]
        if name in self.parameters:
            parameter = self.parameters[name]
            return Offered(variable_of(name, parameter, value_of(parameter)), value)
        for rollout in request.evidence:
            for variable in rollout.evidence.variables if rollout.evidence is not None else ():
                if variable.name == name:
                    return Offered(variable, value)
        return Offered.unknown(name, value)

    def _checked(self, name: str, value: Any, request: Propose) -> Any:
        """The value in JSON form, as the parameter takes it; raises ConstraintError."""
        offered = self.offered(request)
        if name not in offered:
            raise ConstraintError(f"there is no such variable to change; {_choices(offered)}")
        _refuse_marks(name, value, self._record(request))
        if name in self.parameters:
            return plain(decode(self.parameters[name], value))
        return _same_type(value, request.candidate.values[name])


def _said_of(name: str, error: ConstraintError) -> str:
    """What is wrong with a suggestion, under the name that the model knows."""
    if error.parameter is not None and error.parameter.name == name:
        return error.reason
    return f"{label(name)}: {error.reason}"


def _choices(names: Sequence[str]) -> str:
    return "those are " + ", ".join(json.dumps(name, ensure_ascii=False) for name in names)


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
