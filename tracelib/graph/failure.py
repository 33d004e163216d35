"""What becomes of an exception in a recorded call: an ExceptionNode, and an error of two types."""

from __future__ import annotations

import builtins
import functools
import inspect
import linecache
import os
import re
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
    """An ExecutionError that is also of the original's type, with its arguments and attributes.

    No code of the user's runs for it: it is made as the builtin type at the root of the original's
    makes it, and then given all that the original holds.
    """
    original = root_of(error)
    own: Any = type(original)
    kind, root = _kind_for(own)
    raised = _blank(kind, root, original)
    raised.args = original.args
    _copy_members(original, raised)
    raised.__dict__.update(original.__dict__)
    raised.exception_node = made
    raised.__cause__ = original
    raised.__notes__ = [*getattr(original, "__notes__", ()), _note(made)]
    raised.__traceback__ = error.__traceback__
    return raised  # type: ignore[no-any-return]


def _blank(kind: Any, root: Any, original: Any) -> Any:
    """An instance of `kind` as C code makes it, with the parts that only `__new__` can set."""
    if root is not Exception and issubclass(root, BaseExceptionGroup):
        return root.__new__(kind, original.message, original.exceptions)
    try:
        return root.__new__(kind)
    except TypeError:  # MemoryError makes none but its own; what it makes is laid out as any exception
        return Exception.__new__(kind)


def _copy_members(original: BaseException, raised: Any) -> None:
    """Parts of an exception that live in its layout: `errno`, `object`, `__slots__`..."""
    own: Any = type(original)
    for member in _members(own):
        try:
            value = member.__get__(original)
            if value is not None:  # None is what an unset one gives, and OSError's text tells them apart
                member.__set__(raised, value)
        except (AttributeError, TypeError):  # unset there, or read-only
            continue


@functools.lru_cache(maxsize=256)
def _members(kind: Any) -> tuple[Any, ...]:
    """The members of an exception type that are neither Python attributes nor every exception's."""
    found = []
    for base in kind.__mro__[: kind.__mro__.index(BaseException)]:
        for name, member in vars(base).items():
            if type(member) is types.MemberDescriptorType or (
                type(member) is types.GetSetDescriptorType and name not in ("__dict__", "__weakref__")
            ):
                found.append(member)
    return tuple(found)


def _note(made: ExceptionNode) -> str:
    assert made._op is not None
    where = f" at {made._lines[-1][0]}:{made._lines[-1][1]}" if made._lines else ""
    return (
        f"{type(made.exception).__name__} in recorded call `{made._op.name}`{where}; "
        "error.exception_node holds the annotated source, and backward from it reaches the parameters"
    )


@functools.lru_cache(maxsize=256)
def _kind_for(kind: Any) -> tuple[Any, Any]:
    """A subclass of ExecutionError and of `kind`, and the builtin type at its root.

    Where the layouts conflict, or the type forbids subclasses, it is a subclass of ExecutionError only.
    """
    root = next(base for base in kind.__mro__ if getattr(builtins, base.__name__, None) is base)
    body = {"__module__": ExecutionError.__module__, "__doc__": ExecutionError.__doc__}
    methods = {"__init__": _no_init, "__reduce__": _reduce}
    plain = type("ExecutionError", (ExecutionError,), {**body, **methods})
    if issubclass(ExecutionError, kind):
        return plain, Exception
    try:
        both = {**body, **methods, "__str__": kind.__str__}
        return type.__new__(type(kind), "ExecutionError", (_Raised, kind), both), root
    except TypeError:
        return plain, Exception


class _Raised(ExecutionError):  # noqa: N818 - what an ExecutionError is made of
    """Stands before the original's type, so that subclassing it runs no `__init_subclass__` of the user's."""

    def __init_subclass__(cls) -> None:
        """Nothing to do: the user's own is for his classes."""


def _no_init(self: Any, *args: Any, **kwargs: Any) -> None:
    """The original was initialized; its attributes are copied."""


def _reduce(self: Any) -> tuple[Any, ...]:
    return execution_error, (self.exception_node, self.__cause__)


def _lines(error: BaseException) -> tuple[tuple[str, int, str], ...]:
    """File, line and function of each step from the call to the failure, without our own.

    Of a recorded call within, which has its own node, only the last step is repeated.
    """
    inner = getattr(error, "exception_node", None)
    steps = []
    trace: types.TracebackType | None = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if not code.co_filename.startswith(OURS):
            steps.append((code.co_filename, trace.tb_lineno, code.co_name))
        elif steps and isinstance(inner, ExceptionNode):
            return (*steps, *inner._lines[-1:])
        trace = trace.tb_next
    return tuple(steps)


def annotated(made: ExceptionNode) -> str:
    """The source of the failed function with the failing line marked, then the error itself."""
    error = made.exception
    message = _message(error)
    assert made._op is not None
    source = _source_with_mark(made._op.fn, made._lines, message)
    if source is not None:
        return source
    if made._lines:
        filename, line, function = made._lines[-1]
        return f"{message}\n  in {function}: {source_line(filename, line).strip()}"
    return f"{message}\n  in {made._op.name}"


def text_of(error: BaseException) -> str:
    """What an exception says; where the user's `__str__` fails, that is said, as in a traceback."""
    try:
        return str(error)
    except Exception as failure:  # whatever the user's code raises
        return f"<its text could not be made: {failure!r}>"


def _message(error: BaseException) -> str:
    text = text_of(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


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
    if not 0 <= at < len(block):
        rest = [first, *rest]
    return textwrap.dedent("\n".join(marked)) + "".join(f"\n# {text}" for text in rest)


def _block(fn: Any, filename: str, line: int, function: str) -> tuple[list[str], int] | None:
    """The lines of the function that holds a line, and the number of the first."""
    if filename.startswith("<tracelib "):
        return [text.rstrip("\n") for text in linecache.getlines(filename)], 1
    code = _code_of(fn)
    if code is None or code.co_filename != filename or code.co_name != function:
        return None
    try:
        block, first = inspect.getsourcelines(code)
    except (OSError, TypeError):
        return None
    if not re.search(rf"\b{re.escape(function.strip('<>'))}\b", "".join(block)):
        return None  # since Python 3.13 "<string>" is also the text of `python -c`
    return [text.rstrip("\n") for text in block], max(first, 1)


def _code_of(fn: Any) -> types.CodeType | None:
    """The code that a call of `fn` runs: of the function in a partial, a wrapper or a callable object."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    if not (inspect.isroutine(fn) or isinstance(fn, type)) and callable(fn):
        fn = type(fn).__call__
    fn = inspect.unwrap(fn) if inspect.isroutine(fn) else fn
    found = getattr(getattr(fn, "__func__", fn), "__code__", None)
    return found if isinstance(found, types.CodeType) else None


def nodes_behind(error: BaseException) -> tuple[tuple[str, Node[Any]], ...]:
    """The exception node of an inner call that failed, as an edge of the outer one."""
    inner = getattr(error, "exception_node", None)
    return (("returned", inner),) if isinstance(inner, ExceptionNode) else ()
