"""Commit messages: from the difference, offline; by a model in the background, once, where asked for."""

from __future__ import annotations

import linecache
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from started import run_program

import tracelib as trace
from tracelib.errors import ModelUnavailable, NoModelError
from tracelib.store.store import Store, init, open_store
from tracelib.testing import ScriptedModel

PROGRAM = """
    import tracelib as trace

    @trace.bundle
    def greet(name):
        return f"{GREETING} {{name}}"

    if __name__ == "__main__":
        trace.init(store="./logdir", autocommit=True)
        greet("Ann")
        trace.flush()
"""


@pytest.fixture
def store(blank: str, tmp_path: Path) -> Iterator[Store]:
    made = open_store(blank, journal=tmp_path / "journal")
    yield made
    init(None)


def versions_of(greeting: str) -> Any:
    """A function that reads as another version for every greeting, under one name, as notebook cells do."""
    text = f'@trace.bundle\ndef greet(name):\n    return "{greeting}" + name\n'
    file = f"<cell {greeting}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    scope: dict[str, Any] = {"trace": trace, "__name__": "app"}
    exec(compile(text, file, "exec"), scope)
    return scope["greet"]


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


def messages(store: Store) -> list[tuple[str, str]]:
    return [(version.message, version.message_by) for version in reversed(store.versions())]


def test_every_version_of_a_file_has_a_message_without_a_model(tmp_path: Path) -> None:
    for greeting in ("Hello", "Hola"):
        run_program(tmp_path, PROGRAM.replace("{GREETING}", greeting))
    first, second = messages(open_store(tmp_path / "logdir"))
    assert first == ("Initial version of greet: uses nothing else", "difference")
    assert second[1] == "difference"
    assert "Hello" in second[0]
    assert "Hola" in second[0]


def test_a_version_that_is_run_again_is_no_new_one(tmp_path: Path) -> None:
    for greeting in ("Hello", "Hola", "Hello", "Hello"):
        run_program(tmp_path, PROGRAM.replace("{GREETING}", greeting))
    found = open_store(tmp_path / "logdir").versions("greet")
    assert [(version.number, version.calls) for version in found] == [(2, 1), (1, 3)]


def test_a_model_writes_the_message_of_a_later_version_in_the_background(store: Store) -> None:
    model = ScriptedModel(["Greet in Spanish\n"])
    init(store, autocommit=model)
    versions_of("Hello ")("Ann")
    versions_of("Hola ")("Ann")
    until(lambda: messages(store)[-1:] == [("Greet in Spanish", model.name)])
    assert messages(store)[0][1] == "difference"
    assert len(model.asked) == 1
    assert "Hola" in str(model.asked)


def test_a_message_is_asked_for_once_however_many_processes_see_the_version(store: Store) -> None:
    models = [ScriptedModel(["One"]), ScriptedModel([])]
    functions = [versions_of("Hello "), versions_of("Hola ")]
    for model in models:  # as two processes would
        init(store, autocommit=model)
        for greet in functions:
            greet("Ann")
        until(lambda: messages(store)[-1][0] == "One")
        time.sleep(0.2)
    assert [len(model.asked) for model in models] == [1, 0]


def test_a_model_that_fails_leaves_the_message_made_from_the_difference(store: Store) -> None:
    asked: list[Any] = []

    def broken(messages: list[dict[str, Any]], **params: Any) -> str:
        asked.append(messages)
        raise ModelUnavailable("no connection")

    init(store, autocommit=broken)
    versions_of("Hello ")("Ann")
    versions_of("Hola ")("Ann")
    until(lambda: bool(asked))
    time.sleep(0.2)
    assert [by for _, by in messages(store)] == ["difference", "difference"]


def test_a_function_as_model_may_raise_anything_and_is_asked_again_for_the_next_version(store: Store) -> None:
    asked: list[Any] = []

    def unsteady(messages: list[dict[str, Any]], **params: Any) -> str:
        asked.append(messages)
        if len(asked) == 1:
            raise ConnectionResetError("gone")
        return "Say it in French"

    init(store, autocommit=unsteady)
    for greeting in ("Hello ", "Hola ", "Salut "):
        versions_of(greeting)("Ann")
    until(lambda: messages(store)[-1][0] == "Say it in French")
    assert len(asked) == 2
    assert store.status().problems == (
        "a commit message was not written by the model: ConnectionResetError: gone",
    )


def test_a_slow_model_does_not_hold_up_the_calls(store: Store) -> None:
    returned = threading.Event()

    def slow(messages: list[dict[str, Any]], **params: Any) -> str:
        return "Late" if returned.wait(60) else "the calls waited for the model"

    init(store, autocommit=slow)
    versions_of("Hello ")("Ann")
    versions_of("Hola ")("Ann")
    returned.set()
    until(lambda: messages(store)[-1][0] == "Late")


def test_autocommit_without_a_model_stays_offline(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRACELIB_MODEL", raising=False)
    init(store, autocommit=True)
    versions_of("Hello ")("Ann")
    assert messages(store)[0][1] == "difference"


def test_a_model_that_is_none_is_refused_when_recording_begins(store: Store) -> None:
    with pytest.raises(NoModelError):
        init(store, autocommit=3)
