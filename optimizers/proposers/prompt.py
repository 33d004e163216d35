"""What all have in common that ask a model: parameters, a standing text with its version, a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from optimizers.effects import Propose, Request
from optimizers.evidence.evidence import variable_of
from optimizers.evidence.naming import value_of
from optimizers.proposers.ceilings import CEILINGS, Ceilings
from optimizers.proposers.record import Record
from optimizers.proposers.runs import Offered
from optimizers.proposers.texts import prompt_file, standing_text, version_of
from optimizers.rollout import Rollout
from tracelib.graph.parameter import Parameter


@dataclass(frozen=True)
class Prompt:
    """What a model is asked with about some parameters.

    `parameters` go by the names that candidates use. `objective` is the user's own goal. `instruction`
    takes the place of the standing text in prompts/<tag>.md. `ceilings` are the room of each section.
    """

    parameters: Mapping[str, Parameter[Any]]
    objective: str | None = None
    instruction: str | None = None
    ceilings: Ceilings = CEILINGS

    tag: ClassVar[str]
    goal: ClassVar[str] = "Change the variables so that the outputs become what the feedback asks for."

    @property
    def version(self) -> str:
        """Which questions these are: the tag, and a hash of the texts and settings that shape them."""
        return version_of(self, self.standing, prompt_file("repair.md"))

    @property
    def standing(self) -> str:
        """What stays the same from question to question."""
        instruction = self.instruction if self.instruction is not None else standing_text(self.tag)
        return f"{instruction}\n\n# The objective\n\n{self.objective or self.goal}"

    def offered(self, request: Request) -> tuple[str, ...]:
        """The names it is about: those asked for which some recorded graph was seen to use."""
        names = request.names or tuple(request.candidate.values)
        graphs = [rollout.evidence for rollout in request.evidence if rollout.evidence is not None]
        reached = {variable.name for graph in graphs for variable in graph.variables}
        return tuple(name for name in names if name in reached) or names

    def record(self, request: Request, rollouts: Sequence[Rollout] | None = None) -> Record:
        """The data of a request, of all its rollouts or of these."""
        offers = [self._offer(name, request) for name in self.offered(request)]
        history = request.history if isinstance(request, Propose) else ()
        return Record(offers, request.evidence if rollouts is None else rollouts, history, self.ceilings)

    def _offer(self, name: str, request: Request) -> Offered:
        """A variable with the value it has in the request's candidate."""
        value = request.candidate.values[name]
        if name in self.parameters:
            parameter = self.parameters[name]
            return Offered(variable_of(name, parameter, value_of(parameter)), value)
        for rollout in request.evidence:
            for variable in rollout.evidence.variables if rollout.evidence is not None else ():
                if variable.name == name:
                    return Offered(variable, value)
        return Offered.unknown(name, value)
