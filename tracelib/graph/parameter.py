"""Parameters: trainable leaves. What a value may become is checked in constraint.py."""

from __future__ import annotations

import contextvars
import types
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from tracelib.errors import GraphError
from tracelib.graph import operators
from tracelib.graph.late import late
from tracelib.graph.node import ATOMS, Held, Node, Packed, Text, is_node, new
from tracelib.graph.tracing import Update, ears, next_place, tell

if TYPE_CHECKING:
    from tracelib.graph.code import CodeSlot

T = TypeVar("T")

bound: contextvars.ContextVar[dict[int, Reading] | None] = contextvars.ContextVar(
    "tracelib_bound", default=None
)
"""Values that parameters have in this context instead of their own, by identity."""


class Reading(Held[Any]):
    """A Parameter's value as some calls saw it: what the record keeps when the Parameter changes."""

    __slots__ = ("_parameter",)

    @property
    def _name(self) -> str | None:  # type: ignore[override]
        return self._parameter._name or self._parameter._path  # type: ignore[no-any-return]

    @property
    def _description(self) -> str | None:  # type: ignore[override]
        return self._parameter._description  # type: ignore[no-any-return]


def reading_of(parameter: Parameter[Any], value: Any) -> Reading:
    """A new reading of a parameter that had `value`."""
    made: Any = new(Reading)
    made._data = value
    made._args = ()
    made._op = None
    made._seq = parameter._seq
    made._caller = None
    made._parameter = parameter
    return made  # type: ignore[no-any-return]


class Parameter(Node[T]):
    """A trainable value: optimizers read what was said to it and propose another.

    `constraint` is free text for a model, or a type checked with pydantic. The feedback gathered by
    backward is `feedback`, in the order it was said, each remark once, until `zero_feedback`.
    """

    __slots__ = (
        "__weakref__",
        "_code",
        "_constraint",
        "_description",
        "_feedback",
        "_name",
        "_own",
        "_path",
        "_program",
        "_reading",
        "_seq",
    )

    _live = True
    _args = ()
    _op = None
    _caller = None
    _own: T
    _code: CodeSlot | None
    _path: str | None
    _program: str | None

    def __new__(cls, value: Any = None, *args: Any, **kwargs: Any) -> Parameter[T]:
        plain = value._data if is_node(value) else value
        made: Parameter[T] = new(cls if type(plain) in ATOMS or not callable(plain) else CallableParameter)
        return made

    def __init__(
        self,
        value: T,
        name: str | None = None,
        description: str | None = None,
        constraint: Any = None,
        code: CodeSlot | None = None,
    ) -> None:
        if is_node(value):
            name, description = name or value._name, description or value._description
            value = value._data
        if type(value) not in ATOMS and type(late("seen")(value)[0]) is Packed:
            raise GraphError(
                f"a Parameter holds one plain value, but this {type(value).__name__} holds nodes: make its "
                "parts trainable (`[node(..., trainable=True), ...]`) or give plain values."
            )
        self._own = value
        self._name = name
        self._path = None
        self._program = None
        self._description = description
        self._constraint = constraint
        self._code = code
        self._feedback: list[Any] = []
        self._reading: weakref.ref[Reading] | None = None
        self._seq = next_place()

    @property
    def _data(self) -> T:
        bindings = bound.get()
        if bindings is not None:
            reading = bindings.get(id(self))
            if reading is not None:
                return reading._data  # type: ignore[no-any-return]
        return self._own

    def _reading_now(self) -> Reading:
        """The value as of now and here, as the record keeps it; one object for as long as it lasts."""
        bindings = bound.get()
        if bindings is not None and id(self) in bindings:
            return bindings[id(self)]
        reading = None if self._reading is None else self._reading()
        if reading is None:
            reading = reading_of(self, self._own)
            self._reading = weakref.ref(reading)
        return reading

    @property
    def name(self) -> str:
        """The name the user gave, else the path in the module that holds it, else its type's name."""
        return self._name or self._path or type(self._own).__name__

    @property
    def constraint(self) -> Any:
        """What the value may become: free text, a type for pydantic, or None for its present type."""
        return self._constraint

    @property
    def feedback(self) -> Any:
        """What was said since `zero_feedback`, as a `Feedback`."""
        return late("Parameter.feedback")(self._feedback)

    @property
    def is_code(self) -> bool:
        """Whether the value is the source of a trainable bundle."""
        return self._code is not None

    @property
    def original(self) -> str | None:
        """The source as the user wrote it, for code; None for values."""
        return None if self._code is None else self._code.original

    @property
    def program(self) -> str | None:
        """Whose it is, as "module:qualname": of the outermost Module's class, else of the function."""
        if self._program is None and self._code is not None:
            return self._code.program
        return self._program

    def check(self, value: Any) -> T:
        """`value` as this Parameter would hold it.

        Raises ConstraintError, or SignatureError for code, with the reason; nothing is changed.
        """
        return late("Parameter.check")(self, value)  # type: ignore[no-any-return]

    def update(self, value: Any, because: str = "", by: str = "", score: float | None = None) -> Update:
        """Check `value` and take it. Graphs recorded before keep the value that they saw.

        `because`, `by` and `score` (higher is better) tell who keeps records why it was taken.
        """
        return self._take(self.check(value), because, by, score)

    def restore(self, value: T, because: str = "", by: str = "") -> Update:
        """Take a value that this Parameter has held before, without checking it again."""
        return self._take(value, because, by)

    def _take(self, value: T, because: str, by: str, score: float | None = None) -> Update:
        update = Update(self, self._own, value, because, by, score)
        self._own = value
        self._reading = None
        if ears:
            tell("parameter_updated", update)
        return update

    def zero_feedback(self) -> None:
        """Forget what was said."""
        self._feedback = []

    def hear(self, feedback: Any) -> None:
        """Add feedback to what was said before, each remark once."""
        self._feedback.append(feedback)  # atomic: several threads may say something at once

    def detach(self) -> Node[T]:
        return self._reading_now().detach()

    def __hash__(self) -> int:
        return object.__hash__(self)

    def __repr__(self) -> str:
        return f"<Parameter {self.name}={self._data!r}>"


