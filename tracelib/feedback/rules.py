"""Rules: how feedback passes an operator on its way back, as `defvjp` does it for derivatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tracelib.errors import GraphError
from tracelib.feedback.feedback import Feedback
from tracelib.graph.bundle import BoundBundle, Bundle
from tracelib.graph.node import Node
from tracelib.graph.operator import BUILTIN, Operator

Rule = Callable[[Node[Any], Feedback], Any]
"""Given a node and what was said to it: feedback for all its inputs, a mapping from input names to
feedback for some of them, or None for nobody."""


def pass_on(node: Node[Any], feedback: Feedback) -> Feedback:
    """The default rule: every input hears what the output heard."""
    return feedback


def define_feedback(op: Any, rule: Rule | None = None) -> Any:
    """Let feedback pass an operator by `rule`; as a decorator, `@define_feedback(op)`.

    `op` is a bundle, an operator, a function of Python's (`operator.add`, `len`) or its name
    (`"add"`). `define_feedback(op, pass_on)` restores the default.

    >>> from tracelib import bundle
    >>> @bundle
    ... def first(a, b):
    ...     return a
    >>> define_feedback(first, lambda node, feedback: {"a": feedback})  # doctest: +ELLIPSIS
    <function ...>
    """
    if rule is None:
        return lambda function: define_feedback(op, function)
    operator_of(op).rule = None if rule is pass_on else rule
    return rule


def operator_of(op: Any) -> Operator:
    """The operator that a user means; raises GraphError with what there is when he means none."""
    if isinstance(op, Operator):
        return op
    if isinstance(op, (Bundle, BoundBundle)):
        return op.op
    for operator in BUILTIN.values():
        if op == operator.name or op is operator.fn:
            return operator
    raise GraphError(
        f"{op!r} is no operator: give a @bundle, or one of Python's: {', '.join(sorted(BUILTIN))}"
    )


def passed(node: Node[Any], feedback: Feedback, rule: Rule) -> Feedback | dict[str, Feedback] | None:
    """What a rule passes on, as feedback; a rule that fails says which operator it was for."""
    try:
        given = rule(node, feedback)
    except Exception as error:
        error.add_note(f"in the feedback rule of operator {node._op}")
        raise
    if given is None:
        return None
    if isinstance(given, Mapping):
        return {str(name): Feedback.of(said) for name, said in given.items()}
    return Feedback.of(given)
