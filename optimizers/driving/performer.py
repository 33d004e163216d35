"""Performs effects: what is known is taken, the rest is reserved, run by the workers, and kept.

One list of effects is one step, with one barrier at its end. Results come back in the order asked for,
whoever ran them and whenever they ended.
"""

from __future__ import annotations

import inspect
import threading
import time
from collections import Counter
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any, Protocol, TypeVar

from optimizers.budget import Ledger
from optimizers.driving.asking import Asking, Made, made_from_json, made_to_json
from optimizers.driving.door import Meter
from optimizers.driving.events import RolloutDone, Teller
from optimizers.driving.workers import Stop, finish
from optimizers.effects import Consult, Effect, Evaluate, Job, Propose, Request
from optimizers.journal import Journal
from optimizers.roles import Evaluator, Messages
from optimizers.rollout import Cost, Rollout
from tracelib.errors import BudgetExhausted, OptimizerError
from tracelib.llm.guard import guarded
from tracelib.llm.reply import Reply

T = TypeVar("T")


class Workers(Protocol):
    """Who runs the work of a step; gives futures that end when the work has."""

    def rollouts(self, performer: Performer, step: Step, jobs: Sequence[Job]) -> list[Future[Any]]: ...
    def proposals(self, performer: Performer, step: Step, asked: Sequence[Request]) -> list[Future[Any]]: ...
    async def ask(self, asking: Asking, questions: list[Messages]) -> list[Reply]: ...


@dataclass
class Step:
    """One list of effects on its way: what was planned, what came of it, and why it was cut short.

    `planned` are the effects that the budget covers, the first of those asked for.
    """

    planned: list[Effect] = field(default_factory=list)
    jobs: dict[str, Job] = field(default_factory=dict)
    asked: dict[str, Request] = field(default_factory=dict)
    rollouts: dict[str, Rollout] = field(default_factory=dict)
    made: dict[str, Made] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)
    uncovered: BudgetExhausted | None = None
    refusal: Exception | None = None
    stop: Stop = field(default_factory=Stop)
    running: list[Future[Any]] = field(default_factory=list)

    def refuse(self, error: Exception) -> None:
        """Start nothing more in this step; the first reason is kept."""
        self.refusal = self.refusal or error
        self.stop.set()

    def give_up(self) -> None:
        """Start nothing more, and cancel what can be cancelled: tasks of an event loop."""
        self.stop.set()
        for future in self.running:
            future.cancel()


@dataclass(frozen=True)
class Results:
    """What a step gave, for the first of its effects; `ended` says why the others were not performed.

    A step that was cut short while it ran gives nothing: which of its parts had ended depends on the
    schedule. What had ended is in the journal.
    """

    effects: tuple[Effect, ...]
    values: tuple[Any, ...]
    ended: BudgetExhausted | None = None


