"""Parameters: checked before they change, bound per context, and earlier graphs keep what they saw."""

from __future__ import annotations

import asyncio
import concurrent.futures
import copy
import dataclasses
import datetime
import decimal
import enum
import threading
from typing import Annotated, Any, Literal

import numpy as np
import pydantic
import pytest

import tracelib as trace
from tracelib.errors import ConstraintError, GraphError


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Options:
    k: int
    mode: str = "a"


class Settings(pydantic.BaseModel):
    k: int
    note: str = ""


def test_a_trainable_node_is_a_parameter_and_a_leaf() -> None:
    p = trace.node("say hi", name="prompt", trainable=True, description="how to greet", constraint="one line")
    assert isinstance(p, trace.Parameter)
    assert (p.name, p.data, p.description, p.constraint) == ("prompt", "say hi", "how to greet", "one line")
    assert p.parents == []
    assert not p.is_code
    assert p.original is None
    assert not p.feedback


def test_a_parameter_made_of_a_node_takes_its_value_and_its_name() -> None:
    p = trace.node(trace.node(5, name="x", description="d"), trainable=True)
    assert (p.data, p.name, p.description) == (5, "x", "d")


def test_a_container_of_nodes_is_no_parameter() -> None:
    with pytest.raises(GraphError, match="holds nodes"):
        trace.node([trace.node(1)], trainable=True)


def test_update_takes_the_value_and_tells_what_changed_and_why() -> None:
    p = trace.node(1, trainable=True)
    update = p.update(2, because="too small", by="me")
    assert p.data == 2
    assert (update.parameter, update.old, update.new, update.because, update.by) == (
        p,
        1,
        2,
        "too small",
        "me",
    )


def test_restore_takes_an_earlier_value_unchecked() -> None:
    p = trace.node(1, trainable=True, constraint=Literal[1, 2])
    p.update(2)
    p.restore(1, because="undone")
    assert p.data == 1


ACCEPTED: list[tuple[Any, Any, Any]] = [
    (3, 4, 4),
    (2.5, 4, 4.0),
    (True, False, False),
    ("a", "b", "b"),
    ("a", 'def f(): "TERMINATE"', 'def f(): "TERMINATE"'),
    ("a", "", ""),
    ([1], [2, 3], [2, 3]),
    ((1,), [2], (2,)),
    ({1}, [2, 2], {2}),
    (frozenset({1}), [2], frozenset({2})),
    ({"a": 1}, {"b": 2}, {"b": 2}),
    (None, "anything", "anything"),
    (Color.RED, "blue", Color.BLUE),
    (Color.RED, Color.BLUE, Color.BLUE),
    (Options(1), {"k": 2}, Options(2)),
    (Settings(k=1), {"k": 2, "note": "n"}, Settings(k=2, note="n")),
    (decimal.Decimal("1.5"), "2.5", decimal.Decimal("2.5")),
    (datetime.date(2024, 1, 1), "2025-02-03", datetime.date(2025, 2, 3)),
    (np.float64(1.5), 2, np.float64(2.0)),
    (np.int64(1), 5, np.int64(5)),
]

REFUSED: list[tuple[Any, Any]] = [
    (3, "abc"),
    (3, "4"),
    (3, True),
    (3, 4.5),
    (3, None),
    (2.5, "2.5"),
    (2.5, True),
    (2.5, float("nan")),
    (2.5, float("inf")),
    (True, "no"),
    (True, 1),
    ("a", None),
    ("a", 5),
    ("a", ["a", "b"]),
    ([1], "[3, 4]"),
    ([1], (3,)),
    ((1,), "ab"),
    ({1}, [[1]]),
    ({"a": 1}, [("a", 1)]),
    (Color.RED, "green"),
    (Options(1), {"k": "one"}),
    (Options(1), {"wrong": 1}),
    (Settings(k=1), {}),
    (np.array([1, 2]), [3]),
    (np.array([1, 2]), [1.5, 2]),
    (np.array([1, 2]), "ab"),
    (np.array([1, 2]), [[1], [1, 2]]),
    (np.array([1, 2], np.int8), [300, 1]),
    (np.array([1.0]), None),
    (np.int64(1), 1.5),
    (object, "x"),
]


@pytest.mark.parametrize(("present", "value", "expected"), ACCEPTED)
def test_a_value_of_the_present_type_is_taken(present: Any, value: Any, expected: Any) -> None:
    p = trace.node(present, trainable=True)
    p.update(value)
    assert p.data == expected
    assert type(p.data) is type(expected)


