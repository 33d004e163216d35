"""Names that are found in one step stand for what the search finds."""

from __future__ import annotations

import itertools
import types
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tracelib.versioning import version_of, watch
from tracelib.versioning.direct import Direct

HEAD = """\
import functools, json, math as m
from os.path import join
LIST = []
STATE = 0
def keeping(fn):
    @functools.wraps(fn)
    def inner(*a):
        return fn(*a)
    return inner
def registered(fn):
    LIST.append(fn)
    return fn
"""
ITEMS = [
    "def {a}(x, y=1):\n    'Doc.'\n    z = [x, y]\n    return {b}(x) + {c}(z[0])",
    "async def {a}(x):\n    return {b}, {c}.__name__",
    "def {a}(x, *rest, key={b}, **more):\n    return key(x), rest, more",
    "def {a}(x: {b!r}) -> {c!r}:\n    return x",
    "{a} = {b}",
    "{a} = 3",
    "{a} = ('a', 1, None)",
    "{a} = lambda x: {b}(x)",
    "{a} = functools.partial({b}, 1)",
    "@keeping\ndef {a}(x):\n    return {b}(x)",
    "@registered\ndef {a}(x):\n    return {b}(x)",
    "@functools.lru_cache\ndef {a}(x):\n    return {b}(x)",
    "{a}.mark = {b}",
    "LIST.append({a})",
    "def {a}(x):\n    global STATE\n    STATE += 1\n    return {b}(STATE)",
    "def {a}(x):\n    import string\n    from math import pi\n    return string.digits, pi, {b}",
    "def {a}(x):\n    def deeper(y):\n        return {b}(y) + x\n    return [deeper(i) for i in {c}]",
    "def {a}(x):\n    return globals()['{b}'], eval('{c}')",
    "class {a}:\n    base = {b}\n    def method(self, x):\n        return {c}(x), json, m.pi, join",
    "if STATE == 0:\n    def {a}(x):\n        return {b}\nelse:\n    def {a}(x):\n        return {c}",
    "try:\n    {a} = {b}\nexcept NameError:\n    {a} = None",
    "del {a}",
]
NAMES = [f"h{i}" for i in range(5)]
numbers = itertools.count()
names = st.sampled_from(NAMES)
modules = st.lists(st.tuples(st.sampled_from(ITEMS), names, names, names), min_size=1, max_size=9)


def loaded(path: Path, text: str) -> types.ModuleType:
    path.write_text(text)
    module = types.ModuleType("found")
    module.__file__ = str(path)
    exec(compile(text, str(path), "exec", dont_inherit=True), vars(module))
    return module


def text_of(items: list[tuple[str, str, str, str]]) -> str:
    first = "".join(f"def {name}(x=0):\n    return {at}\n" for at, name in enumerate(NAMES))
    body = "\n".join(item.format(a=a, b=b, c=c) for item, a, b, c in items)
    return f"{HEAD}{first}{body}\ndef f(x):\n    return {', '.join(NAMES)}, LIST, STATE\n"


def told(f: Any) -> dict[str, Any]:
    watch._kept.clear()
    return version_of(f).to_json()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(items=modules)
def test_one_step_and_the_search_find_the_same(
    items: list[tuple[str, str, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        f = loaded(tmp_path / f"found{next(numbers)}.py", text_of(items)).f
    except (NameError, TypeError, AttributeError):
        return  # no module that could be imported
    quick = told(f)
    with monkeypatch.context() as patch:
        patch.setattr(Direct, "direct", lambda self, space, name: None)
        assert told(f) == quick


@pytest.mark.parametrize("change", ["replaced", "code", "wrapped", "gone"])
def test_a_function_that_is_not_what_its_text_says_is_searched_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    module = loaded(tmp_path / "found.py", "def h():\n    return 1\ndef f():\n    return h()\n")
    if change == "replaced":
        module.h = lambda: 2  # type: ignore[attr-defined]
    elif change == "code":
        module.h.__code__ = (lambda: "two").__code__
    elif change == "wrapped":
        module.h.__wrapped__ = loaded(tmp_path / "other.py", "def h():\n    return 3\n").h
    else:
        del module.h
    found: list[Any] = []
    ask = Direct.direct

    def heard(self: Direct, space: Any, name: str) -> Any:
        found.append((name, ask(self, space, name)))
        return found[-1][1]

    monkeypatch.setattr(Direct, "direct", heard)
    version_of(module.f)
    assert ("h", None) in found
