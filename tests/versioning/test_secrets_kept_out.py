"""A planted secret is in the hash and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import written

from tracelib.versioning import version_of

CANARY = "sk-proj-" + "c4n4ry" * 6
PLAIN = "hunter2-hunter2"

PLACES = {
    "a global": f"API_KEY = {PLAIN!r}\ndef f():\n    return API_KEY\n",
    "a shape": f"thing = {CANARY!r}\ndef f():\n    return thing\n",
    "a shape in a dict": f"T = {{'x': [{CANARY!r}]}}\ndef f():\n    return T\n",
    "a key of a dict": f"T = {{'api_key': {PLAIN!r}, 'n': 1}}\ndef f():\n    return T\n",
    "a keyword": f"T = dict(password={PLAIN!r})\ndef f():\n    return T\n",
    "a local": f"def f():\n    client_secret = {PLAIN!r}\n    return client_secret\n",
    "a default": f"def f(api_key={PLAIN!r}, *, token={PLAIN!r}):\n    return api_key\n",
    "an attribute": f"class C:\n    pass\nC.api_key = {PLAIN!r}\ndef f():\n    return C\n",
    "a subscript": f"T = {{}}\nT['api_key'] = {PLAIN!r}\ndef f():\n    return T\n",
    "bytes": f"API_KEY = {PLAIN.encode()!r}\ndef f():\n    return API_KEY\n",
    "several lines": f"T = dict(a=1, api_key='''{PLAIN}\n{PLAIN}''',\n   b='ä')\ndef f():\n    return T\n",
    "a computed global": f"TOKEN = ''.join([{PLAIN!r}])\ndef f():\n    return TOKEN\n",
    "a class": f"class C:\n    password = {PLAIN!r}\ndef f():\n    return C\n",
}


@pytest.mark.parametrize("place", PLACES)
def test_a_secret_is_in_no_text_and_no_value(place: str, tmp_path: Path) -> None:
    text = PLACES[place]
    version = written.version(tmp_path, text)
    told = json.dumps(version.to_json()) + repr(version) + version.closure
    assert PLAIN not in told
    assert CANARY not in told
    compile(version.closure, "<closure>", "exec")


@pytest.mark.parametrize("place", PLACES)
def test_another_secret_is_another_version(place: str, tmp_path: Path) -> None:
    text = PLACES[place]
    other = text.replace("hunter2-", "hunter3-").replace("c4n4ry", "c4n4rx")
    assert written.version(tmp_path, text).hash != written.version(tmp_path, other).hash


def test_a_secret_in_a_cell_is_marked_and_counts() -> None:
    def made(api_key: str) -> Callable[[], str]:
        return lambda: api_key

    version = version_of(made(PLAIN))
    assert PLAIN not in json.dumps(version.to_json())
    assert version.free_values["api_key"].startswith("[redacted ")
    assert version.hash != version_of(made("hunter3-hunter3")).hash


def test_code_that_only_speaks_of_secrets_is_left_as_it_is(tmp_path: Path) -> None:
    text = (
        "import os\n"
        "def get_token(key='name', max_tokens=5):\n"
        "    api_key = os.environ.get('API_KEY')\n"
        "    return f'Bearer {api_key}', max_tokens\n"
        "def f():\n    token = get_token()\n    return token[1]\n"
    )
    version = written.version(tmp_path, text)
    assert "api_key = os.environ.get('API_KEY')" in version.closure
    assert written.ran(version) == 5
