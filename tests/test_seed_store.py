"""Versioning, storing and tracing as the seed documents show them, with a scripted model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tracelib as trace
from tracelib.testing import ScriptedModel

ROOT = Path(__file__).parents[1]

EMBEDDED = '''
import tracelib as ell
from myother_module import CONSTANT
def other_code():
    print("hello")

def some_other_function():
    return "to bob"

@ell.lm(model="gpt-4o")
def hi():
    """You are a helpful assistant"""
    return f"say hi {some_other_function()} {CONSTANT} times."

def some_other_code():
    return "some other code"
'''

CLOSURE = '''\
import tracelib as ell
CONSTANT = 6

def some_other_function():
    return "to bob"

@ell.lm(model="gpt-4o")
def hi():
    """You are a helpful assistant"""
    return f"say hi {some_other_function()} {CONSTANT} times."
'''


@pytest.fixture
def embedded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "myother_module.py").write_text("OTHER = 1\nCONSTANT = 6\n")
    (tmp_path / "embedded_program.py").write_text(EMBEDDED)
    monkeypatch.syspath_prepend(str(tmp_path))
    found = __import__("embedded_program")
    yield found
    for name in ("embedded_program", "myother_module"):
        sys.modules.pop(name, None)


def test_the_lexical_closure_is_the_code_and_all_that_it_reaches(embedded: Any) -> None:
    assert trace.lexical_closure(embedded.hi) == CLOSURE


def test_the_first_call_makes_a_version_and_every_call_a_row(tmp_path: Path) -> None:
    model = ScriptedModel(
        ["Hello, Alice! It's wonderful to meet you."], prices={"scripted": {"input": 1, "output": 2}}
    )
    trace.init(store=tmp_path / "logdir", autocommit=True)

    @trace.lm(model=model, temperature=1.0, max_tokens=50)
    def greet(name: str) -> str:
        """You are a friendly greeter."""
        return f"Generate a greeting for {name}."

    try:
        result = greet("Alice")
    finally:
        trace.init(store=None)
    store = trace.SQLiteStore(tmp_path / "logdir")
    version = store.version("greet")
    assert result == "Hello, Alice! It's wonderful to meet you."
    assert (version.number, version.calls, version.kind) == (1, 1, "lm")
    assert "You are a friendly greeter." in version.source
    assert version.api_params == {"temperature": 1.0, "max_tokens": 50}
    assert version.message.startswith("Initial version of")
    call = store.call(store.calls()[0].id)
    assert (call.version, call.inputs, call.output) == (version.id, {"name": "Alice"}, str(result))
    assert call.duration > 0


def test_origins_combine_as_strings_do() -> None:
    model = ScriptedModel(["hi", "hi"])

    @trace.lm(model=model)
    def hi() -> str:
        return "say hi"

    x, y = hi(), hi()
    assert x.__origin_trace__ == {x.call.id}
    assert x[0] == "h"
    assert x[0].__origin_trace__ == {x.call.id}
    assert (x + " there").__origin_trace__ == {x.call.id}
    assert (x + y).__origin_trace__ == {x.call.id, y.call.id}


def test_a_store_is_installed_into_a_program(tmp_path: Path) -> None:
    program = """
from tracelib import SQLiteStore, bundle

@bundle
def your_language_model_program():
    return "olleh"

if __name__ == "__main__":

    store = SQLiteStore('sqlite_example')
    store.install(autocommit=True)

    greeting = your_language_model_program()
    print(greeting[::-1])
"""
    (tmp_path / "program.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("hello\n", "")
    store = trace.SQLiteStore(tmp_path / "sqlite_example")
    assert store.version("program:your_language_model_program").calls == 1
