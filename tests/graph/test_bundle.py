"""Calls of bundles: every kind of callable, and a program that does not notice it is recorded."""

from __future__ import annotations

import abc
import asyncio
import collections
import contextvars
import dataclasses
import functools
import gc
import inspect
import json
import re
import sys
import time
import types
import typing
import warnings
import weakref

import pytest

import tracelib as trace
from tracelib import bundle, node
from tracelib.errors import GraphError, MutationWarning, TraceWarning


def parents(made):
    return [id(p) for p in made.parents]


def ids(*nodes):
    return [id(n) for n in nodes]


@bundle
def double(x):
    """Twice as much."""
    return 2 * x


class Heard:
    """A listener that keeps what it hears."""

    def __init__(self):
        self.started, self.finished, self.updates, self.events = [], [], [], []

    def call_started(self, frame):
        self.started.append(frame)

    def call_finished(self, call):
        self.finished.append(call)

    def parameter_updated(self, update):
        self.updates.append(update)

    def event(self, name, data):
        self.events.append((name, data))


# every kind of callable


def test_a_function_gives_one_node_whose_parents_are_its_arguments():
    x, y = node(2), node(3)

    @bundle
    def add(a, b):
        assert type(a) is int
        return a + b

    made = add(x, y)
    assert made.data == 5
    assert parents(made) == ids(x, y)
    assert list(made.inputs) == ["a", "b"]
    assert made.op == "add"


def test_options_may_be_empty_or_given_to_a_function_directly():
    assert bundle()(len)([1, 2]).data == 2
    assert bundle(len, name="size")([1, 2]).op == "size"


def test_what_cannot_be_called_is_refused_with_its_type():
    with pytest.raises(GraphError, match="needs something to call, got int"):
        bundle(3)


async def test_an_async_function_gives_its_node_when_awaited():
    @bundle
    async def later(x):
        await asyncio.sleep(0)
        return x + 1

    x = node(1)
    made = await later(x)
    assert made.data == 2
    assert parents(made) == ids(x)


def test_a_coroutine_bears_the_name_of_the_function():
    @bundle
    async def later(x):
        return x

    call = later(1)
    assert (call.__name__, call.__qualname__) == ("later", later.__qualname__)
    asyncio.run(call)


def test_a_coroutine_that_is_never_awaited_is_warned_about_once_by_its_name():
    @bundle
    async def forgotten(x):
        return x

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        forgotten(1)
        gc.collect()
    assert [str(w.message).split("' was")[0].rpartition(".")[2] for w in caught] == ["forgotten"]


def test_a_plain_function_that_gives_a_coroutine_is_recorded_when_that_is_awaited():
    async def later(x):
        return x * 10

    made = asyncio.run(bundle(lambda x: later(x))(node(2)))
    assert made.data == 20
    assert made.op == "lambda"


def test_a_generator_gives_a_node_for_each_item():
    @bundle
    def count(n):
        yield from range(n)

    n = node(3)
    items = list(count(n))
    assert [i.data for i in items] == [0, 1, 2]
    assert all(parents(i) == ids(n) for i in items)


def test_a_generator_runs_no_further_than_it_is_asked_to():
    done = []

    @bundle
    def steps():
        for i in range(3):
            done.append(i)
            yield i

    running = steps()
    assert done == []
    next(running)
    assert done == [0]


def test_a_value_sent_into_a_generator_is_plain_there_and_an_input_of_the_next_item():
    @bundle
    def echo():
        got = yield "ready"
        assert type(got) is int
        yield got * 2

    running = echo()
    next(running)
    sent = node(4)
    made = running.send(sent)
    assert made.data == 8
    assert parents(made) == ids(sent)


def test_an_exception_thrown_into_a_generator_reaches_its_body():
    @bundle
    def patient():
        try:
            yield 1
        except KeyError:
            yield 2

    running = patient()
    next(running)
    assert running.throw(KeyError("x")).data == 2


def test_closing_a_generator_runs_its_finally():
    log = []

    @bundle
    def careful():
        try:
            yield 1
        finally:
            log.append("closed")

    running = careful()
    next(running)
    running.close()
    assert log == ["closed"]
    with pytest.raises(StopIteration):
        next(running)


