"""The best on validation so far: whoever leads on train meets it there, and a search cut short keeps it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

from optimizers.candidate import Candidate
from optimizers.effects import Evaluate
from optimizers.policies.standing import better
from optimizers.rollout import Rollout

Meeting = Generator[Evaluate, Any, None]


@dataclass
class Champion:
    """A candidate with what it did on validation, and the ids of all that met it."""

    best: Candidate
    validation: int
    reached: tuple[Rollout, ...] = ()
    met: set[str] = field(default_factory=set)

    def meet(self, challenger: Candidate) -> Meeting:
        """Run a challenger on validation, once, and keep the better of the two; of equals the first.

        The first that is met is the champion itself.
        """
        if challenger.id in self.met:
            return
        self.met.add(challenger.id)
        scored = yield Evaluate(challenger, "validation", tuple(range(self.validation)))
        if not self.reached or better(self.reached, scored):
            self.best, self.reached = challenger, scored
