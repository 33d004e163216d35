"""Where a value came from: ell's matrix of idioms, and what its documentation shows."""

from __future__ import annotations

import ast
import base64
import collections
import copy
import csv
import dataclasses
import html
import io
import json
import pickle
import re
import string
import sys
import textwrap
import unicodedata
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pydantic
import pytest

import tracelib as trace

S = Any
Idiom = Callable[[S, S], Any]


@trace.bundle
def hi() -> str:
    return "Hi You, there"


@trace.bundle
def ask(prompt: Any) -> str:
    return "a reply"


@dataclasses.dataclass
class Note:
    text: Any
    tags: list[Any] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    text: Any


class Pair(NamedTuple):
    first: Any
    second: Any


class Keeping(pydantic.BaseModel):
    text: Any
    inner: list[Any] = []


class Plain(pydantic.BaseModel):
    text: str


METHODS: dict[str, tuple[Any, ...]] = {
    "capitalize": (), "casefold": (), "center": (30,), "expandtabs": (), "format": (), "format_map": ({},),
    "ljust": (30,), "lower": (), "lstrip": (), "partition": (" ",), "removeprefix": ("Hi",),
    "removesuffix": ("there",), "replace": ("H", "J"), "rjust": (30,), "rpartition": (" ",), "rsplit": (),
    "rstrip": (), "split": (), "splitlines": (), "strip": (), "swapcase": (), "title": (),
    "translate": ({72: "J"},), "upper": (), "zfill": (30,), "join": (["a", "b"],),
}  # fmt: skip

ONE: dict[str, Idiom] = {
    **{f"s.{name}": (lambda s, t, n=name, a=args: getattr(s, n)(*a)) for name, args in METHODS.items()},
    "s[0]": lambda s, t: s[0],
    "s[-3:]": lambda s, t: s[-3:],
    "s[::-1]": lambda s, t: s[::-1],
    "s + x": lambda s, t: s + " there",
    "x + s": lambda s, t: "say " + s,
    "s += x": lambda s, t: s.__iadd__("x"),
    "s * 2": lambda s, t: s * 2,
    "2 * s": lambda s, t: 2 * s,
    "%s % s": lambda s, t: "say %s!" % s,  # noqa: UP031
    "s % x": lambda s, t: (s + " %d") % 3,
    "s % (x, y)": lambda s, t: (s + " %d %s") % (3, "x"),
    "s % {}": lambda s, t: (s + " %(a)s") % {"a": 1},
    'f"{s}"': lambda s, t: f"{s}",
    'f"{s!s:>30}"': lambda s, t: f"{s:>30}",
    "format(s)": lambda s, t: format(s),
    '"{}".format(s)': lambda s, t: "{}".format(s),  # noqa: UP032
    "for c in s": lambda s, t: [c for c in s][1],  # noqa: C416
    "[*s]": lambda s, t: [*s],
    "next(iter(s))": lambda s, t: next(iter(s)),
    "max(s)": lambda s, t: max(s),
    "list of one": lambda s, t: [s],
    "nested": lambda s, t: {"a": [(1, {"b": s})]},
    "dict key": lambda s, t: {s: 1},
    "set": lambda s, t: {s},
    "frozenset": lambda s, t: frozenset([s]),
    "deque": lambda s, t: collections.deque([s]),
    "tuple": lambda s, t: (1, s),
    "named tuple": lambda s, t: Pair(s, 1),
    "dataclass": lambda s, t: Note(s),
    "its field": lambda s, t: Note(s).text,
    "list in a dataclass": lambda s, t: Note("x", [s]),
    "frozen dataclass with slots": lambda s, t: Frozen(s),
    "asdict": lambda s, t: dataclasses.asdict(Note(s)),
    "astuple": lambda s, t: dataclasses.astuple(Note(s)),
    "dataclasses.replace": lambda s, t: dataclasses.replace(Note("x"), text=s),
    "pydantic, kept": lambda s, t: Keeping(text=s),
    "pydantic, its field": lambda s, t: Keeping(text=s).text,
    "pydantic, list": lambda s, t: Keeping(text="x", inner=[s]),
    "pydantic copy": lambda s, t: Keeping(text=s).model_copy(),
    "model_construct": lambda s, t: Plain.model_construct(text=s),
    "model_dump": lambda s, t: Keeping(text=s).model_dump(),
    "trace.Message(x, s)": lambda s, t: trace.Message("user", s),
    "trace.user([x, s])": lambda s, t: trace.user(["Look:", s]),
    "a dict as a message": lambda s, t: {"role": "user", "content": s},
    "a conversation": lambda s, t: [{"role": "user", "content": [{"type": "text", "text": s}]}],
    "copy": lambda s, t: copy.copy(s),
    "deepcopy": lambda s, t: copy.deepcopy(s),
    "pickle": lambda s, t: pickle.loads(pickle.dumps(s)),
    "html.escape": lambda s, t: html.escape(s),
    "re.escape": lambda s, t: re.escape(s),
    "sorted(s.split())": lambda s, t: sorted(s.split()),
    "string.capwords's parts": lambda s, t: [w.capitalize() for w in s.split()],
    "a number from a node": lambda s, t: trace.node(4) and (trace.getattr(s, "upper")),
}
"""Idioms with one recorded string in them: its call is the origin of what they give."""

