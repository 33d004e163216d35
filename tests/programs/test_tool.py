"""Tools: what a model is told of a function, how it is called, and what goes back."""

from __future__ import annotations

import asyncio
import datetime
import enum
import functools
import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pydantic
import pytest
from pydantic import Field

import tracelib as trace
from tracelib.errors import GraphError, InvalidReply
from tracelib.llm.message import Message
from tracelib.llm.reply import Reply, ToolCall
from tracelib.programs.tool import call_tools
from tracelib.testing import ScriptedModel

if TYPE_CHECKING:
    from decimal import Decimal


class Unit(enum.Enum):
    CELSIUS = "c"
    FAHRENHEIT = "f"


class Place(pydantic.BaseModel):
    city: str
    country: str = "IT"


@dataclass
class Forecast:
    day: datetime.date
    high: float


@trace.tool
def weather(
    place: Place,
    days: int = Field(default=1, description="How many", ge=1),
    *,
    unit: Unit = Unit.CELSIUS,
    detail: Literal["low", "high"] = "low",
    note: Annotated[str | None, Field(description="For the log")] = None,
) -> str:
    """The weather at a place."""
    return f"{place.city}/{place.country} {days} {unit.name} {detail} {note}"


@trace.tool
def add(a: int, b: int) -> int:
    """The sum of two numbers."""
    return a + b


@trace.tool(name="look_up", description="Finds a word.")
def lookup(word: str) -> str:
    """For Python."""
    return {"hi": "a greeting"}[word]


@trace.tool
async def slowly(text: str) -> str:
    """A text, later."""
    await asyncio.sleep(0.001)
    return text.upper()


def wants(*calls: tuple[str, Any], tools: Any = (weather, add, lookup, slowly)) -> Reply:
    """A reply that a program gave, which calls tools."""
    made = tuple(
        ToolCall(f"call{nth}", name, given if isinstance(given, str) else json.dumps(given))
        for nth, (name, given) in enumerate(calls)
    )
    program = trace.lm(model=ScriptedModel([Reply("", tool_calls=made)]), tools=list(tools))(lambda: "go")
    reply: Reply = program()
    return reply


def said(messages: list[Message]) -> list[Any]:
    return [message.to_dict()["content"] for message in messages]


def test_a_schema_tells_names_types_choices_defaults_and_descriptions() -> None:
    schema = weather.schema
    assert schema["type"] == "function"
    told = schema["function"]
    assert (told["name"], told["description"]) == ("weather", "The weather at a place.")
    given = told["parameters"]
    assert (given["type"], given["required"]) == ("object", ["place"])
    parts = given["properties"]
    assert (parts["days"]["description"], parts["days"]["default"], parts["days"]["minimum"]) == (
        "How many",
        1,
        1,
    )
    assert parts["detail"]["enum"] == ["low", "high"]
    assert parts["note"]["description"] == "For the log"
    assert {one["type"] for one in parts["note"]["anyOf"]} == {"string", "null"}
    assert given["$defs"]["Unit"]["enum"] == ["c", "f"]
    assert parts["place"] == {"$ref": "#/$defs/Place"}
    assert given["$defs"]["Place"]["required"] == ["city"]
    assert json.loads(json.dumps(schema)) == schema


def test_a_name_and_words_that_are_given_win() -> None:
    told = lookup.schema["function"]
    assert (told["name"], told["description"]) == ("look_up", "Finds a word.")


class Shop:
    def __init__(self, stock: int) -> None:
        self.stock = stock

    @trace.tool
    def left(self, item: str, /, more: int = 0) -> str:
        """How many are left."""
        return f"{self.stock + more} {item}"

    @trace.tool
    @staticmethod
    def opens(day: str) -> str:
        return f"9 on {day}"

    @trace.tool
    @classmethod
    def kind(cls, loud: bool = False) -> str:
        return cls.__name__.upper() if loud else cls.__name__


def test_methods_are_tools_of_their_instance() -> None:
    shop = Shop(3)
    tools = [shop.left, shop.opens, shop.kind]
    assert list(shop.left.schema["function"]["parameters"]["properties"]) == ["item", "more"]
    reply = wants(
        ("left", {"item": "pens", "more": 1}),
        ("opens", {"day": "Monday"}),
        ("kind", {"loud": True}),
        tools=tools,
    )
    assert said(reply.call_tools()) == ["4 pens", "9 on Monday", "SHOP"]


