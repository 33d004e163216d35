"""The Responses API by the same door: what goes over the wire, and what comes back of it."""

from __future__ import annotations

import json

import pytest
from pydantic import BaseModel

from tracelib.errors import (
    BadRequest,
    MalformedReply,
    ModelCallError,
    ModelError,
    ModelUnavailable,
    QuotaExceeded,
    RateLimited,
)
from tracelib.llm.exchange import body_of
from tracelib.llm.guard import Question
from tracelib.llm.message import Message, assistant, system, user
from tracelib.llm.openai import OpenAIModel
from tracelib.llm.responses import Responses
from tracelib.testing import Cut, Empty, Fails, Garbled, Resets, Says, calls_tool

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}


class City(BaseModel):
    name: str
    inhabitants: int


@pytest.fixture
def model(ask_at):
    return ask_at(api="responses")


async def by_ask(model, *messages, **params):
    return model.ask(*messages, **params)


async def by_aask(model, *messages, **params):
    return await model.aask(*messages, **params)


async def by_stream(model, *messages, **params):
    stream = model.stream(*messages, **params)
    assert "".join(stream) == stream.reply.text
    return stream.reply


async def by_astream(model, *messages, **params):
    astream = model.astream(*messages, **params)
    assert "".join([piece async for piece in astream]) == astream.reply.text
    return astream.reply


WAYS = {"ask": by_ask, "aask": by_aask, "stream": by_stream, "astream": by_astream}


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def ask(request):
    return request.param


def sent(server, nth=-1):
    """The body of a request without what asks for a stream."""
    assert server.requests[nth].path == "/v1/responses"
    return {key: value for key, value in server.requests[nth].body.items() if key != "stream"}


async def test_a_question_gets_its_reply_with_all_that_was_told(ask, server, ask_at):
    usage = {
        "prompt_tokens": 30,
        "completion_tokens": 20,
        "total_tokens": 50,
        "prompt_tokens_details": {"cached_tokens": 10},
        "completion_tokens_details": {"reasoning_tokens": 15},
    }
    server.then(Says("Hello, you there", usage=usage))
    prices = {"small": {"input": 1, "output": 2, "cached": 0.5}}
    reply = await ask(ask_at(api="responses", prices=prices), "Hi")
    assert (reply.text, reply.texts, reply.finish_reason) == (
        "Hello, you there",
        ("Hello, you there",),
        "stop",
    )
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.total_tokens) == (
        30,
        20,
        50,
    )
    assert (reply.usage.cached_tokens, reply.usage.reasoning_tokens) == (10, 15)
    assert reply.cost == pytest.approx((20 * 1 + 10 * 0.5 + 20 * 2) / 1e6)
    assert reply.raw["object"] == "response"
    assert (reply.model, reply.request_id, reply.attempts) == ("small", "req-1", 1)
    assert (reply.first_token is not None) is (ask in (by_stream, by_astream))


async def test_the_words_of_chat_are_sent_as_the_api_has_them(ask, server, model):
    await ask(
        model,
        [system("Be brief."), user("Hi")],
        max_tokens=5,
        reasoning_effort="low",
        verbosity="low",
        temperature=0,
        num_ctx=4096,
    )
    assert sent(server) == {
        "model": "small",
        "input": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        "max_output_tokens": 5,
        "reasoning": {"effort": "low"},
        "text": {"verbosity": "low"},
        "temperature": 0,
        "num_ctx": 4096,
    }


def test_the_apis_own_name_of_a_parameter_wins(server, ask_at):
    model = ask_at(api="responses", max_tokens=100, max_completion_tokens=200)
    model.ask("Hi")
    model.ask("Hi", max_output_tokens=50)
    assert [sent(server, nth)["max_output_tokens"] for nth in (0, 1)] == [200, 50]
    assert "max_tokens" not in sent(server)


def test_a_message_of_the_sdk_says_nothing_that_the_api_refuses(server, model):
    said = {"role": "assistant", "content": "Hello.", "refusal": None, "annotations": [], "audio": None}
    model.ask([user("Hi"), {**said, "function_call": None, "tool_calls": None}, "And now?"])
    assert sent(server)["input"][1] == {"role": "assistant", "content": "Hello."}


def test_a_stream_asks_for_no_option_that_the_api_has_not(server, model):
    list(model.stream("Hi"))
    assert server.requests[0].body == {
        "model": "small",
        "input": [{"role": "user", "content": "Hi"}],
        "stream": True,
    }


