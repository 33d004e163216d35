"""Bundles: functions whose calls are recorded. The recording function itself is written in wrapper.py."""

from __future__ import annotations

import functools
import inspect
import sys
import threading
import types
import warnings
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

from tracelib.errors import GraphError, MutationWarning
from tracelib.graph import streams
from tracelib.graph.containers import nodes_of, plain, seen
from tracelib.graph.failure import exception_node, execution_error, nodes_behind
from tracelib.graph.late import late
from tracelib.graph.node import ATOMS, Extra, Node, Result, TextResult, Value, new
from tracelib.graph.operator import Operator, find, name_of
from tracelib.graph.tracing import CLOSED, OFF, Frame, clock, ears, here, loose, next_place, tell
from tracelib.graph.wrapper import signature_of, write

P = ParamSpec("P")
R = TypeVar("R")

CODE = "__code"
"""The name under which trainable code is an input of its calls."""

FAST = ATOMS - {str}
"""Results that become a node with nothing more to look at."""

ROOM = 64
"""Python frames that 32 nested recorded calls take beyond those of the plain calls."""

WATCHED = (list, dict, set, bytearray)
"""Containers that a body may change in place, and that are cheap to look at before and after."""


class Bundle(Generic[P, R]):
    """A function whose calls are recorded as nodes.

    Called, it runs the function on the plain values and returns one node; under `stop_tracing` it
    returns the plain value. `parameter` holds the source when the bundle is trainable. Each thread
    and task may call it at once: nothing of a call is kept here.
    """

    # A slot named __call__ holds the recording function itself: Python finds it there as it finds a
    # method, without a frame of ours between the user's call and the recording.
    __slots__ = ("__call__", "__dict__", "__weakref__")

    if TYPE_CHECKING:

        def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Any: ...

    def __init__(
        self,
        fn: Callable[P, R],
        *,
        name: str | None = None,
        description: str | None = None,
        trainable: bool = False,
        catch_execution_error: bool = True,
        traceable_code: bool = False,
    ) -> None:
        self._descriptor = type(fn) if isinstance(fn, (classmethod, staticmethod)) else None
        plain_fn: Any = fn.__func__ if isinstance(fn, (classmethod, staticmethod)) else fn
        if isinstance(plain_fn, Bundle):
            plain_fn = plain_fn.fn
        if not callable(plain_fn):
            raise GraphError(f"bundle needs something to call, got {type(plain_fn).__name__}: {plain_fn!r}")
        self.fn = plain_fn
        self.trainable = trainable
        self.catch_execution_error = catch_execution_error
        self.traceable_code = traceable_code
        self._owner: type | None = None
        self._parameter: Any = None
        self._per_instance: dict[int, tuple[weakref.ref[Any], Bundle[P, R]]] = {}
        self.op = Operator(name or name_of(plain_fn), plain_fn, description, receiver=self._is_method())
        functools.update_wrapper(self, plain_fn)
        kept: Any = self
        kept.__call__ = functools.partial(_first_call, weakref.ref(self))

    def _written(self) -> Callable[..., Any]:
        signature = signature_of(self.fn)
        self.op.take_names(signature)
        run = _run_of(self.fn)
        if self.trainable:
            return self._trainable_call(signature, run)
        made = write(signature, self.op.receiver, run is None, _namespace(self, run))
        made.__qualname__ = getattr(self.fn, "__qualname__", self.op.name)
        made.__name__ = self.op.name
        return made

    def _trainable_call(self, signature: inspect.Signature, run: Any) -> Callable[..., Any]:
        """The recording function of trainable code: the code is its last input."""
        parts = list(signature.parameters.values())
        code = inspect.Parameter(CODE, inspect.Parameter.KEYWORD_ONLY)
        spread = [p for p in parts if p.kind is p.VAR_KEYWORD]
        whole = signature.replace(parameters=[*(p for p in parts if p not in spread), code, *spread])
        self.op.take_names(whole)
        namespace = _namespace(self, run)
        namespace["_t_fn"] = self._call_code
        made = write(whole, self.op.receiver, run is None, namespace)
        made.__qualname__ = getattr(self.fn, "__qualname__", self.op.name)
        parameter = self.parameter

        def call(*args: Any, **kwargs: Any) -> Any:
            kwargs[CODE] = parameter
            if here.get() is OFF:
                return self._call_code(*map(plain, args), **plain(kwargs))
            return made(*args, **kwargs)

        return call

    def _call_code(self, /, *args: Any, **kwargs: Any) -> Any:
        return self.parameter._code.function(kwargs.pop(CODE))(*args, **kwargs)

    @property
    def name(self) -> str:
        """What calls of it are named after."""
        return self.op.name

    @property
    def description(self) -> str | None:
        """What it does, in the user's words: given, or its docstring."""
        return self.op.description

    @property
    def parameter(self) -> Any:
        """The source without decorators as a Parameter when trainable, else None."""
        if not self.trainable:
            return None
        if self._parameter is None:
            slot = late("code")(self.fn, self._owner)
            described = self.op.description or f"The code of {self.op.name}."
            self._parameter = late("Parameter")(
                slot.original, name=self.op.name, description=described, code=slot
            )
        return self._parameter

    def parameters(self) -> list[Any]:
        """The parameter in a list, so that a lone bundle can be given to an optimizer or trainer."""
        return [self.parameter] if self.trainable else []

    def named_parameters(self) -> dict[str, Any]:
        """The parameter by its name."""
        return {p.name: p for p in self.parameters()}

    def _is_method(self) -> bool:
        if self._descriptor is staticmethod:
            return False
        if self._descriptor is classmethod:
            return True
        code = getattr(self.fn, "__code__", None)
        if code is None or not code.co_argcount:
            return False
        before = ["<locals>", *self.fn.__qualname__.split(".")][-2]
        return before != "<locals>" and code.co_varnames[0] in ("self", "cls")

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner = owner
        if self._descriptor is not staticmethod and isinstance(self.fn, types.FunctionType):
            self.op.receiver = True

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if self._descriptor is staticmethod:
            return self
        if self._descriptor is classmethod:
            return types.MethodType(self, owner if owner is not None else type(instance))
        if instance is None or not isinstance(self.fn, (types.FunctionType, functools.partialmethod)):
            return self
        if self.trainable:
            return BoundBundle(self.of(instance), instance)
        return types.MethodType(self, instance)

    def of(self, instance: Any) -> Bundle[P, R]:
        """This method's own bundle for one instance: trainable code is not shared between instances."""
        kept = late("instance_parameters")(instance)
        if kept is not None:
            return self._with_kept_parameter(kept, instance)
        found = self._per_instance.get(id(instance))
        if found is not None and found[0]() is instance:
            return found[1]
        return self._remembered(instance)

    def _with_kept_parameter(self, kept: dict[str, Any], instance: Any) -> Bundle[P, R]:
        """A Module keeps its methods' code itself, so that it is copied and saved with it."""
        found = self._per_instance.get(id(instance))
        parameter = kept.get(self.op.name)
        if found is not None and found[0]() is instance and found[1]._parameter is parameter:
            return found[1]
        made = self._remembered(instance)
        if parameter is None:
            kept[self.op.name] = made.parameter
        else:
            made._parameter = parameter
        return made

    def _remembered(self, instance: Any) -> Bundle[P, R]:
        key = id(instance)
        try:
            reference = weakref.ref(instance, lambda _: self._per_instance.pop(key, None))
        except TypeError as error:
            raise GraphError(
                f"{type(instance).__name__} instances cannot be referenced weakly, so {self.op.name} cannot "
                "have trainable code for each: add '__weakref__' to __slots__, or make it a Module."
            ) from error
        made = self._copy()
        self._per_instance[key] = (reference, made)
        return made

    def _copy(self) -> Bundle[P, R]:
        made: Bundle[P, R] = Bundle(
            self.fn,
            name=self.op.name,
            description=self.op.description_given,
            trainable=self.trainable,
            catch_execution_error=self.catch_execution_error,
            traceable_code=self.traceable_code,
        )
        made._owner, made._descriptor = self._owner, self._descriptor
        made.op = self.op
        if self._parameter is not None:
            made.parameter._own = self._parameter._own
        return made

    def __getattr__(self, name: str) -> Any:
        """Attributes of the function: `cache_info` of a cached one, marks of other decorators."""
        if name == "_is_coroutine" and _run_of(self.fn) is streams.run_coroutine:
            return getattr(sys.modules.get("asyncio.coroutines"), "_is_coroutine", None)
        if name.startswith("__") or name in ("fn", "op"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self.fn, name)

    def __deepcopy__(self, memo: dict[int, Any]) -> Bundle[P, R]:
        return self._copy() if self.trainable else self

    def __copy__(self) -> Bundle[P, R]:
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        """By name, as functions are pickled; learned code travels with it."""
        if not self.trainable:
            return getattr(self, "__qualname__", self.op.name)
        return _restore, (self.__module__, self.__qualname__, self.parameter._own)

    def __repr__(self) -> str:
        return f"<bundle {self.op.name}{' trainable' if self.trainable else ''}>"


