"""Calls of other processes and times: their graphs again, feedback that comes late, running them again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from started import ROOT, run_program

import tracelib as trace
from optimizers import OptoPrime
from tracelib.errors import UnknownRecord
from tracelib.store.store import Store, open_store
from tracelib.testing import ScriptedModel


@pytest.fixture
def store(blank: str, tmp_path: Path) -> Iterator[Store]:
    made = open_store(blank, journal=tmp_path / "journal")
    yield made
    made.uninstall()


@trace.bundle
def join(parts: list[Any], sep: str = " ") -> str:
    """Join parts."""
    return sep.join(parts)


@trace.bundle
def shout(text: Any, *rest: Any, **marks: Any) -> str:
    return str(text) + "".join(map(str, rest)) + "".join(marks.values())


@trace.bundle
def outer(text: Any) -> Any:
    return shout(text) + "?"


@trace.bundle
def divide(x: Any, y: Any) -> Any:
    return x / y


def greeting() -> Any:
    tone = trace.node("dry", name="tone", trainable=True, description="How to speak")
    name = trace.node("Ann", name="who", description="A guest")
    made = shout(tone + ", ", name.upper(), mark="!")
    return outer(join([made, name, {"k": [tone]}["k"][0]]))


def total() -> Any:
    start = trace.node(1, name="start")
    amount = start
    for i in range(50):
        amount = amount + i
    return divide(amount, 2) + divide(amount, amount)


def failing() -> Any:
    with pytest.raises(ZeroDivisionError) as caught:
        divide(trace.node(1, name="one"), 0)
    return caught.value.exception_node  # type: ignore[attr-defined]


def shape(output: Any) -> tuple[Any, ...]:
    """What is the same for a graph and the one that is made of it again."""
    graph = trace.Graph.behind(output)
    names = [graph.name(made) for made in graph.ordered]
    edges = sorted((graph.name(e.source), graph.name(e.target), e.name, e.kind) for e in graph.edges)
    return names, edges, [str(made._data) for made in graph.ordered]


@pytest.mark.parametrize("program", [greeting, failing])
def test_a_stored_graph_is_the_recorded_one(store: Store, program: Any) -> None:
    with store:
        made = program()
    assert shape(store.graph(made.call.id).output) == shape(made)


def test_operations_between_calls_are_in_the_stored_graph(store: Store) -> None:
    with store:
        made = total()
        last = shout(made)
    rebuilt = store.graph(last.call.id).output
    assert shape(rebuilt) == shape(last)
    assert len(trace.Graph.behind(rebuilt).nodes) > 50


def test_a_picture_of_a_stored_graph_is_that_of_the_recorded_one(store: Store) -> None:
    with store:
        made = greeting()
    assert store.graph(made.call.id).to_dot().source == trace.Graph.behind(made).to_dot().source


def test_feedback_on_a_call_of_another_process_teaches_the_program_here(tmp_path: Path) -> None:
    source = """
        import tracelib as trace

        @trace.model
        class Agent:
            def __init__(self):
                self.tone = trace.node("dry", trainable=True)

            @trace.bundle
            def speak(self, word):
                return f"{self.tone}: {word}"

        if __name__ == "__main__":
            trace.init(store="./logdir")
            print(Agent().speak("hello").call.id)
    """
    id = run_program(tmp_path, source).stdout.strip()
    sys.path.insert(0, str(tmp_path))
    try:
        program: Any = __import__("program")
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("program", None)
    agent = program.Agent()
    model = ScriptedModel(['{"reasoning": "warmer", "suggestion": {"tone": "warm"}}'])
    optimizer = OptoPrime(agent.parameters(), llm=model)
    optimizer.zero_feedback()
    optimizer.backward(open_store(tmp_path / "logdir").graph(id).output, "Too dry, said the user.")
    step = optimizer.step()
    assert step.changed == {"tone": ("dry", "warm")}
    assert "Too dry, said the user." in str(model.asked)


def test_a_call_that_is_not_stored_has_no_graph(store: Store) -> None:
    with store:
        join(["a"])
    with pytest.raises(UnknownRecord):
        store.graph("01a21393-0000-7000-8000-000000000000")


REPLAYED = """
    import dataclasses
    import tracelib as trace

    RATE = 3
    SEEN = []

    @dataclasses.dataclass
    class Order:
        items: list
        rate: int = 2

    def helper(x):
        return x * RATE

    @trace.bundle
    def price(order, /, *extras, tax=0, **more):
        return helper(sum(order.items)) * order.rate + sum(extras) + tax + more.get("tip", 0)

    @trace.bundle
    def count(x):
        SEEN.append(x)
        return len(SEEN)

    @trace.bundle
    def fail(x):
        raise ValueError(f"never {x}")

    @trace.bundle
    def now():
        import time
        return time.time()

    @trace.bundle
    async def later(x):
        return [x]

    if __name__ == "__main__":
        import asyncio
        trace.init(store="./logdir")
        SEEN.append("before")
        for made in (price(Order([1, 2]), 5, 6, tax=1, tip=2), count("a"), now(), asyncio.run(later("x"))):
            print(made.call.id)
        try:
            fail(1)
        except ValueError as error:
            print(error.exception_node.call.id)
