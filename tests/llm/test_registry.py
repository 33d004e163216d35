"""What a name stands for: a registration, a profile of the project, or a model of OpenAI's."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import weakref

import openai
import pytest

import tracelib as trace
from tracelib.errors import ModelError, NoModelError
from tracelib.llm.keys import keep_key
from tracelib.llm.model import as_model
from tracelib.llm.openai import Limits, OpenAIModel, RetryPolicy
from tracelib.llm.registry import named_model, register_model
from tracelib.testing import Fails, LoopbackServer, ScriptedModel

pytestmark = pytest.mark.usefixtures("no_settings", "alone")


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """A folder without any project, and no registration left behind."""
    monkeypatch.chdir(tmp_path)
    names = ["m", "m*", "local/*", "*", "other"]
    yield
    for name in names:
        register_model(name, None)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Writes the project's models, and goes to a folder within it."""

    def write(models):
        (tmp_path / "pyproject.toml").write_text(f"[tool.tracelib.models]\n{models}")
        (tmp_path / "src").mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / "src")

    return write


def says(text):
    return lambda messages, **params: text


class TestRegistered:
    def test_a_name_stands_for_a_function_a_model_or_a_client(self, server):
        register_model("m", says("a function's"))
        assert as_model("m").ask("x").text == "a function's"
        register_model("m", ScriptedModel(["a model's"]))
        assert as_model("m").ask("x").text == "a model's"
        with openai.OpenAI(base_url=server.base_url, api_key="k") as client:
            register_model("m", client)
            assert as_model("m").ask("x").text == "ok"
        assert server.requests[0].body["model"] == "m"

    def test_a_program_asks_what_its_model_stands_for(self):
        register_model("m", says("hello"))

        @trace.lm(model="m")
        def greet():
            return "Hi"

        assert greet() == "hello"
        assert greet.api_params == {"model": "m"}

    def test_of_several_that_fit_the_latest_wins(self):
        register_model("m", says("first"))
        register_model("m*", says("second"))
        assert [as_model(name).ask("x").text for name in ("m", "mine")] == ["second", "second"]
        register_model("m", says("third"))
        assert [as_model(name).ask("x").text for name in ("m", "mine")] == ["third", "second"]
        register_model("m", None)
        assert as_model("m").ask("x").text == "second"

    def test_a_pattern_gives_each_name_its_model_and_keeps_it(self):
        register_model("local/*", lambda messages, **params: "ok")
        assert as_model("local/a").name == "local/a"
        assert as_model("local/a") is as_model("local/a") is not as_model("local/b")
        assert isinstance(as_model("local"), OpenAIModel)

    def test_defaults_go_with_every_question(self, server):
        asked = []
        register_model("m", lambda messages, **params: asked.append(params) or "ok", temperature=0)
        as_model("m").ask("x")
        as_model("m").ask("x", temperature=1)
        assert asked == [{"temperature": 0}, {"temperature": 1}]
        with OpenAIModel("big", base_url=server.base_url, top_p=1) as big:
            register_model("m", big, model="small", api="responses", temperature=0)
            as_model("m").ask("x")
            assert (big.name, big.defaults) == ("big", {"top_p": 1})
            as_model("m").close()
        assert (server.requests[0].path, server.requests[0].body) == (
            "/v1/responses",
            {"model": "small", "input": [{"role": "user", "content": "x"}], "temperature": 0, "top_p": 1},
        )

    @pytest.mark.parametrize("name", ["m", "m*"])
    @pytest.mark.parametrize("source", [3, "gpt-4o", int, object()])
    def test_what_cannot_be_asked_is_refused_at_once(self, name, source):
        with pytest.raises(NoModelError, match=r"register openai\.OpenAI"):
            register_model(name, source)
        assert isinstance(as_model("m"), OpenAIModel)

    def test_a_name_registered_again_stands_for_the_new_and_keeps_nothing_of_the_old(self):
        def old(messages, **params):
            return "old"

        known = weakref.ref(old)
        register_model("m", old)
        del old
        register_model("m", says("new"))
        gc.collect()
        assert known() is None
        assert as_model("m").ask("x").text == "new"

    @pytest.mark.parametrize("given", [{"limits": Limits(2)}, {"prices": {}}, {"retry": RetryPolicy()}])
    def test_what_a_model_is_made_with_is_not_said_with_its_name(self, given):
        (name,) = given
        with pytest.raises(NoModelError, match=f"is made already: say {name}= where it is"):
            register_model("m", OpenAIModel("big"), **given)

    def test_limits_of_a_function_are_refused(self):
        with pytest.raises(NoModelError, match="limits are kept for clients and models"):
            register_model("m", says("x"), limits=Limits(2))

    @pytest.mark.parametrize("name", ["", "  ", 3])
    def test_a_model_needs_a_name(self, name):
        with pytest.raises(NoModelError, match="under a name"):
            register_model(name, says("x"))

    def test_a_function_needs_no_openai(self):
        code = (
            "import sys, tracelib as trace; from tracelib.llm.model import as_model;"
            "trace.register_model('m', lambda messages, **p: 'ok');"
            "print(as_model('m').ask('x').text, 'openai' in sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
        assert (done.stdout, done.stderr) == ("ok False\n", "")


async def by_ask(model):
    return model.ask("x").text


async def by_aask(model):
    return (await model.aask("x")).text


async def by_stream(model):
    return "".join(model.stream("x"))


async def by_astream(model):
    return "".join([piece async for piece in model.astream("x")])


@pytest.fixture(params=[openai.OpenAI, openai.AsyncOpenAI])
def lent(request, server):
    """The user's own client, which retries by itself unless told otherwise."""
    client = request.param(
        base_url=server.base_url, api_key="sk-mine", default_headers={"x-team": "blue"}, max_retries=7
    )
    yield client
    if request.param is openai.OpenAI:
        client.close()


@pytest.fixture
def lent_model(lent):
    at_once = RetryPolicy(attempts=3, base=0)
    register_model("m", lent, retry=at_once, limits=Limits(concurrency=2))
    model = as_model("m")
    yield model
    if isinstance(lent, openai.AsyncOpenAI) and not lent.is_closed():
        model._portal.run(lent.close())  # its connections are on the model's loop
    model.close()


class TestTheUsersClient:
    @pytest.mark.parametrize("way", [by_ask, by_stream])
    def test_is_asked_from_where_nothing_is_awaited(self, way, server, lent_model):
        server.then("one two three", "four")
        assert asyncio.run(way(lent_model)) == "one two three"
        assert asyncio.run(way(lent_model)) == "four"
        assert way is by_stream or server.stats.connections == 1
        headers = {name.lower(): value for name, value in server.requests[0].headers.items()}
        assert (headers["authorization"], headers["x-team"]) == ("Bearer sk-mine", "blue")

    @pytest.mark.parametrize("way", [by_aask, by_astream])
    async def test_is_awaited(self, way, server, lent, lent_model):
        server.then("one two three")
        assert await way(lent_model) == "one two three"
        assert server.requests[0].body["model"] == "m"
        if isinstance(lent, openai.AsyncOpenAI):
            await lent.close()

    @pytest.mark.parametrize("way", [by_ask, by_stream])
    def test_is_retried_by_us_and_not_by_itself(self, way, server, lent_model):
        server.otherwise = Fails(503)
        with pytest.raises(ModelError, match="after 3 attempts"):
            asyncio.run(way(lent_model))
        assert len(server.requests) == 3

    def test_a_stream_comes_in_pieces_and_may_be_left(self, server, lent_model):
        server.then("one two three", "one two three")
        assert list(lent_model.stream("x")) == ["one", " two", " three"]
        with lent_model.stream("x") as stream:
            assert next(stream) == "one"
        assert lent_model.ask("x").text == "ok"

    def test_stays_open_when_the_model_is_closed(self, server):
        with openai.OpenAI(base_url=server.base_url, api_key="k") as client:
            register_model("m", client)
            as_model("m").ask("x")
            as_model("m").close()
            assert client.models.list().data[0].id == "loopback"

    def test_its_address_tells_who_answers(self):
        register_model("m", openai.OpenAI(base_url="http://me:pass@localhost:1/v1", api_key="sk-k"))
        model = as_model("m")
        assert (model.provider, model.endpoint.host) == ("localhost:1", "localhost:1")
        assert "sk-k" not in repr(model)

    def test_serves_a_program_that_is_called_with_it(self, server):
        @trace.lm(model="m")
        def greet():
            return "Hi"

        with openai.OpenAI(base_url=server.base_url, api_key="k") as client:
            assert greet(client=client) == "ok"


class TestProfiles:
    def test_a_name_stands_for_what_the_project_says(self, server, project):
        project(
            f'fast = {{model = "qwen3", base_url = "{server.base_url}", temperature = 0, timeout = 9}}\n'
            f'"local/*" = {{base_url = "{server.base_url}", api = "responses"}}\n'
            'mini = "gpt-4o-mini"\n'
        )
        with as_model("fast") as fast, as_model("local/a") as local:
            assert (fast.ask("x").text, local.ask("x").text) == ("ok", "ok")
        assert server.requests[0].body == {
            "model": "qwen3",
            "messages": [{"role": "user", "content": "x"}],
            "temperature": 0,
        }
        assert (server.requests[1].path, server.requests[1].body["model"]) == ("/v1/responses", "local/a")
        assert as_model("mini").name == "gpt-4o-mini"
        assert as_model("other").name == "other"

    def test_price_and_limits_are_understood(self, server, project):
        project(
            f'[tool.tracelib.models.fast]\nmodel = "qwen3"\nbase_url = "{server.base_url}"\n'
            "price = {input = 1, output = 2}\nlimits = {concurrency = 3}\n"
        )
        with as_model("fast") as model:
            assert model.ask("one two").cost == pytest.approx(4e-6)
            assert model.limits == Limits(concurrency=3)

    def test_retries_are_understood(self, server, project):
        project(f'm = {{base_url = "{server.base_url}", retry = {{attempts = 2, base = 0}}}}\n')
        server.otherwise = Fails(503)
        with as_model("m") as model, pytest.raises(ModelError, match="after 2 attempts"):
            model.ask("x")

    def test_an_exact_name_wins_over_patterns_and_of_these_the_last(self, project):
        project('fast = "exact"\n"*" = "any"\n"f*" = "last"\n')
        assert [as_model(name).name for name in ("fast", "far", "x")] == ["exact", "last", "any"]

    def test_a_registration_wins_over_a_profile(self, project):
        project('m = "gpt-4o-mini"\n')
        register_model("m", says("registered"))
        assert as_model("m").ask("x").text == "registered"

    def test_the_environment_may_name_a_profile(self, server, project, no_settings):
        project(f'fast = {{model = "qwen3", base_url = "{server.base_url}"}}\n')
        no_settings.setenv("TRACELIB_MODEL", "fast")
        with as_model() as model:
            assert (model.ask("x").text, server.requests[0].body["model"]) == ("ok", "qwen3")

    def test_an_edit_is_seen(self, project):
        project('m = "one"\n')
        assert as_model("m").name == "one"
        project('m = "three"\n')
        assert as_model("m").name == "three"

    def test_only_the_nearest_project_is_asked(self, project, tmp_path):
        project('m = "far"\n')
        (tmp_path / "src" / "pyproject.toml").write_text("[project]\n")
        assert as_model("m").name == "m"

    def test_no_file_is_read_before_a_model_is_asked_for(self, tmp_path):
        (tmp_path / "pyproject.toml").write_text("broken [")
        code = "import tracelib as trace\n@trace.lm(model='m')\ndef f(): return 'x'\nprint(f.api_params)"
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        assert (done.stdout, done.stderr) == ("{'model': 'm'}\n", "")
        with pytest.raises(NoModelError, match=r"pyproject\.toml cannot be read"):
            as_model("m")

    @pytest.mark.parametrize(
        ("models", "words"),
        [
            ('m = {api_key = "sk-1"}', "api_key, which belongs into no file"),
            ('m = {api_key_env = "NO_SUCH_KEY"}', "NO_SUCH_KEY, which is not set"),
            ("m = 3", "is 3: write a name, or a table"),
            ("m = {limits = {speed = 3}}", "has limits"),
            ("m = {limits = {concurrency = 0}}", "has limits .*at least 1"),
            ('m = {limits = {concurrency = "8"}}', "has limits .*at least 1"),
            ("m = {retry = 3}", "has retry 3"),
            ("m = {price = 3}", "has price 3.*dollars per million"),
            ("m = {model = 3}", "has model = 3, which is no text"),
            ("m = {base_url = 3}", "has base_url = 3, which is no text"),
            ('m = {timeout = "30"}', "has timeout = '30', which is no number"),
            ('m = {name = "qwen3"}', "has a name: say what the endpoint calls it by model"),
        ],
    )
    def test_a_profile_that_cannot_be_is_refused_by_file_and_name(self, models, words, project):
        project(models)
        with pytest.raises(NoModelError, match=words) as error:
            as_model("m")
        assert "'m' in " in str(error.value)
        assert "pyproject.toml" in str(error.value)
        assert "sk-1" not in str(error.value)

    def test_a_working_folder_that_is_gone_has_no_project(self, tmp_path, monkeypatch):
        (tmp_path / "gone").mkdir()
        monkeypatch.chdir(tmp_path / "gone")
        os.rmdir(tmp_path / "gone")
        assert named_model("m").name == "m"
        monkeypatch.chdir(tmp_path)


class TestOneModelOfAName:
    def test_keeps_its_connection_from_one_asking_by_name_to_the_next(self, server, no_settings):
        no_settings.setenv("OPENAI_BASE_URL", server.base_url)
        for _ in range(3):
            trace.embed("a text", model="small-vectors")
        assert as_model("small-vectors") is as_model("small-vectors")
        assert (len(server.requests), server.stats.connections) == (3, 1)
        as_model("small-vectors").close()

    def test_is_another_where_environment_keys_or_profile_say_other(self, server, project, no_settings):
        no_settings.setenv("OPENAI_BASE_URL", server.base_url)
        found = [as_model("m")]

        def asked():
            found.append(as_model("m"))
            found[-1].ask("x")
            assert found[-1] is not found[-2]
            headers = {name.lower(): value for name, value in server.requests[-1].headers.items()}
            return headers["authorization"], server.requests[-1].body["model"]

        found[0].ask("x")
        no_settings.setenv("OPENAI_API_KEY", "sk-one")
        assert asked() == ("Bearer sk-one", "m")
        no_settings.delenv("OPENAI_API_KEY")
        keep_key(server.base_url[7:-3], "sk-kept")
        assert asked() == ("Bearer sk-kept", "m")
        project('m = "large"\n')
        assert asked() == ("Bearer sk-kept", "large")
        no_settings.delenv("OPENAI_BASE_URL")
        assert as_model("m") is not found[-1]
        for model in found:
            model.close()


class TestTheKeyOfAProfile:
    """OPENAI_API_KEY goes to OpenAI and to OPENAI_BASE_URL, and to no server that a file names."""

    def sent(self, server, name="fast"):
        with as_model(name) as model:
            model.ask("x")
        return {name.lower(): value for name, value in server.requests[-1].headers.items()}["authorization"]

    def test_is_not_the_one_for_openai(self, server, project, no_settings):
        no_settings.setenv("OPENAI_API_KEY", "sk-openai")
        project(f'fast = {{base_url = "{server.base_url}"}}\n')
        assert self.sent(server) == "Bearer none"
        keep_key(server.base_url[7:-3], "sk-kept")
        assert self.sent(server) == "Bearer sk-kept"

    def test_is_in_the_variable_that_it_names(self, server, project, no_settings):
        no_settings.setenv("MINE", "sk-mine")
        project(f'fast = {{base_url = "{server.base_url}", api_key_env = "MINE"}}\n')
        assert self.sent(server) == "Bearer sk-mine"

    def test_is_the_environments_for_the_environments_server(self, server, project, no_settings):
        no_settings.setenv("OPENAI_API_KEY", "sk-env")
        no_settings.setenv("OPENAI_BASE_URL", server.base_url)
        project(f'fast = {{base_url = "{server.base_url}"}}\nplain = "qwen3"\n')
        assert self.sent(server) == self.sent(server, "plain") == "Bearer sk-env"

    def test_a_profiles_server_wins_over_the_environments(self, server, project, no_settings):
        with LoopbackServer() as other:
            no_settings.setenv("OPENAI_BASE_URL", other.base_url)
            project(f'fast = {{base_url = "{server.base_url}"}}\n')
            self.sent(server)
            assert (len(server.requests), other.requests) == (1, [])
