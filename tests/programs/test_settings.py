"""Settings of one call: who is asked instead, and what stays as it was."""

from __future__ import annotations

import contextlib
from typing import Any

import openai
import pydantic
import pytest

import tracelib as trace
from tracelib.errors import GraphError
from tracelib.testing import Fails, LoopbackServer, ScriptedModel


class Name(pydantic.BaseModel):
    first: str


def another(messages: Any, **params: Any) -> str:
    return "another"


@pytest.mark.parametrize("given", [ScriptedModel(another), another])
@pytest.mark.parametrize("place", ["model", "api_params"])
def test_a_model_of_its_own_is_asked_itself_not_the_programs_client(
    server: LoopbackServer, given: Any, place: str
) -> None:
    with openai.OpenAI(base_url=server.base_url, api_key="key") as client:
        greet = trace.lm(model="small", client=client)(lambda: "Hi")
        assert greet(**{place: given if place == "model" else {"model": given}}) == "another"
        assert server.requests == []


def test_another_name_is_asked_by_the_programs_client(server: LoopbackServer) -> None:
    with openai.OpenAI(base_url=server.base_url, api_key="key") as client:
        greet = trace.lm(model="small", client=client)(lambda: "Hi")
        greet(model="large")
    assert [request.body["model"] for request in server.requests] == ["large"]


def test_other_parameters_are_asked_of_the_same_model_over_the_same_connection(
    server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    greet = trace.lm(model="small")(lambda: "Hi")
    variant = greet.using(api_params={"temperature": 0})
    greet(api_params={"temperature": 1})
    assert variant.model() is greet.model()
    assert greet.using(model="large").model() is not greet.model()


def test_a_format_that_was_refused_is_not_asked_again_with_other_parameters(server: LoopbackServer) -> None:
    server.then(Fails(400, message="json_schema is not supported"), '{"first": "Ann"}', '{"first": "Bob"}')
    with openai.OpenAI(base_url=server.base_url, api_key="key") as client:
        greet = trace.lm(model="small", client=client, response_format=Name)(lambda: "Hi")
        assert greet(api_params={"temperature": 0}) == Name(first="Ann")
        assert greet(api_params={"temperature": 1}) == Name(first="Bob")
    assert len(server.requests) == 3


@pytest.mark.parametrize("tracing", [True, False])
def test_where_several_are_asked_for_an_endpoint_that_gives_one_gives_a_list_too(tracing: bool) -> None:
    greet = trace.lm(model=another)(lambda: "Hi")
    label = trace.classify(greet, ["another", "one"], n=2)
    with contextlib.nullcontext() if tracing else trace.stop_tracing():
        assert list(greet(api_params={"n": 4})) == ["another"]
        assert list(label()) == ["another"]
        assert greet(api_params={"n": 1}) == "another"


def test_what_is_offered_is_a_list_of_tools_with_names_of_their_own() -> None:
    def look(word: str) -> str:
        return word

    for tools, words in ((look, r"write tools=\[\.\.\.\]"), ([look, look], "two tools are called look")):
        with pytest.raises(GraphError, match=words):
            trace.lm(model=another, tools=tools)(lambda: "Hi")()
