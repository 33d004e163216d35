"""Where rollouts run makes no difference; what goes to another process is a text."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from pathlib import Path

import pytest
from landscape import SEED, height
from training import TRIPLES, Line, loud, near, shout

from optimizers import Processes, Remote, optimize
from optimizers.driver import Driver
from optimizers.driving.outcome import Splits
from optimizers.effects import Evaluate
from optimizers.evaluating.dataset import Example
from optimizers.evaluating.evaluation import ProgramEvaluator, opened
from optimizers.evaluating.subject import Subject
from optimizers.search import LocalSearch, RandomSearch
from optimizers.trainer import Trainer
from tracelib.errors import OptimizerError
from tracelib.graph.node import node
from tracelib.sandbox.confine import confine

TRAIN, VALIDATION = TRIPLES[:4], TRIPLES[4:8]


class Carrier(Executor):
    """Runs at once, here, what it is given, and keeps what went there and what came back."""

    in_process = False

    def __init__(self, change=lambda text: text):
        self.sent, self.came, self.change = [], [], change

    def submit(self, fn, /, *args, **kwargs):
        done = Future()
        self.sent.append((fn, args, kwargs))
        done.set_result(fn(*map(self.change, args), **kwargs))
        self.came.append(done.result())
        return done


def searched(program=None, metric=near, **choices):
    return Trainer(program or Line(), LocalSearch(trials=20), metric, **choices)


def comparable(result):
    told = result.to_json()
    told["spent"].pop("seconds")
    return told


# What goes there


def test_what_goes_to_another_process_and_comes_back_is_json_and_names():
    carrier = Carrier()
    result = searched(executor=carrier).fit(TRAIN, VALIDATION)
    assert comparable(result) == comparable(searched().fit(TRAIN, VALIDATION))
    functions = {(fn.__module__, fn.__qualname__) for fn, _, _ in carrier.sent}
    assert functions == {("optimizers.driving.parcels", "run_parcel")}
    assert all(type(arg) is str and not kwargs for _, args, kwargs in carrier.sent for arg in args)
    assert all(type(answer) is str for answer in carrier.came)
    content = json.loads(carrier.sent[0][1][0])["content"]
    assert content["program"]["at"] == "training:Line"
    assert content["metric"]["at"] == "training:near"
    assert content["metric"]["version"].startswith("v1:")
    assert content["trained"] == {"slope": "slope", "offset": "offset"}
    assert content["others"] == {"label": "line"}
    assert set(next(iter(content["examples"].values()))) == {
        "args",
        "kwargs",
        "expected",
        "answers",
    }


def test_values_that_are_not_trained_go_along():
    line = Line()
    line.offset.update(2)
    search = RandomSearch([line.slope], trials=20)
    result = Trainer(line, search, near, executor=Carrier()).fit(TRAIN, VALIDATION)
    assert (result.best, result.validation.after.mean) == ({"slope": 3}, 0.0)


def test_a_program_at_the_top_of_a_module_is_found_by_its_name_and_its_code_is_tried():
    carrier = Carrier()
    variants = {"shout": ["def shout(text):\n    return text.upper()"]}
    result = Trainer(shout, RandomSearch(trials=1, variants=variants), loud, executor=carrier).fit(
        [("a", "A")]
    )
    assert result.improved
    result.undo()
    assert json.loads(carrier.sent[0][1][0])["content"]["program"]["at"] == "training:shout"


def test_a_method_of_an_object_at_the_top_of_a_module_is_found_by_its_name():
    carrier = Carrier()
    search = RandomSearch(importlib.import_module("training").LINE.parameters(), trials=3)
    program = importlib.import_module("training").LINE.scaled
    Trainer(program, search, near, executor=carrier).fit(TRAIN).undo()
    assert json.loads(carrier.sent[0][1][0])["content"]["program"]["at"] == "training:LINE.scaled"


def test_a_parameter_at_the_top_of_a_module_is_found_by_its_name():
    there = importlib.import_module("training")
    search = RandomSearch([there.FACTOR], trials=5, variants={there.FACTOR: range(5)})
    result = Trainer(there.multiplied, search, near, executor=Carrier()).fit([(2, 8)])
    assert result.best == {"factor": 4}
    result.undo()


def test_a_text_and_a_config_go_there_too():
    result = optimize({"long": True}, ["abc"], there_long, executor=Carrier())
    assert result.best == {"long": False}


def there_long(config, example):
    return float(not config["long"]) + (example != "abc")


def test_failures_and_remarks_come_back():
    result = searched(metric=fragile, executor=Carrier()).fit(TRAIN, VALIDATION)
    assert (result.validation.failed_before, result.validation.before.n) == (1, 3)


def fragile(output, expected):
    if expected == 17:
        raise LookupError("not this one")
    return {"score": near(output, expected), "feedback": "so so"}


# What cannot go there


@pytest.mark.parametrize(
    ("program", "metric", "train", "said"),
    [
        (lambda x: x, near, TRAIN, r"the program cannot be found by another process.*recipe\(\)"),
        (Line(), lambda out, want: 0.0, TRAIN, "the metric cannot be found by another process"),
        (Line(), near, [((1, 2), 3)], r"train\[0\] has a tuple among its args, \(1, 2\), which JSON"),
        (Line(), near, [Example(x={1: 2}, expected=3)], r"train\[0\] has a int among its kwargs, 1, which"),
        (Line(), near, [(1, {"a": [b"x"]})], r"train\[0\] has a bytes among its expected, b'x', which"),
        (Line(), near, [(1, float("nan"))], r"train\[0\] has a float among its expected, nan, which"),
    ],
)
def test_what_another_process_could_not_find_or_hold_is_told_with_the_ways_out(program, metric, train, said):
    search = LocalSearch(Line().parameters() if not isinstance(program, Line) else None, trials=5)
    with pytest.raises(OptimizerError, match=said):
        Trainer(program, search, metric, executor=Carrier()).fit(train)


def test_a_parameter_that_no_name_leads_to_is_named():
    factor = node(1, name="factor", trainable=True)
    search = RandomSearch([factor], trials=5, variants={factor: range(5)})
    with pytest.raises(OptimizerError, match="factor is not part of the program"):
        Trainer(near, search, near, executor=Carrier()).fit([(2, 8)])


def test_a_worker_with_other_code_refuses_with_both_hashes(tmp_path, monkeypatch):
    place = tmp_path / "judging_here.py"
    place.write_text("def judge(output, expected):\n    return -abs(output - expected)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    judge = importlib.import_module("judging_here").judge
    place.write_text("def judge(output, expected):\n    return -abs(output - expected) / 2\n")
    with pytest.raises(OptimizerError, match=r"other code of judging_here:judge: v1:.* there, v1:.* here"):
        searched(metric=judge, executor=Processes(1)).fit(TRAIN)
    del sys.modules["judging_here"]


def test_a_worker_that_lacks_the_module_says_so():
    carrier = Carrier(lambda text: text.replace("training:near", "nowhere:near"))
    with pytest.raises(OptimizerError, match=r"a worker cannot find nowhere:near .No module named"):
        searched(executor=carrier).fit(TRAIN)


def test_what_the_executor_itself_raises_is_told():
    class Broken(Carrier):
        def submit(self, fn, /, *args, **kwargs):
            raise RuntimeError("no scheduler")

    with pytest.raises(OptimizerError, match="the executor gave RuntimeError: no scheduler"):
        searched(executor=Broken()).fit(TRAIN)


# Processes


def test_processes_of_our_own_come_to_the_same_result_and_end_with_the_run():
    processes = Processes(2)
    expected = comparable(searched().fit(TRAIN, VALIDATION))
    assert comparable(searched(executor=processes).fit(TRAIN, VALIDATION)) == expected
    assert processes._pool is None


SCRIPT = """
import sys
from training import TRIPLES, Line, near
from optimizers import LocalSearch, Processes, Trainer

