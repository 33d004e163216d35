"""Which store a command opens, and what it does where there is none, or one that cannot be used."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from commands import Command
from programs import HANG, environment, run_python

from tracelib.store.journal.segments import segments

READING = (
    ("log",), ("show", "greet"), ("diff", "greet@1", "greet@2"), ("calls",), ("graph", "0190"), ("alias",),
    ("comment", "greet", "x"), ("tag", "greet", "x"), ("alias", "greet", "x"), ("checkout", "Agent"),
    ("replay", "0190", "--yes"), ("status",), ("prune", "--older-than", "1d", "--yes"), ("export",),
    ("verify",),
)  # fmt: skip


KILLED = """
import os, sys, tracelib as trace

sys.executable = ""  # so that no other process drains the journal

@trace.bundle
def f(x):
    return x

trace.init("./logdir")
for i in range(6):
    f(i)
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("args", READING, ids=" ".join)
def test_without_a_store_a_command_says_what_to_do_and_makes_nothing(
    tracelib: Command, empty: Path, args: tuple[str, ...]
) -> None:
    done = tracelib(*args)
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        'Error: no store at ./logdir: run a program with trace.init(store="./logdir") '
        "or name one with --store\n"
    )
    assert list(empty.iterdir()) == []


def test_the_store_is_the_option_else_the_variable_else_logdir(
    tracelib: Command, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tracelib("log").code == 0
    monkeypatch.setenv("TRACELIB_STORE", str(tmp_path / "elsewhere"))
    assert "elsewhere" in tracelib("log").err
    assert tracelib("log", "--store", "logdir").code == 0
    monkeypatch.setenv("TRACELIB_STORE", f"sqlite:///{folder}/logdir/tracelib.db")
    assert tracelib("log", "--json").code == 0


def test_the_option_may_stand_in_front_of_the_command(
    tracelib: Command, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACELIB_STORE", str(tmp_path / "elsewhere"))
    assert tracelib("--store", "logdir", "log").out == tracelib("log", "--store", "logdir").out != ""
    assert "nowhere" in tracelib("--store", "nowhere", "log").err
    assert tracelib("--store", "nowhere", "log", "--store", "logdir").code == 0
    assert "elsewhere" in tracelib("log").err


def test_a_file_of_something_else_is_refused_and_left_as_it_is(tracelib: Command, empty: Path) -> None:
    (empty / "notes.txt").write_text("not a database")
    other = sqlite3.connect(empty / "other.db")
    other.execute("CREATE TABLE migration (n)")
    other.commit()
    other.close()
    before = (empty / "other.db").read_bytes()
    for name, words in (("notes.txt", "is no database"), ("other.db", "another program")):
        for args in (("log",), ("import", "notes.txt")):
            done = tracelib(*args, "--store", name)
            assert (done.code, done.out) == (1, "")
            assert words in done.err
    assert (empty / "other.db").read_bytes() == before
    assert sorted(path.name for path in empty.iterdir()) == ["notes.txt", "other.db"]


@pytest.mark.parametrize(
    "url",
    [
        "mysql://root@host/x",
        "sqlite:///:memory:",
        "postgresql://nobody:secret@127.0.0.1:1/none",
        "postgresql://127.0.0.1:1/none?user=nobody&password=secret",
        "://",
        "",
    ],
)
def test_a_store_that_cannot_be_opened_is_one_line_without_its_password(
    tracelib: Command, empty: Path, url: str
) -> None:
    done = tracelib("log", "--store", url)
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert "secret" not in done.err


def test_an_empty_postgres_is_no_store_yet(tracelib: Command, empty: Path, on_postgres: str) -> None:
    url = on_postgres.replace("/cli?", "/postgres?")
    done = tracelib("log", "--store", url)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("Error: no store at postgresql://postgres@/postgres")


@pytest.mark.filterwarnings("always::tracelib.errors.StoreWarning")
def test_status_tells_of_calls_that_wait_for_a_server_that_is_gone(
    tracelib: Command, empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(empty))
    url = "postgresql://nobody:secret@127.0.0.1:1/none"
    code = KILLED.replace("./logdir", url)
    subprocess.run(
        [sys.executable, "-c", code], cwd=empty, env=environment(XDG_STATE_HOME=str(empty)), check=False
    )
    done = tracelib("status", "--store", url)
    assert (done.code, done.err) == (0, "")
    assert "problem    the journal cannot be drained" in done.out
    assert "waiting    nothing" not in done.out
    assert "secret" not in done.out
    done = tracelib("calls", "--store", url)
    assert (done.code, done.out) == (1, "")
    assert [line.split(":")[0] for line in done.err.splitlines()] == ["Warning", "Error"]
    assert "secret" not in done.err


def test_a_damaged_database_is_an_error_and_no_traceback(tracelib: Command, folder: Path) -> None:
    file = folder / "logdir" / "tracelib.db"
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    file.write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-m", "tracelib", "calls"], cwd=folder, env=environment(), capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["Warning", "Error"]
    assert tracelib("doctor").code == 1


def test_a_store_that_only_the_journal_knows_is_read(tracelib: Command, empty: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED], cwd=empty, env=environment(), check=False)
    assert not (empty / "logdir" / "tracelib.db").exists()
    assert [call["name"] for call in json.loads(tracelib("calls", "--json").out)] == 6 * ["f"]


def test_status_tells_counts_and_what_is_running(tracelib: Command, folder: Path) -> None:
    out = tracelib("status").out
    assert "calls      20, 2 failed\n" in out
    assert "versions   8 of 6 functions\n" in out
    process = subprocess.Popen(
        [sys.executable, "-c", HANG, "./logdir"],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    out = tracelib("status").out
    assert "running    __main__:forever since " in out
    assert f"(process {process.pid})" in out
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert "1 interrupted" in tracelib("status").out
    (found,) = json.loads(tracelib("status", "--json").out)
    assert (found["calls"], found["interrupted"], found["running"]) == (21, 1, [])


def test_status_tells_of_a_record_that_was_damaged_whoever_drained_it(tracelib: Command, empty: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED], cwd=empty, env=environment(), check=False)
    (segment,) = segments(empty / "logdir" / "journal")
    data = bytearray(segment.path.read_bytes())
    data[segment.read().records[-2].end - 20] ^= 0xFF
    segment.path.write_bytes(data)
    assert len(json.loads(tracelib("calls", "--json").out)) == 5  # and the journal's file is gone
    for _ in range(2):
        assert f"problem    {segment.path}.damaged was damaged" in tracelib("status").out
    assert "f@1" in tracelib("calls").out


def test_doctor_finds_all_well_and_changes_nothing(tracelib: Command, folder: Path) -> None:
    before = {
        path: path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and "tracelib.db" not in path.name
    }
    done = tracelib("doctor")
    assert done.code == 0, done.out
    for name in (
        "python",
        "tracelib",
        "openai",
        "sqlalchemy",
        "psycopg",
        "dot",
        "database",
        "schema",
        "wal",
        "space",
    ):
        assert f" {name} " in done.out
    assert before == {
        path: path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and "tracelib.db" not in path.name
    }


def test_doctor_works_without_a_store(tracelib: Command, empty: Path) -> None:
    done = tracelib("doctor", "--json")
    found = {one["id"]: one for one in json.loads(done.out)}
    assert (done.code, found["store"]["level"]) == (0, "warning")
    assert "trace.init" in found["store"]["advice"]
    assert list(empty.iterdir()) == []


def test_doctor_looks_at_postgres(tracelib: Command, empty: Path, on_postgres: str) -> None:
    done = tracelib("doctor", "--store", on_postgres)
    assert done.code == 0, done.out
    assert "can be read and written" in done.out


def test_doctor_finds_nothing_wrong_with_a_postgres_that_has_no_tables_yet(
    tracelib: Command, empty: Path, on_postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(empty))
    url = on_postgres.replace("/cli?", "/postgres?")
    code = KILLED.replace("./logdir", url)
    subprocess.run(
        [sys.executable, "-c", code], cwd=empty, env=environment(XDG_STATE_HOME=str(empty)), check=False
    )
    done = tracelib("doctor", "--store", url)
    assert (done.code, "problem" in done.out) == (0, False)
    assert "not made yet: all that was recorded is in the journal" in done.out


def test_doctor_ends_with_1_on_a_problem(tracelib: Command, empty: Path) -> None:
    (empty / "logdir").write_text("not a folder")
    done = tracelib("doctor")
    assert done.code == 1
    assert "problem" in done.out


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_read_only_store_can_be_read(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder / "logdir"]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    done = subprocess.run(
        [sys.executable, "-m", "tracelib", "calls", "--json"], cwd=folder, env=environment(),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert json.loads(done.stdout)


def test_help_of_the_group_loads_no_database(empty: Path) -> None:
    code = (
        "import sys\nfrom tracelib.cli.main import run\n"
        "for args in (['--help'], ['demo', '--help'], ['--version']): run(args)\n"
        "heavy = ('sqlalchemy', 'openai', 'networkx', 'graphviz', 'psycopg')\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=empty,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == "[]\n"
    assert run_python(empty, "") == ""
