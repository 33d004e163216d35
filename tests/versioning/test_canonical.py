"""The scheme of the hash: what makes no difference, what does, and that it stays what it is.

A failure of the golden hashes means that every stored version would be taken for a new one: such a
change needs another tag in `canonical.SCHEME`.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tracelib.versioning import canonical as canonical_text
from tracelib.versioning import forms
from tracelib.versioning.canonical import canonical, digest
from tracelib.versioning.forms import constant
from tracelib.versioning.values import (
    LIVE_LIMIT,
    expression,
    is_plain,
    live_digest,
    live_expression,
    plain_text,
)

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
GOLDEN = json.loads((HERE / "golden.json").read_text())

HASHES = """
import json, sys, importlib
from tracelib.versioning import canonical as canonical_text
from tracelib.versioning import forms
from tracelib.versioning.canonical import canonical, digest
import ast
corpus = json.load(sys.stdin)
print(json.dumps({name: digest(canonical(ast.parse(text).body)) for name, text in corpus.items()}))
"""

SOURCES = sorted((ROOT / "tracelib" / "versioning").glob("*.py"))


def form(text: str) -> str:
    return canonical(ast.parse(text).body)


@pytest.mark.parametrize("name", GOLDEN["texts"])
def test_the_scheme_is_what_it_was(name: str) -> None:
    assert digest(form(GOLDEN["texts"][name])) == GOLDEN["hashes"][name]


def other_pythons() -> list[str]:
    found = [shutil.which(f"python3.{minor}") for minor in range(11, 16)]
    roots = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found += [str(p) for p in sorted(roots.glob("3.1[1-9]*/bin/python"))]
    return sorted({path for path in found if path})


def test_every_python_here_gives_the_same_hashes() -> None:
    done = 0
    for python in other_pythons():
        run = subprocess.run(
            [python, "-S", "-c", HASHES],
            input=json.dumps(GOLDEN["texts"]),
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode == 0:
            assert json.loads(run.stdout) == GOLDEN["hashes"], python
            done += 1
    assert done or not other_pythons()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_printing_code_anew_keeps_its_form(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert form(ast.unparse(tree)) == canonical(tree.body)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_a_form_written_by_hand_is_the_one_by_fields(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    by_hand = canonical(body)
    leaves = (ast.Name, ast.Constant, str, int, bool, type(None))
    by_fields = forms.Forms({kind: forms.FORMS[kind] for kind in leaves})
    for module in (forms, canonical_text):
        monkeypatch.setattr(module, "FORMS", by_fields)
    assert canonical(body) == by_hand


ALIKE = [
    ("x = 'a'", 'x = ("a")'),
    ("x = 'ab'", "x = 'a' 'b'"),
    ("x = 10_000", "x = 10000"),
    ("x = f'a{y}' 'b'", "x = f'a{y}b'"),
    ("x = f'{y}' f''", "x = f'{y}'"),
    ("def f(): pass", "def f():\n    # c\n    pass"),
    ("def f():\n  'a\\n    b'", "def f():\n  'a\\n  b'"),
    ("x = u'a'", "x = 'a'"),
]
DIFFERENT = [
    ("x = 1", "x = 1.0"),
    ("x = 1", "x = True"),
    ("x = 1", "x = '1'"),
    ("x = 'a'", "x = b'a'"),
    ("x = 0.0", "x = -0.0"),
    ("return_ = None", "return_ = ..."),
    ("def f():\n  return", "def f():\n  return None"),
    ("x: int = 1", "x: float = 1"),
    ("x = {**a, 'b': 1}", "x = {'b': 1, **a}"),
    ("f(*a)", "f(a)"),
    ("x = (1,)", "x = 1"),
    ("x = f'{y}'", "x = f'{y!r}'"),
    ("x = f'{y:>3}'", "x = f'{y:<3}'"),
    ("async def f(): pass", "def f(): pass"),
    ("from .a import b", "from a import b"),
    ("x = a if b else c", "x = b if a else c"),
    ("def f(a, /, b): pass", "def f(a, b): pass"),
    ("def f(a, *, b): pass", "def f(a, b): pass"),
    ("def f(a=1, b=2): pass", "def f(a, b=(1, 2)): pass"),
    ("global a, b", "global a; global b"),
    ("try: pass\nexcept* A: pass", "try: pass\nexcept A: pass"),
    ("match x:\n case None: pass", "match x:\n case False: pass"),
    ("match x:\n case A(b=1): pass", "match x:\n case A(c=1): pass"),
]


@pytest.mark.parametrize(("one", "two"), ALIKE)
def test_ways_to_write_the_same_are_the_same(one: str, two: str) -> None:
    assert form(one) == form(two)


@pytest.mark.parametrize(("one", "two"), DIFFERENT)
def test_what_is_not_the_same_differs(one: str, two: str) -> None:
    assert form(one) != form(two)


def test_an_expression_may_nest_as_deep_as_it_can_be_parsed() -> None:
    node: ast.expr = ast.Constant(1)
    for _ in range(50_000):
        node = ast.BinOp(node, ast.Add(), ast.Constant(1))
    assert canonical([node]).count("(BinOp") == 50_000


numbers = st.booleans() | st.integers() | st.floats() | st.complex_numbers()
atoms = st.none() | numbers | st.text() | st.binary()
plain = st.recursive(
    atoms,
    lambda inner: st.lists(inner, max_size=4).map(tuple) | st.frozensets(inner, max_size=4),
    max_leaves=8,
)
values = st.recursive(
    plain | st.sets(atoms, max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(plain, inner, max_size=4),
    max_leaves=8,
)


@given(plain)
@settings(max_examples=300, deadline=None)
def test_a_plain_constant_is_told_by_its_expression(value: object) -> None:
    assert is_plain(value)
    again = eval(expression(value))
    assert plain_text(again) == plain_text(value)


@given(plain, plain)
@settings(max_examples=300, deadline=None)
def test_two_constants_share_a_text_only_if_they_print_the_same(one: object, two: object) -> None:
    if constant(one) == constant(two):
        assert type(one) is type(two)
        assert expression(one) == expression(two)


@given(values)
@example(complex(0.0, -1.0))
@example(complex(-0.0, 1.0))
@settings(max_examples=200, deadline=None)
def test_a_value_without_definition_is_told_by_its_content(value: object) -> None:
    text = live_expression(value)
    assert text is not None
    assert live_digest(eval(text)) == live_digest(value)
    assert live_digest(value)[1]


def test_a_container_that_holds_itself_has_a_digest() -> None:
    held: list[object] = [1]
    held.append(held)
    found, whole = live_digest(held)
    assert found
    assert not whole


def test_a_set_is_seen_whole_only_if_each_of_its_elements_is() -> None:
    assert live_digest({1, (2, "a")})[1]
    assert not live_digest({object()})[1]
    assert not live_digest([frozenset({(object(), 1)})])[1]


def test_a_set_without_definition_is_looked_at_as_far_as_any_container() -> None:
    large = set(range(LIVE_LIMIT + 1))
    assert not live_digest(large)[1]
    assert not live_digest([large])[1]


@pytest.mark.parametrize("size", [999, 1_000, 5_000])
def test_a_long_tuple_is_taken_whole(size: int) -> None:
    assert plain_text(tuple(range(size))) != plain_text((*range(size - 1), -1))
    assert plain_text(tuple("é" * 3 for _ in range(size))) != plain_text(tuple("e" * 3 for _ in range(size)))
    assert sys.getsizeof(plain_text(tuple(range(size)))) > size
