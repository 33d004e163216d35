"""Write-back: what was learned is put where the source says it, and nothing else of a file changes."""

from __future__ import annotations

import os
import runpy
from pathlib import Path
from typing import Any

import pytest

from optimizers.result import FORMAT
from tracelib.errors import StateError
from tracelib.programs.changes import RESULT, Change, changes_of
from tracelib.programs.writeback import Rewriting, rewrite

APP = '''\
#!/usr/bin/env python
"""An agent."""   # with a comment
import tracelib as trace
from tracelib import node as n, bundle


@trace.model
class Agent:
    def __init__(self):
        self.rules = trace.node('Be kind.', trainable=True)  # 'Be kind.'
        self.share = n(0.5,   trainable=True)
        self.steps = [n("one", trainable=True), n("two", trainable=True)]
        self.words = trace.node(("a", "b"), name="stop words", trainable=True)

    @bundle(trainable=True)
    def decide(self, text):
        """Decide."""
        if text:   # why not
            return "yes"
        return """
no
"""

    @trace.prompt("system", trainable=True)
    def judge(self, kind):
        """Judge {{ kind }}."""

@trace.lm(model="any", trainable=True)
def greet(name):
    """
    You are a friendly greeter.

      - be brief
    """
    return f"Greet {name}"
'''


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = Path("app.py")
    path.write_text(APP, encoding="utf-8")
    return path


def values(path: Path) -> dict[str, Any]:
    """What the parameters of the program in a file hold when it starts."""
    found = runpy.run_path(str(path))
    agent = {path: p.data for path, p in found["Agent"]().named_parameters().items()}
    return {**agent, "greet.system": found["greet"].system.data}


def learned(old: dict[str, Any], **new: Any) -> list[Change]:
    """The changes of a training, whose paths are written with `__` for a dot."""
    said = {path.replace("__", "."): value for path, value in new.items()}
    return [Change(path, value, old[path], program="app:Agent") for path, value in said.items()]


def test_each_kind_of_parameter_is_rewritten_where_it_stands(app: Path) -> None:
    code = 'def decide(self, text):\n    """Decide."""\n    return f"""\n{text}"""  # all'
    new: dict[str, Any] = {
        "rules": "Don't be \\ unkind.\n\nEver.",
        "share": 0.25,
        "steps__1": "zwei",
        "words": ["c"],
        "decide": code,
        "judge__template": "Judge {{ kind }},\nin two lines.",
        "greet__system": "Be short.\n\n    Very.",
    }
    done = rewrite(learned(values(app), **new))
    assert (done.refused, len(done.written)) == ({}, 7)
    done.write()
    expected = {path.replace("__", "."): value for path, value in new.items()}
    assert values(app) == {**values(app), **expected, "words": ("c",), "steps.0": "one", "share": 0.25}
    text = app.read_text(encoding="utf-8")
    for kept in (
        '"""An agent."""   # with a comment',
        "# 'Be kind.'",
        "n(0.25,   trainable=True)",
        '(("c",), name=',
    ):
        assert kept in text
    assert "trace.node('''Don\\'t" not in text
    assert "trace.node('''Don't be \\\\ unkind.\n\nEver.''', trainable=True)  # 'Be kind.'" in text
    assert '    """\n    Be short.\n\n        Very.\n    """\n    return' in text
    assert '        """Judge {{ kind }},\n        in two lines.\n        """\n' in text


def test_the_diff_names_the_file_and_shows_the_changed_lines_only(app: Path) -> None:
    done = rewrite(learned(values(app), rules="Be brief."))
    lines = done.diff(done.changed[0])
    assert lines[:2] == ["--- app.py", "+++ app.py"]
    assert [line for line in lines[2:] if line[0] in "-+"] == [
        "-        self.rules = trace.node('Be kind.', trainable=True)  # 'Be kind.'",
        "+        self.rules = trace.node('Be brief.', trainable=True)  # 'Be kind.'",
    ]
    assert app.read_text(encoding="utf-8") == APP


