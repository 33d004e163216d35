"""Credit search: Pareto search that edits the parameter which the recorded graphs hold to account."""

from __future__ import annotations

from dataclasses import dataclass, field

from optimizers.policies.credit import ByCredit
from optimizers.policies.picking import Picking
from optimizers.strategies.pareto import Pareto


@dataclass(frozen=True)
class Credit(Pareto):
    """Pareto search whose parameter to edit is chosen by credit, not one after the other.

    Credit is the share of failing runs that a parameter reaches, set against those that went well,
    weighted by what the feedback and errors point at and by whether past edits of it helped
    (policies/credit.py). All of it is read from what the rollouts carry; it costs no call and no run.
    Calls and runs per step are those of Pareto.
    """

    picking: Picking = field(default_factory=ByCredit)
