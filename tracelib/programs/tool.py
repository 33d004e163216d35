"""Tools: functions that a language model may call, with a schema made from their signature.

What a model's call gives goes back to it as a message, whatever happened: it can mend a wrong argument.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pydantic

from tracelib.errors import ExecutionError, GraphError, InvalidReply
from tracelib.graph.bundle import BoundBundle, Bundle
from tracelib.graph.given import giver
from tracelib.graph.node import Node, is_node, record
from tracelib.graph.operator import Operator
from tracelib.graph.streams import run_coroutine, runner_of
from tracelib.graph.tracing import wrap
from tracelib.llm.message import Message
from tracelib.llm.portal import Portal
from tracelib.llm.reply import Reply, ToolCall
from tracelib.programs.handing import handed
from tracelib.programs.offer import Offer, filled
from tracelib.programs.together import gather, in_thread

ARGUMENT = Operator("argument", None, "An argument that a model's reply gave to a tool.", ("reply",))
AS_JSON = Operator("as_json", None, "A tool's result as JSON text.", ("result",))
COMPLAINT = Operator("complaint", None, "What a model is told of a tool call that failed.", ("cause",))

ERRORS = ("tell", "raise")
RECORDED = (Bundle, BoundBundle)

_json: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(Any, config={"ser_json_bytes": "base64"})


class Tool(Bundle[Any, Any]):
    """A recorded function with a `schema` in the shape that chat completions take."""

    __slots__ = ("_offer",)

    def __init__(self, fn: Any, *, name: str | None = None, **options: Any) -> None:
        named = fn.name if name is None and isinstance(fn, RECORDED) else name
        super().__init__(_calling(fn), name=named, **options)
        self._offer: Offer | None = None
        self.op.kind = "tool"
        if inspect.ismethod(self.fn):
            self.op.receiver = False  # it has its object already
        Offer(self.fn, self.op).check()

    @property
    def offer(self) -> Offer:
        """What a model is told of it, and the reader of its arguments."""
        if self._offer is None:
            self._offer = Offer(self.fn, self.op)
        return self._offer

    @property
    def schema(self) -> dict[str, Any]:
        """Name, description and parameters, from the function's signature, docstring and pydantic fields."""
        return self.offer.schema

    def entrance(self, recorded: Callable[..., Any]) -> Callable[..., Any]:
        """A default that is a pydantic Field stands for the Field's default, in calls from Python too."""
        fill = filled(self.offer, self.fn)
        if fill is None:
            return recorded

        @functools.wraps(recorded)
        def called(*args: Any, **kwargs: Any) -> Any:
            args, kwargs = fill(args, kwargs)
            return recorded(*args, **kwargs)

        return called


def tool(
    fn: Any = None, *, name: str | None = None, description: str | None = None, capture: str | None = None
) -> Any:
    """Let a language model call a function: `@tool`, `@tool(name="...")` or `tool(function)`.

    Functions and methods, sync and async. Its calls are recorded, from Python and from a model; a model's
    arguments are checked by pydantic first. The options are those of `bundle`. Raises GraphError for a
    function that takes *args, since a model gives arguments by name.
    """
    options: dict[str, Any] = {"name": name, "description": description, "capture": capture}
    return (lambda function: Tool(function, **options)) if fn is None else Tool(fn, **options)


def call_tools(
    reply: Any, parallel: bool = False, *, tools: Iterable[Any] = (), errors: str = "tell"
) -> list[Message]:
    """Call the tools that a reply wants called; their results as messages for the model, in its order.

    The tools are those that were offered, or `tools`. With `parallel` they run in threads at once. Each
    call is recorded, made from the reply, and is the origin of its message; a result that is no text
    becomes JSON. A tool that is unknown, arguments that are no JSON or do not fit, and an exception become
    a message that tells the model what was wrong. With errors="raise" the first three are an InvalidReply,
    and the exception is raised.
    """
    calls = [functools.partial(_call_now, one) for one in _wanted(reply, tools, errors)]
    if parallel and len(calls) > 1:
        found: list[Message] = gather(*calls)
        return found
    return [call() for call in calls]


async def acall_tools(
    reply: Any, parallel: bool = False, *, tools: Iterable[Any] = (), errors: str = "tell"
) -> list[Message]:
    """`call_tools`, to be awaited; a tool that is not async runs in a thread, so that the loop goes on."""
    wanted = _wanted(reply, tools, errors)
    if parallel and len(wanted) > 1:
        found: list[Message] = await gather(*(_call_later(one) for one in wanted))
        return found
    return [await _call_later(one) for one in wanted]


