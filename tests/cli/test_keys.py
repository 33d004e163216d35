"""`tracelib keys` keeps, lists and removes keys, and shows none."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from commands import Command

KEY = "sk-proj-0123456789abcdefWXYZ"


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.setenv(name, str(tmp_path))
    return tmp_path / "tracelib" / "keys.json"


def typed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def test_keys_are_set_listed_and_removed(
    tracelib: Command, monkeypatch: pytest.MonkeyPatch, settings: Path
) -> None:
    assert tracelib("keys", "list").out == f"No key is kept in {settings}.\n"
    typed(monkeypatch, f"{KEY}\n")
    done = tracelib("keys", "set")
    assert (done.code, done.out) == (0, f"The key for api.openai.com is kept in {settings}.\n")
    typed(monkeypatch, "short")
    assert tracelib("keys", "set", "https://OpenRouter.ai/api/v1").code == 0
    listed = tracelib("keys", "list")
    assert [line.split() for line in listed.out.splitlines()] == [
        ["api.openai.com", "...WXYZ"],
        ["openrouter.ai", "..."],
    ]
    assert json.loads(tracelib("keys", "list", "--json").out) == [
        {"id": "api.openai.com", "ends": "...WXYZ"},
        {"id": "openrouter.ai", "ends": "..."},
    ]
    assert KEY not in done.out + done.err + listed.out
    assert json.loads(settings.read_text())["api.openai.com"] == KEY
    assert tracelib("keys", "remove", "openai").out == "The key for api.openai.com is removed.\n"
    gone = tracelib("keys", "remove", "openai")
    assert (gone.code, gone.out) == (1, "")
    assert "no key is kept for api.openai.com" in gone.err


def test_a_key_where_its_host_should_be_is_kept_and_shown_nowhere(
    tracelib: Command, monkeypatch: pytest.MonkeyPatch, settings: Path
) -> None:
    typed(monkeypatch, f"{KEY}\n")
    done = tracelib("keys", "set", KEY)
    assert (done.code, "looks like a key" in done.err) == (1, True)
    assert KEY.lower() not in (done.out + done.err).lower()
    assert not settings.exists()
    assert tracelib("keys", "set", "https://me:pass0123@openrouter.ai").code == 0


def test_no_key_is_no_key(tracelib: Command, monkeypatch: pytest.MonkeyPatch, settings: Path) -> None:
    typed(monkeypatch, "\n")
    done = tracelib("keys", "set")
    assert (done.code, "that is no key" in done.err) == (1, True)
    assert not settings.exists()


def test_a_key_is_no_argument(tracelib: Command) -> None:
    done = tracelib("keys", "set", "openai", KEY)
    assert done.code == 2
    assert KEY not in done.out


@pytest.mark.skipif(os.name == "nt", reason="rights are no bits there")
def test_a_file_that_others_can_read_is_refused(
    tracelib: Command, monkeypatch: pytest.MonkeyPatch, settings: Path
) -> None:
    typed(monkeypatch, KEY)
    tracelib("keys", "set")
    settings.chmod(0o644)
    done = tracelib("keys", "list")
    assert (done.code, f"chmod 600 {settings}" in done.err) == (1, True)


@pytest.mark.skipif(os.name == "nt", reason="there is no pty")
def test_on_a_terminal_a_key_is_asked_for_and_not_shown(settings: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tracelib", "keys", "set"], stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    shown = os.read(ours, 1000)
    while b"Key for api.openai.com" not in shown:
        shown += os.read(ours, 1000)
    os.write(ours, f"{KEY}\n".encode())
    while b"is kept in" not in shown:
        shown += os.read(ours, 1000)
    assert process.wait(30) == 0
    os.close(ours)
    assert KEY.encode() not in shown
    assert json.loads(settings.read_text()) == {"api.openai.com": KEY}
