"""Calls that fail: the error is of both types, and its node shows the source with the failing line marked."""

from __future__ import annotations

import ast
import asyncio
import builtins
import concurrent.futures
import copy
import enum
import gc
import importlib
import json
import multiprocessing
import pickle
import traceback
import weakref

import pytest

import tracelib as trace
from tracelib import ExecutionError, bundle, node

BUILTIN = sorted(
    {e for e in vars(builtins).values() if isinstance(e, type) and issubclass(e, Exception)},
    key=lambda e: e.__name__,
)
ARGUMENTS = {
    UnicodeDecodeError: ("utf-8", b"\xff", 0, 1, "invalid start byte"),
    UnicodeEncodeError: ("ascii", "é", 0, 1, "ordinal not in range"),
    UnicodeTranslateError: ("é", 0, 1, "no"),
    ExceptionGroup: ("several", [ValueError(1), KeyError("k")]),
    BaseExceptionGroup: ("several", [ValueError(1)]),
    SyntaxError: ("bad", ("file.py", 3, 5, "x = (", 3, 6)),
    StopIteration: (7,),
}
NEEDING_ARGUMENTS = set(ARGUMENTS) - {SyntaxError, StopIteration}
COMMON = {"args", "add_note", "with_traceback", "split", "subgroup", "derive"}


def raised_by(error, **options):
    """What a recorded call that raises `error` raises."""

    @bundle(**options)
    def fails():
        raise error

    try:
        fails()
    except BaseException as caught:
        return caught
    raise AssertionError("nothing was raised")


@bundle
def fail_with(x):
    raise OSError(2, x, "file")


def shown(error):
    return "".join(traceback.format_exception(error))


# one error, two types


@pytest.mark.parametrize("kind", BUILTIN, ids=lambda kind: kind.__name__)
def test_an_error_is_of_the_type_of_every_builtin_exception(kind):
    original = kind(*ARGUMENTS.get(kind, ("a message",)))
    caught = raised_by(original)
    assert isinstance(caught, ExecutionError)
    assert isinstance(caught, kind)
    assert caught.__cause__ is original
    assert caught.args == original.args
    assert str(caught) == str(original)
    names = {n for n in dir(original) if not n.startswith("__")} - COMMON
    assert {n: getattr(caught, n, None) for n in names} == {n: getattr(original, n, None) for n in names}


@pytest.mark.parametrize(
    "kind", [k for k in BUILTIN if k not in NEEDING_ARGUMENTS], ids=lambda kind: kind.__name__
)
def test_an_exception_raised_without_arguments_stays_one(kind):
    original = kind()
    caught = raised_by(original)
    assert isinstance(caught, kind)
    assert (caught.args, str(caught)) == ((), str(original))


@pytest.mark.parametrize(
    "original",
    [
        FileNotFoundError(2, "No such file", "a", None, "b"),
        OSError("one argument"),
        BlockingIOError(11, "would block", 3),
        ImportError("no", name="mod", path="/x"),
        NameError("no", name="n"),
        AttributeError("no", name="n", obj=[1]),
        KeyError("k"),
        KeyError(("a", 1)),
    ],
    ids=lambda error: f"{type(error).__name__}{error.args}",
)
def test_parts_that_c_code_holds_are_kept(original):
    caught = raised_by(original)
    names = ("errno", "strerror", "filename", "filename2", "characters_written", "name", "path", "obj", "msg")
    for name in names:
        assert getattr(caught, name, "none") == getattr(original, name, "none")
    assert str(caught) == str(original)


def test_an_error_of_the_operating_system_is_caught_by_its_own_clause():
    @bundle
    def read(path):
        return open(path).read()

    with pytest.raises(FileNotFoundError) as caught:
        read("/no/such/file")
    assert (caught.value.errno, caught.value.filename) == (2, "/no/such/file")


class Odd(ValueError):
    made = 0

    def __new__(cls, *, code):
        Odd.made += 1
        return super().__new__(cls, code)

    def __init__(self, *, code):
        self.code = code

    def __str__(self):
        return f"code {self.code}"


