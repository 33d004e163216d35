"""A real Dask cluster on this machine: the same result, and a worker killed in the middle loses nothing."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from training import TRIPLES, Line, near

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


@pytest.fixture(scope="module")
def client(life):
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
    )
    with cluster, distributed.Client(cluster) as client:
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
