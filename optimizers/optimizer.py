"""The classic face of an optimizer: zero_feedback, backward, propose, step.

It gathers evidence from recorded graphs, asks a model once (and once more to repair an unusable
reply) and applies what comes of it: all of a proposal, or none. What is asked is a proposer's matter.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from optimizers.candidate import Attempt, Candidate, Proposal
from optimizers.conversation import held, talk_of
from optimizers.driving.performer import drive
from optimizers.driving.workers import in_tasks, in_threads
from optimizers.effects import Propose
from optimizers.evidence.display import digest_of, plain
from optimizers.evidence.evidence import evidence_of
from optimizers.evidence.naming import named, value_of
from optimizers.policies.guard import Guard, guarded
from optimizers.roles import Conversation, Messages, Proposer, Talk
from optimizers.rollout import Rollout
from optimizers.step import Step
from tracelib.errors import ConstraintError, OptimizerError, StateError
from tracelib.feedback.backward import backward
from tracelib.feedback.feedback import Feedback
from tracelib.feedback.report import Report
from tracelib.graph.constraint import decode
from tracelib.graph.graph import Graph
from tracelib.graph.node import ExceptionNode, Node
from tracelib.graph.parameter import Parameter
from tracelib.graph.rebuild import adopt
from tracelib.graph.tracing import Update
from tracelib.llm.model import Model, as_model
from tracelib.llm.reply import Reply
from tracelib.sandbox.confine import Choice, confine, confinement_of

WORKERS = 8
"""Questions of one step that are asked at the same time."""


@dataclass(frozen=True)
class Exchange:
    """One question to the model, its reply, and what was wrong with it (None: nothing)."""

    messages: Messages
    reply: Reply
    problem: str | None


class Optimizer:
    """Improves parameters from feedback on recorded runs, by asking a model.

    `parameters` is a list of Parameters, or a mapping that names them. `proposer` makes, for the named
    parameters, the prompt and the parser. `llm` is a Model, the name of one or a callable; None means the
    model that TRACELIB_MODEL names, looked up when it is first needed. `memory_size` is the number of
    earlier rounds that a question shows. Code that the model writes runs in a sandbox: `sandbox` is "auto"
    for the strongest that works on this machine, the name of one, or a Confinement with tools, packages
    and limits; "in_process" runs it here, with all your rights. `guards` say what no proposal may do. The
    last `log_size` exchanges with the model are kept in `log`.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter[Any]] | Mapping[str, Parameter[Any]],
        proposer: Callable[[Mapping[str, Parameter[Any]]], Proposer | Conversation],
        llm: Model | Callable[..., Any] | str | None = None,
        *,
        memory_size: int = 0,
        sandbox: Choice = "auto",
        guards: Sequence[Guard] = (),
        log_size: int = 100,
    ) -> None:
        self.parameters = named(parameters, type(self).__name__)
        self.proposer_for = proposer
        self.proposer = proposer(self.parameters)
        self.memory_size = memory_size
        self.confinement = confinement_of(sandbox)
        self.guards = tuple(guards)
        self.log: deque[Exchange] = deque(maxlen=log_size)
        self._llm = llm
        self._model: Model | None = None
        self._rollouts: list[Rollout] = []
        self._unreached: dict[int, str] = {}
        self._memory: deque[Attempt] = deque(maxlen=memory_size)
        self._tried: Attempt | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {', '.join(self.parameters)}>"

    @property
    def llm(self) -> Model:
        """The model that is asked. Raises NoModelError when none was named anywhere."""
        if self._model is None:
            self._model = as_model(self._llm)
        return self._model

    def zero_feedback(self) -> None:
        """Forget what was said. What a step was made from stays in memory, where memory_size allows."""
        if self._tried is not None:
            self._memory.append(self._tried)
        self._tried = None
        self._rollouts.clear()
        self._unreached.clear()
        for parameter in self.parameters.values():
            parameter.zero_feedback()

    def backward(self, output: Node[Any], feedback: Any, rule: Any = None) -> Report:
        """Carry feedback back from an output, and keep the graph behind it as evidence for the next step.

        Called several times, it gathers a minibatch in which every output has its own feedback. The
        report says which parameters were reached, and why each other one of this optimizer was not. Where
        the output was rebuilt from a store, its parameters are this optimizer's of the same path or name.
        """
        graph = Graph.behind(output)
        adopt(graph.output, self.parameters.values())
        report: Report = backward(graph.output, feedback, rule=rule).about(self.parameters.values())
        said = report.feedback
        heard = {id(parameter): part for parameter, part in report.heard}
        evidence = evidence_of(report.graph, said, self.parameters, heard)
        error = str(value_of(output)) if isinstance(output, ExceptionNode) else None
        self._rollouts.append(Rollout(len(self._rollouts), "train", said.score, said, evidence, error))
        self._unreached.update({id(parameter): reason for parameter, reason in report.unreached})
        return report

    def propose(self) -> Proposal:
        """New values for the parameters, checked but not applied; with a `problem` they cannot be used.

        Raises before the model is asked: OptimizerError when there is no feedback or it reached no
        parameter, SandboxUnavailable when code is to be rewritten and nothing could run it, NoModelError.
        """
        return drive(held(self._talk(), self._asked))

    async def apropose(self) -> Proposal:
        """`propose`, to be awaited."""
        return await held(self._talk(), self._awaited)

    def step(self) -> Step:
        """Propose and apply; says what changed and why, or why nothing did."""
        return self.apply(self.propose())

    async def astep(self) -> Step:
        """`step`, to be awaited."""
        return self.apply(await self.apropose())

    def apply(self, proposal: Proposal) -> Step:
        """Give the parameters the values of a proposal: all of them, or none.

        Values are checked again; a proposal with a problem, or that does not fit, changes nothing and
        is the step's `rejected`.
        """
        self._tried = self._attempt()
        if proposal.problem is not None:
            return self._rejection(proposal)
        try:
            values = {name: decode(self._parameter(name), value) for name, value in proposal.values.items()}
        except ConstraintError as error:
            return self._rejection(replace(proposal, problem=str(error)))
        changes = {name: value for name, value in values.items() if not self._holds(name, value)}
        if not changes:
            return Step((), _why_nothing(proposal), proposal, unreached=self._unheard())
        updates = self._updated(changes, proposal.reason)
        return Step(updates, proposal.reason, proposal, unreached=self._unheard())

    def _talk(self) -> Talk[Proposal]:
        """The talk of one proposal; raises before the first question where there is nothing to ask."""
        self._need_sandbox()
        self._refuse_nothing_to_ask()
        request = self._request()
        return talk_of(self.proposer, request, partial(self._noted, request))

    async def _asked(self, questions: list[Messages]) -> list[Reply]:
        return self._logged(questions, in_threads(self.llm.ask, questions, WORKERS))

    async def _awaited(self, questions: list[Messages]) -> list[Reply]:
        return self._logged(questions, await in_tasks(self.llm.aask, questions))

    def _logged(self, questions: list[Messages], replies: list[Reply]) -> list[Reply]:
        self.log += [Exchange(one, reply, None) for one, reply in zip(questions, replies, strict=True)]
        return replies

    def _noted(self, request: Propose, proposal: Proposal) -> Proposal:
        """The proposal; what is wrong with it is noted beside the reply it was read from."""
        proposal = guarded(self.guards, proposal, request)
        for place in range(len(self.log) - 1, -1, -1):
            if self.log[place].reply.text == proposal.reply:
                self.log[place] = replace(self.log[place], problem=proposal.problem)
                break
        return proposal

    def _request(self) -> Propose:
        reached = self._reached()
        return Propose(
            Candidate({name: _json_value(name, self.parameters[name]) for name in reached}),
            tuple(self._rollouts),
            history=tuple(self._memory),
            names=tuple(reached),
        )

    def _reached(self) -> list[str]:
        graphs = [rollout.evidence for rollout in self._rollouts if rollout.evidence is not None]
        seen = {variable.name for graph in graphs for variable in graph.variables}
        return [name for name in self.parameters if name in seen]

    def _unheard(self) -> dict[str, str]:
        """Why each parameter that no feedback reached was not."""
        reached = set(self._reached())
        return {
            name: self._unreached.get(id(parameter), "it heard nothing")
            for name, parameter in self.parameters.items()
            if name not in reached
        }

    def _attempt(self) -> Attempt:
        """The present round, as a later question will show it: the values that were run, what was said."""
        said = Feedback()
        for rollout in self._rollouts:
            said = said | replace(rollout.feedback, score=None)
        scores = [rollout.score for rollout in self._rollouts if rollout.score is not None]
        values = {name: _json_value(name, self.parameters[name]) for name in self._reached()}
        return Attempt(values, sum(scores) / len(scores) if scores else None, said)

    def _need_sandbox(self) -> None:
        """Raises SandboxUnavailable before a model is paid for code that could not be run."""
        if any(parameter.is_code for parameter in self.parameters.values()):
            _ = self.confinement.runner

    def _refuse_nothing_to_ask(self) -> None:
        if not self._rollouts:
            raise OptimizerError(
                "there is no feedback to learn from: run the program and call "
                "backward(output, feedback) before propose() or step()."
            )
        if not self._reached():
            reasons = "\n".join(f"- {name}: {reason}" for name, reason in self._unheard().items())
            raise OptimizerError(f"the feedback reached no parameter, so no model was asked:\n{reasons}")

    def _rejection(self, proposal: Proposal) -> Step:
        reason = f"the proposal cannot be used:\n{proposal.problem}"
        return Step((), reason, proposal, proposal, self._unheard())

    def _parameter(self, name: str) -> Parameter[Any]:
        try:
            return self.parameters[name]
        except KeyError:
            names = ", ".join(self.parameters)
            raise ConstraintError(f"there is no parameter {name!r} here; there are {names}") from None

    def _holds(self, name: str, value: Any) -> bool:
        return digest_of(value) == digest_of(value_of(self.parameters[name]))

    def _updated(self, changes: Mapping[str, Any], because: str) -> tuple[tuple[str, Update], ...]:
        updates: list[tuple[str, Update]] = []
        by = type(self).__name__
        try:
            for name, value in changes.items():
                confine(self.parameters[name], value, self.confinement)
                updates.append((name, self.parameters[name].update(value, because, by)))
        except ConstraintError:
            for _, update in reversed(updates):
                update.parameter.restore(update.old, "the rest of the proposal was refused", by)
            raise
        return tuple(updates)


def _json_value(name: str, parameter: Parameter[Any]) -> Any:
    try:
        return plain(value_of(parameter))
    except StateError as error:
        raise OptimizerError(
            f"{name} cannot be shown to a model: {error}. Leave it out of the parameters, or hold what is "
            "to be learned as text, a number, a list or a dict."
        ) from error


def _why_nothing(proposal: Proposal) -> str:
    if proposal.values:
        same = f"the suggested values are the present ones ({', '.join(proposal.values)})"
    else:
        same = "no value was suggested"
    return f"{same}; the reason given: {proposal.reason}" if proposal.reason else same