"""


def test_a_replay_runs_the_stored_closure_on_the_stored_inputs(tmp_path: Path) -> None:
    ids = run_program(tmp_path, REPLAYED).stdout.split()
    (tmp_path / "program.py").unlink()  # the store alone is enough
    store = open_store(tmp_path / "logdir")
    price, count, now, later, fail = (store.replay(id) for id in ids)
    assert (price.same, price.stored, price.now, price.problem) == (True, 32, 32, "")
    assert (count.same, count.now) == (True, 2)
    assert now.same is False
    assert now.now > now.stored
    assert (later.same, later.now) == (True, ["x"])
    assert (fail.same, fail.now) == (True, "ValueError: never 1")


def test_a_replay_that_hangs_is_ended(tmp_path: Path) -> None:
    source = """
        import os, time
        import tracelib as trace

        @trace.bundle
        def nap(x):
            time.sleep(0 if os.path.exists("program.py") else 60)
            return x

        if __name__ == "__main__":
            trace.init(store="./logdir")
            print(nap(1).call.id)
    """
    id = run_program(tmp_path, source).stdout.strip()
    found = open_store(tmp_path / "logdir").replay(id, timeout=3)
    assert (found.same, found.problem) == (None, "it did not end within 3 s")


KINDS = """
    import asyncio, os, sys
    import tracelib as trace

    class Gone(Exception):
        pass

    class Agent:
        @trace.bundle
        def method(self, word):
            return word

        @classmethod
        @trace.bundle
        def on_class(cls, word):
            return word

        @staticmethod
        @trace.bundle
        def static(word):
            return word

    @trace.bundle
    def words(*words, sep=" "):
        return sep.join(words)

    @trace.bundle(traceable_code=True)
    def nested(x):
        return words(x, "y").data + "!"

    @trace.bundle
    def many(a, b=1, *rest, k=3, **more):
        return [a, b, rest, k, sorted(more)]

    @trace.bundle
    def noisy(x):
        os.write(1, b"no newline")
        print(x)
        return x

    @trace.bundle
    def model():
        return os.environ.get("TRACELIB_MODEL")

    @trace.bundle
    def leave():
        sys.exit(3)

    @trace.bundle
    def gone(x):
        raise Gone(x)

    @trace.bundle
    def moody():
        raise Gone("then" if os.path.exists("program.py") else "now")

    @trace.bundle
    def steps(n):
        yield from range(n)

    @trace.bundle
    async def later_steps(n):
        for i in range(n):
            yield i

    @trace.bundle
    def apply(fn, x):
        return fn(x)

    @trace.bundle
    def thing():
        return object()

    @trace.bundle
    def length(api_key):
        return len(api_key)

    @trace.bundle(capture="hash")
    def digested(x):
        return x

    @trace.bundle(capture="none")
    def unseen(x):
        return x

    double = trace.bundle(lambda x: 2 * x, name="double")

    async def read():
        return [x async for x in later_steps(1)]

    def attempt(fn, *args):
        try:
            fn(*args)
        except BaseException:
            pass

    if __name__ == "__main__":
        trace.init(store="./logdir")
        nested("x"), words("a", "b", sep="-"), many(1), many(1, 2, 3, 4, k=5, z=6), double(4)
        noisy("x"), model(), Agent.static("y"), Agent().method("y"), Agent.on_class("y")
        attempt(leave), attempt(gone, 1), attempt(moody), list(steps(1)), asyncio.run(read())
        apply(len, "abc"), thing(), length("sk-" + 30 * "a"), digested(1), unseen(1)
"""


@pytest.fixture(scope="module")
def of_kinds(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with a call of each kind of function."""
    folder = tmp_path_factory.mktemp("kinds")
    run_program(folder, KINDS, TRACELIB_MODEL="tiny")
    return open_store(folder / "logdir")


