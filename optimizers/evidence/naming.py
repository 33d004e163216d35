"""Names: of the parameters an optimizer is given, and of the values in a recorded graph, each once."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any

from optimizers.evidence.display import digest_of, kind_of, shown
from tracelib.errors import OptimizerError
from tracelib.graph.graph import Graph
from tracelib.graph.node import Node
from tracelib.graph.parameter import Parameter

NAME_LIMIT = 80
"""Characters kept of a recorded value's name."""


def named(
    parameters: Iterable[Parameter[Any]] | Mapping[str, Parameter[Any]], owner: str = "the optimizer"
) -> dict[str, Parameter[Any]]:
    """The parameters by name, each once; a name that several have gets a number.

    Raises OptimizerError for an empty list and for what is no Parameter.
    """
    items = _items(parameters, owner)
    if not items:
        raise OptimizerError(
            f"{owner} needs at least one parameter: give it module.parameters(), or a list of values "
            "made by node(..., trainable=True)."
        )
    found: dict[str, Parameter[Any]] = {}
    seen: set[int] = set()
    for name, parameter in items:
        if id(parameter) not in seen:
            seen.add(id(parameter))
            found[free_name(name, found)] = parameter
    return found


def _items(parameters: Any, owner: str) -> list[tuple[str, Parameter[Any]]]:
    if callable(getattr(parameters, "parameters", None)) or isinstance(parameters, Node | str):
        raise OptimizerError(
            f"{owner} takes a list of parameters, got {_what(parameters)}: {_hint(parameters)}."
        )
    pairs = list(parameters.items()) if isinstance(parameters, Mapping) else [("", one) for one in parameters]
    if isinstance(parameters, set | frozenset):  # a set's order is that of memory addresses
        pairs.sort(key=lambda pair: getattr(pair[1], "_seq", 0))
    for place, (_, one) in enumerate(pairs):
        if not isinstance(one, Parameter):
            raise OptimizerError(
                f"item {place} given to {owner} is no Parameter but {_what(one)}: {_hint(one)}."
            )
    return [(str(name) or one.name, one) for name, one in pairs]


def _what(value: Any) -> str:
    inner = value_of(value) if isinstance(value, Node) else value
    kind = f"a node of {kind_of(inner)}" if isinstance(value, Node) else kind_of(inner)
    return f"{kind} {shown(inner, 60)}"


def _hint(value: Any) -> str:
    if isinstance(value, Parameter):
        return "put it in a list"
    if callable(getattr(value, "parameters", None)):
        return "use its .parameters()"
    return "make it one with node(value, trainable=True)"


def value_of(node: Node[Any]) -> Any:
    """The value of a node, without counting as a use of it by the program that is recorded."""
    return node._data


def is_constant(graph: Graph, node: Node[Any]) -> bool:
    """Whether a node is a plain operand, or a value the user wrapped without giving it a name."""
    return node._op is None and node._name is None and graph.of_parameter(node) is None


def names_of(graph: Graph, variables: Mapping[int, str], taken: set[str]) -> dict[int, str]:
    """A name for each node, by `id(node)`; `variables` have theirs, equal constants share one of c0, c1, ...

    No other name is one of `taken`.
    """
    taken = set(taken)
    names: dict[int, str] = {}
    constants = _Constants(taken)
    for node in graph.ordered:
        if id(node) in variables:
            names[id(node)] = variables[id(node)]
        elif is_constant(graph, node):
            names[id(node)] = constants.name(value_of(node))
        else:
            wanted = " ".join(graph.name(node).split())[:NAME_LIMIT] or "value"
            names[id(node)] = free_name(wanted, taken)
            taken.add(names[id(node)])
    return names


class _Constants:
    """Names for values that the user gave none; it takes what it gives."""

    def __init__(self, taken: set[str]) -> None:
        self._taken = taken
        self._by_identity: dict[int, str] = {}
        self._by_content: dict[tuple[str, str], str] = {}

    def name(self, value: Any) -> str:
        """The name of a value. Values must live on while names are given: identity is looked at first."""
        if id(value) not in self._by_identity:
            self._by_identity[id(value)] = self._of_content(value)
        return self._by_identity[id(value)]

    def _of_content(self, value: Any) -> str:
        content = (kind_of(value), digest_of(value))
        if content not in self._by_content:
            self._by_content[content] = free_name(f"c{len(self._by_content)}", self._taken)
            self._taken.add(self._by_content[content])
        return self._by_content[content]


def free_name(wanted: str, taken: Container[str]) -> str:
    """`wanted`, with a number behind it where that is taken."""
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted}_{number}", number + 1
    return name
