"""Many processes and threads write one store while it is read, and one in the background drains it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from started import ROOT

import tracelib as trace
from tracelib.errors import StoreError
from tracelib.store import schema
from tracelib.store.draining.drainer import LOCK, held
from tracelib.store.store import Store, open_store

PATIENCE = 60.0
"""Seconds that a test waits for another process before it fails."""

CROWD = """
    import json, os, sys, threading
    from pathlib import Path
    import tracelib as trace
    from tracelib.store import database, migrations
    from tracelib.store.draining import drain as draining
    from tracelib.store.store import open_store

    where, journal, processes, threads, calls = sys.argv[1:3] + [int(text) for text in sys.argv[3:]]

    @trace.bundle
    def add(worker: int, number: int) -> int:
        return worker * 1_000_000 + number

    def work(worker, made):
        made += [add(worker, number).call.id for number in range(calls // threads)]

    def live(gate):
        os.read(gate, 1)
        trace.init(store=open_store(where, journal=Path(journal)))
        made = []
        crowd = [threading.Thread(target=work, args=(os.getpid() * 10 + n, made)) for n in range(threads)]
        for thread in crowd:
            thread.start()
        for thread in crowd:
            thread.join()
        trace.flush()
        trace.init(store=None)
        Path(f"made-{os.getpid()}.json").write_text(json.dumps(made))

    gate, opener = os.pipe()
    children = []
    for _ in range(processes):
        child = os.fork()
        if not child:
            os.close(opener)
            code = 1
            try:
                live(gate)
                code = 0
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                os._exit(code)
        children.append(child)
    os.close(opener)
    ended = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert ended == [0] * processes, ended
"""
"""Processes that all begin at one moment, each with threads; each tells the ids of the calls it made."""

BULKY = """
    import os, sys, time
    import tracelib as trace

    @trace.bundle
    def echo(number: int, text: str) -> str:
        return text

    trace.init(store="store")
    for number in range(100):
        echo(number, "word " * 1_000)
    print("recorded", flush=True)
    sys.stdin.readline()
    try:
        print(os.waitpid(-1, os.WNOHANG))
    except ChildProcessError:
        print("no child", flush=True)
    sys.stdin.readline()
    os._exit(0)  # nothing is written at the end
"""


def start(folder: Path, source: str, *arguments: object) -> subprocess.Popen[str]:
    file = folder / "program.py"
    file.write_text(textwrap.dedent(source))
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return subprocess.Popen(
        [sys.executable, "-W", "error", str(file), *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> None:
    _, errors = process.communicate(timeout=2 * PATIENCE)
    assert process.returncode == 0, errors
    assert errors == ""


def made(folder: Path) -> list[str]:
    """The ids of all calls that the crowd made."""
    return [id for file in folder.glob("made-*.json") for id in json.loads(file.read_text())]


def check(store: Store, folder: Path, expected: int) -> None:
    """Every call that was made is there, once, with its values."""
    calls = store.calls(limit=None, values=True)
    assert sorted(call.id for call in calls) == sorted(made(folder))
    assert len({call.id for call in calls}) == len(calls) == expected
    for call in calls:
        assert call.version is not None
        assert call.output == call.inputs["worker"] * 1_000_000 + call.inputs["number"]
    assert len({(call.inputs["worker"], call.inputs["number"]) for call in calls}) == expected
    assert [version.number for version in store.versions("add")] == [1]
    assert store.verify().ok
    assert count(store, schema.payload) == expected


def count(store: Store, table: Any) -> int:
    """The rows of a table, without draining before."""
    with store.database.reading() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar() or 0


def test_eight_processes_start_together_on_an_empty_store(blank: str, tmp_path: Path) -> None:
    finish(start(tmp_path, CROWD, blank, tmp_path / "journal", 8, 1, 20))
    check(open_store(blank, journal=tmp_path / "journal"), tmp_path, 160)


def test_eight_processes_start_together_where_there_is_no_folder_yet(tmp_path: Path) -> None:
    where = tmp_path / "some" / "where" / "logdir"
    finish(start(tmp_path, CROWD, where, where / "journal", 8, 1, 20))
    check(open_store(where), tmp_path, 160)


def test_eight_processes_with_eight_threads_make_two_thousand_calls_each_while_others_read(
    blank: str, tmp_path: Path
) -> None:
    store = open_store(blank, journal=tmp_path / "journal")
    crowd = start(tmp_path, CROWD, blank, tmp_path / "journal", 8, 8, 2_000)
    sizes = [0]
    while crowd.poll() is None:
        newest = store.calls(limit=50)
        assert len({call.id for call in newest}) == len(newest)
        assert newest == sorted(newest, key=lambda call: call.id, reverse=True)
        sizes.append(count(store, schema.call))
        time.sleep(0.1)
    finish(crowd)
    assert sizes == sorted(sizes)
    check(store, tmp_path, 16_000)


@trace.bundle(trainable=True)
def shifted(x: int) -> int:
    return x + 100


def test_threads_that_run_different_code_at_once_have_each_their_own_version(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store")
    code = shifted.parameter

    def work(shift: int) -> None:
        with store, trace.bind({code: f"def shifted(x: int) -> int:\n    return x + {shift}"}):
            for number in range(100):
                shifted(number)

    threads = [threading.Thread(target=work, args=(shift,)) for shift in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    calls = store.calls(limit=None, values=True)
    assert len(calls) == 400
    ran = {(call.output - call.inputs["x"], call.version) for call in calls}
    assert sorted(shift for shift, _ in ran) == [0, 1, 2, 3]
    assert len({version for _, version in ran}) == 4


def wait_until(reached: Any) -> None:
    deadline = time.monotonic() + PATIENCE
    while not reached():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def drainers(folder: Path) -> list[int]:
    """The processes in the background that drain the journal in a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and str(folder) in (entry / "cmdline").read_text().split("\0"):
                found.append(int(entry.name))
        except OSError:  # it has ended meanwhile
            continue
    return found


def drained(store: Store, expected: int) -> bool:
    try:
        return count(store, schema.call) == expected
    except StoreError:  # there are no tables yet
        return False


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="processes are looked up in /proc")
def test_a_process_in_the_background_drains_and_ends_and_is_nobodys_child(tmp_path: Path) -> None:
    journal = tmp_path / "store" / "journal"
    store = open_store(tmp_path / "store")
    program = start(tmp_path, BULKY)
    assert program.stdin is not None
    assert program.stdout is not None
    assert program.stdout.readline() == "recorded\n"
    most = 0

    def all_there() -> bool:
        nonlocal most
        most = max(most, len(drainers(journal)))
        return drained(store, 100)

    wait_until(all_there)
    assert most == 1
    children = Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text()
    assert children == ""
    print(file=program.stdin, flush=True)
    assert program.stdout.readline() == "no child\n"
    wait_until(lambda: not drainers(journal))
    finish(program)
    assert len(store.calls(limit=None)) == 100


def test_one_process_drains_a_folder_at_a_time(tmp_path: Path) -> None:
    journal = tmp_path / "store" / "journal"
    programs = []
    for number in range(3):
        (tmp_path / str(number)).mkdir()
        source = BULKY.replace('"store"', repr(str(tmp_path / "store")))
        programs.append(start(tmp_path / str(number), source))
    most = 0
    done = threading.Event()

    def look() -> None:
        nonlocal most
        while not done.wait(0.02):
            working = [pid for pid in drainers(journal) if locks(pid, journal / LOCK)]
            most = max(most, len(working))

    looker = threading.Thread(target=look)
    looker.start()
    try:
        wait_until(lambda: drained(open_store(tmp_path / "store"), 300))
    finally:
        done.set()
        looker.join()
        for program in programs:
            assert program.stdin is not None
            print("\n", file=program.stdin, flush=True)
            finish(program)
    assert most == 1
    wait_until(lambda: not drainers(journal))


def locks(pid: int, file: Path) -> bool:
    """Whether a process has the file open."""
    try:
        return any(os.readlink(entry) == str(file) for entry in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False


def test_a_drainer_does_not_start_while_another_is_at_work(tmp_path: Path) -> None:
    journal = tmp_path / "store" / "journal"
    journal.mkdir(parents=True)
    holder = os.fork()
    if not holder:
        held(str(journal))
        time.sleep(PATIENCE)
        os._exit(0)
    try:
        wait_until(lambda: locks(holder, journal / LOCK))
        program = start(tmp_path, BULKY)
        assert program.stdout is not None
        assert program.stdin is not None
        assert program.stdout.readline() == "recorded\n"
        time.sleep(1.0)
        assert [pid for pid in drainers(journal) if pid != holder] == []
        assert not drained(open_store(tmp_path / "store"), 100)
        print("\n", file=program.stdin, flush=True)
        finish(program)
    finally:
        os.kill(holder, 9)
        os.waitpid(holder, 0)
    assert len(open_store(tmp_path / "store").calls(limit=None)) == 100