class BoundBundle:
    """A trainable method of one instance, with the code of that instance."""

    def __init__(self, bundle: Bundle[Any, Any], instance: Any) -> None:
        self.__func__ = bundle
        self.__self__ = instance

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self.__func__(self.__self__, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__func__, name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BoundBundle):
            return NotImplemented
        return self.__func__ is other.__func__ and self.__self__ is other.__self__

    def __hash__(self) -> int:
        return hash((id(self.__func__), id(self.__self__)))

    def __reduce__(self) -> Any:
        return getattr, (self.__self__, self.__func__.op.name)

    def __repr__(self) -> str:
        return f"<bundle {self.__func__.op.name} of {self.__self__!r}>"


def _restore(module: str, qualname: str, source: str) -> Any:
    """A trainable bundle from a pickle: the one of that name, or a copy of it with other code."""
    found: Any = find(module, qualname)
    if found.parameter._own == source:
        return found
    made = found._copy()
    made.parameter._own = source
    return made


@overload
def bundle(fn: Callable[P, R], /) -> Bundle[P, R]: ...
@overload
def bundle(
    *,
    name: str | None = None,
    description: str | None = None,
    trainable: bool = False,
    catch_execution_error: bool = True,
    traceable_code: bool = False,
) -> Callable[[Callable[P, R]], Bundle[P, R]]: ...
@overload
def bundle(
    fn: Callable[P, R],
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    trainable: bool = False,
    catch_execution_error: bool = True,
    traceable_code: bool = False,
) -> Bundle[P, R]: ...
def bundle(fn: Any = None, /, **options: Any) -> Any:
    """Record the calls of a function: `@bundle`, `@bundle(trainable=True)` or `bundle(fn)`.

    The body sees plain values, however deep they are in containers; the result is one node, whose
    parents are the arguments that were nodes and all that the body read. Sync and async functions,
    generators, methods, classmethods, staticmethods, lambdas, builtins and any other callable.

    `name` and `description` are what pictures and prompts show (default: the function's own).
    `trainable=True` makes the source a Parameter. `catch_execution_error=False` lets exceptions pass
    as they are instead of as ExecutionError. `traceable_code=True` gives the body the nodes
    themselves, so that the operations inside are recorded too.

    >>> @bundle
    ... def double(x):
    ...     return 2 * x
    >>> double(21).data
    42
    """
    if fn is None:
        return lambda function: Bundle(function, **options)
    return Bundle(fn, **options)