def test_the_api_is_chosen_for_a_question_too(server, ask_at):
    chatting = ask_at()
    assert chatting.ask("Hi").text == chatting.ask("Hi", api="responses").text == "ok"
    assert [request.path for request in server.requests] == ["/v1/chat/completions", "/v1/responses"]
    assert not any("api" in request.body for request in server.requests)


@pytest.mark.parametrize("making", [True, False])
def test_another_api_is_refused(making, ask_at):
    with pytest.raises(ModelError, match=r"api='assistants' is not known: say one of 'chat', 'responses'"):
        ask_at(api="assistants") if making else ask_at().ask("Hi", api="assistants")


def test_tools_called_and_their_results_are_items(server, model):
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    talk = [
        user("Rain?"),
        Message("assistant", None, {"tool_calls": [call]}),
        Message("tool", "sunny", {"tool_call_id": "c1"}),
        assistant("No."),
    ]
    choice = {"type": "function", "function": {"name": "weather"}}
    model.ask(talk, tools=[WEATHER, {"type": "web_search"}], tool_choice=choice)
    assert sent(server) == {
        "model": "small",
        "input": [
            {"role": "user", "content": "Rain?"},
            {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "sunny"},
            {"role": "assistant", "content": "No."},
        ],
        "tools": [
            {"type": "function", "strict": False, "name": "weather", "parameters": PARAMETERS},
            {"type": "web_search"},
        ],
        "tool_choice": {"type": "function", "name": "weather"},
    }


async def test_calls_of_tools_come_with_their_arguments(ask, server, model):
    server.then(calls_tool("weather", city="Bern"))
    reply = await ask(model, "Rain?", tools=[WEATHER])
    (call,) = reply.tool_calls
    assert (call.id, call.name, json.loads(call.arguments)) == ("call_0", "weather", {"city": "Bern"})
    assert (reply.text, reply.finish_reason) == ("", "tool_calls")


def test_parts_of_a_content_are_the_apis_own(server, model):
    shown = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
        {"type": "input_text", "text": "as it is"},
    ]
    model.ask([user(shown), assistant([{"type": "text", "text": "A dog."}])])
    assert sent(server)["input"] == [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "What is this?"},
                {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"},
                {
                    "type": "input_file",
                    "filename": "a.pdf",
                    "file_data": "data:application/pdf;base64,AA==",
                },
                {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
                {"type": "input_text", "text": "as it is"},
            ],
        },
        {"role": "assistant", "content": [{"type": "output_text", "text": "A dog."}]},
    ]


async def test_structured_output_is_asked_for_and_checked(ask, server, model):
    reply = await ask(model, "Where?", response_format=City, text={"verbosity": "low"})
    text = sent(server)["text"]
    assert text["verbosity"] == "low"
    assert text["format"].keys() == {"type", "name", "strict", "schema"}
    assert (text["format"]["type"], text["format"]["name"], text["format"]["strict"]) == (
        "json_schema",
        "City",
        True,
    )
    assert text["format"]["schema"]["additionalProperties"] is False
    assert reply.parse(City) == City(name="", inhabitants=0)


@pytest.mark.parametrize(
    ("given", "format"),
    [
        ({"type": "json_object"}, {"type": "json_object"}),
        (
            {"type": "object", "title": "Thing"},
            {"type": "json_schema", "name": "Thing", "schema": {"type": "object", "title": "Thing"}},
        ),
    ],
)
def test_a_schema_given_as_a_dict_is_sent(given, format, server, model):
    model.ask("x", response_format=given)
    assert sent(server)["text"] == {"format": format}


def test_images_that_were_made_are_addresses(server, model):
    made = {"type": "image_generation_call", "id": "ig_0", "status": "completed", "result": "AA=="}
    webp = {**made, "output_format": "webp"}
    failed = {**made, "status": "failed", "result": None}
    server.then(Garbled(json.dumps({"status": "completed", "output": [made, webp, failed]})))
    reply = model.ask("Draw.", tools=[{"type": "image_generation"}])
    assert reply.images == ("data:image/png;base64,AA==", "data:image/webp;base64,AA==")
    assert reply.text == ""


async def test_a_refusal_is_the_text_and_marked(ask, server, model):
    server.then(Says(refusal="I would rather not."))
    reply = await ask(model, "x")
    assert reply.text == reply.refusal == "I would rather not."


