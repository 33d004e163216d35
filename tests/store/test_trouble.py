"""A store that is full, locked, damaged or gone, a clock set back, a fork: nothing stops, nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from databases import SETTINGS, Server
from sqlalchemy import func, select
from started import ROOT

import tracelib as trace
from tracelib.errors import StoreError, StoreWarning
from tracelib.store import schema
from tracelib.store.draining.batch import Batch
from tracelib.store.draining.drain import REFUSED
from tracelib.store.draining.registry import Registry
from tracelib.store.journal.journal import Journal
from tracelib.store.store import Store, open_store
from tracelib.store.writing import records

PATIENCE = 60.0

PREAMBLE = """
    import json, os, sys, time, warnings
    from pathlib import Path
    {before}
    import tracelib as trace
    from tracelib.errors import StoreWarning
    from tracelib.store import database
    from tracelib.store.store import open_store

    told = []

    def show(message, category, *rest, **more):
        told.append([category.__name__, str(message)])

    warnings.simplefilter("always")
    warnings.showwarning = show
    made = []

    @trace.bundle
    def echo(number: int, text: str = "") -> list:
        return [number, text]

    def work(first, last, text=""):
        for number in range(first, last):
            found = echo(number, text)
            assert found.data == [number, text]
            made.append([found.call.id, number])

    def say(*values):
        print(json.dumps(values), flush=True)

    def hear():
        return sys.stdin.readline()
"""
"""A program that checks what each call gave it, and keeps what it was warned of."""


class Program:
    """A program in a process of its own, which speaks with the test by lines of JSON."""

    def __init__(self, folder: Path, source: str, *arguments: object, before: str = "", **env: str) -> None:
        file = folder / "program.py"
        text = textwrap.dedent(PREAMBLE).replace("{before}", before) + textwrap.dedent(source)
        file.write_text(text)
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        self._errors = folder / "errors"
        with self._errors.open("w") as errors:
            self._process = subprocess.Popen(
                [sys.executable, str(file), *map(str, arguments)],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": path, **env},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def hear(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, self._errors.read_text()
        return json.loads(line)

    def go_on(self) -> None:
        assert self._process.stdin is not None
        print(file=self._process.stdin, flush=True)

    def finish(self) -> list[Any]:
        """What it says until its end, which is a good one."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._process.stdin, self._process.stdout as out:
            lines = [json.loads(line) for line in out]
        assert self._process.wait(PATIENCE) == 0, self._errors.read_text()
        return lines


def check(store: Store, made: list[list[Any]], text: str = "") -> None:
    """Every call is there, once, with its values, and nothing else."""
    calls = store.calls(limit=None, values=True)
    assert sorted(call.id for call in calls) == sorted(id for id, _ in made)
    numbers = dict(made)
    for call in calls:
        assert call.output == [numbers[call.id], call.inputs.get("text", "")]
        assert call.output[1] in ("", text)
        assert call.version is not None
    assert [version.number for version in store.versions("echo")] == [1]
    verified = store.verify()
    assert verified.ok, verified.problems
    with store.database.reading() as connection:
        payloads = connection.execute(select(func.count()).select_from(schema.payload)).scalar()
    assert payloads == len(calls)