BOTH: dict[str, Idiom] = {
    "s + t": lambda s, t: s + t,
    "s % t": lambda s, t: ("%s " + s) % t,
    "s % (x, t)": lambda s, t: (s + " %d %s") % (3, t),
    "s % {t}": lambda s, t: (s + " %(a)s") % {"a": t},
    "s.format(t)": lambda s, t: (s + "{}").format(t),
    "s.format(x=t)": lambda s, t: (s + "{x}").format(x=t),
    "s.format_map": lambda s, t: (s + "{x}").format_map({"x": t}),
    "s.join([t])": lambda s, t: s.join([t, "x"]),
    "s.join(generator)": lambda s, t: s.join(part for part in [t, "x"]),
    "s.replace(x, t)": lambda s, t: s.replace("H", t),
    "s.split(t)": lambda s, t: s.split(t),
    "s.removeprefix(t)": lambda s, t: s.removeprefix(t),
    "s.translate": lambda s, t: s.translate({72: t}),
    "s.center(x, t)": lambda s, t: s.center(40, t[0]),
    "list": lambda s, t: [s, t],
    "list + list": lambda s, t: [s] + [t],  # noqa: RUF005
    "dict": lambda s, t: {s: t},
    "dataclass": lambda s, t: Note(s, [t]),
    "pydantic": lambda s, t: Keeping(text=s, inner=[t]),
    "conversation": lambda s, t: [{"role": "system", "content": s}, {"role": "user", "content": t}],
}
"""Idioms with two recorded strings in them: both calls are the origin."""

READ: dict[str, Idiom] = {
    'f"say {s}"': lambda s, t: f"say {s}",
    'f"say {s!r}"': lambda s, t: f"say {s!r}",
    '"say {}".format(s)': lambda s, t: "say {}".format(s),  # noqa: UP032
    '"{x}!".format_map({"x": s})': lambda s, t: "{x}!".format_map({"x": s}),
    '"%d %s" % (3, s)': lambda s, t: "%d %s" % (3, s),  # noqa: UP031
    '"%(a)s" % {"a": s}': lambda s, t: "%(a)s" % {"a": s},  # noqa: UP031
    "str(s)": lambda s, t: str(s),
    "s.data": lambda s, t: s.data,
    "s.encode().decode()": lambda s, t: s.encode().decode(),
    "len(s)": lambda s, t: len(s),
    "s.find(x)": lambda s, t: s.find("Y"),
    's == "x"': lambda s, t: "yes" if s == "x" else "no",
    "if s": lambda s, t: "yes" if s else "no",
    'string.Template("$a").substitute(a=s)': lambda s, t: string.Template("$a!").substitute(a=s),
    'string.Formatter().format("{}!", s)': lambda s, t: string.Formatter().format("{}!", s),
    "urllib.parse.quote(s)": lambda s, t: urllib.parse.quote(s),
    "base64.b64encode(s.encode())": lambda s, t: base64.b64encode(s.encode()),
    "print(s, file=f)": lambda s, t: _printed(s),
}
"""Idioms that give a plain value and ask the string on the way: possible at the next call."""

SILENT: dict[str, Idiom] = {
    '",".join([s])': lambda s, t: ",".join([s]),
    '"x".replace("x", s)': lambda s, t: "x!".replace("x", s),
    "json.dumps(s)": lambda s, t: json.dumps(s),
    're.sub("H", "J", s)': lambda s, t: re.sub("H", "J", s),
    're.sub("x", s, "x!")': lambda s, t: re.sub("x", s, "x!"),
    're.split(" ", s)': lambda s, t: re.split(" ", s),
    "str.upper(s)": lambda s, t: str.upper(s),
    "io.StringIO(s).read()": lambda s, t: io.StringIO(s).read(),
    "textwrap.dedent(s)": lambda s, t: textwrap.dedent(s),
    "textwrap.fill(s)": lambda s, t: textwrap.fill(s),
    "textwrap.indent(s, x)": lambda s, t: textwrap.indent(s, "  "),
    "csv.writer(f).writerow([s])": lambda s, t: _as_csv(s),
    "ast.literal_eval(x)": lambda s, t: ast.literal_eval(json.dumps(s)),
    "a pydantic field of type str": lambda s, t: Plain(text=s),
}
"""Idioms of C code that asks the string nothing: outside a call nobody can see them."""