async def test_an_incomplete_response_says_why(ask, server, model):
    server.then(Says("Once upon", finish_reason="length"), Says("", finish_reason="content_filter"))
    reply = await ask(model, "x")
    assert (reply.text, reply.finish_reason) == ("Once upon", "length")
    assert (await ask(model, "x")).finish_reason == "content_filter"


def test_several_answers_are_refused_before_anything_is_sent(server, model):
    with pytest.raises(ModelError, match='api="chat"'):
        model.ask("x", n=2)
    assert model.ask("x", n=1).text == "ok"
    assert "n" not in sent(server)
    assert len(server.requests) == 1


def test_openai_is_asked_not_to_store(server):
    question = Question("m", "openai", [{"role": "user", "content": "x"}], {})
    assert body_of(question, Responses(), private=True) == {
        "store": False,
        "model": "m",
        "input": [{"role": "user", "content": "x"}],
    }


FAILING = {
    "400": (Fails(400, code="invalid_value"), BadRequest, 1),
    "429": (Fails(429), RateLimited, 4),
    "quota": (Fails(429, code="insufficient_quota"), QuotaExceeded, 1),
    "503": (Fails(503), ModelUnavailable, 4),
    "reset": (Resets(), ModelUnavailable, 4),
}


@pytest.mark.parametrize(("answer", "kind", "attempts"), FAILING.values(), ids=FAILING)
async def test_a_failing_endpoint_is_retried_and_gives_one_typed_error(
    ask, answer, kind, attempts, server, model
):
    server.otherwise = answer
    with pytest.raises(ModelCallError) as caught:
        await ask(model, "x")
    assert type(caught.value) is kind
    assert caught.value.attempts == attempts == len(server.requests)


BROKEN = {
    "no output": (Empty(), MalformedReply, "no response with an output"),
    "failed": (
        Garbled(json.dumps({"status": "failed", "error": {"code": "server_error", "message": "busy"}})),
        ModelUnavailable,
        "busy",
    ),
    "spent": (
        Garbled(json.dumps({"status": "failed", "error": {"code": "insufficient_quota", "message": "gone"}})),
        QuotaExceeded,
        "gone",
    ),
    "refused": (
        Garbled(json.dumps({"status": "failed", "error": {"code": "invalid_image", "message": "no image"}})),
        BadRequest,
        "no image",
    ),
    "not ended": (
        Garbled(json.dumps({"status": "queued", "output": []})),
        MalformedReply,
        "no response with an output",
    ),
    "another API's": (
        Garbled(json.dumps({"choices": [{"message": {"content": "hi"}}]})),
        MalformedReply,
        "no response",
    ),
}


@pytest.mark.parametrize("ask", [by_ask, by_aask])
@pytest.mark.parametrize(("answer", "kind", "words"), BROKEN.values(), ids=BROKEN)
async def test_an_answer_that_is_none_is_one_typed_error(ask, answer, kind, words, server, model):
    server.then(answer)
    with pytest.raises(ModelCallError, match=words) as caught:
        await ask(model, "x")
    assert type(caught.value) is kind
    assert (caught.value.request_id, caught.value.attempts) == ("req-1", 1)


def event(type, **told):
    return Garbled(json.dumps({"type": type, **told}))


FAILED = {"status": "failed", "output": [], "error": {"code": "rate_limit_exceeded", "message": "busy"}}
STREAMS = {
    "cut": (Cut("one two three", after=2), ModelUnavailable, "after 7 characters"),
    "ended quietly": (Cut("one two three", quietly=True), ModelUnavailable, "without saying why"),
    "failed": (event("response.failed", response=FAILED), RateLimited, "busy"),
    "an error": (event("error", code="server_error", message="oops", param=None), ModelUnavailable, "oops"),
    "no output": (Empty(), ModelUnavailable, "without saying why"),
    "no JSON": (Garbled("{not json"), MalformedReply, "brought no JSON"),
}


@pytest.mark.parametrize("ask", [by_stream, by_astream])
@pytest.mark.parametrize(("answer", "kind", "words"), STREAMS.values(), ids=STREAMS)
async def test_a_stream_that_ends_badly_is_one_typed_error(ask, answer, kind, words, server, model):
    server.then(answer)
    with pytest.raises(ModelCallError, match=words) as caught:
        await ask(model, "x")
    assert type(caught.value) is kind
    assert caught.value.attempts == len(server.requests) == 1


def test_a_model_of_the_api_can_be_asked_in_chat(server):
    with OpenAIModel("m", base_url=server.base_url, api="responses") as model:
        model.ask("x", api="chat")
    assert server.requests[0].path == "/v1/chat/completions"
