"""What was asked and answered once is replayed without a model, and a question that changed is shown."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import tracelib as trace
from tracelib.errors import (
    BadRequest,
    CassetteError,
    CassetteMiss,
    MalformedReply,
    ModelUnavailable,
    RateLimited,
)
from tracelib.llm.message import system, user
from tracelib.llm.model import as_model
from tracelib.llm.openai import OpenAIModel
from tracelib.testing import Fails, Garbled, LoopbackServer, Resets, Says, ScriptedModel, calls_tool


@pytest.fixture
def tape(tmp_path):
    return tmp_path / "x.jsonl"


def lines(tape):
    return [json.loads(line) for line in tape.read_text().split("\n")[1:] if line]


def offline(name="small", **settings):
    """A model that would fail if it were asked."""
    return OpenAIModel(name, base_url="http://127.0.0.1:9/v1", **settings)


def recorded(tape, *questions, replies=None, **params):
    """A cassette of these questions, answered by their own words turned around."""
    model = ScriptedModel(replies or (lambda messages: messages[-1]["content"][::-1]), "small")
    with trace.record(tape):
        for question in questions:
            model.ask(question, **params)


async def by_ask(model, text):
    return model.ask(text).text


async def by_aask(model, text):
    return (await model.aask(text)).text


async def by_stream(model, text):
    return "".join(model.stream(text))


async def by_astream(model, text):
    return "".join([piece async for piece in model.astream(text)])


WAYS = [by_ask, by_aask, by_stream, by_astream]


@pytest.mark.parametrize("recording", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("replaying", WAYS, ids=lambda way: way.__name__)
async def test_what_was_recorded_in_one_way_is_replayed_in_every_other(
    tape, server, model, recording, replaying
):
    server.then("one two", "three")
    with trace.record(tape):
        assert await recording(model, "first") == "one two"
        assert await recording(model, "second") == "three"
    with offline() as away, trace.replay(tape) as player:
        assert await replaying(away, "second") == "three"
        assert [told["messages"][0]["content"] for told in player.unused] == ["first"]
        assert await replaying(away, "first") == "one two"
        assert player.unused == []
    assert len(server.requests) == 2


def test_a_replayed_reply_is_the_recorded_one_and_costs_nothing(tape, server, ask_at):
    model = ask_at(prices={"small": {"input": 1, "output": 1}})
    server.then(calls_tool("add", a=1), Says("no", refusal="I must not"), Says("x", finish_reason="length"))
    with trace.record(tape):
        first = [model.ask("tool"), model.ask("refuse"), model.ask("long", n=2)]
    with trace.replay(tape):
        again = [model.ask("tool"), model.ask("refuse"), model.ask("long", n=2)]
    for one, other in zip(first, again, strict=True):
        for name in ("text", "texts", "tool_calls", "refusal", "finish_reason", "model", "provider"):
            assert getattr(one, name) == getattr(other, name), name
        assert other.cached
        assert (other.cost, other.usage.total_tokens) == (0, 0)
        assert other.kept.total_tokens == one.usage.total_tokens


def test_a_question_asked_several_times_is_replayed_in_order(tape):
    recorded(tape, "again", "other", "again", replies=["one", "-", "two"])
    with trace.replay(tape), offline() as model:
        assert [model.ask("again").text for _ in range(2)] == ["one", "two"]
        with pytest.raises(CassetteMiss, match=r"the question of line 2, 4 in .* once more than recorded"):
            model.ask("again")


def test_a_changed_word_is_a_miss_that_shows_the_word(tape):
    recorded(tape, "Say hello in French.", "Tell me a long story about a fox.")
    with trace.replay(tape), offline() as model, pytest.raises(CassetteMiss) as error:
        model.ask("Say hello in German.")
    assert error.value.difference == "message 1, content: Say hello in [-French-]{+German+}."
    assert error.value.difference in str(error.value)
    assert "line 2" in str(error.value)
    assert "trace.record('x.jsonl')" in str(error.value)


def test_a_changed_line_of_a_long_prompt_is_shown_as_a_diff(tape):
    prompt = "\n".join(f"Rule {n}: do it well." for n in range(40))
    recorded(tape, prompt)
    with trace.replay(tape), offline() as model, pytest.raises(CassetteMiss) as error:
        model.ask(prompt.replace("Rule 20: do it well.", "Rule 20: do it better."))
    shown = error.value.difference.split("\n")
    assert "  -Rule 20: do it well." in shown
    assert "  +Rule 20: do it better." in shown
    assert len(shown) < 12


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ({"messages": "Hi", "temperature": 1}, "temperature: [-0-]{+1+}"),
        ({"messages": "Hi", "temperature": "0"}, 'temperature: {+"+}0{+"+}'),
        ({"messages": "Hi"}, "temperature:\n  @@ -1 +0,0 @@\n  -0"),
        ({"messages": "Hi", "temperature": 0, "sample": 2}, "sample:\n  @@ -0,0 +1 @@\n  +2"),
        (
            {"messages": [system("Be brief"), user("Hi")], "temperature": 0},
            "message 1, role: [-user-]{+system+}\nmessage 1, content: [-Hi-]{+Be brief+}\n"
            "message 2, role:\n  @@ -0,0 +1 @@\n  +user\nmessage 2, content:\n  @@ -0,0 +1 @@\n  +Hi",
        ),
    ],
    ids=["param", "kind of param", "param taken away", "sample", "message"],
)
def test_whatever_changed_is_shown(tape, asked, shown):
    recorded(tape, "Hi", temperature=0)
    with trace.replay(tape), offline() as model, pytest.raises(CassetteMiss) as error:
        model.ask(**asked)
    assert error.value.difference == shown


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ("Say hello.", "Say goodbye.", "[-hello-]{+goodbye+}"),
        ("", "And be quick. ", "be quick"),
        ("", "The lazy dog. ", "lazy"),
    ],
    ids=["changed", "added", "added again"],
)
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_of_a_long_line_what_changed_is_shown_with_some_words_around(tape, before, after, shown, place):
    rest = "The quick brown fox jumps over the lazy dog. " * 100
    front, back = {"first": ("", rest), "middle": (rest, rest), "last": (rest, "")}[place]
    recorded(tape, front + before + back)
    with trace.replay(tape), offline() as model, pytest.raises(CassetteMiss) as error:
        model.ask(front + after + back)
    assert len(error.value.difference) < 400
    assert shown in error.value.difference
    assert "{+" in error.value.difference
    assert error.value.difference.startswith("message 1, content: ")


def test_an_image_that_changed_is_not_shown_whole(tape):
    def asked(model, byte):
        model.ask(user(["What is this?", trace.image(b"\x89PNG\r\n\x1a\n" + byte * 100_000)]))

    with trace.record(tape):
        asked(ScriptedModel(["a dog"], "small"), b"1")
    with trace.replay(tape), offline() as model, pytest.raises(CassetteMiss) as error:
        asked(model, b"2")
    assert error.value.difference.count("(133,344 characters, sha256 ") == 2
    assert len(error.value.difference) < 500


def test_an_order_of_names_is_no_difference(tape):
    recorded(tape, "Hi", metadata={"a": 1, "b": 2})
    with trace.replay(tape), offline() as model, pytest.raises(CassetteMiss) as error:
        model.ask("Ho", metadata={"b": 2, "a": 1})
    assert error.value.difference == "message 1, content: [-Hi-]{+Ho+}"


def test_a_failure_of_the_users_own_kind_is_replayed_as_the_one_of_ours_that_it_is(tape):
    class TooBusy(RateLimited):
        """What the user's own model raises."""

    def busy(messages):
        raise TooBusy("come back later", status=429)

    with trace.record(tape), pytest.raises(TooBusy):
        as_model(busy).ask("Hi")
    with trace.replay(tape), pytest.raises(RateLimited, match="come back later") as error:
        as_model(busy).ask("Hi")
    assert error.value.status == 429