def test_a_partial_and_a_callable_object_are_tools() -> None:
    class Greeter:
        def __call__(self, name: str) -> str:
            return f"hello {name}"

    one = trace.tool(functools.partial(add.fn, b=2), name="add2")
    two = trace.tool(Greeter(), name="greet")
    assert two.schema["function"]["parameters"]["properties"]["name"]["type"] == "string"
    reply = wants(("add2", {"a": 1}), ("greet", {"name": "Ann"}), tools=[one, two])
    assert said(reply.call_tools()) == ["3", "hello Ann"]


def test_a_tool_that_takes_any_number_of_arguments_is_refused() -> None:
    with pytest.raises(GraphError, match=r"the tool total takes \*numbers.*make it a list"):

        @trace.tool
        def total(*numbers: int) -> int:
            return sum(numbers)


def test_arguments_of_any_name_are_taken() -> None:
    tag = trace.tool(lambda name, **more: f"{name} {more}", name="tag")
    assert "additionalProperties" not in tag.schema["function"]["parameters"]
    assert said(wants(("tag", {"name": "a", "b": 1}), tools=[tag]).call_tools()) == ["a {'b': 1}"]


def test_a_name_that_no_endpoint_takes_is_refused() -> None:
    with pytest.raises(GraphError, match="'lambda!' is no name for a tool"):
        trace.tool(lambda: 1, name="lambda!")


def test_a_type_that_is_not_there_is_refused_in_words() -> None:
    @trace.tool
    def price(of: Decimal) -> str:
        return str(of)

    with pytest.raises(GraphError, match="the type Decimal is not known where the function stands"):
        _ = price.schema


def test_a_type_that_no_schema_can_tell_is_refused_in_words() -> None:
    class Odd:
        pass

    @trace.tool
    def handle(thing: Odd) -> str:
        return str(thing)

    assert Odd is not None
    with pytest.raises(GraphError, match="the tool handle has no schema"):
        _ = handle.schema


def test_called_from_python_a_field_stands_for_its_default() -> None:
    made = weather(Place(city="Rome"))
    assert made == "Rome/IT 1 CELSIUS low None"
    assert made.inputs["days"].data == 1


def test_called_from_python_a_field_without_default_is_missing() -> None:
    @trace.tool
    def greet(name: str = Field(description="Whom")) -> str:
        return f"hello {name}"

    with pytest.raises(TypeError, match=r"greet\(\) is missing the argument 'name'"):
        greet()
    assert greet("Ann") == "hello Ann"


def test_results_are_messages_in_the_order_of_the_calls() -> None:
    messages = wants(
        ("add", {"a": 1, "b": 2}), ("look_up", {"word": "hi"}), ("slowly", {"text": "x"})
    ).call_tools()
    assert [message.to_dict() for message in messages] == [
        {"role": "tool", "content": "3", "tool_call_id": "call0"},
        {"role": "tool", "content": "a greeting", "tool_call_id": "call1"},
        {"role": "tool", "content": "X", "tool_call_id": "call2"},
    ]


def test_arguments_arrive_as_what_the_signature_says() -> None:
    given = {"place": {"city": "Rome"}, "days": "2", "unit": "f", "detail": "high"}
    assert said(wants(("weather", given)).call_tools()) == ["Rome/IT 2 FAHRENHEIT high None"]


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (None, "null"),
        ({"a": [1, 2.5, True]}, '{"a":[1,2.5,true]}'),
        (Place(city="Rome"), '{"city":"Rome","country":"IT"}'),
        ([Forecast(datetime.date(2025, 1, 2), 3.5)], '[{"day":"2025-01-02","high":3.5}]'),
        ((1, "é"), '[1,"é"]'),
        (b"\xff", '"_w=="'),
        (Shop, '"' + str(Shop) + '"'),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_result_that_is_no_text_is_sent_as_json(result: Any, text: str) -> None:
    give = trace.tool(lambda: result, name="give")
    assert said(wants(("give", "{}"), tools=[give]).call_tools()) == [text]


def test_no_arguments_at_all_are_none() -> None:
    give = trace.tool(lambda: "fine", name="give")
    assert said(wants(("give", ""), tools=[give]).call_tools()) == ["fine"]


