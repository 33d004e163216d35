"""Runs learned code in a sandbox where a bundle would run it here: what a code slot is given for a source."""

from __future__ import annotations

import asyncio
import builtins
import functools
import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tracelib.errors import SandboxStopped
from tracelib.graph.code import CodeSlot
from tracelib.sandbox.crossing import NotCrossing
from tracelib.sandbox.outside import WAYS_OUT, Session, classes_of, reached
from tracelib.sandbox.sandbox import Code, Raised, Said, Sandbox
from tracelib.versioning.closure import lexical_closure


@dataclass(frozen=True)
class Confinement:
    """Where and how learned code runs; `tools` are functions that stay outside and may be called, by name."""

    sandbox: Sandbox
    tools: Mapping[str, Callable[..., Any]] = field(default_factory=dict)

    def __call__(self, slot: CodeSlot, source: str, function: types.FunctionType) -> Callable[..., Any]:
        """What runs in place of the function that the source defines."""
        return shaped(Confined(self, slot, source, function), slot.fn)


class Confined:
    """One source of one function, as it is called."""

    def __init__(
        self, confinement: Confinement, slot: CodeSlot, source: str, function: types.FunctionType
    ) -> None:
        self._confinement = confinement
        self._slot = slot
        self._source = source
        self._function = function

    @functools.cached_property
    def code(self) -> Code:
        """What travels. It is made at the first call, when every name of the module is there."""
        fn, function = self._slot.fn, self._function
        closures = dict.fromkeys((lexical_closure(fn), lexical_closure(function)))
        return Code(
            fn.__name__,
            self._source,
            function.__code__.co_filename,
            tuple(closures),
            _class_around(fn),
            tuple(self._confinement.tools),
        )

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        session = Session(self._confinement.tools, classes_of(self._slot.fn))
        values = {
            name: value
            for name, value in reached(self._function).items()
            if name not in self._confinement.tools
        }
        try:
            given = session.given(args, kwargs, values)
        except NotCrossing as error:
            raise SandboxStopped(
                f"{self._slot.fn.__name__} cannot run in the sandbox: {error}; {WAYS_OUT}"
            ) from error
        said = self._confinement.sandbox.run(self.code, given, session)
        if said.error is not None:
            raise exception_of(said.error, self.code)
        return self._result(session, said)

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
    kind = getattr(builtins, raised.kind, None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        error = _made(kind, raised.said)
    else:
        error = RuntimeError(f"{raised.kind}: {raised.said}")
    lines = [line for file, line, _ in raised.lines if file == code.file]
    return _raised_at(error, code, lines[-1]) if lines else error


def _made(kind: type[Exception], said: str) -> Exception:
    try:
        return kind(said)
    except TypeError:  # such as UnicodeDecodeError, which takes five arguments
        return RuntimeError(f"{kind.__name__}: {said}")


def _raised_at(error: Exception, code: Code, line: int) -> Exception:
    """The error with a traceback that ends at a line of the code's file, whose text Python can show."""
    frame = compile("\n" * (line - 1) + "raise error", code.file, "exec").replace(co_name=code.name)
    try:
        exec(frame, {"error": error})
    except Exception as caught:
        return caught
    return error
