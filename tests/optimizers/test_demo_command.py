"""`tracelib demo` as users run it: real processes, on this Python's own standard library."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tracelib.testing import Fails, LoopbackServer

ROOT = Path(__file__).parents[2]
SHORT = ("--trials", "4")
TIMEOUT = 240.0
"""Seconds; far more than a run takes, so that a busy machine fails no test."""


class Place:
    """A working directory, a home and a folder for temporary files, all empty to begin with."""

    def __init__(self, root: Path) -> None:
        self.cwd, self.home, self.tmp = (root / name for name in ("cwd", "home", "tmp"))
        for folder in (self.cwd, self.home, self.tmp):
            folder.mkdir()
        self.out = self.cwd / "tracelib-demo"

    def environment(self, **more: str) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("OPENAI", "TRACELIB"))
        }
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        own = {"HOME": str(self.home), "TMPDIR": str(self.tmp), "PYTHONPATH": path, "COLUMNS": "100"}
        return {**kept, **own, "PYTHONDONTWRITEBYTECODE": "1", **more}

    def command(self, *args: str) -> list[str]:
        return [sys.executable, "-u", "-m", "tracelib", "demo", *args]

    def run(self, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*args),
            cwd=self.cwd,
            env=self.environment(**environment),
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )

    def result(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.out / "result.json").read_text())
        return found

    def files(self) -> set[str]:
        folders = (self.cwd, self.home, self.tmp)
        return {str(file.relative_to(folder.parent)) for folder in folders for file in folder.rglob("*")}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, subprocess.CompletedProcess[str]]:
    """A short run that came to its end; nobody changes its folder."""
    place = Place(tmp_path_factory.mktemp("ended"))
    return place, place.run(*SHORT)


Ended = tuple[Place, subprocess.CompletedProcess[str]]


def test_a_run_ends_well_and_says_what_it_found(ended: Ended) -> None:
    _, done = ended
    assert (done.returncode, done.stderr) == (0, "")
    for said in (
        "before training",
        "after training",
        "difference",
        "stop_words",
        "./tracelib-demo/graph.svg",
    ):
        assert said in done.stdout
    assert "No language model was used" in done.stdout


def test_the_last_two_lines_show_how_to_go_on_with_a_model(ended: Ended) -> None:
    key, command = ended[1].stdout.splitlines()[-2:]
    assert key.strip().startswith("export OPENAI_API_KEY=")
    assert command.strip() == "tracelib demo --model gpt-4o-mini --code"


def test_the_score_on_questions_held_out_rises_beyond_doubt(ended: Ended) -> None:
    found = ended[0].result()
    assert found["questions"] == {"train": 400, "validation": 300, "test": 600}
    assert found["scores"]["gain"]["low"] > 0  # how much is found in four trials is this library's doing
    assert found["scores"]["after"]["mean"] > found["scores"]["before"]["mean"] > 0.2
    assert found["training"]["spent"]["calls"] == 0


def test_without_a_terminal_progress_is_plain_lines(ended: Ended) -> None:
    output = ended[1].stdout
    assert "as it starts: 0." in output
    assert "of 4: 0." in output
    assert "\x1b" not in output
    assert "━" not in output


def test_the_learned_parameters_load_into_a_new_agent(ended: Ended) -> None:
    from optimizers.demo.agent import Librarian
    from optimizers.demo.corpus import read_corpus
    from optimizers.demo.library import Library

    place, _ = ended
    agent = Librarian(Library(read_corpus()))
    agent.load(place.out / "agent.json")
    learned = place.result()["learned"]
    assert learned
    state = agent.state_dict()
    assert {path: state[path] for path in learned} == {path: new["after"] for path, new in learned.items()}


def test_the_picture_shows_every_call_and_parameter_of_a_question(ended: Ended) -> None:
    picture = (ended[0].out / "graph.svg").read_text()
    assert "<svg" in picture
    for name in ("tokenize", "leave_out", "weigh", "best", "saturation", "weights.name", "question"):
        assert name in picture


def test_nothing_is_written_outside_the_output_folder(ended: Ended) -> None:
    names = ("journal.jsonl", "result.json", "agent.json", "graph.svg")
    assert ended[0].files() == {"cwd/tracelib-demo", *(f"cwd/tracelib-demo/{name}" for name in names)}


def test_an_interrupted_run_says_how_to_resume_and_then_ends_as_if_never_interrupted(
    ended: Ended, place: Place
) -> None:
    process = subprocess.Popen(
        place.command(*SHORT),
        cwd=place.cwd,
        env=place.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("  candidate"):
            break
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, errors) == (130, "")
    assert output.splitlines()[-1].strip() == "tracelib demo --trials 4 --resume"
    assert [file.name for file in place.out.iterdir()] == ["journal.jsonl"]

    resumed = place.run(*SHORT, "--resume")
    assert resumed.returncode == 0
    assert "going on from" in resumed.stdout
    whole, found = ended[0].result(), place.result()
    for part in ("scores", "learned", "sample"):
        assert found[part] == whole[part]
    assert found["training"]["history"] == whole["training"]["history"]
    assert found["training"]["spent"]["rollouts"] == whole["training"]["spent"]["rollouts"]


def test_a_journal_of_other_settings_is_not_resumed(place: Place) -> None:
    process = subprocess.Popen(
        place.command(*SHORT), cwd=place.cwd, env=place.environment(), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    next(line for line in process.stdout if line.startswith("  as it starts"))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=TIMEOUT)
    done = place.run(*SHORT, "--seed", "1", "--resume")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "belongs to another run" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--trials", "0"), "--trials"),
        (("--trials", "many"), "--trials"),
        (("--seed", "1.5"), "--seed"),
        (("--calls", "3"), "--calls is used only with --model"),
        (("--model", "m", "--trials", "3"), "--trials is used only without --model"),
        (("--code",), "--code is used only with --model"),
        (("--frobnicate",), "--frobnicate"),
        (("again",), "again"),
    ],
)
def test_wrong_arguments_are_usage_errors_and_write_nothing(
    place: Place, args: tuple[str, ...], said: str
) -> None:
    done = place.run(*args)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "tracelib demo --help" in done.stderr
    assert place.files() == set()


def test_help_has_an_example_of_each_way_to_run_it(place: Place) -> None:
    done = place.run("--help")
    assert done.returncode == 0
    assert "  tracelib demo --trials 20" in done.stdout
    assert "--model gpt-4o-mini" in done.stdout


def test_a_folder_that_cannot_be_written_is_an_error_before_the_work_starts(place: Place) -> None:
    (place.cwd / "taken").write_text("mine")
    done = place.run("--out", "taken")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: taken is a file")
    assert place.files() == {"cwd/taken"}


def test_resuming_nothing_is_an_error_and_makes_no_folder(place: Place) -> None:
    done = place.run("--resume")
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing to resume" in done.stderr
    assert place.files() == set()


def test_a_model_without_a_key_or_address_is_an_error_before_the_work_starts(place: Place) -> None:
    done = place.run("--model", "gpt-4o-mini")
    assert (done.returncode, done.stdout) == (1, "")
    assert "OPENAI_API_KEY" in done.stderr
    assert "OPENAI_BASE_URL" in done.stderr
    assert place.files() == set()


def test_on_a_terminal_progress_is_a_bar(place: Place) -> None:
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        place.command("--trials", "1"),
        cwd=place.cwd,
        env=place.environment(TERM="xterm-256color"),
        stdout=terminal,
        stderr=terminal,
        close_fds=True,
    )
    os.close(terminal)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", b"".join(read_all(controller)).decode())
    assert process.wait(timeout=TIMEOUT) == 0
    assert "━" in shown
    assert "1/1 candidates" in shown
    assert "as it starts" not in shown


def read_all(descriptor: int) -> Iterator[bytes]:
    """What a terminal shows until its last process ends; Linux says so by an error."""
    try:
        while chunk := os.read(descriptor, 65536):
            yield chunk
    except OSError:
        pass
    finally:
        os.close(descriptor)


VALUES = {
    "reasoning": "Counts should saturate and be per length, and names tell more than prose.",
    "suggestion": {"saturation": 0.4, "length_correction": 0.6, "weights.names": 5.0},
}
CODE = {
    "reasoning": "Counting each module's matches once is enough.",
    "suggestion": {
        "weigh": "def weigh(self, telling, question, weights, saturation, length_correction):\n"
        "    scores = dict.fromkeys(self.library.names, 0.0)\n"
        "    for word in telling:\n"
        "        rarity = self.library.rarity(word)\n"
        "        for place in self.library.places(word, question.number):\n"
        "            if any(place[1:]):\n"
        "                scores[self.library.names[place[0]]] += rarity\n"
        "    return scores\n"
    },
}


def address(server: LoopbackServer) -> dict[str, str]:
    return {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "none"}


def test_a_model_proposes_values_and_no_code_without_permission(place: Place) -> None:
    with LoopbackServer(otherwise=json.dumps(VALUES)) as server:
        done = place.run("--model", "loopback", "--calls", "2", **address(server))
        asked = [request.body for request in server.requests]
    assert (done.returncode, done.stderr) == (0, "")
    assert 1 <= len(asked) <= 2
    assert asked[0]["model"] == "loopback"
    assert "The ranking code stays as it is" in done.stdout
    assert "loopback was asked" in done.stdout
    assert "No language model was used" not in done.stdout
    found = place.result()
    assert {path: new["after"] for path, new in found["learned"].items()} == VALUES["suggestion"]
    assert found["scores"]["gain"]["low"] > 0.05
    assert found["training"]["spent"]["calls"] == len(asked)
    assert "weigh" not in found["training"]["seed"]


def test_a_model_rewrites_the_ranking_code_when_the_user_wants_it(place: Place) -> None:
    with LoopbackServer(otherwise=json.dumps(CODE)) as server:
        done = place.run("--model", "loopback", "--calls", "1", "--code", **address(server))
        prompt = json.dumps(server.requests[0].body["messages"])
    assert (done.returncode, done.stderr) == (0, "")
    assert "def weigh" in prompt
    learned = place.result()["learned"]
    assert learned["weigh"]["after"].startswith("def weigh(self, telling, question")
    assert place.result()["scores"]["gain"]["low"] > 0.05


def test_a_model_that_fails_ends_the_run_with_one_line_and_the_way_to_go_on(place: Place) -> None:
    with LoopbackServer([Fails(401, code="invalid_api_key", message="no such key")]) as server:
        done = place.run("--model", "loopback", "--calls", "2", **address(server))
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stdout
    assert done.stdout.splitlines()[-1].strip() == "tracelib demo --model loopback --calls 2 --resume"
    with LoopbackServer(otherwise=json.dumps(VALUES)) as server:
        resumed = place.run("--model", "loopback", "--calls", "2", "--resume", **address(server))
    assert resumed.returncode == 0
    assert "going on from" in resumed.stdout
