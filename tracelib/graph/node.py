"""Nodes: recorded values. Operators are in operators.py, string methods in text.py, calls in bundle.py."""

from __future__ import annotations

import linecache
import warnings
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeGuard, TypeVar

from tracelib.errors import InPlaceError, ShadowedWarning
from tracelib.graph.late import late
from tracelib.graph.tracing import OFF, Frame, heard, here, next_place

if TYPE_CHECKING:
    from tracelib.graph.call import Call
    from tracelib.graph.operator import Operator

T_co = TypeVar("T_co", covariant=True)

ATOMS = frozenset((int, str, float, bool, type(None), bytes, complex))
"""Types that hold no node and that nobody can change: they pass through a call unsearched."""

new = object.__new__


class Packed:
    """An argument that held nodes: its plain copy, and the nodes with their paths inside it."""

    __slots__ = ("nodes", "paths", "plain")

    def __init__(self, plain: Any, paths: tuple[str, ...], nodes: tuple[Node[Any], ...]) -> None:
        self.plain = plain
        self.paths = paths
        self.nodes = nodes


class Extra:
    """What few nodes have: edges that are not arguments, keyword names, possible dependencies."""

    __slots__ = ("edges", "keywords", "loose")

    def __init__(
        self,
        edges: tuple[tuple[str, Node[Any]], ...] = (),
        keywords: tuple[str, ...] = (),
        loose: tuple[tuple[str, weakref.ref[Any]], ...] = (),
    ) -> None:
        self.edges = edges
        self.keywords = keywords
        self.loose = loose

    def __reduce__(self) -> tuple[Any, ...]:
        return Extra, (self.edges, self.keywords)


