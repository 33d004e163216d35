"""One run of a strategy, stage by stage, within the budget; a gate judges what it found.

The seed on validation and test, the search, the challenger on validation, the verdict, the winner on
test. All of it is inside the budget; what scoring the winner will take is held back.
"""

from __future__ import annotations

import random
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from optimizers.candidate import Advice, Candidate, Proposal, Rejected
from optimizers.driving.archive import Archive
from optimizers.driving.events import (
    Advised,
    CandidateMade,
    CandidateRejected,
    Evaluated,
    Judged,
    RunEnded,
    SearchEnded,
    Teller,
)
from optimizers.driving.outcome import Outcome, Splits
from optimizers.driving.performer import Performer, effects_in
from optimizers.effects import Consult, Effect, Evaluate
from optimizers.policies.gate import Gate, Verdict
from optimizers.policies.standing import standing
from optimizers.policies.stopping import Stopping
from optimizers.roles import Strategy
from tracelib.errors import BudgetExhausted, OptimizerError


@dataclass(frozen=True)
class Terms:
    """What a run follows: the strategy and its seed of chance, when to stop, how to judge.

    `proposes` tells whether there is a proposer, which may mend even a seed that always fails.
    """

    strategy: Strategy
    gate: Gate
    stopping: Sequence[Stopping]
    seed: int
    proposes: bool


@dataclass
class State:
    """Where a run is."""

    seed: Candidate
    splits: Splits
    archive: Archive
    stopped: str = ""
    returned: Candidate | None = None
    notes: list[str] = field(default_factory=list)
    held: dict[str, float] = field(default_factory=dict)


