"""Where we are: whether we record, in which running call, and who listens. Knows no node's behaviour."""

from __future__ import annotations

import contextvars
import itertools
import os
import time
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar

from tracelib.errors import TraceWarning

if TYPE_CHECKING:
    from tracelib.graph.call import Call
    from tracelib.graph.node import Node
    from tracelib.graph.operator import Operator
    from tracelib.graph.parameter import Parameter

P = ParamSpec("P")
R = TypeVar("R")

_places = itertools.count(1)
next_place = _places.__next__
"""Creation order of nodes over the whole process; drawing a number is atomic."""

clock = time.perf_counter
WALL = time.time() - time.perf_counter()
"""Added to a clock reading it gives unix seconds, so that a call reads one clock and not two."""


def start_after(place: float) -> None:
    """Let nodes made from now on come after one that another process made."""
    missing = int(place) - next_place() + 1
    if missing > 0:
        deque(itertools.islice(_places, missing), maxlen=0)


CLOSED: Any = deque(maxlen=0)
"""Takes the place of a finished frame's `inner`: what a background task appends is let go."""

LOOSE_LIMIT = 32
"""How many reads outside any call are remembered until the next call."""


class Frame:
    """A call while it runs, and afterwards its place in the call tree for the nodes made inside.

    It never points to those nodes once the call has ended (`inner` is closed), so that a finished
    graph has no cycles and is freed by reference counting alone.
    """

    __slots__ = (
        "__weakref__",
        "_id",
        "caller",
        "depth",
        "facts",
        "given",
        "inner",
        "note",
        "op",
        "place",
        "reads",
        "start",
    )

    op: Operator | None
    caller: Frame | None
    inner: list[Node[Any]]
    reads: dict[tuple[str, int], Node[Any]] | None
    place: int
    start: float
    depth: int
    _id: int | None
    facts: dict[str, Any] | None
    """What `annotate` said of the call; not set until it does, None where somebody listens."""
    given: Any
    """Where somebody listens: the changeable arguments as they were before the body ran, else not set."""
    note: Any
    """What a recorder keeps about the call; not set until it does."""

    def __init__(self, op: Operator | None, caller: Frame | None) -> None:
        self.op = op
        self.caller = caller
        self.inner = []
        self.reads = None
        self.place = next_place()
        self.start = clock()
        self.depth = 0 if caller is None else caller.depth
        self._id = None

    @property
    def id(self) -> str:
        """The call's UUIDv7, made when first asked for from the time the call started."""
        if self._id is None:
            self._id = new_id(self.start + WALL)
        return id_text(self._id)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.op, self.caller, self.place, self.start + WALL, self.id)

    def __deepcopy__(self, memo: dict[int, Any]) -> Frame:
        return self


def _restored(op: Operator | None, caller: Frame | None, place: int, age: float, known: str | None) -> Frame:
    frame = Frame(op, caller)
    frame.place, frame.start, frame.inner = place, age - WALL, CLOSED
    frame._id = None if known is None else int(known.replace("-", ""), 16)
    return frame


OFF = Frame(None, None)
"""The running call where nothing is recorded."""

here: contextvars.ContextVar[Frame | None] = contextvars.ContextVar("tracelib_here", default=None)
loose: contextvars.ContextVar[tuple[tuple[str, weakref.ref[Any]], ...]] = contextvars.ContextVar(
    "tracelib_loose", default=()
)
"""Reads made outside any call since the last call, weakly: possible dependencies of the next one."""


_serials = itertools.count(int.from_bytes(os.urandom(8), "big") >> 2)
"""The last 62 bits of ids: counted up from a random start, so that none is drawn twice."""


def new_id(seconds: float) -> int:
    """A UUIDv7 (RFC 9562) as a number, for a moment in unix seconds.

    After the milliseconds comes a fraction of one, so that ids sort by time as finely as it is told.
    """
    ticks = int(seconds * 4_096_000)  # 1/4096 of a millisecond: what fits beside the version's bits
    serial = next(_serials) & ((1 << 62) - 1)
    return (ticks >> 12 & (1 << 48) - 1) << 80 | 7 << 76 | (ticks & 0xFFF) << 64 | 2 << 62 | serial


