"""The report of a backward pass: whom feedback reached, and why others were not."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tracelib.feedback.feedback import NOTHING, Feedback
from tracelib.graph.graph import Graph, ancestors
from tracelib.graph.node import Node, described
from tracelib.graph.parameter import Parameter
from tracelib.graph.rebuild import fits
from tracelib.graph.stored import StoredParameter


@dataclasses.dataclass(frozen=True, eq=False)
class Report:
    """What one backward pass did.

    `reached` are the parameters that heard something, in graph order. `unreached` pairs each of the
    parameters that were asked about and heard nothing with the reason.
    """

    graph: Graph
    feedback: Feedback
    heard: tuple[tuple[Parameter[Any], Feedback], ...]
    unreached: tuple[tuple[Parameter[Any], str], ...] = ()

    @property
    def reached(self) -> list[Parameter[Any]]:
        """The parameters that heard something, in graph order."""
        return [parameter for parameter, _ in self.heard]

    def of(self, parameter: Parameter[Any]) -> Feedback:
        """What one parameter heard in this pass."""
        return next((said for known, said in self.heard if known is parameter), NOTHING)

    def about(self, parameters: Iterable[Parameter[Any]]) -> Report:
        """The same report, which also says of each of `parameters` why it was not reached."""
        reached = {id(p) for p in self.reached}
        missing = [p for p in parameters if id(p) not in reached]
        return dataclasses.replace(self, unreached=tuple((p, reason_for(p, self)) for p in missing))

    def __str__(self) -> str:
        names = ", ".join(map(_told, self.reached)) or "nobody"
        lines = [f"feedback reached {names}"]
        lines += [f"  {parameter.name} was not reached: {reason}" for parameter, reason in self.unreached]
        lines += [f"  {self._missed(p)}" for p in self.reached if isinstance(p, StoredParameter)]
        lines += [f"  {hint}" for hint in hints(self.graph)] if not self.heard else []
        return "\n".join(lines)

    def _missed(self, stored: StoredParameter) -> str:
        """Why nobody here heard in place of a stored parameter."""
        several = any(fits(stored, parameter) for parameter, _ in self.unreached)
        return _ambiguous(stored) if several else _without_counterpart([stored])


def reason_for(parameter: Parameter[Any], report: Report) -> str:
    """Why a parameter heard nothing, and what to do about it."""
    behind = report.graph.parameters
    if any(p is parameter for p in behind):
        return _control_reason(parameter, report.graph)
    stored = [p for p in behind if isinstance(p, StoredParameter)]
    if stored:
        mine = next((p for p in stored if fits(p, parameter)), None)
        return _ambiguous(mine) if mine is not None else f"no path: {_without_counterpart(stored)}"
    where = _read_before(parameter, report.graph)
    if where is not None:
        return where
    twin = _twin(parameter, behind)
    if twin is not None:
        return twin
    return "no path: nothing behind the output was made from it (was the call that uses it made at all?)"


def _told(parameter: Parameter[Any]) -> str:
    """A parameter by its name; a stand-in of a stored graph teaches nobody, and is told as what it is."""
    return f"{parameter.name} as stored" if isinstance(parameter, StoredParameter) else parameter.name


def _named(stored: Parameter[Any]) -> str:
    return f"{stored.name} of {stored.program}" if stored.program else stored.name


def _ambiguous(stored: Parameter[Any]) -> str:
    """A stored parameter that several live ones may be, as those of two instances of one program."""
    return (
        f"several parameters here may be the stored {_named(stored)}, and none is taken: give the optimizer "
        "those of the one instance that is to learn, as in OptoPrime(agent.parameters())"
    )


def _without_counterpart(stored: Sequence[Parameter[Any]]) -> str:
    """Stored parameters that no live one stood up for, and what a counterpart is."""
    names = ", ".join(map(_named, stored))
    which = f"the stored parameters {names} have" if len(stored) > 1 else f"the stored parameter {names} has"
    return f"{which} no counterpart here: one of the same path or name, of the same program"


def _control_reason(parameter: Parameter[Any], graph: Graph) -> str:
    """The parameter is behind the output, but feedback does not pass there."""
    for edge in graph.edges:
        if graph.of_parameter(edge.source) is parameter and edge.kind == "control":
            return (
                f"only a branch condition read it, in {graph.name(edge.target)}: "
                "return or use its value in what that call gives"
            )
    if _only_through_branches(parameter, graph):
        return "only a branch condition read what was made from it"
    return "a feedback rule on the way passed nothing to it"


def _only_through_branches(parameter: Parameter[Any], graph: Graph) -> bool:
    passing = ancestors(graph.outputs, control=False)
    return not any(n is parameter or n._parameter is parameter for n in passing)


def _read_before(parameter: Parameter[Any], graph: Graph) -> str | None:
    """Plain code outside any call read the parameter, or something made from it, before a call."""
    for target, kind, source in _possible(graph):
        what = "compared or tested" if kind == "control" else "read as a plain value"
        if source is parameter:
            return f"detached: it was {what} in plain code before {graph.name(target)}: pass the node itself"
        if any(n._parameter is parameter for n in ancestors((source,))):
            return (
                f"detached: {described(source)}, made from it, was {what} in plain code before "
                f"{graph.name(target)}: pass the node itself"
            )
    return None


def _possible(graph: Graph) -> Iterator[tuple[Node[Any], str, Node[Any]]]:
    """Possible dependencies still alive: the call, how it was read, the node that was read before it."""
    for target in ancestors(graph.outputs):
        for kind, reference in target._extra.loose if target._extra is not None else ():
            source = reference()
            if source is not None:
                yield target, kind, source


def hints(graph: Graph) -> list[str]:
    """Possible dependencies of a graph, in words."""
    return [
        f"{described(source)} was {'tested' if kind == 'control' else 'read'} in plain code before "
        f"{graph.name(target)}: a possible dependency that the record cannot follow"
        for target, kind, source in _possible(graph)
    ]


def _twin(parameter: Parameter[Any], behind: list[Parameter[Any]]) -> str | None:
    """Another parameter of the same function or name was used in its place."""
    for other in behind:
        if parameter._code is not None and other._code is not None and parameter._code.fn is other._code.fn:
            return (
                f"shared by instances: the call used the code of another instance's {other.name}; "
                "take the parameters from the object that was called"
            )
    for other in behind:
        if other.name == parameter.name and type(other._own) is type(parameter._own):
            return (
                f"another parameter named {other.name} was reached: this one belongs to another "
                "instance or a copy; take the parameters from the object that was called"
            )
    return None
