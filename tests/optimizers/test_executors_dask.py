"""A real Dask cluster on this machine: the same result, and a worker killed in the middle loses nothing."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from databases import postgres as postgres
from training import TRIPLES, Line, near

import tracelib as trace
from optimizers import Remote
from optimizers.search import LocalSearch
from optimizers.trainer import Trainer

distributed = pytest.importorskip("distributed")
TRAIN, VALIDATION = TRIPLES[:4], TRIPLES[4:8]

# What Dask itself leaves behind when its processes end is not ours to judge.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def life(tmp_path_factory):
    """A file that a worker takes away when it dies; every worker, a later one too, knows where it is."""
    place = tmp_path_factory.mktemp("dask") / "life"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACELIB_TEST_LIFE", str(place))
        yield place


@contextmanager
def local_cluster():
    """A client of two processes of this machine."""
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
    )
    with cluster, distributed.Client(cluster) as client:
        yield client


@pytest.fixture(scope="module")
def client(life):
    with local_cluster() as client:
        yield client


def searched(metric=near, **choices):
    return Trainer(Line(), LocalSearch(trials=20), metric, **choices)


def comparable(result):
    told = result.to_json()
    told["spent"].pop("seconds")
    return told


def test_a_dask_cluster_comes_to_the_same_result_as_threads(client):
    result = searched(executor=client.get_executor(pure=False)).fit(TRAIN, VALIDATION)
    assert comparable(result) == comparable(searched().fit(TRAIN, VALIDATION))


def mortal(output, expected):
    """A metric whose worker dies at 17, once: the file is taken away by the one that goes."""
    life = Path(os.environ["TRACELIB_TEST_LIFE"])
    if expected == 17 and life.exists():
        life.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    return near(output, expected)


def test_a_worker_killed_in_the_middle_loses_nothing(client, life):
    life.touch()
    executor = Remote(client.get_executor(pure=False), workers=2)
    result = searched(mortal, executor=executor).fit(TRAIN, VALIDATION)
    assert not life.exists()
    assert comparable(result) == comparable(searched().fit(TRAIN, VALIDATION))


RECORDED = """
import os
from typing import Literal
import tracelib as trace

trace.init(store=os.environ["TRACELIB_TEST_STORE"])
word = trace.node("a", name="word", trainable=True, constraint=Literal["a", "b", "c"])


@trace.bundle
def triage(text):
    return str(word) in text


def score(output, expected):
    return output == expected
"""


@pytest.mark.slow
def test_the_calls_of_all_workers_are_in_one_postgresql(postgres, tmp_path, monkeypatch):
    url = postgres("template0")
    (tmp_path / "recorded_there.py").write_text(RECORDED)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("TRACELIB_TEST_STORE", url)
    there = importlib.import_module("recorded_there")
    try:
        trace.init(store=None)  # here nothing runs
        with local_cluster() as client:
            executor = Remote(client.get_executor(pure=False), workers=2)
            trainer = Trainer(there.triage, LocalSearch([there.word]), there.score, executor=executor)
            result = trainer.fit([("xb", True), ("a", False)], [("b", True)])
            client.run(trace.flush)
        with trace.PostgresStore(url) as store:
            assert len(list(store.calls())) == result.spent.rollouts > 0
    finally:
        trace.init(store=None)
        del sys.modules["recorded_there"]
