"""Calls that do not end when they return: coroutines, generators and async generators.

A coroutine is one call that ends when it is awaited. A generator's call is current only while its
body runs, between a resume and the next suspend; each item it yields is a node.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Coroutine, Generator, Iterator
from typing import Any

from tracelib.graph.late import late
from tracelib.graph.node import Node
from tracelib.graph.operator import Operator
from tracelib.graph.tracing import Frame, clock, here


async def run_coroutine(
    op: Operator,
    catch: bool,
    args: tuple[Any, ...],
    keywords: tuple[str, ...],
    body: Coroutine[Any, Any, Any],
    frame: Frame,
    watch: Any,
) -> Any:
    """Await the body as the running call of this task, and give its node."""
    start = frame.start = clock()
    with _running(frame):
        try:
            value = await body
        except BaseException as error:
            late("failed")(op, catch, args, keywords, error, frame, start)
            raise
    return late("finished")(op, args, keywords, value, frame, start, clock() - start, watch)


class run_generator(Generator[Any, Any, Any]):  # noqa: N801 - stands where a function would
    """A recorded generator: iterating gives nodes; send, throw and close reach the body."""

    def __init__(
        self,
        op: Operator,
        catch: bool,
        args: tuple[Any, ...],
        keywords: tuple[str, ...],
        body: Generator[Any, Any, Any],
        frame: Frame,
        watch: Any,
    ) -> None:
        self._items = _Items(op, catch, args, keywords, frame)
        self._body = body

    def __next__(self) -> Any:
        return self.send(None)

    def send(self, value: Any) -> Any:
        return self._step(self._body.send, value)

    def throw(self, *error: Any) -> Any:
        return self._step(self._body.throw, *error)

    def close(self) -> None:
        with self._items.running():
            self._body.close()

    def _step(self, resume: Any, *args: Any) -> Any:
        with self._items.running():
            try:
                value = resume(*args)
            except StopIteration as stop:
                result = stop.value
            except BaseException as error:
                self._items.failed(error)
                raise
            else:
                return self._items.item(value)
        raise StopIteration(None if result is None else self._items.item(result))


class run_async_generator(AsyncGenerator[Any, Any]):  # noqa: N801 - stands where a function would
    """A recorded async generator: `async for` gives nodes."""

    def __init__(
        self,
        op: Operator,
        catch: bool,
        args: tuple[Any, ...],
        keywords: tuple[str, ...],
        body: AsyncGenerator[Any, Any],
        frame: Frame,
        watch: Any,
    ) -> None:
        self._items = _Items(op, catch, args, keywords, frame)
        self._body = body

    async def __anext__(self) -> Any:
        return await self.asend(None)

    async def asend(self, value: Any) -> Any:
        return await self._step(self._body.asend(value))

    async def athrow(self, *error: Any) -> Any:
        return await self._step(self._body.athrow(*error))

    async def aclose(self) -> None:
        with self._items.running():
            await self._body.aclose()

    async def _step(self, resumed: Any) -> Any:
        with self._items.running():
            try:
                value = await resumed
            except StopAsyncIteration:
                raise
            except BaseException as error:
                self._items.failed(error)
                raise
            return self._items.item(value)


class _Items:
    """The nodes of one generator's call: each item knows the arguments and what was read before it."""

    def __init__(
        self, op: Operator, catch: bool, args: tuple[Any, ...], keywords: tuple[str, ...], frame: Frame
    ) -> None:
        self._op, self._catch, self._args, self._keywords, self._frame = op, catch, args, keywords, frame
        self._earlier: Node[Any] | None = None
        self._start = clock()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """The body runs as the current call, on a frame of this step's own."""
        step = Frame(self._op, self._frame.caller)
        step.depth = self._frame.depth
        self._step = step
        self._start = step.start
        with _running(step):
            yield

    def item(self, value: Any) -> Any:
        step = self._step
        if self._earlier is not None:
            step.reads = [*(step.reads or ()), ("read", self._earlier)]
        made = late("finished")(
            self._op, self._args, self._keywords, value, step, self._start, clock() - self._start, None
        )
        if made._extra is not None and made._extra.edges:
            self._earlier = made
        return made

    def failed(self, error: BaseException) -> None:
        late("failed")(
            self._op, self._catch, self._args, self._keywords, error, self._step, self._start
        )


@contextlib.contextmanager
def _running(frame: Frame) -> Iterator[None]:
    """Make `frame` the running call here, and put back what was; also where another context closes it."""
    token = here.set(frame)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # closed by the garbage collector in another context
            here.reset(token)