@pytest.mark.parametrize("end", ["\r\n", "\n"])
@pytest.mark.parametrize(
    ("encoding", "cookie"),
    [
        ("utf-8", ""),
        ("utf-8-sig", ""),
        ("latin-1", "# -*- coding: latin-1 -*-\n"),
        ("cp1252", "# vim: fileencoding=cp1252\n"),
    ],
)
def test_line_ends_encoding_and_mark_are_kept(app: Path, end: str, encoding: str, cookie: str) -> None:
    source = (cookie + APP + "# café \f\n").replace("\n", end)
    app.write_bytes(source.encode(encoding))
    before = values(app)
    done = rewrite(learned(before, rules="Très bref. → λ", greet__system="Zwei\nZeilen"))
    done.write()
    assert values(app) == {**before, "rules": "Très bref. → λ", "greet.system": "Zwei\nZeilen"}
    text = app.read_bytes().decode(encoding)
    changed = [line for line in text.split(end) if line not in source.split(end)]
    assert [line.strip() for line in changed] == [
        next(x for x in changed if "rules" in x).strip(),
        "Zwei",
        "Zeilen",
    ]
    assert ("→" in text) == encoding.startswith("utf")
    assert text.count("\n") == source.count("\n") - 1
    assert app.read_bytes().startswith(b"\xef\xbb\xbf") == (encoding == "utf-8-sig")


def test_mode_and_links_are_kept_and_nothing_is_left_beside(app: Path) -> None:
    real = app.rename(app.with_name("real.py"))
    real.chmod(0o754)
    app.symlink_to(real)
    rewrite(learned(values(app), rules="x")).write()
    assert (app.is_symlink(), real.stat().st_mode & 0o777) == (True, 0o754)
    assert "'x'" in real.read_text(encoding="utf-8")
    assert sorted(os.listdir()) == ["app.py", "real.py"]


def test_what_the_source_says_already_is_no_change(app: Path) -> None:
    old = values(app)
    rewrite(learned(old, rules="x")).write()
    again = rewrite(learned(old, rules="x"))
    assert (again.changed, again.refused, again.written) == ([], {}, [])


