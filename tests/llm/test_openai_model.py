"""The OpenAI client against a real HTTP server: what is sent, what comes back, and who is asked."""

from __future__ import annotations

import asyncio
import copy
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import pytest
from pydantic import BaseModel, Field

from tracelib.errors import InvalidReply, ModelError, NoModelError
from tracelib.graph.node import node
from tracelib.llm.chat import Chat
from tracelib.llm.exchange import body_of
from tracelib.llm.guard import Question
from tracelib.llm.message import system
from tracelib.llm.openai import OpenAIModel
from tracelib.llm.responses import Responses
from tracelib.testing import LoopbackServer, Says, calls_tool


class Verdict(BaseModel):
    label: Literal["good", "bad"]
    score: float = Field(ge=0, le=1)
    notes: list[str]


@pytest.fixture(params=["ask", "aask", "stream", "astream"])
def ask(request):
    """Asks a model in each of the four ways, from inside a running loop; gives the reply."""

    async def by(model, *messages, **params):
        if request.param == "ask":
            return model.ask(*messages, **params)
        if request.param == "aask":
            return await model.aask(*messages, **params)
        if request.param == "stream":
            stream = model.stream(*messages, **params)
            assert "".join(stream) == stream.reply.text
            return stream.reply
        astream = model.astream(*messages, **params)
        assert "".join([piece async for piece in astream]) == astream.reply.text
        return astream.reply

    by.streams = request.param.endswith("stream")
    return by


async def test_a_question_gets_its_reply_with_all_that_was_told(ask, server, ask_at):
    server.then("Hello, you there")
    reply = await ask(ask_at(prices={"small": {"input": 1, "output": 2}}), [system("Be kind."), "Hi"])
    assert reply.text == str(reply) == "Hello, you there"
    assert reply.texts == ("Hello, you there",)
    assert (reply.model, reply.provider) == ("small", server.base_url[7:-3])
    assert (reply.finish_reason, reply.refusal, reply.tool_calls) == ("stop", None, ())
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.total_tokens) == (3, 3, 6)
    assert (reply.usage.cached_tokens, reply.usage.reasoning_tokens) == (0, 0)
    assert reply.usage.cache_write_tokens is None
    assert reply.usage.raw == reply.raw["usage"]
    assert reply.cost == pytest.approx(9e-6)
    assert (reply.request_id, reply.attempts) == ("req-1", 1)
    assert (reply.first_token is not None) is ask.streams


async def test_what_is_sent_is_the_question_and_nothing_else(ask, server, ask_at):
    model = ask_at(temperature=0.5, api_key="sk-secret")
    await ask(model, node("Hi") + "!", max_tokens=5, num_ctx=4096, extra_headers={"x-mine": "1"}, timeout=9)
    (request,) = server.requests
    body = dict(request.body)
    if ask.streams:
        assert (body.pop("stream"), body.pop("stream_options")) == (True, {"include_usage": True})
    assert body == {
        "model": "small",
        "messages": [{"role": "user", "content": "Hi!"}],
        "temperature": 0.5,
        "max_tokens": 5,
        "num_ctx": 4096,
    }
    headers = {name.lower(): value for name, value in request.headers.items()}
    assert (headers["authorization"], headers["x-mine"]) == ("Bearer sk-secret", "1")


async def test_several_choices_are_several_texts(ask, server, model):
    server.then("yes")
    assert (await ask(model, "x", n=3)).texts == ("yes", "yes", "yes")


async def test_calls_of_tools_come_with_their_arguments(ask, server, model):
    tools = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}]
    server.then(calls_tool("add", a=1, b=2))
    reply = await ask(model, "1 + 2?", tools=tools)
    (call,) = reply.tool_calls
    assert (call.id, call.name, call.arguments) == ("call_0", "add", '{"a": 1, "b": 2}')
    assert (reply.text, reply.finish_reason) == ("", "tool_calls")
    assert server.requests[0].body["tools"] == tools


async def test_a_refusal_is_the_text_and_marked(ask, server, model):
    server.then(Says(refusal="I would rather not."))
    reply = await ask(model, "x")
    assert reply.text == reply.refusal == "I would rather not."


