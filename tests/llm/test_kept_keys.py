"""Keys that are kept for the user: where, with what rights, and when they are used."""

from __future__ import annotations

import json
import os
import sys

import pytest

from tracelib.errors import ModelError, NoModelError
from tracelib.llm.clients import Endpoint
from tracelib.llm.keys import as_host, forget_key, keep_key, kept_key, kept_keys, keys_file, masked
from tracelib.llm.openai import OpenAIModel

pytestmark = pytest.mark.usefixtures("no_settings")


def test_a_key_is_kept_for_its_host_until_it_is_forgotten():
    assert kept_keys() == {}
    keep_key("api.openai.com", "sk-one\n")
    keep_key("OpenRouter.ai", "sk-two")
    keep_key("api.openai.com", "sk-three")
    assert kept_keys() == {"api.openai.com": "sk-three", "openrouter.ai": "sk-two"}
    assert kept_key("openrouter.ai") == "sk-two"
    assert kept_key("elsewhere") is None
    assert forget_key("openrouter.ai") is True
    assert forget_key("openrouter.ai") is False
    assert kept_keys() == {"api.openai.com": "sk-three"}


@pytest.mark.skipif(os.name == "nt", reason="rights are no bits there")
def test_the_file_and_its_folder_are_the_users_alone():
    old = os.umask(0)
    try:
        keep_key("openai", "sk-one")
    finally:
        os.umask(old)
    path = keys_file()
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert [inside.name for inside in path.parent.iterdir()] == ["keys.json"]


@pytest.mark.skipif(os.name == "nt", reason="rights are no bits there")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_a_file_that_others_can_read_is_refused_with_what_to_do(mode):
    keep_key("api.openai.com", "sk-one")
    keys_file().chmod(mode)
    for use in (kept_keys, lambda: kept_key("x"), lambda: keep_key("x", "y"), lambda: forget_key("x")):
        with pytest.raises(ModelError, match=f"mode {mode:o}.*chmod 600 {keys_file()}"):
            use()
    with pytest.raises(ModelError, match="chmod 600"):
        OpenAIModel("m").ask("x")
    keys_file().chmod(0o600)
    assert kept_key("api.openai.com") == "sk-one"


@pytest.mark.parametrize("told", ["{", "[]", '{"x": 1}'])
def test_a_damaged_file_is_named(told):
    keep_key("x", "y")
    keys_file().write_text(told)
    with pytest.raises(ModelError, match=r"keys\.json"):
        kept_keys()


@pytest.mark.parametrize("key", ["", "  ", "two words", "bell\x07", "schlüssel"])
def test_what_can_be_no_key_is_refused(key):
    with pytest.raises(ModelError, match="no key"):
        keep_key("x", key)
    assert not keys_file().exists()


@pytest.mark.parametrize("name", ["", "http://", "two words", "[::1", "http://[x"])
def test_what_can_be_no_host_is_refused(name):
    with pytest.raises(ModelError, match="no host"):
        as_host(name)


def test_of_a_key_at_most_its_end_is_shown():
    assert masked("k" * 16 + "wxyz") == "...wxyz"
    assert masked("k" * 15 + "wxyz") == "..."


def test_the_kept_key_is_used_where_nothing_else_gives_one(no_settings):
    keep_key("api.openai.com", "sk-kept")
    keep_key("openrouter.ai", "sk-router")
    assert Endpoint.found(None, None, None).api_key == "sk-kept"
    assert Endpoint.found("https://openrouter.ai/api/v1", None, None).api_key == "sk-router"
    assert Endpoint.found("http://localhost:1/v1", None, None).api_key == "none"
    no_settings.setenv("OPENAI_API_KEY", "sk-env")
    assert Endpoint.found(None, None, None).api_key == "sk-env"
    assert Endpoint.found(None, "sk-given", None).api_key == "sk-given"


def test_the_kept_key_is_what_a_server_hears(server):
    keep_key(server.base_url[7:-3], "sk-kept")
    with OpenAIModel("m", base_url=server.base_url) as model:
        model.ask("x")
        assert "sk-kept" not in repr(model) + repr(model.endpoint)
    assert "Bearer sk-kept" in server.requests[0].headers.values()


def test_the_environment_wins_without_the_file_being_read(no_settings):
    keep_key("x", "y")
    keys_file().write_text("{")
    no_settings.setenv("OPENAI_API_KEY", "sk-env")
    assert Endpoint.found(None, None, None).api_key == "sk-env"


def test_without_a_home_there_is_no_kept_key(no_settings, tmp_path):
    (tmp_path / "config").write_text("a file where a folder should be")
    assert kept_key("api.openai.com") is None
    with pytest.raises(NoModelError, match="tracelib keys set"):
        OpenAIModel("m").ask("x")
    with pytest.raises(ModelError, match="cannot be written"):
        keep_key("x", "y")


@pytest.mark.skipif(os.name == "nt", reason="rights are no bits there")
@pytest.mark.parametrize("closed", ["config", "config/tracelib"])
def test_behind_a_closed_folder_there_is_no_kept_key(closed, tmp_path):
    keep_key("localhost:1", "sk-one")
    folder, root = tmp_path / closed, os.geteuid() == 0
    folder.chmod(0)
    if root:  # to whom no folder is closed
        os.seteuid(65534)
    try:
        assert Endpoint.found("http://localhost:1/v1", None, None).api_key == "none"
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o700)
    assert Endpoint.found("http://localhost:1/v1", None, None).api_key == "sk-one"


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="settings are elsewhere there")
def test_a_folder_of_settings_that_depends_on_the_working_folder_counts_for_nothing(no_settings, tmp_path):
    no_settings.setenv("XDG_CONFIG_HOME", "settings")
    no_settings.setenv("HOME", str(tmp_path))
    assert keys_file() == tmp_path / ".config" / "tracelib" / "keys.json"


def test_what_is_kept_is_plain_json():
    keep_key("b", "2")
    keep_key("a", "1")
    assert list(json.loads(keys_file().read_text()).items()) == [("a", "1"), ("b", "2")]
