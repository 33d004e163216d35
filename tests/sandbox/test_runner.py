"""Learned code in a sandbox does what it would do here: arguments, helpers, `self`, kinds, errors."""

from __future__ import annotations

import asyncio
import copy
import pickle
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import learning_shop as shop
import pytest
from learned import learn

import tracelib as trace
from tracelib.errors import (
    ExecutionError,
    MutationWarning,
    SandboxUnavailable,
    SandboxWarning,
)
from tracelib.sandbox.choice import levels
from tracelib.sandbox.confine import Confinement, confine
from tracelib.sandbox.process import ProcessSandbox
from tracelib.sandbox.sandbox import SandboxLimits


@pytest.fixture(autouse=True)
def shop_as_written() -> Iterator[None]:
    yield
    for bundle in (shop.learn, shop.later, shop.several):
        bundle.parameter.restore(bundle.parameter.original, "the test is over", "test")


def gives(expression: str, *args: Any, sandbox: Any, tools: Any = (), **named: Any) -> Any:
    learn(shop.learn, f"def learn(x, *more, **named):\n    return {expression}", sandbox, *tools)
    return shop.learn(*args, **named).data


REACHED = {
    "double(x) * FACTOR": (2, 12),
    "Greeter().greet(x)": ("Ann", "Hi Ann!"),
    "PRICES[x]": ("ship", 3.5),
    "[word for word in re.findall('a+', x)]": ("aabaa", ["aa", "aa"]),
    "(x, more, named)": (1, (1, (), {})),
}


@pytest.mark.parametrize("expression", REACHED)
def test_what_the_code_reaches_in_its_module_is_there(sandbox: Any, expression: str) -> None:
    given, expected = REACHED[expression]
    assert gives(expression, given, sandbox=sandbox) == expected