def test_what_a_generator_returns_is_the_node_that_yield_from_gives():
    @bundle
    def inner(x):
        yield x
        return x + 1

    def outer(x):
        result = yield from inner(x)
        yield ("result", result)

    x = node(1)
    _, (_, result) = list(outer(x))
    assert result.data == 2
    assert parents(result) == ids(x)


def test_a_generator_that_returns_nothing_ends_with_none():
    @bundle
    def one():
        yield 1

    running = one()
    next(running)
    with pytest.raises(StopIteration) as stop:
        next(running)
    assert stop.value.value is None


def test_an_item_knows_what_the_body_read_before_an_earlier_one():
    secret = node(5)

    @bundle
    def items():
        read = secret.data
        yield read
        yield 0

    first, second = items()
    assert parents(first) == ids(secret)
    assert parents(second) == ids(first)


def test_calls_between_two_items_are_not_inside_the_generator():
    @bundle
    def items():
        yield double(1)
        yield double(2)

    running = items()
    next(running)
    between = double(node(7))
    last = next(running)
    assert between.call.caller is None
    assert not any(n is between for n in trace.Graph.behind(last).nodes)


async def test_an_async_generator_gives_a_node_for_each_item():
    @bundle
    async def count(n):
        for i in range(n):
            await asyncio.sleep(0)
            yield i

    n = node(3)
    items = [i async for i in count(n)]
    assert [i.data for i in items] == [0, 1, 2]
    assert all(parents(i) == ids(n) for i in items)


async def test_an_async_generator_takes_what_is_sent_thrown_and_closed():
    log = []

    @bundle
    async def echo():
        try:
            got = yield 1
            try:
                yield got
            except KeyError:
                yield "caught"
        finally:
            log.append("closed")

    running = echo()
    await running.__anext__()
    assert (await running.asend(node(5))).data == 5
    assert (await running.athrow(KeyError())).data == "caught"
    await running.aclose()
    assert log == ["closed"]


def test_a_method_is_bound_and_gets_its_instance():
    class Scaler:
        def __init__(self):
            self.factor = node(3)

        @bundle
        def scale(self, x):
            return x * self.factor

    scaler, x = Scaler(), node(2)
    made = scaler.scale(x)
    assert made.data == 6
    assert list(made.inputs)[0] == "x"
    assert trace.Graph.behind(made).nodes[0] is scaler.factor
    assert Scaler.scale(scaler, x).data == 6
    assert scaler.scale == scaler.scale


@pytest.mark.parametrize("outer_first", [True, False])
def test_classmethods_work_in_both_decorator_orders(outer_first):
    def name(cls, x):
        return f"{cls.__name__}{x}"

    class A:
        made = bundle(classmethod(name)) if outer_first else classmethod(bundle(name))

    class B(A):
        pass

    x = node(1)
    assert A.made(x).data == "A1"
    assert B.made(x).data == "B1"
    assert B().made(x).data == "B1"
    assert B().made(x).inputs["x"] is x


@pytest.mark.parametrize("outer_first", [True, False])
def test_staticmethods_work_in_both_decorator_orders(outer_first):
    def twice(x):
        return x * 2

    class A:
        made = bundle(staticmethod(twice)) if outer_first else staticmethod(bundle(twice))

    x = node(4)
    assert A.made(x).data == 8
    assert A().made(x).data == 8
    assert parents(A().made(x)) == ids(x)


def test_a_property_over_a_bundle_is_recorded():
    class A:
        def __init__(self):
            self.x = node(1)

        @property
        @bundle
        def next(self):
            return self.x + 1

    assert A().next.data == 2
    assert A().next.op == "next"


def test_a_bundle_that_becomes_an_attribute_of_a_class_later_is_a_method():
    class A:
        n = 5

    A.late = bundle(lambda self, x: self.n + x)
    assert A().late(node(1)).data == 6


def test_a_method_named_call_makes_its_instances_callable():
    class A:
        @bundle
        def __call__(self, x):
            return x + 1

    assert A()(node(1)).data == 2


def test_an_abstract_method_stays_abstract_under_a_bundle():
    class A(abc.ABC):
        @bundle
        @abc.abstractmethod
        def run(self): ...

    with pytest.raises(TypeError, match="abstract"):
        A()