def test_another_model_is_a_miss_and_another_host_is_none(tape):
    recorded(tape, "Hi")
    with trace.replay(tape), offline("large") as large, offline("small") as small:
        with pytest.raises(CassetteMiss, match=r"model: \[-small-\]\{\+large\+\}"):
            large.ask("Hi")
        assert small.ask("Hi").text == "iH"


def test_a_miss_prefers_a_question_not_yet_asked(tape):
    recorded(tape, "Say hello.", "Say hello twice to everyone.")
    with trace.replay(tape), offline() as model:
        model.ask("Say hello.")
        with pytest.raises(CassetteMiss, match="line 3"):
            model.ask("Say hello!")


def test_an_empty_cassette_says_so(tape):
    recorded(tape)
    with trace.replay(tape), offline() as model, pytest.raises(CassetteMiss, match="holds no question"):
        model.ask("Hi")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Fails(404, code="model_not_found"), BadRequest),
        (Fails(429), RateLimited),
        (Fails(503), ModelUnavailable),
        (Resets(), ModelUnavailable),
        (Garbled(), MalformedReply),
    ],
    ids=["404", "429", "503", "reset", "garbled"],
)
def test_a_failure_of_the_endpoint_is_replayed_as_one(tape, server, model, answer, kind):
    server.otherwise = answer
    with trace.record(tape), pytest.raises(kind) as first:
        model.ask("Hi")
    asked = len(server.requests)
    with trace.replay(tape), pytest.raises(kind) as again:
        model.ask("Hi")
    assert len(server.requests) == asked
    assert str(again.value) == str(first.value)
    for name in ("status", "code", "request_id", "attempts"):
        assert getattr(again.value, name) == getattr(first.value, name)
    assert getattr(again.value, "reply", None) == getattr(first.value, "reply", None)


