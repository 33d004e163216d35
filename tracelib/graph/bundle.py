"""Bundles: functions whose calls are recorded. The recording function itself is written in wrapper.py."""

from __future__ import annotations

import functools
import inspect
import sys
import threading
import types
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

from tracelib.errors import GraphError
from tracelib.graph import streams
from tracelib.graph.late import late
from tracelib.graph.operator import Operator, find, name_of
from tracelib.graph.wrapper import first_call, recording

if TYPE_CHECKING:
    from tracelib.graph.node import Node
    from tracelib.graph.parameter import Parameter

P = ParamSpec("P")
R = TypeVar("R")

MARKS = {
    "_is_coroutine": ("asyncio.coroutines", "_is_coroutine"),
    "_is_coroutine_marker": ("inspect", "_is_coroutine_mark"),
}
"""By these attributes `iscoroutinefunction` knows a callable that is no Python function."""


CAPTURES = ("full", "hash", "none")
"""What a store may keep of a call's values."""

DEMANDED = ("__init__", "__bool__", "__hash__")
"""Methods of which Python takes nothing but a plain None, bool or int."""


_making = threading.RLock()
"""Held while a code Parameter is made, so that threads that ask for it first at once get the same one."""


class Bundle(Generic[P, R]):
    """A function whose calls are recorded as nodes.

    Called, it runs the function on the plain values and returns one node; under `stop_tracing` it
    returns the plain value. `parameter` holds the source when the bundle is trainable. Each thread
    and task may call it at once: nothing of a call is kept here.
    """

    # A slot named __call__ holds the recording function itself: Python finds it there as it finds a
    # method, without a frame of ours between the user's call and the recording. What is ours is in
    # slots, so that the attributes of the user's function, which go to __dict__, never meet it.
    __slots__ = (
        "__call__",
        "__dict__",
        "__weakref__",
        "_around",
        "_descriptor",
        "_key",
        "_of",
        "_owner",
        "_parameter",
        "_per_instance",
        "catch_execution_error",
        "fn",
        "op",
        "traceable_code",
        "trainable",
    )

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
        capture: str | None = None,
    ) -> None:
        self._descriptor: Any = type(fn) if isinstance(fn, (classmethod, staticmethod)) else None
        plain_fn: Any = fn.__func__ if isinstance(fn, (classmethod, staticmethod)) else fn
        if type(plain_fn) is Bundle and not plain_fn.trainable:
            plain_fn = plain_fn.fn  # what does more than run its function is called as it is
        if not callable(plain_fn):
            raise GraphError(f"bundle needs something to call, got {type(plain_fn).__name__}: {plain_fn!r}")
        if getattr(plain_fn, "__name__", None) in DEMANDED:
            raise GraphError(
                f"{plain_fn.__qualname__} cannot be a bundle, since Python takes no node from it: "
                "put what it does in a method of another name and record that."
            )
        self.fn: Any = plain_fn
        self.trainable: bool = trainable
        self.catch_execution_error = catch_execution_error
        self.traceable_code = traceable_code
        self._around: Callable[[Any], Any] | None = None
        self._owner: type | None = None
        self._key: str | None = None
        self._of: weakref.ref[Any] | None = None
        self._parameter: Parameter[str] | None = None
        self._per_instance: dict[int, tuple[weakref.ref[Any], Bundle[P, R]]] = {}
        self.op = Operator(name or name_of(plain_fn), plain_fn, description, receiver=self._is_method())
        self.op.kind = "bundle"
        self.op.capture = _capture(capture)
        functools.update_wrapper(self, plain_fn)
        self._unwrite()

    def _unwrite(self) -> None:
        """Let the recording function be written at the next call."""
        kept: Any = self
        kept.__call__ = first_call(functools.partial(_written, weakref.ref(self)))

    def put_around(self, around: Callable[[Any], Any] | None) -> None:
        """Run `around(function)` in place of the function, from the next call on; None puts it back.

        Calls are recorded as ever. It holds for every thread; a method's instances that have trainable
        code of their own are not touched.
        """
        self._around = around
        self._unwrite()

    def body(self) -> Callable[[Any], Any] | None:
        """What makes of the function that which is run in its place; None where it is run itself."""
        return self._around

    def entrance(self, recorded: Callable[..., Any]) -> Callable[..., Any]:
        """What a call of the bundle runs: the recording function, or what another kind puts before it."""
        return recorded

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
            with _making:
                if self._parameter is None:
                    self._parameter = self._made_parameter()
        return self._parameter

    def _made_parameter(self) -> Any:
        slot = late("code")(self.fn, self._owner)
        described = self.op.description or f"The code of {self.op.name}."
        return late("Parameter")(slot.original, name=self.op.name, description=described, code=slot)

    def parameters(self) -> list[Any]:
        """The parameter in a list, so that a lone bundle can be given to an optimizer or trainer."""
        return [self.parameter] if self.trainable else []

    def named_parameters(self) -> dict[str, Any]:
        """The parameter by its name."""
        return {p.name: p for p in self.parameters()}

    @property
    def learning(self) -> bool:
        """Whether it has parameters, of which each instance has its own where it is a method."""
        return self.trainable

    def parts(self) -> dict[str, Any]:
        """Its parameters by what a Module puts behind the bundle's own path; the code's is nothing."""
        return {"": self.parameter} if self.trainable else {}

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

    def _binds(self) -> bool:
        """Whether the function becomes a method where it is an attribute of a class."""
        return hasattr(type(self.fn), "__get__") and not isinstance(self.fn, types.MethodType)

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner = owner
        self._key = f"{owner.__qualname__}.{name}"
        if self._descriptor is not staticmethod and self._binds():
            self.op.receiver = True

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if self._descriptor is staticmethod:
            return self
        if self._descriptor is classmethod:
            return types.MethodType(self, owner if owner is not None else type(instance))
        if instance is None or not self._binds():
            return self
        if self.learning:
            return BoundBundle(self.of(instance), instance)
        return types.MethodType(self, instance)

    def of(self, instance: Any) -> Bundle[P, R]:
        """This method's own bundle for one instance: trainable code is not shared between instances."""
        kept = late("instance_parameters")(instance)
        if kept is not None:
            return self._with_kept_parameters(kept, instance)
        found = self._per_instance.get(id(instance))
        if found is not None and found[0]() is instance:
            return found[1]
        return self._remembered(instance)

    def _with_kept_parameters(self, kept: dict[str, Any], instance: Any) -> Bundle[P, R]:
        """A Module keeps its methods' parameters itself, so that they are copied and saved with it."""
        key = str(self._key or getattr(self.fn, "__qualname__", self.op.name))
        found = self._per_instance.get(id(instance))
        if found is not None and found[0]() is instance:
            parts = found[1].parts().items()
            if all(kept.get(f"{key}{part and '.'}{part}") is own for part, own in parts):
                return found[1]
        with _making:
            made = self._remembered(instance)
            for part, own in made.parts().items():
                made._take(part, kept.setdefault(f"{key}{part and '.'}{part}", own))
        return made

    def _take(self, part: str, parameter: Any) -> None:
        """Let a parameter be the one of that part."""
        self._parameter = parameter

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
        made._of = reference
        self._per_instance[key] = (reference, made)
        return made

    def _copy(self) -> Bundle[P, R]:
        made: Bundle[P, R] = Bundle(self.fn, **self._options())
        made._owner, made._descriptor, made._key = self._owner, self._descriptor, self._key
        made.op = self.op
        if self._parameter is not None:
            made.parameter._own = self._parameter._own
        return made

    def _options(self) -> dict[str, Any]:
        return {
            "name": self.op.name,
            "description": self.op.description_given,
            "trainable": self.trainable,
            "catch_execution_error": self.catch_execution_error,
            "traceable_code": self.traceable_code,
            "capture": self.op.capture,
        }

    def __getattr__(self, name: str) -> Any:
        """Attributes of the function: `cache_info` of a cached one, marks of other decorators."""
        if name in MARKS and streams.runner_of(self.fn) is streams.run_coroutine:
            module, mark = MARKS[name]
            return getattr(sys.modules.get(module), mark, None)
        if (name.startswith("__") and name.endswith("__")) or name in Bundle.__slots__:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self.fn, name)

    def __deepcopy__(self, memo: dict[int, Any]) -> Bundle[P, R]:
        return self._copy() if self.learning else self

    def __copy__(self) -> Bundle[P, R]:
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        """By name, as functions are pickled; learned code travels with it."""
        module, qualname = getattr(self, "__module__", None), getattr(self, "__qualname__", self.op.name)
        found = find(module, qualname)
        if found is self and not self.trainable:
            return qualname
        if isinstance(found, Bundle) and found.fn is self.fn and self.trainable:
            return _restored, (module, qualname, *self._learned())
        return _rebuilt, (self.fn, self._options(), *(self._learned() if self.trainable else (None, False)))

    def _learned(self) -> tuple[str, bool]:
        """The present source, and whether it is confined."""
        source = self.parameter._own
        return source, self.parameter._code.confines(source)

    def __repr__(self) -> str:
        return f"<bundle {self.op.name}{' trainable' if self.trainable else ''}>"


