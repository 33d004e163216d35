"""Agents: a program is asked, the tools that it wants are called, until it wants no more."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine, Generator, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tracelib.errors import GraphError, TurnLimitReached
from tracelib.graph.bundle import Bundle, bundle
from tracelib.graph.given import give
from tracelib.graph.node import is_node
from tracelib.graph.operator import name_of
from tracelib.graph.streams import run_coroutine, runner_of
from tracelib.llm.message import Message, as_messages
from tracelib.llm.reply import Reply
from tracelib.programs.handing import handed
from tracelib.programs.program import BoundProgram, Program
from tracelib.programs.tool import acall_tools, by_name, call_tools, check_errors


@dataclass(frozen=True)
class Conversation:
    """All that was said: the messages, the results of tools among them, and the reply of each turn."""

    messages: list[Message]
    replies: tuple[Reply, ...]

    @property
    def reply(self) -> Reply:
        """The last reply."""
        return self.replies[-1]

    @property
    def text(self) -> str:
        """The text of the last reply."""
        return self.reply.text

    @property
    def cost(self) -> float | None:
        """Dollars for all turns; None when that of one is unknown."""
        costs = [reply.cost for reply in self.replies]
        known = [cost for cost in costs if cost is not None]
        return sum(known) if len(known) == len(costs) else None

    def __str__(self) -> str:
        return str(self.text)


def agent_loop(
    program: Callable[[Any], Any],
    messages: Any,
    *,
    tools: Iterable[Any] = (),
    max_turns: int = 10,
    parallel: bool = False,
    errors: str = "tell",
) -> Any:
    """Ask the program, call the tools that it wants, and ask again with the results, until it wants none.

    `program` takes the messages so far and gives a Reply, as `@lm(..., tools=[...])` does: `messages` are a
    text, a message, a dict in chat shape, or a list of these. `tools` are offered and called instead of the
    program's own; `parallel` and `errors` are as in `call_tools`. Gives the Conversation, and for an async
    program a coroutine of it. All is recorded as one call with those of the turns in it. Given the tools in
    the place of the messages, `agent_loop(program, tools)`, it gives the agent, which takes the messages.

    Raises TurnLimitReached, which holds the conversation, when tools are called in the last of `max_turns`
    turns, too; their results are the last messages, so that the conversation can be gone on with.
    """
    if not isinstance(max_turns, int) or max_turns < 1:
        raise GraphError(f"max_turns is how often the program is asked, 1 or more, not {max_turns!r}")
    check_errors(errors)
    if _are_tools(messages):
        options: dict[str, Any] = {"max_turns": max_turns, "parallel": parallel, "errors": errors}
        return functools.partial(agent_loop, program, tools=messages, **options)
    offered = list(by_name(tools).values())
    run = Loop(_offering(program, offered), {"tools": offered, "parallel": parallel, "errors": errors})
    given = name_of(program), as_messages(messages), max_turns
    return run.handed_later(run.later(*given)) if _is_async(program) else run.handed(run.now(*given))


def _are_tools(given: Any) -> bool:
    """Whether there are functions to call among these, and so no messages."""
    return isinstance(given, (list, tuple)) and any(map(callable, given))


class Loop:
    """One run of the loop. The record keeps plain copies, so what is handed out is kept here until it is."""

    def __init__(self, program: Any, calling: Mapping[str, Any]) -> None:
        self._program = program
        self._calling = calling
        self._told: Conversation | None = None

    # Traceable: the body sees messages whose content is recorded, so that the turns know where it came from.
    @bundle(name="agent_loop", traceable_code=True)
    def now(self, program: str, messages: list[Message], max_turns: int) -> Conversation:
        turns = _turns(messages, max_turns)
        step = next(turns)
        while self._told is None:
            made = call_tools(step, **self._calling) if isinstance(step, Reply) else self._program(step)
            step = self._next(turns, made)
        return self._told

    @bundle(name="agent_loop", traceable_code=True)
    async def later(self, program: str, messages: list[Message], max_turns: int) -> Conversation:
        turns = _turns(messages, max_turns)
        step = next(turns)
        while self._told is None:
            is_reply = isinstance(step, Reply)
            made = await (acall_tools(step, **self._calling) if is_reply else self._program(step))
            step = self._next(turns, made)
        return self._told

    def _next(self, turns: Turns, made: Any) -> Any:
        try:
            return turns.send(made)
        except StopIteration as end:
            self._told = end.value
            return None

    def handed(self, made: Any) -> Any:
        """The conversation, noted as what the call gave; its messages know their own origin."""
        told, self._told = self._told, None
        assert told is not None, "the loop ended"
        return give(replace(told), made) if is_node(made) else told

    async def handed_later(self, made: Coroutine[Any, Any, Any]) -> Any:
        """`handed` of what is awaited."""
        return self.handed(await made)


Turns = Generator[list[Message] | Reply, Any, Conversation]
"""Messages to ask with, for which a reply is sent in, and replies whose tools to call, for their results."""


def _turns(messages: list[Message], max_turns: int) -> Turns:
    history, replies = list(messages), []
    for _ in range(max_turns):
        reply = _as_reply((yield list(history)))
        replies.append(reply)
        history.append(reply.message)
        if not reply.tool_calls:
            return Conversation(history, tuple(replies))
        history += yield reply
    wanted = ", ".join(call.name for call in replies[-1].tool_calls)
    raise TurnLimitReached(
        f"the agent still calls tools ({wanted}) in turn {max_turns}, the last: raise max_turns, or go on "
        "from error.conversation.messages",
        Conversation(history, tuple(replies)),
    )


def _as_reply(made: Any) -> Reply:
    """What a program gave as a Reply. Raises GraphError for anything else."""
    if inspect.iscoroutine(made):
        made.close()
        raise GraphError(
            "the program is async, and does not say so: give agent_loop the async function itself"
        )
    reply = handed(made)
    if not isinstance(reply, Reply):
        raise GraphError(
            f"the program gave {type(reply).__name__} {reply!r:.200}, and agent_loop needs a Reply: make it "
            "with @lm(..., tools=[...]) or @lm(..., raw=True)"
        )
    return reply


def _offering(program: Any, tools: list[Any]) -> Any:
    """The program that gives the whole Reply and offers these tools, if any are given, instead of its own.

    One that is no language model program knows its own way.
    """
    if isinstance(program, functools.partial):
        return functools.partial(_offering(program.func, tools), *program.args, **program.keywords)
    if not isinstance(program, (Program, BoundProgram)):
        return program
    return (program.using(api_params={"tools": tools}) if tools else program).whole()


def _is_async(program: Any) -> bool:
    while isinstance(program, functools.partial):
        program = program.func
    recorded = isinstance(getattr(program, "__func__", program), Bundle)
    return runner_of(program.fn if recorded else program) is run_coroutine
