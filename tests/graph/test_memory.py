"""A graph is freed by dropping its output, without the cyclic collector; nothing else keeps it."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import tracelib as trace


class Thing:
    """A value that can be referenced weakly."""

    def __init__(self, n: int = 0) -> None:
        self.n = n

    def __add__(self, other: Any) -> Thing:
        return Thing(self.n + 1)


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@trace.bundle
def use(*things: Any) -> Any:
    return things[0]


@trace.bundle
def fail(thing: Any) -> Any:
    raise ValueError("no")


@trace.bundle
def within(thing: Any) -> Any:
    inner = use(thing)
    return [inner, use(inner)]


@trace.bundle
def reading(hidden: Any) -> Any:
    return 1 if hidden == 5 else 0


@trace.bundle
def streaming(thing: Any) -> Any:
    yield thing
    yield use(thing)


def failing(x: Any) -> Any:
    try:
        fail(x)
    except ValueError as error:
        return error.exception_node  # type: ignore[attr-defined]


def failing_operation(x: Any) -> Any:
    try:
        return x / 0
    except TypeError as error:
        return error.exception_node  # type: ignore[attr-defined]


PROGRAMS: dict[str, Callable[[Any], Any]] = {
    "operation": lambda x: x + 1,
    "chain": lambda x: x + 1 + 2 + 3,
    "call": use,
    "container": lambda x: use([x, {"k": x}]),
    "inner calls": within,
    "branch": reading,
    "attribute": lambda x: x.n,
    "method call": lambda x: x.n.bit_length(),
    "failed call": failing,
    "failed operation": failing_operation,
    "node of nodes": lambda x: trace.node([x, x]),
    "generator": lambda x: list(streaming(x)),
    "generator left early": lambda x: next(iter(streaming(x))),
    "coroutine": lambda x: asyncio.run(_later(x)),
    "graph and names": lambda x: (lambda y: (trace.Graph.behind(y).named(), y))(within(x)),
    "inputs and call": lambda x: (lambda y: (y.inputs, y.parents, y.call, y.call.id, y))(within(x)),
    "text": lambda x: str(x.n).upper() + "!",
    "looking before": lambda x: (bool(x == 5), x)[1] + 1,
}


@trace.bundle
async def _later(x: Any) -> Any:
    await asyncio.sleep(0)
    return use(x)


@pytest.mark.parametrize("program", PROGRAMS)
def test_dropping_the_output_frees_all_behind_it(program: str) -> None:
    PROGRAMS[program](trace.node(Thing()))  # first-use caches
    thing = Thing()
    node = trace.node(thing)
    value, leaf = weakref.ref(thing), weakref.ref(node)
    output = PROGRAMS[program](node)
    del thing, node
    assert output is not None
    del output
    assert value() is None
    assert leaf() is None


def test_what_is_behind_an_output_lives_as_long_as_the_output() -> None:
    node = trace.node(Thing())
    leaf = weakref.ref(node)
    output = use(node) + 1
    del node
    assert leaf() is not None
    assert output.parents[0].parents[0] is leaf()


def test_backward_keeps_nothing_of_the_graph() -> None:
    p = trace.node(1, trainable=True)
    thing = Thing()
    value = weakref.ref(thing)
    use(p, thing).backward("said")
    del thing
    assert value() is None
    assert p.feedback.text == "said"


def test_a_report_keeps_its_graph_and_lets_it_go() -> None:
    p = trace.node(1, trainable=True)
    thing = Thing()
    value = weakref.ref(thing)
    report = use(p, thing).backward("said")
    del thing
    assert value() is not None
    del report
    assert value() is None


def test_a_parameter_keeps_no_output_that_was_made_from_it() -> None:
    p = trace.node(1, trainable=True)
    outputs = [p + i for i in range(200)]
    alive = [weakref.ref(y) for y in outputs]
    del outputs
    assert [r for r in alive if r() is not None] == []


def test_a_dropped_parameter_is_freed() -> None:
    p = trace.node(Thing(), trainable=True)
    alive = weakref.ref(p)
    y = use(p)
    p.update(Thing(1))
    del p
    assert alive() is not None
    del y
    assert alive() is None


def test_an_error_that_was_caught_lets_its_graph_go() -> None:
    thing = Thing()
    value = weakref.ref(thing)
    try:
        fail(thing)
    except ValueError:
        pass
    del thing
    assert value() is None


def test_a_bundle_keeps_no_arguments_of_its_last_call() -> None:
    thing = Thing()
    value = weakref.ref(thing)
    use(thing)
    use(trace.node(thing))
    del thing
    assert value() is None


def test_a_bundle_made_in_a_function_is_freed() -> None:
    def make() -> weakref.ref[Any]:
        made = trace.bundle(lambda x: x)
        made(1)
        return weakref.ref(made)

    alive = make()
    assert alive() is None


def test_a_recorded_operation_takes_few_bytes_and_all_come_back() -> None:
    def build(n: int) -> Any:
        y: Any = trace.node(0.5)
        for _ in range(n):
            y = y + 1.5
        return y

    def build_calls(n: int) -> Any:
        y: Any = trace.node(0.5)
        for _ in range(n):
            y = use(y)
        return y

    for make in (build, build_calls):
        make(10)
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        y = make(20_000)
        held = tracemalloc.get_traced_memory()[0] - before
        del y
        left = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        assert held / 20_000 < 300
        assert left / 20_000 < 20


def test_a_chain_of_100_000_operations_is_freed_without_recursion() -> None:
    y: Any = trace.node(0)
    for _ in range(100_000):
        y = -y
    alive = weakref.ref(y)
    del y
    assert alive() is None


def test_nothing_of_ours_refers_to_an_output_but_the_user() -> None:
    y = within(trace.node([1]))
    trace.Graph.behind(y).named()
    ours = [r for r in gc.get_referrers(y) if type(r).__module__.startswith("tracelib")]
    assert ours == []
