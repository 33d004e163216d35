"""What becomes of a call that ended: its node, with every edge that is not an argument."""

from __future__ import annotations

import types
import weakref
from typing import Any

from tracelib.graph.arguments import Watch, report_changes
from tracelib.graph.containers import nodes_of, seen
from tracelib.graph.failure import exception_node, execution_error, nodes_behind
from tracelib.graph.late import late
from tracelib.graph.node import ATOMS, RESULTS, Extra, Node, Result, empty
from tracelib.graph.operator import Operator
from tracelib.graph.tracing import CLOSED, Frame, clock, ears, loose, next_place, tell


def finished(
    op: Operator,
    catch: bool,
    args: tuple[Any, ...],
    keywords: tuple[str, ...],
    value: Any,
    frame: Frame,
    start: float,
    duration: float,
    watch: Watch,
) -> Any:
    """The node of a call that returned; where it gave a coroutine, one that gives the node."""
    if type(value) is types.CoroutineType:
        return late("awaited")(op, catch, args, keywords, value, frame, watch)
    if watch is not None:
        report_changes(op, watch)
    returned: list[tuple[str, Node[Any]]] = []
    if type(value) in RESULTS:  # no container to search: a tenth of what such a call costs
        returned = [("returned", value)]
        value = value._data
    elif type(value) not in ATOMS:
        found, value = seen(value)
        returned = [("returned", n) for n in nodes_of(found)]
    made: Any = empty(value, Result)
    made._data = value
    made._extra = extra_of(args, keywords, frame, returned)
    return placed(made, op, args, frame, start, duration)


def failed(
    op: Operator,
    catch: bool,
    args: tuple[Any, ...],
    keywords: tuple[str, ...],
    error: BaseException,
    frame: Frame,
    start: float,
) -> None:
    """Record a call that raised; raise ExecutionError in its place where that is wanted."""
    duration = clock() - start
    extra = extra_of(args, keywords, frame, list(nodes_behind(error)))
    made = exception_node(op, args, error, frame.caller, None, extra, start, duration)
    placed(made, op, args, frame, start, duration)
    if catch and isinstance(error, Exception):
        raise execution_error(made, error) from made.exception


def placed(
    made: Any, op: Operator, args: tuple[Any, ...], frame: Frame, start: float, duration: float
) -> Node[Any]:
    """Put a finished call's node into the record: order, caller, clocks; then tell who listens."""
    made._args = args
    made._op = op
    made._seq = next_place()
    made._caller = caller = frame.caller
    made._start = start
    made._duration = duration
    made._frame = None
    if frame.inner or frame.place or frame._id is not None or ears:
        made._frame = frame
        frame.place = frame.place or made._seq
    frame.inner = CLOSED
    if caller is not None:
        caller.inner.append(made)
    if ears:
        tell("call_finished", late("Node.call")(made))
    return made  # type: ignore[no-any-return]


def extra_of(
    args: tuple[Any, ...], keywords: tuple[str, ...], frame: Frame, edges: list[tuple[str, Node[Any]]]
) -> Extra | None:
    """The edges of a call beyond its arguments, each node once: returned, read, made within, branched on."""
    possible: tuple[tuple[str, weakref.ref[Any]], ...] = ()
    if frame.caller is None:
        possible = loose.get()
        if possible:
            loose.set(())
    reads = frame.reads or {}
    if not (edges or reads or frame.inner or keywords or possible):
        return None
    only = frame.inner[0] if len(frame.inner) == 1 else None
    if len(edges) == 1 and edges[0][1] is only and not (reads or keywords or possible):
        return Extra(tuple(edges))  # the common case of a call that returns what it called
    known = {id(n) for a in args for n in nodes_of(a)}
    kept = []
    reading = [("read", n) for (kind, _), n in reads.items() if kind == "read"]
    branched = [("control", n) for (kind, _), n in reads.items() if kind == "control"]
    inside = [
        ("within", n) for n in _last(frame.inner) if n._start is not None or ("control", id(n)) not in reads
    ]
    for kind, found in (*edges, *reading, *inside, *branched):
        if id(found) not in known:
            known.add(id(found))
            kept.append((kind, found))
    return Extra(tuple(kept), keywords, possible)


def _last(inner: list[Node[Any]]) -> list[Node[Any]]:
    """Of the results made inside a call those that no other of them was made from."""
    used = {id(n) for made in inner for a in made._args for n in nodes_of(a)}
    for made in inner:
        if made._extra is not None:
            used.update(id(n) for kind, n in made._extra.edges if kind != "control")
    return [made for made in inner if made._op is not None and id(made) not in used]
