"""Which workers do the work of a run: threads, the event loop, or other processes; chosen once per run."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from optimizers.driving.asking import Asking
from optimizers.driving.executors import Processes
from optimizers.driving.parcels import parcel_of, rollouts_of, run_parcel
from optimizers.driving.performer import Performer, Step, drive
from optimizers.driving.workers import (
    Loop,
    Threads,
    in_tasks,
    in_threads,
    loop_in_thread,
    pool_of,
    shares_memory,
)
from optimizers.effects import Job, Request
from optimizers.roles import Evaluator, Messages
from tracelib.errors import OptimizerError
from tracelib.llm.model import Model
from tracelib.llm.reply import Reply

# A chunk sent to another process should take about this long: less, and sending it costs more than it does.
CHUNK_SECONDS = 0.02


class Roller(Protocol):
    """Runs the jobs of a step."""

    def roll(self, performer: Performer, step: Step, jobs: Sequence[Job]) -> list[Future[Any]]: ...


@dataclass(frozen=True)
class Crew:
    """Who runs rollouts, and who asks the model."""

    roller: Roller
    asker: InThreads | InLoop

    def rollouts(self, performer: Performer, step: Step, jobs: Sequence[Job]) -> list[Future[Any]]:
        return self.roller.roll(performer, step, jobs)

    def proposals(self, performer: Performer, step: Step, asked: Sequence[Request]) -> list[Future[Any]]:
        return self.asker.propose(performer, step, asked)

    async def ask(self, asking: Asking, questions: list[Messages]) -> list[Reply]:
        if asking.model is None:
            raise OptimizerError("this proposer asks a model, and the run has none")
        return await self.asker.ask(asking.model, questions)


@dataclass(frozen=True)
class InThreads:
    """Work that does not await, in threads of this process."""

    threads: Threads

    def roll(self, performer: Performer, step: Step, jobs: Sequence[Job]) -> list[Future[Any]]:
        return self.threads.start(lambda job: drive(performer.roll(step, job)), jobs, step.stop)

    def propose(self, performer: Performer, step: Step, asked: Sequence[Request]) -> list[Future[Any]]:
        return self.threads.start(lambda one: drive(performer.propose(step, one)), asked, step.stop)

    async def ask(self, model: Model, questions: list[Messages]) -> list[Reply]:
        return in_threads(model.ask, questions, self.threads.workers)


@dataclass(frozen=True)
class InLoop:
    """Work that awaits, as tasks of one event loop."""

    loop: Loop

    def roll(self, performer: Performer, step: Step, jobs: Sequence[Job]) -> list[Future[Any]]:
        return self.loop.start(partial(performer.roll, step), jobs, step.stop)

    def propose(self, performer: Performer, step: Step, asked: Sequence[Request]) -> list[Future[Any]]:
        return self.loop.start(partial(performer.propose, step), asked, step.stop)

    async def ask(self, model: Model, questions: list[Messages]) -> list[Reply]:
        return await in_tasks(model.aask, questions)


@dataclass
class InProcesses:
    """Rollouts in an executor whose workers do not share our memory; jobs go there as parcels.

    Each thread of ours waits for one parcel, so that nothing is queued that the deadline should still
    stop. Model calls made there are counted when its answer is back.
    """

    executor: Executor
    threads: Threads
    workers: int
    _seconds: float = 0.0
    _ended: int = 0

    def roll(self, performer: Performer, step: Step, jobs: Sequence[Job]) -> list[Future[Any]]:
        size = self._chunk(len(jobs))
        chunks = [jobs[first : first + size] for first in range(0, len(jobs), size)]
        return self.threads.start(partial(self._send, performer, step), chunks, step.stop)

    def _chunk(self, jobs: int) -> int:
        if not self._ended:
            return 1
        fitting = CHUNK_SECONDS * self._ended / max(self._seconds, 1e-9)
        return max(1, min(int(fitting), jobs // self.workers))

    def _send(self, performer: Performer, step: Step, chunk: Sequence[Job]) -> None:
        jobs = [job for job in chunk if performer.admitted(step, job.key)]
        if not jobs:
            return
        parcel = parcel_of(performer.evaluate, jobs, performer.ledger.budget.counts_models)
        for job, rollout in zip(jobs, rollouts_of(self._answer(parcel)), strict=True):
            performer.ledger.charge(rollout.cost)
            performer.keep(step, job, rollout)
            self._seconds += rollout.cost.seconds
            self._ended += 1

    def _answer(self, parcel: str) -> str:
        try:
            if isinstance(self.executor, Processes):
                return self.executor.result_of(run_parcel, parcel)
            return self.executor.submit(run_parcel, parcel).result()
        except BrokenExecutor as error:
            raise OptimizerError(f"a worker process died ({error}); what had ended is kept") from error
        except Exception as error:  # a parcel's own failures are in its answer: this is the executor's
            raise OptimizerError(
                f"the executor gave {type(error).__name__}: {error}; what had ended is kept"
            ) from error


@contextmanager
def crew_for(
    evaluate: Evaluator, executor: Executor | int | None, loop: asyncio.AbstractEventLoop | None
) -> Iterator[Crew]:
    """The workers of one run; `loop` is the running loop of an async caller, None for a plain one."""
    with ExitStack() as stack:
        pool, workers = stack.enter_context(pool_of(executor))
        shared = shares_memory(pool)
        local = pool if shared else stack.enter_context(pool_of(workers))[0]
        threads = Threads(local, workers)
        asker = InThreads(threads) if loop is None else InLoop(Loop(loop, workers))
        if not shared:
            yield Crew(InProcesses(pool, threads, workers), asker)
        elif is_async(evaluate):
            home = loop or stack.enter_context(loop_in_thread())
            yield Crew(InLoop(Loop(home, workers)), asker)
        else:
            yield Crew(InThreads(threads), asker)


def is_async(function: Any) -> bool:
    """Whether calling it gives something to await, as far as its definition says.

    Looked at are functions, partials, bundles, and the `__call__` or `forward` of objects.
    """
    while isinstance(function, partial):
        function = function.func
    declared = getattr(function, "is_async", None)
    if isinstance(declared, bool):
        return declared
    inside = (getattr(function, name, None) for name in ("__call__", "forward", "fn"))
    return any(inspect.iscoroutinefunction(one) for one in (function, *inside))
