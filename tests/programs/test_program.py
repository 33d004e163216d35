"""Language model programs: prompt, question, result, and what is recorded of it."""

from __future__ import annotations

import gc
from typing import Any

import pydantic
import pytest

import tracelib as trace
from tracelib.errors import GraphError, InvalidReply
from tracelib.graph import given
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
    assert made[1].__origin_trace__ == trace.origin(made).ids
    assert len(trace.origin(made).ids) == 1


class Name(pydantic.BaseModel):
    first: str


def test_a_response_format_gives_a_validated_object_or_says_what_came() -> None:
    greet, model = program('{"first": "Ann"}', "no JSON", "no JSON again", response_format=Name)
    assert greet("Ann") == Name(first="Ann")
    assert model.asked[0].params["response_format"]["json_schema"]["name"] == "Name"
    with pytest.raises(InvalidReply, match="the reply is no Name: Invalid JSON"):
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
    assert greet("Ann").tool_calls == (call,)
    assert model.asked[0].params["tools"] == [weather.schema]


def test_a_plain_function_may_be_offered_too() -> None:
    def double(x: int) -> int:
        """Twice as much."""
        return 2 * x

    call = ToolCall("1", "double", '{"x": 4}')
    ask, model = program(Reply("", tool_calls=(call,)), tools=[double])
    (answer,) = ask("Ann").call_tools()
    assert answer.to_dict() == {"role": "tool", "content": "8", "tool_call_id": "1"}
    assert model.asked[0].params["tools"][0]["function"]["description"] == "Twice as much."


def test_a_name_may_be_given_by_place_and_a_function_as_the_model() -> None:
    assert trace.lm("gpt-x")(lambda: "a").api_params == {"model": "gpt-x"}
    assert trace.lm(model=lambda messages: messages[0]["content"] * 2)(lambda: "a")() == "aa"


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


