"""Every kind of callable becomes a bundle, and every kind of argument reaches it."""

from __future__ import annotations

import abc
import asyncio
import collections
import dataclasses
import enum
import functools
import gc
import inspect
import types
import typing
import warnings
import weakref

import pytest

import tracelib as trace
from tracelib import bundle, node
from tracelib.errors import GraphError
from tracelib.testing import ScriptedModel


def parents(made):
    return [id(p) for p in made.parents]


def ids(*nodes):
    return [id(n) for n in nodes]


@bundle
def double(x):
    """Twice as much."""
    return 2 * x


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
    assert next(iter(made.inputs)) == "x"
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


def test_a_keyword_called_like_a_positional_only_argument_hides_nothing():
    def pair(a, /, **more):
        return a, more

    x, y = node(1), node(2)
    made = bundle(pair)(x, a=y, b=3)
    assert made.data == (1, {"a": 2, "b": 3})
    assert {name: kept.data for name, kept in made.inputs.items()} == {"a": 1, "**a": 2, "b": 3}


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


@pytest.mark.parametrize("name", ["__init__", "__bool__", "__hash__"])
def test_methods_of_which_python_takes_no_node_are_refused_with_what_to_do(name):
    def method(self): ...

    method.__name__ = name
    with pytest.raises(GraphError, match="Python takes no node from it"):
        bundle(method)


def test_methods_of_enums_and_named_tuples_are_recorded():
    class Kind(enum.Enum):
        A = 1

        @bundle
        def plus(self, x):
            return self.value + x

    class Pair(typing.NamedTuple):
        a: int

        @bundle
        def plus(self, x):
            return self.a + x

    assert list(Kind) == [Kind.A]
    assert (Kind.A.plus(node(2)).data, Pair(1).plus(node(2)).data) == (3, 3)


async def test_a_task_that_a_bundle_gives_can_be_awaited():
    @trace.bundle
    async def slowly(x):
        await asyncio.sleep(0)
        return x + 1

    @trace.bundle
    def started(x):
        return asyncio.ensure_future(slowly(x))

    one = trace.node(1, name="one")
    task = started(one)
    value = await task
    assert value.data == 2
    assert any(n is one for n in trace.Graph.behind(value).nodes)


def test_only_what_can_be_awaited_looks_awaitable():
    assert not any(inspect.isawaitable(trace.node(value)) for value in (1, "a", [1], len, None))


def test_a_bundle_of_what_does_more_than_run_its_function_calls_that():
    model = ScriptedModel(["Hello!"])

    @trace.lm(model=model)
    def greet(name):
        """You greet."""
        return f"Greet {name}."

    @bundle(trainable=True)
    def learn(x):
        return x

    learn.parameter.update("def learn(x):\n    return x * 2", "doubled", "test")
    assert bundle(greet)("Ann") == "Hello!"
    assert bundle(learn)(3).data == 6