@pytest.mark.parametrize(("present", "value"), REFUSED)
def test_a_value_of_another_type_is_refused_and_nothing_changes(present: Any, value: Any) -> None:
    p = trace.node(present, trainable=True, name="p")
    with pytest.raises(ConstraintError, match="p ") as caught:
        p.update(value)
    assert p.data is present
    assert caught.value.parameter is p
    assert caught.value.value is value
    assert isinstance(caught.value, ValueError)


def test_a_refusal_says_what_is_held_what_came_and_what_to_do() -> None:
    p = trace.node("hi", trainable=True, name="prompt0")
    with pytest.raises(ConstraintError) as caught:
        p.update(["a", "b"])
    assert "prompt0 holds str, the proposal is list ['a', 'b']" in str(caught.value)
    assert "constraint" in str(caught.value)


def test_an_array_takes_a_list_of_its_shape_as_an_array_of_its_type() -> None:
    p = trace.node(np.array([1, 2], dtype=np.uint8), trainable=True)
    p.update([3, 4])
    assert p.data.tolist() == [3, 4]
    assert p.data.dtype == np.uint8


def test_a_node_is_taken_as_its_value() -> None:
    p = trace.node("a", trainable=True)
    p.update(trace.node("b") + "!")
    assert type(p.data) is str
    assert p.data == "b!"
    with trace.bind({p: trace.node("c")}):
        assert type(p.data) is str
    q = trace.node([1], trainable=True)
    q.update([trace.node(2)])
    assert type(q.data[0]) is int


CONSTRAINED: list[tuple[Any, Any, Any, bool]] = [
    (Literal["a", "b"], "a", "b", True),
    (Literal["a", "b"], "a", "c", False),
    (Literal[1, 2], 1, 2, True),
    (Literal[1, 2], 1, "2", False),
    (Annotated[float, pydantic.Field(ge=0, le=1)], 0.5, 0.7, True),
    (Annotated[float, pydantic.Field(ge=0, le=1)], 0.5, 1, True),
    (Annotated[float, pydantic.Field(ge=0, le=1)], 0.5, 1.5, False),
    (Annotated[float, pydantic.Field(ge=0, le=1)], 0.5, "0.7", False),
    (Annotated[int, pydantic.Field(gt=0)], 1, 0, False),
    (Annotated[int, pydantic.Field(gt=0)], 1, 2.5, False),
    (Annotated[str, pydantic.Field(max_length=3)], "a", "abcd", False),
    (Annotated[str, pydantic.Field(pattern="^[a-z]+$")], "a", "abc", True),
    (list[int], [1], [2, 3], True),
    (list[int], [1], ["x"], False),
    (dict[str, float], {}, {"a": 1.5}, True),
    (tuple[int, ...], (1,), [2, 3], True),
    (int | None, 1, None, True),
    (int | None, 1, "x", False),
    (Settings, Settings(k=1), {"k": 3}, True),
    (Settings, Settings(k=1), {"k": "3"}, False),
    (Color, Color.RED, "blue", True),
]


@pytest.mark.parametrize(("constraint", "present", "value", "fits"), CONSTRAINED)
def test_a_type_as_constraint_is_checked(constraint: Any, present: Any, value: Any, fits: bool) -> None:
    p = trace.node(present, trainable=True, constraint=constraint)
    if fits:
        pydantic.TypeAdapter(constraint).validate_python(p.check(value), strict=True)
    else:
        with pytest.raises(ConstraintError):
            p.check(value)
    assert p.data == present


def test_text_as_constraint_is_for_models_and_the_type_still_counts() -> None:
    p = trace.node("a", trainable=True, constraint="at most ten words")
    assert p.check("anything at all") == "anything at all"
    with pytest.raises(ConstraintError):
        p.check(5)


def test_a_constraint_that_is_neither_text_nor_type_is_named_when_it_is_used() -> None:
    p = trace.node(1, trainable=True, constraint=object())
    with pytest.raises(ConstraintError, match="neither text nor a type"):
        p.check(2)


# what the record keeps


def test_graphs_recorded_before_an_update_keep_the_value_that_they_saw() -> None:
    p = trace.node(1, trainable=True, name="p")
    before = p + 10
    p.update(2)
    after = p + 10
    assert (before.data, after.data) == (11, 12)
    assert before.inputs["x"].data == 1
    assert after.inputs["x"].data == 2
    assert before.parents[0] is p
    assert after.inputs["x"] is p
    assert [n.data for n in trace.Graph.behind(before, after).nodes if n.op is None and n.name == "p"] == [
        1,
        2,
    ]