@pytest.mark.parametrize(
    "name", ["words", "nested", "many", "double", "noisy", "static", "leave", "gone", "model"]
)
def test_any_function_that_stands_alone_gives_the_same_again(
    of_kinds: Store, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("TRACELIB_MODEL", "tiny")
    for call in of_kinds.calls(name=name):
        found = of_kinds.replay(call.id)
        assert (found.same, found.problem) == (True, "")


def test_an_error_with_another_message_is_another_error(of_kinds: Store) -> None:
    found = of_kinds.replay(of_kinds.calls(name="moody")[0].id)
    assert (found.same, found.stored, found.now) == (False, "Gone: then", "Gone: now")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("method", "Agent.method is a method, and the object it was called on is not stored"),
        ("on_class", "Agent.on_class is a method, and the object it was called on is not stored"),
        ("steps", "it yields: each step is a call of its own, and one step cannot be run alone"),
        ("later_steps", "it yields: each step is a call of its own, and one step cannot be run alone"),
        ("apply", "of its input fn only this is stored: <function builtins:len>"),
        ("thing", "of its output only this is stored: <builtins:object>"),
        ("length", "it is different, but secrets were taken out of what is stored"),
        ("digested", "of its input x only this is stored: <digest size 1>"),
        ("unseen", "its inputs and what it gave were not captured"),
    ],
)
def test_what_cannot_be_compared_says_why(of_kinds: Store, name: str, why: str) -> None:
    found = of_kinds.replay(of_kinds.calls(name=name)[0].id)
    assert (found.same, found.problem) == (None, why)


def test_a_method_of_a_local_class_says_why_it_cannot_be_run_again(store: Store) -> None:
    class Agent:
        @trace.bundle
        def speak(self, word: str) -> str:
            return word

    with store:
        made = Agent().speak("x")
    assert "Agent.speak is a method" in store.replay(made.call.id).problem


def test_globals_are_as_the_process_of_the_call_had_them(tmp_path: Path) -> None:
    source = """
        import subprocess, sys
        import tracelib as trace

        SEEN = []

        @trace.bundle
        def count(n):
            return count(n - 1) if n else len(SEEN)

        if __name__ == "__main__":
            store = trace.init(store="./logdir")
            if len(sys.argv) > 1:
                SEEN.append("other")
                count(0)
                sys.exit()
            SEEN.extend("abc")
            count(1)
            store.flush()
            subprocess.run([sys.executable, "program.py", "other"], check=True)
            count(0)
    """
    run_program(tmp_path, source)
    store = open_store(tmp_path / "logdir")
    found = [store.replay(call.id) for call in store.calls()]
    assert sorted((one.same, one.now) for one in found) == [(True, 1), (True, 3), (True, 3), (True, 3)]


def test_a_keyword_called_like_a_positional_only_argument_is_kept_beside_it(tmp_path: Path) -> None:
    source = """
        import tracelib as trace

        @trace.bundle
        def pair(a, /, **more):
            return [a, more]

        if __name__ == "__main__":
            trace.init(store="./logdir")
            pair(1, a=2, b=3)
    """
    run_program(tmp_path, source)
    store = open_store(tmp_path / "logdir")
    (call,) = store.calls(values=True)
    assert call.inputs == {"a": 1, "**a": 2, "b": 3}
    assert store.replay(call.id).same


def test_a_frozen_function_gives_what_is_stored_and_runs_no_code(store: Store) -> None:
    runs: list[Any] = []

    @trace.bundle
    def dear(x: Any, *rest: Any, mark: str = "!") -> str:
        runs.append(x)
        return f"{x}{rest}{mark}"

    with store:
        first = dear({"a": [1]}, 2, mark="?")
        assert len(runs) == 1
        with store.freeze(dear):
            again = dear({"a": [1]}, 2, mark="?")
            other = dear("unknown")
        assert (again, len(runs)) == (first, 2)
        assert other == "unknown()!"
        assert again.op is first.op
        dear({"a": [1]}, 2, mark="?")
    assert len(runs) == 3
    assert len(store.calls()) == 4


def test_frozen_coroutines_are_awaited_as_ever(store: Store) -> None:
    import asyncio

    runs: list[int] = []

    @trace.bundle
    async def slow(x: int) -> int:
        runs.append(x)
        return x + 1

    with store:
        asyncio.run(slow(1))
        with store.freeze(slow):
            assert asyncio.run(slow(1)) == 2
    assert runs == [1]


def test_a_program_recorded_in_a_file_can_be_read_from_the_command_line(tmp_path: Path) -> None:
    run_program(tmp_path, REPLAYED)
    done = subprocess.run(
        [sys.executable, "-m", "tracelib", "calls", "--store", "logdir", "--json"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"function"') == 5