def _capture(wanted: str | None) -> str | None:
    if wanted is not None and wanted not in CAPTURES:
        raise GraphError(f"capture is one of {', '.join(CAPTURES)}, not {wanted!r}")
    return wanted


def _written(reference: weakref.ref[Bundle[Any, Any]]) -> Callable[..., Any]:
    """The first call: the signature is read and the recording function written, once."""
    bundle: Any = reference()
    if bundle.learning and bundle._of is None and bundle.op.receiver and bundle._descriptor is None:
        made = _by_instance(bundle)
    else:
        made = recording(
            bundle.op,
            bundle.fn,
            bundle.catch_execution_error,
            bundle.traceable_code,
            bundle.parameter,
            bundle.body(),
        )
    entered: Callable[..., Any] = bundle.entrance(made)
    bundle.__call__ = entered
    return entered


def _by_instance(bundle: Bundle[Any, Any]) -> Callable[..., Any]:
    """A trainable method that is called by way of its class runs the code of the instance it is given."""

    def call(instance: Any, /, *args: Any, **kwargs: Any) -> Any:
        return bundle.of(instance)(instance, *args, **kwargs)

    call.__qualname__ = getattr(bundle.fn, "__qualname__", bundle.op.name)
    return call


class BoundBundle:
    """A trainable method of one instance, with the parameters of that instance."""

    def __init__(self, bundle: Bundle[Any, Any], instance: Any) -> None:
        self.__func__ = bundle
        self.__self__ = instance

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self.__func__(self.__self__, *args, **kwargs)

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(types.MethodType(self.__func__.fn, self.__self__))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__func__, name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BoundBundle):
            return NotImplemented
        return self.__func__ is other.__func__ and self.__self__ is other.__self__

    def __hash__(self) -> int:
        return hash((id(self.__func__), id(self.__self__)))

    def __reduce__(self) -> Any:
        return getattr, (self.__self__, (self.__func__._key or self.__func__.op.name).rpartition(".")[2])

    def __repr__(self) -> str:
        return f"<bundle {self.__func__.op.name} of {type(self.__self__).__qualname__}>"


