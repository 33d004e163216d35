"""The friendly face: fit a program's parameters to data, by a metric and an optimizer."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Protocol, TypeAlias

from optimizers.budget import Budget
from optimizers.candidate import Candidate, Proposal
from optimizers.conversation import talk_of
from optimizers.driver import Driver
from optimizers.driving.asking import Asking
from optimizers.driving.events import Callback, Event
from optimizers.driving.outcome import Outcome, Splits
from optimizers.effects import Propose
from optimizers.evaluating.dataset import Example, digest_of_split, examples_of
from optimizers.evaluating.evaluation import ProgramEvaluator
from optimizers.evaluating.subject import Subject, given_parameters, home_of
from optimizers.evidence.display import shown
from optimizers.journal import Journal
from optimizers.policies.gate import Gate, Strict
from optimizers.policies.guard import Guard
from optimizers.policies.stopping import Stopping
from optimizers.result import Result, result_of
from optimizers.roles import Check, Chooser, Conversation, Proposer, Strategy, Talk
from optimizers.search import Plan, Searcher
from optimizers.strategies.gated import Gated
from tracelib.errors import OptimizerError
from tracelib.late import resolver
from tracelib.llm.model import Model, as_model

# Bound late, name -> "module:class": its module loads rich, which only a run that is watched needs.
LATE = {"progress": "optimizers.progress:Progress"}
_late = resolver(LATE)

Examples: TypeAlias = dict[str, tuple[Example, ...]]


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
    replace the values you started with, `guards` what no proposal may do.

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
    allow_code_execution: bool = False
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
        session = self._session(train, validation, test, resume)
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
        session = self._session(train, validation, test, resume)
        with session.journal:
            outcome = await session.driver.arun(session.strategy, session.start, session.splits)
            return session.finish(outcome)

    def _session(self, train: Any, validation: Any, test: Any, resume: Any) -> _Session:
        plan = self._plan()
        subject = Subject(plan.parameters)
        asking = self._asking(plan, subject)
        examples = _splits_of(train, validation, test)
        evaluator = ProgramEvaluator(self.program, self.metric, examples, subject)
        start = subject.start()
        journal = Journal(resume, self._header(plan, examples, start))
        driver = Driver(
            evaluator,
            asking and _refusing(asking, evaluator),
            self.budget or Budget(),
            self.executor,
            journal,
            [*self.callbacks, *self._watching()],
            self.stopping,
            self.gate,
            self.seed,
        )
        return _Session(driver, plan, subject, start, journal, evaluator, _name_of(self.optimizer))

    def _header(self, plan: Plan, examples: Examples, start: Candidate) -> dict[str, Any]:
        """What tells this run from others: a journal of another one is refused."""
        return {
            "optimizer": _described(self.optimizer),
            "strategy": _described(plan.strategy),
            "seed": self.seed,
            "data": {split: digest_of_split(found) for split, found in examples.items()},
            "start": start.id,
        }

    # What is to be done

    def _plan(self) -> Plan:
        optimizer: Any = self.optimizer
        if isinstance(optimizer, type):
            raise OptimizerError(f"give an object, not the class: {optimizer.__name__}(program.parameters())")
        owner = _name_of(optimizer)
        if isinstance(optimizer, Searcher):
            return optimizer.plan(given_parameters(self.program, optimizer.parameters, owner))
        if hasattr(optimizer, "proposer"):
            parameters = given_parameters(self.program, optimizer.parameters, owner)
            return Plan(self.strategy or _gated(optimizer), parameters)
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
        allowed = self.allow_code_execution or getattr(optimizer, "allow_code_execution", False)
        subject.refuse_code(allowed, _name_of(optimizer))
        model = None if all(isinstance(one, Chooser) for one in asked) else self._model()
        return Asking(own, model, subject.check, others, self.guards)

    def _model(self) -> Model:
        return as_model(self.llm) if self.llm is not None else as_model(getattr(self.optimizer, "llm", None))

    def _watching(self) -> list[Callback]:
        wanted = sys.stderr.isatty() if self.progress is None else self.progress
        return [_late("progress")()] if wanted else []


@dataclass(frozen=True)
class _Session:
    """One call of `fit`: everything that is settled before the first run."""

    driver: Driver
    plan: Plan
    subject: Subject
    start: Candidate
    journal: Journal
    evaluator: ProgramEvaluator
    by: str

    @property
    def splits(self) -> Splits:
        sizes = {split: len(found) for split, found in self.evaluator.examples.items()}
        return Splits(sizes["train"], sizes.get("validation"), sizes.get("test", 0))

    @property
    def strategy(self) -> Strategy:
        return self.plan.strategy

    def finish(self, outcome: Outcome) -> Result:
        """Apply the winner, and tell what happened."""
        updates = self.subject.apply(outcome.seed, outcome.winner, self.by, outcome.score)
        path = None if self.journal.path is None else str(self.journal.path)
        home = home_of(self.evaluator.program)
        programs = {name: one.program or home for name, one in self.subject.parameters.items()}
        return result_of(outcome, (*self.plan.notes, *self._notes(outcome)), path, updates, programs)

    def _notes(self, outcome: Outcome) -> list[str]:
        flattered = "there is no validation split: candidates were judged on train, which flatters them"
        idle = (
            "no proposal was asked for: every minibatch had the perfect score already "
            "(strategy=Gated(perfect=None) asks all the same)"
        )
        asked = outcome.spent.proposals > 0 or self.driver.asking is None or outcome.stopped
        unreached = self.evaluator.why_unreached().items()
        return [
            *([flattered] if self.splits.validation is None else []),
            *([] if asked else [idle]),
            *(f"feedback did not reach {path}: {reason}" for path, reason in unreached),
        ]


@dataclass(frozen=True)
class _Reached:
    """A proposer that refuses, before a model is paid, to ask about runs that no parameter took part in."""

    proposer: Proposer | Conversation
    evaluator: ProgramEvaluator

    def converse(self, request: Propose, check: Check) -> Talk[Proposal]:
        seen = [rollout.evidence for rollout in request.evidence if rollout.evidence is not None]
        if request.evidence and not any(evidence.variables for evidence in seen):
            raise OptimizerError(self._why(bool(seen)))
        return (yield from talk_of(self.proposer, request, check))

    def _why(self, recorded: bool) -> str:
        if not recorded:
            return (
                "the program's output was not recorded, so there is nothing to show a model: return what a "
                "bundle or an operation on nodes gave, not its .data"
            )
        reasons = "; ".join(f"{path}: {reason}" for path, reason in self.evaluator.why_unreached().items())
        return f"the feedback reaches no parameter, so no model was asked. {reasons}"


def _splits_of(train: Any, validation: Any, test: Any) -> Examples:
    given = {"train": train, "validation": validation, "test": test}
    return {
        split: examples_of(data, split)
        for split, data in given.items()
        if data is not None or split == "train"
    }


def _refusing(asking: Asking, evaluator: ProgramEvaluator) -> Asking:
    if not isinstance(asking.proposer, Proposer | Conversation):
        return asking
    return replace(asking, proposer=_Reached(asking.proposer, evaluator))


def _gated(optimizer: Any) -> Gated:
    return Gated(memory=getattr(optimizer, "memory_size", 0))


def _name_of(optimizer: Any) -> str:
    return getattr(optimizer, "__name__", None) or type(optimizer).__name__


def _described(thing: Any) -> str:
    """A text that tells settings apart, the same in every process; parameters and models are left out."""
    if isinstance(thing, type) or not is_dataclass(thing):
        kind = thing if hasattr(thing, "__qualname__") else type(thing)
        return f"{kind.__module__}:{kind.__qualname__}"
    settings = {each.name: getattr(thing, each.name) for each in fields(thing) if each.name != "parameters"}
    said = ", ".join(f"{name}={shown(_plain(value), 400)}" for name, value in settings.items())
    return f"{type(thing).__qualname__}({said})"


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _described(value)
    if isinstance(value, Mapping):
        return {str(getattr(key, "name", key)): _plain(item) for key, item in value.items()}
    return value
