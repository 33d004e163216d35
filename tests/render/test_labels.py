"""How values are written in boxes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pydantic
import pytest
from seeing import value_lines

import tracelib as trace


@dataclasses.dataclass
class Point:
    x: int
    y: list[int]


class Reply(pydantic.BaseModel):
    text: str
    score: float


class Failing:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


class Plain:
    pass


class WithAddress:
    def __repr__(self) -> str:
        return f"<socket at {hex(id(self))} open>"


class Chatty:
    def __repr__(self) -> str:
        return "talk " * 1_000


class Loud(str):
    def __str__(self) -> str:
        raise RuntimeError("never ask")

    __repr__ = __str__


VALUES: list[tuple[Any, str]] = [
    (3, "3"),
    (True, "True"),
    (None, "None"),
    (2.5, "2.5"),
    ("es", "'es'"),
    ("it's", '"it\'s"'),
    (b"ab", "b'ab'"),
    ([1, 2], "[1, 2]"),
    ((1, "a"), "(1, 'a')"),
    ({"k": [1]}, "{'k': [1]}"),
    (set(), "set({})"),
    ({"b", "a", "c"}, "set({'a', 'b', 'c'})"),
    (Point(1, [2]), "Point(x=1, y=[2])"),
    (Reply(text="hi", score=0.5), "Reply(text='hi', score=0.5)"),
    (Plain(), "<Plain>"),
    (len, "<function len>"),
    (Plain, "<class Plain>"),
    (Failing(), "<Failing: repr failed: RuntimeError: no words>"),
    ([Failing()], "[<Failing: repr failed: RuntimeError: no words>]"),
    (WithAddress(), "<socket open>"),
    (np.zeros((3, 4)), "ndarray float64, 3 × 4"),
    (np.float64(0.5), "np.float64(0.5)" if np.__version__ >= "2" else "0.5"),
    (pd.DataFrame({"a": [1, 2], "b": [3, 4]}), "DataFrame, 2 rows × 2 columns: 'a', 'b'"),
    (pd.Series([1, 2, 3]), "Series int64, 3"),
]


@pytest.mark.parametrize(("value", "shown"), VALUES, ids=[shown for _, shown in VALUES])
def test_a_short_value_reads_as_in_python(value: Any, shown: str, tmp_path: Path) -> None:
    assert " ".join(value_lines(value, tmp_path)) == shown


def test_lines_of_a_text_stay_lines(tmp_path: Path) -> None:
    assert value_lines("Be brief.\n  Be polite.", tmp_path) == ["'Be brief.", "  Be polite.'"]


def test_a_long_text_is_wrapped_at_words_and_cut_with_its_size(tmp_path: Path) -> None:
    lines = value_lines("word " * 2_469, tmp_path)
    assert lines[-1] == "… (12,345 characters)"
    assert all(len(line) <= 44 for line in lines)
    assert all(line.endswith("word") for line in lines[:-2])


def test_many_lines_are_cut_and_counted(tmp_path: Path) -> None:
    lines = value_lines("a\nb\n" * 500, tmp_path)
    assert lines[-1].endswith("… (1,001 lines, 2,000 characters)")
    assert len(lines) <= 4


def test_text_of_exactly_the_limit_is_not_marked(tmp_path: Path) -> None:
    assert "…" not in "".join(value_lines("x" * 120, tmp_path))
    assert value_lines("x" * 121, tmp_path)[-1].endswith("… (121 characters)")


def test_a_wide_script_is_wrapped_by_the_room_it_takes(tmp_path: Path) -> None:
    assert all(len(line) <= 23 for line in value_lines("日本" * 30, tmp_path))


def test_a_long_list_says_how_long_it_is(tmp_path: Path) -> None:
    assert " ".join(value_lines(list(range(10_000)), tmp_path)).endswith(", 11, … (10,000 items)]")


def test_a_list_inside_itself_ends(tmp_path: Path) -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert "… (1 items)" in "".join(value_lines(endless, tmp_path))


def test_a_number_that_python_refuses_to_write_is_described(tmp_path: Path) -> None:
    (line,) = value_lines(10**10_000, tmp_path)
    assert line == "<int of about 10,001 digits>"


def test_a_long_repr_is_cut(tmp_path: Path) -> None:
    text = " ".join(value_lines(Chatty(), tmp_path))
    assert text.endswith("… (5,000 characters)")
    assert len(text) < 200


def test_a_str_that_overrides_everything_is_read_as_text(tmp_path: Path) -> None:
    assert value_lines(Loud("quiet"), tmp_path) == ["'quiet'"]


def test_characters_that_would_not_show_are_escaped(tmp_path: Path) -> None:
    assert value_lines("a\x00b\u202ec\ud800", tmp_path) == ["'a\\x00b\\u202ec\\ud800'"]


def test_interrupts_are_not_swallowed(tmp_path: Path) -> None:
    class Interrupting:
        def __repr__(self) -> str:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trace.Graph.behind(trace.node(Interrupting())).to_dot()
