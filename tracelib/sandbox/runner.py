"""Runs learned code in a sandbox: what stands in for a function that a model wrote."""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import functools
import inspect
import types
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tracelib.errors import MutationWarning, SandboxStopped
from tracelib.graph.code import CodeSlot
from tracelib.graph.tracing import annotate
from tracelib.sandbox import crossing
from tracelib.sandbox.crossing import Known, NotCrossing
from tracelib.sandbox.outside import WAYS_OUT, Session, classes_of, reached
from tracelib.sandbox.sandbox import Code, Raised, Said, Sandbox
from tracelib.versioning.closure import lexical_closure


@dataclass(frozen=True)
class Place:
    """A sandbox, and the tools that code in it may call: functions by name, methods on their objects."""

    sandbox: Sandbox
    tools: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    bound: tuple[Any, ...] = ()

    def __call__(self, slot: CodeSlot, source: str, function: types.FunctionType) -> Callable[..., Any]:
        """What runs in place of the function that the source defines."""
        return shaped(Confined(self, slot, source, function), slot.fn)


class Confined:
    """One source of one function, as it is called: in a sandbox, with tools that stay outside."""

    def __init__(self, place: Place, slot: CodeSlot, source: str, function: types.FunctionType) -> None:
        self._place = place
        self._slot = slot
        self._source = source
        self._function = function

    @functools.cached_property
    def code(self) -> Code:
        """What travels. It is made at the first call, when every name of the module is there."""
        fn, function = self._slot.fn, self._function
        owner = _class_around(fn)
        # A method needs its class, which the closure of the bare function need not have.
        reaching = (function,) if owner is None else (fn, function)
        return Code(
            fn.__name__,
            self._source,
            function.__code__.co_filename,
            tuple(dict.fromkeys(map(lexical_closure, reaching))),
            owner,
            tuple(self._place.tools),
        )

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        annotate(sandbox=self._place.sandbox.name)
        session = Session(self._place.tools, self._place.bound, classes_of(self._slot.fn))
        values = {
            name: value for name, value in reached(self._function).items() if name not in self._place.tools
        }
        try:
            given = session.given(args, kwargs, values)
        except NotCrossing as error:
            raise SandboxStopped(
                f"{self._slot.fn.__name__} cannot run in the sandbox: {error}; {WAYS_OUT}"
            ) from error
        said = self._place.sandbox.run(self.code, given, session)
        for name in said.changed:
            self._complain(name)
        if said.error is not None:
            raise exception_of(said.error, self.code)
        return self._result(session, said)

    def _complain(self, argument: str) -> None:
        warnings.warn(
            f"{self._slot.fn.__name__} changed {argument} in place; in a sandbox it has a copy, so the "
            "change is lost: let it return what it made",
            MutationWarning,
            stacklevel=4,
        )

    def _result(self, session: Session, said: Said) -> Any:
        try:
            return session.result(said.value)
        except NotCrossing as error:
            raise SandboxStopped(f"{self._slot.fn.__name__} gave what cannot be let out: {error}") from error


def _class_around(fn: types.FunctionType) -> str | None:
    *_, before, _ = ("<locals>", *fn.__qualname__.split("."))
    return None if before == "<locals>" else before


def shaped(confined: Confined, fn: types.FunctionType) -> Callable[..., Any]:
    """A function of the same kind: async where `fn` is, a generator where it is one."""
    call = confined.call
    if inspect.iscoroutinefunction(fn):

        async def awaited(*args: Any, **kwargs: Any) -> Any:
            return await asyncio.to_thread(call, args, kwargs)

        return functools.wraps(fn)(awaited)
    if inspect.isgeneratorfunction(fn):

        def yielded(*args: Any, **kwargs: Any) -> Iterator[Any]:
            yield from call(args, kwargs)

        return functools.wraps(fn)(yielded)

    def plain(*args: Any, **kwargs: Any) -> Any:
        return call(args, kwargs)

    return functools.wraps(fn)(plain)


def exception_of(raised: Raised, code: Code) -> BaseException:
    """The exception as if it had been raised here, at the line of the code where it came from.

    One of Python's own classes is that class; any other is told by name in a RuntimeError.
    """
    error = _made(raised)
    lines = [line for file, line, _ in raised.lines if file == code.file]
    return _raised_at(error, code, lines[-1]) if lines else error


def _made(raised: Raised) -> Exception:
    kind = getattr(builtins, raised.kind, None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        with contextlib.suppress(TypeError, NotCrossing):
            return kind(*_arguments(raised))
    return RuntimeError(f"{raised.kind}: {raised.said}" if raised.said else raised.kind)


def _arguments(raised: Raised) -> tuple[Any, ...]:
    """What the exception was made of; its words, where that did not cross."""
    if raised.args is None:
        return (raised.said,)
    found = crossing.read(raised.args, Known())
    return found if isinstance(found, tuple) else (raised.said,)


def _raised_at(error: Exception, code: Code, line: int) -> Exception:
    """The error with a traceback that ends at a line of the code's file, whose text Python can show."""
    frame = compile("\n" * (line - 1) + "raise error", code.file, "exec").replace(co_name=code.name)
    try:
        exec(frame, {"error": error})
    except Exception as caught:
        return caught
    return error