def test_both_values_behind_one_output_lead_to_one_parameter() -> None:
    p = trace.node(1, trainable=True)
    one = p + 0
    p.update(2)
    y = one + p
    assert trace.Graph.behind(y).parameters == [p]
    report = y.backward("said")
    assert [id(r) for r in report.reached] == [id(p)]


# bind


def test_a_binding_holds_inside_the_block_only() -> None:
    p = trace.node(1, trainable=True)
    with trace.bind({p: 2}):
        assert p.data == 2
        inside = p * 10
    assert p.data == 1
    assert inside.data == 20
    assert inside.inputs["x"].data == 2
    assert inside.parents[0] is p


def test_inner_bindings_win_and_are_undone() -> None:
    p, q = trace.node(1, trainable=True), trace.node(1, trainable=True)
    with trace.bind({p: 2, q: 2}):
        with trace.bind({p: 3}):
            assert (p.data, q.data) == (3, 2)
        assert (p.data, q.data) == (2, 2)


def test_a_binding_is_undone_when_the_block_raises() -> None:
    p = trace.node(1, trainable=True)
    with pytest.raises(KeyError), trace.bind({p: 2}):
        raise KeyError
    assert p.data == 1


def test_bind_wants_parameters_as_keys() -> None:
    with pytest.raises(GraphError, match="named_parameters"):
        trace.bind({"p": 1})


def test_threads_each_see_their_own_binding() -> None:
    p = trace.node(0, trainable=True)
    barrier = threading.Barrier(8)

    @trace.bundle
    def use(x: int) -> int:
        barrier.wait()
        return x + p.data * 100

    def run(i: int) -> Any:
        with trace.bind({p: i}):
            return use(trace.node(i))

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        results = list(pool.map(run, range(8)))
    assert [r.data for r in results] == [i + 100 * i for i in range(8)]
    assert all(any(n is p for n in r.parents) for r in results)
    assert p.data == 0


async def test_tasks_each_see_their_own_binding() -> None:
    p = trace.node(0, trainable=True)

    async def run(i: int) -> int:
        with trace.bind({p: i}):
            await asyncio.sleep(0)
            found: int = (p + 0).data
            return found

    assert await asyncio.gather(*(run(i) for i in range(5))) == list(range(5))


def test_an_update_during_a_binding_is_seen_when_the_binding_ends() -> None:
    p = trace.node(1, trainable=True)
    with trace.bind({p: 2}):
        p.update(3)
        assert p.data == 2
    assert p.data == 3


def test_wrap_carries_a_binding_into_a_pool() -> None:
    p = trace.node(1, trainable=True)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with trace.bind({p: 2}):
            bound = pool.submit(trace.wrap(lambda: p.data))
        plain = pool.submit(lambda: p.data)
    assert (bound.result(), plain.result()) == (2, 1)


# feedback


def test_what_was_said_is_gathered_in_order_each_remark_once_until_it_is_zeroed() -> None:
    p = trace.node(1, trainable=True)
    (p + 1).backward("low")
    (p + 2).backward("high")
    (p + 3).backward("low")
    assert [r.text for r in p.feedback.remarks] == ["low", "high"]
    p.zero_feedback()
    assert not p.feedback


def test_a_copy_of_a_parameter_hears_for_itself() -> None:
    p = trace.node(1, trainable=True)
    (p + 1).backward("one")
    q, r = copy.copy(p), copy.deepcopy(p)
    (q + 1).backward("two")
    assert p.feedback.text == "one"
    assert q.feedback.text == "one\ntwo"
    assert r.feedback.text == "one"


def test_feedback_from_many_threads_is_all_there() -> None:
    p = trace.node(1, trainable=True)
    outputs = [p + i for i in range(200)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: outputs[i].backward(f"said {i}"), range(200)))
    assert sorted(r.text for r in p.feedback.remarks) == sorted(f"said {i}" for i in range(200))


def test_listeners_hear_updates() -> None:
    heard: list[Any] = []

    class Ear:
        def call_started(self, frame: Any) -> None: ...
        def call_finished(self, call: Any) -> None: ...
        def event(self, name: str, data: Any) -> None: ...
        def parameter_updated(self, update: Any) -> None:
            heard.append((update.old, update.new, update.because))

    p = trace.node(1, trainable=True)
    with trace.listening(Ear()):
        p.update(2, because="why not")
    p.update(3)
    assert heard == [(1, 2, "why not")]