# Where nothing is to be done Python 3.14 gives a new plain string, and those before it the same object.
(ONE if sys.version_info < (3, 14) else SILENT)['unicodedata.normalize("NFC", s)'] = lambda s, t: (
    unicodedata.normalize("NFC", s)
)


def _printed(s: Any) -> str:
    out = io.StringIO()
    print(s, file=out)
    return out.getvalue()


def _as_csv(s: Any) -> str:
    out = io.StringIO()
    csv.writer(out).writerow([s])
    return out.getvalue()


def ids(*texts: Any) -> frozenset[str]:
    return frozenset(text.call.id for text in texts)


def test_what_ell_s_documentation_shows() -> None:
    x = hi()
    y = hi()
    assert isinstance(x, str)
    assert x.__origin_trace__ == {x.call.id}
    assert x[0] == "H"
    assert x[0].__origin_trace__ == {x.call.id}
    assert (x + " there").__origin_trace__ == {x.call.id}
    assert (x + y).__origin_trace__ == {x.call.id, y.call.id}


@pytest.mark.parametrize("idiom", ONE)
def test_the_call_of_a_string_is_the_origin_of_what_an_idiom_makes_of_it(idiom: str) -> None:
    s, t = hi(), hi()
    found = trace.origin(ONE[idiom](s, t))
    assert found.ids == ids(s)
    assert found.possible == ()


@pytest.mark.parametrize("idiom", BOTH)
def test_the_calls_of_both_strings_are_the_origin_in_the_order_they_were_made(idiom: str) -> None:
    s, t = hi(), hi()
    found = trace.origin(BOTH[idiom](s, t))
    assert [call.id for call in found.calls] == [s.call.id, t.call.id]


@pytest.mark.parametrize("idiom", [*ONE, *BOTH])
def test_the_origin_is_the_same_after_a_call_was_given_the_value(idiom: str) -> None:
    s, t = hi(), hi()
    value = {**ONE, **BOTH}[idiom](s, t)
    reply = ask(value)
    assert trace.origin(reply).ids == ids(reply)
    assert ids(s) <= trace.origin(list(reply.inputs.values()) + _packed(reply)).ids


def _packed(reply: Any) -> list[Any]:
    return list(reply.parents)


@pytest.mark.parametrize("idiom", READ)
def test_a_string_that_was_only_read_is_a_possible_origin_of_the_next_call(idiom: str) -> None:
    s, t = hi(), hi()
    value = READ[idiom](s, t)
    assert trace.origin(value) == trace.Origin()
    reply = ask(value)
    found = trace.origin(reply + "!")
    assert found.ids == ids(reply)
    assert [call.id for call in found.possible] == [s.call.id]


@pytest.mark.parametrize("idiom", SILENT)
def test_what_asks_nothing_stays_unseen_between_calls(idiom: str) -> None:
    s, t = hi(), hi()
    reply = ask(SILENT[idiom](s, t))
    assert trace.origin(reply).ids == ids(reply)
    assert trace.origin(reply).possible == ()


@pytest.mark.parametrize("idiom", [name for name in [*READ, *SILENT] if name != "s.data"])
def test_inside_a_call_every_idiom_is_behind_its_result(idiom: str) -> None:
    glue = trace.bundle(lambda s, t: {**READ, **SILENT}[idiom](s, t), name="glue")
    s, t = hi(), hi()
    made = glue(s, t)
    assert trace.origin(made).ids == ids(made)
    assert {id(n) for n in made.parents} >= {id(s)}


@pytest.mark.parametrize("idiom", [*ONE, *READ, *SILENT])
def test_a_call_inside_which_an_inner_reply_is_used_has_it_behind_its_result(idiom: str) -> None:
    kept = []

    @trace.bundle
    def glue() -> Any:
        s = hi()
        kept.append(s)
        value = {**ONE, **READ, **SILENT}[idiom](s, s)
        return value if isinstance(value, (str, int, bytes)) else repr(value)

    made = glue()
    assert any(n is kept[0] for n in trace.Graph.behind(made).nodes)


def test_the_page_lists_every_idiom_that_is_only_possible_or_unseen() -> None:
    page = (Path(__file__).parents[2] / "docs" / "origin.md").read_text(encoding="utf-8")
    rows = {row.split("|")[1].strip() for row in page.splitlines() if row.startswith("| ")}
    assert {f"`{idiom}`" if idiom[0] != "a" or "(" in idiom else idiom for idiom in [*READ, *SILENT]} <= rows