class Slotted(LookupError):
    __slots__ = ("where",)

    def __init__(self, where):
        super().__init__()
        self.where = where


class Registered(RuntimeError):
    children = []

    def __init_subclass__(cls, *, label):
        Registered.children.append(label)


class Strict(type):
    def __new__(meta, name, bases, namespace, **options):
        assert "label" in namespace, "a label is needed"
        return super().__new__(meta, name, bases, namespace, **options)


class Labelled(ArithmeticError, metaclass=Strict):
    label = "x"


class Code(enum.Enum):
    BAD = "bad"


class WithCode(OSError):
    def __init__(self, code, message):
        super().__init__(5, message)
        self.code = code


class TwoFold(KeyError, AttributeError):
    pass


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("make", "attribute"),
    [
        (lambda: Odd(code=7), "code"),
        (lambda: Slotted("here"), "where"),
        (lambda: Registered("r"), "args"),
        (lambda: Labelled("l"), "label"),
        (lambda: WithCode(Code.BAD, "m"), "code"),
        (lambda: TwoFold("k"), "args"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_exceptions_of_the_users_keep_their_type_text_and_attributes(make, attribute):
    original = make()
    caught = raised_by(original)
    assert isinstance(caught, ExecutionError)
    assert isinstance(caught, type(original))
    assert str(caught) == str(original)
    assert getattr(caught, attribute) == getattr(original, attribute)


def test_no_code_of_an_exception_runs_a_second_time():
    before = Odd.made
    raised_by(Odd(code=1))
    raised_by(Registered("r"))
    assert Odd.made == before + 1
    assert Registered.children == []


def test_an_exception_that_cannot_say_what_it_is_still_has_a_node():
    caught = raised_by(Mute())
    assert "Mute: <its text could not be made: RuntimeError('no words')>" in caught.exception_node.data


def test_notes_are_kept_and_one_of_ours_is_added():
    original = ValueError("v")
    original.add_note("the user's")
    caught = raised_by(original)
    assert caught.__notes__[0] == "the user's"
    assert "in recorded call `fails`" in caught.__notes__[1]
    assert original.__notes__ == ["the user's"]


def test_the_members_of_a_group_can_be_caught_apart():
    caught = []
    try:
        raised_by_group()
    except* ValueError as group:
        caught += group.exceptions
    except* KeyError as group:
        caught += group.exceptions
    assert [type(e) for e in caught] == [ValueError, KeyError]


@bundle
def raised_by_group():
    raise ExceptionGroup("several", [ValueError(1), KeyError(2)])


def test_a_bare_assert_is_an_assertion_error(tmp_path, monkeypatch):
    """Outside of the test modules, whose assertions pytest rewrites."""
    source = "def check(x):\n    assert x > 0\n    return x\n"
    (tmp_path / "bare_assert.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    check = bundle(importlib.import_module("bare_assert").check)
    with pytest.raises(AssertionError) as caught:
        check(node(0))
    assert isinstance(caught.value, ExecutionError)
    assert caught.value.args == ()
    assert caught.value.exception_node.data == source.strip().replace("> 0", "> 0  # <-- AssertionError")


def test_an_exception_class_raised_without_a_call_is_kept():
    @bundle
    def fails():
        raise ValueError

    with pytest.raises(ValueError):
        fails()


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError])
def test_what_is_no_exception_passes_untouched(kind):
    original = kind("x")
    caught = raised_by(original)
    assert caught is original
    assert not hasattr(caught, "exception_node")


async def test_a_cancelled_task_is_cancelled():
    @bundle
    async def waits():
        await asyncio.sleep(60)

    task = asyncio.ensure_future(waits())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_a_timeout_around_a_recorded_call_works():
    @bundle
    async def waits():
        await asyncio.sleep(60)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await waits()


async def test_errors_of_async_functions_and_generators_are_of_both_types():
    @bundle
    async def later():
        raise KeyError("k")

    @bundle
    def items():
        yield 1
        raise LookupError("l")

    @bundle
    async def aitems():
        yield 1
        raise LookupError("l")

    with pytest.raises(KeyError) as caught:
        await later()
    assert isinstance(caught.value, ExecutionError)
    with pytest.raises(ExecutionError) as caught:
        list(items())
    assert isinstance(caught.value, LookupError)
    with pytest.raises(ExecutionError) as caught:
        [i async for i in aitems()]
    assert isinstance(caught.value, LookupError)


# nested calls


@bundle
def inner(x):
    return 1 / x


@bundle
def outer(x):
    y = x - 1
    return inner(y)


def test_an_error_of_an_inner_call_keeps_its_first_cause():
    with pytest.raises(ZeroDivisionError) as caught:
        outer(node(1))
    assert type(caught.value.__cause__) is ZeroDivisionError
    assert caught.value.exception_node.op == "outer"
    assert caught.value.exception_node.exception is caught.value.__cause__


def test_the_node_of_an_inner_failure_is_behind_that_of_the_outer():
    x = node(1, trainable=True)
    with pytest.raises(ExecutionError) as caught:
        outer(x)
    graph = trace.Graph.behind(caught.value.exception_node)
    assert [str(n.op) for n in graph.nodes if isinstance(n, trace.ExceptionNode)] == ["inner", "outer"]
    assert caught.value.exception_node.backward("must not divide by zero").reached == [x]


def test_an_error_that_the_body_handles_is_behind_its_result():
    @bundle
    def careful(x):
        try:
            return inner(x)
        except ZeroDivisionError:
            return 0

    made = careful(node(0))
    assert made.data == 0
    assert any(isinstance(n, trace.ExceptionNode) for n in trace.Graph.behind(made).nodes)


def test_a_traceback_shows_every_line_of_the_users():
    with pytest.raises(ExecutionError) as caught:
        outer(node(1))
    text = shown(caught.value)
    assert "outer(node(1))" in text
    assert "return inner(y)" in text
    assert "return 1 / x" in text


def test_the_traceback_of_an_error_leads_to_the_line_that_failed():
    with pytest.raises(ExecutionError) as caught:
        outer(node(1))
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (last.name, last.line) == ("inner", "return 1 / x")


def test_a_call_that_fails_a_thousand_calls_deep_is_recorded_in_linear_time():
    @bundle
    def dig(n):
        if n == 0:
            raise ValueError("bottom")
        return dig(n - 1)

    with pytest.raises(ValueError, match="bottom") as caught:
        dig(200)
    assert caught.value.exception_node._lines[-1][2] == "dig"
    assert len(caught.value.exception_node._lines) == 2


# the annotated source


def test_the_failing_line_of_the_source_is_marked():
    with pytest.raises(ExecutionError) as caught:
        outer(node(1))
    inner_node, outer_node = [
        n for n in trace.Graph.behind(caught.value.exception_node).nodes if isinstance(n, trace.ExceptionNode)
    ]
    assert inner_node.data == (
        "@bundle\ndef inner(x):\n    return 1 / x  # <-- ZeroDivisionError: division by zero"
    )
    assert outer_node.data == (
        "@bundle\ndef outer(x):\n    y = x - 1\n"
        "    return inner(y)  # <-- ZeroDivisionError: division by zero\n"
        "raised in inner: return 1 / x"
    )


def test_an_error_deep_in_a_library_is_marked_where_the_function_called_it():
    @bundle
    def parse(text):
        found = json.loads(text)
        return {**found}

    with pytest.raises(json.JSONDecodeError) as caught:
        parse("{")
    text = caught.value.exception_node.data
    assert "found = json.loads(text)  # <-- JSONDecodeError: Expecting property name" in text
    assert "raised in raw_decode: " in text
    assert caught.value.pos == 1


def test_a_message_of_several_lines_is_whole():
    @bundle
    def fails():
        raise ValueError("first\nsecond")

    with pytest.raises(ValueError) as caught:
        fails()
    assert "# <-- ValueError: first" in caught.value.exception_node.data
    assert caught.value.exception_node.data.endswith("\n# second")


def test_the_failing_line_of_learned_code_is_marked():
    @bundle(trainable=True)
    def f(x):
        return x

    f.parameter.update("def f(x):\n    y = 0\n    return x / y")
    with pytest.raises(ZeroDivisionError) as caught:
        f(1)
    assert caught.value.exception_node.data == (
        "def f(x):\n    y = 0\n    return x / y  # <-- ZeroDivisionError: division by zero"
    )


def test_the_line_of_a_lambda_is_marked_learned_or_not():
    f = bundle(lambda x: 1 / x, trainable=True)
    with pytest.raises(ZeroDivisionError) as caught:
        f(0)
    assert "lambda x: 1 / x" in caught.value.exception_node.data
    assert "ZeroDivisionError: division by zero" in caught.value.exception_node.data
    f.parameter.update("lambda x: 2 / x")
    with pytest.raises(ZeroDivisionError) as caught:
        f(0)
    assert caught.value.exception_node.data == "lambda x: 2 / x  # <-- ZeroDivisionError: division by zero"


def test_code_without_source_says_what_it_can():
    scope = {}
    exec("def f(x):\n    return 1 / x", scope)
    with pytest.raises(ZeroDivisionError) as caught:
        bundle(scope["f"])(0)
    assert caught.value.exception_node.data.startswith("ZeroDivisionError: division by zero\n  in f")
    with pytest.raises(ValueError) as caught:
        bundle(int)("x")
    assert caught.value.exception_node.data.startswith("ValueError: invalid literal for int()")


class Caller:
    def __call__(self, x):
        return 1 / x


def test_the_source_of_callable_objects_and_wrapped_functions_is_shown():
    import functools

    def through(fn):
        @functools.wraps(fn)
        def wrapper(*args):
            return fn(*args)

        return wrapper

    @bundle
    @through
    def wrapped(x):
        return 1 / x

    for f in (bundle(Caller()), wrapped, bundle(functools.partial(Caller(), 0))):
        with pytest.raises(ZeroDivisionError) as caught:
            f(*([] if isinstance(f.fn, functools.partial) else [0]))
        assert "return 1 / x  # <-- ZeroDivisionError" in caught.value.exception_node.data


def test_a_failing_operation_on_a_node_is_recorded_too():
    with pytest.raises(ZeroDivisionError) as caught:
        node(1) / node(0)
    assert isinstance(caught.value, ExecutionError)
    assert caught.value.exception_node.data == "ZeroDivisionError: division by zero\n  in truediv"


# errors that travel


def test_an_error_survives_pickle_and_copy():
    with pytest.raises(OSError) as caught:
        fail_with("text")
    for again in (pickle.loads(pickle.dumps(caught.value)), copy.copy(caught.value)):
        assert isinstance(again, ExecutionError)
        assert isinstance(again, OSError)
        assert (again.errno, again.filename, str(again)) == (2, "file", str(caught.value))
        assert again.exception_node.data == caught.value.exception_node.data
        assert type(again.__cause__) is FileNotFoundError


def test_an_error_comes_back_from_a_process_pool_of_both_types():
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        with pytest.raises(OSError) as caught:
            pool.submit(fail_with, "text").result()
    assert isinstance(caught.value, ExecutionError)
    assert caught.value.errno == 2
    assert "raise OSError(2, x" in caught.value.exception_node.data
    assert trace.Graph.behind(caught.value.exception_node).nodes[0].data == "text"


def test_an_error_that_was_handled_leaves_no_object_behind_without_the_collector():
    class Big:
        pass

    @bundle
    def fails(big):
        raise ValueError("no")

    def run():
        big = Big()
        try:
            fails(big)
        except ValueError:
            pass
        return weakref.ref(big)

    gc.collect()
    gc.disable()
    try:
        assert run()() is None
    finally:
        gc.enable()


def test_except_clause_of_an_agent_gets_a_node_to_learn_from():
    prompt = node("Be brief", trainable=True)

    @bundle
    def greet(prompt, name):
        if not name:
            raise ValueError("nobody to greet")
        return f"{prompt}: {name}"

    try:
        greeting = greet(prompt, "")
        feedback = "fine"
    except ExecutionError as e:
        greeting = e.exception_node
        feedback = greeting.data
    assert "raise ValueError" in feedback
    greeting.backward(feedback)
    assert "nobody to greet" in prompt.feedback.text
    ast.parse(feedback)
