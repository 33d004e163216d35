"""Nothing acknowledged is lost or doubled when processes are killed: at any write point, at any moment.

This file is also the program that is killed: a process that has everything loaded forks one child for each
scenario, so that a death costs milliseconds and not the start of an interpreter.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

import tracelib as trace
from tracelib.store import schema
from tracelib.store.draining import background
from tracelib.store.draining.drainer import WHERE, held
from tracelib.store.journal import failpoints
from tracelib.store.journal.journal import RECORD_POINTS
from tracelib.store.journal.mapped import FILE_POINTS
from tracelib.store.journal.running import SLOT_POINTS
from tracelib.store.store import Store, open_store

ROOT = Path(__file__).parents[2]
BULK = "Ünïcode " * 7_000
"""More than is kept in a row; forty calls with it fill a segment."""

DRAIN_POINTS = ("drain written", "drain moved", "drain committed", "drain removed", "drain interrupted")
JOURNAL_DEATHS = [
    *((point, count) for point in RECORD_POINTS for count in (1, 2, 40)),
    *((point, count) for point in FILE_POINTS[:-2] for count in (1, 2, 3)),
    *((point, count) for point in FILE_POINTS[-2:] for count in (1, 2)),
    *((point, count) for point in SLOT_POINTS for count in (1, 30)),
]
DRAIN_DEATHS = [(point, count) for point in DRAIN_POINTS for count in (1, 2)]


# ---- the program


@trace.bundle
def double(x: int) -> int:
    return 2 * x


@trace.bundle
def echo(text: str, number: int) -> list[Any]:
    return [text, number]


@trace.bundle
def dying(x: int) -> int:
    double(x)
    os.kill(os.getpid(), signal.SIGKILL)
    return x


class Acknowledged:
    """Ids and numbers of the calls that returned, in a file that outlives this process."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def add(self, made: Any, number: int) -> None:
        os.write(self._file, f"{made.call.id} {number}\n".encode())


def recording(where: str, journal: str, acks: str) -> None:
    """Small calls, and big ones that fill a segment; drained while one is open, and when all are closed."""
    os.makedirs(journal, exist_ok=True)
    assert held(journal)  # no process in the background does the draining
    acknowledged = Acknowledged(acks)
    store = trace.init(store=open_store(where, journal=Path(journal)))
    for number in range(50):
        acknowledged.add(double(number), number)
    for number in range(50, 90):
        acknowledged.add(echo(BULK + str(number), number), number)
    trace.flush()
    for number in range(90, 95):
        acknowledged.add(double(number), number)
    trace.flush()
    trace.init(store=None)
    store.flush()


def interrupted(where: str, journal: str, acks: str) -> None:
    """Dies in the middle of a call, after one within it has returned."""
    trace.init(store=open_store(where, journal=Path(journal)))
    Acknowledged(acks).add(double(0), 0)
    dying(1)


def endless(where: str, journal: str, acks: str) -> None:
    """Two threads record until they are killed, and drain now and then."""
    acknowledged = Acknowledged(acks)
    trace.init(store=open_store(where, journal=Path(journal)))

    def work(first: int) -> None:
        number = first
        while True:
            acknowledged.add(echo(BULK, number) if number % 50 == 0 else double(number), number)
            number += 2
            if number % 200 == 0:
                trace.flush()

    threading.Thread(target=work, args=(1,), daemon=True).start()
    work(0)


def draining(where: str, journal: str, acks: str) -> None:
    """What the process in the background does."""
    os.environ[WHERE] = where
    store = open_store(where, journal=Path(journal))
    background.work(store)


def further(where: str, journal: str, acks: str) -> None:
    """Recording goes on."""
    acknowledged = Acknowledged(acks)
    with open_store(where, journal=Path(journal)):
        for number in range(1000, 1003):
            acknowledged.add(double(number), number)


def _serve() -> None:
    """Forks a child for each line: a program, a failpoint and the program's arguments; tells how it ended."""
    for line in sys.stdin:
        program, failpoint, *arguments = json.loads(line)
        child = os.fork()
        if not child:
            _live(globals()[program], failpoint, arguments)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _live(program: Callable[..., None], failpoint: str, arguments: list[str]) -> None:
    code = 1
    try:
        warnings.simplefilter("error")
        failpoints._RULES.update(failpoints.rules(failpoint))
        program(*arguments)
        trace.init(store=None)
        code = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)


# ---- the tests


