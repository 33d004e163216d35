"""What was learned leaves the house: as JSON, as a program that runs alone, as a patch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from optimizers.budget import Spent
from optimizers.result import Result
from tracelib.errors import OptimizerError
from tracelib.testing import LoopbackServer

APP = '''#!/usr/bin/env python
# The head of the file.
"""An agent that greets."""

from __future__ import annotations

import json, tracelib as trace
from tracelib import node as n, bundle
from optimizers import LocalSearch, Trainer


@trace.model
class Agent:
    def __init__(self):
        self.greeting = trace.node("Hi", trainable=True)  # how it begins
        self.marks = n(1, trainable=True)

    @bundle(trainable=True)
    def shaped(self, text):
        """As it is."""
        return text

    def __call__(self, name):
        return self.shaped(self.greeting + ", " + name) + "!" * self.marks


agent = Agent()
print(json.dumps(agent("Ann")))

if __name__ == "__main__":
    print("training")
    Trainer(agent, LocalSearch(), len).fit(
        ["Ann"],
    )
'''

SHAPED = 'def shaped(self, text):\n    """Louder."""\n    return text.upper()'
SEED = {
    "greeting": "Hi",
    "marks": 1,
    "shaped": 'def shaped(self, text):\n    """As it is."""\n    return text',
}


def learned(seed, program, **new):
    best = {**seed, **new}
    programs = dict.fromkeys(seed, program)
    return Result(best, seed, True, (), None, None, Spent(), programs=programs)


@pytest.fixture
def app(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("app.py").write_text(APP, encoding="utf-8")
    return learned(SEED, "app:Agent", greeting="Good day", marks=2, shaped=SHAPED)


ALONE = """
import runpy, sys
sys.modules.update(tracelib=None, optimizers=None)
try:
    import tracelib
except ImportError:
    runpy.run_path(sys.argv[1], run_name=sys.argv[2])