class Node(Generic[T_co]):
    """A recorded value. It acts like the value; what was done to make it is `op` and `inputs`.

    `==` compares values and gives a bool, and a node hashes as its value; compare nodes themselves
    with `is`. A node is never changed once it is made, and points to its parents only: drop the
    output and the graph behind it is freed.
    """

    __slots__ = ()

    _data: Any
    _args: tuple[Any, ...]
    _op: Operator | None
    _seq: float
    _caller: Frame | None
    _live = False
    """Whether the value may change: only a Parameter's, which the record keeps as a reading."""
    _reading_now: Any = None
    _parameter: Any = None
    _extra: Extra | None = None
    _frame: Frame | None = None
    _start: float | None = None
    _duration: float | None = None
    _name: str | None = None
    _description: str | None = None

    @property
    def data(self) -> T_co:
        """The plain value. Reading it inside a running call makes the node an input of that call."""
        _warn_shadowed(self, "data")
        heard("read", self)
        return self._data  # type: ignore[no-any-return]

    @data.setter
    def data(self, value: Any) -> None:
        raise InPlaceError(
            f"{described(self)} is not assigned to: a recorded value never changes, and a Parameter "
            "changes by parameter.update(value)."
        )

    @property
    def name(self) -> str:
        """The name the user gave, else one derived from the order within the graph behind it."""
        _warn_shadowed(self, "name")
        if self._op is None:
            return self._name or type(self._data).__name__
        name: str = late("Node.derived_name")(self)
        return name

    @property
    def description(self) -> str | None:
        """What the user said the value is; for a result, what its operator does."""
        _warn_shadowed(self, "description")
        if self._description is None and self._op is not None:
            return self._op.description
        return self._description

    @property
    def op(self) -> Operator | None:
        """What was applied to make this value; None for a value the user wrapped."""
        _warn_shadowed(self, "op")
        return self._op

    @property
    def inputs(self) -> dict[str, Node[Any]]:
        """What the operator was given, by name, constants included, with the values of that moment."""
        _warn_shadowed(self, "inputs")
        found: dict[str, Node[Any]] = late("Node.inputs")(self)
        return found

    @property
    def parents(self) -> list[Node[Any]]:
        """The nodes this one was made from, each once; a Parameter stands for each of its readings."""
        _warn_shadowed(self, "parents")
        found: list[Node[Any]] = late("Node.parents")(self)
        return found

    @property
    def feedback(self) -> Any:
        """What was said to a Parameter; None on every other node (backward writes on none)."""
        _warn_shadowed(self, "feedback")
        return None

    @property
    def call(self) -> Call | None:
        """The call that made this value: id, clocks, caller; None for values and plain operations."""
        _warn_shadowed(self, "call")
        made: Call | None = late("Node.call")(self)
        return made

    @property
    def __origin_trace__(self) -> frozenset[str]:
        """Ids of the language model calls this value came from, else of the nearest calls of any kind."""
        found: frozenset[str] = late("Node.__origin_trace__")(self)
        return found

    def backward(self, feedback: Any = None, rule: Any = None, visualize: bool = False) -> Any:
        """Carry `feedback` to the parameters behind this node; see `tracelib.feedback.backward`."""
        return late("Node.backward")(self, feedback, rule=rule, visualize=visualize)

    def detach(self) -> Node[T_co]:
        """The same value with nothing behind it: feedback stops here."""
        return leaf(self._data, self._name, self._description)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        return late("Node._repr_mimebundle_")(self, include, exclude)

    def __repr__(self) -> str:
        return described(self)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return late("copying.reduce")(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return late("copying.deepcopy")(self, memo)

    def __copy__(self) -> Any:
        return late("copying.copy")(self)


class Held(Node[T_co]):
    """A node whose value is not a string; what is common to the kinds below.

    No kind is derived from another: Python asks the right operand of a comparison first when its
    class is derived from the left one's, and `a < b` would be recorded as `b > a`.
    """

    __slots__ = ("__weakref__", "_args", "_caller", "_data", "_op", "_seq")


class Value(Held[T_co]):
    """What an operation of Python gave."""

    __slots__ = ()


class Leaf(Held[T_co]):
    """A value the user wrapped, with the name and words he gave it."""

    __slots__ = ("_description", "_name")


class Result(Held[T_co]):
    """What a call gave."""

    __slots__ = ("_duration", "_extra", "_frame", "_start")


class CallableValue(Held[T_co]):
    """A Value that can be called; only such a node can be called itself, so that `callable(node)` is true."""

    __slots__ = ()


class CallableLeaf(Held[T_co]):
    """A Leaf whose value can be called."""

    __slots__ = ("_description", "_name")


class CallableResult(Held[T_co]):
    """A Result whose value can be called."""

    __slots__ = ("_duration", "_extra", "_frame", "_start")


class AwaitableValue(Held[T_co]):
    """A Value that can be awaited, such as a Task; no other node has an `__await__`."""

    __slots__ = ()


class AwaitableLeaf(Held[T_co]):
    """A Leaf whose value can be awaited."""

    __slots__ = ("_description", "_name")


class AwaitableResult(Held[T_co]):
    """A Result whose value can be awaited."""

    __slots__ = ("_duration", "_extra", "_frame", "_start")


class Text(Node[str], str):
    """A node that is also a `str`: what a recorded result that is a string becomes."""

    __slots__ = ("__weakref__", "_args", "_caller", "_data", "_op", "_seq")


class TextValue(Text):
    """A string that an operation of Python gave."""

    __slots__ = ()


class TextLeaf(Text):
    """A string the user wrapped."""

    __slots__ = ("_description", "_name")


class TextResult(Text):
    """A string that a call gave."""

    __slots__ = ("_duration", "_extra", "_frame", "_start")


LEAVES = (Leaf, CallableLeaf, AwaitableLeaf, TextLeaf)
RESULTS = (Result, CallableResult, AwaitableResult, TextResult)


class ExceptionNode(Node[str]):
    """Stands for the result of a call that failed; its data is the annotated source to learn from.

    `exception` is the original exception. The text is made when asked for: the source of the
    function with the failing line marked, then the type and message of the error.
    """

    __slots__ = (
        "__weakref__",
        "_args",
        "_caller",
        "_duration",
        "_extra",
        "_frame",
        "_lines",
        "_op",
        "_seq",
        "_start",
        "_text",
        "exception",
    )

    exception: BaseException
    _lines: tuple[tuple[str, int, str], ...]
    _text: str | None

    @property
    def _data(self) -> str:
        if self._text is None:
            self._text = late("ExceptionNode.text")(self)
        return self._text


def is_node(value: Any) -> TypeGuard[Node[Any]]:
    """Whether a value is a node; unlike `isinstance` it never asks the value for its `__class__`."""
    return issubclass(type(value), Node)


def node(
    value: Any,
    name: str | None = None,
    trainable: bool = False,
    description: str | None = None,
    constraint: Any = None,
) -> Any:
    """A node holding `value`; with `trainable=True` a Parameter that optimizers may change.

    A node is given back as it is, unless it is to be trained. A container that holds nodes becomes
    a node that they are the parents of. `constraint` says what a Parameter may become: free text
    for a model, or a type checked with pydantic, such as `Literal["a", "b"]`.

    >>> (node(2) + 3).data
    5
    """
    if trainable:
        return late("Parameter")(value, name=name, description=description, constraint=constraint)
    if is_node(value):
        return value
    if type(value) not in ATOMS:
        found, value = late("seen")(value)
        if type(found) is Packed:
            return late("packed_node")(found, name, description)
    return leaf(value, name, description)


KINDS: dict[Any, tuple[Any, Any, Any]] = {
    Value: (TextValue, CallableValue, AwaitableValue),
    Leaf: (TextLeaf, CallableLeaf, AwaitableLeaf),
    Result: (TextResult, CallableResult, AwaitableResult),
}
"""For each kind of node the one for strings, for what can be called and for what can be awaited."""


def empty(value: Any, kind: Any) -> Any:
    """A node still to be filled: of `kind`, or of its likeness for strings, callables or awaitables."""
    if type(value) is str:
        return str.__new__(KINDS[kind][0], value)
    if type(value) in ATOMS:
        return new(kind)
    if hasattr(type(value), "__await__"):
        return new(KINDS[kind][2])
    return new(KINDS[kind][1]) if callable(value) else new(kind)


def leaf(value: Any, name: str | None = None, description: str | None = None) -> Node[Any]:
    """A node without parents; made in a running call it has its place there, and is not behind its result."""
    made: Any = empty(value, Leaf)
    made._data = value
    made._args = ()
    made._op = None
    made._seq = next_place()
    made._caller = frame = here.get()
    if frame is not None:
        within(made, frame)
    made._name = name
    made._description = description
    return made  # type: ignore[no-any-return]


def record(value: Any, args: tuple[Any, ...], op: Operator) -> Node[Any]:
    """A node for what `op` gave from `args`, in the running call if there is one."""
    made: Any = str.__new__(TextValue, value) if type(value) is str else empty(value, Value)
    made._data = value
    made._args = args
    made._op = op
    made._seq = next_place()
    made._caller = frame = here.get()
    if frame is not None:
        within(made, frame)
    return made  # type: ignore[no-any-return]


def within(made: Any, frame: Frame) -> None:
    """Put a node made inside a running call behind that call; outside recording, cut its parents."""
    if frame is OFF:
        made._args = ()
        made._caller = None
    else:
        frame.inner.append(made)


def constant(value: Any, consumer: Node[Any]) -> Node[Any]:
    """A leaf for a plain operand, just before the operation or the start of the call that used it."""
    frame = consumer._frame
    made: Any = empty(value, Value)
    made._data = value
    made._args = ()
    made._op = None
    made._seq = (consumer._seq if frame is None else frame.place or consumer._seq) - 0.5
    made._caller = consumer._caller
    return made  # type: ignore[no-any-return]


def operands(made: Node[Any]) -> Iterator[tuple[str, Any]]:
    """Each direct operand of a node by name: a Node, a Packed or a plain value."""
    op = made._op
    args = made._args
    if op is None:
        return
    keywords = made._extra.keywords if made._extra is not None else ()
    yield from zip(op.names_of(len(args) - len(keywords), keywords), args, strict=True)


def described(node: Node[Any]) -> str:
    """A node in a few words, for messages: its kind, value, name and operator."""
    made = "" if node._op is None else f", op={node._op.name}"
    named = "" if node._name is None else f", name={node._name!r}"
    return f"<{_kind(node)} {_short(node._data)}{named}{made}>"


def _kind(node: Node[Any]) -> str:
    for known in (ExceptionNode, Text):
        if isinstance(node, known):
            return known.__name__
    return "Node"


def _short(value: Any, limit: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


_declared: dict[tuple[type, str], bool] = {}
_warned: set[tuple[type, str]] = set()


def _warn_shadowed(node: Node[Any], name: str) -> None:
    """Say once per type that the node's own attribute won over the value's."""
    if isinstance(node, ExceptionNode) or type(node._data) in ATOMS:
        return
    key = type(node._data), name
    if key not in _declared:
        _declared[key] = _declares(*key)
    if key in _warned or not (_declared[key] or name in getattr(node._data, "__dict__", ())):
        return
    _warned.add(key)
    warnings.warn(
        f"{key[0].__name__} has an attribute {name!r} of its own; node.{name} is the node's. "
        f'Read the value\'s with trace.getattr(node, "{name}") or node.data.{name}.',
        ShadowedWarning,
        stacklevel=3,
    )


def _declares(kind: type, name: str) -> bool:
    if name == "data" and hasattr(kind, "__array__"):
        return False
    return any(name in vars(c) for c in kind.__mro__)


def source_line(filename: str, line: int) -> str:
    """One line of a file as Python's tracebacks see it."""
    return linecache.getline(filename, line).rstrip()
