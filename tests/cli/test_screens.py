"""What reaches a terminal or a pipe: no control of a trace, no colour where none is wanted, no traceback."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from commands import Command
from programs import environment
from rich.cells import cell_len
from terminals import on_terminal

from tracelib.cli.escaping import HIDDEN, brief, one_line, plain_json, visible, whole
from tracelib.store.store import Store

OWN = re.compile("\x1b\\[[0-9;]*m")
"""The colours that are ours."""
SCREENS = (("log",), ("calls",), ("calls", "--tree"), ("calls", "hostile", "--json"))


def newest(store: Store, name: str) -> str:
    return store.calls(name=name, limit=1)[0].id


def bare(text: str) -> str:
    return OWN.sub("", text)


@pytest.mark.parametrize("args", SCREENS, ids=" ".join)
def test_no_control_of_a_trace_reaches_a_terminal(folder: Path, args: tuple[str, ...]) -> None:
    code, got = on_terminal(folder, *args)
    assert code == 0
    assert not HIDDEN.search(bare(got))


@pytest.mark.parametrize(
    "args", [("show",), ("show", "--output"), ("graph",), ("show", "--json")], ids=" ".join
)
def test_no_control_of_an_output_reaches_a_terminal(
    folder: Path, store: Store, args: tuple[str, ...]
) -> None:
    code, got = on_terminal(folder, args[0], newest(store, "hostile"), *args[1:])
    assert code == 0
    assert not HIDDEN.search(bare(got))
    assert "[bold]loud[/bold]" in got.replace("\n", "")


def test_no_control_in_an_argument_comes_back_from_an_error(folder: Path) -> None:
    code, got = on_terminal(folder, "show", "\x1b]0;owned\x07")
    assert code == 1
    assert not HIDDEN.search(bare(got))


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_a_listing_is_no_wider_than_the_terminal(folder: Path, width: int) -> None:
    _, got = on_terminal(folder, "calls", width=width)
    assert len(got.splitlines()) == 21
    assert max(cell_len(bare(line)) for line in got.splitlines()) <= width


def test_a_terminal_gets_colour_unless_NO_COLOR_is_set(folder: Path) -> None:
    assert "\x1b[" in on_terminal(folder, "log", "greet")[1]
    assert "\x1b" not in on_terminal(folder, "log", "greet", NO_COLOR="1")[1]
    assert "\x1b" not in on_terminal(folder, "log", "greet", TERM="dumb")[1]


def test_a_difference_is_marked_without_colour_too(folder: Path) -> None:
    assert "{+?+}!" in on_terminal(folder, "diff", "greet@1", "greet@2", NO_COLOR="1")[1]
    assert "{+" not in on_terminal(folder, "diff", "greet@1", "greet@2")[1]


def test_a_terminal_shows_ids_as_short_as_they_can_be_told_apart(folder: Path, store: Store) -> None:
    _, got = on_terminal(folder, "calls", "greet")
    ids = [bare(line).split()[0] for line in got.splitlines()[1:]]
    assert len(set(ids)) == 8
    assert all(len(id) < 36 and store.call(id) for id in ids)


def test_a_pipe_gets_no_colour(tracelib: Command, folder: Path, store: Store) -> None:
    for args in (*SCREENS, ("show", newest(store, "hostile")), ("diff", "greet@1", "greet")):
        assert not HIDDEN.search(tracelib(*args).out)


def test_a_reader_that_goes_away_is_no_error(folder: Path) -> None:
    for args in ("calls --json", "log", "show greet", "export -", "--help"):
        command = f"{sys.executable} -m tracelib {args} | head -c 1 >/dev/null; exit ${{PIPESTATUS[0]}}"
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=folder,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stderr == ""
        assert done.returncode in (0, 141)


def test_output_in_a_closed_pipe_ends_with_141(folder: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "tracelib", "calls"], cwd=folder, env=environment(), stdout=writing,
        stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize(
    "args", [("calls",), ("calls", "--tree"), ("calls", "--json"), ("log",)], ids=" ".join
)
def test_any_encoding_of_standard_output_will_do(folder: Path, encoding: str, args: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tracelib", *args], cwd=folder, env=environment(PYTHONIOENCODING=encoding),
        capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode(encoding)
    if "--json" in args:
        assert json.loads(text)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\r\nb\tc", "a\nb\tc"),
        ("over\rwrite", "over\\rwrite"),
        ("\u202egnp", "\\u202egnp"),
        ("\x9b31m", "\\x9b31m"),
        ("half \ud800", "half \\ud800"),
        ("[bold]x[/bold]", "[bold]x[/bold]"),
        ("日本語 👩‍🚀 é", "日本語 👩‍🚀 é"),
        ("nul\0", "nul\\x00"),
    ],
)
def test_text_is_made_visible(given: str, shown: str) -> None:
    assert visible(given) == shown


def test_values_are_shown_in_one_line_or_whole() -> None:
    assert one_line("a\n\n b", 10) == "a b"
    assert one_line("x" * 50, 10) == "x" * 9 + "…"
    assert brief({"a": "\x1b"}) == "{'a': '\\x1b'}"
    assert whole({"a": float("nan"), 3: (1, 2)}) == '{\n  "a": "nan",\n  "3": [\n    1,\n    2\n  ]\n}'
    assert whole("as it is") == "as it is"
    assert whole([datetime(2026, 11, 25, tzinfo=UTC), {1}]) == '[\n  "2026-11-25T00:00:00+00:00",\n  "{1}"\n]'


@pytest.mark.parametrize("value", ["\x1b", "\u2028", "\ud800", "\x7f", float("inf"), {1: b"x"}, {"a": {2}}])
def test_json_is_json_and_hides_nothing(value: object) -> None:
    for ascii_only in (True, False):
        text = plain_json([value], ascii_only)
        assert not HIDDEN.search(text)
        assert json.loads(text)
