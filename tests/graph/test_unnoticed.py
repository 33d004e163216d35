"""Recording never changes the program: what a program could notice, and does not."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import sys
import warnings
import weakref

import pytest

from tracelib import bundle
from tracelib.errors import MutationWarning


def parents(made):
    return [id(p) for p in made.parents]


def ids(*nodes):
    return [id(n) for n in nodes]


@bundle
def double(x):
    """Twice as much."""
    return 2 * x


def plain_sum(n):
    return 0 if n == 0 else n + plain_sum(n - 1)


@bundle
def recorded_sum(n):
    return 0 if n == 0 else n + recorded_sum(n - 1).data


@bundle
def even(n):
    return True if n == 0 else odd(n - 1).data


@bundle
def odd(n):
    return False if n == 0 else even(n - 1).data


@bundle
async def awaited_sum(n):
    return 0 if n == 0 else n + (await awaited_sum(n - 1)).data


class Tree:
    @bundle
    def depth(self, n):
        return 0 if n == 0 else 1 + self.depth(n - 1).data


DEEPEST_OBJECT = 490 if (3, 12) <= sys.version_info < (3, 12, 3) else 20_000
"""What Python allows a callable that is no plain function, an `lru_cache` as well, whatever its limit is."""


def deepest(call):
    """The greatest depth at which a call succeeds, within 8."""
    low, high = 8, 20_000
    while high - low > 8:
        middle = (low + high) // 2
        try:
            call(middle)
        except RecursionError:
            high = middle
        else:
            low = middle
    return low


@pytest.mark.parametrize(
    "recorded",
    [
        pytest.param(recorded_sum, id="direct"),
        pytest.param(even, id="mutual"),
        pytest.param(Tree().depth, id="method"),
    ],
)
def test_recursion_goes_as_deep_as_without_recording(recorded):
    plain = deepest(plain_sum)
    assert min(plain, DEEPEST_OBJECT) - 16 <= deepest(recorded) <= 2 * plain


async def test_async_recursion_goes_as_deep_as_without_recording():
    async def plain(n):
        return 0 if n == 0 else n + await plain(n - 1)

    async def reaches(fn, n):
        try:
            await fn(n)
        except RecursionError:
            return False
        return True

    depth = 100
    while await reaches(plain, depth + 20):
        depth += 20
    assert await reaches(awaited_sum, depth)
    assert not await reaches(awaited_sum, 2 * depth)


def test_recursion_at_any_depth_leaves_the_limit_as_it_was():
    before = sys.getrecursionlimit()
    for n in (*range(700, 1100, 7), 5000):
        try:
            recorded_sum(n)
        except RecursionError:
            pass
        assert sys.getrecursionlimit() == before


def test_recursion_beyond_the_c_stack_is_an_error_and_no_crash():
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000_000)
    try:
        with pytest.raises(RecursionError):
            recorded_sum(60_000)
    finally:
        sys.setrecursionlimit(before)


def test_a_call_deep_in_the_call_tree_and_shallow_on_the_stack_is_no_recursion():
    async def chain():
        steps = 0

        @bundle
        async def step(n, done):
            nonlocal steps
            steps += 1
            if n:
                asyncio.get_running_loop().call_soon(lambda: asyncio.ensure_future(step(n - 1, done)))
            else:
                done.set_result(None)
            return n

        done = asyncio.get_running_loop().create_future()
        await step(11_000, done)
        await done
        return steps

    assert asyncio.run(chain()) == 11_001


def test_a_warning_names_the_line_that_called_the_function():
    def old():
        warnings.warn("old", DeprecationWarning, stacklevel=2)

    recorded = bundle(old)
    trained = bundle(old, trainable=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for f in (old, recorded, recorded, trained):
            f()
    assert {(w.filename, w.lineno) for w in caught} == {(__file__, old.__code__.co_firstlineno + 8)}


def test_the_users_context_variables_are_his_own():
    mine = contextvars.ContextVar("mine", default=0)

    @bundle
    def count():
        mine.set(mine.get() + 1)
        yield mine.get()
        mine.set(mine.get() + 1)
        yield mine.get()

    running = count()
    assert next(running).data == 1
    mine.set(10)
    assert next(running).data == 11
    assert mine.get() == 11


def test_no_trace_function_is_installed():
    bundle(lambda: 1)()
    with pytest.raises(ZeroDivisionError):
        bundle(lambda: 1 / 0, catch_execution_error=False)()
    assert sys.gettrace() is None or "coverage" in repr(sys.gettrace()) or "pydev" in repr(sys.gettrace())
    assert sys.getprofile() is None


def test_an_exception_raised_and_caught_leaves_no_object_behind():
    class Big:
        pass

    def run():
        big = Big()
        with pytest.raises(ValueError):
            bundle(lambda x: (_ for _ in ()).throw(ValueError("no")))(big)
        return weakref.ref(big)

    alive = run()
    gc.collect()
    assert alive() is None


def test_a_body_sees_the_exception_that_its_caller_handles():
    @bundle
    def again():
        raise

    def handled():
        try:
            raise KeyError("k")
        except KeyError:
            again()

    with pytest.raises(KeyError):
        handled()


def test_a_recorded_iterator_ends_a_loop():
    class Down:
        n = 3

        def __iter__(self):
            return self

        @bundle
        def __next__(self):
            self.n -= 1
            if self.n < 0:
                raise StopIteration
            return self.n

    assert [x.data for x in Down()] == [2, 1, 0]


def test_another_thread_may_change_a_container_while_it_is_passed():
    import threading

    shared = {i: [i] for i in range(200)}
    stop = threading.Event()

    def churn():
        i = 1000
        while not stop.is_set():
            shared[i] = [i]
            shared.pop(i - 50, None)
            i += 1

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread = threading.Thread(target=churn)
    thread.start()
    try:
        f = bundle(lambda d: 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MutationWarning)
            assert {f(shared).data for _ in range(300)} == {1}
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(before)


def test_an_exception_thrown_into_a_generator_that_lets_it_pass_comes_out_as_it_was():
    @contextlib.contextmanager
    @bundle
    def opened():
        yield 5

    thrown = ValueError("in the block")

    def use():
        with opened() as x:
            assert x.data == 5
            raise thrown

    with pytest.raises(ValueError) as caught:
        use()
    assert caught.value is thrown


async def test_an_exception_thrown_into_an_async_generator_comes_out_as_it_was():
    @contextlib.asynccontextmanager
    @bundle
    async def opened():
        yield 5

    thrown = ValueError("in the block")

    async def use():
        async with opened() as x:
            assert x.data == 5
            raise thrown

    with pytest.raises(ValueError) as caught:
        await use()
    assert caught.value is thrown
