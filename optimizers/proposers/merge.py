"""Merging two candidates, component by component; no model is asked."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from optimizers.candidate import Candidate, Proposal, canonical
from optimizers.effects import Propose
from optimizers.proposers.texts import version_of
from tracelib.errors import OptimizerError
from tracelib.graph.parameter import Parameter


@dataclass(frozen=True)
class Merge:
    """The system-aware merge of GEPA, Agrawal et al. 2025 (arXiv 2507.19457), appendix on merging.

    `others` of the request are the second parent and the common ancestor. A value that one parent alone
    has changed since the ancestor is taken from it; where both have, from the one with the higher
    score among the attempts in `history`, by chance where these do not tell. Without an ancestor each
    value in which the parents differ counts as changed by both.
    """

    parameters: Mapping[str, Parameter[Any]]

    tag: ClassVar[str] = "merge"

    @property
    def version(self) -> str:
        return version_of(self)

    def choose(self, request: Propose, rng: random.Random) -> Proposal:
        """The values that the second parent brings into the first."""
        if not request.others:
            raise OptimizerError(
                "a merge wants a second parent: Propose(first, kind='merge', others=(second,))"
            )
        other = request.others[0]
        names = request.names or tuple(request.candidate.values)
        parting = [name for name in names if _differ(request.candidate, other, name)]
        taken = [name for name in parting if self._from_other(name, request, rng)]
        if not taken or len(taken) == len(parting):
            whole = "first" if not taken else "second"
            return Proposal({}, problem=f"nothing to merge: all would come from the {whole} parent")
        reason = f"{', '.join(taken)} from {other.id[:8]}, the rest from {request.candidate.id[:8]}"
        return Proposal({name: other.values[name] for name in taken}, reason)

    def _from_other(self, name: str, request: Propose, rng: random.Random) -> bool:
        other, *ancestors = request.others
        if ancestors:
            changed = [_differ(one, ancestors[0], name) for one in (request.candidate, other)]
            if changed != [True, True]:
                return changed[1]
        own, others = (_score(one, request) for one in (request.candidate, other))
        if own is None or others is None or own == others:
            return rng.random() < 0.5
        return others > own


def _differ(one: Candidate, other: Candidate, name: str) -> bool:
    return canonical(one.values[name]) != canonical(other.values[name])


def _score(candidate: Candidate, request: Propose) -> float | None:
    """The latest score of a candidate among the attempts that are told of."""
    scores = [
        attempt.score
        for attempt in request.history
        if attempt.problem is None and Candidate(attempt.values) == candidate
    ]
    return scores[-1] if scores else None
