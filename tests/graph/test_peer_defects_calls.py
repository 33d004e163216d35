"""Defects seen elsewhere in calls, errors and concurrency, each as what a user would see."""

from __future__ import annotations

import asyncio
import concurrent.futures
import dataclasses
import functools
import json
import sys
import threading
import time

import pytest

import tracelib as trace
from tracelib import ExecutionError, bundle, node
from tracelib import bundle as op
from tracelib.errors import SignatureError


@bundle
def plus_one(x):
    return x + 1


def test_two_methods_with_equal_descriptions_run_their_own_code():
    """3: two methods whose descriptions start alike."""

    class K:
        @bundle(description="[op] same")
        def a(self, x):
            return "A"

        @bundle(description="[op] same")
        def b(self, x):
            return "B"

    assert (K().a(1).data, K().b(1).data) == ("A", "B")


def test_two_trainable_methods_with_equal_descriptions_learn_apart():
    """3: the same, where the code is a parameter."""

    @trace.model
    class K:
        @bundle(trainable=True, description="[op] same")
        def a(self):
            return "A"

        @bundle(trainable=True, description="[op] same")
        def b(self):
            return "B"

    k = K()
    k.a.parameter.update("def a(self):\n    return 'new'")
    assert (k.a().data, k.b().data) == ("new", "B")
    assert list(k.named_parameters()) == ["a", "b"]


def test_the_record_of_a_call_is_not_that_of_the_last():
    """4: inputs of an earlier call, seen after a later one; a failure's trace in a success."""
    first = plus_one(node(10))
    plus_one(node(20))
    with pytest.raises(TypeError):
        plus_one(node("x"))
    assert first.call.inputs == {"x": 10}
    assert first.inputs["x"].data == 10
    assert plus_one(1).call.error is None


@pytest.mark.parametrize("value", ["1+1", "print", "def f(): pass", "TERMINATE", "None", "[1, 2]"])
def test_text_that_looks_like_code_is_saved_and_loaded_as_text(value, tmp_path):
    """11: prompt text exported as code."""

    class Agent(trace.Module):
        def __init__(self, prompt):
            self.prompt = node(prompt, trainable=True)

    Agent(value).save(tmp_path / "a.json")
    agent = Agent("old")
    agent.load(tmp_path / "a.json")
    assert agent.prompt.data == value
    assert json.loads((tmp_path / "a.json").read_text())["parameters"] == {"prompt": value}


@pytest.mark.parametrize("error", [AssertionError(), ValueError(), StopIteration(), KeyError(), Exception()])
def test_an_exception_without_arguments_is_an_execution_error(error):
    """13: exceptions without args, a bare assert among them."""

    @bundle
    def fails():
        raise error

    with pytest.raises(type(error)) as caught:
        fails()
    assert isinstance(caught.value, ExecutionError)
    assert f"raise error  # <-- {type(error).__name__}" in caught.value.exception_node.data


def test_code_with_another_signature_is_refused_before_it_runs():
    """14: a changed signature that fails when it is called, outside the library's own errors."""

    @bundle(trainable=True)
    def g(x):
        """d"""
        return x

    with pytest.raises(SignatureError, match=r"its arguments must stay \(x\), they are \(x, y\)"):
        g.parameter.update("def g(x, y):\n    return x")
    assert g(1).data == 1


def test_an_error_in_learned_code_is_an_execution_error():
    """14: a loop that goes on is one that can catch what learned code raises."""

    @bundle(trainable=True)
    def g(x):
        return x

    g.parameter.update("def g(x):\n    return undefined_name")
    with pytest.raises(ExecutionError, match="undefined_name") as caught:
        g(1)
    assert isinstance(caught.value, NameError)
    assert caught.value.exception_node.backward("define it").reached == [g.parameter]


def test_an_alias_of_the_decorator_does_not_get_into_the_code():
    """15: `from ... import bundle as op`."""

    @op(trainable=True)
    def g(x):
        """d"""
        return x

    assert g.parameter.data.split("\n")[0] == "def g(x):"
    assert g(1).data == 1


