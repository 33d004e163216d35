"""What one recorded run says to whoever improves it: code-like lines, values, documentation, feedback.

An `Evidence` is plain data, made once from a graph; prompts are built from it in another process or
after a resume, when the graph is gone. It knows no prompt and no model.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, TypeAdapter

from optimizers.evidence.display import digest_of, kind_of, raw, shown
from optimizers.evidence.excerpt import Excerpt
from optimizers.evidence.naming import is_constant, names_of, value_of
from optimizers.evidence.relevance import Rank, edges_by_target, ranks_of
from tracelib.feedback.feedback import Feedback
from tracelib.graph.graph import Graph
from tracelib.graph.node import ExceptionNode, Node
from tracelib.graph.operator import BUILTIN
from tracelib.graph.parameter import Parameter
from tracelib.graph.tracing import stop_tracing

VALUE_LIMIT = 2_000
"""Characters kept of one recorded value."""
LINE_LIMIT = 500
"""Operations kept of one graph, those nearest to the paths from a parameter to the output."""
CODE = "__code"
"""The argument by which a call of a trainable function is given its source."""


@dataclass(frozen=True)
class Variable:
    """A parameter as it was when the graph was recorded.

    `digest` is that of the whole value, so that a value of another time can be told apart although
    `value` is cut. `heard` is what a feedback rule said to this variable alone, None when it heard the
    feedback as it was given.
    """

    name: str
    kind: str
    value: Excerpt
    digest: str
    description: str | None = None
    constraint: str | None = None
    is_code: bool = False
    heard: Feedback | None = None


@dataclass(frozen=True)
class Value:
    """A recorded value that is no variable. A value the user gave no name may stand in the code itself."""

    name: str
    text: Excerpt
    named: bool = True
    rank: Rank = (0, 0)


@dataclass(frozen=True)
class Line:
    """One recorded call: `name = operator(label=reference, ...)`, and what else it depended on.

    References are names of variables, values and other lines. `others` are pairs of how (code,
    returned, read, within, control) and what.
    """

    name: str
    operator: str
    arguments: tuple[tuple[str, str], ...]
    others: tuple[tuple[str, str], ...] = ()
    failed: bool = False
    rank: Rank = (0, 0)


@dataclass(frozen=True)
class Evidence:
    """One recorded graph and what was said about its outputs, in the order of the call tree.

    `off_path` counts the operations of the graph that no listed parameter leads to, `on_path` the
    rest; both count what was left out of `code` too.
    """

    code: tuple[Line, ...] = ()
    documentation: tuple[tuple[str, str], ...] = ()
    variables: tuple[Variable, ...] = ()
    inputs: tuple[Value, ...] = ()
    others: tuple[Value, ...] = ()
    outputs: tuple[Value, ...] = ()
    errors: tuple[Value, ...] = ()
    feedback: Feedback = field(default_factory=Feedback)
    on_path: int = 0
    off_path: int = 0

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Evidence:
        return _ADAPTER.validate_python(data)


_ADAPTER = TypeAdapter(Evidence)


def evidence_of(
    graph: Graph,
    feedback: Any,
    parameters: Mapping[str, Parameter[Any]],
    heard: Mapping[int, Feedback] | None = None,
) -> Evidence:
    """The evidence in a graph for improving `parameters`, which are called by the names given here.

    `heard` is what each parameter heard, by `id(parameter)`: one that heard nothing is no variable then.
    Without it every parameter behind the outputs counts as having heard the feedback.
    Values of parameters are those of the time of recording, whatever they are now.
    """
    if heard is not None:
        parameters = {name: parameter for name, parameter in parameters.items() if id(parameter) in heard}
    with stop_tracing():
        return _Reading(graph, parameters).evidence(Feedback.of(feedback), heard or {})


def variable_of(name: str, parameter: Parameter[Any], value: Any, heard: Feedback | None = None) -> Variable:
    """A parameter as a variable of a prompt, holding `value`."""
    return Variable(
        name,
        "code" if parameter.is_code else kind_of(value),
        raw(value, VALUE_LIMIT),
        digest_of(value),
        parameter.description,
        constraint_text(parameter.constraint),
        parameter.is_code,
        heard,
    )


def constraint_text(constraint: Any) -> str | None:
    """A constraint in words a model can follow: the user's own, or the JSON schema of a type.

    >>> from typing import Literal
    >>> constraint_text(Literal["a", "b"])
    'JSON schema {"enum": ["a", "b"], "type": "string"}'
    """
    if constraint is None or isinstance(constraint, str):
        return constraint
    try:
        schema = TypeAdapter(constraint).json_schema()
    except (PydanticSchemaGenerationError, PydanticInvalidForJsonSchema):
        return str(shown(constraint, VALUE_LIMIT))
    return f"JSON schema {json.dumps(schema, ensure_ascii=False, sort_keys=True)}"


class _Reading:
    """A graph while it is read: ranks, names and edges of its nodes by `id(node)`."""

    def __init__(self, graph: Graph, parameters: Mapping[str, Parameter[Any]]) -> None:
        self.graph = graph
        self.mine = {id(parameter): name for name, parameter in parameters.items()}
        self.variable_names = self._variable_names()
        self.edges = edges_by_target(graph)
        self.ranks = ranks_of(graph, self.edges, self.variable_names)
        self.names = names_of(graph, self.variable_names, set(parameters))
        self.operations = [node for node in graph.ordered if node._op is not None]
        self.lines = self._lines()

    def evidence(self, feedback: Feedback, heard: Mapping[int, Feedback]) -> Evidence:
        off_path = sum(self.ranks[id(node)][0] > 0 for node in self.operations)
        failures = [node for node in self.operations if isinstance(node, ExceptionNode)]
        return Evidence(
            code=self.lines,
            documentation=self._documentation(),
            variables=self._variables(feedback, heard),
            inputs=tuple(self._inputs()),
            others=tuple(self._others()),
            outputs=tuple(self._value(node) for node in self.graph.outputs),
            errors=tuple(self._value(node, raw) for node in failures),
            feedback=feedback,
            on_path=len(self.operations) - off_path,
            off_path=off_path,
        )

    def _variable_names(self) -> dict[int, str]:
        """The names of those nodes that are listed parameters, or earlier values of them."""
        found = {}
        for node in self.graph.ordered:
            parameter = self.graph.of_parameter(node) if node._op is None else None
            if id(parameter) in self.mine:
                found[id(node)] = self.mine[id(parameter)]
        return found

    def _lines(self) -> tuple[Line, ...]:
        nearest = sorted(self.operations, key=lambda node: self.ranks[id(node)])[:LINE_LIMIT]
        chosen = {id(node) for node in nearest}
        return tuple(self._line(node) for node in self.operations if id(node) in chosen)

    def _line(self, node: Node[Any]) -> Line:
        arguments: list[tuple[str, str]] = []
        others: dict[str, str] = {}
        for edge in self.edges.get(id(node), ()):
            name = self.names[id(edge.source)]
            if edge.kind == "argument" and edge.name != CODE:
                arguments.append((edge.name, name))
            else:
                others.setdefault(name, "code" if edge.name == CODE else edge.kind)
        given = {name for _, name in arguments}
        return Line(
            self.names[id(node)],
            node._op.name if node._op is not None else "",
            tuple(arguments),
            tuple((how, name) for name, how in others.items() if name not in given),
            isinstance(node, ExceptionNode),
            self.ranks[id(node)],
        )

    def _documentation(self) -> tuple[tuple[str, str], ...]:
        """What the operators do, each pair of operator and words once.

        Python's own need no words. Those whose code or whose prompt is a variable bring them in that; a
        program's docstring is what its prompt began as, which would be shown long after it was changed.
        """
        pairs: dict[tuple[str, str], None] = {}
        for node in self.operations:
            op = node._op
            if op is None or not op.description or BUILTIN.get(op.name) is op or self._is_variable(node):
                continue
            pairs[op.name, str(Excerpt.of(op.description, VALUE_LIMIT))] = None
        return tuple(pairs)

    def _is_variable(self, node: Node[Any]) -> bool:
        """Whether the code of an operation, or the system prompt of a program, is a variable."""
        edges = [edge for edge in self.edges.get(id(node), ()) if id(edge.source) in self.variable_names]
        return any(edge.name == CODE or self._is_prompt_of(edge.source, node) for edge in edges)

    def _is_prompt_of(self, source: Node[Any], node: Node[Any]) -> bool:
        parameter, op = self.graph.of_parameter(source), node._op
        return parameter is not None and op is not None and parameter.name == f"{op.name}.system"

    def _variables(self, feedback: Feedback, heard: Mapping[int, Feedback]) -> tuple[Variable, ...]:
        found: dict[str, Variable] = {}
        for node in self.graph.ordered:
            parameter = self.graph.of_parameter(node) if id(node) in self.variable_names else None
            if parameter is not None:
                said = heard.get(id(parameter), feedback)
                name = self.variable_names[id(node)]
                found[name] = variable_of(name, parameter, value_of(node), None if said == feedback else said)
        return tuple(found[name] for name in self.mine.values() if name in found)

    def _inputs(self) -> Iterable[Value]:
        """The given values that lines refer to, each name once, as near as its nearest use."""
        used = {name for line in self.lines for _, name in (*line.arguments, *line.others)}
        found: dict[str, Value] = {}
        for node in self.graph.ordered:
            name = self.names[id(node)]
            if node._op is not None or id(node) in self.variable_names or name not in used:
                continue
            if name not in found:
                found[name] = self._value(node)
            elif self.ranks[id(node)] < found[name].rank:
                found[name] = replace(found[name], rank=self.ranks[id(node)])
        return found.values()

    def _others(self) -> Iterable[Value]:
        kept = {line.name for line in self.lines if not line.failed}
        outputs = {id(node) for node in self.graph.outputs}
        for node in self.operations:
            if id(node) not in outputs and self.names[id(node)] in kept:
                yield self._value(node)

    def _value(self, node: Node[Any], display: Callable[[Any, int], Excerpt] = shown) -> Value:
        return Value(
            self.names[id(node)],
            display(value_of(node), VALUE_LIMIT),
            not is_constant(self.graph, node),
            self.ranks[id(node)],
        )
