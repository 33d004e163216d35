"""Calls that do not end when they return: coroutines, generators and async generators.

A coroutine is one call that ends when it is awaited. Each step of a generator, from a resume to the
next suspend, is a call of its own, and current only while the body runs; what it yields is a node.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator
from typing import Any

from tracelib.graph.arguments import Watch, report_changes
from tracelib.graph.containers import nodes_of, seen
from tracelib.graph.node import Node
from tracelib.graph.operator import Operator
from tracelib.graph.recording import failed, finished
from tracelib.graph.room import AWAITED_FRAMES, less_room, more_room
from tracelib.graph.tracing import Frame, clock, ears, here, tell


def runner_of(fn: Any) -> Any:
    """Who runs what a call of `fn` gives: None for a plain value, else one of those below."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    if not (inspect.isroutine(fn) or isinstance(fn, type)):
        fn = type(fn).__call__
    if inspect.iscoroutinefunction(fn):
        return run_coroutine
    if inspect.isasyncgenfunction(fn):
        return run_async_generator
    return run_generator if inspect.isgeneratorfunction(fn) else None


def run_coroutine(
    op: Operator,
    catch: bool,
    args: tuple[Any, ...],
    keywords: tuple[str, ...],
    make: Callable[[], Coroutine[Any, Any, Any]],
    frame: Frame,
    watch: Watch,
) -> Coroutine[Any, Any, Any]:
    """A coroutine that runs the body when it is awaited; it bears the name of the body's."""
    call: Any = _awaited(op, catch, args, keywords, make, frame, watch)
    call.__name__ = op.name
    call.__qualname__ = getattr(op.fn, "__qualname__", op.name)
    return call  # type: ignore[no-any-return]


def awaited(
    op: Operator,
    catch: bool,
    args: tuple[Any, ...],
    keywords: tuple[str, ...],
    body: Coroutine[Any, Any, Any],
    frame: Frame,
    watch: Watch,
) -> Coroutine[Any, Any, Any]:
    """The same for a coroutine that a plain function returned."""
    return run_coroutine(op, catch, args, keywords, lambda: body, frame, watch)


async def _awaited(
    op: Operator,
    catch: bool,
    args: tuple[Any, ...],
    keywords: tuple[str, ...],
    make: Callable[[], Coroutine[Any, Any, Any]],
    frame: Frame,
    watch: Watch,
) -> Any:
    """Await the body as the running call of this task, and give its node."""
    start = frame.start = clock()
    if ears:
        tell("call_started", frame)
    try:
        with current(frame), _room_at(frame.depth):
            value = await make()
    except BaseException as error:
        failed(op, catch, args, keywords, error, frame, start)
        raise
    return finished(op, catch, args, keywords, value, frame, start, clock() - start, watch)


@contextlib.contextmanager
def current(frame: Frame) -> Iterator[None]:
    """Make `frame` the running call here, and put back what was."""
    token = here.set(frame)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # closed by the garbage collector in another context
            here.reset(token)


@contextlib.contextmanager
def _room_at(depth: int) -> Iterator[None]:
    """The room for recursion that a call at this depth has to make."""
    if depth & 31:
        yield
        return
    more_room(depth, AWAITED_FRAMES)
    try:
        yield
    finally:
        less_room(depth, AWAITED_FRAMES)


class run_generator(Generator[Any, Any, Any]):  # noqa: N801 - stands where a function would
    """A recorded generator: iterating gives nodes; send, throw and close reach the body."""

    def __init__(
        self,
        op: Operator,
        catch: bool,
        args: tuple[Any, ...],
        keywords: tuple[str, ...],
        make: Callable[[], Generator[Any, Any, Any]],
        frame: Frame,
        watch: Watch,
    ) -> None:
        self._steps = _Steps(op, catch, args, keywords, frame, watch)
        self._body = make()

    def __next__(self) -> Any:
        return self.send(None)

    def send(self, value: Any) -> Any:
        return self._step(self._body.send, self._steps.sent(value))

    def throw(self, *error: Any) -> Any:
        self._steps.thrown(*error)
        return self._step(self._body.throw, *error)

    def close(self) -> None:
        with self._steps.running():
            self._body.close()

    def _step(self, resume: Any, *args: Any) -> Any:
        with self._steps.running() as steps:
            try:
                value = resume(*args)
            except StopIteration as stop:
                result = stop.value
            except BaseException as error:
                steps.failed(error)
                raise
            else:
                return steps.item(value)
            result = steps.last(result)
        raise StopIteration(result)


