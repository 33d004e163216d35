"""Recorded nodes as plain descriptions, which a store can keep; rebuild.py makes nodes of them again.

Nothing here knows a file or a format: values are what they are, other nodes are named by keys.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from tracelib.graph.call import call_of
from tracelib.graph.containers import PACK, nodes_of
from tracelib.graph.failure import text_of
from tracelib.graph.graph import ancestors, by_creation
from tracelib.graph.node import LEAVES, ExceptionNode, Node, Packed, is_node
from tracelib.graph.operator import BUILTIN, Operator
from tracelib.graph.parameter import Parameter, Reading
from tracelib.graph.tracing import WALL, Frame

Kind = Literal["leaf", "constant", "operation", "packed", "result", "error", "reading", "parameter"]
"""What a node is: wrapped by the user; a plain operand that became a node; what an operation of Python
gave; a container that held nodes; what a call gave; what stands for a call that failed; a Parameter's
value as some calls saw it; a Parameter itself."""


@dataclass(frozen=True)
class Ref:
    """An operand that is the node with this key."""

    key: str


@dataclass(frozen=True)
class Parts:
    """An operand that held nodes: its plain copy, and by their paths inside it the keys of the nodes."""

    plain: Any
    nodes: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class SeenOperator:
    """What was applied. `native` are Python's own; `key` is `module:qualname` of the function.

    `receiver` says that the first operand is the object whose method it is, which is no input.
    """

    name: str
    key: str = ""
    description: str | None = None
    kind: str = "operation"
    native: bool = False
    receiver: bool = False


@dataclass(frozen=True)
class Applied:
    """How a node was made: an operator and its operands in order, each with its name.

    The last `keywords` operands came by `**kwargs`. `edges` are pairs of kind and key beyond the operands
    (returned, read, within, control). A call has an id (a UUID as text), a start in unix seconds and a
    duration in seconds; an operation has none of them.
    """

    operator: SeenOperator
    operands: tuple[tuple[str, Any], ...] = ()
    keywords: int = 0
    edges: tuple[tuple[str, str], ...] = ()
    call: str | None = None
    start: float | None = None
    duration: float | None = None


@dataclass(frozen=True)
class SeenParameter:
    """Whose value a reading is. Readings with the same key are of one Parameter.

    `program` is the module that holds it, as `module:qualname` of its class. Where the value is code,
    `original` is the source as the user wrote it and `function` the `module:qualname` of what it defines.
    """

    key: str
    name: str | None = None
    path: str | None = None
    program: str | None = None
    description: str | None = None
    constraint: Any = None
    is_code: bool = False
    original: str | None = None
    function: str | None = None


@dataclass(frozen=True)
class SeenError:
    """The exception of a call that failed: its type as `module:qualname`, its text."""

    type: str
    message: str


@dataclass(frozen=True)
class SeenFrame:
    """A call, finished or not, that nodes were made in; `place` is its place in the order of nodes."""

    id: str
    place: float
    start: float
    operator: SeenOperator | None = None
    caller: str | None = None


@dataclass(frozen=True)
class Seen:
    """One node. `order` is its place in the order of creation, `caller` the id of the call it was made in.

    `data` is the plain value; of an error it is the annotated source. `present` says of a reading whether
    the Parameter still had the value when it was described.
    """

    key: str
    kind: Kind
    order: float
    data: Any = None
    caller: str | None = None
    name: str | None = None
    description: str | None = None
    applied: Applied | None = None
    parameter: SeenParameter | None = None
    present: bool = True
    error: SeenError | None = None


Description = Seen | SeenFrame

KeyOf = Callable[[Node[Any]], str]
"""The key of a node. It must tell apart all nodes that are described together."""


def behind(output: Node[Any]) -> Iterator[Description]:
    """The descriptions of a node and of all that is behind it: the calls, then the nodes as they were made.

    The last one is that of `output`. What a call gave has its call's id as its key.
    """
    nodes = sorted(ancestors((output,)), key=by_creation)
    nodes = [made for made in nodes if made is not output] + [output]
    keys = _keys(nodes)
    constants = _shared_constants(nodes)
    yield from _frames(nodes)
    for made in nodes:
        if made is output or not is_constant(made) or id(made) in constants:
            yield described(made, lambda n: keys[id(n)], lambda n: is_constant(n) and id(n) not in constants)


def described(
    made: Node[Any], key_of: KeyOf, is_plain: Callable[[Node[Any]], bool] = lambda made: is_constant(made)
) -> Seen:
    """One node, with the nodes that it was made from by their keys.

    Operands for which `is_plain` holds are described as plain values, as they were before somebody looked.
    """
    caller = None if made._caller is None else made._caller.id
    if isinstance(made, Parameter):
        about = _parameter(made, key_of(made))
        return Seen(key_of(made), "parameter", made._seq, made._own, None, parameter=about)
    if isinstance(made, Reading):
        owner = made._parameter
        about = _parameter(owner, key_of(owner))
        present = owner._reading is not None and owner._reading() is made
        return Seen(key_of(made), "reading", made._seq, made._data, None, parameter=about, present=present)
    return Seen(
        key_of(made),
        kind_of(made),
        made._seq,
        made._data,
        caller,
        made._name,
        made._description,
        _applied(made, key_of, is_plain),
        error=_error(made),
    )


def kind_of(made: Node[Any]) -> Kind:
    """What kind of node it is, of those that are neither a Parameter nor a reading of one."""
    if isinstance(made, ExceptionNode):
        return "error"
    if made._op is PACK:
        return "packed"
    if made._op is not None:
        return "operation" if made._start is None else "result"
    return "leaf" if isinstance(made, LEAVES) else "constant"


def is_constant(made: Node[Any]) -> bool:
    """Whether a node is a plain operand that became a node when somebody looked at it."""
    return made._op is None and made._parameter is None and not isinstance(made, (*LEAVES, Parameter))


def described_operator(op: Operator) -> SeenOperator:
    """An operator by its name, words and place."""
    native = BUILTIN.get(op.name) is op
    if native or op is PACK:
        return SeenOperator(op.name, native=native)
    return SeenOperator(op.name, op.key, op.description, op.kind, False, op.receiver)


def described_frame(frame: Frame) -> SeenFrame:
    """A call as the place that nodes were made in."""
    caller = None if frame.caller is None else frame.caller.id
    op = None if frame.op is None else described_operator(frame.op)
    return SeenFrame(frame.id, frame.place, frame.start + WALL, op, caller)


def _applied(made: Node[Any], key_of: KeyOf, is_plain: Callable[[Node[Any]], bool]) -> Applied | None:
    op = made._op
    if op is None:
        return None
    extra = made._extra
    keywords = () if extra is None else extra.keywords
    names = op.names_of(len(made._args) - len(keywords), keywords)
    operands = tuple([_operand(kept, key_of, is_plain) for kept in made._args])
    call = call_of(made)
    return Applied(
        described_operator(op),
        tuple(zip(names, operands, strict=True)),
        len(keywords),
        () if extra is None else tuple([(kind, key_of(source)) for kind, source in extra.edges]),
        None if call is None else call.id,
        None if call is None else call.start,
        made._duration,
    )


def _operand(kept: Any, key_of: KeyOf, is_plain: Callable[[Node[Any]], bool]) -> Any:
    if type(kept) is Packed:
        nodes = zip(kept.paths, kept.nodes, strict=True)
        return Parts(kept.plain, tuple([(path, key_of(inner)) for path, inner in nodes]))
    if not is_node(kept):
        return kept
    return kept._data if is_plain(kept) else Ref(key_of(kept))


def _parameter(owner: Parameter[Any], key: str) -> SeenParameter:
    return SeenParameter(
        key,
        owner._name,
        owner._path,
        owner._program,
        owner._description,
        owner._constraint,
        owner.is_code,
        owner.original,
        None if owner._code is None else owner._code.program,
    )


def _error(made: Node[Any]) -> SeenError | None:
    if not isinstance(made, ExceptionNode):
        return None
    kind = type(made.exception)
    return SeenError(f"{kind.__module__}:{kind.__qualname__}", text_of(made.exception))


def _keys(nodes: list[Node[Any]]) -> dict[int, str]:
    """A key for each node and each Parameter: a call's id for what it gave, else a number."""
    keys: dict[int, str] = {}
    taken: set[str] = set()
    for place, made in enumerate(nodes):
        call = call_of(made)
        key = f"n{place}" if call is None or call.id in taken else call.id
        taken.add(key)
        keys[id(made)] = key
        if made._parameter is not None:
            keys.setdefault(id(made._parameter), f"p{place}")
    return keys


def _shared_constants(nodes: list[Node[Any]]) -> set[int]:
    """Constants that the user took out of one node's inputs and used again: they are nodes of their own."""
    uses = Counter(
        id(source)
        for made in nodes
        for sources in (map(nodes_of, made._args), () if made._extra is None else _edged(made._extra.edges))
        for group in sources
        for source in group
        if is_constant(source)
    )
    within = {
        id(source) for made in nodes for kept in made._args if type(kept) is Packed for source in kept.nodes
    }
    return {key for key, count in uses.items() if count > 1 or key in within}


def _edged(edges: tuple[tuple[str, Node[Any]], ...]) -> Iterator[tuple[Node[Any], ...]]:
    for _, source in edges:
        yield (source, source)  # an edge cannot hold a plain value: counted as a second use


def _frames(nodes: list[Node[Any]]) -> Iterator[SeenFrame]:
    """The calls that the nodes were made in or by, outermost first, each once."""
    met: set[int] = set()
    for made in nodes:
        for frame in (made._caller, made._frame):
            chain = []
            while frame is not None and id(frame) not in met:
                met.add(id(frame))
                chain.append(frame)
                frame = frame.caller
            yield from map(described_frame, reversed(chain))