def test_interning_is_refused_by_python_and_the_plain_string_is_not() -> None:
    s = hi()
    with pytest.raises(TypeError, match="intern"):
        sys.intern(s)
    assert sys.intern(str(s)) == s


def test_a_temporary_that_is_gone_before_the_call_is_unseen() -> None:
    reply = ask(f"say {hi()}")
    assert trace.origin(reply).ids == ids(reply)


# Calls


def test_a_value_that_a_call_gave_comes_from_that_call_and_no_further() -> None:
    a = hi()
    b = ask(a)
    assert trace.origin(b).ids == ids(b)
    assert trace.origin([b, a]).ids == ids(a, b)


def test_values_without_a_record_have_an_empty_origin() -> None:
    for value in (5, "text", None, object(), [1, 2], {"a": b"x"}, Note("x"), trace.node(5), hi, str):
        found = trace.origin(value)
        assert (found.calls, found.possible, found.ids) == ((), (), frozenset())
    assert not trace.origin("text")
    assert trace.origin(hi())


def test_numbers_and_objects_have_an_origin_too() -> None:
    number = trace.bundle(lambda: 4, name="number")()
    thing = trace.bundle(lambda: {"a": [1, 2]}, name="thing")()
    for value in (number + 1, 1 + number, -number, round(number / 3, 2), number > 2, str(number)):
        assert trace.origin(value).ids == ids(number)
    for value in (f"{number}", f"{number:>9.2f}", format(number), "{}".format(number)):  # noqa: UP032
        assert trace.origin(value).ids == ids(number)
    assert trace.origin(thing["a"][0] + number).ids == ids(number, thing)
    assert trace.origin([number, {"x": thing}]).ids == ids(number, thing)
    assert (number + 1).__origin_trace__ == ids(number)


def test_parameters_on_the_way_are_told() -> None:
    p = trace.node("Be brief.", name="p", trainable=True)
    reply = hi()
    found = trace.origin([p + reply, p])
    assert found.parameters == (p,)
    assert found.ids == ids(reply)
    assert trace.origin(p).parameters == (p,)
    old = p + "!"
    p.update("Be kind.")
    assert trace.origin(old).parameters == (p,)
    assert trace.origin(ask(p)).parameters == ()


def test_a_failed_call_is_the_origin_of_its_exception_node() -> None:
    fail = trace.bundle(lambda text: int(text), name="fail")
    with pytest.raises(ValueError) as raised:
        fail(hi())
    made = raised.value.exception_node  # type: ignore[attr-defined]
    assert trace.origin(made).ids == ids(made)
    assert made.__origin_trace__ == ids(made)


def test_a_failed_operation_is_walked_through() -> None:
    s = hi()
    with pytest.raises(trace.ExecutionError) as raised:
        s[100]
    assert trace.origin(raised.value.exception_node).ids == ids(s)


def test_a_branch_is_no_origin_but_a_possible_one() -> None:
    s = hi()
    reply = ask("yes" if s == "no" else "no")
    assert [call.op.name for call in trace.origin(reply).possible] == ["hi"]


def test_asking_for_the_origin_leaves_no_trace() -> None:
    s = hi()
    trace.origin([s, s + "x"])
    _ = (s + "x").__origin_trace__
    assert trace.origin(ask("unrelated")).possible == ()


# Language model programs


def program(fn: Any) -> Any:
    made = trace.bundle(fn)
    made.op.kind = "lm"
    return made


def test_the_trace_is_of_model_programs_and_walks_through_other_calls() -> None:
    model = program(lambda text: f"reply to {text}")
    reply = model("a question")
    cleaned = trace.bundle(lambda text: text.strip(), name="clean")(reply)
    assert trace.origin(cleaned).ids == ids(cleaned)
    assert cleaned.__origin_trace__ == ids(reply)
    assert (cleaned + hi()).__origin_trace__ == ids(reply)
    assert model(cleaned).__origin_trace__ != ids(reply)


def test_a_model_program_called_inside_a_call_is_behind_its_result() -> None:
    model = program(lambda: "reply")
    kept = []

    @trace.bundle
    def agent() -> str:
        kept.append(model())
        return f"I say {kept[0]}"

    assert agent().__origin_trace__ == ids(kept[0])


# Size


def test_a_long_chain_and_a_wide_fan_are_walked_without_recursion() -> None:
    first = hi()
    value: Any = first
    for _ in range(100_000):
        value = value + "x" if len(value._data) < 50 else value[:5]
    assert trace.origin(value).ids == ids(first)
    many = [first + str(i) for i in range(10_000)]
    assert trace.origin([many, {"again": many}]).ids == ids(first)


def test_a_shared_value_is_walked_once() -> None:
    value = first = trace.bundle(lambda: 1, name="one")()
    for _ in range(2_000):
        value = value - value
    assert trace.origin(value).ids == ids(first)