@pytest.mark.parametrize(
    ("fn", "args", "expected"),
    [
        (lambda x: x + 1, (1,), 2),
        (len, ([1, 2, 3],), 3),
        (max, (3, 9), 9),
        (int, ("12",), 12),
        (str.upper, ("ab",), "AB"),
        ("a-b".split, ("-",), ["a", "b"]),
        (functools.partial(pow, 2), (5,), 32),
        (functools.partial(lambda x, y: x - y, y=1), (5,), 4),
        (functools.lru_cache(lambda x: x * 3), (2,), 6),
        (dict, ([("a", 1)],), {"a": 1}),
        (collections.Counter, ("aab",), {"a": 2, "b": 1}),
    ],
)
def test_builtins_partials_and_classes_are_recorded(fn, args, expected):
    x = node(args[0])
    made = bundle(fn)(x, *args[1:])
    assert made.data == expected
    assert parents(made)[0] == id(x)


def test_a_builtin_is_called_with_the_arguments_given_and_no_others():
    assert bundle(getattr)("a", "no such", 7).data == 7
    assert bundle(iter)([1]).op == "iter"
    assert bundle(print).op.input_names(1)[0] == "args[0]"


def test_a_callable_object_is_recorded_by_the_name_of_its_class():
    class Adder:
        def __init__(self, n):
            self.n = n

        def __call__(self, x):
            return x + self.n

    x = node(1)
    made = bundle(Adder(2))(x)
    assert made.data == 3
    assert made.op == "Adder"
    assert parents(made) == ids(x)


async def test_a_callable_object_with_an_async_call_is_awaited():
    class Later:
        async def __call__(self, x):
            return x + 1

    assert (await bundle(Later())(node(1))).data == 2


def test_functions_made_by_exec_are_recorded():
    scope = {}
    exec("def f(x, *, y=2):\n    return x * y", scope)
    x = node(4)
    made = bundle(scope["f"])(x)
    assert made.data == 8
    assert made.inputs["x"] is x


def test_functions_from_notebook_cells_are_recorded_and_trainable():
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    shell.history_manager.enabled = False
    shell.user_ns["trace"] = trace
    cell = "@trace.bundle(trainable=True)\ndef f(x):\n    return x + 1\n"
    assert shell.run_cell(cell).success
    f = shell.user_ns["f"]
    assert f(node(1)).data == 2
    assert f.parameter.data == "def f(x):\n    return x + 1"


def test_instances_with_slots_have_bundled_methods():
    class Point:
        __slots__ = ("x",)

        def __init__(self, x):
            self.x = x

        @bundle
        def moved(self, by):
            return self.x + by

    assert Point(1).moved(node(2)).data == 3


def test_frozen_dataclasses_have_bundled_methods():
    @dataclasses.dataclass(frozen=True, slots=True)
    class Point:
        x: int

        @bundle
        def moved(self, by):
            return self.x + by

    assert Point(1).moved(node(2)).data == 3


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


# arguments


def test_defaults_are_inputs_too_and_may_be_nodes():
    default = node(5, name="default")

    @bundle
    def f(x, y=default):
        assert type(y) is int
        return x + y

    made = f(1)
    assert made.data == 6
    assert made.inputs["y"] is default


def test_every_kind_of_parameter_gets_its_argument():
    @bundle
    def f(a, /, b, *rest, c, d=4, **more):
        return (a, b, rest, c, d, more)

    a, b, r, c, m = (node(i) for i in "abrcm")
    made = f(a, b, r, c=c, m=m)
    assert made.data == ("a", "b", ("r",), "c", 4, {"m": "m"})
    assert list(made.inputs) == ["a", "b", "args[0]", "c", "d", "m"]
    assert [n.data for n in made.inputs.values()] == ["a", "b", "r", "c", 4, "m"]


@pytest.mark.parametrize(
    "name",
    [
        "type",
        "isinstance",
        "tuple",
        "BaseException",
        "recorded",
        "self",
        "args",
        "kwargs",
        "fn",
        "op",
        "_t_get",
        "_v_x",
        "é",
    ],
)
def test_a_parameter_may_have_any_name(name):
    scope = {}
    exec(f"def f({name}, other=None):\n    return ({name}, other)", scope)
    x, other = node("x"), node(1)
    made = bundle(scope["f"])(x, other)
    assert made.data == ("x", 1)
    assert parents(made) == ids(x, other)
    assert bundle(scope["f"])(**{name: x}).data == ("x", None)


