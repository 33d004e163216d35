"""A bundle among other decorators, and what it looks like from outside."""

from __future__ import annotations

import asyncio
import functools
import inspect
import typing

import pytest

from tracelib import bundle, node


def parents(made):
    return [id(p) for p in made.parents]


def ids(*nodes):
    return [id(n) for n in nodes]


@bundle
def double(x):
    """Twice as much."""
    return 2 * x


# other decorators


def wrapped(fn):
    @functools.wraps(fn)
    def wrapper(*args, **kwargs):
        return fn(*args, **kwargs)

    return wrapper


def test_a_bundle_above_a_wrapper_runs_the_wrapper():
    def plus_hundred(fn):
        @functools.wraps(fn)
        def wrapper(*args):
            return fn(*args) + 100

        return wrapper

    @bundle
    @plus_hundred
    @bundle
    def f(x):
        return x

    assert f(1).data == 101


def test_a_wrapper_that_gives_its_function_another_argument_still_does():
    def with_session(fn):
        @functools.wraps(fn)
        def wrapper(*args, **kwargs):
            return fn("session", *args, **kwargs)

        return wrapper

    @bundle
    @with_session
    def load(session, key, default=None):
        return session, key, default

    assert load("k").data == ("session", "k", None)
    assert list(load("k").inputs) == ["args[0]"]


def test_the_inputs_of_a_wrapped_function_have_its_names():
    @bundle
    @wrapped
    def join(left, right, sep="-"):
        return f"{left}{sep}{right}"

    made = join(node("a"), right=node("b"))
    assert made.data == "a-b"
    assert list(made.inputs) == ["left", "right"]


def test_a_signature_that_a_decorator_claims_is_not_believed():
    def f(*args):
        return args

    f.__signature__ = inspect.signature(lambda only: None)
    assert bundle(f)(1, 2).data == (1, 2)


def test_a_cached_function_keeps_its_cache_and_its_controls():
    runs = []

    @bundle
    @functools.lru_cache
    def slow(x):
        runs.append(x)
        return x

    assert [slow(node(1)).data, slow(1).data] == [1, 1]
    assert runs == [1]
    assert slow.cache_info().hits == 1


def test_a_cached_method_is_bound():
    class A:
        @bundle
        @functools.lru_cache  # noqa: B019
        def m(self, x):
            return x + 1

    assert A().m(node(1)).data == 2


def test_a_cache_above_a_bundle_gives_the_same_node_again():
    f = functools.cache(bundle(lambda x: x + 1))
    assert f(1) is f(1)


def test_attributes_of_the_function_never_meet_those_of_the_bundle():
    def f(x):
        return x

    f.fn, f.op, f.trainable, f._parameter, f.mark = "a", "b", "c", "d", "mine"
    made = bundle(f)
    assert made(1).data == 1
    assert made.mark == "mine"
    assert made.fn is f


# what a bundle looks like


def test_a_decorated_function_keeps_its_face():
    assert double.__name__ == "double"
    assert double.__doc__ == "Twice as much."
    assert double.__module__ == __name__
    assert double.__wrapped__(2) == 4
    assert str(inspect.signature(double)) == "(x)"
    assert double.description == "Twice as much."


def test_a_bound_method_shows_its_signature_without_self():
    class A:
        @bundle
        def plain(self, x, y=1): ...

        @bundle(trainable=True)
        def learned(self, x, y=1):
            return x

    assert str(inspect.signature(A().plain)) == "(x, y=1)"
    assert str(inspect.signature(A().learned)) == "(x, y=1)"
    assert A().learned.__name__ == "learned"


@pytest.mark.filterwarnings("ignore:'asyncio.iscoroutinefunction':DeprecationWarning")  # by Python 3.14
def test_an_async_function_is_known_as_one():
    @bundle
    async def later(): ...

    class A:
        @bundle
        async def later(self): ...

    assert asyncio.iscoroutinefunction(later)
    assert asyncio.iscoroutinefunction(A().later)
    assert not asyncio.iscoroutinefunction(double)


def test_type_hints_are_still_found():
    @bundle
    def f(x: int) -> str:
        return str(x)

    assert typing.get_type_hints(f) == {"x": int, "return": str}


def test_nothing_is_set_on_the_users_function_class_or_object():
    class A:
        def m(self, x):
            return x

    def f(x):
        return x

    before = (dict(vars(f)), f.__code__, set(vars(A)), f.__defaults__)
    bundled = bundle(f, trainable=True)
    a = A()
    bundled(a)
    bundle(A.m)(a, 1)
    bundle(a.m)(1)
    assert (dict(vars(f)), f.__code__, set(vars(A)), f.__defaults__) == before
    assert vars(a) == {}


def test_a_trainable_method_sets_nothing_on_its_instance():
    class A:
        @bundle(trainable=True)
        def m(self, x):
            return x

    a = A()
    a.m(1)
    assert vars(a) == {}


def plain_pair(a, b, *, c=1):
    return a, b, c


def test_a_bundle_is_copied_and_pickled_as_functions_are():
    import copy
    import pickle

    assert copy.deepcopy(double) is double
    assert copy.copy(double) is double
    assert pickle.loads(pickle.dumps(double)) is double
    again = pickle.loads(pickle.dumps(bundle(plain_pair, name="other")))
    assert again(1, 2).data == (1, 2, 1)
    assert again.op == "other"
