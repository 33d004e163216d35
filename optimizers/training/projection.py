"""What a training would take, told before it is begun; nothing is run and no model is asked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

from optimizers.budget import Budget, Ledger, Spent
from optimizers.driving.outcome import Splits
from optimizers.driving.performer import Performer
from optimizers.driving.run import Run, Terms
from optimizers.rollout import Cost
from optimizers.training.imagining import Course, Imagination, Silent
from optimizers.training.session import Session
from tracelib.errors import NoModelError

REPLY_TOKENS = 300
"""Tokens that a reply is taken to have."""
COUNTED = ("rollouts", "proposals", "calls", "tokens", "dollars")


@dataclass(frozen=True)
class Projection:
    """What a training would take, by two courses that its search may go.

    `idle` is a run in which no proposal helps, `busy` one in which each is better than all before it:
    then every candidate goes through all that the strategy has for good ones. A real run lies between them
    or near. Both keep within the budget. Tokens and dollars are None where nobody knows them. `assumed` says
    what was taken for granted.
    """

    idle: Spent
    busy: Spent
    assumed: tuple[str, ...]

    def __str__(self) -> str:
        lines = [self._line(kind) for kind in COUNTED if self._told(kind)]
        return "\n".join([*lines, *(f"assumed: {one}" for one in self.assumed)])

    def _told(self, kind: str) -> bool:
        """Whether it says anything: a search that asks no model has no tokens."""
        return kind == "rollouts" or any(getattr(one, kind) != 0 for one in (self.idle, self.busy))

    def _line(self, kind: str) -> str:
        ends = [getattr(one, kind) for one in (self.idle, self.busy)]
        if any(end is None for end in ends):
            return f"{kind}: unknown"
        form = "${:,.4f}" if kind == "dollars" else "{:,}"
        least, most = (form.format(end) for end in sorted(ends))
        return f"{kind}: {least}" if least == most else f"{kind}: {least} to {most}"


def projected(session: Session, budget: Budget, per_rollout: Cost | None, reply_tokens: int) -> Projection:
    """Both courses of a session that is not begun."""
    asking = session.asking
    limits = [_limit(asking.model)] if asking is not None and asking.model is not None else []
    reply = min([reply_tokens, *(limit for limit in limits if limit)])
    spent = [_spent(session, budget, Course(helps, reply, per_rollout or Cost())) for helps in (False, True)]
    return Projection(spent[0], spent[1], tuple(_assumed(session, per_rollout, reply)))


def nobody(messages: Any, **params: Any) -> str:
    """A model for questions that are counted and not asked."""
    raise NoModelError("this model is imagined: nothing can be asked of it")


def _spent(session: Session, budget: Budget, course: Course) -> Spent:
    driver, subject = session.driver, session.evaluator.subject
    ledger = Ledger(replace(budget, seconds=None))
    imagined = Imagination(course, session.asking, session.evaluator.examples, subject.parameters, ledger)
    terms = Terms(session.strategy, driver.gate, (), driver.seed, session.asking is not None)
    splits: Splits = session.splits
    # It performs and counts as a Performer does, which is all that a run asks of it.
    run = Run(terms, session.start, splits, cast(Performer, imagined), Silent())
    return replace(run.outcome().spent, seconds=0.0)


def _limit(model: Any) -> int | None:
    found = [model.defaults.get(name) for name in ("max_completion_tokens", "max_tokens")]
    return next((int(limit) for limit in found if limit), None)


def _assumed(session: Session, per_rollout: Cost | None, reply: int) -> list[str]:
    own = "a run of the program asks no model: tell what it takes with per_rollout=Cost(calls=..., ...)"
    asks = session.asking is not None
    stops = bool(session.driver.stopping)
    return [
        "the first course is one in which no proposal helps, the second one in which each does",
        *([] if per_rollout is not None else [own]),
        *([f"a reply has {reply} tokens, four characters are one, none has to be repaired"] if asks else []),
        *(["nothing is stopped early"] if stops else []),
    ]
