"""A run that is asked to end: a real process, a real signal."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from training import TRIPLES, Line, near

from optimizers.driving.signals import Terminated
from optimizers.search import LocalSearch
from optimizers.trainer import Trainer

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send")

TRAIN, VALIDATION = TRIPLES[:4], TRIPLES[4:8]

PROGRAM = """
import asyncio, sys
from training import TRIPLES, AsyncLine, Line, awaited_near, near
from optimizers import LocalSearch, Trainer

done = []

def slow(output, expected):
    done.append(output)
    if len(done) == 20 and sys.argv[2] != "resume":
        print("under way", flush=True)
        sys.stdin.readline()
    return near(output, expected)

async def awaited(output, expected):
    return slow(output, expected)

asynchronous = sys.argv[1] == "async"
program, metric = (AsyncLine(), awaited) if asynchronous else (Line(), slow)
trainer = Trainer(program, LocalSearch(trials=20), metric, executor=2)
given = TRIPLES[:4], TRIPLES[4:8], None, "run.jsonl"
result = asyncio.run(trainer.afit(*given)) if asynchronous else trainer.fit(*given)
print("ran", len(done), result.spent.rollouts, result.best)
"""


def started(tmp_path, *arguments):
    """A process that trains in the folder, and the line that it says when it is under way."""
    (tmp_path / "program.py").write_text(PROGRAM)
    root, here = Path(__file__).parents[2], Path(__file__).parent
    return subprocess.Popen(
        [sys.executable, "program.py", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(here)])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("kind", "sent"), [("sync", signal.SIGTERM), ("async", signal.SIGTERM), ("sync", signal.SIGINT)]
)
def test_a_process_that_is_asked_to_end_keeps_what_had_ended_and_says_how_to_go_on(tmp_path, kind, sent):
    with started(tmp_path, kind, "first") as process:
        assert process.stdout.readline() == "under way\n"
        process.send_signal(sent)
        _, said = process.communicate()
    assert process.returncode != 0
    assert "the same call with resume='run.jsonl' goes on from there" in said
    assert ("Terminated: SIGTERM" in said) == (sent == signal.SIGTERM)
    kept = len((tmp_path / "run.jsonl").read_text().splitlines()) - 1
    assert kept > 10
    with started(tmp_path, kind, "resume") as process:
        told, _ = process.communicate()
    ran, spent = map(int, told.split()[1:3])
    assert (process.returncode, ran) == (0, spent - kept)
    assert told.endswith("{'slope': 3, 'offset': 2}\n")


@pytest.fixture
def untouched():
    """SIGTERM as a process has it that did nothing about it."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


def fitting(metric, **choices):
    return Trainer(Line(), LocalSearch(trials=5), metric, **choices).fit(TRAIN, VALIDATION)


def test_sigterm_ends_a_run_like_ctrl_c_and_the_handler_is_as_it_was(untouched):
    def metric(output, expected):
        os.kill(os.getpid(), signal.SIGTERM)
        return near(output, expected)

    with pytest.raises(Terminated) as caught:
        fitting(metric)
    assert isinstance(caught.value, KeyboardInterrupt)
    assert "Nothing of this run was kept" in caught.value.__notes__[0]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_sigterm_ends_an_async_run_and_the_handler_is_as_it_was(untouched):
    async def metric(output, expected):
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0)
        return near(output, expected)

    with pytest.raises(Terminated) as caught:
        asyncio.run(Trainer(Line(), LocalSearch(trials=5), metric).afit(TRAIN, VALIDATION))
    assert "Nothing of this run was kept" in caught.value.__notes__[0]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_run_that_ends_leaves_the_handler_as_it_was(untouched):
    seen = []
    fitting(lambda out, want: near(out, want), callbacks=[lambda event: seen.append(_now())])
    assert signal.SIG_DFL not in seen
    assert _now() == signal.SIG_DFL


def _now():
    return signal.getsignal(signal.SIGTERM)


def test_a_handler_of_the_users_own_does_as_it_does(untouched):
    heard = []
    own = lambda number, frame: heard.append(number)  # noqa: E731
    signal.signal(signal.SIGTERM, own)

    def metric(output, expected):
        if not heard:
            os.kill(os.getpid(), signal.SIGTERM)
        return near(output, expected)

    assert fitting(metric, executor=1).improved
    assert heard == [signal.SIGTERM]
    assert _now() is own


def test_a_run_in_another_thread_sets_no_handler(untouched):
    seen = []
    work = lambda: fitting(near, callbacks=[lambda event: seen.append(_now())])  # noqa: E731
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert set(seen) == {signal.SIG_DFL}