@pytest.mark.parametrize("decorate", [trace.lm, trace.lm()])
def test_without_a_name_the_environment_names_the_model(
    decorate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TRACELIB_MODEL", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)

    @decorate
    def greet() -> str:
        """Greet."""
        return "a"

    assert (greet.name, greet.op.kind) == ("greet", "lm")
    with pytest.raises(trace.ExecutionError, match="TRACELIB_MODEL is not set"):
        greet()


def test_a_call_may_say_other_parameters_and_another_model() -> None:
    greet, model = program("one", Reply("a", texts=("a", "b")), temperature=0.5)
    other = ScriptedModel(["other"], name="other")
    assert greet("Ann", api_params={"temperature": 0, "stop": "x"}) == "one"
    assert list(greet("Ann", api_params={"n": 2})) == ["a", "b"]
    assert [asked.params for asked in model.asked] == [
        {"temperature": 0, "stop": "x"},
        {"temperature": 0.5, "n": 2},
    ]
    made = greet("Ann", model=other)
    assert (made, made.op is greet.op) == ("other", True)
    assert greet("Bob", client=lambda messages, **params: messages[-1]["content"].upper()) == (
        "GENERATE A GREETING FOR BOB."
    )
    assert len(model.asked) == 2


def test_an_argument_of_that_name_is_the_functions_own() -> None:
    model = ScriptedModel(lambda messages: str(messages[-1]["content"]))

    @trace.lm(model=model)
    def describe(model: str) -> str:
        return f"Describe {model}"

    assert describe(model="T") == "Describe T"
    assert describe("T", api_params={"temperature": 1}) == "Describe T"
    assert model.asked[1].params == {"temperature": 1}


async def test_an_async_program_takes_the_same_settings() -> None:
    model = ScriptedModel(["a", "b"])

    @trace.lm(model=model, raw=True)
    async def greet(name: str) -> str:
        return name

    assert (await greet("Ann", api_params={"n": 1})).text == "a"
    assert (await greet("Ann")).text == "b"
    assert [asked.params for asked in model.asked] == [{"n": 1}, {}]


def test_a_method_is_a_program_of_its_object() -> None:
    model = ScriptedModel(lambda messages: f"{messages[0]['content']} {messages[1]['content']}")

    class Agent:
        def __init__(self, who: str) -> None:
            self.who = who

        @trace.lm(model=model)
        def greet(self, name: str) -> str:
            """Be kind."""
            return f"{self.who} to {name}"

    assert Agent("I").greet("you") == "Be kind. I to you"
    assert Agent("I").greet("you", api_params={"n": 1}) == "Be kind. I to you"


def test_a_raw_reply_knows_the_call_it_came_from() -> None:
    usage = Usage(prompt_tokens=3, completion_tokens=4)
    greet, _ = program(Reply("hi", usage=usage, cost=0.1), "ho", raw=True)
    reply = greet("Ann")
    assert isinstance(reply, Reply)
    assert (reply.text, reply.usage, reply.cost) == ("hi", usage, 0.1)
    (call,) = trace.origin(reply).calls
    assert (call.op.name, trace.origin(reply.text).calls[0].id) == ("greet", call.id)
    assert trace.origin([reply.message]).ids == {call.id}


def test_what_a_program_gave_is_known_again_where_it_is_passed_on() -> None:
    greet, _ = program('{"first": "Ann"}', response_format=Name)
    name = greet("Ann")
    assert type(name) is Name

    @trace.bundle
    def shout(names: Any) -> str:
        return str(names[0].first).upper()

    made = shout([name])
    assert made == "ANN"
    assert made.__origin_trace__ == trace.origin(name).ids
    assert [kept.op.name for kept in made.parents] == ["greet"]
    name.first = "Bob"
    assert trace.origin(name).calls[0].output == Name(first="Ann")


def test_an_object_that_is_gone_is_noted_nowhere() -> None:
    greet, _ = program('{"first": "Ann"}', response_format=Name)
    name = greet("Ann")
    key = id(name)
    assert given._given[key][0]() is name
    del name
    gc.collect()
    assert key not in given._given


def test_simple_gives_the_text_and_complex_the_reply() -> None:
    model = ScriptedModel(["a", "b"])
    assert trace.simple(model=model)(lambda: "x")() == "a"
    assert trace.complex(model=model)(lambda: "x")().text == "b"
    for option, value in (("tools", [weather]), ("response_format", Name)):
        with pytest.raises(GraphError, match=f"use complex or lm for {option}"):
            trace.simple(model=model, **{option: value})


def test_where_nothing_is_recorded_a_program_gives_plain_values() -> None:
    greet, _ = program("a", Reply("b", texts=("b", "c")), n=1)
    with trace.stop_tracing():
        assert type(greet("Ann")) is str
        assert greet("Ann") == ["b", "c"]


def test_a_trainable_program_learns_its_system_prompt() -> None:
    model = ScriptedModel(lambda messages: str(messages[0]["content"]))

    @trace.lm(model=model, trainable=True)
    def greet(name: str) -> str:
        """Be kind."""
        return name

    (system,) = greet.parameters()
    made = greet("Ann")
    assert (made, system.data) == ("Be kind.", "Be kind.")
    made.backward("be brief")
    assert "be brief" in str(system.feedback)
    system.update("Be brief.", because="it was asked for")
    assert greet("Ann") == "Be brief."
    with trace.bind({system: "Be loud."}):
        assert greet("Ann") == "Be loud."
    assert greet("Ann", api_params={"n": 1}) == "Be brief."


def test_a_variant_shares_the_prompt_that_is_learned() -> None:
    @trace.lm(model=ScriptedModel(lambda messages: str(messages[0]["content"])), trainable=True)
    def greet(name: str) -> str:
        """Be kind."""
        return name

    hot = greet.using(api_params={"temperature": 2})
    greet.system.update("Be brief.", because="asked")
    assert (hot("Ann"), hot.system is greet.system) == ("Be brief.", True)


def test_a_program_whose_code_learns_too_has_both() -> None:
    model = ScriptedModel(lambda messages: str(messages[-1]["content"]))

    @trace.lm(model=model, trainable="all")
    def greet(name: str) -> str:
        """Be kind."""
        return f"Greet {name}"

    system, code = greet.parameters()
    assert (system.name, code.is_code) == ("greet.system", True)
    code.update(code.data.replace("Greet", "Hail"), because="older")
    assert greet("Ann") == "Hail Ann"


def test_the_parameters_of_a_module_have_those_of_its_programs() -> None:
    @trace.model
    class Agent:
        @trace.lm(model=ScriptedModel(lambda messages: str(messages[0]["content"])), trainable=True)
        def greet(self, name: str) -> str:
            """Be kind."""
            return name

    agent, other = Agent(), Agent()
    assert list(agent.named_parameters()) == ["greet.system"]
    agent.named_parameters()["greet.system"].update("Be brief.", because="asked")
    assert (agent.greet("Ann"), other.greet("Ann")) == ("Be brief.", "Be kind.")