def test_callables_of_every_kind_are_bundled():
    """15: lambdas over two lines, builtins, partials, objects, cached and exec'd functions."""
    scope = {}
    exec("def made(x): return x + 1", scope)
    spread = bundle()(
        lambda x: x
        + 1
    )  # fmt: skip

    class Adder:
        def __call__(self, x):
            return x + 1

    for f in (
        spread,
        bundle(functools.partial(lambda y, x: x + y, 1)),
        bundle(Adder()),
        bundle(functools.lru_cache(lambda x: x + 1)),
        bundle(scope["made"]),
        bundle((1).__add__),
    ):
        assert f(node(1)).data == 2


def test_helpers_defined_after_a_trainable_function_are_visible_to_it():
    """15: helpers after the decorated function."""
    assert uses_helper(1).data == 11
    learned = bundle(uses_helper.fn, trainable=True)
    learned.parameter.update("def uses_helper(x):\n    return later_helper(x) * 2")
    assert learned(1).data == 22


@bundle(trainable=True)
def uses_helper(x):
    return later_helper(x)


def later_helper(x):
    return x + 10


def test_slots_and_frozen_classes_have_bundled_methods_and_become_models():
    """16: `__slots__`, frozen dataclasses; models with constants, properties and annotated defaults."""

    @trace.model
    @dataclasses.dataclass(frozen=True, slots=True)
    class M:
        n: int = 2
        LIMIT = 3

        @property
        def twice(self):
            return self.n * 2

        @bundle
        def scaled(self, x):
            return x * self.n

    assert M().scaled(node(5)).data == 10
    assert (M().twice, M.LIMIT, M().parameters()) == (4, 3, [])


def test_stop_tracing_in_a_thread_and_nested_touches_nothing_else():
    """22: tracing turned off everywhere, and on again by an inner block."""
    with trace.stop_tracing():
        with trace.stop_tracing():
            pass
        assert (node(1) + node(2)).parents == []
    stopped, go_on = threading.Event(), threading.Event()

    def quiet():
        with trace.stop_tracing():
            stopped.set()
            go_on.wait()

    thread = threading.Thread(target=quiet)
    thread.start()
    stopped.wait()
    made = node(1) + node(2)
    go_on.set()
    thread.join()
    assert len(made.parents) == 2


async def test_stop_tracing_in_a_task_touches_no_other_task():
    """22: the same for tasks."""

    async def quiet():
        with trace.stop_tracing():
            await asyncio.sleep(0.01)

    task = asyncio.ensure_future(quiet())
    await asyncio.sleep(0)
    made = node(1) + node(2)
    await task
    assert len(made.parents) == 2


def test_one_bundle_called_by_eight_threads_fails_nowhere_and_mixes_nothing():
    """23: missing inputs, duplicated names and mixed-up records under threads."""

    @bundle
    def f(x, i):
        time.sleep(0)
        return x * 1000 + i

    def work(i):
        x = node(i)
        calls = [f(x, k) for k in range(250)]
        return all(
            c.parents[0] is x and c.call.inputs == {"x": i, "i": k} and c.data == i * 1000 + k
            for k, c in enumerate(calls)
        ), [c.call.id for c in calls]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(8)))
    assert all(right for right, _ in results)
    assert len({call_id for _, found in results for call_id in found}) == 2000


def test_generators_are_iterated_and_their_errors_caught():
    """24: generators stored as objects, errors inside escaping."""

    @bundle
    def g(n):
        yield from range(n)
        raise ValueError("end")

    n = node(2)
    running = g(n)
    items = [next(running), next(running)]
    with pytest.raises(ExecutionError, match="end"):
        next(running)
    assert [i.data for i in items] == [0, 1]
    assert items[1].parents == [n]


async def test_async_generators_are_iterated_and_their_errors_caught():
    """24: the same for async generators."""

    @bundle
    async def g(n):
        for i in range(n):
            yield i
        raise ValueError("end")

    running = g(node(2))
    items = [await anext(running), await anext(running)]
    with pytest.raises(ExecutionError, match="end"):
        await anext(running)
    assert [i.data for i in items] == [0, 1]


@pytest.mark.parametrize("catch", [True, False])
def test_no_trace_function_stays_installed_after_a_failure(catch):
    """24: recursion and uncaught errors that leave `sys.settrace` set."""
    before = sys.gettrace()

    @bundle(catch_execution_error=catch)
    def down(n):
        return down(n - 1) if n else 1 / 0

    with pytest.raises(ZeroDivisionError):
        down(5)
    assert sys.gettrace() is before