@dataclass(frozen=True)
class Wanted:
    """One call that a model's reply wants: the tool of that name, or None, and the reply's node, if any.

    `known` are the names of all tools. A failure is told to the model, or else raised.
    """

    call: ToolCall
    reply: Reply
    found: Any
    known: Iterable[str]
    tell: bool

    @property
    def source(self) -> Node[Any] | None:
        """The node of the reply, if it has one."""
        return giver(self.reply)

    @property
    def tool(self) -> Any:
        """The tool. Raises InvalidReply when none of that name was offered."""
        if self.found is None:
            known = ", ".join(self.known) or "none"
            words = f"there is no tool {self.call.name!r}; the tools are: {known}"
            raise self._known(InvalidReply(words, self.call.name))
        return self.found

    def begin(self) -> Any:
        """What the tool gives for the arguments: its node, or a coroutine of one."""
        given = self._given()
        if self.source is not None:
            given = {name: record(value, (self.source,), ARGUMENT) for name, value in given.items()}
        args, kwargs = self.tool.offer.in_order(given)
        return self.tool(*args, **kwargs)

    def _given(self) -> dict[str, Any]:
        """The arguments. Raises InvalidReply where they do not fit."""
        try:
            found: dict[str, Any] = self.tool.offer.read(self.call.arguments)
        except InvalidReply as error:
            raise self._known(error) from error.__cause__
        return found

    def _known(self, error: InvalidReply) -> InvalidReply:
        """The error with the request that the reply answers."""
        error.request_id, error.attempts = self.reply.request_id, self.reply.attempts
        return error

    def message(self, content: Any) -> Message:
        """The message that answers the call."""
        return Message("tool", content, {"tool_call_id": self.call.id})

    def answered(self, made: Any) -> Message:
        """What the tool gave, as a message."""
        value = made._data if is_node(made) else made
        if isinstance(value, str):
            return self.message(made)
        text = _json.dump_json(value, fallback=str).decode()
        return self.message(record(text, (made,), AS_JSON) if is_node(made) else text)

    def refused(self, error: Exception) -> Message:
        """What went wrong, as a message; where that is not wanted, the error is raised."""
        if not self.tell:
            raise error
        cause = error.__cause__ if isinstance(error, ExecutionError) else None
        said = error if cause is None else cause
        words = str(error) if type(error) is InvalidReply else f"{type(said).__name__}: {said}"
        made = getattr(error, "exception_node", None)
        made = self.source if made is None else made
        text = f"Error: {words}"
        return self.message(text if made is None else record(text, (made,), COMPLAINT))


def _call_now(wanted: Wanted) -> Message:
    try:
        made = wanted.begin()
        return wanted.answered(_run(made) if inspect.iscoroutine(made) else made)
    except Exception as error:  # whatever a tool raises is for the model to hear
        return wanted.refused(error)


async def _call_later(wanted: Wanted) -> Message:
    try:
        made = wanted.begin() if _is_async(wanted.tool) else await in_thread(wrap(wanted.begin))
        return wanted.answered(await made if inspect.iscoroutine(made) else made)
    except Exception as error:  # whatever a tool raises is for the model to hear
        return wanted.refused(error)


def _is_async(one: Any) -> bool:
    return runner_of(one.fn) is run_coroutine


def _run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of an async tool, for a caller who cannot await: it runs on a loop in another thread."""
    with closing(Portal()) as portal:
        return portal.run(coroutine)


def check_errors(errors: str) -> None:
    """Raises GraphError for what is no way to treat failures of tools."""
    if errors not in ERRORS:
        raise GraphError(f"errors is one of {', '.join(ERRORS)}, not {errors!r}")


def _wanted(reply: Any, tools: Iterable[Any], errors: str) -> list[Wanted]:
    check_errors(errors)
    reply = handed(reply)
    if not isinstance(reply, Reply):
        raise GraphError(f"{type(reply).__name__} {reply!r} is no Reply, and calls no tools")
    known = by_name(tools) or reply.tools
    calls = [(call, as_tool(known.get(call.name))) for call in reply.tool_calls]
    return [Wanted(call, reply, found, list(known), errors == "tell") for call, found in calls]


def _calling(fn: Any) -> Any:
    """What a tool runs: the function, or one that calls what is more than its function, such as a program."""
    if not isinstance(fn, RECORDED) or (type(fn) is Bundle and not fn.trainable):
        return fn
    bound = isinstance(fn, BoundBundle)
    plain = types.MethodType(fn.fn, fn.__self__) if bound else fn.fn

    @functools.wraps(plain)
    def called(*args: Any, **kwargs: Any) -> Any:
        return fn(*args, **kwargs)

    @functools.wraps(plain)
    async def awaited(*args: Any, **kwargs: Any) -> Any:
        return await fn(*args, **kwargs)

    return awaited if runner_of(plain) is run_coroutine else called


def by_name(tools: Any) -> dict[str, Any]:
    """What is offered by name: tools, and dicts as they are. Raises GraphError for two of one name."""
    if not isinstance(tools, Iterable) or isinstance(tools, (str, Mapping)):
        raise GraphError(f"tools is a list of what is offered, not {tools!r}: write tools=[...]")
    offered = [as_tool(one) if callable(one) else one for one in tools]
    named = [(_name_of(one), one) for one in offered]
    twice = [name for name, count in Counter(name for name, _ in named).items() if count > 1]
    if twice:
        raise GraphError(
            f"two tools are called {twice[0]}, and a model could not say which it means: "
            'name one of them, tool(function, name="...")'
        )
    return dict(named)


def _name_of(offered: Any) -> str:
    schema = getattr(offered, "schema", offered)
    function = schema.get("function", schema) if isinstance(schema, Mapping) else {}
    return str(function.get("name") or getattr(offered, "__name__", offered))


def as_tool(one: Any) -> Any:
    """A tool, a method that is one, or a function made one. Raises GraphError for what cannot be called."""
    if one is None or isinstance(getattr(one, "__func__", one), Tool):
        return one
    if callable(one):
        return Tool(one)
    raise GraphError(
        f"{one!r} was offered without a function, so it cannot be called: offer a function with @trace.tool, "
        "or pass it as tools=[...]"
    )
