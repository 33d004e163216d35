"""How a proposal comes about: ask, read, at most one repair, check; the result is a candidate or a reason.

It knows the proposer's two halves and the model's door, not budgets or journals.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from optimizers.candidate import Candidate, Proposal, Rejected
from optimizers.effects import Propose
from optimizers.roles import Chooser, Proposer
from tracelib.errors import ConstraintError, InvalidReply, ModelCallError
from tracelib.llm.model import Model
from tracelib.llm.reply import Reply

Check: TypeAlias = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Values by path, checked and coerced to what JSON holds; raises ConstraintError with the reason."""

Ask: TypeAlias = Callable[[list[dict[str, Any]]], Awaitable[Reply]]
Made: TypeAlias = Candidate | Rejected


@dataclass(frozen=True)
class Asking:
    """A proposer, the model it asks (None for one that chooses by itself), and the parameters' check."""

    proposer: Proposer | Chooser
    model: Model | None
    check: Check = dict

    async def make(self, request: Propose, ask: Ask, seed: int) -> Made:
        """A new candidate, or the rejected proposal; a model that gives no reply rejects too."""
        if isinstance(self.proposer, Chooser):
            rng = random.Random(f"{seed}:{request.key}")
            return self._made(request, self._checked(self.proposer.choose(request, rng), request))
        try:
            proposal = await self._asked(self.proposer, request, ask)
        except (ModelCallError, InvalidReply) as error:
            proposal = Proposal({}, problem=f"the model gave no reply: {error}")
        return self._made(request, proposal)

    async def _asked(self, proposer: Proposer, request: Propose, ask: Ask) -> Proposal:
        proposal = await self._round(proposer, request, ask, proposer.messages(request))
        if proposal.problem is None:
            return proposal
        return await self._round(proposer, request, ask, proposer.repair(proposal.reply, proposal, request))

    async def _round(
        self, proposer: Proposer, request: Propose, ask: Ask, messages: list[dict[str, Any]]
    ) -> Proposal:
        reply = await ask(messages)
        proposal = proposer.parse(reply.text, request)
        return self._checked(replace(proposal, reply=proposal.reply or reply.text), request)

    def _checked(self, proposal: Proposal, request: Propose) -> Proposal:
        if proposal.problem is not None:
            return proposal
        allowed = request.names or tuple(request.candidate.values)
        unknown = [path for path in proposal.values if path not in allowed]
        if unknown:
            problem = f"there is no parameter {unknown[0]!r} to change; there are {', '.join(allowed)}"
            return replace(proposal, problem=problem)
        try:
            return replace(proposal, values=self.check(proposal.values))
        except ConstraintError as error:
            return replace(proposal, problem=str(error))

    def _made(self, request: Propose, proposal: Proposal) -> Made:
        if proposal.problem is None:
            candidate = request.candidate.edit(proposal.values, proposal.reason)
            if candidate != request.candidate:
                return candidate
        return Rejected(request.candidate.id, proposal)


def made_to_json(made: Made) -> dict[str, Any]:
    kind = "candidate" if isinstance(made, Candidate) else "rejected"
    return {kind: made.to_json()}


def made_from_json(data: Mapping[str, Any]) -> Made:
    if "candidate" in data:
        return Candidate.from_json(data["candidate"])
    return Rejected.from_json(data["rejected"])