def _first_call(reference: weakref.ref[Any], /, *args: Any, **kwargs: Any) -> Any:
    """The first call: the signature is read and the recording function written, once."""
    bundle = reference()
    bundle.__call__ = bundle._written()
    return bundle.__call__(*args, **kwargs)


def _run_of(fn: Any) -> Any:
    """Who runs what the function returns: None for a plain value, else a runner of streams.py."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    if not (inspect.isroutine(fn) or isinstance(fn, type)):
        fn = type(fn).__call__
    if inspect.iscoroutinefunction(fn):
        return streams.run_coroutine
    if inspect.isasyncgenfunction(fn):
        return streams.run_async_generator
    return streams.run_generator if inspect.isgeneratorfunction(fn) else None


def _namespace(owner: Bundle[Any, Any], run: Any) -> dict[str, Any]:
    """The names that the written recording function uses."""
    op = owner.op
    take = _take_nodes if owner.traceable_code else _take
    names: dict[str, Any] = {**_COMMON, "_t_fn": owner.fn, "_t_plain_call": owner.fn, "_t_op": op}
    names["_t_ATOMS"] = FROZEN_NONE if owner.traceable_code else ATOMS
    names["_t_take"] = take
    names["_t_take_args"] = functools.partial(_take_args, take)
    names["_t_take_keywords"] = functools.partial(_take_keywords, take)
    names["_t_failed"] = functools.partial(failed, op, owner.catch_execution_error)
    names["_t_finished"] = functools.partial(finished, op)
    if run is not None:
        names["_t_run"] = functools.partial(run, op, owner.catch_execution_error)
    return names


FROZEN_NONE: frozenset[type] = frozenset()


def _take(value: Any, name: str, watch: Any) -> tuple[Any, Any, Any]:
    """An argument as kept, as the body sees it, and what to look at again after the call."""
    kept, given = seen(value)
    if isinstance(given, WATCHED):
        watch = [*(watch or ()), (name, given, _print_of(given))]
    return kept, given, watch


def _take_nodes(value: Any, name: str, watch: Any) -> tuple[Any, Any, Any]:
    """An argument of traceable code, which sees the nodes themselves."""
    return seen(value)[0], value, watch


def _take_args(take: Any, values: tuple[Any, ...], name: str, watch: Any) -> tuple[Any, Any, Any]:
    if ATOMS.issuperset(map(type, values)):
        return values, values, watch
    kept, given = [], []
    for i, value in enumerate(values):
        one, other, watch = take(value, f"{name}[{i}]", watch)
        kept.append(one)
        given.append(other)
    return tuple(kept), tuple(given), watch


def _take_keywords(take: Any, values: dict[str, Any], name: str, watch: Any) -> tuple[Any, Any, Any]:
    kept, given = {}, {}
    for key, value in values.items():
        kept[key], given[key], watch = take(value, key, watch)
    return kept, given, watch


def _print_of(value: Any) -> Any:
    """A cheap fingerprint of a container: its length, and who is in it where that is quick to say."""
    if len(value) > 64:
        return len(value)
    if isinstance(value, dict):
        return tuple([(id(k), id(v)) for k, v in value.items()])
    return bytes(value) if isinstance(value, bytearray) else tuple(map(id, value))


def report_changes(op: Operator, watch: list[tuple[str, Any, Any]]) -> None:
    """Warn when the body changed an argument in place: the record keeps values by reference."""
    for name, value, before in watch:
        if _print_of(value) != before:
            warnings.warn(
                f"{op.name} changed its argument {name!r} ({type(value).__name__}) in place; the record "
                "keeps values by reference, so earlier calls now show the changed value. Return a new "
                f"{type(value).__name__} instead.",
                MutationWarning,
                stacklevel=4,
            )


def finished(
    op: Operator,
    args: tuple[Any, ...],
    keywords: tuple[str, ...],
    value: Any,
    frame: Frame,
    start: float,
    duration: float,
    watch: Any,
) -> Any:
    """The node of a call that returned, with every edge that is not an argument."""
    if isinstance(value, types.CoroutineType):
        return streams.run_coroutine(op, True, args, keywords, value, frame, watch)
    if watch is not None:
        report_changes(op, watch)
    returned: tuple[Node[Any], ...] = ()
    if type(value) not in ATOMS:
        found, value = seen(value)
        returned = nodes_of(found)
    made: Any = str.__new__(TextResult, value) if type(value) is str else new(Result)
    made._data = value
    made._extra = extra_of(args, keywords, frame, [("returned", n) for n in returned])
    return placed(made, op, args, frame, start, duration)


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
    possible = ()
    if frame.caller is None:
        possible = loose.get()
        if possible:
            loose.set(())
    reads = frame.reads or ()
    if not (edges or reads or frame.inner or keywords or possible):
        return None
    known = {id(n) for a in args for n in nodes_of(a)}
    kept = []
    reading = [(kind, n) for kind, n in reads if kind == "read"]
    inside = [("within", n) for n in _last(frame.inner)]
    branched = [(kind, n) for kind, n in reads if kind == "control"]
    for kind, found in (*edges, *reading, *inside, *branched):
        if id(found) not in known:
            known.add(id(found))
            kept.append((kind, found))
    return Extra(tuple(kept), keywords, possible)


def _last(inner: list[Node[Any]]) -> list[Node[Any]]:
    """Of the nodes made inside a call those that no other of them was made from."""
    if len(inner) < 2:
        return list(inner)
    used = {id(n) for made in inner for a in made._args for n in nodes_of(a)}
    for made in inner:
        if made._extra is not None:
            used.update(id(n) for kind, n in made._extra.edges if kind != "control")
    return [made for made in inner if id(made) not in used]


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


_room = threading.Lock()


def more_room() -> None:
    """Deep recursion: give back to the user's functions the Python frames that recording takes."""
    with _room:
        sys.setrecursionlimit(sys.getrecursionlimit() + ROOM)


def less_room() -> None:
    with _room:
        sys.setrecursionlimit(sys.getrecursionlimit() - ROOM)


_COMMON: dict[str, Any] = {
    "_t_get": here.get,
    "_t_put": here.set,
    "_t_reset": here.reset,
    "_t_OFF": OFF,
    "_t_Frame": Frame,
    "_t_FAST": FAST,
    "_t_Result": Result,
    "_t_Value": Value,
    "_t_new": new,
    "_t_next": next_place,
    "_t_clock": clock,
    "_t_ears": ears,
    "_t_tell": tell,
    "_t_plain": plain,
    "_t_loose": loose.get,
    "_t_more_room": more_room,
    "_t_less_room": less_room,
}


def call_value(function: Node[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call the value of a node: recorded like a bundle's call, the function being an input too."""
    return _caller_of(function, *args, **kwargs)


def _apply(function: Any, /, *args: Any, **kwargs: Any) -> Any:
    return function(*args, **kwargs)


_caller_of: Bundle[Any, Any] = Bundle(_apply, name="call")
