"""Many calls at once: order, limit, the first error, and what is recorded."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

import tracelib as trace
from tracelib.errors import GraphError, ModelCallError
from tracelib.llm.openai import OpenAIModel, RetryPolicy
from tracelib.testing import Fails, LoopbackServer, ScriptedModel


@trace.bundle
async def later(value: Any, seconds: float = 0.0) -> Any:
    await asyncio.sleep(seconds)
    return value


@trace.bundle
def now(value: Any) -> Any:
    return value


async def test_results_come_in_the_order_of_the_calls() -> None:
    assert await trace.gather(later("a", 0.02), later("b"), later("c", 0.01)) == ["a", "b", "c"]


def test_functions_run_in_threads_and_give_the_list_itself() -> None:
    meeting = threading.Barrier(3, timeout=10)

    def greet(name: str) -> str:
        meeting.wait()
        return now(f"hello {name}")

    assert trace.gather(*(lambda name=name: greet(name) for name in "abc")) == [
        "hello a",
        "hello b",
        "hello c",
    ]


async def test_functions_run_in_threads_among_awaitables() -> None:
    thread = lambda: (threading.current_thread() is threading.main_thread(), now(1))  # noqa: E731
    assert await trace.gather(later(0), thread) == [0, (False, 1)]


async def test_no_call_gives_no_result() -> None:
    assert trace.gather() == []
    assert await trace.gather() == []


@pytest.mark.parametrize("limit", [1, 3])
async def test_no_more_than_the_limit_run_at_once(limit: int) -> None:
    running, most = 0, 0

    async def work() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1

    await trace.gather(*(work() for _ in range(10)), limit=limit)
    assert most == limit


def test_no_more_than_the_limit_run_at_once_in_threads() -> None:
    running, most = [], []

    def work() -> None:
        running.append(1)
        most.append(len(running))
        time.sleep(0.002)
        running.pop()

    trace.gather(*[work] * 8, limit=2)
    assert max(most) <= 2


async def test_the_first_error_cancels_the_others_and_waits_for_them() -> None:
    cleaned, begun = [], []

    async def patient() -> None:
        try:
            begun.append(1)
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0.01)
            cleaned.append(1)

    async def fails() -> None:
        await asyncio.sleep(0.005)
        raise KeyError("first")

    with pytest.raises(KeyError, match="first"):
        await trace.gather(patient(), fails(), patient(), later("never", 30), limit=3)
    assert (len(begun), len(cleaned)) == (2, 2)


@pytest.mark.parametrize("limit", [None, 1])
async def test_tasks_whose_turn_never_came_are_cancelled_and_waited_for_too(limit: int | None) -> None:
    async def fails() -> None:
        raise KeyError("first")

    task = asyncio.create_task(asyncio.sleep(30))
    with pytest.raises(KeyError):
        await trace.gather(fails(), task, limit=limit)
    assert task.cancelled()


async def test_an_async_function_that_is_not_called_is_refused_in_words() -> None:
    async def greet() -> str:
        return "hello"

    for calls in ([greet], [lambda: greet()]):
        with pytest.raises(GraphError, match="greet is async, and was given to gather as a function"):
            trace.gather(*calls)
        with pytest.raises(GraphError, match="greet is async, and was given to gather as a function"):
            await trace.gather(later(1), *calls)


async def test_an_error_before_the_turn_of_the_others_leaves_no_coroutine_behind() -> None:
    async def fails() -> None:
        raise KeyError("first")

    with pytest.raises(KeyError):  # a coroutine that was never awaited would be a warning, and so an error
        await trace.gather(fails(), later(1), later(2), limit=1)


async def test_who_is_cancelled_cancels_all_and_waits_for_them() -> None:
    cleaned = []

    async def patient() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            cleaned.append(1)

    whole = asyncio.ensure_future(trace.gather(patient(), patient()))
    await asyncio.sleep(0.01)
    whole.cancel()
    with pytest.raises(asyncio.CancelledError):
        await whole
    assert cleaned == [1, 1]


async def test_a_thread_among_cancelled_calls_is_waited_for() -> None:
    ended, go_on = [], threading.Event()

    def slow() -> None:
        go_on.wait(10)
        ended.append(1)

    async def fails() -> None:
        await asyncio.sleep(0.01)
        threading.Timer(0.05, go_on.set).start()
        raise KeyError("first")

    with pytest.raises(KeyError):
        await trace.gather(slow, fails())
    assert ended == [1]


def test_the_first_error_of_a_thread_is_raised_and_what_waits_does_not_begin() -> None:
    begun = []

    def fails() -> None:
        begun.append("fails")
        raise KeyError("first")

    def slow() -> None:
        begun.append("slow")
        time.sleep(0.05)

    with pytest.raises(KeyError, match="first"):
        trace.gather(fails, slow, slow, slow, slow, limit=1)
    assert begun == ["fails"]


async def test_errors_are_collected_where_that_is_wanted() -> None:
    async def fails() -> None:
        raise KeyError("one")

    one, two, three = await trace.gather(later(1), fails(), later(3, 0.01), errors="collect")
    assert (one, repr(two), three) == (1, "KeyError('one')", 3)
    assert type(two) is KeyError


def test_errors_of_threads_are_collected_where_that_is_wanted() -> None:
    one, two = trace.gather(lambda: now(1), lambda: 1 / 0, errors="collect")
    assert one == 1
    assert type(two) is ZeroDivisionError


@pytest.mark.parametrize(
    ("calls", "options", "words"),
    [
        (lambda: ["done"], {}, "call 1 given to gather is str 'done': it has run already"),
        (lambda: [later(1), now(2)], {}, "call 2 given to gather is Result"),
        (
            lambda: [[later(1), later(2)]],
            {},
            r"call 1 given to gather is a list of calls: write gather\(\*calls",
        ),
        (lambda: [(now for _ in "ab")], {}, "call 1 given to gather is a generator of calls"),
        (lambda: [later(1)], {"limit": 0}, "limit is how many run at once"),
        (lambda: [later(1)], {"errors": "ignore"}, "errors is one of raise, collect, not 'ignore'"),
    ],
)
def test_what_is_no_call_is_refused_in_words(calls: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(GraphError, match=words):
        trace.gather(*calls(), **options)


async def test_each_call_has_its_own_place_whatever_order_they_run_in() -> None:
    @trace.bundle
    async def outer(seconds: tuple[float, ...]) -> list[Any]:
        async def twice(nth: int, wait: float) -> Any:
            first = await later(nth, wait)
            return await later(first, 0)

        return await trace.gather(*(twice(nth, wait) for nth, wait in enumerate(seconds)))

    shapes = []
    for seconds in ((0.0, 0.01, 0.02), (0.02, 0.01, 0.0)):
        graph = trace.Graph.behind(await outer(seconds))
        made = [found for found in graph.nodes if found.op == "later"]
        assert {graph.caller(found).op.name for found in made} == {"outer"}
        shapes.append({graph.name(found): found.data for found in made})
    assert shapes[0] == shapes[1]
    assert len(shapes[0]) == 6


def test_calls_in_threads_are_behind_the_call_that_gathers_them() -> None:
    outer = trace.bundle(lambda: trace.gather(lambda: now(1), lambda: now(2)), name="outer")
    made = outer()
    graph = trace.Graph.behind(made)
    assert [found.data for found in graph.nodes if found.op == "now"] == [1, 2]
    assert made.data == [1, 2]


async def test_nothing_is_recorded_where_recording_is_stopped() -> None:
    with trace.stop_tracing():
        found = await trace.gather(later(1), lambda: now(2))
        assert [type(one) for one in found] == [int, int]
    assert trace.is_tracing()


async def test_programs_are_asked_at_once_and_each_reply_has_its_own_origin() -> None:
    model = ScriptedModel(lambda messages: messages[-1]["content"].upper())

    @trace.lm(model=model)
    async def shout(text: str) -> str:
        return text

    a, b = await trace.gather(shout("a"), shout("b"))
    assert (a, b) == ("A", "B")
    assert a.__origin_trace__ == {a.call.id} != b.__origin_trace__


async def test_an_endpoint_that_fails_stops_the_other_questions() -> None:
    with LoopbackServer([Fails(400)], otherwise="ok") as server:
        model = OpenAIModel("small", base_url=server.base_url, retry=RetryPolicy(attempts=1))
        with pytest.raises(ModelCallError):
            await trace.gather(*(model.aask(str(nth)) for nth in range(20)), limit=1)
        assert len(server.requests) == 1
        await model.aclose()