def test_values_of_names_are_those_of_now(sandbox: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gives("FACTOR + len(PRICES)", 0, sandbox=sandbox) == 4
    monkeypatch.setattr(shop, "FACTOR", 10)
    monkeypatch.setitem(shop.PRICES, "boat", 1.0)
    assert shop.learn(0).data == 12


def test_dataclasses_and_models_go_in_and_come_out_as_what_they_are(process: Any) -> None:
    assert gives("Point(x.x + 1, x.norm())", shop.Point(1, -2), sandbox=process) == shop.Point(2, 3)
    order = shop.Order(item="ship", pieces=2)
    assert gives("[x, x.item]", order, sandbox=process) == [order, "ship"]
    assert gives("[x, more, named]", {1: (2,)}, {3}, k=b"4", sandbox=process) == [
        {1: (2,)},
        ({3},),
        {"k": b"4"},
    ]


def test_what_cannot_travel_is_an_error_that_names_it_and_the_ways_out(process: Any) -> None:
    with pytest.raises(ExecutionError, match=r"argument 0: _io\.TextIOWrapper cannot cross") as caught:
        with open(__file__) as file:
            gives("x.read()", file, sandbox=process)
    assert "tools=" in str(caught.value)
    with pytest.raises(ExecutionError, match="LOCK"):
        gives("LOCK.acquire()", 1, sandbox=process)
    with pytest.raises(ExecutionError, match=r"the result: builtins\.function cannot cross"):
        gives("lambda: 1", 1, sandbox=process)


def test_a_package_is_there_when_it_was_named(process: Any) -> None:
    source = "def learn(x, *more, **named):\n    import numpy\n    return float(numpy.mean(numpy.array(x)))"
    learn(shop.learn, source, process)
    with pytest.raises(ExecutionError, match="No module named 'numpy'"):
        shop.learn([1, 3])
    sandbox = ProcessSandbox(["numpy", "pydantic"], SandboxLimits(memory=2**31))
    try:
        learn(shop.learn, source + "  # again", sandbox)
        assert shop.learn([1, 3]).data == 2.0
        assert gives("Order(item=x, pieces=9)", "ship", sandbox=sandbox) == shop.Order(item="ship", pieces=9)
    finally:
        sandbox.close()


# self


@pytest.fixture
def agent() -> Any:
    return shop.Agent()


def test_self_is_read_from_outside_and_what_was_read_is_in_the_record(process: Any, agent: Any) -> None:
    body = "return self.helper(self.prompt + text) + self.prompt.data + self.seen[0]"
    source = f"def answer(self, text):\n    {body}"
    learn(agent.answer, source, process)
    made = agent.answer(" you")
    assert made == "<Hello you agent>Helloa"
    kinds = {edge.name: edge.kind for edge in trace.Graph.behind(made).edges if edge.source is agent.prompt}
    assert "read" in kinds.values()


def test_attributes_are_those_of_the_instance_at_each_call(process: Any, agent: Any) -> None:
    learn(agent.answer, "def answer(self, text):\n    return self.seen, self.kind", process)
    assert agent.answer("").data == (["a"], "agent")
    agent.seen.append("b")
    agent.kind = "robot"
    assert agent.answer("").data == (["a", "b"], "robot")


def test_super_and_private_names_mean_what_they_mean_in_the_class(process: Any, agent: Any) -> None:
    learn(agent.answer, "def answer(self, text):\n    return super().title(), self.__own", process)
    assert agent.answer("").data == ("base", 7)


def test_another_method_that_learned_runs_as_what_it_became(process: Any, agent: Any) -> None:
    learn(agent.shout, "def shout(self, text):\n    return text + '?'", process)
    learn(agent.answer, "def answer(self, text):\n    return self.shout(text)", process)
    made = agent.answer("so")
    assert made == "so?"
    assert "shout" in [node.op.name for node in trace.Graph.behind(made).ordered if node.op is not None]


def test_nothing_outside_is_changed_from_inside(process: Any, agent: Any) -> None:
    learn(agent.answer, "def answer(self, text):\n    self.kind = 'x'", process)
    with pytest.raises(ExecutionError, match="kind cannot be set"):
        agent.answer("")
    learn(agent.answer, "def answer(self, text):\n    return self.lock", process)
    with pytest.raises(ExecutionError, match=r"Agent\.lock: _thread\.lock cannot cross"):
        agent.answer("")


def test_a_change_of_an_argument_in_place_is_told_for_it_is_lost(process: Any) -> None:
    given = [3, 1]
    with pytest.warns(MutationWarning, match="learn changed argument 0 in place"):
        assert gives("x.sort() or x", given, sandbox=process) == [1, 3]
    assert given == [3, 1]


# Tools


def test_a_tool_stays_outside_and_its_call_is_recorded(sandbox: Any) -> None:
    made = None
    learn(shop.learn, "def learn(x, *more, **named):\n    return look(x) + 1", sandbox, shop.look)
    made = shop.learn("ship")
    assert made.data == 5
    assert [node.op.name for node in trace.Graph.behind(made).ordered if node.op is not None] == [
        "look",
        "learn",
    ]


def test_an_error_of_a_tool_is_told_inside(process: Any) -> None:
    def fail(x: int) -> int:
        raise ValueError("no such thing")

    with pytest.raises(ExecutionError, match="ValueError: no such thing"):
        gives("fail(x)", 1, sandbox=process, tools=[fail])


def test_a_method_of_an_object_outside_is_called_on_it(process: Any) -> None:
    class Library:
        def __init__(self) -> None:
            self.books = {"a": 1}
            self.asked: list[str] = []

        def find(self, title: str) -> int:
            self.asked.append(title)
            return self.books[title]

    library = Library()
    assert gives("x.find('a') + len(x.books)", library, sandbox=process, tools=[library.find]) == 2
    assert library.asked == ["a"]
    with pytest.raises(ExecutionError, match="Library has no 'find' in the sandbox"):
        gives("x.find('b')", library, sandbox=process)


def test_the_time_of_a_tool_is_not_the_codes(process: Any) -> None:
    learn(shop.learn, "def learn(x, *more, **named):\n    return wait() + x", process, wait)
    assert shop.learn(1).data == 2


def wait() -> int:
    """Longer than the limit of the tests' sandbox, in a process, so that no clock of ours is asked."""
    subprocess.run([sys.executable, "-c", "import time; time.sleep(1.3)"], check=True)
    return 1


def test_a_program_asks_no_model_inside(process: Any) -> None:
    source = """
        def learn(x, *more, **named):
            import tracelib as trace
            @trace.lm(model="tiny")
            def greet(name):
                return name
            return greet(x)
    """
    learn(shop.learn, source, process)
    with pytest.raises(ExecutionError, match=r"greet \(lm\) asks a model"):
        shop.learn("Ann")


# Kinds of functions


def test_async_code_awaits(process: Any) -> None:
    learn(
        shop.later,
        "async def later(x):\n    import asyncio\n    await asyncio.sleep(0)\n    return x + 1",
        process,
    )

    async def both() -> Any:
        return await asyncio.gather(shop.later(1), shop.later(2))

    assert [one.data for one in asyncio.run(both())] == [2, 3]


def test_generators_yield(process: Any) -> None:
    learn(shop.several, "def several(x):\n    yield x\n    yield x + 1", process)
    assert [one.data for one in shop.several(1)] == [1, 2]


def test_variables_of_enclosing_functions_are_there(process: Any) -> None:
    for step in (2, 5):
        count = shop.counter(step)
        learn(count, "def count(x):\n    return x * step", process)
        assert count(10).data == 10 * step


# Errors


def test_an_error_is_of_its_own_class_and_marks_its_line(sandbox: Any) -> None:
    source = "def learn(x, *more, **named):\n    y = 1\n    return {'a': y}[x]"
    learn(shop.learn, source, sandbox)
    with pytest.raises(KeyError) as caught:
        shop.learn("b")
    assert isinstance(caught.value, ExecutionError)
    assert "return {'a': y}[x]  # <-- KeyError: 'b'" in str(caught.value.exception_node.data)


def test_errors_keep_their_arguments_and_those_of_own_classes_their_names(process: Any) -> None:
    with pytest.raises(ExecutionError) as caught:
        gives("{}[None]", 1, sandbox=process)
    assert caught.value.__cause__ is not None
    assert caught.value.__cause__.args == (None,)
    with pytest.raises(ExecutionError, match="JSONDecodeError: Expecting value"):
        gives("__import__('json').loads('x')", 1, sandbox=process)


# Where it runs


def test_the_users_own_code_runs_here(process: Any) -> None:
    before = shop.learn.parameter.original
    confine(shop.learn.parameter, before, Confinement(process))
    assert shop.learn(1).data[2] is shop.double
    shop.learn.parameter.update("def learn(x, *more, **named):\n    return double", "by hand")
    assert shop.learn(1).data is shop.double


def test_copies_and_pickles_of_learned_code_are_confined_too(process: Any, agent: Any) -> None:
    source = "def answer(self, text):\n    import os\n    return os.getpid()"
    learn(agent.answer, source, process)
    del agent.lock
    here = agent.answer("").data
    for other in (copy.deepcopy(agent), pickle.loads(pickle.dumps(agent))):
        assert other.answer.parameter.data == source
        assert other.answer.parameter._code.confines(source)
        assert isinstance(other.answer("").data, int)
    learn(shop.learn, "def learn(x, *more, **named):\n    import os\n    return os.getpid()", process)
    again = pickle.loads(pickle.dumps(shop.learn))
    assert again(1).data != here or again(1).data


def test_in_this_process_it_warns_once_and_each_call_says_so(tmp_path: Path) -> None:
    store = trace.init(store=str(tmp_path / "logdir"))
    try:
        count = shop.counter(1)
        with pytest.warns(SandboxWarning, match="runs in this process, with all its rights"):
            learn(count, "def count(x):\n    import os\n    return os.getpid()", "in_process")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            learn(count, "def count(x):\n    import os\n    return os.getpid() + 0", "in_process")
        assert count(1).data == __import__("os").getpid()
        assert [call.sandbox for call in store.calls(name="count")] == ["in_process"]
    finally:
        trace.init(store=None)


def test_a_stored_call_says_where_learned_code_ran(process: Any, tmp_path: Path) -> None:
    store = trace.init(store=str(tmp_path / "logdir"))
    try:
        shop.learn(1)
        gives("x", 2, sandbox=process)
        assert [call.sandbox for call in store.calls(name="learn")] == ["process", None]
        assert [call.inputs for call in store.calls('sandbox == "process"', values=True)] != []
    finally:
        trace.init(store=None)


def test_a_sandbox_that_is_not_there_is_refused_with_what_there_is() -> None:
    with pytest.raises(
        SandboxUnavailable, match="no sandbox 'docker'; there are 'auto', 'process', 'monty', 'in_process'"
    ):
        _ = Confinement("docker").runner


def test_the_levels_of_this_machine_say_what_confines() -> None:
    for level in levels():
        assert bool(level.confined_by) != bool(level.missing)


@pytest.mark.parametrize(
    "module", ["sqlite3", "lzma", "bz2", "hashlib", "decimal", "email.message", "xml.dom"]
)
def test_the_standard_library_is_there(process: Any, module: str) -> None:
    assert gives(f"__import__('{module}').__name__", 1, sandbox=process) == module.partition(".")[0]


def test_without_landlock_no_file_is_opened(process: Any) -> None:
    sandbox = ProcessSandbox(landlock=False)
    try:
        assert gives("double(x)", 2, sandbox=sandbox) == 4
        with pytest.raises(ExecutionError, match="not permitted"):
            gives("open(__import__('json').__file__).read()", 1, sandbox=sandbox)
    finally:
        sandbox.close()


def test_a_sandbox_whose_first_process_died_starts_another(process: Any) -> None:
    sandbox = ProcessSandbox()
    try:
        assert gives("x", 1, sandbox=sandbox) == 1
        assert sandbox._kept is not None
        sandbox._kept._process.kill()
        sandbox._kept._process.wait()
        assert gives("x + 1", 1, sandbox=sandbox) == 2
        assert gives("x", 1, sandbox=sandbox) == 1
    finally:
        sandbox.close()
