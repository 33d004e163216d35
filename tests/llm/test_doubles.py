"""The doubles that users get: the scripted model and the loopback server."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tracelib.errors import InvalidReply, ModelError, ScriptEnded
from tracelib.llm.model import Reply, Usage
from tracelib.llm.openai import OpenAIModel
from tracelib.testing import Fails, LoopbackServer, Says, ScriptedModel


class TestAScriptedModel:
    def test_says_its_lines_in_order_and_keeps_the_questions(self):
        model = ScriptedModel(
            ["one", lambda messages: messages[0]["content"] * 2, Reply("three", Usage(1, 2, 3))]
        )
        assert [model.ask(text).text for text in "abc"] == ["one", "bb", "three"]
        assert [question[0]["content"] for question in model.questions] == ["a", "b", "c"]

    def test_never_hides_that_it_is_scripted(self):
        model = ScriptedModel(["one", "two"])
        assert model.ask("x").provider == model.provider == "scripted"
        assert repr(model) == "ScriptedModel(scripted, no model is asked: 1 replies left)"

    def test_raises_what_its_script_says(self):
        with pytest.raises(ConnectionError, match="mine"):
            ScriptedModel([ConnectionError("mine")]).ask("x")

    def test_says_when_its_script_has_ended(self):
        model = ScriptedModel(["one"])
        model.ask("first")
        with pytest.raises(ScriptEnded, match=r"has 1 replies, question 2 came: 'second'"):
            model.ask("second")

    def test_one_function_answers_every_question(self):
        model = ScriptedModel(lambda messages: messages[-1]["content"].upper())
        assert [model.ask(text).text for text in ("a", "b")] == ["A", "B"]

    def test_refuses_a_script_that_is_one_text(self):
        with pytest.raises(ModelError, match="a list of replies"):
            ScriptedModel("hello")

    def test_refuses_a_line_that_is_no_reply(self):
        with pytest.raises(InvalidReply, match="the script gave 5"):
            ScriptedModel([lambda messages: 5]).ask("x")

    def test_keeps_what_it_was_asked_with(self):
        model = ScriptedModel(["x"], seed=1)
        model.ask("q", temperature=0)
        assert model.asked[0].params == {"seed": 1, "temperature": 0}

    def test_gives_each_line_once_to_many_threads(self):
        model = ScriptedModel([str(n) for n in range(200)])
        with ThreadPoolExecutor(8) as pool:
            said = list(pool.map(lambda n: model.ask("x").text, range(200)))
        assert sorted(said, key=int) == [str(n) for n in range(200)]

    async def test_is_awaited_and_pickled(self):
        model = pickle.loads(pickle.dumps(ScriptedModel(["one"])))
        assert (await model.aask("x")).text == "one"


def post(server, body, path="/chat/completions"):
    request = urllib.request.Request(server.base_url + path, json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.status, response.read().decode()


ASKED = {"model": "m", "messages": [{"role": "user", "content": "two words"}]}


class TestALoopbackServer:
    def test_speaks_chat_completions_to_any_client(self):
        with LoopbackServer(["Hello"]) as server:
            status, text = post(server, ASKED)
        completion = json.loads(text)
        assert (status, completion["choices"][0]["message"]["content"]) == (200, "Hello")
        assert completion["usage"]["prompt_tokens"] == 2

    def test_streams_events_with_usage_only_when_asked(self):
        with LoopbackServer(otherwise="a b") as server:
            plain = post(server, {**ASKED, "stream": True})[1]
            told = post(server, {**ASKED, "stream": True, "stream_options": {"include_usage": True}})[1]
        assert plain.endswith("data: [DONE]\n\n")
        assert plain.count("data: ") == 5
        assert '"usage": {' not in plain
        assert told.count('"usage": {') == 1

    def test_lists_its_models(self):
        with LoopbackServer(models=["one", "two"]) as server:
            with urllib.request.urlopen(server.base_url + "/models", timeout=10) as response:
                assert [model["id"] for model in json.load(response)["data"]] == ["one", "two"]

    def test_knows_no_other_address(self):
        with LoopbackServer() as server, pytest.raises(urllib.error.HTTPError) as error:
            post(server, ASKED, "/completions")
        with error.value:
            assert error.value.code == 404

    def test_fails_with_an_error_in_the_shape_of_openai(self):
        with LoopbackServer([Fails(429, code="insufficient_quota", retry_after=3)]) as server:
            with pytest.raises(urllib.error.HTTPError) as error:
                post(server, ASKED)
            with error.value:
                assert json.load(error.value)["error"]["code"] == "insufficient_quota"
                assert error.value.headers["retry-after"] == "3"

    def test_answers_the_same_twice(self):
        def once():
            with LoopbackServer([Says(), "b"]) as server:
                return [post(server, {**ASKED, "stream": stream}) for stream in (False, True)]

        assert once() == once()

    def test_counts_what_it_saw(self):
        with (
            LoopbackServer([Fails(500), "ok"]) as server,
            OpenAIModel("m", base_url=server.base_url) as model,
        ):
            model.ask("x")
        assert dict(server.stats.statuses) == {500: 1, 200: 1}
        assert (server.stats.connections, server.stats.at_once, server.stats.most_at_once) == (1, 0, 1)

    def test_closes_at_once_though_clients_wait_and_hold_connections(self):
        before = threading.active_count()
        server = LoopbackServer(["first"], otherwise=Says("late", delay=60)).__enter__()
        with OpenAIModel("m", base_url=server.base_url) as model, ThreadPoolExecutor(1) as pool:
            model.ask("x")
            waiting = pool.submit(urllib.request.urlopen, server.base_url + "/chat/completions", b"{}", 30)
            while server.stats.at_once == 0:
                pass
            server.close()
            with pytest.raises(OSError):
                waiting.result(timeout=10)
        assert threading.active_count() == before

    def test_closes_without_having_been_asked(self):
        with LoopbackServer() as server:
            assert server.base_url.startswith("http://127.0.0.1:")
        LoopbackServer().close()

    @pytest.mark.parametrize(
        ("schema", "instance"),
        [
            ({"type": "string", "minLength": 2}, "xx"),
            ({"enum": ["b", "a"]}, "b"),
            ({"type": "array", "items": {"type": "integer", "minimum": 3}, "minItems": 2}, [3, 3]),
            ({"anyOf": [{"type": "null"}, {"type": "string"}]}, None),
            ({"$ref": "#/$defs/A", "$defs": {"A": {"type": "boolean"}}}, False),
            ({"type": "object", "properties": {"n": {"type": "number"}}}, {"n": 0}),
        ],
    )
    def test_gives_the_smallest_instance_of_a_schema(self, schema, instance):
        wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
        with LoopbackServer() as server:
            text = post(server, {**ASKED, "response_format": wanted})[1]
        assert json.loads(json.loads(text)["choices"][0]["message"]["content"]) == instance


def test_a_program_that_never_closes_the_server_ends(tmp_path: Path) -> None:
    program = """
from tracelib.llm.openai import OpenAIModel
from tracelib.testing import LoopbackServer
server = LoopbackServer(["bye"]).__enter__()
print(OpenAIModel("any", base_url=server.base_url).ask("hi").text)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, cwd=tmp_path, check=True
    )
    assert done.stdout == "bye\n"