BAD: dict[str, tuple[str, Any, str]] = {
    "unknown tool": ("fly", {}, "there is no tool 'fly'; the tools are: weather, add, look_up, slowly"),
    "no JSON": ("add", '{"a": 1,', "the arguments of add cannot be used: Invalid JSON: "),
    "no object": ("add", "[1, 2]", "the arguments of add cannot be used: "),
    "missing": ("add", {"a": 1}, "the arguments of add cannot be used: b is missing"),
    "unexpected": ("add", {"a": 1, "b": 2, "c": 3}, "cannot be used: c is none of its arguments"),
    "wrong type": ("add", {"a": 1, "b": "two"}, "cannot be used: b: Input should be a valid integer"),
    "out of range": ("weather", {"place": {"city": "x"}, "days": 0}, "days: Input should be greater than"),
    "nested": ("weather", {"place": {}}, "place.city: Field required"),
    "none of the choices": (
        "weather",
        {"place": {"city": "x"}, "unit": "k"},
        "unit: Input should be 'c' or 'f', not 'k'",
    ),
}
"""Calls that a model got wrong, and words of what it is told."""


@pytest.mark.parametrize("case", BAD)
def test_a_call_that_the_model_got_wrong_is_explained_to_it(case: str) -> None:
    name, given, words = BAD[case]
    first, second = wants((name, given), ("add", {"a": 1, "b": 1})).call_tools()
    assert first.to_dict()["content"].startswith("Error: ")
    assert words in first.to_dict()["content"]
    assert first.extra["tool_call_id"] == "call0"
    assert second.content == "2"


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("parallel", [False, True])
def test_a_call_that_the_model_got_wrong_is_raised_where_that_is_wanted(case: str, parallel: bool) -> None:
    name, given, words = BAD[case]
    reply = wants((name, given), ("add", {"a": 1, "b": 1}))
    with pytest.raises(InvalidReply) as raised:
        reply.call_tools(parallel=parallel, errors="raise")
    assert words in str(raised.value)


def test_an_exception_of_a_tool_is_told_to_the_model_and_recorded() -> None:
    (message,) = wants(("look_up", {"word": "ho"})).call_tools()
    assert message.to_dict()["content"] == "Error: KeyError: 'ho'"
    (call,) = trace.origin(message).calls
    assert (call.op.name, type(call.error)) == ("look_up", KeyError)


def test_an_exception_of_a_tool_is_raised_where_that_is_wanted() -> None:
    with pytest.raises(KeyError, match="ho"):
        wants(("look_up", {"word": "ho"})).call_tools(errors="raise")


def test_a_result_that_json_cannot_hold_is_told_to_the_model() -> None:
    ring: list[Any] = []
    ring.append(ring)
    (message,) = wants(("give", "{}"), tools=[trace.tool(lambda: ring, name="give")]).call_tools()
    assert "ValueError: Circular reference" in message.to_dict()["content"]


def test_what_a_tool_gave_is_the_origin_of_its_message_and_made_from_the_reply() -> None:
    reply = wants(("add", {"a": 1, "b": 2}), ("fly", {}))
    asked = trace.origin(reply).ids
    done, wrong = reply.call_tools()
    (call,) = trace.origin(done).calls
    assert call.op.name == "add"
    (sum_of_two,) = done.content.parents
    assert [trace.origin(given).ids for given in sum_of_two.inputs.values()] == [asked, asked]
    assert trace.origin(wrong).ids == asked


def test_calls_of_tools_are_behind_the_call_that_makes_them() -> None:
    @trace.bundle
    def outer(parallel: bool) -> Any:
        return said(wants(("add", {"a": 1, "b": 2}), ("look_up", {"word": "hi"})).call_tools(parallel))

    for parallel in (False, True):
        made = outer(parallel)
        graph = trace.Graph.behind(made)
        tools = [found for found in graph.nodes if found.op in ("add", "look_up")]
        assert [graph.caller(found) is made for found in tools] == [True, True]
        assert made.data == ["3", "a greeting"]


def test_in_parallel_they_run_at_once() -> None:
    meeting = threading.Barrier(3, timeout=10)

    @trace.tool
    def meet(nth: int) -> int:
        meeting.wait()
        return nth

    reply = wants(*[("meet", {"nth": nth}) for nth in range(3)], tools=[meet])
    assert said(reply.call_tools(parallel=True)) == ["0", "1", "2"]


