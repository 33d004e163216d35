"""What becomes of an exception in a recorded call: an ExceptionNode, and an error of two types."""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import os
import textwrap
import types
from typing import TYPE_CHECKING, Any

from tracelib.errors import ExecutionError
from tracelib.graph.node import ExceptionNode, Extra, Node, new, source_line, within
from tracelib.graph.operator import Operator
from tracelib.graph.tracing import OFF, Frame, clock, here, next_place

if TYPE_CHECKING:
    from collections.abc import Callable

OURS = os.path.dirname(__file__)
"""Where our own files are: their lines are left out of what an optimizer reads."""


def failed_operation(op: Operator, args: tuple[Any, ...], error: Exception) -> Exception:
    """The error to raise for an operator of Python that failed on nodes."""
    frame = here.get()
    if frame is OFF:
        return error
    now = clock()
    made = exception_node(op, args, error, frame, None, None, now, 0.0)
    if frame is not None:
        within(made, frame)
    return execution_error(made, error)


def exception_node(
    op: Operator,
    args: tuple[Any, ...],
    error: BaseException,
    caller: Frame | None,
    frame: Frame | None,
    extra: Extra | None,
    start: float,
    duration: float,
) -> ExceptionNode:
    """The node of a call that failed."""
    made: Any = new(ExceptionNode)
    made.exception = root_of(error)
    made._args = args
    made._op = op
    made._seq = next_place()
    made._caller = caller
    made._frame = frame
    made._extra = extra
    made._start = start
    made._duration = duration
    made._lines = _lines(error)
    made._text = None
    return made  # type: ignore[no-any-return]


def root_of(error: BaseException) -> BaseException:
    """The user's own exception behind an ExecutionError."""
    if isinstance(error, ExecutionError) and error.__cause__ is not None:
        return error.__cause__
    return error


def execution_error(made: ExceptionNode, error: BaseException) -> Exception:
    """An ExecutionError that is also of the original's type, with its arguments and attributes."""
    original = root_of(error)
    kind = _kind_for(type(original))
    try:
        raised: Any = kind.__new__(kind, *original.args)
    except Exception:  # a __new__ of the user's that wants other arguments
        raised = ExecutionError(*original.args)
    raised.args = original.args
    raised.__dict__.update(vars(original))
    raised.exception_node = made
    raised.__cause__ = original
    raised.__notes__ = [*getattr(original, "__notes__", ()), _note(made)]
    return raised  # type: ignore[no-any-return]


def _note(made: ExceptionNode) -> str:
    assert made._op is not None
    where = f" at {made._lines[-1][0]}:{made._lines[-1][1]}" if made._lines else ""
    return (
        f"{type(made.exception).__name__} in recorded call `{made._op.name}`{where}; "
        "error.exception_node holds the annotated source, and backward from it reaches the parameters"
    )


@functools.cache
def _kind_for(kind: type[BaseException]) -> type[ExecutionError]:
    """A subclass of ExecutionError and of `kind`, or ExecutionError where the layouts conflict."""
    if issubclass(ExecutionError, kind):
        return ExecutionError
    body = {"__module__": ExecutionError.__module__, "__doc__": ExecutionError.__doc__, "__init__": _no_init}
    body["__str__"] = kind.__str__
    body["__reduce__"] = _reduce
    try:
        return type("ExecutionError", (ExecutionError, kind), body)
    except TypeError:
        return ExecutionError


def _no_init(self: Any, *args: Any, **kwargs: Any) -> None:
    """The original was initialized; its attributes are copied."""


def _reduce(self: Any) -> tuple[Any, ...]:
    return execution_error, (self.exception_node, self.__cause__)


def _lines(error: BaseException) -> tuple[tuple[str, int, str], ...]:
    """File, line and function of each step from the call to the failure, without our own."""
    steps = []
    trace: types.TracebackType | None = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if not code.co_filename.startswith(OURS):
            steps.append((code.co_filename, trace.tb_lineno, code.co_name))
        trace = trace.tb_next
    return tuple(steps)


def annotated(made: ExceptionNode) -> str:
    """The source of the failed function with the failing line marked, then the error itself."""
    error = made.exception
    message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    assert made._op is not None
    source = _source_with_mark(made._op.fn, made._lines, message)
    if source is not None:
        return source
    if made._lines:
        filename, line, function = made._lines[-1]
        return f"{message}\n  in {function}: {source_line(filename, line).strip()}"
    return f"{message}\n  in {made._op.name}"


def _source_with_mark(
    fn: Callable[..., Any] | None, lines: tuple[tuple[str, int, str], ...], message: str
) -> str | None:
    """The text of `fn`, or of the generated code that ran instead, its failing line marked."""
    for filename, line, function in lines:
        found = _block(fn, filename, line, function)
        if found is not None:
            block, first = found
            deepest = lines[-1]
            marked = _mark(block, line - first, message)
            if deepest[:2] != (filename, line):
                inner = source_line(deepest[0], deepest[1]).strip()
                marked += f"\nraised in {deepest[2]}: {inner}"
            return marked
    return None


def _mark(block: list[str], at: int, message: str) -> str:
    first, *rest = message.splitlines() or [""]
    marked = [f"{text}  # <-- {first}" if i == at else text for i, text in enumerate(block)]
    return textwrap.dedent("\n".join([*marked])) + "".join(f"\n# {text}" for text in rest)


def _block(fn: Any, filename: str, line: int, function: str) -> tuple[list[str], int] | None:
    """The lines of the function that holds a line, and the number of the first."""
    fn = inspect.unwrap(fn) if callable(fn) else fn
    code = getattr(getattr(fn, "__func__", fn), "__code__", None)
    if code is not None and code.co_filename == filename and code.co_name == function:
        try:
            block, first = inspect.getsourcelines(code)
        except (OSError, TypeError):
            return None
        return [text.rstrip("\n") for text in block], max(first, 1)
    if filename.startswith("<tracelib "):
        return _generated(filename, function)
    return None


def _generated(filename: str, function: str) -> tuple[list[str], int] | None:
    block = [text.rstrip("\n") for text in linecache.getlines(filename)]
    try:
        found = [n for n in ast.walk(ast.parse("\n".join(block))) if getattr(n, "name", None) == function]
    except SyntaxError:
        return None
    return (block, 1) if found else None


def nodes_behind(error: BaseException) -> tuple[tuple[str, Node[Any]], ...]:
    """The exception node of an inner call that failed, as an edge of the outer one."""
    inner = getattr(error, "exception_node", None)
    return (("returned", inner),) if isinstance(inner, ExceptionNode) else ()
