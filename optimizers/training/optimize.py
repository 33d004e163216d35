"""The one-line door: improve a program, a text or a config on examples by a metric."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from os import PathLike
from typing import Any, TypedDict, Unpack

from optimizers.budget import Budget
from optimizers.driving.events import Callback, Event
from optimizers.evaluating.dataset import Example
from optimizers.evaluating.subject import given_parameters
from optimizers.optoprime import OptoPrime
from optimizers.policies.gate import Gate
from optimizers.policies.guard import Guard
from optimizers.policies.stopping import Stopping
from optimizers.result import Result
from optimizers.roles import Strategy
from optimizers.search import LocalSearch, Searcher, spaces_of
from optimizers.strategies.credit import Credit
from optimizers.trainer import Trainer
from optimizers.training.anything import cases, held
from tracelib.errors import OptimizerError
from tracelib.graph.parameter import Parameter
from tracelib.llm.model import Model
from tracelib.sandbox.confine import Choice


class Choices(TypedDict, total=False):
    """What else may be chosen, with the meaning it has for a `Trainer` and its `fit`."""

    validation: Iterable[Any] | None
    test: Iterable[Any] | None
    resume: str | PathLike[str] | None
    budget: Budget | None
    executor: Executor | int | None
    callbacks: Sequence[Callback | Callable[[Event], None]]
    seed: int
    sandbox: Choice | None
    guards: Sequence[Guard]
    gate: Gate
    stopping: Sequence[Stopping]
    progress: bool | None


DATA = ("validation", "test", "resume")


def optimize(
    what: Any,
    examples: Iterable[Any] | None = None,
    metric: Callable[..., Any] | None = None,
    *,
    llm: Model | Callable[..., Any] | str | None = None,
    objective: str | None = None,
    strategy: Strategy | Searcher | None = None,
    **choices: Unpack[Choices],
) -> Result:
    """Better values for a program's parameters, or a better text or config; `result.best` has them by path.

    A program is run on examples, and `metric(output, expected)` judges its output, as `Trainer` has it. A
    text, a dict or a list of JSON values, or a parameter, is itself what is judged:
    `metric(value)`, and with examples `metric(value, example)` for each of them. The text's path is
    "text", those of a dict its keys; entries of a dict may be parameters with a constraint. None as
    `what` begins with an empty text, and the `objective` has to say what is wanted.

    Without a `strategy` and an `llm`, parameters that all have a space of values are searched by
    LocalSearch; else a model is asked, OptoPrime's questions within the `Credit` strategy.

        result = optimize("Answer briefly.", tickets, judge, llm="gpt-4o-mini")
        result.best["text"]
    """
    if metric is None:
        raise OptimizerError("optimize needs a metric: metric(output, expected), or metric(value, example)")
    if what is None and not objective:
        raise OptimizerError("there is nothing to begin with: give a text, or an objective that says more")
    own = callable(what) and not isinstance(what, Parameter)
    program = what if own else held("" if what is None else what, objective)
    prepared = (lambda data: data) if own else cases
    given: dict[str, Any] = dict(choices)
    splits = {split: given.pop(split, None) for split in DATA}
    optimizer, search = _optimizer(program, strategy, llm, objective, given)
    trainer = Trainer(program, optimizer, metric, strategy=search, llm=llm, **given)
    result = trainer.fit(
        _train(program, examples) if own else cases(examples),
        validation=None if splits["validation"] is None else prepared(splits["validation"]),
        test=None if splits["test"] is None else prepared(splits["test"]),
        resume=splits["resume"],
    )
    return result if own else replace(result, programs={})


def _train(program: Any, examples: Iterable[Any] | None) -> Iterable[Any]:
    """The examples; a program that needs no arguments is run as it is, once, where there are none."""
    if examples is not None:
        return examples
    try:
        inspect.signature(program).bind()
    except (TypeError, ValueError) as error:
        raise OptimizerError(
            f"{program!r:.200} is a program that needs arguments ({error}): give examples to run it on"
        ) from error
    return [Example()]


def _optimizer(
    program: Any,
    strategy: Strategy | Searcher | None,
    llm: Any,
    objective: str | None,
    choices: Mapping[str, Any],
) -> tuple[Any, Strategy | None]:
    """Who proposes, and how its proposals are tried; a search of its own has no strategy besides."""
    if isinstance(strategy, Searcher):
        return strategy, None
    parameters = given_parameters(program, None, "optimize")
    if strategy is None and llm is None and not spaces_of(parameters)[1]:
        return LocalSearch(parameters), None
    sandbox = choices.get("sandbox") or "auto"
    return OptoPrime(parameters, llm, objective, sandbox=sandbox), strategy or Credit()
