"""Performs the effects of a strategy: who runs them, what is kept, who is told; sync and async alike."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextvars import copy_context
from dataclasses import dataclass, field

from optimizers.budget import Budget, Ledger
from optimizers.candidate import Candidate
from optimizers.driving.asking import Asking
from optimizers.driving.crew import crew_for
from optimizers.driving.events import Callback, Event, RunBroken, RunStarted, Teller
from optimizers.driving.outcome import Outcome, Splits
from optimizers.driving.performer import Performer
from optimizers.driving.run import Run, Terms
from optimizers.driving.signals import Terminated, cancellable, terminable
from optimizers.journal import Journal
from optimizers.policies.gate import Gate, Strict
from optimizers.policies.stopping import Stopping
from optimizers.roles import Evaluator, Strategy


@dataclass(frozen=True)
class Driver:
    """Performs the effects of a strategy; the same strategy, seed and data give the same outcome.

    `executor` is a number of threads, an executor, or None for eight threads; it makes no difference to
    the outcome. An async evaluator runs on an event loop instead. The workers of an executor other than a
    thread pool find the evaluator by its name, and get their jobs as JSON. What has ended is in the
    journal before anything else happens, and a run with the same journal goes on from there.
    """

    evaluate: Evaluator
    asking: Asking | None = None
    budget: Budget = field(default_factory=Budget)
    executor: Executor | int | None = None
    journal: Journal | None = None
    callbacks: Sequence[Callback | Callable[[Event], None]] = ()
    stopping: Sequence[Stopping] = ()
    gate: Gate = field(default_factory=Strict)
    seed: int = 0

    def run(self, strategy: Strategy, candidate: Candidate, splits: Splits) -> Outcome:
        """Search from this candidate. What is raised carries a note on how to resume; Ctrl-C does too.

        In the main thread SIGTERM raises Terminated, a KeyboardInterrupt, unless it has a handler already.
        """
        with terminable():
            return self._run(strategy, candidate, splits, None, _Running())

    async def arun(self, strategy: Strategy, candidate: Candidate, splits: Splits) -> Outcome:
        """`run` for an async caller: what awaits runs on the caller's loop, the rest in threads."""
        loop, running = asyncio.get_running_loop(), _Running()
        context = copy_context()
        work = loop.run_in_executor(
            None, lambda: context.run(self._run, strategy, candidate, splits, loop, running)
        )
        with cancellable(loop) as came:
            try:
                return await asyncio.shield(work)
            except asyncio.CancelledError as error:
                running.halt()
                await asyncio.wait([work])
                work.exception()
                if not came:
                    raise
                terminated = Terminated()
                terminated.add_note(_how_to_resume(self.journal))
                raise terminated from error

    def _run(
        self,
        strategy: Strategy,
        candidate: Candidate,
        splits: Splits,
        loop: asyncio.AbstractEventLoop | None,
        running: _Running,
    ) -> Outcome:
        journal = self.journal or Journal(None, {})
        ledger, teller = Ledger(self.budget, journal.elapsed), Teller(self.callbacks)
        terms = Terms(strategy, self.gate, self.stopping, self.seed, self.asking is not None)
        sizes = {**splits.sizes, "test": splits.test}
        teller.tell(RunStarted(candidate, sizes, self.budget, journal.replayed))
        try:
            with crew_for(self.evaluate, self.executor, loop) as crew:
                performer = Performer(self.evaluate, self.asking, ledger, journal, teller, crew, self.seed)
                running.begin(performer)
                return Run(terms, candidate, splits, performer, teller).outcome()
        except BaseException as error:
            error.add_note(_how_to_resume(journal))
            teller.tell(RunBroken(f"{type(error).__name__}: {error}"))
            raise


class _Running:
    """The performer of a run that another task may have to halt, perhaps before there is one."""

    def __init__(self) -> None:
        self._performer: Performer | None = None
        self._halted = False

    def begin(self, performer: Performer) -> None:
        self._performer = performer
        if self._halted:
            performer.halt()

    def halt(self) -> None:
        self._halted = True
        if self._performer is not None:
            self._performer.halt()


def _how_to_resume(journal: Journal | None) -> str:
    if journal is None or journal.path is None:
        return "Nothing of this run was kept; with a journal (fit(..., resume='run.jsonl')) it could go on."
    return f"What had ended is kept; the same call with resume={str(journal.path)!r} goes on from there."