line = Line()


def scored(output, expected):
    return near(output, expected)


if __name__ == "__main__":
    trainer = Trainer(line, LocalSearch(trials=20), scored, executor=Processes(1))
    print(trainer.fit(TRIPLES[:4], TRIPLES[4:8]).best)
"""


def started(place, *arguments):
    root, here = Path(__file__).parents[2], Path(__file__).parent
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=place,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(here)])},
        capture_output=True,
        text=True,
    )


def test_a_script_that_was_started_is_found_by_its_own_processes(tmp_path):
    (tmp_path / "started_here.py").write_text(SCRIPT)
    ran = started(tmp_path, "started_here.py")
    assert (ran.stdout, ran.stderr) == ("{'slope': 3, 'offset': 2}\n", "")


def test_what_was_defined_at_a_prompt_is_told_so(tmp_path):
    ran = started(tmp_path, "-c", SCRIPT)
    said = "the program line was defined in a notebook or at a prompt, where another process cannot find it"
    assert said in ran.stderr


def mortal(output, expected):
    """A metric whose process dies at 17, as often as there are files to take away."""
    lives = sorted(Path(os.environ["TRACELIB_TEST_LIVES"]).iterdir()) if expected == 17 else []
    if lives:
        lives[0].unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    return near(output, expected)


@pytest.fixture
def lives(tmp_path, monkeypatch):
    place = tmp_path / "lives"
    place.mkdir()
    monkeypatch.setenv("TRACELIB_TEST_LIVES", str(place))
    return place


def test_a_worker_that_dies_loses_nothing_where_the_processes_are_ours(lives):
    (lives / "1").touch()
    result = searched(metric=mortal, executor=Processes(1)).fit(TRAIN, VALIDATION)
    assert comparable(result) == comparable(searched().fit(TRAIN, VALIDATION))


def test_processes_that_die_again_end_the_run_and_what_had_ended_is_kept(lives, tmp_path):
    for name in "12":
        (lives / name).touch()
    kept = tmp_path / "run.jsonl"
    with pytest.raises(OptimizerError, match=r"a worker process died .* what had ended is kept") as caught:
        searched(metric=mortal, executor=Processes(1)).fit(TRAIN, VALIDATION, resume=kept)
    assert "goes on from there" in caught.value.__notes__[0]
    before = len(kept.read_text().splitlines())
    result = searched(metric=mortal, executor=Carrier()).fit(TRAIN, VALIDATION, resume=kept)
    assert before > 1
    assert comparable(result)["best"] == {"slope": 3, "offset": 2}


def test_a_pool_of_the_users_own_that_loses_a_worker_ends_the_run_and_is_not_replaced(lives):
    (lives / "1").touch()
    with ProcessPoolExecutor(1) as pool, pytest.raises(OptimizerError, match="a worker process died"):
        searched(metric=mortal, executor=pool).fit(TRAIN, VALIDATION)


def test_as_many_parcels_are_under_way_as_an_executor_has_workers():
    threads = []

    class Slow(Carrier):
        def submit(self, fn, /, *args, **kwargs):
            threads.append(len(self.sent) - len(self.came))
            return super().submit(fn, *args, **kwargs)

    def strategy(seed, train, validation, rng):
        yield Evaluate(seed, "train", tuple(range(train)))
        return seed

    outcome = Driver(height, executor=Remote(Slow(), workers=1)).run(strategy, SEED, Splits(6))
    assert len(outcome.rollouts(SEED, "train")) == 6
    assert max(threads) == 0


def test_code_that_was_learned_before_is_confined_in_the_other_process_too():
    source = "def shout(text):\n    return text.upper()"
    parameter = shout.parameter
    confine(parameter, source, "process")
    parameter.update(source, "a model wrote it", "test")
    try:
        own = Subject(shout.named_parameters(), None)  # as a search has it, whose variants are the user's
        evaluate = ProgramEvaluator(shout, loud, {"train": (Example("a", expected="A"),)}, own)
        content = evaluate.packed([])
        parameter._code._confined.clear()  # as in a process that has just begun
        parameter._code._functions.pop(source)
        opened(json.loads(json.dumps(content)))
        assert parameter._code.confines(source)
    finally:
        parameter.restore(parameter.original, "the test is over", "test")
