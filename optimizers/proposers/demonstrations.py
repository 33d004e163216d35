"""Demonstrations: examples for a list-valued parameter, from calls that went well; no model is asked."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

from optimizers.candidate import Proposal, canonical
from optimizers.effects import Propose
from optimizers.evidence.display import plain
from optimizers.evidence.evidence import Evidence
from optimizers.proposers.literal import Unreadable, is_opaque, value_in
from optimizers.proposers.texts import version_of
from optimizers.proposers.uses import Use, uses_of
from optimizers.rollout import Rollout
from tracelib.errors import ConstraintError, OptimizerError, StateError
from tracelib.graph.constraint import decode
from tracelib.graph.parameter import Parameter

Form: TypeAlias = Callable[[Mapping[str, Any], Any], Any]
"""Makes one item of the list from what a call was given and what it gave."""


def flat(given: Mapping[str, Any], gave: Any) -> Any:
    """What a call was given, by argument, and beside it what it gave, as `output`."""
    return {**given, "output": gave}


@dataclass(frozen=True)
class Demonstrations:
    """Bootstrapped few-shot examples, as BootstrapFewShot of DSPy (Khattab et al. 2023, arXiv 2310.03714).

    From each run of the evidence whose score is at least `threshold`, each call that used the parameter is
    a demonstration: its other arguments, less other parameters and objects such as clients, and its
    result. One that was not recorded whole, or that the parameter would not take as an item, is passed
    over. Where the call only puts a text together that another call asks a model, `result` "run" takes what
    the program gave.

    At most `bootstrapped` of these are kept. Behind them stand given `examples`, items as the parameter
    holds them, until there are `labelled` in all. The request with `nth` 0 takes the first ones in order,
    each other a random number of them at random, as random search over demonstrations wants.
    """

    parameters: Mapping[str, Parameter[Any]]
    threshold: float = 1.0
    bootstrapped: int = 4
    labelled: int = 16
    examples: Sequence[Any] = ()
    form: Form = flat
    result: Literal["call", "run"] = "call"

    tag: ClassVar[str] = "demonstrations"

    @property
    def version(self) -> str:
        return version_of(self)

    def choose(self, request: Propose, rng: random.Random) -> Proposal:
        """New lists for the list-valued parameters; a problem where no call serves."""
        names = [
            name for name in request.names or request.candidate.values if self._holds_list(name, request)
        ]
        if not names:
            raise OptimizerError(
                "demonstrations fill parameters that hold a list, and there is none among "
                f"{', '.join(request.names or request.candidate.values)}: make one with "
                "node([], trainable=True) and give it to the call that asks the model."
            )
        good = [one for one in request.evidence if one.score is not None and one.score >= self.threshold]
        found = {name: _taken(self._items(name, good), self.bootstrapped, request.nth, rng) for name in names}
        values = {name: [*items, *self._labelled(items, request.nth, rng)] for name, items in found.items()}
        values = {name: items for name, items in values.items() if items}
        if not values:
            return Proposal({}, problem=self._why_nothing(request, good))
        counts = ", ".join(f"{len(found[name])} for {name}" for name in values)
        runs = f"{len(good)} good run{'s' * (len(good) != 1)}"
        return Proposal(values, f"demonstrations from {runs}: {counts}")

    def _items(self, name: str, rollouts: Sequence[Rollout]) -> list[Any]:
        """Every demonstration of a parameter, each once, in the order of the runs."""
        found: dict[str, Any] = {}
        for evidence in (one.evidence for one in rollouts if one.evidence is not None):
            for use in uses_of(evidence, [name]):
                item = self._item(name, use, evidence)
                if item is not None:
                    found.setdefault(canonical(item), item)
        return list(found.values())

    def _item(self, name: str, use: Use, evidence: Evidence) -> Any:
        """The call as an item of the list; None where it cannot be one."""
        variables = {one.name for one in evidence.variables}
        sources = dict(use.line.arguments)
        results = [one.text for one in evidence.outputs[:1]] if self.result == "run" else [use.result]
        if use.line.failed or not results or results[0] is None:
            return None
        try:
            given = {
                at: value_in(text)
                for at, text in use.given
                if sources[at] not in variables and not is_opaque(text)
            }
            item = plain(self.form(given, value_in(results[0])))
            if name in self.parameters:
                decode(self.parameters[name], [item])
        except (Unreadable, StateError, ConstraintError):
            return None
        return item

    def _labelled(self, items: list[Any], nth: int, rng: random.Random) -> list[Any]:
        """The given examples that go behind the demonstrations, none that is among them."""
        known = {canonical(item) for item in items}
        others = [item for item in self.examples if canonical(item) not in known]
        return _taken(others, max(0, self.labelled - len(items)), nth, rng)

    def _holds_list(self, name: str, request: Propose) -> bool:
        return isinstance(request.candidate.values[name], list)

    def _why_nothing(self, request: Propose, good: Sequence[Rollout]) -> str:
        if not request.evidence:
            return "there is no run to take demonstrations from"
        if not good:
            runs = len(request.evidence)
            return f"none of {runs} runs scored {self.threshold:g} or more, so there is nothing to show"
        return (
            f"in {len(good)} good runs no call used the parameter whose inputs and result were recorded "
            "whole and which fits as an item of it"
        )


def _taken(items: list[Any], most: int, nth: int, rng: random.Random) -> list[Any]:
    """The first ones, or at random from one to all that may be."""
    most = min(most, len(items))
    if nth == 0 or most == 0:
        return items[:most]
    return rng.sample(items, rng.randint(1, most))
