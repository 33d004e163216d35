"""Every example runs as its own process, offline: from its script, or asking a server on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tracelib.testing import LoopbackServer

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
NAMED = {path.stem: path for path in EXAMPLES}


def run(example: Path, cwd: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI", "TRACELIB"))}
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return subprocess.run(
        [sys.executable, "-W", "error", str(example), *arguments],
        cwd=cwd,
        env={**kept, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_each_example_runs_offline_and_writes_nothing(example: Path, tmp_path: Path) -> None:
    done = run(example, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_greeting_agent_fails_first_and_learns(tmp_path: Path) -> None:
    output = run(ROOT / "examples" / "greeting.py", tmp_path).stdout
    wrong, error, learned = (
        output.index("Hola, soy Juan. -> Hola, The name is Juan.!   Incorrect"),
        output.index("# <-- KeyError: 'Spanish'"),
        output.index("Hello, I am Ann. -> Hello, Ann!   Correct"),
    )
    assert wrong < error < learned
    assert output.index("instruct2:") < output.index("decide_lang:")
    assert output.rstrip().endswith("Both customers are greeted as they should be.")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_each_example_says_that_no_model_is_asked(example: Path, tmp_path: Path) -> None:
    first = run(example, tmp_path).stdout.splitlines()[0]
    assert first.startswith("No language model is asked")
    assert "scripted" in first


TOLD = {
    "story": [
        "This is the story of the keeper who never slept.",
        "The model was asked by find_ideas, write_draft, write_draft, write_draft, choose_best.",
    ],
    "chat": ["You have not told me your name.", "(the program ends, and begins again)", "Your name is Ann."],
    "reasoning": [
        "2: There are 3 + 4 = 7 pencils.",
        "Answer: 7",
        "asked by think, conclude, conclude, conclude.",
    ],
    "retrieval": ["When it rains, once in three days is enough. [1]", "[1] garden.md: The tomatoes", "[2] "],
    "tools": [
        'calls later({"day": "1 March 2024", "days": 100})',
        "day: Input should be a valid date",
        'tool: "2024-06-09"',
        "assistant: It is a Sunday.",
    ],
    "extraction": ["1 x pen", "15.75", "went back with", "the items come to 13.50 and the total is 15.75"],
    "classification": ["invoice   I was charged twice", "(it is delivery)", "4 of 5 were sorted"],
    "classifier_prompt": [
        "for train 83% are right",
        "for validation 67% are right",
        "for train 100% are right",
        "for validation 100% are right",
        "improved; 2 candidates tried",
        "The prompt is now: You sort letters to a shop. Look for what went wrong first",
    ],
    "two_steps": [
        "instruction is rewritten: how many are ordered was lost",
        "for validation 1 of 3 come out right",
        "total is rewritten: small orders pay for their delivery",
        "for validation 3 of 3 come out right",
        "+    return goods + (3 if goods < 20 else 0)",
        "The till says 21.5",
    ],
    "two_objectives": [
        "what rewritten: some answers lack the figure",
        "* right 100%  words 21.0",
        "words  1.0",
        "Answer in one word.",
        "improved; ",
    ],
    "search_config": [
        "tried    0.83",
        "the least it may be is 0",
        "winner   1.00",
        "little words say nothing",
        "2 proposals, 3 model calls",
    ],
}
"""What each example tells, in order."""


@pytest.mark.parametrize("name", TOLD)
def test_an_example_tells_its_story(name: str, tmp_path: Path) -> None:
    rest = run(NAMED[name], tmp_path).stdout
    for words in TOLD[name]:
        assert words in rest
        rest = rest[rest.index(words) + len(words) :]


@pytest.mark.parametrize("name", TOLD)
def test_an_example_asks_a_real_model_by_the_environment(name: str, tmp_path: Path) -> None:
    with LoopbackServer() as server:
        done = run(NAMED[name], tmp_path, TRACELIB_MODEL="tiny", OPENAI_BASE_URL=server.base_url)
    assert (done.returncode, done.stderr) == (0, "")
    assert {request.body["model"] for request in server.requests} == {"tiny"}
    assert "scripted" not in done.stdout


TRAINED = ["classifier_prompt", "two_steps", "two_objectives", "search_config"]


@pytest.mark.parametrize("name", TRAINED)
def test_an_example_that_learns_asks_the_model_that_is_named(name: str, tmp_path: Path) -> None:
    with LoopbackServer() as server:
        done = run(NAMED[name], tmp_path, "--model", "tiny", OPENAI_BASE_URL=server.base_url)
    assert (done.returncode, done.stderr) == (0, "")
    assert {request.body["model"] for request in server.requests} == {"tiny"}
    assert "scripted" not in done.stdout
    assert "nothing beat the seed" in done.stdout


def test_the_chat_goes_on_with_what_its_file_holds(tmp_path: Path) -> None:
    for text in ("My name is Eva.", "What is my name?"):
        done = run(NAMED["chat"], tmp_path, "history.json", text)
    assert "Your name is Eva." in done.stdout
    (file,) = tmp_path.iterdir()
    assert [message["role"] for message in json.loads(file.read_text())] == ["user", "assistant"] * 2


def test_the_retrieval_reads_the_folder_that_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "cats.md").write_text("# Cats\n\nThe cat is fed at noon.\n\nThe dog has its own dish.\n")
    output = run(NAMED["retrieval"], tmp_path, "When is the cat fed?", ".").stdout
    assert "The cat is fed at noon. [1]" in output
    assert "[2] cats.md: The dog" in output
