"""Files as Python reads them: encodings, line ends, the last line; and files that cannot be read."""

from __future__ import annotations

import os
import types
from pathlib import Path

import pytest

from tracelib.versioning import Version, version_of, watch
from tracelib.versioning.snapshots import chunk_of

TEXT = "NAME = 'Zürich'\ndef f():\n    return NAME + 'é'\n"


def loaded(path: Path) -> types.ModuleType:
    """A file run as a module, by the bytes it has."""
    module = types.ModuleType("text")
    module.__file__ = str(path)
    exec(compile(path.read_bytes(), str(path), "exec", dont_inherit=True), vars(module))
    return module


def version(folder: Path, data: bytes) -> Version:
    folder.mkdir(exist_ok=True)
    path = folder / "text.py"
    path.write_bytes(data)
    return version_of(loaded(path).f)


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        b"\xef\xbb\xbf" + TEXT.encode(),
        b"# -*- coding: latin-1 -*-\n" + TEXT.encode("latin-1"),
        b"#!/usr/bin/env python\n# vim: set fileencoding=cp1252 :\n" + TEXT.encode("cp1252"),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.rstrip("\n").encode(),
        b"# no encoding: 'coding' is a word here\n" + TEXT.encode(),
    ],
    ids=["utf-8", "byte order mark", "latin-1", "second line", "CRLF", "no last newline", "the word alone"],
)
def test_a_text_is_the_same_code_in_every_encoding(tmp_path: Path, data: bytes) -> None:
    found = version(tmp_path, data)
    assert not found.partial, found.why
    assert found.hash == version(tmp_path / "plain", TEXT.encode()).hash
    assert "\r" not in found.closure
    scope: dict[str, object] = {}
    exec(found.closure, scope)
    assert scope["f"]() == "Züriché"  # type: ignore[operator]


@pytest.mark.parametrize(
    "data",
    [b"# coding: rot13\n", b"# coding: no-such-encoding\n", b"x = '\xff'\n", b""],
    ids=["no encoding of texts", "unknown encoding", "not UTF-8", "empty"],
)
def test_a_file_that_is_no_text_is_none(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "broken.py"
    path.write_bytes(data)
    assert chunk_of(str(path), {}) is None


def test_a_file_that_is_gone_or_a_folder_is_none(tmp_path: Path) -> None:
    assert chunk_of(str(tmp_path / "nowhere.py"), {}) is None
    assert chunk_of(str(tmp_path), {}) is None


def test_a_function_whose_file_became_unreadable_says_so(tmp_path: Path) -> None:
    path = tmp_path / "text.py"
    path.write_text("def f():\n    return 1\n")
    f = loaded(path).f
    path.write_bytes(b"# coding: rot13\n")
    found = version_of(f)
    assert found.partial
    assert "source text" in found.why[0]


def test_an_edit_is_seen_and_a_function_of_the_text_before_it_is_still_found(tmp_path: Path) -> None:
    path = tmp_path / "text.py"
    path.write_text("def f():\n    return 1\n")
    first = loaded(path).f
    before = version_of(first)
    path.write_text("def f():\n    return 22\n")
    os.utime(path, (2e9, 2e9))
    second = loaded(path).f
    after = version_of(second)
    watch._kept.clear()
    assert "return 22" in after.source
    assert version_of(first).hash == before.hash != after.hash
    assert version_of(first).source == before.source
