"""Python's operators on nodes: each gives a node whose value is what plain Python gives.

One table per kind of operator, and one function that makes the method; nothing is written twice.
Which operators exist is taken from the data model of the language reference, section 3.3.
"""

from __future__ import annotations

import copy
import itertools
import math
import operator
import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

from tracelib.errors import InPlaceError
from tracelib.graph.containers import nodes_of, seen
from tracelib.graph.failure import failed_operation, root_of
from tracelib.graph.late import late
from tracelib.graph.node import ATOMS, KINDS, Node, TextValue, Value, new, record, within
from tracelib.graph.operator import BUILTIN, Operator, builtin
from tracelib.graph.tracing import heard, here, next_place

Method = Callable[..., Any]

BINARY = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "matmul": operator.matmul,
    "truediv": operator.truediv,
    "floordiv": operator.floordiv,
    "mod": operator.mod,
    "divmod": divmod,
    "lshift": operator.lshift,
    "rshift": operator.rshift,
    "and": operator.and_,
    "or": operator.or_,
    "xor": operator.xor,
}
COMPARISON = {"lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge}
UNARY: dict[str, Callable[[Any], Any]] = {
    "neg": operator.neg,
    "pos": operator.pos,
    "abs": abs,
    "invert": operator.invert,
    "trunc": math.trunc,
    "floor": math.floor,
    "ceil": math.ceil,
}
CONVERSION: dict[str, Callable[[Any], Any]] = {
    "int": int,
    "float": float,
    "complex": complex,
    "index": operator.index,
    "bytes": bytes,
    "len": len,
    "fspath": os.fspath,
}
IN_PLACE: dict[str, Any] = {f"i{name}": getattr(operator, f"i{name}", None) for name in BINARY}
del IN_PLACE["idivmod"]
IN_PLACE["iand"], IN_PLACE["ior"] = operator.iand, operator.ior
IN_PLACE["ipow"] = operator.ipow

CHANGING = {
    "builtins.list": {"append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse"},
    "builtins.dict": {"pop", "popitem", "clear", "update", "setdefault"},
    "builtins.set": {
        "add", "discard", "remove", "pop", "clear", "update",
        "difference_update", "intersection_update", "symmetric_difference_update",
    },
    "builtins.bytearray": {"append", "extend", "insert", "remove", "pop", "clear", "reverse"},
    "collections.deque": {
        "append", "appendleft", "extend", "extendleft", "insert", "remove", "pop", "popleft", "clear",
        "reverse", "rotate",
    },
    "collections.OrderedDict": {"move_to_end"},
    "collections.Counter": {"subtract"},
    "numpy.ndarray": {"fill", "partition", "put", "resize", "setfield", "setflags", "sort"},
    "pandas.DataFrame": {"insert", "pop", "update"},
    "pandas.core.frame.DataFrame": {"insert", "pop", "update"},
    "pandas.Series": {"pop", "update"},
    "pandas.core.series.Series": {"pop", "update"},
}  # fmt: skip
"""Methods of containers that change them: refused on a recorded value, of a subclass too."""

CHANGING_NAMES = frozenset().union(*CHANGING.values())

CHANGING_FUNCTIONS = frozenset(("copyto", "fill_diagonal", "place", "put", "put_along_axis", "putmask"))
"""Functions of numpy that change their first argument."""

GETITEM = builtin("getitem", operator.getitem, "x", "index")

OWN = frozenset((
    "_args", "_caller", "_code", "_constraint", "_data", "_description", "_duration", "_extra", "_feedback",
    "_frame", "_lines", "_name", "_op", "_own", "_parameter", "_path", "_program", "_reading", "_seq",
    "_start", "_text",
))  # fmt: skip
"""Slots of ours: an unset one is missing, and is never looked for on the value."""


def binary(op: Operator, fn: Callable[[Any, Any], Any]) -> Method:
    """`self <op> other`, recorded."""

    def method(self: Any, other: Any) -> Any:
        if isinstance(other, Node):
            if other._live:
                other = other._reading_now()
            plain_other = other._data
        elif type(other) in ATOMS:
            plain_other = other
        else:
            other, plain_other = seen(other)
        try:
            value = fn(self._data, plain_other)
        except Exception as error:
            raise failed_operation(op, (self, other), error) from root_of(error)
        if type(value) is str:
            made: Any = str.__new__(TextValue, value)
        elif type(value) in ATOMS:
            made = new(Value)
        else:
            return recorded(value, (self, other), op)
        made._data = value
        made._args = (self, other)
        made._op = op
        made._seq = next_place()
        made._caller = frame = here.get()
        if frame is not None:
            within(made, frame)
        return made

    return method


def reflected(op: Operator, fn: Callable[[Any, Any], Any]) -> Method:
    """`other <op> self`, recorded with the operands in their order."""

    def method(self: Any, other: Any) -> Any:
        return operate(op, fn, other, self)

    return method


def operate(op: Operator, fn: Callable[..., Any], *args: Any) -> Any:
    """`fn(*args)` on the plain values, recorded as `op`; what it gives may itself hold nodes."""
    found = [(a, a) if type(a) in ATOMS else seen(a) for a in args]
    kept = tuple(a for a, _ in found)
    try:
        value = fn(*(v for _, v in found))
    except Exception as error:
        raise failed_operation(op, kept, error) from root_of(error)
    return recorded(value, kept, op)


def recorded(value: Any, args: tuple[Any, ...], op: Operator) -> Any:
    """A node for `value`; nodes that the value is or holds become parents too."""
    if type(value) not in ATOMS:
        found, value = seen(value)
        if found is not value:
            args = (*args, found)
    return record(value, args, op)


def unary(op: Operator, fn: Callable[[Any], Any]) -> Method:
    def method(self: Any) -> Any:
        return operate(op, fn, self)

    return method


def conversion(fn: Callable[[Any], Any]) -> Method:
    """A conversion that Python demands a plain value of: noted as a read."""

    def method(self: Any) -> Any:
        heard("read", self)
        return fn(self._data)

    return method


def in_place(op: Operator, fn: Callable[[Any, Any], Any]) -> Method:
    """`self <op>= other` as an operation on a copy: the recorded value stays as it was."""

    def apply(value: Any, other: Any) -> Any:
        return fn(copy.copy(value) if hasattr(type(value), f"__{op.name}__") else value, other)

    def method(self: Any, other: Any) -> Any:
        return operate(op, apply, self, other)

    return method


def power(self: Any, other: Any, modulo: Any = None) -> Any:
    args = (self, other) if modulo is None else (self, other, modulo)
    return operate(BUILTIN["pow"], pow, *args)


def reflected_power(self: Any, other: Any, modulo: Any = None) -> Any:
    return power(other, self, modulo)


def rounded(self: Any, digits: Any = None) -> Any:
    return operate(BUILTIN["round"], round, self, *(() if digits is None else (digits,)))


def equal(self: Any, other: Any) -> Any:
    return _compared(operator.eq, self, other)


def unequal(self: Any, other: Any) -> Any:
    return _compared(operator.ne, self, other)


def _compared(fn: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    """A plain bool, noted as a branch condition; arrays compare element by element, recorded."""
    kept_left, plain_left = seen(left)
    kept_right, plain_right = seen(right)
    value = fn(plain_left, plain_right)
    if type(value) is bool:
        for compared in (*nodes_of(kept_left), *nodes_of(kept_right)):
            heard("control", compared)
        return value
    return recorded(value, (kept_left, kept_right), BUILTIN[fn.__name__])


def truth(self: Any) -> bool:
    heard("control", self)
    return bool(self._data)


def hashed(self: Any) -> int:
    heard("control", self)
    return hash(self._data)


def contains(self: Any, item: Any) -> bool:
    found, plain_item = seen(item)
    for compared in (self, *nodes_of(found)):
        heard("control", compared)
    return plain_item in self._data


def getitem(self: Any, index: Any) -> Any:
    if type(index) in ATOMS or (type(index) is slice and _is_plain(index)):
        try:
            value = self._data[index]
        except Exception as error:
            raise failed_operation(GETITEM, (self, index), error) from root_of(error)
        kept = (self, index)
        return record(value, kept, GETITEM) if type(value) in ATOMS else recorded(value, kept, GETITEM)
    return operate(GETITEM, operator.getitem, self, index)


def _is_plain(part: slice) -> bool:
    return type(part.start) in ATOMS and type(part.stop) in ATOMS and type(part.step) in ATOMS


def iterate(self: Any) -> Iterator[Any]:
    """The elements as nodes: `self[i]` of a sequence, the keys or members of anything else."""
    return _elements(self, iter(self._data), itertools.count())


def _elements(self: Any, elements: Iterator[Any], places: Iterator[int]) -> Iterator[Any]:
    op = GETITEM if isinstance(self._data, (list, tuple, str)) else BUILTIN["item"]
    for element, i in zip(elements, places, strict=False):
        yield recorded(element, (self, i), op)


def backwards(self: Any) -> Iterator[Any]:
    """The elements as nodes, last first."""
    return _elements(self, reversed(self._data), itertools.count(-1, -1))


def called(self: Any, *args: Any, **kwargs: Any) -> Any:
    """Call the value: a call like that of a bundle, with everything made inside behind it."""
    return late("call")(self, args, kwargs)


def attribute(self: Any, name: str) -> Any:
    """`self.name` of the value, recorded; names of ours and protocols of Python are not looked for."""
    if name in OWN or (name.startswith("__") and name.endswith("__")):
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
    value = getattr(self._data, name)
    if name in CHANGING_NAMES and _changes(type(self._data), name):
        return _refusing(f".{name}(...)", self)
    return recorded(value, (self, name), BUILTIN["getattr"])


def get_attribute(value: Any, name: str, *default: Any) -> Any:
    """`getattr` of a node's value, also where the node has an attribute of the same name."""
    if not isinstance(value, Node):
        return getattr(value, name, *default)
    return operate(BUILTIN["getattr"], lambda v, n: getattr(v, n, *default), value, name)


def change_item(self: Any, *args: Any) -> None:
    raise _refusal("[...] = ..." if len(args) == 2 else "del [...]", self)


def _changes(kind: type, name: str) -> bool:
    """Whether a method of a type, or of one that it is derived from, changes the value."""
    return any(name in CHANGING.get(f"{base.__module__}.{base.__qualname__}", ()) for base in kind.__mro__)


def _refusing(what: str, self: Any) -> Method:
    """Stands for a method that would change the value: asking for it is allowed, calling it is not."""

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise _refusal(what, self)

    return refuse


def _refusal(what: str, self: Any) -> InPlaceError:
    kind = type(self._data).__name__
    return InPlaceError(
        f"{what} would change a recorded {kind} in place, and the record of earlier calls with it. "
        f"Make a new value (`node + [x]`, `node | {{k: v}}`, or a @bundle that returns a new {kind}), "
        f"or change the plain value before it becomes a node."
    )


def as_text(self: Any) -> str:
    """`str(node)`: a Text that remembers the node; `"%s" % node` and `f"{node!s}"` keep only its letters."""
    if here.get() is None:
        heard("read", self)
    return record(str(self._data), (self,), BUILTIN["str"])  # type: ignore[return-value]


def formatted(self: Any, spec: Any = "", /) -> str:
    """`format(node)`: between calls a Text that remembers the node, as long as it stands alone."""
    heard("read", self)
    kept, given = seen(spec)
    value = format(self._data, given)
    return value if here.get() is not None else record(value, (self, kept), BUILTIN["formatted"])  # type: ignore[return-value]


def awaited(self: Any) -> Generator[Any, Any, Any]:
    """What the value gives when it is awaited, recorded."""
    value = yield from self._data.__await__()
    return recorded(value, (self,), BUILTIN["await"])


def enter(self: Any) -> Any:
    return operate(BUILTIN["enter"], lambda manager: manager.__enter__(), self)


def leave(self: Any, *exc: Any) -> Any:
    return self._data.__exit__(*exc)


def directory(self: Any) -> list[str]:
    return sorted({*object.__dir__(self), *dir(self._data)})


def array(self: Any, dtype: Any = None, copy: Any = None) -> Any:
    """The value as a numpy array; numpy is loaded already, or it would not have asked."""
    heard("read", self)
    numpy = sys.modules["numpy"]
    if copy is None:
        return numpy.asarray(self._data, dtype=dtype)
    return numpy.array(self._data, dtype=dtype, copy=copy)


def array_ufunc(self: Any, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    changed = inputs[:1] if method == "at" else kwargs.get("out", ())
    name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}_{method}"
    _refuse_change(name, changed)
    apply = getattr(ufunc, method)
    if name == "multiply" and not kwargs and any(isinstance(x, sys.modules["numpy"].generic) for x in inputs):
        # `np.int64(2) * [1]` repeats the list, as Python's 2 does; np.multiply would not
        return operate(BUILTIN["mul"], operator.mul, *inputs)
    return _applied(name, apply, inputs, kwargs)


def array_function(self: Any, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
    name = func.__name__
    _refuse_change(name, args[:1] if name in CHANGING_FUNCTIONS else (kwargs.get("out"),))
    return _applied(name, func, args, kwargs)


def _applied(name: str, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if not kwargs:
        return operate(_numpy(name), fn, *args)
    return operate(_numpy(name), lambda *given: fn(*given[:-1], **given[-1]), *args, kwargs)


def _refuse_change(name: str, changed: Iterable[Any]) -> None:
    for value in changed:
        if isinstance(value, Node):
            raise _refusal(f"numpy.{name}", value)


def _numpy(name: str) -> Operator:
    """The operator of a function of numpy's; one for each name, however often it is called."""
    return BUILTIN.get(name) or _NUMPY.setdefault(name, Operator(name, names=("x", "y", "z")))


_NUMPY: dict[str, Operator] = {}


def install() -> None:
    """Give Node every operator of the tables above."""
    for name, fn in BINARY.items():
        op = builtin(name, fn, "x", "y")
        _set(name, binary(op, fn))
        _set(f"r{name}", reflected(op, fn))
    for name, compare in COMPARISON.items():
        _set(name, binary(builtin(name, compare, "x", "y"), compare))
    for name, one in UNARY.items():
        _set(name, unary(builtin(name, one, "x"), one))
    for name, change in IN_PLACE.items():
        assert change is not None, name
        _set(name, in_place(builtin(name, change, "x", "y"), change))
    for name, convert in CONVERSION.items():
        _set(name, conversion(convert))
    for name, method in _SINGLE.items():
        _set(name, method)
    for _, callables, awaitables in KINDS.values():
        callables.__call__ = called
        awaitables.__await__ = awaited
    Node.__pandas_priority__ = 1_000_000  # type: ignore[attr-defined]  # Series + node asks the node
    Node.__array_priority__ = 1_000_000.0  # type: ignore[attr-defined]


def methods() -> Iterator[tuple[str, Method]]:
    """Every operator method that Node was given, by its special name."""
    return ((name, vars(Node)[name]) for name in _installed)


_installed: list[str] = []


def _set(name: str, method: Method) -> None:
    method.__name__ = f"__{name}__"
    method.__qualname__ = f"Node.__{name}__"
    setattr(Node, method.__name__, method)
    _installed.append(method.__name__)


builtin("pow", pow, "x", "y", "modulo")
builtin("round", round, "x", "digits")
builtin("eq", operator.eq, "x", "y")
builtin("ne", operator.ne, "x", "y")
builtin("item", lambda x, index: next(v for i, v in enumerate(x) if i == index), "x", "index")
builtin("getattr", getattr, "x", "name")
builtin("str", str, "x")
builtin("formatted", format, "x", "spec")
builtin("await", lambda awaitable: awaitable, "x")
builtin("enter", lambda manager: manager.__enter__(), "x")

_SINGLE: dict[str, Method] = {
    "pow": power,
    "rpow": reflected_power,
    "round": rounded,
    "eq": equal,
    "ne": unequal,
    "bool": truth,
    "hash": hashed,
    "contains": contains,
    "getitem": getitem,
    "setitem": change_item,
    "delitem": change_item,
    "iter": iterate,
    "reversed": backwards,
    "getattr": attribute,
    "str": as_text,
    "format": formatted,
    "enter": enter,
    "exit": leave,
    "dir": directory,
    "array": array,
    "array_ufunc": array_ufunc,
    "array_function": array_function,
}

install()
