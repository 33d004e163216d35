"""Threads, tasks, generators and processes: each sees its own running call; parents are right."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import functools
import gc
import multiprocessing
import pickle
import sys
import threading
import weakref

import pytest

import tracelib as trace
from tracelib import bundle, node


@bundle
def add(x, y):
    return x + y


@bundle
def double(x):
    return x * 2


@bundle
async def slowly(x, turns=1):
    for _ in range(turns):
        await asyncio.sleep(0)
    return double(x)


def callers(graph):
    """The name of the call that each result was made within."""
    return {
        graph.name(n): str(graph.caller(n) and graph.caller(n).op) for n in graph.nodes if n.op is not None
    }


def behind(made, wanted):
    return any(n is wanted for n in trace.Graph.behind(made).nodes)


def in_threads(count, work):
    """Run `work(i)` in `count` threads at once; what each gave, in order."""
    results = [None] * count
    barrier = threading.Barrier(count)

    def run(i):
        barrier.wait()
        results[i] = work(i)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


# threads


def test_eight_threads_that_switch_all_the_time_give_no_wrong_parent():
    calls = 2_600
    shared = node(1, name="shared")

    @bundle
    def inner(x, i):
        return x + i

    @bundle
    def outer(x, i):
        return inner(x, i)

    def work(i):
        made = shared
        wrong = 0
        for k in range(calls):
            before = made
            made = add(before, k) if k % 4 else outer(before, k)
            wrong += made.parents[0] is not before or made.data != before.data + k
            if not k % 4:
                inside = made.parents[-1]
                wrong += (
                    inside.op != "inner"
                    or inside.inputs["x"].data != before.data
                    or inside.call.caller.id != made.call.id
                )
            wrong += made.call.caller is not None
        return wrong, made.data

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        results = in_threads(8, work)
    finally:
        sys.setswitchinterval(interval)
    assert results == [(0, 1 + sum(range(calls)))] * 8


def test_places_are_drawn_once_over_all_threads():
    made = in_threads(8, lambda i: [double(k) for k in range(500)])
    places = [n._seq for part in made for n in part]
    assert len(set(places)) == len(places) == 4000


def test_a_thread_started_inside_a_call_is_not_inside_it():
    seen = []

    @bundle
    def outer(x):
        thread = threading.Thread(target=lambda: seen.append(double(x)))
        thread.start()
        thread.join()
        return x

    made = outer(1)
    assert seen[0].call.caller is None
    assert not behind(made, seen[0])


def test_a_first_call_from_many_threads_at_once_is_written_once_enough():
    for _ in range(20):
        f = bundle(lambda x: x + 1)
        assert [n.data for n in in_threads(8, f)] == list(range(1, 9))


def test_stop_tracing_holds_in_its_own_thread_only():
    stopped, go_on = threading.Event(), threading.Event()
    inside = []

    def quiet():
        with trace.stop_tracing():
            stopped.set()
            go_on.wait()
            inside.append(double(1))

    thread = threading.Thread(target=quiet)
    thread.start()
    stopped.wait()
    made = double(node(1))
    go_on.set()
    thread.join()
    assert len(made.parents) == 1
    assert type(inside[0]) is int


# tasks


async def test_tasks_gathered_inside_a_call_are_behind_it_each_with_its_own_parents():
    inputs = [node(i) for i in range(5)]

    @bundle
    async def outer(xs):
        return sum([(await r).data for r in asyncio.as_completed([slowly(x, turns=5 - x) for x in xs])])

    made = await outer(inputs)
    assert made.data == 20
    graph = trace.Graph.behind(made)
    slow = [n for n in graph.nodes if n.op == "slowly"]
    assert len(slow) == 5
    assert {graph.caller(n).op.name for n in slow} == {"outer"}
    for found in slow:
        assert graph.caller(found.parents[-1]) is found


async def test_gathered_calls_do_not_see_each_other():
    async def run(i):
        x = node(i)
        made = await slowly(x, turns=i % 3)
        return (
            made.parents[0] is x
            and made.call.caller is None
            and not any(n.op == "slowly" and n is not made for n in trace.Graph.behind(made).nodes)
        )

    assert all(await asyncio.gather(*(run(i) for i in range(20))))


async def test_names_and_order_do_not_depend_on_how_tasks_interleave():
    def shape(made):
        graph = trace.Graph.behind(made)
        return [(graph.name(n), n.data) for n in graph.ordered if n.op is not None]

    @bundle
    async def outer(turns):
        parts = await asyncio.gather(*(slowly(i, turns=t) for i, t in enumerate(turns)))
        return [p.data for p in parts]

    one, two = await outer((1, 2, 3)), await outer((3, 2, 1))
    assert shape(one) == shape(two)
    assert [name for name, _ in shape(one)][:4] == ["double0", "slowly0", "double1", "slowly1"]


async def test_a_task_that_outlives_its_caller_keeps_nothing_alive():
    tasks = []

    @bundle
    async def outer(x):
        tasks.append(asyncio.ensure_future(slowly(x, turns=3)))
        return x

    made = await outer(1)
    late = await tasks[0]
    assert late.call.caller.id == made.call.id
    assert not behind(made, late)


async def test_to_thread_carries_the_running_call():
    @bundle
    async def outer(x):
        return (await asyncio.to_thread(double, x)).data

    x = node(4)
    made = await outer(x)
    assert callers(trace.Graph.behind(made)) == {"double0": "outer", "outer0": "None"}


async def test_stop_tracing_in_one_task_leaves_the_others_recording():
    async def quiet():
        with trace.stop_tracing():
            await asyncio.sleep(0.01)
            return await slowly(1)

    loud, silent = await asyncio.gather(slowly(node(1), turns=3), quiet())
    assert isinstance(loud, trace.Node)
    assert type(silent) is int


async def test_a_cancelled_call_leaves_no_running_call():
    @bundle
    async def waits():
        await asyncio.sleep(10)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(waits(), 0.01)
    assert double(1).call.caller is None


async def test_bound_values_are_those_of_the_task():
    parameter = node(1, trainable=True)

    async def run(value):
        with trace.bind({parameter: value}):
            await asyncio.sleep(0)
            made = await slowly(parameter)
        return made.data, made.inputs["x"].data

    assert await asyncio.gather(*(run(i) for i in range(4))) == [(2 * i, i) for i in range(4)]
    assert parameter.data == 1


# generators


@bundle
def counting(n):
    for i in range(n):
        yield double(i)


def test_a_suspended_generator_is_not_the_running_call():
    running = counting(3)
    next(running)
    outside = double(7)
    assert outside.call.caller is None
    assert [n.data for n in running] == [2, 4]


def test_generators_that_take_turns_keep_apart():
    one, two = counting(3), counting(3)
    pairs = list(zip(one, two, strict=True))
    for left, right in pairs:
        assert not behind(left, right)
        assert not behind(right, left)


def test_a_generator_may_be_resumed_in_other_threads_and_contexts():
    running = counting(4)
    made = [next(running)]
    made += in_threads(1, lambda i: next(running))
    made.append(contextvars.copy_context().run(next, running))
    made.append(contextvars.Context().run(next, running))
    assert [n.data for n in made] == [0, 2, 4, 6]
    assert all(callers(trace.Graph.behind(n))[trace.Graph.behind(n).name(n)] == "None" for n in made)
    assert double(1).call.caller is None


def test_a_generator_resumed_inside_another_call_belongs_where_it_was_made():
    running = counting(3)
    next(running)
    items = []

    @bundle
    def outer():
        items.append(next(running))
        return 1

    made = outer()
    assert items[0].call.caller is None
    assert not behind(made, items[0])


async def test_an_async_generator_dropped_half_way_leaves_no_running_call():
    @bundle
    async def items():
        try:
            yield 1
            yield 2
        finally:
            double(1)

    async for item in items():
        assert item.data == 1
        break
    gc.collect()
    await asyncio.sleep(0)
    assert double(1).call.caller is None


def test_a_coroutine_closed_half_way_in_another_context_changes_nothing_there():
    @bundle
    async def waits():
        await asyncio.sleep(0)

    call = waits()
    contextvars.copy_context().run(call.send, None)
    call.close()
    assert double(1).call.caller is None


# wrap


def test_wrap_carries_the_running_call_into_a_pool():
    @bundle
    def outer(xs):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            return sum(f.result().data for f in [pool.submit(trace.wrap(double), x) for x in xs])

    xs = [node(i) for i in range(6)]
    made = outer(xs)
    graph = trace.Graph.behind(made)
    inside = [n for n in graph.ordered if n.op == "double"]
    assert made.data == 30
    assert [n.inputs["x"].data for n in inside] == list(range(6))
    assert all(graph.caller(n) is made for n in inside)


def test_without_wrap_a_pool_records_calls_of_its_own():
    @bundle
    def outer(x):
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            return pool.submit(double, x).result()

    made = outer(node(1))
    assert made.data == 2
    assert made.parents[0].call is None or made.parents[0].call.caller is None


def test_order_goes_by_where_wrap_was_called_and_not_by_when_the_thread_ran():
    @bundle
    def outer():
        late, early = trace.wrap(functools.partial(double, 1)), trace.wrap(functools.partial(double, 2))
        second = in_threads(1, lambda i: early())[0]
        first = in_threads(1, lambda i: late())[0]
        return first.data + second.data

    graph = trace.Graph.behind(outer())
    assert [n.data for n in graph.ordered if n.op == "double"] == [2, 4]


def test_wrap_carries_bound_values_and_stop_tracing():
    parameter = node(1, trainable=True)
    with trace.bind({parameter: 10}):
        bound = trace.wrap(lambda: parameter.data)
    with trace.stop_tracing():
        quiet = trace.wrap(lambda: double(1))
    assert in_threads(1, lambda i: (bound(), type(quiet()))) == [(10, int)]


def test_work_that_outlives_the_call_it_was_wrapped_in_keeps_nothing_alive():
    later = []

    @bundle
    def outer(x):
        later.append(trace.wrap(lambda: double(x)))
        return x

    gc.collect()
    gc.disable()
    try:
        made = outer(1)
        late = later.pop()()
        assert not behind(made, late)
        alive = weakref.ref(late)
        del late
        assert alive() is None
    finally:
        gc.enable()


def test_a_wrapped_function_pickles_as_the_bare_one():
    assert pickle.loads(pickle.dumps(trace.wrap(double))) is double


# processes


def work_in_process(x):
    return add(x, double(x))


def test_results_come_back_from_a_process_pool_with_their_parents():
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        made = pool.submit(work_in_process, node(3, name="x")).result()
        mapped = list(pool.map(double, [1, 2]))
    here = add(made, 1)
    assert made.data == 9
    assert [str(n.op) for n in trace.Graph.behind(here).nodes if n.op is not None] == ["double", "add", "add"]
    assert made.parents[0] is made.parents[1].parents[0]
    assert [n.data for n in mapped] == [2, 4]
    assert here.op.fn is add.fn is made.op.fn


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="needs fork")
def test_a_forked_process_records_calls_of_its_own():
    context = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        made = pool.submit(work_in_process, 3).result()
    assert made.data == 9
    assert made.call.id != add(1, 2).call.id
