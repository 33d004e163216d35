"""`tracelib apply`: what a training wrote, shown against the user's source and put into it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from commands import Command
from programs import environment

PAGE = Path(__file__).parents[2] / "docs" / "training.md"

TRAIN = """\
import tracelib as trace
from optimizers import RandomSearch, Trainer


@trace.model
class Greeter:
    def __init__(self):
        self.greeting = trace.node("Hi", trainable=True)  # how it begins

    def __call__(self, name):
        return self.greeting + ", " + name


if __name__ == "__main__":
    greeter = Greeter()
    search = RandomSearch(greeter.parameters(), trials=9, variants={"greeting": ["Hello", "Good day"]})
    result = Trainer(greeter, search, metric=len).fit([{"inputs": "Ann"}], [{"inputs": "Bob"}])
    result.save("result.json")
    greeter.save("state.json")
"""

CHANGED = [
    '-        self.greeting = trace.node("Hi", trainable=True)  # how it begins',
    '+        self.greeting = trace.node("Good day", trainable=True)  # how it begins',
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where train.py has run; not to be changed."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "train.py").write_text(TRAIN, encoding="utf-8")
    subprocess.run([sys.executable, "train.py"], cwd=folder, env=environment(), check=True)
    return folder


@pytest.fixture
def work(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for file in trained.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path / "train.py"


def test_a_result_is_shown_and_then_written_into_the_program_it_came_from(
    tracelib: Command, work: Path
) -> None:
    shown = tracelib("apply", "result.json")
    assert (shown.code, shown.err) == (0, "")
    lines = shown.out.splitlines()
    assert lines[:2] == ["--- train.py", "+++ train.py"]
    assert [line for line in lines[2:] if line[0] in "-+"] == CHANGED
    assert lines[-1] == "Would change 1 parameter in train.py: add --write to do it."
    assert work.read_text(encoding="utf-8") == TRAIN

    done = tracelib("apply", "result.json", "--write")
    assert done.out.splitlines()[-1] == "Wrote 1 parameter in train.py."
    assert work.read_text(encoding="utf-8") == TRAIN.replace('"Hi"', '"Good day"')
    assert tracelib("apply", "result.json").out == "The source says already what was learned.\n"


def test_the_page_shows_what_the_command_prints(tracelib: Command, work: Path) -> None:
    shown = PAGE.read_text(encoding="utf-8").split("$ tracelib apply result.json\n")[1].split("```")[0]
    assert tracelib("apply", "result.json").out == shown


FUNCTION = """\
import tracelib as trace
from optimizers import RandomSearch, Trainer
from tracelib.testing import ScriptedModel

opening = trace.node("Hi", trainable=True)


@trace.lm(model=ScriptedModel(lambda messages: messages[0]["content"]), trainable="all")
def reply(name):
    '''Be kind.'''
    return name


def answer(name):
    return opening + reply(name)


def trained(program, parameters, **variants):
    search = RandomSearch(parameters, trials=9, variants=variants)
    return Trainer(program, search, metric=len).fit([{"inputs": "Ann"}], [{"inputs": "Bob"}])


if __name__ == "__main__":
    trained(answer, [opening], str=["Good day"]).save("constant.json")
    trained(reply, [reply.system], **{"reply.system": ["Be kind\\nto all."]}).save("docstring.json")
"""


def test_constants_of_the_module_and_docstrings_of_programs_are_found_without_a_class(
    tracelib: Command, work: Path
) -> None:
    work.write_text(FUNCTION, encoding="utf-8")
    subprocess.run([sys.executable, "train.py"], env=environment(), check=True)
    for result in ("constant.json", "docstring.json"):
        done = tracelib("apply", result, "--write")
        assert (done.code, done.err) == (0, "")
    text = FUNCTION.replace('node("Hi"', 'node("Good day"')
    assert work.read_text(encoding="utf-8") == text.replace(
        "'''Be kind.'''", "'''Be kind\n    to all.\n    '''"
    )


def test_a_state_needs_to_be_told_whose_it_is(tracelib: Command, work: Path) -> None:
    lost = tracelib("apply", "state.json")
    assert (lost.code, "name the source file, or app:Agent" in lost.err) == (1, True)
    for where in ("train.py", "train:Greeter"):
        assert CHANGED[1] in tracelib("apply", "state.json", where).out.splitlines()


def test_a_file_that_changed_since_is_refused(tracelib: Command, work: Path) -> None:
    work.write_text(TRAIN.replace('"Hi"', '"Ho"'), encoding="utf-8")
    done = tracelib("apply", "result.json", "--write")
    assert done.code == 1
    assert (
        "nothing was written. greeting: the file changed since: train.py:8 says 'Ho', and it was 'Hi'"
        in done.err
    )
    assert '"Ho"' in work.read_text(encoding="utf-8")


def test_only_the_named_parameters_are_changed(tracelib: Command, work: Path) -> None:
    result = {"format": "tracelib result 1", "seed": {"a": 1, "b": 2}, "best": {"a": 3, "b": 4}}
    Path("result.json").write_text(json.dumps(result), encoding="utf-8")
    Path("m.py").write_text("a = node(1, trainable=True)\nb = node(2, trainable=True)\n", encoding="utf-8")
    assert tracelib("apply", "result.json", "m.py", "--only", "b", "--write").code == 0
    assert (
        Path("m.py").read_text(encoding="utf-8")
        == "a = node(1, trainable=True)\nb = node(4, trainable=True)\n"
    )
    assert "c did not change: there are a, b" in tracelib("apply", "result.json", "m.py", "--only", "c").err


@pytest.mark.parametrize("content", ["{", "[]", '{"format": "tracelib result 1"}', None])
def test_a_file_that_is_no_result_is_an_error_of_one_line(
    tracelib: Command, work: Path, content: Any
) -> None:
    path = Path("other.json")
    if content is not None:
        path.write_text(content, encoding="utf-8")
    done = tracelib("apply", "other.json")
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert done.err.startswith("Error: other.json ")