class Performer:
    """Knows what was done in this run, and does what was not."""

    def __init__(
        self,
        evaluate: Evaluator,
        asking: Asking | None,
        ledger: Ledger,
        journal: Journal,
        teller: Teller,
        crew: Workers,
        seed: int,
    ) -> None:
        self.evaluate = evaluate
        self.ledger = ledger
        self._asking = asking
        self._journal = journal
        self._teller = teller
        self._crew = crew
        self._seed = seed
        self._rollouts: dict[str, Rollout] = {}
        self._made: dict[str, Made] = {}
        self._tries: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._step = Step()
        self._halted = False

    def halt(self) -> None:
        """Start nothing more, from any thread; the step that runs is given up."""
        self._halted = True
        self._step.give_up()

    def perform(self, effects: Sequence[Effect]) -> Results:
        """The results of these effects in order; of the first ones only, when the budget ends."""
        step = self._step = Step()
        self._plan(step, effects)
        if step.refusal is None and not self._halted:
            self._run(step)
        self._release(step)
        return self._results(step)

    # What to do

    def _plan(self, step: Step, effects: Sequence[Effect]) -> None:
        for effect in effects:
            try:
                self._cover(step, effect)
            except BudgetExhausted as error:
                step.uncovered = error
                return
            if step.refusal is not None:
                return
            step.planned.append(effect)

    def _cover(self, step: Step, effect: Effect) -> None:
        """Reserve what the effect needs beyond what is known; raises BudgetExhausted."""
        if isinstance(effect, Evaluate):
            fresh = {job.key: job for job in effect.jobs if not self._known(step, job)}
            self.ledger.reserve(rollouts=len(fresh))
            for job in fresh.values():
                self._replay_rollout(step, job)
        elif effect.key not in self._made and effect.key not in step.asked and effect.key not in step.made:
            self.ledger.reserve(proposals=_proposals([effect]))
            self._replay_proposal(step, effect)

    def _known(self, step: Step, job: Job) -> bool:
        return job.key in step.jobs or job.key in step.rollouts or self._cached(job) is not None

    def _cached(self, job: Job) -> Rollout | None:
        found = self._rollouts.get(job.key)
        if found is None and not job.evidence:
            found = self._rollouts.get(replace(job, evidence=True).key)
        return found if found is None or job.evidence else replace(found, evidence=None)

    def _replay_rollout(self, step: Step, job: Job) -> None:
        kept = self._journal.take("rollout", job.key)
        if kept is None:
            step.jobs[job.key] = job
            return
        rollout = Rollout.from_json(kept)
        self._tries[job.key] += 1
        self._charge(step, rollout.cost)
        step.begun.add(job.key)
        step.rollouts[job.key] = rollout
        self._teller.tell(RolloutDone(job, rollout, self.ledger.spent))

    def _replay_proposal(self, step: Step, request: Request) -> None:
        kept = self._journal.take("proposal", request.key)
        if kept is None:
            step.asked[request.key] = request
            return
        self._charge(step, Cost.from_json(kept["cost"]))
        step.made[request.key] = made_from_json(kept["made"])

    def _charge(self, step: Step, cost: Cost) -> None:
        try:
            self.ledger.charge(cost)
        except BudgetExhausted as error:
            step.refuse(error)

    # Doing it

    def _run(self, step: Step) -> None:
        step.running += self._crew.proposals(self, step, list(step.asked.values()))
        step.running += self._crew.rollouts(self, step, list(step.jobs.values()))
        if self._halted:
            step.give_up()
        finish(step.running, step.stop)

    async def roll(self, step: Step, job: Job) -> None:
        """Run one job and keep its rollout, unless the budget refuses it or a part of it."""
        if not self.admitted(step, job.key):
            return
        meter = self._meter(job.key)
        began = time.perf_counter()
        with guarded(meter):
            rollout = await self._evaluated(job)
        cost = replace(meter.cost, seconds=time.perf_counter() - began)
        self._settle(step, job, replace(rollout, cost=cost), meter)

    def admitted(self, step: Step, key: str) -> bool:
        """Whether a job or a proposal may start now."""
        try:
            self.ledger.check_deadline()
        except BudgetExhausted as error:
            step.refuse(error)
            return False
        step.begun.add(key)
        return True

    async def _evaluated(self, job: Job) -> Rollout:
        try:
            rollout = self.evaluate(job)
            return sound(job, await rollout if inspect.isawaitable(rollout) else rollout)
        except Exception as error:
            return job.failure(f"{type(error).__name__}: {error}")

    def _settle(self, step: Step, job: Job, rollout: Rollout, meter: Meter) -> None:
        refusal = meter.refusal or (meter.hopeless if rollout.failed else None)
        if refusal is not None:
            step.refuse(refusal)
            return
        self.keep(step, job, rollout)

    def keep(self, step: Step, job: Job, rollout: Rollout) -> None:
        """A rollout that ended: into the journal, then among the results."""
        with self._lock:
            self._tries[job.key] += 1
            self._journal.append("rollout", job.key, rollout.to_json(), self.ledger.elapsed)
            step.rollouts[job.key] = rollout
        self._teller.tell(RolloutDone(job, rollout, self.ledger.spent))

    async def propose(self, step: Step, request: Request) -> None:
        """Answer one request and keep what came of it, unless the budget refuses a part of it."""
        if self._asking is None:
            raise OptimizerError("the strategy asks for proposals, and this run has no proposer")
        if not self.admitted(step, request.key):
            return
        asking = self._asking
        meter = self._meter(request.key)

        async def ask(questions: list[Messages]) -> list[Reply]:
            return await self._crew.ask(asking, questions)

        with guarded(meter):
            made = await self._made_by(asking, request, ask, meter)
        refusal = meter.refusal or meter.hopeless
        if refusal is not None or made is None:
            step.refuse(refusal or OptimizerError("a proposal ended without a result"))
            return
        self._keep_made(step, request, made, meter.cost)

    async def _made_by(self, asking: Asking, request: Request, ask: Any, meter: Meter) -> Made | None:
        try:
            return await asking.make(request, ask, self._seed)
        except Exception as error:
            if meter.refusal is None:
                raise
            del error
            return None

    def _keep_made(self, step: Step, request: Request, made: Made, cost: Cost) -> None:
        value = {"made": made_to_json(made), "cost": cost.to_json()}
        with self._lock:
            self._journal.append("proposal", request.key, value, self.ledger.elapsed)
            step.made[request.key] = made

    def _meter(self, key: str) -> Meter:
        return Meter(self.ledger, self._journal, f"{key}#{self._tries[key]}")

    # What came of it

    def _release(self, step: Step) -> None:
        jobs = sum(key not in step.begun for key in step.jobs)
        asked = _proposals(request for key, request in step.asked.items() if key not in step.begun)
        self.ledger.release(rollouts=jobs, proposals=asked)

    def _results(self, step: Step) -> Results:
        if self._halted:
            raise OptimizerError("the run was stopped")
        if step.refusal is not None:
            if not isinstance(step.refusal, BudgetExhausted):
                raise step.refusal
            return Results((), (), step.refusal)
        self._made.update(step.made)
        # A failure is not taken for the next time: it may have been the network's.
        self._rollouts.update({key: done for key, done in step.rollouts.items() if not done.failed})
        values = tuple(self._value(step, effect) for effect in step.planned)
        return Results(tuple(step.planned), values, step.uncovered)

    def _value(self, step: Step, effect: Effect) -> Any:
        if isinstance(effect, Evaluate):
            return tuple(self._rollout(step, job) for job in effect.jobs)
        return self._made[effect.key]

    def _rollout(self, step: Step, job: Job) -> Rollout:
        found = step.rollouts.get(job.key) or self._cached(job)
        if found is None:
            raise OptimizerError(f"example {job.example} of {job.split} ended without a result")
        return found


