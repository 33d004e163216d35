"""The program's side of a call into a sandbox: what crosses, what stays and is asked for, what comes back."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tracelib.graph.bundle import Bundle
from tracelib.graph.containers import nodes_of, plain, seen, written_in_python
from tracelib.graph.node import Node
from tracelib.sandbox import crossing
from tracelib.sandbox.crossing import Known, NotCrossing
from tracelib.sandbox.sandbox import Given

Tools = Mapping[str, Callable[..., Any]]
UNSEEN = (types.ModuleType, type, types.BuiltinFunctionType, types.FunctionType, types.MethodType)
WAYS_OUT = (
    "pass what the code needs of it as an argument, name the function that uses it in tools=[...], or allow "
    "the code to run in this process"
)


class Session:
    """One call: the objects that stayed on this side while it runs, and the answers about them.

    `tools` are functions that the code may call although they stay here, by name; `bound` are methods of
    objects that stay here, which it may call on them.
    """

    def __init__(self, tools: Tools, bound: Sequence[Any], classes: Iterable[type]) -> None:
        self._tools = tools
        self._bound = bound
        self._stayed: list[Any] = []
        self._classes: dict[str, type] = {}
        self._known = Known(self._classes, self._returned)
        for kind in classes:
            self._know(kind)

    def given(self, args: tuple[Any, ...], kwargs: dict[str, Any], values: Mapping[str, Any]) -> Given:
        """The arguments and the values of names as they cross; raises NotCrossing."""
        return Given(
            [self._written(one, f"argument {place}") for place, one in enumerate(args)],
            {name: self._written(one, name) for name, one in kwargs.items()},
            {name: self._written(one, name) for name, one in values.items()},
        )

    def result(self, data: Any) -> Any:
        """The value that came back; raises NotCrossing when it is none, or not what it says."""
        return crossing.read(data, self._known, "the result")

    def answer(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """What the program says to a question from inside: an attribute, or what a tool gave."""
        try:
            if "attribute" in asked:
                handle, name = asked["attribute"]
                return {"value": self._attribute(self._returned(handle), name)}
            return {"value": self._called(*asked["tool"])}
        except Exception as error:  # the code inside is told, as it would be if it had called it here
            return {"error": f"{type(error).__name__}: {error}"}

    # What crosses

    def _written(self, value: Any, name: str) -> Any:
        return crossing.written(plain(value), name, self._hand)

    def _hand(self, value: Any) -> Any:
        """A value that stays here: an object of a class in Python, by number, class and attributes."""
        if isinstance(value, Node):
            return None
        if isinstance(value, UNSEEN) or not _is_python(value):
            return None
        if crossing.fields_of(value) is not None:
            self._know(type(value))
            return None
        return self._kept(value, crossing.name_of(type(value)), sorted({*vars(value), *self._methods(value)}))

    def _methods(self, owner: Any) -> set[str]:
        """The names of an object's methods that are called on this side: tools, and those that learned."""
        tools = {one.__name__ for one in self._bound if getattr(one, "__self__", None) is owner}
        return tools | _learned_methods(owner)

    def _kept(self, value: Any, kind: str, names: list[str] | None) -> Any:
        for handle, one in enumerate(self._stayed):
            if one is value:
                return [handle, kind, names]
        self._stayed.append(value)
        return [len(self._stayed) - 1, kind, names]

    def _know(self, kind: type) -> None:
        for name in (f"sandboxed:{kind.__qualname__}", crossing.name_of(kind)):
            self._classes[name] = kind

    # What is asked

    def _returned(self, told: Any) -> Any:
        handle = told[0] if type(told) is list and told else told
        if type(handle) is not int or not 0 <= handle < len(self._stayed):
            raise NotCrossing("it stands for a value that this side never gave")
        return self._stayed[handle]

    def _attribute(self, owner: Any, name: str) -> Any:
        methods = self._methods(owner)
        if name not in vars(owner) and name not in methods:
            raise AttributeError(f"{type(owner).__name__} has no attribute {name!r} of its own")
        value = getattr(owner, name)
        if name in methods:
            return {"$": "stayed", "v": self._kept(value, name, None)}
        for part in nodes_of(seen(value)[0]):
            part.data  # noqa: B018 - reading it makes it a parent of the call
        try:
            data = self._written(value, f"{type(owner).__name__}.{name}")
        except NotCrossing as error:
            raise NotCrossing(f"{error}; {WAYS_OUT}") from error
        return crossing.held(data) if isinstance(value, Node) else data

    def _called(self, handle: Any, name: str, args: Any, kwargs: Any) -> Any:
        function = self._tools[name] if handle is None else self._returned(handle)
        positional = crossing.read(args, self._known, "args")
        keywords = crossing.read(kwargs, self._known, "kwargs")
        if type(positional) is not tuple or type(keywords) is not dict:
            raise NotCrossing("a tool is called with arguments")
        return self._written(function(*positional, **keywords), f"the result of {name}")


def _is_python(value: Any) -> bool:
    """Whether it is an object of a class written in Python, with attributes of its own."""
    return written_in_python(type(value)) and isinstance(getattr(value, "__dict__", None), dict)


def _learned_methods(owner: Any) -> set[str]:
    """The names of an object's methods whose code is trained: they run as what they have become."""
    return {
        name
        for kind in type(owner).__mro__
        for name, value in vars(kind).items()
        if isinstance(value, Bundle) and value.learning
    }


def reached(fn: types.FunctionType) -> dict[str, Any]:
    """The values of names that a function reads from its module and from the functions around it.

    Functions, classes and modules are left out: they travel as source.
    """
    names = dict(zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True))
    found: dict[str, Any] = {}
    for name in sorted(_global_names(fn.__code__)):
        if name in fn.__globals__ and name not in names:
            found[name] = fn.__globals__[name]
    for name, cell in names.items():
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not set yet
            continue
    return {name: value for name, value in found.items() if not _is_code(value)}


def _is_code(value: Any) -> bool:
    return (
        isinstance(value, UNSEEN)
        or inspect.isroutine(value)
        or (callable(value) and not isinstance(value, Node))
    )


def _global_names(code: types.CodeType) -> set[str]:
    inner = [one for one in code.co_consts if isinstance(one, types.CodeType)]
    return set(code.co_names).union(*map(_global_names, inner))


def classes_of(fn: types.FunctionType) -> list[type]:
    """The classes that a function's module holds: its results may be instances of them."""
    return [value for value in fn.__globals__.values() if isinstance(value, type)]
