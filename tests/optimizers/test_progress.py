"""How a run is watched: on a terminal, in a notebook, in a log."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

from training import TRIPLES, Line, near

from optimizers.budget import Budget
from optimizers.driving.events import RunEnded
from optimizers.progress import Progress, Watch
from optimizers.search import LocalSearch
from optimizers.trainer import Trainer

TRAIN, VALIDATION = TRIPLES[:4], TRIPLES[4:8]


def searched(**choices):
    return Trainer(Line(), LocalSearch(trials=20), near, **choices).fit(TRAIN, VALIDATION)


def test_lines_tell_the_best_score_the_seeds_and_what_is_left_of_the_budget():
    stream = io.StringIO()
    budget = Budget(rollouts=1_000, dollars=2.0, seconds=600)
    searched(callbacks=[Progress(stream)], budget=budget, executor=1)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "training on 4 train, 4 validation; budget: 1000 rollouts, 2 dollars, 600 seconds"
    assert lines[1].startswith("best validation -13.0000, 4 rollouts")
    assert "left: 996 rollouts, $2.0000, 6" in lines[1]
    assert any("best train 0.0000 (seed -5.0000)" in line for line in lines)


def test_without_limits_nothing_is_left_of_them():
    watch, ended = Watch(), []
    searched(callbacks=[watch.hear, lambda event: ended.append(event)], executor=1)
    assert isinstance(ended[-1], RunEnded)
    assert "left" not in str(watch)


def test_a_bar_tells_the_same_in_the_width_of_a_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    stream, watch = io.StringIO(), Watch()
    budget = Budget(rollouts=200, seconds=600, dollars=2.0)
    searched(callbacks=[watch.hear, Progress(stream, bar=True)], budget=budget, executor=1)
    assert watch.brief.startswith("validation -13->0, train -5->0, 80/200 rollouts, $0.00/2, ")
    assert watch.brief.endswith("/600 s")
    assert "/200 rollouts" in stream.getvalue()
    assert "…" not in stream.getvalue()


NOTEBOOK = """
import json, sys
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from training import TRIPLES, Line, near
from optimizers import Budget, LocalSearch, Trainer

class Notebook(InteractiveShell):
    kernel = "a kernel"
    display_pub_class = CapturingDisplayPublisher

shell = InteractiveShell._instance = Notebook()
for child in Notebook._walk_mro():
    child._instance = shell
shell.display_pub = CapturingDisplayPublisher()
trainer = Trainer(Line(), LocalSearch(trials=20), near, Budget(rollouts=500), executor=1)
trainer.fit(TRIPLES[:4], TRIPLES[4:8])
print(json.dumps(shell.display_pub.outputs))
"""


def test_a_notebook_gets_one_line_that_is_written_anew(tmp_path):
    root, here = Path(__file__).parents[2], Path(__file__).parent
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(root), str(here)]),
        "IPYTHONDIR": str(tmp_path),
    }
    ran = subprocess.run(
        [sys.executable, "-c", NOTEBOOK], env=environment, capture_output=True, text=True, check=True
    )
    outputs = json.loads(ran.stdout)
    assert {output["transient"]["display_id"] for output in outputs} == {
        outputs[0]["transient"]["display_id"]
    }
    assert [output["update"] for output in outputs] == [False] + [True] * (len(outputs) - 1)
    first, last = outputs[0]["data"], outputs[-1]["data"]
    assert first["text/plain"] == "training on 4 train, 4 validation; budget: 500 rollouts"
    assert last["text/plain"].startswith("done: best validation 0.0000 (seed -13.0000)")
    assert last["text/html"] == f"<code>{last['text/plain']}</code>"
    assert ran.stderr == ""


def test_nothing_is_shown_and_ipython_is_not_loaded_where_there_is_no_terminal_and_no_notebook():
    code = (
        "import sys; from training import *; from optimizers import LocalSearch, Trainer;"
        "Trainer(Line(), LocalSearch(trials=3), near).fit(TRIPLES[:4], TRIPLES[4:8]);"
        "print('IPython' in sys.modules, 'rich' in sys.modules)"
    )
    root, here = Path(__file__).parents[2], Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(here)])}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert (ran.stdout, ran.stderr) == ("False False\n", "")