def test_no_secret_is_on_a_cassette_and_questions_with_secrets_are_found_again(tape, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "correct-horse-battery")
    secret = "use sk-proj-abcdefghijklmnopqrstuvwxyz0123456789 and correct-horse-battery"
    model = ScriptedModel(lambda messages: f"I heard: {messages[-1]['content']}", "small")
    with trace.record(tape):
        model.ask(secret, extra_headers={"x-api-key": "hidden-one"})
    text = tape.read_text()
    for part in ("sk-proj", "correct-horse", "hidden-one"):
        assert part not in text
    with trace.replay(tape), offline() as away:
        heard = away.ask(secret, extra_headers={"x-api-key": "hidden-one"}).text
        assert heard.startswith("I heard: use [redacted ")


def test_a_cassette_is_one_line_for_a_question_and_the_same_at_every_recording(tape, server, model):
    texts = []
    for _ in range(2):
        server.then("grüezi\u2028", "two\nlines")
        with trace.record(tape):
            model.ask("Wie sagt man «hello»?")
            model.ask("b", temperature=0)
        texts.append(tape.read_text())
    assert texts[0] == texts[1]
    header, first, second, end = texts[0].split("\n")
    assert (header, end) == ('{"tracelib": "cassette 1"}', "")
    assert "Wie sagt man «hello»?" in first
    assert "grüezi" in first
    assert json.loads(second)["question"] == {
        "model": "small",
        "messages": [{"role": "user", "content": "b"}],
        "params": {"temperature": 0},
    }
    assert list(json.loads(second)["reply"]) == ["text", "usage", "model", "provider", "finish_reason"]


async def test_questions_of_many_tasks_are_written_in_the_order_of_asking(tape):
    async def last_first(messages):
        await asyncio.sleep(0.05 - int(messages[-1]["content"]) * 0.01)
        return "x"

    asking = as_model(last_first)
    with trace.record(tape):
        await asyncio.gather(*(asking.aask(str(n)) for n in range(5)))
    assert [line["question"]["messages"][0]["content"] for line in lines(tape)] == list("01234")


def test_threads_and_tasks_of_a_block_are_recorded_and_replayed(tape, server, model):
    def asked():
        with ThreadPoolExecutor(4) as pool:
            threads = list(pool.map(lambda n: model.ask(f"thread {n}").text, range(8)))

        async def tasks():
            return await asyncio.gather(*(model.aask(f"task {n}") for n in range(8)))

        return threads + [reply.text for reply in asyncio.run(tasks())]

    server.otherwise = Says(lambda body: body["messages"][0]["content"].upper())
    with trace.record(tape):
        first = asked()
    with trace.replay(tape) as player:
        assert asked() == first
        assert player.unused == []
    assert len(lines(tape)) == len(server.requests) == 16


async def test_each_task_has_the_cassette_of_its_own_block(tmp_path):
    async def within(name):
        with trace.record(tmp_path / name):
            await asyncio.sleep(0.01)
            await ScriptedModel([name], "small").aask(name)
            await asyncio.sleep(0.01)

    await asyncio.gather(within("a"), within("b"))
    for name in "ab":
        assert [line["reply"]["text"] for line in lines(tmp_path / name)] == [name]