def _proposals(requests: Iterable[Request]) -> int:
    """How many of these count as proposals: advice does not."""
    return sum(isinstance(request, Propose) for request in requests)


def sound(job: Job, rollout: Any) -> Rollout:
    """The rollout, when it is one of this job with a finite score; else the failure it amounts to."""
    if not isinstance(rollout, Rollout):
        return job.failure(f"the evaluator returned {type(rollout).__name__}, not a Rollout")
    if rollout.score is not None and not isfinite(rollout.score):
        return replace(rollout, score=None, error=f"the score is {rollout.score}, not a number")
    return replace(rollout, example=job.example, split=job.split, replicate=job.replicate)


def drive(steps: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits for a loop: one whose parts are all synchronous."""
    try:
        steps.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    steps.close()
    raise OptimizerError("a synchronous evaluator returned something to await; declare it with `async def`")


def effects_in(asked: Any, sizes: Mapping[str, int]) -> list[Effect]:
    """What a strategy yielded as a list of effects, checked against the splits it may use."""
    effects = list(asked) if isinstance(asked, list | tuple) else [asked]
    for effect in effects:
        if not isinstance(effect, Evaluate | Propose | Consult):
            raise OptimizerError(
                f"a strategy yields Evaluate, Propose and Consult, or lists of them, not {effect!r}"
            )
        if isinstance(effect, Evaluate):
            _check_ids(effect, sizes)
    return effects


def _check_ids(effect: Evaluate, sizes: Mapping[str, int]) -> None:
    if effect.split not in sizes:
        raise OptimizerError(
            f"a strategy may evaluate on {', '.join(sizes)}, not on {effect.split!r}; "
            "the test split is held out until the search is over"
        )
    size = sizes[effect.split]
    outside = [example for example in effect.ids if not 0 <= example < size]
    if outside:
        raise OptimizerError(f"{effect.split} has {size} examples, there is no number {outside[0]}")
