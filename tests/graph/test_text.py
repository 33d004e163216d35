"""A Text is a str that knows where it came from: every method of str, and the libraries that take a str."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import string
import textwrap
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tracelib as trace

TEXT = "Hello, World 1\tab"

CALLS: dict[str, list[tuple[Any, ...]]] = {
    "capitalize": [()],
    "casefold": [()],
    "center": [(30,), (30, "*")],
    "count": [("l",), ("l", 3), ("l", 0, 4)],
    "encode": [(), ("utf-8",)],
    "endswith": [("ab",), (("x", "ab"),)],
    "expandtabs": [(), (4,)],
    "find": [("o",), ("o", 5), ("zzz",)],
    "format": [(), (1,)],
    "format_map": [({},)],
    "index": [("o",), ("zzz",)],
    "isalnum": [()],
    "isalpha": [()],
    "isascii": [()],
    "isdecimal": [()],
    "isdigit": [()],
    "isidentifier": [()],
    "islower": [()],
    "isnumeric": [()],
    "isprintable": [()],
    "isspace": [()],
    "istitle": [()],
    "isupper": [()],
    "join": [(["a", "b"],), ("xyz",), ([],), ([1],), (5,)],
    "ljust": [(30,), (30, "*")],
    "lower": [()],
    "lstrip": [(), ("He",)],
    "maketrans": [({"a": "b"},)],
    "partition": [(",",), ("zzz",), ("",)],
    "removeprefix": [("Hello",)],
    "removesuffix": [("ab",)],
    "replace": [("l", "L"), ("l", "L", 1)],
    "rfind": [("o",)],
    "rindex": [("o",), ("zzz",)],
    "rjust": [(30,)],
    "rpartition": [("o",)],
    "rsplit": [(), (None, 1), ("o", 1)],
    "rstrip": [(), ("ab",)],
    "split": [(), ("o",), ("o", 1), ("",)],
    "splitlines": [(), (True,)],
    "startswith": [("Hello",), (("x", "H"),)],
    "strip": [(), ("Hb",)],
    "swapcase": [()],
    "title": [()],
    "translate": [({108: "L"},)],
    "upper": [()],
    "zfill": [(30,)],
}


def texts(result: Any) -> list[trace.Text]:
    """The Texts that a method gave: one, or those in a list or tuple."""
    if isinstance(result, trace.Text):
        return [result]
    return [part for part in result if isinstance(part, trace.Text)] if type(result) in (list, tuple) else []


def plain(result: Any) -> Any:
    if isinstance(result, trace.Node):
        return result.data
    return type(result)(map(plain, result)) if type(result) in (list, tuple) else result


def test_the_table_has_every_method_that_str_has_on_this_python() -> None:
    assert sorted(CALLS) == sorted(name for name in dir(str) if not name.startswith("_"))


@pytest.mark.parametrize(("name", "args"), [(name, args) for name, many in CALLS.items() for args in many])
def test_a_method_gives_what_str_s_gives_and_the_text_is_behind_every_string(name: str, args: Any) -> None:
    text = trace.node(TEXT)
    try:
        expected = getattr(TEXT, name)(*args)
    except Exception as error:
        with pytest.raises(type(error)):
            getattr(text, name)(*args)
        return
    found = getattr(text, name)(*args)
    assert plain(found) == expected
    assert type(plain(found)) is type(expected)
    if name != "maketrans":
        assert len(texts(found)) == (
            1 if isinstance(expected, str) else len(expected) if type(expected) in (list, tuple) else 0
        )
    for part in texts(found):
        assert any(n is text for n in trace.Graph.behind(part).nodes)


@pytest.mark.parametrize(("name", "args"), [(name, args) for name, many in CALLS.items() for args in many])
def test_arguments_that_are_nodes_are_taken_as_their_values_and_become_parents(name: str, args: Any) -> None:
    nodes = [trace.node(arg) for arg in args]
    try:
        expected = getattr(TEXT, name)(*args)
    except Exception as error:
        with pytest.raises(type(error)):
            getattr(trace.node(TEXT), name)(*nodes)
        return
    found = getattr(trace.node(TEXT), name)(*nodes)
    assert plain(found) == expected
    if name != "maketrans":
        for part in texts(found):
            behind = {id(n) for n in trace.Graph.behind(part).nodes}
            assert all(id(n) in behind for n in nodes)


def test_format_takes_nodes_by_place_and_by_name() -> None:
    who, what = trace.node("Ann"), trace.node(3)
    text = trace.node("{} has {n:.1f}").format(who, n=what)
    assert text == "Ann has 3.0"
    assert {id(who), id(what)} <= {id(p) for p in text.parents}


def test_join_knows_the_nodes_of_lists_iterators_and_views() -> None:
    a, b = trace.node("a"), trace.node("b")
    comma = trace.node(", ")
    for parts in ([a, b], (a, b), (part for part in (a, b)), {"x": a, "y": b}.values(), trace.node([a, b])):
        joined = comma.join(parts)
        assert joined == "a, b"
        behind = {id(n) for n in trace.Graph.behind(joined).nodes}
        assert {id(a), id(b), id(comma)} <= behind


@pytest.mark.parametrize(
    ("compute", "expected"),
    [
        (lambda t: t + "!", "abc!"),
        (lambda t: "<" + t, "<abc"),
        (lambda t: t * 2, "abcabc"),
        (lambda t: 2 * t, "abcabc"),
        (lambda t: t[1], "b"),
        (lambda t: t[::-1], "cba"),
        (lambda t: "%s." % t, "abc."),  # noqa: UP031
        (lambda t: trace.node("%s%s") % (t, 1), "abc1"),
        (lambda t: trace.node("%(k)s") % {"k": t}, "abc"),
        (lambda t: next(iter(t)), "a"),
        (lambda t: next(reversed(t)), "c"),
        (lambda t: t.split("b")[1], "c"),
        (lambda t: trace.bundle(lambda x: x.upper())(t), "ABC"),
    ],
)
def test_what_is_made_of_a_text_is_a_text_that_knows_it(compute: Any, expected: str) -> None:
    text = trace.node("abc")
    made = compute(text)
    assert made == expected
    assert isinstance(made, trace.Text)
    assert isinstance(made, str)
    assert any(n is text for n in trace.Graph.behind(made).nodes)


def test_adding_in_place_gives_a_new_text() -> None:
    text = before = trace.node("a")
    text += "b"
    assert text == "ab"
    assert before == "a"
    assert any(p is before for p in text.parents)


def test_the_parts_of_a_text_know_their_place() -> None:
    text = trace.node("a,b")
    first, second = text.split(",")
    assert first.parents[0] is text
    assert [p.data for p in second.parents] == ["a,b", ",", 1]


def test_str_of_a_text_is_the_plain_string_and_noted_as_a_read() -> None:
    text = trace.node("abc", name="text")
    assert type(str(text)) is str
    assert type(text.data) is str
    asked = trace.bundle(lambda: str(text) + "!")()
    assert [p.name for p in asked.parents] == ["text"]


def test_a_text_equals_hashes_and_sorts_as_its_string() -> None:
    text = trace.node("b")
    assert text == "b"
    assert "b" == text
    assert text != "c"
    assert hash(text) == hash("b")
    assert {"b": 1}[text] == 1
    assert {text: 1}["b"] == 1
    assert sorted(["c", text, "a"]) == ["a", "b", "c"]
    assert text in ["a", "b"]
    assert "b" in text
    assert len(text) == 1


def test_json_writes_a_text_as_a_string_also_as_a_key() -> None:
    text = trace.node('a"é')
    assert json.dumps({text: [text]}) == json.dumps({'a"é': ['a"é']})
    assert json.loads(trace.node('{"a": 1}')) == {"a": 1}


def test_re_takes_a_text_as_pattern_string_and_replacement() -> None:
    text = trace.node("b")
    assert re.findall(text, "abcb") == ["b", "b"]
    assert re.sub("a", text, "xax") == "xbx"
    assert re.sub(text, "-", trace.node("abc")) == "a-c"
    assert re.compile(text).split("abc") == ["a", "c"]
    assert re.match("(.)", text).group(1) == "b"  # type: ignore[union-attr]


def test_paths_files_and_templates_take_a_text(tmp_path: Path) -> None:
    name = trace.node("file.txt")
    path = tmp_path / name
    path.write_text(trace.node("hello"))
    assert Path(name).suffix == ".txt"
    assert os.path.join("a", name) == os.path.join("a", "file.txt")
    assert path.read_text() == "hello"
    with open(trace.node(str(path))) as file:
        assert file.read() == "hello"
    assert string.Template(trace.node("$a!")).substitute(a=name) == "file.txt!"
    assert textwrap.dedent(trace.node("  a")) == "a"
    out = io.StringIO()
    csv.writer(out).writerow([name, 1])
    assert out.getvalue() == "file.txt,1\r\n"
    assert ",".join([name, "x"]) == "file.txt,x"
    assert f"{name:>10}|{name!s}" == "  file.txt|file.txt"
    assert getattr(io, trace.node("StringIO")) is io.StringIO
    assert int(trace.node("12")) == 12
    assert int(trace.node("ff"), 16) == 255
    assert float(trace.node("1.5")) == 1.5
    assert eval(trace.node("1 + 1")) == 2


@pytest.mark.parametrize(("name", "args"), [(name, args) for name, many in CALLS.items() for args in many])
def test_the_methods_of_a_parameter_that_is_a_string_are_those_of_a_text(name: str, args: Any) -> None:
    p = trace.node(TEXT, trainable=True)
    try:
        expected = getattr(TEXT, name)(*args)
    except Exception as error:
        with pytest.raises(type(error)):
            getattr(p, name)(*args)
        return
    found = getattr(p, name)(*args)
    assert plain(found) == expected
    if name != "maketrans":
        for part in texts(found):
            assert part.op == name
            assert any(n is p for n in part.parents)


def test_a_text_is_no_function() -> None:
    assert not callable(trace.node("abc"))
    with pytest.raises(TypeError):
        trace.node("abc")()


def test_a_string_of_a_subclass_stays_of_its_class() -> None:
    class Markup(str):
        __slots__ = ()

    n = trace.node(Markup("<b>"))
    assert type(n.data) is Markup
    assert (n + "x").data == "<b>x"


def test_a_text_formatted_in_a_call_is_an_input_of_the_call() -> None:
    text, plain_text = trace.node("who", name="who"), trace.node(3, name="count")

    @trace.bundle
    def ask() -> str:
        return f"{text}: {plain_text}"

    asked = ask()
    assert asked.data == "who: 3"
    assert {id(text), id(plain_text)} == {id(p) for p in asked.parents}


@given(text=st.text(), part=st.text(min_size=1, max_size=3))
def test_any_string_splits_and_joins_as_plain_ones_do(text: str, part: str) -> None:
    t = trace.node(text)
    assert t.split(part) == text.split(part)
    assert trace.node(part).join(t.split(part)) == text
    assert t.upper() == text.upper()
    assert list(t) == list(text)
    assert t.partition(part) == text.partition(part)


def test_a_list_of_texts_in_an_f_string_reads_as_a_list_of_strings():
    word = trace.node("a", name="word")

    @trace.bundle
    def prompt():
        return f"choose from {[word, 'b']}"

    asked = prompt()
    assert asked == "choose from ['a', 'b']"
    assert any(parent is word for parent in asked.parents)
