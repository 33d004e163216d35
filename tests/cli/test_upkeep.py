"""`prune`, `export`, `import`, `verify`, and that every command has its place and its help."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import Command
from terminals import on_terminal

from tracelib.cli.commands import LINES, OWN, late
from tracelib.cli.units import Age, Size, counted, dollars, size, span
from tracelib.store.store import Store


def test_pruning_says_what_to_remove(tracelib: Command, folder: Path) -> None:
    assert tracelib("prune").code == 2


def test_a_dry_run_removes_nothing(tracelib: Command, folder: Path, store: Store) -> None:
    done = tracelib("prune", "--older-than", "0s", "--dry-run")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("would remove 20 calls in 16 traces, about ")
    assert len(store.calls(limit=None)) == 20


def test_what_is_tagged_stays(tracelib: Command, folder: Path, store: Store) -> None:
    id = store.calls(name="ask", limit=1)[0].id
    store.tag(id, "good")
    done = tracelib("prune", "--older-than", "0s", "--yes")
    assert done.out.startswith("removed 19 calls in 15 traces")
    assert "1 trace kept" in done.out
    assert [call.id for call in store.calls()] == [id]
    done = tracelib("prune", "--older-than", "0s", "--no-keep-tagged", "--yes")
    assert done.out.startswith("removed 1 call in 1 trace")
    assert tracelib("prune", "--older-than", "0s", "--yes").out == "nothing to remove\n"


def test_nothing_is_removed_unasked(tracelib: Command, folder: Path, store: Store) -> None:
    done = tracelib("prune", "--older-than", "0s")
    assert (done.code, done.out) == (2, "")
    code, got = on_terminal(folder, "prune", "--older-than", "0s", typed="n\n")
    assert code == 130
    assert "would remove 20 calls" in got
    assert len(store.calls(limit=None)) == 20
    code, got = on_terminal(folder, "prune", "--older-than", "0s", typed="y\n")
    assert code == 0
    assert "removed 20 calls" in got


def test_a_replay_is_asked_for_on_a_terminal(folder: Path, store: Store) -> None:
    id = store.calls(name="greet", limit=1)[0].id
    code, got = on_terminal(folder, "replay", id, typed="n\n")
    assert code == 130
    assert "This runs the code of app:greet" in got
    code, got = on_terminal(folder, "replay", id, typed="y\n")
    assert code == 0
    assert "the same" in got


def test_an_export_is_imported_elsewhere_once(tracelib: Command, folder: Path, store: Store) -> None:
    assert tracelib("export", "all.jsonl").code == 0
    done = tracelib("import", "all.jsonl", "--store", "./copy")
    assert (done.code, done.err) == (0, "")
    assert "8 version" in done.out
    assert "here already" not in done.out
    again = tracelib("import", "all.jsonl", "--store", "./copy")
    assert again.out.startswith("added nothing")
    ours, theirs = (tracelib("calls", "--json", "--store", where).out for where in ("logdir", "copy"))
    assert ours == theirs
    assert tracelib("export", "--store", "./copy").out == (folder / "all.jsonl").read_text(encoding="utf-8")


def test_an_export_of_a_filter_goes_through_a_pipe(tracelib: Command, folder: Path) -> None:
    done = tracelib("export", "-", "--where", 'name == "ask"')
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert [line["kind"] for line in lines].count("call") == 2
    assert done.err == ""


def test_an_export_replaces_no_file_unless_forced(tracelib: Command, folder: Path) -> None:
    (folder / "all.jsonl").write_text("mine")
    done = tracelib("export", "all.jsonl")
    assert (done.code, (folder / "all.jsonl").read_text()) == (1, "mine")
    assert tracelib("export", "all.jsonl", "--force").code == 0


@pytest.mark.parametrize("content", [None, "", "hello\n", '{"kind": "call"}\n', "\x00\xff"])
def test_what_is_no_export_is_refused(tracelib: Command, folder: Path, content: str | None) -> None:
    if content is not None:
        (folder / "some.jsonl").write_text(content, encoding="latin-1")
    done = tracelib("import", "some.jsonl", "--store", "./copy")
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)


def test_a_whole_store_is_verified(tracelib: Command, folder: Path) -> None:
    done = tracelib("verify")
    assert (done.code, done.err) == (0, "")
    assert "8 version" in done.out
    assert done.out.endswith(": all whole\n")
    assert tracelib("verify", "--json").out == "[]\n"


def test_a_store_with_a_changed_version_is_not_ok(tracelib: Command, folder: Path, store: Store) -> None:
    with store.ready().writing() as connection:
        connection.exec_driver_sql(
            "UPDATE version SET hash = 'v1:' || substr(hash, 4, 60) || '0000' WHERE n = 1"
        )
    done = tracelib("verify")
    assert done.code == 1
    assert done.out.startswith("problem  app:greet@1 (v1:")
    assert all(one["id"] for one in json.loads(tracelib("verify", "--json").out))


def test_every_command_is_described_as_its_own_help_begins() -> None:
    for name in OWN:
        command = late(name)
        assert command.name == name
        assert command.get_short_help_str(limit=1000) == LINES[name]
        assert "Example" in (command.epilog or "")


@pytest.mark.parametrize("name", OWN)
def test_the_help_of_a_command_fits_a_terminal(tracelib: Command, name: str) -> None:
    done = tracelib(name, "--help")
    assert (done.code, done.err) == (0, "")
    assert f"Usage: tracelib {name} [OPTIONS]" in done.out
    assert "tracelib " + name in done.out.split("Example")[1]


@pytest.mark.parametrize("text", ["", "d", "30", "-3d", "3y", "1e9d", "99999999999999w"])
def test_an_age_that_is_none_is_a_usage_error(tracelib: Command, folder: Path, text: str) -> None:
    done = tracelib("prune", "--older-than", text)
    assert done.code == 2
    assert "30d" in done.err


@pytest.mark.parametrize("text", ["", "MB", "-3MB", "3 apples"])
def test_a_size_that_is_none_is_a_usage_error(tracelib: Command, folder: Path, text: str) -> None:
    done = tracelib("prune", "--max-size", text)
    assert done.code == 2
    assert "500MB" in done.err


def test_ages_and_sizes_are_read() -> None:
    assert Age().convert("1.5h", None, None).total_seconds() == 5400
    assert Age().convert("2 w", None, None).days == 14
    assert Size().convert("500MB", None, None) == 500_000_000
    assert Size().convert("1.5GiB", None, None) == 1_610_612_736
    assert Size().convert("12", None, None) == 12


def test_amounts_are_shown_with_their_units() -> None:
    assert [span(s) for s in (0, 0.0000021, 0.0123, 1, 59.96, 200, 3780)] == [
        "0 us", "2.1 us", "12.3 ms", "1 s", "1 m 0 s", "3 m 20 s", "1 h 3 m",
    ]  # fmt: skip
    assert [size(n) for n in (0, 1, 999, 1500, 999_600, 2_500_000_000)] == [
        "0 bytes", "1 byte", "999 bytes", "1.5 kB", "1 MB", "2.5 GB",
    ]  # fmt: skip
    assert (dollars(0.0025), counted(1, "call"), counted(2000, "call")) == (
        "$0.0025",
        "1 call",
        "2,000 calls",
    )
