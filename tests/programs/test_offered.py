"""What may be offered as a tool beside plain functions: programs, bundles, methods and partials."""

from __future__ import annotations

import asyncio
import functools
from typing import Annotated, Any

import pydantic
import pytest

import tracelib as trace
from tracelib.llm.message import Message
from tracelib.llm.reply import Reply, ToolCall
from tracelib.testing import ScriptedModel


def shout(messages: list[dict[str, Any]], **params: Any) -> str:
    return " ".join(str(message["content"]).upper() for message in messages)


@trace.lm(model=shout)
def poet(about: str, lines: int = 2) -> str:
    """You write poems."""
    return f"{lines} lines about {about}"


@trace.lm(model=shout, name="late_poet")
async def later(about: str) -> str:
    """You write poems."""
    return about


class Poets:
    def __init__(self, style: str) -> None:
        self.style = style

    @trace.lm(model=shout)
    def plain(self, about: str) -> str:
        return f"{self.style} {about}"

    @trace.lm(model=shout, trainable=True)
    def learning(self, about: str) -> str:
        """Rhyme."""
        return f"{self.style} {about}"

    @trace.tool
    @trace.lm(model=shout)
    def both(self, about: str) -> str:
        return f"{self.style} {about}"

    def function(self, about: str) -> str:
        """A method that nobody records."""
        return f"{self.style} {about}"


def called(one: Any, **given: Any) -> Message:
    """The message of a tool that a model calls."""
    name = trace.tool(one).name if not hasattr(one, "schema") else one.schema["function"]["name"]
    reply = Reply("", tool_calls=(ToolCall("1", name, pydantic.TypeAdapter(dict).dump_json(given).decode()),))
    (message,) = reply.call_tools(tools=[one])
    return message


CASES: dict[str, tuple[Any, str]] = {
    "program": (poet, "YOU WRITE POEMS. 2 LINES ABOUT rain".upper()),
    "async program": (later, "YOU WRITE POEMS. RAIN"),
    "method": (Poets("odd").plain, "ODD RAIN"),
    "method that learns": (Poets("odd").learning, "RHYME. ODD RAIN"),
    "method that is both": (Poets("odd").both, "ODD RAIN"),
    "plain method": (Poets("odd").function, "odd rain"),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_called_as_from_python(case: str) -> None:
    one, text = CASES[case]
    message = called(one, about="rain")
    assert message.content == text
    assert trace.origin(message).calls


@pytest.mark.parametrize("case", CASES)
def test_a_model_is_told_its_arguments(case: str) -> None:
    one, _ = CASES[case]
    schema = trace.tool(one).schema["function"] if not hasattr(one, "schema") else one.schema["function"]
    assert schema["parameters"]["properties"]["about"] == {"title": "About", "type": "string"}
    assert schema["parameters"]["required"] == ["about"]


def test_a_program_as_a_tool_is_a_call_in_the_call_of_the_tool() -> None:
    message = called(poet, about="rain", lines=4)
    behind = trace.Graph.behind(message.content)
    assert {node.op.kind for node in behind.nodes if node.call is not None} >= {"tool", "lm"}
    assert trace.tool(later).schema["function"]["name"] == "late_poet"
    assert trace.tool(poet).schema["function"]["description"] == "You write poems."


def test_a_tool_runs_the_code_that_was_learned() -> None:
    @trace.bundle(trainable=True)
    def double(x: int) -> int:
        return 2 * x

    double.parameter.update("def double(x: int) -> int:\n    return 3 * x")
    assert called(double, x=2).content == "6"


def test_the_argument_of_a_method_is_an_input_of_its_call() -> None:
    message = called(Poets("odd").function, about="rain")
    assert {name: node.data for name, node in message.content.inputs.items()} == {"about": "rain"}


async def test_an_async_program_is_awaited_on_the_callers_loop() -> None:
    loop = asyncio.get_running_loop()

    @trace.lm(model=shout)
    async def here(about: str) -> str:
        assert asyncio.get_running_loop() is loop
        return about

    reply = Reply("", tool_calls=(ToolCall("1", "here", '{"about": "rain"}'),))
    (message,) = await reply.acall_tools(tools=[here])
    assert message.content == "RAIN"


def test_a_program_offers_another() -> None:
    wanted = Reply("", tool_calls=(ToolCall("1", "poet", '{"about": "rain"}'),))
    editor = trace.lm(model=ScriptedModel([wanted, "Fine."]), tools=[poet])(lambda messages: messages)
    talk = trace.agent_loop(editor, "A poem!")
    assert talk.messages[2].content == "YOU WRITE POEMS. 2 LINES ABOUT RAIN"


def test_a_part_of_a_function_is_described_as_the_function_is() -> None:
    def add(a: int, b: int) -> int:
        """The sum."""
        return a + b

    schema = trace.tool(functools.partial(add, b=2), name="add_two").schema["function"]
    assert (schema["description"], schema["parameters"]["required"]) == ("The sum.", ["a"])


def test_arguments_are_checked_once_and_under_the_names_that_a_model_is_told() -> None:
    @trace.tool
    def pay(
        sum: Annotated[int, pydantic.AfterValidator(lambda cents: cents + 1)],
        to: Annotated[str, pydantic.Field(alias="from")],
    ) -> str:
        return f"{sum} {to}"

    assert list(pay.schema["function"]["parameters"]["properties"]) == ["sum", "from"]
    assert called(pay, **{"sum": 1, "from": "Ann"}).content == "2 Ann"


WEB = {"type": "web_search"}


@pytest.mark.parametrize("by_place", [False, True])
def test_a_tool_of_the_endpoints_own_may_be_given_beside(by_place: bool) -> None:
    wanted = Reply("", tool_calls=(ToolCall("1", "poet", '{"about": "rain"}'),))
    editor = trace.lm(model=ScriptedModel([wanted, "Fine."]))(lambda messages: messages)
    if by_place:
        talk = trace.agent_loop(editor, [poet, WEB])("A poem!")
    else:
        talk = trace.agent_loop(editor, "A poem!", tools=[poet, WEB])
    assert talk.messages[2].content == "YOU WRITE POEMS. 2 LINES ABOUT RAIN"
