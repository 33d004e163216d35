"""Backward: feedback travels from an output to the parameters behind it; no other node is touched."""

from __future__ import annotations

import warnings
from typing import Any

from tracelib.errors import GraphError, UnreachedWarning
from tracelib.feedback.feedback import Feedback
from tracelib.feedback.report import Report
from tracelib.feedback.rules import Rule, passed
from tracelib.graph.containers import nodes_of
from tracelib.graph.graph import Graph, ancestors, by_creation
from tracelib.graph.links import named_links
from tracelib.graph.node import Node
from tracelib.graph.parameter import Parameter
from tracelib.graph.tracing import notify_event

Inbox = dict[int, list[Feedback]]
"""What was said to each node so far, its last reader first."""


def backward(
    output: Node[Any], feedback: Any = None, rule: Rule | None = None, visualize: bool = False
) -> Any:
    """Carry feedback to every parameter behind the output, and report whom it reached.

    `feedback` may be text, a number, a dict, a dataclass, a numpy scalar or a `Feedback`. `rule`
    replaces the default for operators that have none of their own. Parameters gather what they hear
    until `zero_feedback`; nothing else changes, so it can be run again and for several outputs.
    Time and memory are linear in nodes and edges. With `visualize=True` the graph with the feedback
    is given as a `graphviz.Digraph` instead of the report. Warns (UnreachedWarning) when no
    parameter was reached.
    """
    report = carry((output,), feedback, rule)
    for parameter, part in report.heard:
        parameter.hear(part)
    notify_event("feedback", output=output, feedback=report.feedback)
    if not report.heard:
        _warn(report)
    return report.graph.to_dot(report=report) if visualize else report


def carry(outputs: tuple[Node[Any], ...], feedback: Any, rule: Rule | None = None) -> Report:
    """What each parameter behind the outputs would hear of feedback on them all; nothing is written."""
    said = Feedback.of(feedback)
    nodes = ancestors(outputs, control=False)
    listeners = None if rule is not None else _all_listeners(nodes)
    if listeners is None:
        heard = _sweep(nodes, outputs, said, rule)
    else:
        heard = tuple([(parameter, said) for parameter in sorted(listeners, key=by_creation)])
    return Report(Graph.behind(*outputs), said, heard)


def _all_listeners(nodes: list[Node[Any]]) -> list[Parameter[Any]] | None:
    """Each parameter among the nodes, who all hear the one feedback; None where an operator has a rule."""
    found: dict[int, Parameter[Any]] = {}
    for made in nodes:
        if made._op is not None:
            if made._op.rule is not None:
                return None
        elif made._parameter is not None:
            found[id(made._parameter)] = made._parameter
        elif isinstance(made, Parameter):
            found[id(made)] = made
    return list(found.values())


def _parameter_of(made: Node[Any]) -> Parameter[Any] | None:
    return made if isinstance(made, Parameter) else made._parameter


def _sweep(
    nodes: list[Node[Any]], outputs: tuple[Node[Any], ...], said: Feedback, rule: Rule | None
) -> tuple[tuple[Parameter[Any], Feedback], ...]:
    """Children before parents, each node once; what a node heard is shared, never copied."""
    inbox: Inbox = {id(output): [said] for output in outputs}
    heard: dict[int, tuple[Parameter[Any], list[Feedback]]] = {}
    for made in sorted(nodes, key=by_creation, reverse=True):
        parts = inbox.pop(id(made), None)
        if parts is None:
            continue
        parameter = _parameter_of(made)
        if parameter is not None:
            heard.setdefault(id(parameter), (parameter, []))[1].extend(parts)
        elif made._op is not None:
            _pass(made, Feedback.joined(reversed(parts)), made._op.rule or rule, inbox)
    found = sorted(heard.values(), key=lambda pair: pair[0]._seq)
    return tuple((parameter, Feedback.joined(reversed(parts))) for parameter, parts in found)


def _pass(made: Node[Any], got: Feedback, rule: Rule | None, inbox: Inbox) -> None:
    given = got if rule is None else passed(made, got, rule)
    if isinstance(given, dict):
        _pass_by_name(made, given, inbox)
    elif given is not None and given:
        for kept in made._args:
            for inner in nodes_of(kept):
                inbox.setdefault(id(inner), []).append(given)
        for kind, inner in made._extra.edges if made._extra is not None else ():
            if kind != "control":
                inbox.setdefault(id(inner), []).append(given)


def _pass_by_name(made: Node[Any], given: dict[str, Feedback], inbox: Inbox) -> None:
    sources = named_links(made)
    unknown = [name for name in given if name not in sources]
    if unknown:
        raise GraphError(
            f"the feedback rule of {made._op} names inputs that it has not: {', '.join(unknown)}; "
            f"it has {', '.join(sources)}"
        )
    for name, source in reversed(sources.items()):
        if name in given:
            inbox.setdefault(id(source), []).append(given[name])


def _warn(report: Report) -> None:
    found = [p for p in map(_parameter_of, ancestors(report.graph.outputs)) if p is not None]
    why = str(report.about(found)) if found else f"{report}\n  there is no parameter behind it"
    warnings.warn(
        f"{why}\nMake a value trainable with node(..., trainable=True) or @bundle(trainable=True), and let "
        "the output be computed from it.",
        UnreachedWarning,
        stacklevel=4,
    )
