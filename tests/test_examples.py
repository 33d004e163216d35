"""Every example runs as its own process, without a key and without a network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def run(example: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI", "TRACELIB"))}
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return subprocess.run(
        [sys.executable, "-W", "error", str(example)],
        cwd=cwd,
        env={**kept, "PYTHONPATH": path},
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


def test_the_greeting_agent_says_that_no_model_is_asked(tmp_path: Path) -> None:
    output = run(ROOT / "examples" / "greeting.py", tmp_path).stdout
    assert output.startswith("No language model is asked")
    assert "scripted" in output.splitlines()[0]
