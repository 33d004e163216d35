"""Strings that know where they came from: every method of `str` on a Text.

What gives strings gives Text; what gives numbers or truths gives plain ones, so that a Text can be
handed to any library as the `str` it is, and is noted as a read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tracelib.graph.containers import nodes_of, plain, seen
from tracelib.graph.failure import failed_operation, root_of
from tracelib.graph.node import ATOMS, Node, Text, record
from tracelib.graph.operator import BUILTIN, Operator, builtin
from tracelib.graph.operators import binary, formatted, operate, reflected
from tracelib.graph.tracing import heard

GIVING_TEXT = (
    "capitalize", "casefold", "center", "expandtabs", "format", "format_map", "join", "ljust", "lower",
    "lstrip", "removeprefix", "removesuffix", "replace", "rjust", "rstrip", "strip", "swapcase", "title",
    "translate", "upper", "zfill",
)  # fmt: skip
GIVING_TEXTS = ("partition", "rpartition", "rsplit", "split", "splitlines")
GIVING_PLAIN = ("count", "encode", "find", "index", "rfind", "rindex")
ASKING = (
    "endswith", "isalnum", "isalpha", "isascii", "isdecimal", "isdigit", "isidentifier", "islower",
    "isnumeric", "isprintable", "isspace", "istitle", "isupper", "startswith",
)  # fmt: skip

Method = Callable[..., Any]


def giving_text(op: Operator, fn: Method) -> Method:
    def method(self: Text, *args: Any, **kwargs: Any) -> Any:
        kept, value = _applied(op, fn, self, args, kwargs)
        return record(value, kept, op)

    return method


def giving_texts(op: Operator, fn: Method) -> Method:
    """A plain list or tuple of Texts, each knowing the whole and its place in the list."""

    def method(self: Text, *args: Any, **kwargs: Any) -> Any:
        kept, parts = _applied(op, fn, self, args, kwargs)
        return type(parts)(record(part, (*kept, i), op) for i, part in enumerate(parts))

    return method


def _applied(
    op: Operator, fn: Method, self: Text, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], Any]:
    values = (*args, *kwargs.values()) if kwargs else args
    if ATOMS.issuperset(map(type, values)):
        kept: tuple[Any, ...] = (self, *values)
    else:
        kept = (self, *(seen(value)[0] for value in values))
        args, kwargs = plain(args), plain(kwargs)
    try:
        return kept, fn(self._data, *args, **kwargs)
    except Exception as error:
        raise failed_operation(op, kept, error) from root_of(error)


def giving_plain(kind: str, fn: Method) -> Method:
    def method(self: Text, *args: Any, **kwargs: Any) -> Any:
        heard(kind, self)
        found, (args, kwargs) = seen((args, kwargs))
        for read in nodes_of(found):
            heard(kind, read)
        return fn(self._data, *args, **kwargs)

    return method


def _gathered(method: Method) -> Method:
    """`join` that reads an iterator before the search for nodes, so that none in it is missed."""

    def with_list(self: Text, parts: Any, /) -> Any:
        return method(self, parts if isinstance(parts, (list, tuple, str, Node)) else list(parts))

    return with_list


def modulo(self: Text, values: Any) -> Any:
    """`template % values`, with nodes anywhere in the values."""
    return operate(BUILTIN["mod"], lambda template, found: template % found, self, values)


def as_text(self: Text) -> str:
    """The plain string, noted as a read: `str(text)` is how libraries (pathlib) ask for one of str itself."""
    heard("read", self)
    return self._data  # type: ignore[no-any-return]


def as_literal(self: Text) -> str:
    """The string's own `repr`, noted as a read: a list of Texts in a prompt reads as a list of strings."""
    heard("read", self)
    return repr(self._data)


def formatted_text(self: Text, spec: Any = "", /) -> str:
    """The text itself where nothing is to be done: `f"{text}"` and `"{}".format(text)` know their origin.

    It counts as a read all the same, since of a text among other letters nothing else is left.
    """
    if type(spec) in ATOMS and not spec:
        heard("read", self)
        return self
    return formatted(self, spec)


def translation(*args: Any) -> Any:
    """`str.maketrans`, with nodes among the arguments."""
    found, values = seen(args)
    for read in nodes_of(found):
        heard("read", read)
    return str.maketrans(*values)


def characters(self: Text) -> Iterator[Any]:
    return (record(character, (self, i), BUILTIN["getitem"]) for i, character in enumerate(self._data))


def install() -> None:
    """Give Text every method of `str`."""
    for name in GIVING_TEXT:
        _set(name, giving_text(_operator(name), getattr(str, name)))
    for name in GIVING_TEXTS:
        _set(name, giving_texts(_operator(name), getattr(str, name)))
    for name in GIVING_PLAIN:
        _set(name, giving_plain("read", getattr(str, name)))
    for name in ASKING:
        _set(name, giving_plain("control", getattr(str, name)))
    Text.maketrans = staticmethod(translation)  # type: ignore[method-assign]
    _set("join", _gathered(vars(Text)["join"]))
    _set("__add__", binary(BUILTIN["add"], lambda x, y: x + y))
    _set("__radd__", reflected(BUILTIN["add"], lambda x, y: x + y))
    _set("__mod__", modulo)
    _set("__rmod__", reflected(BUILTIN["mod"], lambda x, y: x % y))
    _set("__str__", as_text)
    _set("__repr__", as_literal)
    _set("__format__", formatted_text)
    _set("__iter__", characters)
    _set("__hash__", str.__hash__)


def _operator(name: str) -> Operator:
    method = getattr(str, name)
    return builtin(name, method, "x", *(("iterable",) if name == "join" else ()))


def _set(name: str, method: Method) -> None:
    if method is not str.__hash__:
        method.__name__ = name
        method.__qualname__ = f"Text.{name}"
        method.__doc__ = getattr(getattr(str, name, None), "__doc__", None)
    setattr(Text, name, method)


install()