def id_text(value: int) -> str:
    """An id as people read it."""
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _in_child() -> None:
    """A forked process counts from a start of its own."""
    global _serials
    _serials = itertools.count(int.from_bytes(os.urandom(8), "big") >> 2)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


class Loose(weakref.ref[Any]):
    """A node that plain Python read outside any call: perhaps behind the next one.

    Where somebody keeps records the frames of the calls that it came from stay when it is gone: in
    `ask(f"say {hi()}")` what `hi` gave is dropped before `ask` is called.
    """

    __slots__ = ("frames",)
    frames: tuple[Frame, ...]

    @classmethod
    def of(cls, node: Any) -> Loose:
        made = cls(node)
        made.frames = tuple(_frames_near(node)) if ears else ()
        return made


def _frames_near(node: Any) -> Iterator[Frame]:
    """The calls that a node came from, through a few operations."""
    near = [node]
    for made in near:
        if made._start is not None:
            if made._frame is not None:
                yield made._frame
            continue
        if len(near) < LOOSE_LIMIT:
            near += [arg for arg in made._args if hasattr(type(arg), "_reading_now")]


def heard(kind: str, node: Node[Any]) -> None:
    """Note that plain Python read `node`: as an input of the running call, else for the next call."""
    frame = here.get()
    if frame is None:
        known = loose.get()
        same = node if node._parameter is None else node._parameter
        for known_kind, reference in known:
            if known_kind == kind and reference() is same:
                return
        lasting = [(kind, Loose.of(found)) for found in _lasting(node)]
        loose.set((*known[-LOOSE_LIMIT:], *lasting))
    elif frame is not OFF:
        if node._live:
            node = node._reading_now()
        if frame.reads is None:
            frame.reads = {}
        frame.reads[kind, id(node)] = node


def _lasting(node: Node[Any]) -> list[Node[Any]]:
    """What is left of a read when the node is gone: its Parameter, and those close behind a result."""
    if node._parameter is not None:
        return [node._parameter]
    if node._live or node._op is None:
        return [node]
    found = {id(node): node}
    near: list[Any] = [node]
    for near_node in near:
        for arg in near_node._args if len(near) < LOOSE_LIMIT else ():
            if not hasattr(type(arg), "_reading_now"):
                continue  # a plain operand, which is not asked for anything
            if arg._parameter is not None:
                found[id(arg._parameter)] = arg._parameter
            elif arg._op is not None:
                near.append(arg)
    return list(found.values())


class stop_tracing:  # noqa: N801 - reads as a statement: `with stop_tracing():`
    """Inside `with stop_tracing():` nothing is recorded, in this thread and task only; it nests.

    Bundles return the plain value there; an operation on nodes gives a node without parents.
    """

    def __init__(self) -> None:
        self._outer: list[Frame | None] = []

    def __enter__(self) -> stop_tracing:
        self._outer.append(here.get())
        here.set(OFF)
        return self

    def __exit__(self, *exc: object) -> None:
        here.set(self._outer.pop())


def annotate(**facts: Any) -> None:
    """Say something about the running call to whoever keeps records: the model asked, its usage, its cost.

    A store keeps `model`, `provider`, `tokens_in`, `tokens_out`, `tokens_cached`, `tokens_reasoning`,
    `attempts`, `first_token_ns`, `cost_nano` (billionths of a dollar), `sandbox` (where learned code ran)
    and `request` (any value). Where nothing runs or nothing is recorded it does nothing; said again, the
    later word holds.
    """
    frame = _running()
    if frame is not None:
        frame.facts = {**(getattr(frame, "facts", None) or {}), **facts}


def annotated() -> dict[str, Any] | None:
    """What was said of the running call so far; None where nothing runs or nothing is recorded."""
    frame = _running()
    return None if frame is None else getattr(frame, "facts", None) or {}