def test_a_stream_left_half_read_is_not_recorded(tape, server, model):
    server.then("one two", "three")
    with trace.record(tape):
        with model.stream("left") as stream:
            next(stream)
        model.ask("whole")
    assert [line["reply"]["text"] for line in lines(tape)] == ["three"]


def test_what_is_under_way_at_the_end_is_left_out_and_the_rest_is_written(tape, server, model):
    with trace.record(tape):
        stream = model.stream("left open")
        next(stream)
        model.ask("whole")
    assert [line["reply"]["text"] for line in lines(tape)] == ["ok"]
    assert list(stream) == []
    assert len(lines(tape)) == 1


def test_what_a_cache_answered_is_recorded_as_it_was_given(tape, tmp_path, server, model):
    with trace.cache(tmp_path / "replies"):
        used = model.ask("Hi").usage
        with trace.record(tape):
            assert model.ask("Hi").cached
    with trace.replay(tape):
        assert model.ask("Hi").kept.total_tokens == used.total_tokens
    assert len(server.requests) == 1


def test_a_replay_needs_no_key(tape, no_settings):
    model = ScriptedModel(["hello"], "gpt-4o-mini")
    with trace.record(tape):
        model.ask("Hi")
    with trace.replay(tape):
        assert OpenAIModel("gpt-4o-mini").ask("Hi").text == "hello"


def test_a_program_is_replayed_and_recorded_as_a_graph(tape):
    @trace.lm(model=ScriptedModel(lambda messages: "Hello!", "small"))
    def greet(name: str):
        """You are a friendly greeter."""
        return f"Greet {name}."

    with trace.record(tape):
        greet("Ada")
    with trace.replay(tape):
        assert greet("Ada") == "Hello!"
        with pytest.raises(CassetteMiss, match=r"Greet \[-Ada-\]\{\+Bob\+\}\."):
            greet("Bob")


def test_blocks_end_and_nest(tape, tmp_path, server, model):
    with trace.record(tape):
        model.ask("outer")
        with trace.record(tmp_path / "inner"):
            model.ask("inner")
        model.ask("outer again")
    model.ask("after")
    asked = [line["question"]["messages"][0]["content"] for line in lines(tape)]
    assert asked == ["outer", "outer again"]
    assert len(lines(tmp_path / "inner")) == 1


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "line 1"),
        ('{"some": "json"}\n', "line 1"),
        ('{"tracelib": "cassette 1"}\n{"question": {', "line 2"),
        ('{"tracelib": "cassette 1"}\n\n{"question": {}}', "line 3"),
        (
            '{"tracelib": "cassette 1"}\n{"question": {}, "error": {"type": "Exception", "message": ""}}',
            "line 2",
        ),
    ],
)
def test_a_file_that_is_no_cassette_is_refused_with_its_line(tape, text, where):
    tape.write_text(text)
    with pytest.raises(CassetteError, match=where), trace.replay(tape):
        pass


def test_a_cassette_that_is_not_there_says_how_to_make_it(tape):
    with pytest.raises(CassetteError, match="record it first"), trace.replay(tape):
        pass


def test_a_cassette_that_cannot_be_written_is_an_error_before_anything_is_asked(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CassetteError, match="nothing can be recorded"), trace.record(tmp_path / "file" / "x"):
        pass


def test_a_second_block_of_a_recorder_loses_nothing_of_the_first(tape):
    recorder, model = trace.record(tape), ScriptedModel(lambda messages: "x", "small")
    with recorder:
        model.ask("first")
        with pytest.raises(CassetteError, match="is being recorded"), recorder:
            pass
        model.ask("second")
    assert [line["question"]["messages"][0]["content"] for line in lines(tape)] == ["first", "second"]


def test_a_thread_that_outlives_its_block_is_heard_by_nobody(tape):
    ready, go = threading.Event(), threading.Event()
    model = ScriptedModel(lambda messages: "late", "small")

    def late():
        ready.set()
        go.wait(10)
        model.ask("late")

    with trace.record(tape):
        thread = threading.Thread(target=trace.wrap(late))
        thread.start()
        ready.wait(10)
    go.set()
    thread.join()
    assert lines(tape) == []


def test_a_host_is_written_down_but_not_asked_for(tape):
    with LoopbackServer(["there"]) as one, OpenAIModel("small", base_url=one.base_url) as model:
        with trace.record(tape):
            host = model.ask("Hi").provider
    with trace.replay(tape), offline() as away:
        assert away.ask("Hi").provider == host
