"""Optimizers that ask no model: a search over the spaces of parameters, as the trainer takes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, runtime_checkable

from optimizers.evidence.naming import value_of
from optimizers.policies.space import NoSpace, Space, space_of, variants_space
from optimizers.roles import Strategy
from optimizers.strategies.local_search import LocalSearching
from optimizers.strategies.random_search import RandomSearching
from tracelib.errors import ConstraintError, OptimizerError
from tracelib.graph.constraint import decode
from tracelib.graph.parameter import Parameter

Given = Iterable[Parameter[Any]] | Mapping[str, Parameter[Any]] | None
Variants = Mapping[Any, Iterable[Any]] | None


@dataclass(frozen=True)
class Plan:
    """A strategy, the parameters it searches by path, and what it has to say about the others."""

    strategy: Strategy
    parameters: Mapping[str, Parameter[Any]]
    notes: tuple[str, ...] = ()


@runtime_checkable
class Searcher(Protocol):
    """An optimizer that the trainer asks for a plan; `parameters` None means all of the program's."""

    @property
    def parameters(self) -> Any: ...

    def plan(self, parameters: Mapping[str, Parameter[Any]]) -> Plan: ...


@dataclass(frozen=True)
class Search:
    """A search over parameters whose spaces are known.

    A space is read from the parameter's type (`constraint=Literal["a", "b"]`, bool, an Enum,
    `Annotated[int, Field(ge=1, le=9)]`, Optional and unions of these, a pydantic model of these), or is
    the list of values in `variants`, by parameter or name; variants of code are the user's own code.
    Parameters without a space stay as they are. `trials` is the number of candidates besides the seed.
    """

    parameters: Given = None
    trials: int = 50
    variants: Variants = None

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise OptimizerError(
                f"{type(self).__name__}(trials={self.trials!r}): at least one trial is needed"
            )

    def plan(self, parameters: Mapping[str, Parameter[Any]]) -> Plan:
        """The strategy over these parameters; raises OptimizerError when none of them has a space."""
        spaces, without = spaces_of(parameters, self.variants)
        if not spaces:
            raise OptimizerError(
                f"{type(self).__name__} has nothing to search:\n"
                + "\n".join(f"- {path}: {reason}" for path, reason in without.items())
            )
        notes = tuple(f"{path} stays as it is: {reason}" for path, reason in without.items())
        chosen = {path: parameters[path] for path in spaces}
        return Plan(self.searching(spaces), chosen, notes)

    def searching(self, spaces: Mapping[str, Space]) -> Strategy:
        """The strategy over these spaces; what a kind of search brings."""
        raise NotImplementedError(f"{type(self).__name__} has no searching(spaces)")


@dataclass(frozen=True)
class RandomSearch(Search):
    """Draws candidates from the spaces: a baseline that is hard to beat with few trials or few parameters.

    RandomSearch(agent.parameters(), trials=40, variants={"tone": ["formal", "warm", "terse"]})
    """

    def searching(self, spaces: Mapping[str, Space]) -> Strategy:
        return RandomSearching(spaces, self.trials)


@dataclass(frozen=True)
class LocalSearch(Search):
    """Moves one parameter at a time from the best so far, and starts elsewhere when stuck.

    LocalSearch(agent.parameters(), trials=60)
    """

    def searching(self, spaces: Mapping[str, Space]) -> Strategy:
        return LocalSearching(spaces, self.trials)


def spaces_of(
    parameters: Mapping[str, Parameter[Any]], variants: Variants = None
) -> tuple[dict[str, Space], dict[str, str]]:
    """The space of each parameter by path, and why the others have none."""
    listed = _listed(parameters, variants or {})
    spaces: dict[str, Space] = {}
    without: dict[str, str] = {}
    for path, parameter in parameters.items():
        try:
            spaces[path] = listed[path] if path in listed else _declared(parameter)
        except NoSpace as error:
            without[path] = f"{error}; {_what_to_declare(path, parameter)}"
    return spaces, without


def _what_to_declare(path: str, parameter: Parameter[Any]) -> str:
    variants = f"list variants={{{path!r}: [...]}}"
    return (
        variants
        if parameter.is_code
        else f"declare constraint=Literal[...] or a bounded range, or {variants}"
    )


def _declared(parameter: Parameter[Any]) -> Space:
    declared = parameter.constraint
    if parameter.is_code:
        raise NoSpace("it is code")
    if declared is not None and not isinstance(declared, str):
        return space_of(declared)
    present = value_of(parameter)
    if isinstance(present, bool | Enum):
        return space_of(type(present))
    raise NoSpace(f"it holds {type(present).__name__}, and no type says which values there are")


def _listed(
    parameters: Mapping[str, Parameter[Any]], variants: Mapping[Any, Iterable[Any]]
) -> dict[str, Space]:
    found: dict[str, Space] = {}
    for key, values in variants.items():
        path = _path_of(key, parameters)
        if isinstance(values, str):
            raise OptimizerError(f"variants of {path} are a list of values, not the text {values!r}")
        options = list(values)
        for value in options:
            _check(path, parameters[path], value)
        found[path] = variants_space(options)
    return found


def _check(path: str, parameter: Parameter[Any], value: Any) -> None:
    try:
        decode(parameter, value)
    except ConstraintError as error:
        raise OptimizerError(f"a variant of {path} does not fit: {error}") from error


def _path_of(key: Any, parameters: Mapping[str, Parameter[Any]]) -> str:
    if isinstance(key, Parameter):
        fitting = [path for path, parameter in parameters.items() if parameter is key]
    else:
        fitting = [path for path, parameter in parameters.items() if key in (path, parameter.name)]
    if fitting:
        return fitting[0]
    shown = key.name if isinstance(key, Parameter) else repr(key)
    raise OptimizerError(f"variants name {shown}, which is not searched; there are {', '.join(parameters)}")