class run_async_generator(AsyncGenerator[Any, Any]):  # noqa: N801 - stands where a function would
    """A recorded async generator: `async for` gives nodes."""

    def __init__(
        self,
        op: Operator,
        catch: bool,
        args: tuple[Any, ...],
        keywords: tuple[str, ...],
        make: Callable[[], AsyncGenerator[Any, Any]],
        frame: Frame,
        watch: Watch,
    ) -> None:
        self._steps = _Steps(op, catch, args, keywords, frame, watch)
        self._body = make()

    async def __anext__(self) -> Any:
        return await self.asend(None)

    async def asend(self, value: Any) -> Any:
        return await self._step(self._body.asend(self._steps.sent(value)))

    async def athrow(self, *error: Any) -> Any:
        self._steps.thrown(*error)
        return await self._step(self._body.athrow(*error))

    async def aclose(self) -> None:
        with self._steps.running():
            await self._body.aclose()

    async def _step(self, resumed: Any) -> Any:
        with self._steps.running() as steps:
            try:
                value = await resumed
            except StopAsyncIteration:
                steps.last(None)
                raise
            except BaseException as error:
                steps.failed(error)
                raise
            return steps.item(value)


class _Steps:
    """The calls of one generator: each knows the arguments, what was sent and what was read before it."""

    def __init__(
        self,
        op: Operator,
        catch: bool,
        args: tuple[Any, ...],
        keywords: tuple[str, ...],
        frame: Frame,
        watch: Watch,
    ) -> None:
        self._op, self._catch, self._args, self._keywords, self._frame = op, catch, args, keywords, frame
        self._watch = watch
        self._earlier: Node[Any] | None = None
        self._sent: tuple[Node[Any], ...] = ()
        self._thrown: BaseException | None = None
        self._step = frame

    def sent(self, value: Any) -> Any:
        """What the body sees of a value that is sent in; nodes in it are inputs of the next item."""
        found, value = seen(value)
        self._sent = nodes_of(found)
        return value

    def thrown(self, error: Any, value: Any = None, trace: Any = None) -> None:
        """An exception that is thrown in; where the body lets it pass it comes out as it went in."""
        self._thrown = value if isinstance(value, BaseException) else error

    @contextlib.contextmanager
    def running(self) -> Iterator[_Steps]:
        """The body runs as the current call, on a frame of this step's own."""
        self._step = step = Frame(self._op, self._frame.caller)
        step.depth = self._frame.depth
        if ears:
            step.given = self._watch
        step.reads = {("read", id(found)): found for found in self._sent} or None
        self._sent = ()
        if ears:
            tell("call_started", step)
        with current(step):
            yield self

    def item(self, value: Any) -> Any:
        """The node of a step that yielded, or returned, `value`."""
        step = self._step
        self._thrown = None
        if self._earlier is not None:
            step.reads = {**(step.reads or {}), ("read", id(self._earlier)): self._earlier}
        duration = clock() - step.start
        made: Node[Any] = finished(
            self._op, self._catch, self._args, self._keywords, value, step, step.start, duration, None
        )
        if made._extra is not None and made._extra.edges:
            self._earlier = made
        return made

    def last(self, result: Any) -> Any:
        """The body has ended: the node of what it returned, or None where it returned nothing."""
        report_changes(self._op, self._watch)
        self._watch = None
        made = self.item(result) if result is not None or ears else None
        return None if result is None else made

    def failed(self, error: BaseException) -> None:
        catch = self._catch and error is not self._thrown
        self._thrown = None
        failed(self._op, catch, self._args, self._keywords, error, self._step, self._step.start)
