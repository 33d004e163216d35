"""Defects seen elsewhere in training and prompts, each as what a user would see."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import tracelib as trace
from optimizers import OptoPrime
from tracelib.testing import ScriptedModel

SCRIPT = """
from typing import Literal
import tracelib as trace
from optimizers import LocalSearch, Trainer

mark = trace.node(".", name="mark", trainable=True, constraint=Literal[".", "!"])
shout = trace.bundle(lambda word: word + mark.data)
trainer = Trainer(shout, LocalSearch([mark]), lambda got, wanted: got == wanted)
result = trainer.fit([("a", "a!"), ("b", "b!")])
print(result.best, mark.data)
"""


def test_training_with_defaults_needs_nothing_that_is_not_installed(tmp_path: Path) -> None:
    """20: the default algorithm lived outside the package, so a user's first call failed."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["{'mark':", "'!'}", "!"]
    assert list(tmp_path.iterdir()) == []


def test_a_prompt_about_many_operations_on_a_long_constant_stays_short() -> None:
    """28: 200 operations with one constant of 100 kB made a prompt of 108,000 characters."""
    prompt = trace.node("Summarize.", name="prompt", trainable=True)
    text = "word " * 20_000

    @trace.bundle
    def step(so_far, document):
        return so_far + "."

    output = prompt
    for _ in range(200):
        output = step(output, text)
    model = ScriptedModel([json.dumps({"reasoning": "", "suggestion": {"prompt": "Be brief."}})])
    optimizer = OptoPrime([prompt], llm=model)
    optimizer.backward(output, "too long")
    optimizer.step()
    [asked] = model.questions
    assert sum(len(message["content"]) for message in asked) < 20_000
    assert prompt.data == "Be brief."