class CallableParameter(Parameter[T]):
    """A Parameter whose value can be called: one of several functions, say."""

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return operators.called(self._reading_now(), *args, **kwargs)


class bind:  # noqa: N801 - reads as a statement: `with bind({...}):`
    """Give Parameters other values in this thread or task only: `with bind({prompt: "Be brief"}):`.

    Several candidates can so run at once; the Parameters themselves are not touched. Values are
    taken as they are: `Parameter.check` says whether they fit. Inner bindings win.
    """

    def __init__(self, values: Mapping[Any, Any]) -> None:
        for parameter in values:
            if not isinstance(parameter, Parameter):
                raise GraphError(
                    f"bind needs Parameters as keys, got {parameter!r}: "
                    "look them up with module.named_parameters()[name]."
                )
        self._readings = {id(p): reading_of(p, late("seen")(v)[1]) for p, v in values.items()}

    def __enter__(self) -> bind:
        self._token = bound.set({**(bound.get() or {}), **self._readings})
        return self

    def __exit__(self, *exc: object) -> None:
        bound.reset(self._token)


def _delegate(method: Callable[..., Any]) -> Callable[..., Any]:
    """An operator of Node on the Parameter's present value, which is what the record keeps."""

    def on_reading(self: Parameter[Any], *args: Any, **kwargs: Any) -> Any:
        return method(self._reading_now(), *args, **kwargs)

    on_reading.__name__ = method.__name__
    on_reading.__qualname__ = f"Parameter.{method.__name__}"
    return on_reading


def _attribute(self: Parameter[Any], name: str) -> Any:
    """An attribute of the present value; the methods of a string are recorded as a Text's are."""
    reading = self._reading_now()
    method = vars(Text).get(name) if type(reading._data) is str else None
    if isinstance(method, types.FunctionType) and not name.startswith("__"):
        return types.MethodType(method, reading)
    return operators.attribute(reading, name)


for _name, _method in operators.methods():
    if _name != "__hash__":
        setattr(Parameter, _name, _delegate(_method))
Parameter.__getattr__ = _attribute  # type: ignore[attr-defined]