def test_keywords_may_have_any_name():
    made = bundle(lambda **kwargs: kwargs)(self=1, _t_get=2, args=3, __code=4)
    assert made.data == {"self": 1, "_t_get": 2, "args": 3, "__code": 4}


def plain_pair(a, b, *, c=1):
    return a, b, c


@pytest.mark.parametrize(
    "call", [lambda f: f(), lambda f: f(1, 2, 3), lambda f: f(1, b=2, d=4), lambda f: f(1, a=2)]
)
@pytest.mark.parametrize("trainable", [False, True])
def test_wrong_arguments_give_pythons_own_type_error(call, trainable):
    with pytest.raises(TypeError) as plain:
        call(plain_pair)
    with pytest.raises(TypeError) as recorded:
        call(bundle(plain_pair, trainable=trainable))
    assert type(recorded.value) is TypeError
    assert str(recorded.value) == str(plain.value)


def test_the_signature_is_read_once():
    class Once:
        reads = 0

        @property
        def __signature__(self):
            Once.reads += 1
            return inspect.signature(lambda x: None)

        def __call__(self, x):
            return x

    f = bundle(Once())
    for _ in range(3):
        f(1)
    assert Once.reads <= 1


def test_a_container_without_nodes_reaches_the_body_as_it_is():
    given = {"a": [1, 2]}
    assert bundle(lambda d: d)(given).data is given


def test_the_same_node_given_twice_is_one_parent_with_two_names():
    x = node(2)
    made = bundle(lambda a, b: a * b)(x, x)
    assert parents(made) == ids(x)
    assert list(made.inputs) == ["a", "b"]


def test_each_call_keeps_its_own_inputs():
    first, second = double(node(10)), double(node(20))
    assert [first.inputs["x"].data, second.inputs["x"].data] == [10, 20]
    assert [first.call.inputs, second.call.inputs] == [{"x": 10}, {"x": 20}]


def test_an_argument_that_refuses_to_be_looked_at_passes():
    class Unbound:
        """A proxy without a target, as web frameworks have them."""

        @property
        def __class__(self):
            raise RuntimeError("working outside of context")

        def __getattribute__(self, name):
            raise RuntimeError("working outside of context")

        def __eq__(self, other):
            raise RuntimeError("compared")

        __hash__ = None

    proxy = Unbound()
    assert bundle(lambda x: 1)(proxy).data == 1


def test_a_dead_weak_proxy_passes():
    class A:
        pass

    proxy = weakref.proxy(A())
    gc.collect()
    assert bundle(lambda x: 1)(proxy).data == 1


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


def test_a_bundle_is_copied_and_pickled_as_functions_are():
    import copy
    import pickle

    assert copy.deepcopy(double) is double
    assert copy.copy(double) is double
    assert pickle.loads(pickle.dumps(double)) is double
    again = pickle.loads(pickle.dumps(bundle(plain_pair, name="other")))
    assert again(1, 2).data == (1, 2, 1)
    assert again.op == "other"


# options


def test_traceable_code_gives_the_body_the_nodes_and_records_its_inside():
    @bundle(traceable_code=True)
    def f(x):
        assert isinstance(x, trace.Node)
        return x * 2 + 1

    x = node(3)
    made = f(x)
    assert made.data == 7
    assert [n.op for n in trace.Graph.behind(made).nodes if n.op is not None] == ["mul", "add", "f"]


def test_errors_pass_as_they_are_where_catching_is_off():
    @bundle(catch_execution_error=False)
    def f(x):
        raise KeyError(x)

    with pytest.raises(KeyError) as caught:
        f("k")
    assert type(caught.value) is KeyError


async def test_errors_of_a_returned_coroutine_pass_as_they_are_where_catching_is_off():
    async def later():
        raise KeyError("k")

    with pytest.raises(KeyError) as caught:
        await bundle(lambda: later(), catch_execution_error=False)()
    assert type(caught.value) is KeyError


def test_name_and_description_are_the_users():
    f = bundle(lambda x: x, name="ask", description="Asks.")
    assert f(1).op == "ask"
    assert f(1).description == "Asks."


# where nothing is recorded


def test_stop_tracing_gives_the_plain_value():
    with trace.stop_tracing():
        made = double(node(4))
        items = bundle(lambda xs, **k: (xs, k))([node(1)], key=node(2))
    assert made == 8
    assert type(made) is int
    assert items == ([1], {"key": 2})
    assert type(items[0][0]) is int


