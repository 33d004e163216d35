"""How a proposal comes about: ask, read, at most one repair, check; the result is a candidate or a reason.

It knows who proposes and how values are checked, not budgets or journals.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeAlias

from optimizers.candidate import Advice, Candidate, Proposal, Rejected
from optimizers.conversation import Ask, held, talk_of
from optimizers.effects import Consult, Propose, Request
from optimizers.policies.guard import Guard, guarded
from optimizers.roles import Asked, Chooser, Counsel
from tracelib.errors import ConstraintError, InvalidReply, ModelCallError, OptimizerError
from tracelib.llm.model import Model

ParameterCheck: TypeAlias = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Values by path, checked and coerced to what JSON holds; raises ConstraintError with the reason."""

Made: TypeAlias = Candidate | Rejected | Advice


@dataclass(frozen=True)
class Asking:
    """Who answers the requests of a run, the model they ask (None when none does), and what is checked.

    `proposer` answers requests of the kind "", `others` those of further kinds. `check` is the
    parameters', `guards` refuse what the parameters would take and the user does not want.
    """

    proposer: Asked | None
    model: Model | None
    check: ParameterCheck = dict
    others: Mapping[str, Asked] = field(default_factory=dict)
    guards: Sequence[Guard] = ()

    async def make(self, request: Request, ask: Ask, seed: int) -> Made:
        """A new candidate, the rejected proposal, or advice; a model that gives no reply rejects too."""
        answering = self.answering(request)
        if isinstance(request, Consult):
            return await self._advice(answering, request, ask)
        if isinstance(answering, Chooser):
            rng = random.Random(f"{seed}:{request.key}")
            return _made(request, self._checked(answering.choose(request, rng), request))
        if isinstance(answering, Counsel):
            raise OptimizerError(_misplaced(request.kind, "gives advice, and was asked for a proposal"))
        try:
            check = partial(self._checked, request=request)
            proposal = await held(talk_of(answering, request, check), ask)
        except (ModelCallError, InvalidReply) as error:
            proposal = Proposal({}, problem=f"the model gave no reply: {error}")
        return _made(request, proposal)

    def answering(self, request: Request) -> Asked:
        """Who answers a request; raises OptimizerError where the run has nobody for its kind."""
        found = self.proposer if request.kind == "" else self.others.get(request.kind)
        if found is None:
            kinds = ", ".join(repr(kind) for kind in self.others) or "none"
            raise OptimizerError(
                f"the strategy asks for a proposal of the kind {request.kind!r}, and the run has no proposer "
                f"for it (further kinds it has: {kinds})"
            )
        return found

    async def _advice(self, answering: Asked, request: Consult, ask: Ask) -> Advice:
        if not isinstance(answering, Counsel):
            raise OptimizerError(_misplaced(request.kind, "makes proposals, and was asked for advice"))
        try:
            return await held(answering.advise(request), ask)
        except (ModelCallError, InvalidReply) as error:
            return Advice(problem=f"the model gave no reply: {error}")

    def _checked(self, proposal: Proposal, request: Propose) -> Proposal:
        if proposal.problem is not None:
            return proposal
        problem = _unknown(proposal, request)
        if problem is not None:
            return replace(proposal, problem=problem)
        try:
            values = self.check(proposal.values)
        except ConstraintError as error:
            return replace(proposal, problem=str(error))
        return guarded(self.guards, replace(proposal, values=values), request)


def _unknown(proposal: Proposal, request: Propose) -> str | None:
    allowed = request.names or tuple(request.candidate.values)
    unknown = [path for path in proposal.values if path not in allowed]
    if not unknown:
        return None
    return f"there is no parameter {unknown[0]!r} to change; there are {', '.join(allowed)}"


def _misplaced(kind: str, what: str) -> str:
    return f"what answers requests of the kind {kind!r} {what}"


def _made(request: Propose, proposal: Proposal) -> Made:
    if proposal.problem is None:
        parents = [request.candidate.id, *(other.id for other in request.others)]
        candidate = request.candidate.edit(proposal.values, proposal.reason, parents)
        if candidate != request.candidate:
            return candidate
    return Rejected(request.candidate.id, proposal)


def made_to_json(made: Made) -> dict[str, Any]:
    kinds = {Candidate: "candidate", Rejected: "rejected", Advice: "advice"}
    return {kinds[type(made)]: made.to_json()}


def made_from_json(data: Mapping[str, Any]) -> Made:
    if "candidate" in data:
        return Candidate.from_json(data["candidate"])
    if "advice" in data:
        return Advice.from_json(data["advice"])
    return Rejected.from_json(data["rejected"])
