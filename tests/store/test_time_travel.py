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


def test_a_method_says_why_it_cannot_be_run_again(store: Store) -> None:
    class Agent:
        @trace.bundle
        def speak(self, word: str) -> str:
            return word

    with store:
        made = Agent().speak("x")
    assert store.replay(made.call.id).same is None


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