REFUSED: dict[str, tuple[str, str, Any, str]] = {
    "changed": (
        "'Be kind.', trainable",
        "'Be rude.', trainable",
        None,
        "the file changed since: app.py:10 says 'Be rude.'",
    ),
    "gone": ("trace.node('Be kind.', trainable=True)", "None", None, "it does not stand in app.py"),
    "computed": (
        "'Be kind.', trainable",
        "'Be ' + 'kind.', trainable",
        None,
        "app.py:10: it is computed there: 'Be ' + 'kind.'",
    ),
    "formatted": ("'Be kind.', trainable", "f'Be {1}', trainable", None, "it is computed there: f'Be {1}'"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_placed_is_refused_and_nothing_is_written(
    app: Path, case: tuple[str, str, Any, str]
) -> None:
    there, instead, _, reason = case
    old = values(app)
    app.write_text(APP.replace(there, instead, 1), encoding="utf-8")
    done = rewrite(learned(old, rules="x", share=0.1))
    assert list(done.refused) == ["rules"]
    assert reason in done.refused["rules"]
    with pytest.raises(StateError, match=r"nothing was written\. rules: "):
        done.write()
    assert "0.5" in app.read_text(encoding="utf-8")


def written(source: str, *changes: Change, where: str = "m.py") -> tuple[str, Rewriting]:
    Path("m.py").write_text(source, encoding="utf-8")
    done = rewrite(changes, [where])
    if not done.refused:
        done.write()
    return Path("m.py").read_text(encoding="utf-8"), done


def test_a_value_that_stands_twice_is_told_by_its_class_or_refused(app: Path) -> None:
    source = "class A:\n  def __init__(self):\n    self.x = node('a', trainable=True)\n"
    source += source.replace("A:", "B:")
    text, done = written(source, Change("x", "b", "a"))
    assert "m.py:3 or m.py:6: which is meant cannot be told" in done.refused["x"]
    assert text == source
    text, done = written(source, Change("x", "b", "a"), where="m:B")
    assert text == "'b'".join(source.rsplit("'a'", 1))
    assert written(source, Change("x", "b", "a"), where="m.py:B")[0] == text


def test_a_parameter_without_a_path_in_the_source_is_found_by_its_value(app: Path) -> None:
    source = "call(Parameter('a'), n=node('b', 'named', True))\n"
    text, _ = written(source, Change("str", "A", "a"), Change("named", "B", "b"))
    assert text == "call(Parameter('A'), n=node('B', 'named', True))\n"


def test_a_constant_that_others_may_use_is_left_alone(app: Path) -> None:
    source = "RULES = 'a'\nx = node(RULES, trainable=True)\n"
    _, done = written(source, Change("x", "b", "a"))
    assert done.refused == {
        "x": "m.py:2: it is the value of RULES, which others may use: change that yourself"
    }
    _, done = written(source, Change("x", "a", dated=False))
    assert (done.refused, done.written) == ({}, [])


def test_two_parameters_that_begin_in_one_place_must_agree(app: Path) -> None:
    source = "class Sub:\n    def __init__(self):\n        self.x = node('a', trainable=True)\n"
    _, done = written(source, Change("one.x", "b", "a"), Change("two.x", "c", "a"))
    assert done.refused == {"two.x": "m.py:3 is where one.x begins too, and they differ now"}
    text, done = written(source, Change("one.x", "b", "a"), Change("two.x", "b", "a"))
    assert (done.refused, text) == ({}, source.replace("'a'", "'b'"))


BOTH = """\
@lm(model="any", trainable="all")
def f(x):
    {}
    return {}"""


def test_of_new_code_the_docstring_is_the_learned_one(app: Path) -> None:
    old = {"f": 'def f(x):\n    """Doc."""\n    return x', "f.system": "Doc."}
    code = 'def f(x):\n    """Other."""\n    return x.upper()'
    for system in ("Doc.", "New."):
        best = {"f": code, "f.system": system}
        changes = changes_of({"format": RESULT, "seed": old, "best": best})
        text, done = written(BOTH.format('"""Doc."""', "x"), *changes)
        assert (text, done.refused) == (BOTH.format(f'"""{system}"""', "x.upper()"), {})


def test_a_state_says_the_new_values_only(app: Path) -> None:
    state = {"format": "tracelib parameters 1", "parameters": {**values(app), "rules": "x"}}
    del state["parameters"]["greet.system"]
    done = rewrite(changes_of(state), ["app:Agent"])
    assert (done.written, done.refused) == (["rules"], {})


def test_a_result_says_what_changed_and_whose_it_is() -> None:
    assert RESULT == FORMAT
    result = {
        "format": FORMAT,
        "seed": {"a": 1, "b": 2},
        "best": {"a": 1, "b": 3},
        "programs": {"b": "app:B"},
    }
    assert changes_of(result) == [Change("a", 1, 1, stays=True), Change("b", 3, 2, program="app:B")]
    assert changes_of({"training": result, "settings": {}}) == changes_of(result)
    for nonsense in ([], "x", {}, {"format": "other"}, {"training": 5}):
        with pytest.raises(StateError, match="neither the result of a training nor a state"):
            changes_of(nonsense)


def test_files_that_are_not_the_users_source_are_refused(app: Path) -> None:
    Path("book.ipynb").write_text("{}", encoding="utf-8")
    Path("bad.py").write_text("x = (", encoding="utf-8")
    change = Change("x", 1, 2)
    for where, reason in {
        "__main__:Agent": "defined in a notebook or at a prompt",
        "book.ipynb": "is a notebook",
        "nothing.here:Agent": "no source file nothing.here:Agent",
        "pytest:main": "belongs to an installed package",
        "bad.py": "bad.py does not parse",
    }.items():
        with pytest.raises(StateError, match=reason):
            rewrite([change], [where])
    with pytest.raises(StateError, match="name the source file, or app:Agent"):
        rewrite([change])


def test_a_file_that_changes_meanwhile_is_not_overwritten(app: Path) -> None:
    done = rewrite(learned(values(app), rules="x"))
    app.write_text(APP + "\n", encoding="utf-8")
    with pytest.raises(StateError, match="was changed while we looked at it"):
        done.write()
    assert app.read_text(encoding="utf-8") == APP + "\n"
