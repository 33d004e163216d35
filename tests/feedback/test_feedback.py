"""Feedback is a value: ordered remarks, each once, and perhaps a score."""

from __future__ import annotations

import dataclasses
import json
import time
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tracelib as trace
from tracelib import Feedback, Remark


@dataclasses.dataclass
class Verdict:
    score: float
    feedback: str


@dataclasses.dataclass
class Loose:
    quality: str
    length: int


KINDS: list[tuple[Any, list[str], float | None]] = [
    ("too long", ["too long"], None),
    (0.5, ["score: 0.5"], 0.5),
    (3, ["score: 3"], 3.0),
    (True, ["score: True"], 1.0),
    (np.float32(0.5), ["score: 0.5"], 0.5),
    (np.int64(2), ["score: 2"], 2.0),
    (np.bool_(False), ["score: False"], 0.0),
    (np.array(0.25), ["score: 0.25"], 0.25),
    (Decimal("0.5"), ["score: 0.5"], 0.5),
    (Fraction(1, 2), ["score: 1/2"], 0.5),
    (float("nan"), ["nan"], None),
    (float("inf"), ["inf"], None),
    (None, [], None),
    (np.array([1, 2]), ["[1 2]"], None),
    (["a", "b", "a"], ["a", "b"], None),
    (("a", 0.5), ["a", "score: 0.5"], 0.5),
    (Remark("a", "judge"), ["a"], None),
    ({"score": 0.5, "feedback": "good"}, ["good"], 0.5),
    ({"score": 0.5}, ['{"score": 0.5}'], 0.5),
    ({"tone": "rude", "n": 2}, ['{"tone": "rude", "n": 2}'], None),
    ({"score": 1, "feedback": "x", "extra": 2}, ['{"score": 1, "feedback": "x", "extra": 2}'], 1.0),
    ({("a", 1): 2}, ["{('a', 1): 2}"], None),
    (Verdict(0.5, "good"), ["good"], 0.5),
    (Loose("bad", 3), ['{"quality": "bad", "length": 3}'], None),
    (ValueError("broken"), ["broken"], None),
    ({"remarks": ["a", "b"], "score": 2}, ["a", "b"], 2.0),
]


@pytest.mark.parametrize(("said", "remarks", "score"), KINDS)
def test_feedback_is_made_of_whatever_a_user_has(said: Any, remarks: list[str], score: float | None) -> None:
    feedback = Feedback.of(said)
    assert [r.text for r in feedback.remarks] == remarks
    assert feedback.score == score
    assert all(type(r.text) is str for r in feedback.remarks)


def test_nodes_are_taken_as_their_values() -> None:
    assert Feedback.of(trace.node("too ") + "long").text == "too long"
    assert Feedback.of(trace.node(0.5)).score == 0.5
    assert Feedback.of({"score": trace.node(1), "feedback": trace.node("x")}) == Feedback.of(
        {"score": 1, "feedback": "x"}
    )
    assert type(Feedback.of(trace.node("a")).remarks[0].text) is str


def test_an_object_with_a_private_attribute_named_as_ours_is_taken_as_itself() -> None:
    class Frame:
        _data = "secret"

        def __str__(self) -> str:
            return "shown"

    assert Feedback.of(Frame()).text == "shown"


def test_a_dict_that_holds_itself_is_no_trouble() -> None:
    said: dict[str, Any] = {}
    said["self"] = said
    assert "{...}" in Feedback.of(said).text


def test_feedback_of_feedback_is_that_feedback() -> None:
    f = Feedback.of("a")
    assert Feedback.of(f) is f


def test_the_source_of_a_remark_is_kept_and_shown() -> None:
    f = Feedback.of("too long", source="example 3")
    assert str(f) == "example 3: too long"
    assert f.remarks == (Remark("too long", "example 3"),)


def test_joining_keeps_the_order_and_says_each_remark_once() -> None:
    joined = Feedback.of(["a", "b"]) | Feedback.of(["b", "c"])
    assert [r.text for r in joined.remarks] == ["a", "b", "c"]


def test_the_same_words_of_two_sources_are_two_remarks() -> None:
    joined = Feedback.of("a", source="x") | Feedback.of("a", source="y")
    assert len(joined.remarks) == 2


def test_a_score_is_kept_where_only_one_has_one_or_all_agree() -> None:
    assert (Feedback.of(0.5) | Feedback.of("a")).score == 0.5
    assert (Feedback.of("a") | Feedback.of(0.5)).score == 0.5
    assert (Feedback.of(0.5) | Feedback.of(0.5)).score == 0.5
    assert (Feedback.of(0.5) | Feedback.of(0.7)).score is None


def test_nothing_said_is_false_and_changes_nothing() -> None:
    nothing, something = Feedback(), Feedback.of("a")
    assert not nothing
    assert something
    assert (nothing | something) == something == (something | nothing)
    assert Feedback(score=0.0)


def test_feedback_is_equal_and_hashes_by_what_it_says() -> None:
    assert Feedback.of("a") == Feedback.of("a")
    assert len({Feedback.of("a"), Feedback.of("a"), Feedback.of("b")}) == 2


feedbacks = st.builds(
    Feedback,
    st.lists(
        st.builds(Remark, st.sampled_from("abc"), st.sampled_from(["", "s"])), max_size=4, unique=True
    ).map(tuple),
    st.none() | st.sampled_from([0.0, 1.0]),
)


@given(feedbacks, feedbacks, feedbacks)
def test_the_remarks_of_a_join_do_not_depend_on_the_brackets(a: Feedback, b: Feedback, c: Feedback) -> None:
    assert ((a | b) | c).remarks == (a | (b | c)).remarks == Feedback.joined([a, b, c]).remarks
    assert (a | a) == a


@given(feedbacks)
def test_feedback_goes_to_json_and_back(f: Feedback) -> None:
    assert Feedback.from_json(json.loads(json.dumps(f.to_json()))) == f


def test_joining_many_takes_time_in_proportion_to_their_number() -> None:
    def cost(n: int) -> float:
        parts = [Feedback.of(f"said {i}") for i in range(n)]
        started = time.process_time()
        assert len(Feedback.joined(parts).remarks) == n
        return time.process_time() - started

    small, large = (min(cost(n) for _ in range(3)) for n in (2_000, 16_000))
    assert large < small * 8 * 4 + 0.01