class Nursery:
    """Runs the programs above, each in a process of its own."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), failpoints.VARIABLE: "none:1"}
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def begin(self, program: str, *arguments: object, failpoint: str = "") -> int:
        """The process id of a child that has begun."""
        assert self._process.stdin is not None
        print(json.dumps([program, failpoint, *map(str, arguments)]), file=self._process.stdin, flush=True)
        return self._answer()

    def ended(self) -> int:
        """How the child that was begun last has ended."""
        return self._answer()

    def run(self, program: str, *arguments: object, failpoint: str = "") -> int:
        self.begin(program, *arguments, failpoint=failpoint)
        return self.ended()

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def _answer(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    made = Nursery()
    yield made
    made.close()


class Site:
    """A store that programs write to, and what they say was acknowledged to them."""

    def __init__(self, where: str, folder: Path) -> None:
        self.where = where
        self.journal = folder / "journal"
        self.acks = folder / "acks"

    @property
    def arguments(self) -> tuple[object, ...]:
        return self.where, self.journal, self.acks

    def open(self) -> Store:
        return open_store(self.where, journal=self.journal)

    def acknowledged(self) -> dict[str, int]:
        lines = self.acks.read_text().splitlines() if self.acks.exists() else []
        return {id: int(number) for id, number in (line.split() for line in lines)}

    def check(self, unacknowledged: int = 1) -> list[Any]:
        """All that was acknowledged is there with its values, once; gives the calls that were not."""
        store = self.open()
        calls = store.calls(limit=None, values=True)
        by_id = {call.id: call for call in calls}
        assert len(by_id) == len(calls), "a call is there twice"
        known = self.acknowledged()
        assert not set(known) - set(by_id), "acknowledged calls are missing"
        for id, number in known.items():
            _compare(by_id[id], number)
        rest = [call for call in calls if call.id not in known]
        assert len(rest) <= unacknowledged, rest
        _sound(store)
        return rest


def _compare(call: Any, number: int) -> None:
    assert (call.status, call.version is not None) == ("returned", True), call
    if call.name == "double":
        assert (call.inputs, call.output) == ({"x": number}, 2 * number)
    else:
        text, told = call.output
        assert (told, call.inputs["number"], text) == (number, number, call.inputs["text"])
        assert text.startswith(BULK)


def _sound(store: Store) -> None:
    """Versions are there once, no row belongs to no call, and every hash is right."""
    verified = store.verify()
    assert verified.ok, verified.problems
    assert {version.number for version in store.versions()} <= {1}
    with store.database.reading() as connection:
        counts = [
            connection.execute(select(func.count()).select_from(table)).scalar()
            for table in (schema.call, schema.payload)
        ]
    assert counts[0] == counts[1]
    assert store.status().waiting_bytes == 0


def _dies(nursery: Nursery, site: Site, failpoint: str) -> None:
    assert nursery.run("recording", *site.arguments, failpoint=failpoint) == -signal.SIGKILL
    site.check()
    before = len(site.acknowledged())
    assert nursery.run("further", *site.arguments) == 0
    site.check()
    assert len(site.acknowledged()) == before + 3


@pytest.mark.parametrize(("point", "count"), JOURNAL_DEATHS, ids=lambda value: str(value).replace(" ", "-"))
def test_a_program_killed_while_it_records_loses_no_call_that_returned(
    tmp_path: Path, nursery: Nursery, point: str, count: int
) -> None:
    _dies(nursery, Site(str(tmp_path / "store"), tmp_path), f"{point}:{count}")


@pytest.mark.parametrize(("point", "count"), DRAIN_DEATHS, ids=lambda value: str(value).replace(" ", "-"))
def test_a_program_killed_while_it_drains_loses_and_doubles_nothing(
    blank: str, tmp_path: Path, nursery: Nursery, point: str, count: int
) -> None:
    _dies(nursery, Site(blank, tmp_path), f"{point}:{count}")


@pytest.mark.parametrize("point", DRAIN_POINTS)
def test_a_drainer_killed_at_work_leaves_everything_to_the_next_one(
    blank: str, tmp_path: Path, nursery: Nursery, point: str
) -> None:
    site = Site(blank, tmp_path)
    assert nursery.run("recording", *site.arguments, failpoint="drain written:1") == -signal.SIGKILL
    assert nursery.run("draining", *site.arguments, failpoint=f"{point}:1") == -signal.SIGKILL
    assert len(site.acknowledged()) == 90
    assert site.check(0) == []


@pytest.mark.parametrize("count", [1, 3])
def test_a_drainer_killed_between_its_transactions_goes_on_where_it_was(
    blank: str, tmp_path: Path, nursery: Nursery, count: int
) -> None:
    site = Site(blank, tmp_path)
    assert nursery.run("recording", *site.arguments, failpoint="drain written:1") == -signal.SIGKILL
    assert nursery.run("draining", *site.arguments, failpoint=f"drain committed:{count}") == -signal.SIGKILL
    with site.open().database.reading() as connection:
        moved = connection.execute(select(func.count()).select_from(schema.call)).scalar()
    assert 0 < moved < 90
    assert site.check(0) == []


def test_a_call_that_was_running_when_its_process_died_is_interrupted(
    blank: str, tmp_path: Path, nursery: Nursery
) -> None:
    site = Site(blank, tmp_path)
    assert nursery.run("interrupted", *site.arguments) == -signal.SIGKILL
    inner, outer = sorted(site.check(2), key=lambda call: call.name != "double")
    assert (inner.name, inner.status, inner.parent) == ("double", "returned", outer.id)
    assert (outer.name, outer.status) == ("dying", "interrupted")
    assert (outer.output, outer.error) == (None, None)
    assert [call.id for call in site.open().trace(inner.id)] == [outer.id, inner.id]
    assert len(site.check(2)) == 2  # asking again changes nothing
    assert site.open().status().running == ()


def test_processes_killed_at_any_moment_lose_nothing(tmp_path: Path, nursery: Nursery) -> None:
    chance = random.Random(11)
    others = [Nursery(), Nursery()]
    site = Site(str(tmp_path / "store"), tmp_path)
    rounds = 20
    try:
        for _ in range(rounds):
            children = [one.begin("endless", *site.arguments) for one in (nursery, *others)]
            time.sleep(chance.uniform(0.005, 0.06))
            for child in children:
                os.kill(child, signal.SIGKILL)
            assert [one.ended() for one in (nursery, *others)] == [-signal.SIGKILL] * 3
    finally:
        for one in others:
            one.close()
    site.check(unacknowledged=rounds * 3 * 2)
    assert len(site.acknowledged()) > rounds


if __name__ == "__main__":
    _serve()
