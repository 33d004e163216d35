"""What a model is told of a function that it may call, and how the arguments that it gives are read."""

from __future__ import annotations

import contextlib
import functools
import inspect
import re
import typing
from collections.abc import Callable
from functools import cached_property
from typing import Any

import pydantic
from pydantic.fields import FieldInfo

from tracelib.errors import GraphError, InvalidReply
from tracelib.graph.operator import Operator

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What chat completions take as the name of a function."""

WORDS = {
    "missing_keyword_only_argument": "is missing",
    "unexpected_keyword_argument": "is none of its arguments",
}
"""What a model is told where pydantic speaks of Python."""


class Offer:
    """A function as it is offered to a model."""

    def __init__(self, fn: Callable[..., Any], op: Operator) -> None:
        self.name = op.name
        self.description = op.description_given or said_of(fn)
        self._fn = fn
        self._given = list(inspect.signature(fn).parameters.values())[op.receiver :]

    def check(self) -> None:
        """Raises GraphError for what no model could call: a name or parameters that a schema cannot tell."""
        if not NAME.fullmatch(self.name):
            raise GraphError(
                f"{self.name!r} is no name for a tool: letters, digits, _ and - are, at most 64. "
                'Say one: tool(function, name="...")'
            )
        for parameter in self._given:
            if parameter.kind is parameter.VAR_POSITIONAL:
                raise GraphError(
                    f"the tool {self.name} takes *{parameter.name}, and a model gives arguments by name: "
                    f"make it a list, {parameter.name}: list[...]"
                )

    @property
    def schema(self) -> dict[str, Any]:
        """Name, description and parameters in the shape that chat completions take."""
        told = {"name": self.name, "description": self.description, "parameters": self._parameters}
        return {"type": "function", "function": told}

    def read(self, text: str) -> dict[str, Any]:
        """The arguments by name, checked and with defaults. Raises InvalidReply that says what is wrong."""
        try:
            found: dict[str, Any] = self._reader.validate_json(text.strip() or "{}")
        except pydantic.ValidationError as error:
            wrong = "; ".join(_told(one) for one in error.errors(include_url=False, include_context=False))
            raise InvalidReply(f"the arguments of {self.name} cannot be used: {wrong}", text) from error
        return found

    def defaults(self) -> dict[str, FieldInfo]:
        """The parameters whose default is a pydantic Field, which Python would take for the value."""
        return {p.name: p.default for p in self._given if isinstance(p.default, FieldInfo)}

    def in_order(self, given: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """The arguments as Python takes them: by name, but for those that have no name to be given by."""
        first = [p.name for p in self._given if p.kind is p.POSITIONAL_ONLY]
        return [given[name] for name in first], {k: v for k, v in given.items() if k not in first}

    @cached_property
    def _parameters(self) -> dict[str, Any]:
        """Made once: it takes a hundred times as long as the rest of a question."""
        arguments = self._reader.json_schema()
        closed = arguments.get("additionalProperties") is False
        return {key: told for key, told in arguments.items() if key != "additionalProperties" or not closed}

    @cached_property
    def _reader(self) -> pydantic.TypeAdapter[Any]:
        """Reads the arguments from JSON: pydantic's own way for a function that takes them by name."""

        def arguments(**given: Any) -> dict[str, Any]:
            return given

        hints = self._hints()
        named = [p if p.kind is p.VAR_KEYWORD else p.replace(kind=p.KEYWORD_ONLY) for p in self._given]
        stub: Any = arguments
        stub.__name__ = stub.__qualname__ = self.name
        stub.__signature__ = inspect.Signature([p.replace(annotation=hints[p.name]) for p in named])
        stub.__annotations__ = hints
        try:
            return pydantic.TypeAdapter(stub)  # and not of validate_call, which would check everything twice
        except pydantic.errors.PydanticUserError as error:
            raise GraphError(f"the tool {self.name} has no schema: {error.message}") from error

    def _hints(self) -> dict[str, Any]:
        """The types of the parameters, those written as text resolved where the function stands."""
        fn = _function_of(self._fn)
        try:
            found = typing.get_type_hints(fn, localns=_around(fn), include_extras=True)
        except NameError as error:
            raise GraphError(
                f"the tool {self.name} has no schema: the type {error.name} is not known where the function "
                "stands. Define or import it at the top of the module, not for type checkers only"
            ) from error
        return {p.name: found.get(p.name, Any) for p in self._given}


def filled(offer: Offer, fn: Callable[..., Any]) -> Callable[[Any, Any], tuple[Any, Any]] | None:
    """What puts the values of pydantic Fields into a call from Python; None where there are none."""
    fields = offer.defaults()
    signature = inspect.signature(fn)

    def fill(args: Any, kwargs: Any) -> tuple[Any, Any]:
        bound = signature.bind(*args, **kwargs)
        for name in fields.keys() - bound.arguments.keys():
            if fields[name].is_required():
                raise TypeError(f"{offer.name}() is missing the argument {name!r}")
            bound.arguments[name] = fields[name].get_default(call_default_factory=True)
        return bound.args, bound.kwargs

    return fill if fields else None


def _told(error: Any) -> str:
    """One thing that is wrong with the arguments: where, what, and what stands there."""
    where = ".".join(map(str, error["loc"]))
    words = WORDS.get(error["type"])
    if words:
        return f"{where} {words}"
    given = "" if error["type"] == "json_invalid" else f", not {_short(error['input'])}"
    return f"{where}{where and ': '}{error['msg']}{given}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}..."


def said_of(fn: Any) -> str:
    """The docstring of a function, or of the one that a partial is a part of."""
    return inspect.getdoc(_whole(fn)) or ""


def _whole(fn: Any) -> Any:
    """What a partial is a part of."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    return fn


def _function_of(fn: Any) -> Any:
    """The function whose annotations are those of a partial, a class or a callable object."""
    fn = inspect.unwrap(_whole(fn), stop=lambda one: hasattr(one, "__signature__"))
    if inspect.isclass(fn):
        return fn.__init__
    return fn if inspect.isroutine(fn) else type(fn).__call__


def _around(fn: Any) -> dict[str, Any]:
    """The variables of the functions around it that it uses."""
    names = getattr(getattr(fn, "__code__", None), "co_freevars", ())
    found = {}
    for name, cell in zip(names, getattr(fn, "__closure__", None) or (), strict=True):
        with contextlib.suppress(ValueError):  # it has no value yet
            found[name] = cell.cell_contents
    return found
