"""Every benchmark runs and prints its table. Nothing is asserted about time: the sizes are tiny."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from databases import Server

ROOT = Path(__file__).parent.parent

FIRST_ROWS = {
    "call": "call, an int",
    "operation": "operation, node + node",
    "text": "text, text + text",
    "off": "stop_tracing, an int",
    "chain": "backward, chain of 20",
    "fanin": "backward, fanin of 20",
    "wide": "backward, wide of 20",
    "dag": "backward, dag of 20",
    "memory": "memory, call on an int",
    "dot": "DOT text, 20 nodes",
    "svg": "own SVG, 20 nodes",
    "decoration": "decoration, file of 50 lines",
    "import": "import tracelib",
    "version": "version, 2 helpers, cold",
    "caller": "stored call, 1 KB of text",
    "store": "ingest, 200 calls",
    "postgres": "store in PostgreSQL",
    "opening": "store, init and first call",
    "threads": "threads, 320 calls",
    "programs": "program, sync",
    "sandbox": "sandbox, warm call",
    "optimizers": "simulated OptoPrime loop, model calls a step",
}


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def benchmarks(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run("-W", "error", "-m", "benchmarks", *arguments, TRACELIB_BENCHMARK_POSTGRES="")


@pytest.mark.parametrize("name", FIRST_ROWS)
def test_a_benchmark_runs_and_prints_its_table(name: str) -> None:
    done = benchmarks("--size", "tiny", name)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split()[:2] == ["benchmark", "measured"]
    assert lines[2].startswith(FIRST_ROWS[name])
    assert "figures meet their goal." in done.stdout


def test_the_list_names_every_benchmark_and_every_goal() -> None:
    done = benchmarks("--list")
    words = [line.split()[0] for line in done.stdout.splitlines() if line]
    assert words[: len(FIRST_ROWS)] == list(FIRST_ROWS)
    assert "call                        45  x plain call" in done.stdout


def test_figures_are_written_as_json_with_their_verdict(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    assert benchmarks("--size", "tiny", "threads", "--json", str(file)).returncode == 0
    written = json.loads(file.read_text())
    assert written["size"] == "tiny"
    row = written["rows"][0]
    assert (row["name"], row["spread"]["median"], row["most"], row["verdict"]) == (
        "threads, 320 calls",
        0,
        0,
        "met",
    )


def test_check_passes_where_goals_are_met_and_source_is_not_read() -> None:
    done = benchmarks("--size", "tiny", "threads", "--check")
    assert done.returncode == 0, done.stdout
    assert "1 of 1 figures meet their goal." in done.stdout


def test_check_fails_exactly_when_a_goal_is_missed() -> None:
    done = benchmarks("--size", "tiny", "call", "operation", "--check")
    assert done.returncode == int("missed: " in done.stdout), done.stdout


def test_a_benchmark_that_fails_says_why_and_the_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "graphviz.py").write_text("raise ImportError('no graphviz here')")
    names = ("--size", "tiny", "--check", "dot", "threads")
    done = run("-m", "benchmarks", *names, PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert "ImportError: no graphviz here" in done.stdout
    assert "missed: dot" in done.stdout
    assert "threads, 320 calls" in done.stdout


@pytest.mark.parametrize(("wrong", "said"), [(0, "met"), (1, "MISSED")])
def test_the_verdict_is_that_of_the_median(wrong: int, said: str) -> None:
    script = (
        "from benchmarks.harness import Row, Spread; from benchmarks.report import verdict\n"
        f"print(verdict(Row('threads', 'threads', Spread({wrong}, 0, 9))))"
    )
    assert run("-c", script).stdout.strip() == said


def test_nothing_is_loaded_and_nothing_read_that_is_not_needed() -> None:
    done = benchmarks("--size", "tiny", "decoration", "import")
    counted = [line for line in done.stdout.splitlines() if "third parties" in line or "reads of the" in line]
    assert len(counted) == 4
    assert all(" met" in line for line in counted), done.stdout


def test_a_process_that_records_loads_no_database() -> None:
    done = benchmarks("--size", "tiny", "opening")
    row = next(line for line in done.stdout.splitlines() if "sqlalchemy where it records" in line)
    assert " met" in row, done.stdout


def test_a_store_in_postgresql_is_measured_in_a_database_of_its_own(
    postgres_server: Server,
) -> None:
    done = benchmarks("--size", "tiny", "postgres", "--postgres", postgres_server.url("postgres"))
    assert done.returncode == 0, done.stderr
    for row in ("ingest, 200 calls, by COPY", "ingest, 200 calls, by inserts", "one trace, of 200"):
        assert f"PostgreSQL, {row} " in done.stdout, done.stderr
    with psycopg.connect(postgres_server.url("postgres")) as connection:
        left = "SELECT datname FROM pg_database WHERE datname LIKE 'tracelib_benchmark%'"
        assert connection.execute(left).fetchall() == []


def test_a_store_in_postgresql_is_left_out_where_no_server_is_named() -> None:
    done = benchmarks("--size", "tiny", "postgres", "--check")
    assert done.returncode == 0, done.stderr
    assert "left out, no server is named: --postgres URL" in done.stdout
    assert "0 of 0 figures meet their goal." in done.stdout


def test_memory_is_freed_without_the_cyclic_collector() -> None:
    done = benchmarks("--size", "quick", "memory")
    kept = [line for line in done.stdout.splitlines() if line.startswith("kept")]
    assert len(kept) == 6
    assert all(" met" in line for line in kept), done.stdout


def test_a_peer_that_is_not_installed_is_said_to_be_so() -> None:
    done = benchmarks("--size", "tiny", "threads", "--peers")
    assert done.returncode == 0, done.stderr
    for peer, package in (("trace-opt", "opto"), ("textgrad", "textgrad")):
        missing = run("-c", f"import {package}").returncode != 0
        assert (f"{peer}: not installed here" in done.stdout) == missing


def test_an_unknown_benchmark_is_refused_with_the_names_there_are() -> None:
    done = benchmarks("backwards")
    assert done.returncode == 2
    assert "there is no benchmark backwards; there is call, operation," in done.stderr


def test_the_harness_runs_without_anything_installed() -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "import benchmarks.harness, benchmarks.shapes, benchmarks.written, benchmarks.peers.cells\n"
        "import benchmarks.simulated.oracle, benchmarks.simulated.ran, benchmarks.simulated.peers\n"
        "assert 'tracelib' not in sys.modules"
    )
    assert run("-I", "-S", "-c", script).returncode == 0
