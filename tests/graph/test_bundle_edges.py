"""What is behind a result, and which arguments a body changed."""

from __future__ import annotations

import collections
import gc
import json
import re
import warnings
import weakref

import pytest

import tracelib as trace
from tracelib import bundle, node
from tracelib.errors import MutationWarning


def parents(made):
    return [id(p) for p in made.parents]


def ids(*nodes):
    return [id(n) for n in nodes]


@bundle
def double(x):
    """Twice as much."""
    return 2 * x


# what is behind a result


GLOBAL = node(100, name="GLOBAL")


def test_nodes_read_from_globals_closures_and_self_become_parents():
    closed = node(10)

    class A:
        def __init__(self):
            self.own = node(1)

        @bundle
        def total(self):
            return self.own.data + closed.data + GLOBAL.data

    a = A()
    made = a.total()
    assert made.data == 111
    assert set(parents(made)) == set(ids(a.own, closed, GLOBAL))


def test_operations_inside_a_body_are_behind_its_result():
    closed = node(10)
    made = bundle(lambda x: x + closed)(node(1))
    assert made.data == 11
    assert type(made.data) is int
    assert any(n is closed for n in trace.Graph.behind(made).nodes)


def test_a_node_returned_from_an_inner_call_is_a_parent():
    inner = []

    @bundle
    def outer(x):
        inner.append(double(x))
        return inner[0]

    made = outer(node(2))
    assert made.data == 4
    edges = [e for e in trace.Graph.behind(made).edges if e.target is made and e.source is inner[0]]
    assert [e.kind for e in edges] == ["returned"]


@pytest.mark.parametrize(
    "use",
    [
        lambda text: f"<{text}>",
        lambda text: ",".join([text, text]),
        lambda text: json.dumps({"text": text}),
        lambda text: re.sub("a", "b", text),
        lambda text: "nothing of it",
    ],
)
def test_an_inner_call_is_behind_the_result_however_its_value_was_used(use):
    inner = []

    @bundle
    def word(x):
        return f"a{x}"

    @bundle
    def outer(x):
        inner.append(word(x))
        return use(inner[0])

    parameter = node(1, trainable=True)
    made = outer(parameter)
    plain = use("a1")
    assert made.data == plain
    graph = trace.Graph.behind(made)
    assert any(n is inner[0] for n in graph.nodes)
    assert {e.kind for e in graph.edges if e.source is inner[0]} <= {"within", "read"}


def test_a_node_that_only_a_branch_looked_at_is_a_control_edge():
    flag, lang, value = node(True), node("es"), node(1)

    @bundle
    def choose(x):
        if flag and lang == "es":
            return x
        return 0

    made = choose(value)
    kinds = {id(e.source): e.kind for e in trace.Graph.behind(made).edges}
    assert [kinds[id(n)] for n in (value, flag, lang)] == ["argument", "control", "control"]


def test_reads_outside_any_call_are_remembered_weakly_for_the_next_call():
    secret = node("s", trainable=True)
    used = f"{secret}!"
    made = bundle(lambda x: x)(used)
    with pytest.warns(trace.errors.UnreachedWarning, match="possible dependency|read as a plain value"):
        report = made.backward("no")
    assert "detached" in str(report.about([secret]))
    alive = weakref.ref(secret)
    del secret, report
    gc.collect()
    assert alive() is None


def test_a_dropped_result_frees_its_graph_without_the_cyclic_collector():
    gc.collect()
    gc.disable()
    try:
        made = bundle(lambda x: double(x))(node([1]))
        alive = weakref.ref(made)
        del made
        assert alive() is None
    finally:
        gc.enable()


# arguments that the body changes


def changed(args):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        args()
    return [w for w in caught if issubclass(w.category, MutationWarning)]


@pytest.mark.parametrize(
    ("value", "change"),
    [
        ([1], lambda v: v.append(2)),
        ({"a": 1}, lambda v: v.update(a=2)),
        ({"a": 1}, lambda v: v.pop("a")),
        ({1}, lambda v: v.add(2)),
        (bytearray(b"a"), lambda v: v.__setitem__(0, 98)),
        (collections.defaultdict(list), lambda v: v["new"]),
    ],
)
def test_a_body_that_changes_its_argument_is_warned_about_once_at_the_call(value, change):
    @bundle
    def f(v):
        change(v)
        change(v) if isinstance(v, list) else None
        return 1

    caught = changed(lambda: f(value))
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert "changed its argument 'v'" in str(caught[0].message)


def test_a_change_to_the_copy_of_a_container_with_nodes_is_said_to_be_lost():
    given = [node(1)]
    caught = changed(lambda: bundle(lambda v: v.append(2))(given))
    assert "the change is lost" in str(caught[0].message)
    assert len(given) == 1


@pytest.mark.parametrize(
    "read",
    [
        sorted,
        len,
        list,
        lambda v: [x + 1 for x in v],
        lambda v: json.dumps(v),
        lambda v: v[:],
        lambda v: v + v,
        lambda v: (v.index(1), v.count(2)),
    ],
)
def test_a_body_that_only_reads_its_argument_is_not_warned_about(read):
    assert changed(lambda: bundle(lambda v: read(v))([3, 1, 2])) == []


def test_looking_for_changes_runs_no_code_of_a_container_of_the_users():
    class Touchy(dict):
        def __len__(self):
            raise AssertionError

        __iter__ = items = keys = values = __len__

    assert bundle(lambda d: 1)(Touchy(a=1)).data == 1
