"""Any callable as a model, which model is meant, and what all models share."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import functools
import pickle
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from tracelib.errors import InvalidReply, MessageError, ModelError, NoModelError
from tracelib.graph.node import node
from tracelib.llm.message import system
from tracelib.llm.model import CallableModel, Model, Reply, Usage, as_model, default_model
from tracelib.testing import ScriptedModel

CHAT = {
    "model": "far",
    "choices": [{"message": {"content": "shaped"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
}


def echo(messages, **params):
    return f"{messages[-1]['content']}{params or ''}"


async def aecho(messages, **params):
    await asyncio.sleep(0)
    return echo(messages, **params)


class Asked:
    async def __call__(self, messages, **params):
        return echo(messages, **params)


FUNCTIONS = {
    "sync": echo,
    "async": aecho,
    "callable object": Asked(),
    "partial of async": functools.partial(aecho),
    "lambda of async": lambda messages, **params: aecho(messages, **params),
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
class TestACallableOfAnyKind:
    def test_is_asked_synchronously(self, function):
        with as_model(function) as model:
            assert model.ask("Hi", temperature=0).text == "Hi{'temperature': 0}"

    async def test_is_awaited(self, function):
        assert (await as_model(function).aask("Hi")).text == "Hi"

    async def test_is_asked_synchronously_while_a_loop_runs(self, function):
        with as_model(function) as model:
            assert model.ask("Hi").text == "Hi"

    async def test_streams_in_one_piece(self, function):
        with as_model(function) as model:
            stream = model.stream("Hi")
            assert (list(stream), stream.reply.text) == (["Hi"], "Hi")
            astream = model.astream("Hi")
            assert [piece async for piece in astream] == ["Hi"]
            assert astream.reply.text == "Hi"


def test_an_async_function_asked_from_many_threads_runs_on_one_loop():
    loops, meeting = set(), asyncio.Barrier(8)

    async def meet(messages):
        loops.add(asyncio.get_running_loop())
        await meeting.wait()
        return "met"

    with as_model(meet) as model:
        threads = [threading.Thread(target=model.ask, args=("now",)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=20)
        assert not any(thread.is_alive() for thread in threads)
    assert len(loops) == 1


async def test_a_sync_function_does_not_hold_up_the_loop():
    here, ready = threading.get_ident(), threading.Event()

    def slow(messages):
        assert ready.wait(20)
        return str(threading.get_ident())

    asked = asyncio.create_task(as_model(slow).aask("x"))
    await asyncio.sleep(0)
    ready.set()
    assert (await asked).text != str(here)


@pytest.mark.parametrize("function", ["sync", "async"])
async def test_a_function_sees_the_context_it_is_asked_in(function):
    who = contextvars.ContextVar("who", default="nobody")

    async def aname(messages):
        return who.get()

    model = as_model(aname if function == "async" else lambda messages: who.get())
    who.set("me")
    with model:
        assert model.ask("x").text == "me"
        assert (await model.aask("x")).text == "me"


def test_a_callable_gets_messages_in_chat_shape():
    heard = []
    as_model(lambda messages: heard.append(messages) or "ok").ask([system("Be kind."), "Hi"])
    assert heard == [[{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]]


@pytest.mark.parametrize(
    "said",
    [
        CHAT,
        SimpleNamespace(
            model="far",
            choices=[SimpleNamespace(message=SimpleNamespace(content="shaped"), finish_reason="stop")],
            usage=SimpleNamespace(prompt_tokens=3, completion_tokens=4, total_tokens=7),
        ),
    ],
    ids=["dict", "object"],
)
def test_an_answer_in_the_shape_of_a_chat_completion_is_read(said):
    reply = as_model(lambda messages: said).ask("x")
    assert (reply.text, reply.model, reply.finish_reason) == ("shaped", "far", "stop")
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.total_tokens) == (3, 4, 7)
    assert reply.usage.cached_tokens is None
    assert reply.cost is None


def test_a_reply_is_passed_on_and_says_who_gave_it():
    reply = CallableModel(lambda messages: Reply("yes", Usage(1, 2, 3)), "mine").ask("x")
    assert (reply.text, reply.usage, reply.model, reply.provider) == (
        "yes",
        Usage(1, 2, 3),
        "mine",
        "callable",
    )
    assert reply.duration is not None
    assert reply.duration >= 0


def test_a_recorded_text_returned_by_a_callable_becomes_plain():
    reply = as_model(lambda messages: node("a") + "b").ask("x")
    assert reply.text == "ab"
    assert type(reply.text) is str


@pytest.mark.parametrize("said", [None, 5, {"choices": []}, {"choices": [{}]}, {"text": "no"}])
def test_an_answer_of_no_known_shape_is_an_invalid_reply(said):
    with pytest.raises(InvalidReply) as error:
        as_model(lambda messages: said).ask("x")
    assert error.value.reply == repr(said)


@pytest.mark.parametrize("function", ["sync", "async"])
async def test_what_a_callable_raises_comes_through_unchanged(function):
    trouble = ZeroDivisionError("mine")

    def fail(messages):
        raise trouble

    async def afail(messages):
        raise trouble

    with as_model(fail if function == "sync" else afail) as model:
        with pytest.raises(ZeroDivisionError) as error:
            model.ask("x")
        assert error.value is trouble
        with pytest.raises(ZeroDivisionError) as error:
            await model.aask("x")
        assert error.value is trouble


def test_params_win_over_defaults_and_none_takes_a_default_away():
    model = CallableModel(lambda messages, **params: str(params), temperature=1, seed=7)
    assert model.ask("x").text == "{'temperature': 1, 'seed': 7}"
    assert model.ask("x", temperature=0, seed=None).text == "{'temperature': 0}"


def test_nothing_is_asked_when_there_is_no_message():
    model = ScriptedModel(["never"])
    with pytest.raises(MessageError):
        model.ask([])
    assert model.questions == []


class TestWhichModelIsMeant:
    def test_a_model_is_itself(self):
        model = ScriptedModel(["x"])
        assert as_model(model) is model

    @pytest.mark.parametrize("name", ["gpt-4o-mini", " gpt-4o-mini ", node("gpt-4o-mini")])
    def test_a_name_is_an_openai_model(self, name, no_settings):
        model = as_model(name)
        assert (type(model).__name__, model.name) == ("OpenAIModel", "gpt-4o-mini")

    def test_none_is_the_model_of_the_environment(self, no_settings):
        no_settings.setenv("TRACELIB_MODEL", "gpt-4o-mini")
        assert as_model(None).name == default_model().name == "gpt-4o-mini"

    @pytest.mark.parametrize("value", [None, "", "  "])
    def test_without_one_the_error_says_what_to_do(self, value, no_settings):
        if value is not None:
            no_settings.setenv("TRACELIB_MODEL", value)
        with pytest.raises(NoModelError, match=r"TRACELIB_MODEL is not set.*OPENAI_API_KEY.*OPENAI_BASE_URL"):
            as_model()

    @pytest.mark.parametrize("source", [5, "", Model, ["gpt-4o"]])
    def test_anything_else_is_refused(self, source):
        with pytest.raises(NoModelError, match="is not a model"):
            as_model(source)


@pytest.mark.parametrize("travel", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
@pytest.mark.parametrize("function", [echo, aecho])
def test_a_model_that_was_asked_can_be_copied_and_sent_to_a_process(function, travel):
    with as_model(function) as model:
        model.ask("Hi")
        with travel(model) as other:
            assert other.ask("Hi").text == "Hi"


def test_a_model_whose_loop_was_closed_can_be_asked_again():
    model = as_model(aecho)
    for _ in range(2):
        with model:
            assert model.ask("Hi").text == "Hi"


def test_an_async_model_asked_synchronously_from_inside_itself_does_not_hang():
    async def again(messages):
        return model.ask("again")

    with as_model(again) as model, pytest.raises(ModelError, match=r"await model\.aask"):
        model.ask("Hi")


def test_a_dropped_model_takes_its_thread_along():
    before = threading.active_count()
    model = as_model(aecho)
    model.ask("Hi")
    assert threading.active_count() == before + 1
    del model
    assert threading.active_count() == before


@pytest.mark.parametrize("module", ["tracelib.llm.model", "tracelib.testing"])
def test_the_door_and_the_doubles_load_no_sdk(module):
    heavy = "{'openai', 'tenacity', 'pydantic', 'httpx', 'httpx2', 'networkx', 'graphviz'}"
    code = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_a_reply_goes_to_json_and_back():
    reply = ScriptedModel([Reply("yes", Usage(1, 2, 3, raw={"a": 1}), 0.5, texts=("yes", "no"))]).ask("x")
    assert Reply.from_json(reply.to_json()) == reply