async def test_a_reply_cut_by_length_says_so(ask, server, model):
    server.then(Says("Once upon", finish_reason="length"))
    assert (await ask(model, "x")).finish_reason == "length"


async def test_usage_that_is_not_told_is_unknown(ask, server, ask_at):
    server.then(Says("x", usage={}))
    reply = await ask(ask_at(prices={"small": {"input": 1, "output": 1}}), "x")
    assert reply.usage.total_tokens is None
    assert reply.cost is None


async def test_a_pydantic_class_becomes_a_strict_schema_and_the_reply_parses(ask, server, model):
    reply = await ask(model, "Judge.", response_format=Verdict)
    wanted = server.requests[0].body["response_format"]
    assert (wanted["type"], wanted["json_schema"]["name"]) == ("json_schema", "Verdict")
    assert wanted["json_schema"]["strict"] is True
    assert wanted["json_schema"]["schema"]["additionalProperties"] is False
    assert reply.parse(Verdict) == Verdict(label="good", score=0, notes=[])


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"type": "json_object"}, {"type": "json_object"}),
        (
            {"type": "object", "title": "My thing", "properties": {}},
            {
                "type": "json_schema",
                "json_schema": {
                    "name": "My_thing",
                    "schema": {"type": "object", "title": "My thing", "properties": {}},
                },
            },
        ),
    ],
)
def test_a_schema_given_as_a_dict_passes_through(given, sent, server, model):
    model.ask("x", response_format=given)
    assert server.requests[0].body["response_format"] == sent


def test_a_reply_that_does_not_fit_its_class_is_quoted(server, model):
    server.then('{"label": "so-so"}')
    with pytest.raises(InvalidReply, match="no Verdict") as error:
        model.ask("x", response_format=Verdict).parse(Verdict)
    assert error.value.reply == '{"label": "so-so"}'


def test_stream_as_a_parameter_points_to_the_method(model, server):
    with pytest.raises(ModelError, match=r"model\.stream"):
        model.ask("x", stream=True)
    assert server.requests == []


@pytest.mark.parametrize("dialect", [Chat(), Responses()], ids=["chat", "responses"])
@pytest.mark.parametrize("private", [True, False])
def test_only_openai_is_asked_not_to_store(private, dialect):
    question = Question("m", "openai", [{"role": "user", "content": "x"}], {})
    assert body_of(question, dialect, private).get("store") is (False if private else None)
    kept = Question("m", "openai", [{"role": "user", "content": "x"}], {"store": True})
    assert body_of(kept, dialect, private)["store"] is True


@pytest.mark.parametrize(
    ("base_url", "is_openai"),
    [
        (None, True),
        ("https://api.openai.com/v1", True),
        ("https://eu.api.openai.com/v1", True),
        ("https://notopenai.com/v1", False),
        ("https://api.openai.com.evil.example/v1", False),
        ("http://localhost:11434/v1", False),
        ("https://mine.openai.azure.com/openai/v1/", False),
    ],
)
def test_openai_is_known_by_its_host(base_url, is_openai, no_settings):
    model = OpenAIModel("m", base_url=base_url, api_key="k")
    assert model.endpoint.is_openai is is_openai
    assert (model.provider == "openai") is is_openai