class Run:
    """One run: each method is a stage, and moves the state on."""

    def __init__(
        self, terms: Terms, seed: Candidate, splits: Splits, performer: Performer, teller: Teller
    ) -> None:
        self._terms = terms
        self._performer = performer
        self._ledger = performer.ledger
        self._tell = teller.tell
        self._state = State(seed, splits, Archive(seed, {**splits.sizes, "test": splits.test}))

    def outcome(self) -> Outcome:
        state = self._state
        self._score_seed()
        if not state.stopped:
            with self._ledger.holding(**state.held):
                self._search()
        self._tell(SearchEnded(state.stopped, self._ledger.spent))
        challenger = self._challenger()
        verdict = self._judge(challenger)
        winner = challenger if verdict is not None and verdict.accepted else state.seed
        if winner != state.seed:
            self._score(winner, "test")
        self._tell(RunEnded(winner, self._ledger.spent))
        return Outcome(
            state.seed,
            winner,
            state.archive,
            state.splits,
            self._ledger.spent,
            verdict,
            state.stopped,
            tuple(state.notes),
        )

    # The seed

    def _score_seed(self) -> None:
        """Score the seed, and hold back what scoring a winner will take: as much as the seed took."""
        state = self._state
        judged = self._measured(state.splits.judge)
        if judged is None:
            state.stopped = "the budget does not cover scoring the seed"
            return
        self._complain_of_failures()
        tested = self._measured("test") if state.splits.test else {}
        validates = getattr(self._terms.strategy, "validates", False)
        parts = [tested or {}, {} if validates or state.splits.judge == "train" else judged]
        state.held = {kind: sum(part.get(kind, 0) for part in parts) for kind in judged}

    def _measured(self, split: str) -> dict[str, float] | None:
        before, began = self._ledger.spent, self._ledger.elapsed
        if not self._score(self._state.seed, split):
            return None
        after = self._ledger.spent
        return {
            "rollouts": after.rollouts - before.rollouts,
            "calls": after.calls - before.calls,
            "tokens": (after.tokens or 0) - (before.tokens or 0),
            "dollars": (after.dollars or 0.0) - (before.dollars or 0.0),
            "seconds": self._ledger.elapsed - began,
        }

    def _complain_of_failures(self) -> None:
        state = self._state
        rollouts = state.archive.rollouts(state.seed, state.splits.judge)
        found = standing(rollouts)
        if found.scored or not rollouts:
            return
        problem = f"the seed failed on all {found.failed} examples; the first error: {rollouts[0].error}"
        if not self._terms.proposes:
            raise OptimizerError(f"{problem}. No search can compare candidates that give no score")
        state.notes.append(problem)

    # The search

    def _search(self) -> None:
        state = self._state
        sizes = state.splits.sizes
        rng = random.Random(self._terms.seed)
        steps = self._terms.strategy(state.seed, sizes["train"], sizes[state.splits.judge], rng)
        if not isinstance(steps, Generator):
            found = f"{self._terms.strategy!r} gave {steps!r}"
            raise OptimizerError(f"a strategy is a generator function: {found}")
        try:
            asked = next(steps)
            while not state.stopped:
                asked = steps.send(self._answer(asked))
        except StopIteration as end:
            state.returned = _returned(end.value)
        except _Ended:
            return
        finally:
            steps.close()

    def _answer(self, asked: Any) -> Any:
        """The results of one yield; raises _Ended, having said why, when there are none or no more."""
        state = self._state
        effects = [self._meant(effect) for effect in effects_in(asked, self._named_sizes())]
        try:
            self._ledger.reserve(steps=1)
        except BudgetExhausted as error:
            self._end(str(error))
        results = self._performer.perform(effects)
        for effect, value in zip(results.effects, results.values, strict=True):
            self._record(effect, value)
        if results.ended is not None:
            self._end(str(results.ended))
        for stopping in self._terms.stopping:
            reason = stopping.reason(state.archive, state.splits.judge)
            if reason is not None:
                self._end(reason)
        return list(results.values) if isinstance(asked, list | tuple) else results.values[0]

    def _end(self, reason: str) -> None:
        self._state.stopped = reason
        raise _Ended

    def _named_sizes(self) -> dict[str, int]:
        sizes = self._state.splits.sizes
        return {**sizes, "validation": sizes[self._state.splits.judge]}

    def _meant(self, effect: Effect) -> Effect:
        if not isinstance(effect, Evaluate):
            return effect
        return replace(effect, split=self._state.splits.of(effect.split))

    def _record(self, effect: Effect, value: Any) -> None:
        archive = self._state.archive
        if isinstance(effect, Evaluate):
            archive.record(effect, value)
            self._tell(Evaluated(effect, value, standing(value)))
        elif isinstance(effect, Consult):
            self._hear(effect, value)
        elif isinstance(value, Rejected):
            archive.reject(value)
            self._tell(CandidateRejected(effect, value))
        else:
            archive.add(value)
            self._tell(CandidateMade(effect, value))

    def _hear(self, request: Consult, advice: Advice) -> None:
        if advice.problem is not None:
            proposal = Proposal({}, reply=advice.reply, problem=advice.problem)
            self._state.archive.reject(Rejected(request.candidate.id, proposal))
        self._tell(Advised(request, advice))

    # The end

    def _challenger(self) -> Candidate:
        """What the strategy returned; when it could not, the best on validation, else on train."""
        state = self._state
        if state.returned is not None:
            return state.returned
        found: Iterable[Candidate | None] = (
            state.archive.best(state.splits.judge),
            state.archive.best("train"),
        )
        return next((best for best in found if best not in (None, state.seed)), state.seed) or state.seed

    def _judge(self, challenger: Candidate) -> Verdict | None:
        state = self._state
        if challenger == state.seed:
            return None
        if not self._score(challenger, state.splits.judge):
            state.notes.append("the challenger could not be scored on validation, so the seed stays")
            return None
        old, new = (
            state.archive.rollouts(candidate, state.splits.judge) for candidate in (state.seed, challenger)
        )
        verdict = self._terms.gate.judge(old, new)
        self._tell(Judged(challenger, verdict))
        return verdict

    def _score(self, candidate: Candidate, split: str) -> bool:
        """Whether the candidate has run on the whole split; a note says why not."""
        archive = self._state.archive
        size = archive.sizes[split]
        if size == 0 or archive.complete(candidate, split):
            return size > 0
        effect = Evaluate(candidate, split, tuple(range(size)))
        results = self._performer.perform([effect])
        if not results.values:
            self._state.notes.append(f"not scored on {split}: {results.ended}")
            return False
        self._record(effect, results.values[0])
        return True


class _Ended(Exception):  # noqa: N818 - leaves the search; never seen outside
    """The search is over; the state says why."""


def _returned(value: Any) -> Candidate:
    if not isinstance(value, Candidate):
        raise OptimizerError(f"a strategy returns a Candidate, this one returned {value!r}")
    return value
