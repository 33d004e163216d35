"""What a run may spend, and the ledger that reserves it before anything is dispatched.

Nothing here knows effects or models: amounts are numbers by kind.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

from optimizers.rollout import Cost
from tracelib.errors import BudgetExhausted, OptimizerError

COUNTED = ("rollouts", "proposals", "calls", "tokens", "dollars", "steps")
# Dollars are summed floats; a billionth of a dollar is no overshoot.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Budget:
    """Hard limits for one run; None is no limit.

    rollouts: runs of the program on one example, validation and test included. proposals: requests for a
    new candidate. calls, tokens, dollars: what the models asked through tracelib use. seconds: wall clock;
    after it nothing new is dispatched. steps: yields of the strategy, which bounds one that lives on
    cached results.
    """

    rollouts: int | None = None
    proposals: int | None = None
    calls: int | None = None
    tokens: int | None = None
    dollars: float | None = None
    seconds: float | None = None
    steps: int | None = 10_000

    def __post_init__(self) -> None:
        for kind, limit in self.limits().items():
            number = isinstance(limit, int | float) and not isinstance(limit, bool)
            if not number or limit < 0 or limit != limit:
                raise OptimizerError(f"Budget({kind}={limit!r}): a limit is a number, 0 or more, or None")

    def limits(self) -> dict[str, float]:
        """The kinds that are limited, with their limits."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return {kind: limit for kind, limit in given.items() if limit is not None}

    @property
    def counts_models(self) -> bool:
        """Whether what models use is limited."""
        return any(limit is not None for limit in (self.calls, self.tokens, self.dollars))

    def __str__(self) -> str:
        limits = {kind: limit for kind, limit in self.limits().items() if kind != "steps"}
        return ", ".join(f"{limit:g} {kind}" for kind, limit in limits.items()) or "no limit"


@dataclass(frozen=True)
class Spent:
    """What a run has used; tokens and dollars are None when a model did not say."""

    rollouts: int = 0
    proposals: int = 0
    calls: int = 0
    tokens: int | None = 0
    dollars: float | None = 0.0
    seconds: float = 0.0
    steps: int = 0

    def to_json(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __str__(self) -> str:
        parts = [f"{self.rollouts:,} rollouts"]
        if self.proposals:
            parts.append(f"{self.proposals:,} proposals")
        if self.calls:
            parts += [f"{self.calls:,} model calls", self._tokens(), self._dollars()]
        return ", ".join([*parts, f"{self.seconds:.1f} s"])

    def _tokens(self) -> str:
        return "tokens unknown" if self.tokens is None else f"{self.tokens:,} tokens"

    def _dollars(self) -> str:
        return "cost unknown" if self.dollars is None else f"${self.dollars:.4f}"


class Ledger:
    """Keeps spent plus reserved plus held back within a budget, at every moment and from any thread."""

    def __init__(
        self, budget: Budget, elapsed: float = 0.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.budget = budget
        self._limits = budget.limits()
        self._committed: dict[str, float] = dict.fromkeys(COUNTED, 0)
        self._held: dict[str, float] = {}
        self._unknown: set[str] = set()
        self._clock = clock
        self._began = clock() - elapsed
        self._lock = threading.Lock()

    @property
    def elapsed(self) -> float:
        """Seconds since the run began, earlier sessions of a resumed run included."""
        return self._clock() - self._began

    @property
    def spent(self) -> Spent:
        with self._lock:
            counts = {
                kind: None if kind in self._unknown else amount for kind, amount in self._committed.items()
            }
        return Spent(**counts, seconds=self.elapsed)  # type: ignore[arg-type]

    def left(self) -> dict[str, float]:
        """What may still be spent, by limited kind; seconds can be negative."""
        with self._lock:
            used = {**self._committed, "seconds": self.elapsed}
            return {kind: limit - used[kind] for kind, limit in self._limits.items()}

    def reserve(self, **amounts: float) -> None:
        """Take these amounts, all or none; raises BudgetExhausted when one does not fit.

        Time is another matter (`check_deadline`): finished work is taken from a journal at any time.
        """
        with self._lock:
            for kind, amount in amounts.items():
                self._check(kind, amount)
            for kind, amount in amounts.items():
                self._committed[kind] += amount

    def settle(self, reserved: Mapping[str, float], used: Cost) -> None:
        """Replace what was reserved for a model call by what it used.

        What the model did not say stays as reserved where it is limited, and counts as unknown.
        """
        actual = {"calls": used.calls, "tokens": used.tokens, "dollars": used.dollars}
        with self._lock:
            for kind, amount in actual.items():
                if amount is None:
                    self._unknown.add(kind)
                else:
                    self._committed[kind] += amount - reserved.get(kind, 0)

    def release(self, **amounts: float) -> None:
        """Give back what was reserved and not used."""
        with self._lock:
            for kind, amount in amounts.items():
                self._committed[kind] -= amount

    def charge(self, cost: Cost) -> None:
        """Take what a finished and kept piece of work cost when it was done."""
        amounts = {"calls": cost.calls, "tokens": cost.tokens or 0, "dollars": cost.dollars or 0.0}
        self.reserve(**amounts)
        with self._lock:
            self._unknown |= {kind for kind in ("tokens", "dollars") if getattr(cost, kind) is None}

    @contextmanager
    def holding(self, **amounts: float) -> Iterator[None]:
        """Keep these amounts back from everything reserved inside the block."""
        with self._lock:
            before, self._held = self._held, amounts
        try:
            yield
        finally:
            with self._lock:
                self._held = before

    def check_deadline(self) -> None:
        """To be asked before anything is started: raises BudgetExhausted when the seconds are over."""
        with self._lock:
            limit, held = self._limits.get("seconds"), self._held.get("seconds", 0)
            if limit is not None and self.elapsed >= limit - held:
                raise BudgetExhausted(
                    f"{self.elapsed:.1f} of {limit:g} seconds are over{self._note('seconds')}"
                )

    def _check(self, kind: str, amount: float) -> None:
        limit = self._limits.get(kind)
        if limit is None:
            return
        left = limit - self._committed[kind] - self._held.get(kind, 0)
        if amount > left + ROUNDING:
            raise BudgetExhausted(
                f"the budget of {limit:g} {kind} has {max(left, 0):g} left, "
                f"the next step needs {amount:g}{self._note(kind)}"
            )

    def _note(self, kind: str) -> str:
        held = self._held.get(kind, 0)
        return f" ({held:g} are held back to score the winner)" if held else ""
