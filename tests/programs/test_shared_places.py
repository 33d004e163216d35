"""Write-back where several parameters begin in one place, and where a value is no proof of a place."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tracelib.errors import StateError
from tracelib.programs.changes import RESULT, Change, changes_of
from tracelib.programs.writeback import Rewriting, rewrite

SHARED = """\
class Sub(Module):
    def __init__(self):
        self.rules = node("a", trainable=True)

class Agent(Module):
    def __init__(self):
        self.one, self.two = Sub(), Sub()
        self.steps = [node("b", trainable=True) for _ in range(2)]
        self.tone = node("c", trainable=True)
"""
SEED = {"one.rules": "a", "two.rules": "a", "steps.0": "b", "steps.1": "b", "tone": "c"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def done(source: str, changes: list[Change]) -> tuple[Rewriting, str]:
    """What was done to a source file, and what it says then."""
    path = Path("app.py")
    path.write_text(source, encoding="utf-8")
    made = rewrite(changes, ["app:Agent"])
    if not made.refused:
        made.write()
    return made, path.read_text(encoding="utf-8")


def learned(**new: Any) -> list[Change]:
    best = {**SEED, **{path.replace("__", "."): value for path, value in new.items()}}
    return changes_of({"format": RESULT, "seed": SEED, "best": best})


@pytest.mark.parametrize(
    ("new", "refused", "by"),
    [
        ({"one__rules": "A"}, "one.rules", "two.rules"),
        ({"steps__1": "B"}, "steps.1", "steps.0"),
        ({"tone": "C"}, None, ""),
        ({"one__rules": "A", "two__rules": "A", "tone": "C"}, None, ""),
    ],
)
def test_what_began_in_one_place_and_differs_now_is_not_written(
    new: dict[str, str], refused: str | None, by: str
) -> None:
    made, text = done(SHARED, learned(**new))
    assert list(made.refused) == ([refused] if refused else [])
    if refused:
        assert text == SHARED
        assert f"is where {by} begins too, and they differ now" in made.refused[refused]
    else:
        assert all(f'"{value}"' in text for value in new.values())


def test_a_parameter_that_is_not_chosen_keeps_its_place() -> None:
    one, two = learned(one__rules="A", two__rules="B")[:2]
    made, _ = done(SHARED, [one, two.staying()])
    assert list(made.refused) == ["one.rules"]


@pytest.mark.parametrize("order", [1, -1])
def test_a_state_whose_parameters_differ_is_not_written_over_one_that_says_its_value(order: int) -> None:
    told = dict(list({"one.rules": "a", "two.rules": "B"}.items())[::order])
    made, text = done(SHARED, changes_of({"format": "tracelib parameters 1", "parameters": told}))
    assert made.refused
    assert text == SHARED


def test_an_equal_value_is_no_proof_of_a_place_that_another_parameter_has() -> None:
    source = 'class Agent(Module):\n    def __init__(self):\n        self.tone = node("a", trainable=True)\n'
    seed = {"tone": "a", "rules": "a"}
    changes = changes_of({"format": RESULT, "seed": seed, "best": {**seed, "rules": "B"}})
    made, text = done(source, changes)
    assert made.refused == {"rules": "it does not stand in app.py"}
    assert text == source


def test_a_parameter_of_another_file_with_the_same_name_and_value_is_in_nobodys_way() -> None:
    source = 'class Agent(Module):\n    def __init__(self):\n        self.rules = node("a", trainable=True)\n'
    seed = {"rules": "a", "sub.rules": "a"}
    changes = changes_of({"format": RESULT, "seed": seed, "best": {**seed, "rules": "B"}})
    _, text = done(source, changes)
    assert text == source.replace('"a"', '"B"')


@pytest.mark.parametrize(
    ("value", "new"),
    [("[('a', 1)]", [["b", 2]]), ("{1: 'a'}", {"1": "b"}), ("[b'a']", ["b"]), ("({'a'},)", [["b"]])],
)
def test_what_json_cannot_tell_apart_is_not_written(value: str, new: Any) -> None:
    source = f"x = node({value}, trainable=True)\n"
    made, text = done(source, [Change("x", new, dated=False)])
    assert re.fullmatch(r"app.py:1: JSON cannot say .* as it is: change that yourself", made.refused["x"])
    assert text == source


def test_a_set_is_the_same_in_any_order() -> None:
    source = "x = node({'a', 'b', 'c'}, trainable=True)\n"
    for old in (["a", "b", "c"], ["c", "a", "b"], ["b", "c", "a"]):
        assert done(source, [Change("x", ["d"], old)])[1] == "x = node({'d'}, trainable=True)\n"


def test_a_value_that_json_does_not_have_is_in_nobodys_way() -> None:
    source = "call(node(b'\\xff', trainable=True), Parameter('a'))\n"
    assert done(source, [Change("str", "b", "a")])[1] == source.replace("'a'", "'b'")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_code_is_written_with_the_line_ends_of_the_file(end: str) -> None:
    source = f'@bundle(trainable=True){end}def f(x):{end}    """Two{end}    lines."""{end}    return x{end}'
    Path("app.py").write_bytes(source.encode())
    old = 'def f(x):\n    """Two\n    lines."""\n    return x'
    change = Change("f", old.replace("\n", "\r\n") + " + 1", old)
    rewrite([change], ["app.py"]).write()
    assert Path("app.py").read_bytes().decode() == source.replace("return x", "return x + 1")
    assert rewrite([change], ["app.py"]).changed == []


def test_a_docstring_is_set_in_by_tabs_where_the_file_is() -> None:
    source = '@lm(trainable=True)\ndef f(x):\n\t"""Old."""\n\treturn x\n'
    _, text = done(source, [Change("f.system", "One.\nTwo.", "Old.")])
    assert text == source.replace("Old.", "One.\n\tTwo.\n\t")


def test_what_is_no_result_is_refused() -> None:
    with pytest.raises(StateError, match="neither the result of a training nor a state"):
        changes_of({"training": [1]})
