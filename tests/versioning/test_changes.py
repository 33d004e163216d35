"""Differences in words, as a diff, and word by word; only stored versions are read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import written

from tracelib.versioning import Version, difference, version_of
from tracelib.versioning.marks import IN, OUT, marked_lines

BASE = (
    'def clean(text):\n    return text.strip("a")\n'
    "K = 3\n"
    'def f(x: int = 1):\n    """Be kind."""\n    return clean(str(x)) * K\n'
)


def stored(version: Version) -> Version:
    """The version as it comes back from a store, its file long gone."""
    return Version.from_json(json.loads(json.dumps(version.to_json())))


EDITS = {
    "constant": ('strip("a")', 'strip("b")', "`clean` changed: constant 'a' -> 'b'"),
    "global": ("K = 3", "K = 4", "`K` 3 -> 4"),
    "docstring": ("Be kind.", "Be brief.", '`f` changed: docstring "Be kind." -> "Be brief."'),
    "signature": (
        "x: int = 1",
        "x: float = 1, y=2",
        "`f` changed: signature (x: int=1) -> (x: float=1, y=2)",
    ),
    "name": ("text.strip", "text.lstrip", "`clean` changed: strip -> lstrip"),
    "operator": (") * K", ") + K", "`f` changed: `return clean(str(x)) * K` -> `return clean(str(x)) + K`"),
    "kind": ("K = 3", "K = [3]", "`K` changed: was a constant, is a value, constant 3 -> [3]"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_the_summary_says_what_changed(edit: str, tmp_path: Path) -> None:
    old, new, words = EDITS[edit]
    assert old in BASE
    was = written.version(tmp_path / "old", BASE)
    now = written.version(tmp_path / "new", BASE.replace(old, new))
    told = difference(stored(was), stored(now)).summary
    if edit == "kind":
        assert told.startswith("`K` changed: was a constant, is a value")
    else:
        assert told == words


def test_definitions_that_came_and_went_are_named(tmp_path: Path) -> None:
    was = written.version(tmp_path / "old", "def a():\n    return 1\ndef f():\n    return a()\n")
    now = written.version(
        tmp_path / "new", "L = 5\nclass B:\n    pass\ndef b():\n    return L, B\ndef f():\n    return b()\n"
    )
    assert difference(was, now).summary == (
        "`f` changed: a -> b; helper `b` added; constant `L` added = 5; class `B` added; helper `a` removed"
    )


def test_another_release_of_a_library_is_named(tmp_path: Path) -> None:
    version = written.version(tmp_path, "import numpy\ndef f():\n    return numpy\n")
    now = replace(version, hash="v1:other", libraries={"numpy": "9.0"})
    was = replace(version, libraries={"numpy": "1.0"})
    assert difference(was, now).summary == "numpy 1.0 -> 9.0"


def test_the_first_version_says_what_it_uses(tmp_path: Path) -> None:
    version = written.version(tmp_path, BASE)
    assert difference(None, version).summary == "Initial version of f: uses `clean`, `K`"
    assert difference(None, version)
    assert all(line.sign == IN for line in difference(None, version).marked)


def test_equal_versions_have_no_difference(tmp_path: Path) -> None:
    version = written.version(tmp_path, BASE)
    same = difference(version, version)
    assert (same.summary, same.unified, bool(same)) == ("no difference", "", False)


def test_code_that_moved_is_told_so(tmp_path: Path) -> None:
    was, now = written.version(tmp_path / "a", BASE), written.version(tmp_path / "b", BASE)
    assert difference(was, now).summary == f"same code, now `{now.name}`"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("P = '{}a'\ndef f():\n    return P\n", "P = '{}b'\ndef f():\n    return P\n"),
        ("def f():\n    return '{}a'\n", "def f():\n    return '{}b'\n"),
        ("def f(x='{}a'):\n    return x\n", "def f(x='{}b'):\n    return x\n"),
    ],
)
def test_a_long_prompt_is_quoted_where_it_changed(old: str, new: str, tmp_path: Path) -> None:
    words = "one word and another. " * 20
    was = written.version(tmp_path / "a", old.format(words))
    told = difference(was, written.version(tmp_path / "b", new.format(words))).summary
    before, after = told.split(" -> ")
    assert "nother. a" in before
    assert after.startswith("…")
    assert "nother. b" in after


@pytest.mark.parametrize("text", ["def f(x):\n    return {}\n", "x = 1\ndef f(y={}):\n    return y\n"])
def test_an_expression_nested_deeper_than_python_prints_can_be_compared(text: str, tmp_path: Path) -> None:
    was = written.version(tmp_path / "a", text.format("+".join(["x"] * 2_500)))
    now = written.version(tmp_path / "b", text.format("+".join(["x"] * 2_501)))
    assert difference(was, now).summary.startswith("`f` changed: ")


def test_a_secret_that_changed_is_not_told(tmp_path: Path) -> None:
    was = written.version(tmp_path / "a", "API_KEY = 'hunter2-hunter2'\ndef f():\n    return API_KEY\n")
    now = written.version(tmp_path / "b", "API_KEY = 'hunter3-hunter3'\ndef f():\n    return API_KEY\n")
    found = difference(was, now)
    assert "redacted" in found.summary
    assert "hunter" not in found.summary + found.unified


def test_the_unified_diff_is_that_of_the_closures(tmp_path: Path) -> None:
    was = written.version(tmp_path / "a", BASE)
    now = written.version(tmp_path / "b", BASE.replace("K = 3", "K = 4"))
    lines = difference(was, now).unified.splitlines()
    assert lines[0] == f"--- {was.name} {was.hash[:11]}"
    assert [line for line in lines[2:] if line[0] in "+-"] == ["-K = 3", "+K = 4"]


def test_words_that_changed_are_marked() -> None:
    lines = marked_lines("a\nreturn text.strip('x')\nz\n", "a\nreturn text.strip('y')\nz\nnew\n")
    assert [(line.sign, line.old, line.new) for line in lines] == [
        (" ", 1, 1),
        (OUT, 2, 0),
        (IN, 0, 2),
        (" ", 3, 3),
        (IN, 0, 4),
    ]
    assert [span.text for span in lines[1].spans if span.changed] == ["x"]
    assert [span.text for span in lines[2].spans if span.changed] == ["y"]
    assert lines[2].text == "return text.strip('y')"


def test_an_opaque_function_can_be_compared() -> None:
    scope: dict[str, object] = {}
    exec("def f():\n    return 1", scope)
    was = version_of(scope["f"])
    exec("def f():\n    return 2", scope)
    assert difference(was, version_of(scope["f"])).summary == "`f` changed: its code"
