"""What is known of a function, and of a call while it is recorded."""

from __future__ import annotations

import json
import struct
from typing import Any, Protocol

from pydantic_core import to_json as dumps

from tracelib.graph.operator import CODE, Operator
from tracelib.graph.tracing import Frame
from tracelib.redaction import is_secret_name
from tracelib.store.writing.records import HEAD, NO_ID, RETURNED, bounded
from tracelib.versioning import Version

NOTHING = b""
SLOT = struct.Struct(">16sq")
"""A running call in the journal's table: its id and start (unix nanoseconds); its function's key follows."""
RUNNING = 100
"""Bytes of the key that fit."""


class Keeper(Protocol):
    """Who writes calls: a call that another one has written is none of its own."""

    session: str


class Function:
    """What is the same for every call of an operator."""

    __slots__ = (
        "capture",
        "fn",
        "full",
        "inputs",
        "is_code",
        "names",
        "op",
        "plain",
        "running",
        "version",
        "version_text",
    )

    def __init__(self, op: Operator, default: str) -> None:
        self.op = op
        self.is_code = CODE in op._tail
        self.inputs: dict[int, tuple[str, ...]] = {}
        self.capture = op.capture or default
        self.full = self.capture == "full"
        secret = any(map(is_secret_name, _names_of(op)))
        self.plain = self.full and not (op.receiver or self.is_code or secret)
        self.version_text = "null"
        self.names = f"{quoted(op.key)},{quoted(op.name)},{quoted(op.kind)}"
        self.running = op.key.encode("utf-8", "replace")[:RUNNING]
        self.fn: Any = op.fn
        self.version: Version | None = None


class Note:
    """What the recorder keeps on the frame of a call; ids are bytes, as the head of its record has them."""

    __slots__ = ("id", "keeper", "known", "parent", "session", "slot", "start_ns", "state", "trace")

    def __init__(
        self, keeper: Keeper, known: Function, frame: Frame, id: bytes, start_ns: int, slot: int
    ) -> None:
        outer = frame.caller
        if outer is not None and outer.op is None:
            outer = caller_of(frame)
        if outer is None:
            self.parent, self.trace = NO_ID, id
        else:
            before = getattr(outer, "note", None)
            if before is None:
                self.parent = self.trace = raw_id(outer)
            else:
                self.parent, self.trace = before.id, before.trace
        self.keeper = keeper
        self.known = known
        self.state = NOTHING
        self.session = keeper.session
        self.id = id
        self.start_ns = start_ns
        self.slot = slot

    def head(self, status: int, duration_ns: int, place: int) -> bytes:
        """The head of the call's record, once it has ended."""
        try:
            return HEAD.pack(self.id, self.trace, self.parent, status, self.start_ns, duration_ns, place)
        except struct.error:  # a clock that somebody has put into another century
            numbers = map(bounded, (self.start_ns, duration_ns, place))
            return HEAD.pack(self.id, self.trace, self.parent, status, *numbers)


class Told:
    """What is told of one call beside its ids and clocks: its status, links, and sections as JSON.

    `values` are two of them, the inputs and the output; `links` is the line of a `Links`, "" without any.
    """

    __slots__ = ("error", "graph", "links", "request", "status", "values")

    def __init__(self, values: bytes) -> None:
        self.status = RETURNED
        self.links = ""
        self.values = values
        self.error = self.graph = self.request = NOTHING


def packed_sections(told: Told, state: bytes) -> bytes:
    """The last lines of a call's record, in the order of SECTIONS."""
    return b"\n".join((told.values, told.error, told.graph, state, told.request))


def quoted(value: Any) -> str:
    """JSON text of strings, numbers and lists of them."""
    try:
        return dumps(value).decode()
    except ValueError:  # half of a surrogate pair
        return json.dumps(value)


def caller_of(frame: Frame) -> Frame | None:
    """The frame of the call that a call was made within; branches of threads are passed over."""
    outer = frame.caller
    while outer is not None and outer.op is None:
        outer = outer.caller
    return outer


def raw_id(frame: Frame) -> bytes:
    """The id of a frame as the records have it, drawn now if it has none."""
    if frame._id is None:
        return bytes.fromhex(frame.id.replace("-", ""))
    return frame._id.to_bytes(16, "big")


def _names_of(op: Operator) -> tuple[str, ...]:
    """Every name that an argument of an operator can have; of `**kwargs` they are known per call only."""
    code = getattr(op.fn, "__code__", None)
    return () if code is None else code.co_varnames