def _running() -> Frame | None:
    """The call that runs here; branches of threads are passed over."""
    frame = here.get()
    while frame is not None and frame.op is None:
        frame = frame.caller
    return frame


def is_tracing() -> bool:
    """Whether calls made here and now are recorded."""
    return here.get() is not OFF


class _Wrapped:
    """A function bound to the context it was wrapped in; pickled, it is the bare function."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        self._fn = fn
        self._context = contextvars.copy_context()
        outer = here.get()
        self._branch = None if outer is OFF else branch(outer)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._context.copy().run(self._run, *args, **kwargs)

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        if self._branch is not None:
            here.set(self._branch)
        return self._fn(*args, **kwargs)

    def __reduce__(self) -> Any:
        return _bare, (self._fn,)


def _bare(fn: Callable[..., Any]) -> Callable[..., Any]:
    return fn


def branch(outer: Frame | None) -> Frame:
    """A place in the call tree reserved now for work that runs later, in another thread."""
    frame = Frame(None, outer)
    through: Any = _Through(outer)
    frame.inner = CLOSED if outer is None else through
    return frame


class _Through:
    """Hands what is made in a branch to the call it belongs to, for as long as that call runs."""

    __slots__ = ("_outer",)

    def __init__(self, outer: Frame | None) -> None:
        self._outer: Any = outer

    def append(self, made: Node[Any]) -> None:
        self._outer.inner.append(made)


def wrap(fn: Callable[P, R]) -> Callable[P, R]:
    """`fn`, carrying this context into a thread of the user's own pool: `pool.submit(wrap(fn), x)`.

    Calls made by it are then behind the running call, see bound parameters and `stop_tracing`, and
    are ordered by where `wrap` was called, not by when the thread ran.
    """
    return _Wrapped(fn)


@dataclass(frozen=True, eq=False)
class Update:
    """One change of a Parameter: `old` became `new`, `because` of a reason, `by` whom.

    `score` is what the new value was measured at before it was taken (higher is better), where it was.
    """

    parameter: Parameter[Any]
    old: Any
    new: Any
    because: str = ""
    by: str = ""
    score: float | None = None


class Listener(Protocol):
    """Hears what is recorded. An exception it raises is warned about once and passed over."""

    def call_started(self, frame: Frame) -> None: ...
    def call_finished(self, call: Call) -> None: ...
    def parameter_updated(self, update: Update) -> None: ...
    def event(self, name: str, data: dict[str, Any]) -> None: ...


ears: list[Listener] = []
"""The listeners of the process: a list so that the call path can test it at the cost of one look."""


@contextmanager
def listening(listener: Listener) -> Iterator[Listener]:
    """Let `listener` hear everything recorded in the process until the block ends."""
    ears.append(listener)
    try:
        yield listener
    finally:
        _remove(listener)


def _remove(listener: Listener) -> None:
    _complained.discard(id(listener))
    for i, ear in enumerate(ears):
        if ear is listener:
            del ears[i]
            return


def tell(method: str, *args: Any) -> None:
    """Call `method` of each listener; a listener that fails is warned about and passed over.

    Nothing that a listener does is recorded: what it reads is not read by the running call.
    """
    outer = here.get()
    here.set(OFF)
    try:
        for listener in ears[:]:
            try:
                getattr(listener, method)(*args)
            except Exception as error:
                _complain(listener, error)
    finally:
        here.set(outer)


_complained: set[int] = set()
"""Identities of the present listeners that have failed before."""


def _complain(listener: Listener, error: Exception) -> None:
    if id(listener) in _complained:
        return
    _complained.add(id(listener))
    warnings.warn(f"listener {listener!r} failed and is passed over: {error!r}", TraceWarning, stacklevel=2)


def notify_event(name: str, **data: Any) -> None:
    """Tell the listeners that something named happened: a candidate, a score, a verdict."""
    if ears:
        tell("event", name, data)