def of_store(told: list[list[str]]) -> list[str]:
    """The texts of the warnings of the store; there are no others."""
    assert {kind for kind, _ in told} <= {"StoreWarning"}, told
    return [text for _, text in told]


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A folder on a small disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(mount("-t", "tmpfs", "-o", "size=1536k", "none", folder), check=False).returncode:
        pytest.skip("this user may not mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def mount(*arguments: object) -> list[str]:
    return ["sh", "-c", 'exec mount "$@" 2>/dev/null', "sh", *map(str, arguments)]


FULL = """
    store = trace.init(store=sys.argv[1])
    text = "Some words that take room. " * 400
    work(0, 300, text)
    trace.flush()
    work(300, 320, text)
    status = store.status()
    say(told, status.kept_records, list(status.problems))
    hear()
    time.sleep(1.1)
    work(320, 325, text)
    trace.flush()
    say(made, store.status().kept_records, store.status().lost_records)
    trace.init(store=None)
"""


def test_a_full_disk_stops_no_call_and_all_is_written_when_there_is_room(
    tmp_path: Path, mounted: Path
) -> None:
    program = Program(tmp_path, FULL, mounted / "store")
    told, kept, problems = program.hear()
    texts = of_store(told)
    assert len([text for text in texts if "calls cannot be written" in text]) == 1
    assert len(texts) <= 2  # and one of the reader, that the database has no room
    assert kept > 0
    assert any("No space left" in problem for problem in problems)
    subprocess.run(["mount", "-o", "remount,size=64m", mounted], check=True)
    program.go_on()
    made, kept, lost = program.hear()
    program.finish()
    assert (kept, lost, len(made)) == (0, 0, 325)
    check(open_store(mounted / "store"), made, "Some words that take room. " * 400)


def test_a_disk_without_room_for_a_journal_is_told_once(tmp_path: Path) -> None:
    source = """
        store = trace.init(store="store")
        work(0, 50)
        say(told, store.status().kept_records, list(store.status().problems))
        time.sleep(1.1)
        work(50, 60)
        time.sleep(1.1)
        work(60, 70)
        trace.flush()
        say(made)
    """
    program = Program(tmp_path, source, TRACELIB_FAILPOINT="file allocated:1-9:ENOSPC")
    told, kept, problems = program.hear()
    assert [text for text in of_store(told) if "No space left" in text] == of_store(told)
    assert len(told) == 1
    assert kept >= 50
    assert any("No space left" in problem for problem in problems)
    check(open_store(tmp_path / "store"), program.finish()[0][0])


def test_a_read_only_folder_stops_no_call(tmp_path: Path, mounted: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", mounted], check=True)
    source = """
        store = trace.init(store=sys.argv[1])
        work(0, 20)
        trace.flush()
        say(told, store.status().kept_records, list(store.status().problems))
        hear()
        trace.flush()
        say(made)
    """
    program = Program(tmp_path, source, mounted / "store")
    told, kept, problems = program.hear()
    assert any("calls cannot be written" in text and "Read-only" in text for text in of_store(told))
    assert len(told) <= 2
    assert kept >= 20
    assert problems
    subprocess.run(["mount", "-o", "remount,rw,size=64m", mounted], check=True)
    program.go_on()
    check(open_store(mounted / "store"), program.finish()[0][0])


def test_a_store_that_can_only_be_read_is_read(tmp_path: Path, mounted: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=64m", mounted], check=True)
    store = mounted / "store"
    source = "trace.init(store=sys.argv[1]); work(0, 5); trace.init(store=None); say(made)"
    known = Program(tmp_path, source, store).finish()[0][0]
    open_store(store).calls()
    Program(tmp_path, source, store).finish()  # what this one recorded waits in the journal
    subprocess.run(["mount", "-o", "remount,ro", mounted], check=True)
    with pytest.warns(StoreWarning, match="still in the journal"):
        found = open_store(store).calls(limit=None)
    assert sorted(call.id for call in found) == sorted(id for id, _ in known)


def test_a_file_in_the_place_of_the_journal_stops_no_call(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "journal").write_text("in the way")
    source = """
        store = trace.init(store="store")
        work(0, 10)
        trace.flush()
        say(told, store.status().kept_records)
        os.unlink("store/journal")
        trace.flush()
        say(made)
    """
    program = Program(tmp_path, source)
    told, kept = program.hear()
    assert len(of_store(told)) == 1
    assert kept >= 10
    check(open_store(tmp_path / "store"), program.finish()[0][0])


@pytest.mark.parametrize("drained", [False, True])
def test_a_store_deleted_while_a_program_runs_is_made_again_with_all_that_was_in_the_journal(
    tmp_path: Path, drained: bool
) -> None:
    source = """
        import shutil
        store = trace.init(store="store")
        work(0, 10)
        if sys.argv[1] == "True":
            trace.flush()
        shutil.rmtree("store")
        work(10, 20)
        time.sleep(1.1)
        work(20, 30)
        trace.flush()
        work(30, 40)
        trace.flush()
        say(told)
        say(made)
    """
    program = Program(tmp_path, source, drained)
    told = program.hear()[0]
    assert ["was deleted while it was written to" in text for text in of_store(told)] == [True]
    check(open_store(tmp_path / "store"), program.finish()[0][0])


def test_a_deleted_journal_doubles_nothing_that_was_drained_before(tmp_path: Path) -> None:
    source = """
        import shutil
        tone = trace.node("dry", name="tone", trainable=True)
        store = trace.init(store="store")
        work(0, 10)
        found = echo(tone, "")
        found.backward("too dry")
        tone.update("warm", because="asked")
        trace.flush()
        shutil.rmtree("store/journal")
        work(10, 20)
        trace.flush()
        work(20, 25)
        trace.flush()
        say(made, found.call.id)
    """
    made, other = Program(tmp_path, source).finish()[0]
    store = open_store(tmp_path / "store")
    assert len(store.feedback(other)) == 1
    assert [(one.old, one.new) for one in store.updates()] == [(None, "dry"), ("dry", "warm")]
    calls = store.calls(limit=None, values=True)
    assert sorted(call.id for call in calls) == sorted([id for id, _ in made] + [other])
    assert all(call.output[0] == call.inputs["number"] for call in calls)
    with store.database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(schema.payload)).scalar() == len(calls)


def test_a_locked_database_delays_readers_and_nobody_else(tmp_path: Path) -> None:
    source = """
        database.BUSY_MS = 200
        store = trace.init(store="store")
        work(0, 5)
        trace.flush()
        say()
        hear()
        begun = time.monotonic()
        work(5, 300)
        took = time.monotonic() - begun
        trace.flush()
        say(took, told)
        hear()
        trace.flush()
        say(made)
    """
    program = Program(tmp_path, source)
    program.hear()
    other = sqlite3.connect(tmp_path / "store" / "tracelib.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    program.go_on()
    took, told = program.hear()
    assert took < 2
    assert [("locked" in text, "still in the journal" in text) for text in of_store(told)] == [(True, True)]
    other.execute("COMMIT")
    other.close()
    program.go_on()
    check(open_store(tmp_path / "store"), program.finish()[0][0])


def test_a_server_that_stops_and_starts_again_gets_everything(
    tmp_path: Path, postgres: Any, postgres_server: Server
) -> None:
    url = postgres("template0")
    source = """
        store = trace.init(store=open_store(sys.argv[1], journal=Path("journal").absolute()))
        work(0, 5)
        trace.flush()
        say(told)
        hear()
        work(5, 50)
        trace.flush()
        work(50, 60)
        say(told, list(store.status().problems))
        hear()
        trace.flush()
        say(made)
    """
    program = Program(tmp_path, source, url)
    assert program.hear() == [[]]
    data = postgres_server.folder / "data"
    postgres_server._run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    try:
        program.go_on()
        told, problems = program.hear()
    finally:
        options = f"{SETTINGS} -k {postgres_server.folder}"
        log = postgres_server.folder / "log"
        postgres_server._run("pg_ctl", "-D", data, "-w", "-l", log, "-o", options, "start")
    assert len([text for text in of_store(told) if "still in the journal" in text]) == 1
    assert any("cannot be drained" in problem for problem in problems)
    assert "password" not in str(told)
    program.go_on()
    check(open_store(url, journal=tmp_path / "journal"), program.finish()[0][0])


def test_of_a_damaged_database_it_is_said_what_to_do_and_recording_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    source = 'trace.init(store="store"); work(0, 20); trace.flush(); say(made, told)'
    before, _ = Program(tmp_path, source).finish()[0]
    for file in folder.glob("tracelib.db-*"):
        file.unlink()
    (folder / "tracelib.db").write_bytes(b"this is no database any more " * 300)
    made, told = Program(tmp_path, source).finish()[0]
    assert len(told) == 1
    with pytest.warns(StoreWarning), pytest.raises(StoreError) as caught:
        open_store(folder).calls()
    for text in (told[0][1], str(caught.value)):
        assert str(folder / "tracelib.db") in text
        assert "not a database" in text
        assert "move" in text.lower()
    assert open_store(folder).status().problems
    shutil.move(folder / "tracelib.db", tmp_path / "damaged.db")
    check(open_store(folder), before + made)  # the first ones were still in the journal


def test_a_clock_put_into_another_century_loses_nothing(tmp_path: Path) -> None:
    """A moment beyond what a column holds is kept as the last that one does: in 2262."""
    before = textwrap.dedent("""
        real, real_ns = time.time, time.time_ns
        years = [0]
        time.time = lambda: real() + years[0] * 31_557_600
        time.time_ns = lambda: real_ns() + years[0] * 31_557_600 * 10**9
    """)
    source = """
        trace.init(store="store")
        for years[0] in (0, -95, 275, 0):
            work(len(made), len(made) + 10)
        say(made, told)
    """
    made, told = Program(tmp_path, source, before=before).finish()[0]
    assert told == []
    store = open_store(tmp_path / "store")
    check(store, made)
    years = [call.start.year for call in store.calls(limit=None, values=True)]
    assert (years.count(2262), sum(year < 1940 for year in years)) == (10, 10)


def test_a_clock_set_back_loses_nothing_and_ids_stay_in_order(tmp_path: Path) -> None:
    before = textwrap.dedent("""
        real, real_ns = time.time, time.time_ns
        back = [0]
        time.time = lambda: real() - back[0]
        time.time_ns = lambda: real_ns() - int(back[0] * 1e9)
    """)
    source = """
        trace.init(store="store")
        for hours in (0, 5, 1, 48, 2):
            back[0] = hours * 3600
            work(len(made), len(made) + 100)
            trace.flush()
        say(made, told)
    """
    made, told = Program(tmp_path, source, before=before).finish()[0]
    assert told == []
    ids = [id for id, _ in made]
    assert ids == sorted(ids)
    check(open_store(tmp_path / "store"), made)


FORKS = """
    import concurrent.futures, multiprocessing

    @trace.bundle
    def square(number: int) -> int:
        return number * number

    @trace.bundle
    def dividing(number: int) -> int:
        square(number)
        child = os.fork()
        where = "child" if child == 0 else "parent"
        found = square(number + 1 + (child == 0)).data
        if child:
            os.waitpid(child, 0)
        return found

    def alone(number):
        return square(number).data

    def here(number):
        trace.init(store="store")
        return square(number).data

    if __name__ == "__main__":
        trace.init(store="store")
        how = sys.argv[1]
        if how == "fork":
            parent = os.getpid()
            square(1)
            dividing(10)
            square(100)
            if os.getpid() != parent:
                os._exit(0)
        elif how == "pool":
            with concurrent.futures.ProcessPoolExecutor(3, multiprocessing.get_context("fork")) as pool:
                assert list(pool.map(alone, range(30))) == [number**2 for number in range(30)]
        elif how == "multiprocessing":
            with multiprocessing.get_context("fork").Pool(3) as pool:
                assert pool.map(alone, range(30)) == [number**2 for number in range(30)]
        else:
            with concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
                assert list(pool.map(here, range(10))) == [number**2 for number in range(10)]
        say(told)
"""


def test_a_fork_in_the_middle_of_a_call_keeps_the_calls_of_both(tmp_path: Path) -> None:
    Program(tmp_path, FORKS, "fork").finish()
    store = open_store(tmp_path / "store")
    calls = store.calls(limit=None, values=True)
    told = sorted((call.name, call.inputs["number"], call.status, call.output) for call in calls)
    assert told == [
        ("dividing", 10, "returned", 121),
        ("dividing", 10, "returned", 144),
        ("square", 1, "returned", 1),
        ("square", 10, "returned", 100),
        ("square", 11, "returned", 121),
        ("square", 12, "returned", 144),
        ("square", 100, "returned", 10_000),
        ("square", 100, "returned", 10_000),
    ]
    assert len({call.id for call in calls}) == len(calls)
    known = {call.id for call in calls}
    assert all(call.parent in known for call in calls if call.parent)
    assert store.status().running == ()
    assert store.verify().ok


@pytest.mark.parametrize("how", ["pool", "multiprocessing", "spawn"])
def test_calls_in_worker_processes_are_all_there_once(tmp_path: Path, how: str) -> None:
    (told,) = Program(tmp_path, FORKS, how).finish()[0]
    assert told == []
    expected = 10 if how == "spawn" else 30
    store = open_store(tmp_path / "store")
    calls = store.calls(limit=None, values=True)
    assert {call.status for call in calls} == {"returned"}
    assert sorted(call.inputs["number"] for call in calls) == list(range(expected))
    assert all(call.output == call.inputs["number"] ** 2 for call in calls)
    assert store.verify().ok


def test_a_second_process_opens_the_store_while_the_first_is_in_a_call(tmp_path: Path) -> None:
    source = """
        @trace.bundle
        def waiting(number: int) -> int:
            say(trace.__version__)
            hear()
            return number

        trace.init(store="store")
        work(0, 3)
        waiting(7)
        say(made)
    """
    program = Program(tmp_path, source)
    program.hear()
    store = open_store(tmp_path / "store")
    assert len(store.calls(limit=None)) == 3
    assert [call.name.rpartition(":")[2] for call in store.status().running] == ["waiting"]
    program.go_on()
    program.finish()
    assert [call.name for call in store.calls(limit=None)] == ["waiting", "echo", "echo", "echo"]
    assert store.status().running == ()
    assert store.status().interrupted == 0


def test_a_record_that_no_table_takes_holds_up_nothing_and_is_kept(blank: str, tmp_path: Path) -> None:
    store = open_store(blank, journal=tmp_path / "journal")
    journal = Journal(store.journal)
    journal.append(200, b"of a newer tracelib")
    journal.append(records.FEEDBACK, b"not JSON")
    with store:
        for number in range(3):
            trace.bundle(lambda number: number, name="echo")(number)
    journal.close()
    assert len(store.calls(limit=None)) == 3
    kept = sorted(file.read_bytes() for file in store.journal.glob(f"*{REFUSED}"))
    assert kept == [b"not JSON", b"of a newer tracelib"]
    assert store.status().waiting_bytes == 0


def test_a_record_that_the_database_refuses_holds_up_nothing_and_is_kept(blank: str, tmp_path: Path) -> None:
    """It is whole as far as it can be read, but a call must have inputs."""
    store = open_store(blank, journal=tmp_path / "journal")
    shared = ["0" * 32, "program:echo", "echo", "bundle", None, None]
    head = records.HEAD.pack(b"1" * 16, b"1" * 16, records.NO_ID, 0, 1, 1, 1)
    refused = head + "\n".join([json.dumps(shared), "", "", "1", "", "", "", ""]).encode()
    journal = Journal(store.journal)
    journal.append(records.CALL, refused)
    with store:
        for number in range(3):
            trace.bundle(lambda number: number, name="echo")(number)
    journal.close()
    assert len(store.calls(limit=None)) == 3
    (kept,) = store.journal.glob(f"*{REFUSED}")
    assert kept.read_bytes() == refused
    assert store.status().waiting_bytes == 0


def test_a_database_of_a_newer_schema_still_works_and_says_so(blank: str, tmp_path: Path) -> None:
    store = open_store(blank, journal=tmp_path / "journal")
    store.calls()
    with store.database.writing() as connection:
        connection.execute(schema.migration.insert().values(name="9999 a later one", applied_ns=1))
    again = open_store(blank, journal=tmp_path / "journal")
    with again:
        trace.bundle(lambda number: number, name="echo")(1)
    with pytest.warns(StoreWarning, match=r"newer tracelib \(9999 a later one\)"):
        assert len(again.calls()) == 1


def test_a_call_that_was_taken_for_interrupted_and_ended_after_all_has_its_result(
    blank: str, tmp_path: Path
) -> None:
    store = open_store(blank, journal=tmp_path / "journal")
    assert store.calls() == []
    with store:
        ended = trace.bundle(lambda number: number, name="echo")(7)
        other = trace.bundle(lambda number: number, name="echo")(8)
    raw = bytes.fromhex(ended.call.id.replace("-", ""))
    with store.database.writing() as connection:
        Batch(connection, store.blobs, Registry()).interrupted(raw, "m:echo", 5)
        assert connection.execute(select(schema.call.c.status)).scalars().all() == [schema.INTERRUPTED]
    assert {call.id for call in store.calls()} == {ended.call.id, other.call.id}
    found = store.call(ended.call.id)
    assert (found.status, found.output, found.inputs) == ("returned", 7, {"number": 7})