@pytest.mark.parametrize("parallel", [False, True])
async def test_awaited_they_give_the_same_and_leave_the_loop_free(parallel: bool) -> None:
    loop_thread = threading.get_ident()

    @trace.tool
    def where() -> bool:
        return threading.get_ident() == loop_thread

    reply = wants(("slowly", {"text": "a"}), ("where", {}), ("fly", {}), tools=[slowly, where])
    messages = await reply.acall_tools(parallel)
    assert said(messages)[:2] == ["A", "false"]
    assert said(messages)[2].startswith("Error: there is no tool 'fly'")
    assert [trace.origin(message).calls[0].op.name for message in messages[:2]] == ["slowly", "where"]


async def test_awaited_in_parallel_they_run_at_once() -> None:
    meeting: list[int] = []

    @trace.tool
    async def meet(nth: int) -> int:
        meeting.append(nth)
        while len(meeting) < 3:
            await asyncio.sleep(0.001)
        return nth

    reply = wants(*[("meet", {"nth": nth}) for nth in range(3)], tools=[meet])
    async with asyncio.timeout(10):
        assert said(await reply.acall_tools(parallel=True)) == ["0", "1", "2"]


async def test_a_sync_program_on_a_loop_calls_an_async_tool_too() -> None:
    for parallel in (False, True):
        reply = wants(("slowly", {"text": "a"}), ("slowly", {"text": "b"}))
        messages = reply.call_tools(parallel)
        assert said(messages) == ["A", "B"]
        assert [trace.origin(message).calls[0].op.name for message in messages] == ["slowly", "slowly"]


def test_a_tool_of_the_endpoints_own_may_be_offered_beside() -> None:
    assert said(wants(("add", {"a": 1, "b": 2}), tools=[add, {"type": "web_search"}]).call_tools()) == ["3"]


async def test_an_async_method_is_awaited_on_the_callers_loop() -> None:
    class Clock:
        @trace.tool
        async def now(self) -> bool:
            return asyncio.get_running_loop() is loop

    loop = asyncio.get_running_loop()
    assert said(await wants(("now", {}), tools=[Clock().now]).acall_tools()) == ["true"]


def test_the_tools_may_be_given_instead_of_offered() -> None:
    def double(x: int) -> int:
        return 2 * x

    reply = Reply("", tool_calls=(ToolCall("1", "double", '{"x": 4}'),))
    assert said(call_tools(reply, tools=[double])) == ["8"]
    assert said(call_tools(reply)) == ["Error: there is no tool 'double'; the tools are: none"]


def test_a_recorded_reply_calls_its_tools() -> None:
    made = trace.bundle(
        lambda: Reply("", tool_calls=(ToolCall("1", "add", '{"a": 1, "b": 1}'),)), name="ask"
    )()
    (message,) = call_tools(made, tools=[add])
    assert said([message]) == ["2"]
    assert made in trace.Graph.behind(message.content).nodes


@pytest.mark.parametrize(
    ("given", "options", "words"),
    [
        (lambda: "text", {}, "str 'text' is no Reply"),
        (lambda: wants(), {"errors": "no"}, "errors is one of tell, raise"),
        (lambda: wants(("add", {}), tools=[add.schema]), {}, "was offered without a function"),
    ],
)
def test_what_cannot_be_called_is_refused_in_words(given: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(GraphError, match=words):
        call_tools(given(), **options)


def test_a_reply_without_calls_gives_no_messages() -> None:
    assert call_tools(Reply("done")) == []


def test_nothing_is_recorded_where_recording_is_stopped() -> None:
    reply = wants(("add", {"a": 1, "b": 2}))
    with trace.stop_tracing():
        (message,) = reply.call_tools()
    assert type(message.content) is str
    assert message.content == "3"


def test_a_store_keeps_the_calls_of_tools_and_their_graph(tmp_path: Any) -> None:
    with trace.SQLiteStore(tmp_path) as store:
        reply = wants(("add", {"a": 1, "b": 2}))
        (message,) = reply.call_tools()
        answer = trace.bundle(lambda messages: "fine", name="answer")([message])
    assert answer == "fine"
    kinds = {call.name: call.kind for call in store.calls()}
    assert kinds["add"] == "tool"
    (call,) = [call for call in store.calls() if call.name == "add"]
    assert store.call(call.id).inputs == {"a": 1, "b": 2}
    names = {str(found.op) for found in store.graph(answer.call.id).nodes}
    assert {"add", "argument", "as_json"} <= names
