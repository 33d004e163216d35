"""A program over the Responses API gives what it gives over chat completions."""

from __future__ import annotations

import pydantic
import pytest

import tracelib as trace
from tracelib.llm.openai import OpenAIModel
from tracelib.testing import LoopbackServer, calls_tool

PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses"}


class City(pydantic.BaseModel):
    name: str


@trace.tool
def weather(city: str) -> str:
    """Say how the weather is."""
    return f"sunny in {city}"


@pytest.mark.parametrize("api", PATHS)
def test_text_objects_tools_and_streams(server: LoopbackServer, model: OpenAIModel, api: str) -> None:
    @trace.lm(model=model, api=api)
    def greet(name: str) -> str:
        """You are kind."""
        return f"Greet {name}."

    @trace.lm(model=model, api=api, response_format=City)
    def place() -> str:
        return "Where?"

    @trace.lm(model=model, api=api, tools=[weather])
    def asked(talk: list) -> list:
        return talk

    server.then("Hello, Ann", '{"name": "Bern"}', calls_tool("weather", city="Bern"), "Sun.", "one two")
    assert greet("Ann") == "Hello, Ann"
    assert place() == City(name="Bern")
    talk = [trace.user("Rain?")]
    reply = asked(talk)
    told = reply.call_tools()
    assert [message.content for message in told] == ["sunny in Bern"]
    assert asked([*talk, reply.message, *told]).text == "Sun."
    assert list(greet.stream("Bob")) == ["one", " two"]
    assert {request.path for request in server.requests} == {PATHS[api]}
    assert server.requests[0].body["model"] == "small"


def test_the_api_may_be_chosen_at_the_call(server: LoopbackServer, model: OpenAIModel) -> None:
    @trace.lm(model=model)
    def greet() -> str:
        return "Hi"

    assert greet(api_params={"api": "responses"}) == greet() == "ok"
    assert [request.path for request in server.requests] == [PATHS["responses"], PATHS["chat"]]
