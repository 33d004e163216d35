"""Language model programs: prompt, question, result, and what is recorded of it."""

from __future__ import annotations

from typing import Any

import pydantic
import pytest

import tracelib as trace
from tracelib.errors import GraphError, InvalidReply
from tracelib.llm.message import user
from tracelib.llm.reply import Reply, ToolCall, Usage
from tracelib.testing import ScriptedModel


def program(*replies: Any, **params: Any) -> tuple[Any, ScriptedModel]:
    model = ScriptedModel(list(replies))

    @trace.lm(model=model, **params)
    def greet(name: str) -> str:
        """You are a friendly greeter."""
        return f"Generate a greeting for {name}."

    return greet, model


def test_the_docstring_is_the_system_message_and_the_result_the_users() -> None:
    greet, model = program("Hello, Alice!", temperature=0.5)
    made = greet("Alice")
    assert made == "Hello, Alice!"
    assert model.questions == [
        [
            {"role": "system", "content": "You are a friendly greeter."},
            {"role": "user", "content": "Generate a greeting for Alice."},
        ]
    ]
    assert model.asked[0].params == {"temperature": 0.5}


def test_its_text_knows_its_call_through_string_operations() -> None:
    greet, _ = program("hi", "ho")
    x, y = greet("a"), greet("b")
    assert x.__origin_trace__ == {x.call.id}
    assert x[0].__origin_trace__ == {x.call.id}
    assert (x + " there").__origin_trace__ == {x.call.id}
    assert (x + y).__origin_trace__ == {x.call.id, y.call.id}


def test_the_origin_of_what_a_bundle_made_of_it_is_still_the_program() -> None:
    greet, _ = program("hi")

    @trace.bundle
    def shout(text: str) -> str:
        return text.upper()

    made = greet("a")
    assert shout(made).__origin_trace__ == {made.call.id}


async def test_an_async_program_is_awaited() -> None:
    model = ScriptedModel(["hi"])

    @trace.lm(model=model)
    async def greet(name: str) -> list[Any]:
        return [user(f"Greet {name}")]

    made = await greet("Ann")
    assert (made, made.op.kind) == ("hi", "lm")
    assert model.questions == [[{"role": "user", "content": "Greet Ann"}]]


def test_several_choices_are_a_list_of_texts() -> None:
    greet, _ = program(Reply("a", texts=("a", "b")), n=2)
    made = greet("Ann")
    assert list(made) == ["a", "b"]
    assert made[1].__origin_trace__ == {made.call.id}


class Name(pydantic.BaseModel):
    first: str


def test_a_response_format_gives_a_validated_object_or_says_what_came() -> None:
    greet, model = program('{"first": "Ann"}', "no JSON", response_format=Name)
    assert greet("Ann").data == Name(first="Ann")
    assert model.asked[0].params["response_format"]["json_schema"]["name"] == "Name"
    with pytest.raises(InvalidReply, match="no JSON"):
        greet("Ann")


@trace.tool()
def weather(city: str, days: int = pydantic.Field(default=1, description="How many")) -> str:
    """The weather in a city."""
    return f"fair in {city} for {days}"


def test_a_tool_has_a_schema_and_its_calls_are_recorded() -> None:
    schema = weather.schema["function"]
    assert (schema["name"], schema["description"]) == ("weather", "The weather in a city.")
    assert schema["parameters"]["required"] == ["city"]
    assert schema["parameters"]["properties"]["days"]["description"] == "How many"
    assert weather("Rome", 2).op == "weather"


def test_tools_are_offered_and_the_reply_says_which_are_called() -> None:
    call = ToolCall("1", "weather", '{"city": "Rome"}')
    greet, model = program(Reply("", tool_calls=(call,)), tools=[weather])
    assert greet("Ann").data.tool_calls == (call,)
    assert model.asked[0].params["tools"] == [weather.schema]


def test_what_the_endpoint_told_is_kept_in_a_store(tmp_path: Any) -> None:
    reply = Reply("hi", usage=Usage(prompt_tokens=15, completion_tokens=10), cost=0.00021, model="gpt-x")
    greet, _ = program(reply, temperature=1.0)
    with trace.SQLiteStore(tmp_path) as store:
        greet("Alice")
    call = store.call(store.calls()[0].id)
    assert (call.kind, call.model, call.provider) == ("lm", "gpt-x", "scripted")
    assert (call.tokens_in, call.tokens_out, call.cost) == (15, 10, pytest.approx(0.00021))
    assert call.request["messages"][0]["content"] == "You are a friendly greeter."
    assert store.version("greet").api_params == {"temperature": 1.0}
    assert call.inputs == {"name": "Alice"}


def test_a_generator_is_no_program() -> None:
    with pytest.raises(GraphError, match="a program returns its prompt"):

        @trace.lm(model="x")
        def greet() -> Any:
            yield "a"


def test_a_program_needs_a_model_to_be_named() -> None:
    with pytest.raises(GraphError, match="needs its model"):

        @trace.lm
        def greet() -> str:
            return "a"
