"""Pickle, copy and deepcopy of nodes: flat, so that a graph of any depth passes, with sharing kept.

Pickling a node first pickles everything behind it in creation order, as the items of one list; by
the time a node itself is written its parents are known to the pickler, and nothing recurses.
"""

from __future__ import annotations

import contextvars
import copy as stdlib_copy
import weakref
from collections.abc import Iterator
from typing import Any

from tracelib.graph.call import call_of
from tracelib.graph.graph import ancestors, by_creation
from tracelib.graph.links import materialize
from tracelib.graph.node import ATOMS, LEAVES, RESULTS, ExceptionNode
from tracelib.graph.parameter import Parameter, Reading
from tracelib.graph.tracing import Frame, start_after

_writing: contextvars.ContextVar[bool] = contextvars.ContextVar("tracelib_writing", default=False)

RESULT = ("_start", "_duration", "_extra", "_frame")
ABOUT = ("_description", "_constraint", "_code")
SHARED = ("_op", "_caller", "_frame", "_seq", "_constraint", "_code", "exception")
"""Parts that a deep copy shares with the original: nobody changes them."""


def reduce(made: Any) -> tuple[Any, ...]:
    """How pickle writes a node: alone when all behind it is written already, else with all of it."""
    if _writing.get() or (made._op is None and made._parameter is None):
        return _restore, (type(made), _state(made))
    return _last, (Behind(made),)


class Behind:
    """A node with everything behind it, written as one flat list."""

    def __init__(self, made: Any = None) -> None:
        self.items: list[Any] = []
        self._made = made

    def __reduce__(self) -> tuple[Any, ...]:
        return Behind, (), None, self._flat()

    def _flat(self) -> Iterator[Any]:
        token = _writing.set(True)
        try:
            yield from _frames(self._made)
            yield from _in_order(self._made)
            yield None  # the pickler asks for one item more before it writes the first of a batch
        finally:
            _writing.reset(token)

    def append(self, item: Any) -> None:
        self.items.append(item)

    def extend(self, items: list[Any]) -> None:
        self.items.extend(items)


def _last(behind: Behind) -> Any:
    return behind.items[-2]


def _in_order(made: Any) -> Iterator[Any]:
    """The parameters, then all nodes behind `made` in creation order, then `made` itself."""
    nodes = sorted(ancestors((made,)), key=by_creation)
    yield from (found._parameter for found in nodes if found._parameter is not None)
    yield from (found for found in nodes if found is not made)
    yield made


def _frames(made: Any) -> Iterator[Frame]:
    """The calls that the nodes were made in, outermost first, so that deep call trees pass too."""
    met: set[int] = set()
    for found in ancestors((made,)):
        for frame in (found._caller, found._frame):
            chain = []
            while frame is not None and id(frame) not in met:
                met.add(id(frame))
                chain.append(frame)
                frame = frame.caller
            yield from reversed(chain)


def _parts(made: Any) -> tuple[str, ...]:
    """The slots that make up a node of its kind."""
    if isinstance(made, Parameter):
        return ("_own", "_name", "_path", "_program", *ABOUT, "_feedback", "_seq")
    common = ("_args", "_op", "_caller", "_seq")
    if isinstance(made, ExceptionNode):
        return (*common, *RESULT, "exception", "_lines", "_text")
    if isinstance(made, Reading):
        return (*common, "_data", "_parameter")
    if isinstance(made, RESULTS):
        return (*common, "_data", *RESULT)
    if isinstance(made, LEAVES):
        return (*common, "_data", "_name", "_description")
    return (*common, "_data")


def _state(made: Any) -> dict[str, Any]:
    call_of(made)  # so that a copy is of the same call, whoever is asked for its id first
    return {name: getattr(made, name) for name in _parts(made)}


def _restore(kind: type, state: dict[str, Any]) -> Any:
    made: Any = str.__new__(kind, state["_data"]) if issubclass(kind, str) else object.__new__(kind)
    for name, part in state.items():
        setattr(made, name, part)
    if issubclass(kind, Parameter):
        made._reading = None
    elif kind is Reading:
        _attach(made)
    start_after(made._seq)
    return made


def _attach(reading: Reading) -> None:
    """Let a restored Parameter know the restored reading of its value, so that there is one of them."""
    parameter = reading._parameter
    own, value = parameter._own, reading._data
    if parameter._reading is None and (own is value or (type(own) in ATOMS and own == value)):
        parameter._reading = weakref.ref(reading)


def deepcopy(made: Any, memo: dict[int, Any]) -> Any:
    """A copy of a node and of everything behind it, values included, without recursion over depth."""
    for found in _in_order(made):
        if id(found) not in memo:
            memo[id(found)] = _restore(type(found), _copied(found, memo))
    return memo[id(made)]


def _copied(made: Any, memo: dict[int, Any]) -> dict[str, Any]:
    """The state of a node with its parents replaced by their copies."""
    return {
        name: part if name in SHARED else stdlib_copy.deepcopy(part, memo)
        for name, part in _state(made).items()
    }


def copy(made: Any) -> Any:
    """Another node with the same value and the same parents; another Parameter with the same value."""
    materialize(made)
    state = _state(made)
    if isinstance(made, Parameter):
        state["_feedback"] = list(made._feedback)
    return _restore(type(made), state)
