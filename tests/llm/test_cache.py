"""A question that was answered once is answered from a folder, whoever asks it again and however."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import json
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import BaseModel

import tracelib as trace
from tracelib.errors import CacheWarning, ModelError, ModelUnavailable
from tracelib.llm.model import CallableModel, Usage, guarded
from tracelib.llm.openai import OpenAIModel
from tracelib.testing import Fails, LoopbackServer, Says, ScriptedModel, calls_tool


@pytest.fixture
def kept(tmp_path):
    with trace.cache(tmp_path / "replies") as cache:
        yield cache


def files(cache):
    return sorted(cache.folder.rglob("*.json"))


def test_a_question_asked_again_is_not_sent_again(kept, server, model):
    first, second = model.ask("Hi"), model.ask("Hi")
    assert (first.text, second.text, len(server.requests)) == ("ok", "ok", 1)
    assert (first.cached, second.cached) == (False, True)
    assert (kept.hits, kept.misses, len(files(kept))) == (1, 1, 1)


def test_a_hit_costs_nothing_and_tells_what_it_used_once(kept, ask_at):
    model = ask_at(prices={"small": {"input": 1, "output": 1}})
    first, second = model.ask("Hi"), model.ask("Hi")
    assert first.cost > 0
    assert (second.cost, second.attempts, second.usage.total_tokens) == (0, 0, 0)
    assert second.kept == first.usage
    assert second.duration < first.duration


@pytest.mark.parametrize(
    "other",
    [
        {"messages": "Ho"},
        {"messages": "hi"},
        {"temperature": 1},
        {"temperature": 0.0, "seed": 1},
        {"sample": 1},
        {"response_format": {"type": "json_object"}},
    ],
    ids=str,
)
def test_another_question_is_another_file(kept, server, model, other):
    model.ask("Hi", temperature=0)
    model.ask(**{"messages": "Hi", "temperature": 0, **other})
    assert (kept.hits, len(server.requests), len(files(kept))) == (0, 2, 2)


def test_another_model_and_another_host_are_another_question(kept, server, ask_at):
    ask_at().ask("Hi")
    ask_at().ask("Hi")
    with OpenAIModel("large", base_url=server.base_url) as large:
        large.ask("Hi")
    with LoopbackServer(["elsewhere"]) as other, OpenAIModel("small", base_url=other.base_url) as model:
        assert model.ask("Hi").text == "elsewhere"
    assert (kept.hits, len(files(kept))) == (1, 3)


def named_at_making(name):
    def model(messages):
        return name

    return model


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda messages: "one", lambda messages: "other"),
        (named_at_making("one"), named_at_making("other")),
        (functools.partial(lambda name, messages: name, "one"), functools.partial(str.format, "other")),
    ],
    ids=["lambdas", "closures", "partials"],
)
def test_functions_of_one_name_are_different_models(kept, one, other):
    assert [CallableModel(function, "same").ask("Hi").text for function in (one, other)] == ["one", "other"]
    assert CallableModel(one, "same").ask("Hi").cached


def test_a_function_that_notes_its_questions_is_the_same_model_each_time(kept):
    asked = []

    def noting(messages):
        asked.append(messages)
        return "yes"

    model = CallableModel(noting)
    assert [model.ask("Hi").cached for _ in range(3)] == [False, True, True]
    assert len(asked) == 1


def test_samples_are_kept_apart_and_no_endpoint_sees_their_number(kept, server, model):
    server.then("one", "two")
    assert [model.ask("Hi", sample=n).text for n in (1, 2, 1, 2)] == ["one", "two", "one", "two"]
    assert all("sample" not in request.body for request in server.requests)


def test_patience_makes_no_other_question(kept, server, model):
    model.ask("Hi")
    assert model.ask("Hi", timeout=5).cached


def test_a_failure_is_not_kept(kept, server, model):
    server.then(Fails(404), "now")
    with pytest.raises(ModelError):
        model.ask("Hi")
    assert files(kept) == []
    assert model.ask("Hi").text == "now"


def test_tool_calls_choices_and_refusals_are_kept_whole(kept, server, model):
    server.then(calls_tool("add", a=1), Says("x", refusal=None), Says(refusal="no"))
    for asked in ("tool", "n", "refused"):
        params = {"n": 2} if asked == "n" else {}
        first, again = model.ask(asked, **params), model.ask(asked, **params)
        assert again.cached
        for name in ("text", "texts", "tool_calls", "refusal", "finish_reason", "model", "provider"):
            assert getattr(first, name) == getattr(again, name), name


def test_a_structured_reply_is_kept_by_its_schema(kept, server, model):
    class City(BaseModel):
        name: str

    server.then('{"name": "Bern"}')
    assert model.ask("Where?", response_format=City).parse(City).name == "Bern"
    assert model.ask("Where?", response_format=City).cached


async def test_every_way_of_asking_hits_what_another_kept(kept, server, model):
    assert "".join(model.stream("Hi")) == "ok"
    assert model.ask("Hi").cached
    assert (await model.aask("Hi")).cached
    assert "".join([piece async for piece in model.astream("Hi")]) == "ok"
    assert len(server.requests) == 1


async def test_a_hit_is_streamed_in_pieces(kept, server, model):
    server.then("one two  three\n")
    model.ask("Count")
    with model.stream("Count") as stream:
        assert list(stream) == ["one", " two", "  three\n"]
    assert stream.reply.cached
    assert [piece async for piece in model.astream("Count")] == ["one", " two", "  three\n"]


def test_threads_that_ask_one_question_ask_once(kept, server, model):
    server.delay = 0.1
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: model.ask("Hi"), range(8)))
    assert len(server.requests) == 1
    assert sorted(reply.cached for reply in replies) == [False] + [True] * 7


async def test_tasks_and_threads_that_ask_one_question_ask_once(kept, server, model):
    server.delay = 0.1
    tasks = [model.aask("Hi") for _ in range(20)] + [asyncio.to_thread(model.ask, "Hi") for _ in range(4)]
    replies = await asyncio.gather(*tasks)
    assert len(server.requests) == 1
    assert sum(reply.cached for reply in replies) == 23


async def test_when_the_one_who_asks_is_cancelled_another_asks(kept, server, model):
    server.delay = 0.3
    first = asyncio.create_task(model.aask("Hi"))
    while not server.requests:
        await asyncio.sleep(0.001)
    others = [asyncio.create_task(model.aask("Hi")) for _ in range(5)]
    await asyncio.sleep(0.03)
    first.cancel()
    replies = await asyncio.wait_for(asyncio.gather(*others), 10)
    assert sum(not reply.cached for reply in replies) == 1
    assert len(server.requests) == 2


async def test_one_who_waits_may_be_cancelled(kept, server, model):
    server.delay = 0.1
    first, second, third = (asyncio.create_task(model.aask("Hi")) for _ in range(3))
    await asyncio.sleep(0.03)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert [(await first).cached, (await third).cached] == [False, True]
    assert len(server.requests) == 1


async def test_when_the_one_who_asks_fails_the_others_ask_for_themselves(kept, server, model):
    server.delay = 0.05
    server.then(Fails(404))
    replies = await asyncio.gather(*(model.aask("Hi") for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(reply, ModelError) for reply in replies) == 1
    assert len(server.requests) == 4


async def test_a_blocking_question_on_a_running_loop_waits_for_no_task_of_it(kept):
    began = asyncio.Event()

    async def slow(messages):
        began.set()
        await asyncio.sleep(0.05)
        return "slow"

    model = CallableModel(slow, "m")
    task = asyncio.create_task(model.aask("Hi"))
    await began.wait()
    assert model.ask("Hi").text == "slow"  # the loop stands still meanwhile, so the task cannot answer
    assert (await task).text == "slow"
    model.close()


def test_a_stream_left_half_read_blocks_nobody_and_keeps_nothing(kept, server, model):
    server.then("one two", "three")
    with model.stream("Hi") as stream:
        next(stream)
        assert model.ask("Hi").text == "three"
    assert model.ask("Hi").text == "three"
    assert len(files(kept)) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "[]",
        lambda text: text.replace('"ok"', '"no"'),
        lambda text: text.replace("tracelib reply 1", "tracelib reply 9"),
    ],
)
def test_a_damaged_file_is_told_of_and_asked_for_again(kept, server, model, damage):
    model.ask("Hi")
    (file,) = files(kept)
    file.write_text(damage(file.read_text()))
    with pytest.warns(CacheWarning, match=file.name):
        assert not model.ask("Hi").cached
    assert model.ask("Hi").cached
    assert len(server.requests) == 2


def test_a_file_of_another_question_is_no_reply(kept, server, model):
    model.ask("Hi")
    (file,) = files(kept)
    model.ask("Ho")
    (other,) = set(files(kept)) - {file}
    other.write_text(file.read_text())
    with pytest.warns(CacheWarning, match="digest"):
        assert not model.ask("Ho").cached


def test_a_reply_that_cannot_be_kept_is_given_all_the_same(tmp_path, server, model):
    (tmp_path / "file").write_text("in the way")
    with trace.cache(tmp_path / "file"), pytest.warns(CacheWarning):
        assert model.ask("Hi").text == "ok"


def test_a_kept_file_is_readable_private_and_shows_no_secret_of_the_question(kept, model):
    model.ask("my key is sk-proj-abcdefghijklmnopqrstuvwxyz0123456789", extra_headers={"x-api-key": "hidden"})
    (file,) = files(kept)
    text = file.read_text()
    assert json.loads(text)["reply"]["text"] == "ok"
    assert "my key is [redacted" in text
    assert "sk-proj" not in text
    assert "hidden" not in text
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(kept.folder.rglob(".*")) == []


def test_without_a_key_what_was_kept_is_still_answered(kept, server, no_settings):
    asked = {"provider": "openai", "model": "gpt-4o-mini"}
    paid = CallableModel(lambda messages: "from before", "gpt-4o-mini")
    paid.provider = asked["provider"]
    paid.ask("Hi")
    assert OpenAIModel("gpt-4o-mini").ask("Hi").text == "from before"
    with pytest.raises(ModelError, match="OPENAI_API_KEY"):
        OpenAIModel("gpt-4o-mini").ask("Ho")


def test_what_cannot_be_told_by_its_value_is_refused(kept):
    with pytest.raises(ModelError, match="no reply can be kept by object"):
        ScriptedModel(["x"]).ask("Hi", thing=object())
    with pytest.raises(ModelError, match="JSON cannot hold"):
        ScriptedModel(["x"]).ask("Hi", thing={frozenset([1]): 3})


def test_off_by_default_and_off_again_after_the_block(tmp_path, server, model):
    with trace.cache(tmp_path):
        model.ask("Hi")
    model.ask("Hi")
    model.ask("Hi")
    assert len(server.requests) == 3


def test_on_for_the_whole_process_until_it_is_closed(tmp_path, server, model):
    cache = trace.cache(tmp_path)
    try:
        thread = threading.Thread(target=model.ask, args=("Hi",))
        thread.start()
        thread.join()
        assert model.ask("Hi").cached
    finally:
        cache.close()
    assert not model.ask("Hi").cached


def test_closed_within_its_block_it_answers_no_more(kept, server, model):
    model.ask("Hi")
    kept.close()
    assert not model.ask("Hi").cached
    assert len(files(kept)) == 1


def test_one_cache_may_have_blocks_within_each_other_and_side_by_side(tmp_path, server, model):
    cache = trace.cache(tmp_path / "replies")
    began, ended = threading.Event(), threading.Event()

    def long_block():
        with cache:
            began.set()
            ended.wait(10)
            return model.ask("Hi").cached

    with ThreadPoolExecutor(1) as pool:
        answered = pool.submit(long_block)
        began.wait(10)
        with cache:
            with cache:
                model.ask("Hi")
            assert model.ask("Hi").cached
        ended.set()
        assert answered.result(10)
    assert not model.ask("Hi").cached


def test_a_block_may_end_in_another_context_as_that_of_a_fixture_does(tmp_path, server, model):
    def fixture():
        with trace.cache(tmp_path / "replies") as cache:
            yield cache

    block = fixture()
    contextvars.copy_context().run(next, block)
    assert [model.ask("Hi").cached for _ in range(2)] == [False, True]
    with pytest.raises(StopIteration):
        contextvars.copy_context().run(next, block)
    assert not model.ask("Hi").cached


async def test_each_task_has_the_cache_of_its_own_block(tmp_path, server, model):
    async def within(name):
        with trace.cache(tmp_path / name) as cache:
            await asyncio.sleep(0.01)
            await model.aask("Hi")
            return cache.misses

    assert await asyncio.gather(within("a"), within("b")) == [1, 1]


def test_guards_see_a_hit_for_what_it_is(kept, model):
    seen = []

    def watch(question):
        reply = yield question
        seen.append((reply.cached, reply.usage))
        return reply

    with guarded(watch):
        model.ask("Hi")
        model.ask("Hi")
    assert [cached for cached, _ in seen] == [False, True]
    assert seen[1][1] == Usage(0, 0, 0, 0, 0, 0)


def test_a_hit_is_fast(kept, model):
    model.ask("Hi")
    began = time.perf_counter()
    for _ in range(200):
        model.ask("Hi")
    assert (time.perf_counter() - began) / 200 < 0.02


def test_an_unavailable_endpoint_is_asked_once_by_each(kept, server, ask_at):
    server.otherwise = Fails(503)
    with pytest.raises(ModelUnavailable):
        ask_at().ask("Hi")
    assert len(server.requests) == 4  # the attempts of one question