def _restored(module: str, qualname: str, source: str, confined: bool) -> Any:
    """A trainable bundle from a pickle: the one of that name, or a copy of it with other code."""
    found: Any = find(module, qualname)
    return found if found.parameter._own == source else _with_code(found._copy(), source, confined)


def _rebuilt(fn: Any, options: dict[str, Any], source: Any, confined: bool) -> Any:
    """A bundle from a pickle that no module holds by its name, around a function that one does."""
    made: Any = Bundle(fn, **options)
    return _with_code(made, source, confined) if source else made


def _with_code(made: Any, source: str, confined: bool) -> Any:
    if confined:
        made.parameter._code.confine(source, late("confined"))
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
    capture: str | None = None,
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
    capture: str | None = None,
) -> Bundle[P, R]: ...
def bundle(fn: Any = None, /, **options: Any) -> Any:
    """Record the calls of a function: `@bundle`, `@bundle(trainable=True)` or `bundle(fn)`.

    The body sees plain values, however deep they are in containers; the result is one node, whose
    parents are the arguments that were nodes and all that the body read. Sync and async functions,
    generators, methods, classmethods, staticmethods, lambdas, builtins and any other callable.

    `name` and `description` are what pictures and prompts show (default: the function's own).
    `trainable=True` makes the source a Parameter. `catch_execution_error=False` lets exceptions pass
    as they are instead of as ExecutionError. `traceable_code=True` gives the body the nodes
    themselves, so that the operations inside are recorded too. `capture` is what a store keeps of its
    arguments and results: "full", "hash" (a digest of each) or "none"; None for what the store says.

    >>> @bundle
    ... def double(x):
    ...     return 2 * x
    >>> double(21).data
    42
    """
    if fn is None:
        return lambda function: Bundle(function, **options)
    return Bundle(fn, **options)


def call_value(function: Node[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call the value of a node: recorded like a bundle's call, the function being an input too."""
    return _caller_of(function, *args, **kwargs)


def _apply(function: Any, /, *args: Any, **kwargs: Any) -> Any:
    return function(*args, **kwargs)


_caller_of: Bundle[Any, Any] = Bundle(_apply, name="call")