"""


def alone(path, name="agent", **environment):
    """What a program prints in an interpreter in which importing tracelib fails."""
    ran = subprocess.run(
        [sys.executable, "-c", ALONE, str(path), name],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


# Values


def test_the_best_values_are_json_that_a_program_loads(app):
    app.export("prompt.json")
    told = json.loads(Path("prompt.json").read_text())
    assert told["parameters"] == app.best
    assert told["format"] == "tracelib parameters 1"


# A program


def test_the_exported_program_runs_without_us_and_says_what_was_learned(app):
    assert app.export("agent.py") == Path("agent.py")
    assert alone("agent.py") == '"GOOD DAY, ANN!!"\n'
    assert alone("agent.py", "__main__") == '"GOOD DAY, ANN!!"\n'


def test_all_but_the_imports_and_what_trains_stays_as_it_was_written(app):
    app.export("agent.py")
    text = Path("agent.py").read_text()
    assert text.startswith('#!/usr/bin/env python\n# The head of the file.\n"""An agent that greets."""\n')
    assert 'self.greeting = trace.node("Good day", trainable=True)  # how it begins\n' in text
    assert "import json; trace = _tracelib\nn = _tracelib.node; bundle = _tracelib.bundle\npass\n" in text
    assert text.endswith('if __name__ == "__main__":\n    pass  # what ran here trained the program\n')
    assert Path("app.py").read_text() == APP


def test_a_language_model_program_asks_without_us(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("greeter.py").write_text(
        "import asyncio\n"
        "import tracelib as trace\n\n\n"
        '@trace.lm(model="tiny", temperature=0.5, trainable=True)\n'
        "def greet(name):\n"
        '    """You greet."""\n'
        '    return f"Greet {name}"\n\n\n'
        '@trace.lm("tiny")\n'
        "async def part(name):\n"
        '    return [trace.user(f"Bye {name}")]\n\n\n'
        'print(greet("Ann"), asyncio.run(part("Bob")))\n'
    )
    result = learned({"greet.system": "You greet."}, "greeter:greet", **{"greet.system": "You are warm."})
    result.export("alone.py")
    with LoopbackServer(["Good day, Ann!", "Bye, Bob!"]) as server:
        said = alone("alone.py", OPENAI_BASE_URL=server.base_url, OPENAI_API_KEY="none")
        first, second = (request.body for request in server.requests)
    assert said == "Good day, Ann! Bye, Bob!\n"
    assert first["messages"] == [
        {"role": "system", "content": "You are warm."},
        {"role": "user", "content": "Greet Ann"},
    ]
    assert (first["model"], first["temperature"]) == ("tiny", 0.5)
    assert second["messages"] == [{"role": "user", "content": "Bye Bob"}]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("found = trace.origin(agent)", r"app.py:\d+ uses trace.origin"),
        ("Trainer(agent, LocalSearch(), len)", r"app.py:\d+ uses Trainer of optimizers"),
        ("from tracelib import *", r"uses \* of tracelib"),
        ("other = trace.lm(response_format=dict)(len)", r"uses response_format= of lm"),
        ("import tracelib as t; t.origin(agent); import os", r"app.py:\d+ uses t.origin"),
    ],
)
def test_a_program_that_needs_more_of_us_is_refused_with_its_lines(app, line, said):
    Path("app.py").write_text(APP.replace("agent = Agent()\n", f"agent = Agent()\n{line}\n"))
    with pytest.raises(OptimizerError, match=said):
        app.export("agent.py")
    assert not Path("agent.py").exists()


def test_statements_of_one_line_are_replaced_one_by_one(app):
    Path("app.py").write_text(
        APP.replace(
            "agent = Agent()\n",
            "import tracelib as t; mark = t.node('é'); from tracelib import user\n"
            "agent = Agent(); print(mark, user(1))\n",
        )
    )
    app.export("agent.py")
    assert alone("agent.py") == "é {'role': 'user', 'content': 1}\n\"GOOD DAY, ANN!!\"\n"


def test_a_file_that_takes_nothing_from_us_only_gets_its_values(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("plain.py").write_text('Parameter = print\nParameter("a", "name")\n')
    learned({"name": "a"}, "plain:f", name="b").export("other.py")
    assert Path("other.py").read_text() == 'Parameter = print\nParameter("b", "name")\n'


# A patch


def git(*arguments):
    ran = subprocess.run(["git", *arguments], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("app.py", lambda text: text),
        ("deep/inside/app.py", lambda text: text),
        ("app.py", lambda text: text.rstrip("\n")),
        ("app.py", lambda text: text.replace("\n", "\r\n")),
        ("app.py", lambda text: text.replace("# The head", "# coding: latin-1").replace("agent that", "é")),
    ],
    ids=["plain", "in a folder", "no end of line", "windows", "latin-1"],
)
def test_a_patch_is_what_git_apply_takes(app, name, change):
    encoding = "latin-1" if "latin" in change(APP) else "utf-8"
    Path("app.py").unlink()
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(change(APP).encode(encoding))
    git("init", "-q", ".")
    app.export("learned.patch", name)
    git("apply", "--check", "learned.patch")
    git("apply", "learned.patch")
    expected = change(APP).encode(encoding)
    end = b"\r\n" if b"\r\n" in expected else b"\n"
    for old, new in (
        (b'"Hi"', b'"Good day"'),
        (b"n(1,", b"n(2,"),
        (b'"""As it is."""', b'"""Louder."""'),
        (b"return text" + end, b"return text.upper()" + end),
    ):
        assert expected.count(old) == 1
        expected = expected.replace(old, new)
    assert Path(name).read_bytes() == expected


def test_there_is_no_patch_of_what_the_source_says_already(app):
    app.export("learned.diff")
    git("apply", "learned.diff")
    with pytest.raises(OptimizerError, match="nothing to patch"):
        app.export("again.patch")
    assert not Path("again.patch").exists()


# What cannot be


@pytest.mark.parametrize(
    ("path", "said"), [("agent.txt", "its suffix is one of .json"), ("agent", "its suffix is one of .json")]
)
def test_a_file_of_another_kind_is_told_so(app, path, said):
    with pytest.raises(OptimizerError, match=said):
        app.export(path)


def test_a_source_that_says_another_thing_is_refused_and_nothing_is_written(app):
    Path("app.py").write_text(APP.replace('"Hi"', '"Hello"'))
    for path in ("agent.py", "learned.patch"):
        with pytest.raises(OptimizerError, match=r"nothing was exported\. greeting: the file changed since"):
            app.export(path)
        assert not Path(path).exists()


def test_a_text_of_nobodys_source_is_only_exported_as_values(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = Result({"text": "b"}, {"text": "a"}, True, (), None, None, Spent())
    result.export("prompt.json")
    with pytest.raises(OptimizerError, match="does not say whose parameters these are"):
        result.export("agent.py")
