"""The friendly face: fit a program's parameters to data, by a metric and an optimizer."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from optimizers.budget import Budget
from optimizers.candidate import Candidate
from optimizers.driver import Driver
from optimizers.driving.asking import Asking
from optimizers.driving.events import Callback, Event
from optimizers.evaluating.dataset import digest_of_split
from optimizers.evaluating.evaluation import ProgramEvaluator
from optimizers.evaluating.subject import Subject, given_parameters
from optimizers.journal import Journal
from optimizers.policies.gate import Gate, Strict
from optimizers.policies.guard import Guard
from optimizers.policies.stopping import Stopping
from optimizers.result import Result
from optimizers.results.chronicle import Chronicle
from optimizers.roles import Chooser, Conversation, Proposer, Strategy
from optimizers.rollout import Cost
from optimizers.search import Plan, Searcher
from optimizers.strategies.gated import Gated
from optimizers.training.identity import code_of, described, name_of, versions_of
from optimizers.training.projection import REPLY_TOKENS, Projection, nobody, projected
from optimizers.training.session import Data, Session, refusing
from tracelib.errors import NoModelError, OptimizerError
from tracelib.late import resolver
from tracelib.llm.model import Model, as_model
from tracelib.sandbox.confine import Choice, Confinement, confinement_of

# Bound late, name -> "module:class": its module loads rich, which only a run that is watched needs.
LATE = {"progress": "optimizers.progress:Progress", "notebook": "optimizers.progress:notebook"}
_late = resolver(LATE)


class ProposingOptimizer(Protocol):
    """An optimizer that asks a model, such as OptoPrime: its prompt and parser, its parameters, its model."""

    @property
    def parameters(self) -> Any: ...

    @property
    def proposer(self) -> Proposer | Conversation | Chooser: ...

    @property
    def llm(self) -> Any: ...


@dataclass(frozen=True)
class Trainer:
    """Trains the parameters of a program.

    `program` is a Module, a bundle or any callable; `metric(output, expected)` says how good an output is
    (higher is better) by a number, a bool, a dict of numbers or Feedback; both may be async.
    `optimizer` is a search (`LocalSearch`, `RandomSearch`), an optimizer that asks a model (`OptoPrime`),
    or a strategy: one of this package, which asks `llm`, or a generator function of your own. `strategy` is
    how the proposals of an optimizer that asks a model are tried, `gate` what the winner must do to
    replace the values you started with, `guards` what no proposal may do. Code that a model writes runs in
    a sandbox: `sandbox` is "auto" for the strongest that works here, the name of one, or a Confinement with
    tools, packages and limits; None takes the optimizer's, "in_process" runs it here with all your rights.

    `executor` is a number of threads, or any concurrent.futures executor; results do not depend on it.
    The same seed, data and program give the same result. With `progress` None a terminal gets a bar and
    everything else gets nothing; True and False force it.
    """

    program: Callable[..., Any]
    optimizer: Searcher | ProposingOptimizer | Strategy
    metric: Callable[..., Any]
    budget: Budget | None = None
    executor: Executor | int | None = None
    callbacks: Sequence[Callback | Callable[[Event], None]] = ()
    seed: int = 0
    sandbox: Choice | None = None
    strategy: Strategy | None = None
    llm: Model | Callable[..., Any] | str | None = None
    guards: Sequence[Guard] = ()
    gate: Gate = field(default_factory=Strict)
    stopping: Sequence[Stopping] = ()
    progress: bool | None = None

    def __post_init__(self) -> None:
        for name in ("program", "metric"):
            if not callable(getattr(self, name)):
                raise OptimizerError(f"the {name} cannot be called: {getattr(self, name)!r:.200}")

    def fit(
        self,
        train: Iterable[Any],
        validation: Iterable[Any] | None = None,
        test: Iterable[Any] | None = None,
        resume: str | os.PathLike[str] | None = None,
    ) -> Result:
        """Search on `train`, judge on `validation`, report on `test`; apply the winner to the program.

        The parameters get new values only when these beat the old ones on validation. `resume` is a
        journal: finished work is kept in it, and found there when the same call is made again. Examples
        are pairs (input, expected), `Example` objects, or mappings of inputs and expected.
        """
        session = self._session(Data(train, validation, test), resume)
        with session.journal:
            return session.finish(session.driver.run(session.strategy, session.start, session.splits))

    async def afit(
        self,
        train: Iterable[Any],
        validation: Iterable[Any] | None = None,
        test: Iterable[Any] | None = None,
        resume: str | os.PathLike[str] | None = None,
    ) -> Result:
        """`fit`, to be awaited: an async program and metric run on the caller's loop."""
        session = self._session(Data(train, validation, test), resume)
        with session.journal:
            outcome = await session.driver.arun(session.strategy, session.start, session.splits)
            return session.finish(outcome)

    def project(
        self,
        train: Iterable[Any],
        validation: Iterable[Any] | None = None,
        test: Iterable[Any] | None = None,
        *,
        per_rollout: Cost | None = None,
        reply_tokens: int = REPLY_TOKENS,
    ) -> Projection:
        """What `fit` on this data would take in runs, proposals, calls, tokens and dollars; nothing is spent.

        The strategy is led through two imagined courses, in which no proposal helps, and in which each one
        does. `per_rollout` is what the program's own models use in one run, which nobody can know beforehand:
        a cost of an earlier result, such as `Cost(calls=2, tokens=900, dollars=0.0004)`.
        """
        data = Data(train, validation, test)
        try:
            session = self._session(data, None)
        except NoModelError:  # its questions can be counted all the same, only their price is unknown
            session = replace(self, llm=nobody)._session(data, None)
        return projected(session, self.budget or Budget(), per_rollout, reply_tokens)

    def _session(self, data: Data, resume: str | os.PathLike[str] | None) -> Session:
        plan = self._plan()
        subject = Subject(plan.parameters, self._confinement())
        asking = self._asking(plan, subject)
        evaluator = ProgramEvaluator(self.program, self.metric, data.examples(), subject)
        start, proposers, chronicle = subject.start(), versions_of(asking), Chronicle()
        also = {} if resume is None else code_of(self.program, self.metric)
        journal = Journal(resume, self._header(plan, evaluator, start, proposers), also)
        driver = Driver(
            evaluator,
            asking and refusing(asking, evaluator),
            self.budget or Budget(),
            self.executor,
            journal,
            [chronicle, *self.callbacks, *self._watching()],
            self.stopping,
            self.gate,
            self.seed,
        )
        return Session(driver, plan, start, evaluator, name_of(self.optimizer), proposers, chronicle, asking)

    def _header(
        self, plan: Plan, evaluator: ProgramEvaluator, start: Candidate, proposers: dict[str, str]
    ) -> dict[str, Any]:
        """What tells this run from others: a journal of another one is refused."""
        return {
            "optimizer": described(self.optimizer),
            "strategy": described(plan.strategy),
            "proposers": proposers,
            "seed": self.seed,
            "data": {split: digest_of_split(found) for split, found in evaluator.examples.items()},
            "start": start.id,
        }

    # What is to be done

    def _plan(self) -> Plan:
        optimizer: Any = self.optimizer
        if isinstance(optimizer, type):
            raise OptimizerError(f"give an object, not the class: {optimizer.__name__}(program.parameters())")
        owner = name_of(optimizer)
        if isinstance(optimizer, Searcher):
            return optimizer.plan(given_parameters(self.program, optimizer.parameters, owner))
        if hasattr(optimizer, "proposer"):
            parameters = given_parameters(self.program, optimizer.parameters, owner)
            return Plan(self.strategy or Gated(memory=getattr(optimizer, "memory_size", 0)), parameters)
        if callable(optimizer):
            return Plan(optimizer, given_parameters(self.program, None, owner))
        raise OptimizerError(
            f"{optimizer!r:.200} is no optimizer: give LocalSearch(...), RandomSearch(...), OptoPrime(...), "
            "or a generator function (seed, train, validation, rng)"
        )

    def _asking(self, plan: Plan, subject: Subject) -> Asking | None:
        """Who answers the strategy's requests: the optimizer its own, the strategy's proposers the rest."""
        optimizer: Any = self.optimizer
        made = {kind: make(plan.parameters) for kind, make in getattr(plan.strategy, "proposers", {}).items()}
        own = getattr(optimizer, "proposer", None) or made.get("")
        others = {kind: one for kind, one in made.items() if kind}
        asked = [one for one in (own, *others.values()) if one is not None]
        if not asked:
            return None
        if subject.has_code and subject.confinement is not None:
            _ = subject.confinement.runner  # raises before a model is paid for code that could not be run
        model = None if all(isinstance(one, Chooser) for one in asked) else self._model()
        return Asking(own, model, subject.check, others, self.guards)

    def _confinement(self) -> Confinement | None:
        """Where proposed code runs; the variants of a search are the user's own, and run as that."""
        if isinstance(self.optimizer, Searcher):
            return None
        if self.sandbox is not None:
            return confinement_of(self.sandbox)
        return getattr(self.optimizer, "confinement", None) or Confinement()

    def _model(self) -> Model:
        return as_model(self.llm) if self.llm is not None else as_model(getattr(self.optimizer, "llm", None))

    def _watching(self) -> list[Callback]:
        shown = sys.stderr.isatty() or ("IPython" in sys.modules and _late("notebook")() is not None)
        return [_late("progress")()] if (shown if self.progress is None else self.progress) else []