def test_stop_tracing_nests_and_is_reusable():
    stop = trace.stop_tracing()
    with stop, stop:
        pass
    with stop:
        with trace.stop_tracing():
            pass
        assert not trace.is_tracing()
        assert type(double(1)) is int
    assert trace.is_tracing()
    assert isinstance(double(1), trace.Node)


def test_a_generator_made_under_stop_tracing_is_the_plain_one():
    @bundle
    def count(n):
        yield from range(n)

    with trace.stop_tracing():
        assert isinstance(count(node(2)), types.GeneratorType)


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
        lambda v: [x for x in v],
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


# law 2: what a program could notice


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
    assert plain - 16 <= deepest(recorded) <= 2 * plain


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

    with pytest.raises(KeyError):
        try:
            raise KeyError("k")
        except KeyError:
            again()


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


# calls and listeners


def test_a_call_has_an_id_clocks_and_a_caller():
    seen = {}

    @bundle
    def inner(x):
        time.sleep(0.01)
        return x

    @bundle
    def outer(x):
        seen["inner"] = inner(x)
        return 1

    before = time.time()
    call = outer(node(1)).call
    child = seen["inner"].call
    assert child.caller.id == call.id
    assert call.caller is None
    assert abs(call.start - before) < 1
    assert 0.01 <= child.duration <= call.duration < 5
    assert (call.output, call.error, call.inputs) == (1, None, {"x": 1})


def test_a_call_id_is_a_uuid_of_version_7_that_stays():
    import uuid

    call = double(1).call
    found = uuid.UUID(call.id)
    assert found.version == 7
    assert found.variant == uuid.RFC_4122
    assert abs((found.int >> 80) / 1000 - call.start) < 0.002
    assert double(1).call.id != call.id == call.id


def test_a_listener_hears_starts_finishes_failures_updates_and_events():
    from tracelib.graph.tracing import notify_event

    heard = Heard()
    parameter = node(1, trainable=True)

    @bundle
    def fails(x):
        raise ValueError(x)

    with trace.listening(heard):
        double(parameter)
        with pytest.raises(ValueError):
            fails(2)
        parameter.update(5, because="better")
        notify_event("score", value=1)
    double(3)
    assert [f.op.name for f in heard.started] == ["double", "fails"]
    assert [f.id for f in heard.started] == [c.id for c in heard.finished]
    assert [c.output for c in heard.finished] == [2, None]
    assert type(heard.finished[1].error) is ValueError
    assert [(u.old, u.new, u.because) for u in heard.updates] == [(1, 5, "better")]
    assert heard.events == [("score", {"value": 1})]


async def test_a_listener_hears_one_finish_for_each_start_of_streams():
    @bundle
    def items(n):
        yield from range(n)

    @bundle
    async def aitems(n):
        yield n

    @bundle
    async def later():
        return 1

    heard = Heard()
    with trace.listening(heard):
        list(items(2))
        [i async for i in aitems(1)]
        await later()
    assert [f.id for f in heard.started] == [c.id for c in heard.finished]
    assert [c.output for c in heard.finished] == [0, 1, None, 1, None, 1]


def test_a_failing_listener_is_warned_about_once_and_passed_over():
    @dataclasses.dataclass
    class Bad:
        """Neither hashable nor possible to reference weakly."""

        __slots__ = ()

        def call_started(self, frame):
            raise RuntimeError("deaf")

        call_finished = parameter_updated = event = call_started

    with trace.listening(Bad()), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert [double(i).data for i in range(3)] == [0, 2, 4]
    assert [w.category for w in caught] == [TraceWarning]
    assert "deaf" in str(caught[0].message)


def test_what_a_listener_reads_is_not_read_by_the_running_call():
    secret = node(1)

    class Curious(Heard):
        def call_finished(self, call):
            secret.data, str(call.node), double(secret)

    @bundle
    def outer(x):
        double(x)
        return x

    with trace.listening(Curious()):
        made = outer(node(1))
    assert not any(n is secret for n in trace.Graph.behind(made).nodes)


def test_an_interrupted_call_leaves_no_running_call_behind():
    @bundle
    def stopped():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert double(1).call.caller is None
