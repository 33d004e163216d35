"""A program's reply in pieces: one call, recorded when the stream ends, is closed or fails."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tracelib.errors import GraphError
from tracelib.graph.arguments import Watch
from tracelib.graph.operator import Operator
from tracelib.graph.recording import failed, finished
from tracelib.graph.streams import current
from tracelib.graph.tracing import Frame, annotate, clock, ears, is_tracing, tell
from tracelib.graph.wrapper import recording
from tracelib.llm.reply import Reply
from tracelib.programs.handing import handed

if TYPE_CHECKING:
    from tracelib.programs.program import Program

CLOSED = "closed"
"""Why a reply ended that was not read to its end."""


def streamed(program: Program) -> Callable[..., Any]:
    """The function that begins a stream of a program's reply; nothing is asked before the first piece."""

    def run(op: Operator, catch: bool, args: Any, keywords: Any, make: Any, *rest: Any) -> ProgramStream:
        """Stands where a runner of calls stands: gives the stream in place of running the body."""
        return ProgramStream(program, make, _Record(op, catch, args, keywords, *rest))

    code = program.parameter
    written = recording(
        program.op, program.fn, program.catch_execution_error, program.traceable_code, code, None, run
    )

    def begin(*args: Any, **kwargs: Any) -> ProgramStream:
        if is_tracing():
            made: ProgramStream = written(*args, **kwargs)
            return made
        return ProgramStream(program, lambda: written(*args, **kwargs), None)

    return begin


@dataclass(frozen=True)
class _Record:
    """The call of a stream, as its runner is given it: it runs while a piece is waited for, and ends once."""

    op: Operator
    catch: bool
    args: tuple[Any, ...]
    keywords: tuple[str, ...]
    frame: Frame
    watch: Watch

    def begin(self) -> None:
        self.frame.start = clock()
        if ears:
            tell("call_started", self.frame)

    def failed(self, error: BaseException) -> None:
        failed(self.op, self.catch, self.args, self.keywords, error, self.frame, self.frame.start)

    def ended(self, value: Any) -> Any:
        start = self.frame.start
        told = self.op, self.catch, self.args, self.keywords
        return finished(*told, value, self.frame, start, clock() - start, self.watch)


class ProgramStream:
    """Pieces of a reply's text, by `for` or by `async for`, and its `result` at the end.

    `with` and `async with` close it early, and so does dropping it, as a loop does that is left by `break`:
    the call is then recorded with what had come. It can be read once.
    """

    def __init__(self, program: Program, make: Callable[[], Any], record: _Record | None) -> None:
        self._program, self._make, self._record = program, make, record
        self._pieces: Any = None
        self._question: Any = None
        self._asked_at = 0.0
        self._heard: list[str] = []
        self._result: Any = None
        self._ended = False

    @property
    def text(self) -> str:
        """What has come so far."""
        return "".join(self._heard)

    @property
    def result(self) -> Any:
        """What a call of the program gives; GraphError while pieces are to come, and where it failed."""
        if not self._ended:
            raise GraphError("the stream has not ended: read it to its end before asking for the result")
        if self._result is None:
            raise GraphError("the stream has no result: it failed, or was closed before anything was asked")
        return self._result

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._ended:
            raise StopIteration
        with self._step():
            if self._pieces is None:
                self._ask("stream", self._prompt())
            piece: str | None = next(self._pieces, None)
            self._hear(piece)
        return self._given(piece, StopIteration)

    def close(self) -> None:
        """Stop reading: what had come is the call's result."""
        if self._running:
            if not hasattr(self._pieces, "close"):
                raise GraphError(f"the stream of {self._program.name} is read by `async for`: await aclose()")
            with self._step():
                self._pieces.close()
                self._break_off()
        self._ended = True

    def __del__(self) -> None:
        if self._running:
            with self._step():
                self._break_off()

    def __enter__(self) -> ProgramStream:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        if self._ended:
            raise StopAsyncIteration
        with self._step():
            if self._pieces is None:
                prompt = self._make()
                self._ask("astream", await prompt if inspect.isawaitable(prompt) else prompt)
            piece: str | None = await anext(self._pieces, None)
            self._hear(piece)
        return self._given(piece, StopAsyncIteration)

    async def aclose(self) -> None:
        """`close`, to be awaited."""
        if self._running:
            with self._step():
                await self._pieces.aclose()
                self._break_off()
        self._ended = True

    async def __aenter__(self) -> ProgramStream:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    @property
    def _begun(self) -> bool:
        return self._pieces is not None

    @property
    def _running(self) -> bool:
        return self._begun and not self._ended

    def _prompt(self) -> Any:
        prompt = self._make()
        if inspect.iscoroutine(prompt):
            prompt.close()
            raise GraphError(f"{self._program.name} is async: read its stream by `async for`")
        return prompt

    def _ask(self, way: str, prompt: Any) -> None:
        self._question = question = self._program.question(prompt)
        if question.kind is not None:
            raise GraphError(
                f"{self._program.name} gives a {question.kind.__name__}, which comes whole: call it"
            )
        self._asked_at = clock()
        self._pieces = getattr(self._program.model(), way)(question.messages, **question.params)

    @contextlib.contextmanager
    def _step(self) -> Iterator[None]:
        """The call is the running one while its body or its model is; what it raises is recorded."""
        record = self._record
        if record is None:
            yield
            return
        if not self._begun:
            record.begin()
        try:
            with current(record.frame):
                yield
        except BaseException as error:
            if not self._ended:
                self._ended = True
                record.failed(error)
            raise

    def _hear(self, piece: str | None) -> None:
        """Tell when the first piece came, also of a reply that will not be read to its end."""
        if piece is None:
            self._end(self._pieces.reply)
        elif not self._heard:
            annotate(first_token_ns=int((clock() - self._asked_at) * 1e9))

    def _break_off(self) -> None:
        self._end(Reply(self.text, finish_reason=CLOSED))

    def _end(self, reply: Reply) -> None:
        value = self._question.result(reply)
        self._ended = True
        self._result = value if self._record is None else handed(self._record.ended(value))

    def _given(self, piece: str | None, end: type[Exception]) -> str:
        if piece is None:
            raise end
        self._heard.append(piece)
        return piece