class TestTheEndpoint:
    def test_comes_from_the_environment(self, server, no_settings):
        no_settings.setenv("OPENAI_BASE_URL", server.base_url)
        no_settings.setenv("OPENAI_API_KEY", "sk-env")
        with OpenAIModel("m") as model:
            assert model.ask("x").text == "ok"
        assert "Bearer sk-env" in server.requests[0].headers.values()

    def test_needs_no_key_when_a_server_is_named(self, server, no_settings):
        with OpenAIModel("m", base_url=server.base_url) as model:
            assert model.ask("x").text == "ok"

    def test_is_missing_with_the_names_of_the_variables_at_the_first_question(self, no_settings):
        model = OpenAIModel("m")
        with pytest.raises(NoModelError, match=r"OPENAI_API_KEY.*OPENAI_BASE_URL"):
            model.ask("x")

    @pytest.mark.parametrize(
        "address", ["localhost:11434/v1", "ftp://x/v1", "http://", "http://[::1", "http://x:y"]
    )
    def test_must_be_an_http_address(self, address, no_settings):
        with pytest.raises(NoModelError, match="is no http address"):
            OpenAIModel("m", base_url=address).ask("x")

    def test_shows_neither_key_nor_password(self, no_settings):
        model = OpenAIModel("m", base_url="http://me:pass@host:1/v1", api_key="sk-secret")
        assert repr(model) == "OpenAIModel('m', at host:1)"
        for text in (repr(model.endpoint), model.provider):
            assert "sk-secret" not in text
            assert "pass" not in text


async def test_fifty_questions_are_asked_at_once():
    all_have_asked = threading.Barrier(50)

    def echo(body):
        all_have_asked.wait(timeout=30)
        return body["messages"][0]["content"]

    with LoopbackServer(Says(echo) for _ in range(50)) as server:
        model = OpenAIModel("m", base_url=server.base_url)
        replies = await asyncio.gather(*(model.aask(f"question {n}") for n in range(50)))
        assert [reply.text for reply in replies] == [f"question {n}" for n in range(50)]
        assert server.stats.most_at_once == 50


def test_threads_share_one_client(server, model):
    barrier = threading.Barrier(8)

    def ask(n):
        barrier.wait()
        return model.ask(str(n)).text

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == ["ok"] * 8
    for _ in range(20):
        model.ask("again")
    assert len(server.requests) == 28
    assert server.stats.connections <= 8


def test_one_model_serves_many_event_loops_one_after_the_other(server, model):
    for _ in range(3):
        assert asyncio.run(model.aask("x")).text == "ok"
    assert server.stats.connections == 3


async def test_one_loop_keeps_its_connection_until_it_is_closed(server, model):
    for _ in range(5):
        await model.aask("x")
    assert server.stats.connections == 1
    await model.aclose()
    await model.aask("x")
    assert server.stats.connections == 2


@pytest.mark.parametrize("travel", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_model_that_was_asked_travels(travel, model):
    model.ask("x")
    with travel(model) as other:
        assert other.ask("x").text == "ok"


FORK = """
import multiprocessing, sys
from tracelib.llm.openai import OpenAIModel

model = OpenAIModel("m", base_url=sys.argv[1])
model.ask("x")

def ask(queue):
    queue.put(model.ask("x").text)

context = multiprocessing.get_context("fork")
queue = context.Queue()
child = context.Process(target=ask, args=(queue,))
child.start()
print(queue.get(timeout=20))
child.join()
print(model.ask("x").text)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_opens_a_connection_of_its_own(server):
    ran = subprocess.run(
        [sys.executable, "-c", FORK, server.base_url], capture_output=True, text=True, timeout=60
    )
    assert (ran.stdout, ran.stderr) == ("ok\nok\n", "")
    assert server.stats.connections == 2


async def test_a_stream_comes_in_pieces_and_is_not_asked_before_it_is_read(server, model):
    server.then("one two three", "one two three")
    stream = model.stream("x")
    assert server.requests == []
    assert list(stream) == ["one", " two", " three"]
    assert [piece async for piece in model.astream("x")] == ["one", " two", " three"]


def test_the_first_token_is_timed_before_the_last(server, model):
    server.then(Says("one two three", pace=0.05))
    stream = model.stream("x")
    list(stream)
    assert 0.05 <= stream.reply.first_token < stream.reply.duration - 0.05


async def test_a_stream_that_is_left_early_lets_go_of_its_connection(server, model):
    server.then(Says("one two three", pace=0.01), Says("one two three", pace=0.01))
    with model.stream("x") as stream:
        assert next(stream) == "one"
    async with model.astream("x") as astream:
        assert await anext(astream) == "one"
    assert model.ask("still there?").text == "ok"
    assert (await model.aask("still there?")).text == "ok"
