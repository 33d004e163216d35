"""Calls as people ask for them: a view of a result's node with its clocks and its caller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tracelib.graph.node import ExceptionNode, Node, Packed, is_node, operands
from tracelib.graph.operator import Operator
from tracelib.graph.tracing import CLOSED, WALL, Frame


@dataclass(frozen=True, eq=False)
class Call:
    """One run of an operator.

    `inputs` are the plain values that the body saw, by parameter name; `output` is the plain result,
    None when it failed; `error` is the user's own exception then. `start` is in unix seconds,
    `duration` in seconds. `caller` is the frame of the call it was made within, None at the top;
    its `id` is the caller's id.
    """

    node: Node[Any]
    frame: Frame

    @property
    def id(self) -> str:
        """A UUIDv7 whose time is the start, made when first asked for; the same ever after."""
        return self.frame.id

    @property
    def op(self) -> Operator:
        assert self.node._op is not None
        return self.node._op

    @property
    def inputs(self) -> dict[str, Any]:
        return {name: plain_operand(kept) for name, kept in operands(self.node)}

    @property
    def output(self) -> Any:
        return None if isinstance(self.node, ExceptionNode) else self.node._data

    @property
    def error(self) -> BaseException | None:
        return self.node.exception if isinstance(self.node, ExceptionNode) else None

    @property
    def caller(self) -> Frame | None:
        frame = self.frame.caller
        while frame is not None and frame.op is None:
            frame = frame.caller
        return frame

    @property
    def start(self) -> float:
        return self.frame.start + WALL

    @property
    def duration(self) -> float:
        return self.node._duration or 0.0

    def __repr__(self) -> str:
        state = f"failed with {self.error!r}" if self.error is not None else "returned"
        return f"<call {self.op.name} {state} after {self.duration:.3g} s>"


def call_of(made: Node[Any]) -> Call | None:
    """The call that made a node; None for values and for plain operations."""
    if made._start is None or made._op is None:
        return None
    if made._frame is None:
        kept: Any = made
        kept._frame = frame = Frame(made._op, made._caller)
        frame.start = made._start
        frame.place = int(made._seq)
        frame.inner = CLOSED
    assert made._frame is not None
    return Call(made, made._frame)


def plain_operand(kept: Any) -> Any:
    """An operand as the body saw it."""
    if is_node(kept):
        return kept._data
    return kept.plain if type(kept) is Packed else kept
