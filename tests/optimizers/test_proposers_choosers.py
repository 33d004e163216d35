"""Proposers that ask no model: GEPA's merge and bootstrapped demonstrations."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proposing import Capitals
from pydantic import BaseModel

import tracelib as trace
from optimizers.candidate import Attempt, Candidate
from optimizers.effects import Propose
from optimizers.evidence.display import shown
from optimizers.evidence.evidence import evidence_of
from optimizers.evidence.excerpt import Excerpt
from optimizers.proposers.demonstrations import Demonstrations
from optimizers.proposers.literal import Unreadable, value_in
from optimizers.proposers.merge import Merge
from optimizers.roles import Chooser
from optimizers.rollout import Rollout
from tracelib.errors import OptimizerError
from tracelib.feedback.feedback import Feedback
from tracelib.graph.graph import Graph

# --- merge ----------------------------------------------------------------------------------------

ROOT = Candidate({"a": "0", "b": "0", "c": "0", "d": "0"})
FIRST = ROOT.edit({"a": "1", "c": "1"})
SECOND = ROOT.edit({"b": "2", "c": "2"})


def merged(*others: Candidate, first: Candidate = FIRST, seed: int = 0, **more: Any) -> Any:
    request = Propose(first, kind="merge", others=others, **more)
    return Merge({}).choose(request, random.Random(seed))


def test_what_one_parent_alone_has_changed_is_taken_from_it() -> None:
    for seed in range(20):
        values = {**FIRST.values, **merged(SECOND, ROOT, seed=seed).values}
        assert (values["a"], values["b"], values["d"]) == ("1", "2", "0")
        assert values["c"] in ("1", "2")


def test_what_both_have_changed_is_taken_from_the_one_with_the_higher_score() -> None:
    for better, kept in ((FIRST, "1"), (SECOND, "2")):
        history = tuple(Attempt(one.values, 1.0 if one is better else 0.5) for one in (SECOND, FIRST))
        values = {**FIRST.values, **merged(SECOND, ROOT, history=history).values}
        assert values == {"a": "1", "b": "2", "c": kept, "d": "0"}


def test_of_equal_scores_chance_decides_and_the_same_seed_the_same_way() -> None:
    history = (Attempt(FIRST.values, 0.5), Attempt(SECOND.values, 0.5))
    drawn = [merged(SECOND, ROOT, history=history, seed=seed).values.get("c") for seed in range(40)]
    assert set(drawn) == {None, "2"}
    assert drawn == [merged(SECOND, ROOT, history=history, seed=seed).values.get("c") for seed in range(40)]


def test_only_the_names_asked_for_are_merged() -> None:
    child = ROOT.edit({"a": "2", "b": "2"})
    assert dict(merged(child, ROOT, names=("b", "c")).values) == {"b": "2"}


@pytest.mark.parametrize(("other", "parent"), [(ROOT, "first"), (FIRST.edit({"b": "2"}), "second")])
def test_a_merge_that_would_be_one_of_the_parents_is_no_proposal(other: Candidate, parent: str) -> None:
    proposal = merged(other, ROOT)
    assert proposal.values == {}
    assert f"all would come from the {parent} parent" in proposal.problem


def test_a_merge_without_a_second_parent_is_an_error() -> None:
    with pytest.raises(OptimizerError, match="second parent"):
        merged()


@given(st.lists(st.tuples(*[st.sampled_from("xyz")] * 3), min_size=1, max_size=6), st.integers(0, 99))
def test_every_value_comes_from_a_parent_and_none_that_a_parent_improved_is_lost(
    triples: list[tuple[str, str, str]], seed: int
) -> None:
    root, one, two = (Candidate({str(n): t[k] for n, t in enumerate(triples)}) for k in range(3))
    values = {**one.values, **merged(two, root, first=one, seed=seed).values}
    for name, value in values.items():
        assert value in (one.values[name], two.values[name])
    if merged(two, root, first=one, seed=seed).problem is None:
        for name in values:
            if one.values[name] == root.values[name]:
                assert values[name] == two.values[name]


def test_merge_and_demonstrations_are_choosers() -> None:
    assert isinstance(Merge({}), Chooser)
    assert isinstance(Demonstrations({}), Chooser)
    assert Merge({}).version.startswith("merge:")
    assert Demonstrations({}).version != Demonstrations({}, threshold=0.5).version


# --- demonstrations -------------------------------------------------------------------------------


def demonstrated(world: Capitals, runs: Any = None, nth: int = 0, seed: int = 0, **settings: Any) -> Any:
    request = Propose(world.candidate(), world.runs() if runs is None else tuple(runs), nth, kind="demos")
    return Demonstrations(world.parameters, **settings).choose(request, random.Random(seed))


FRANCE = {"question": "What is the capital of France?", "output": "paris"}
CHAD = {"question": "What is the capital of Chad?", "output": " N'Djamena "}


def test_the_calls_of_good_runs_are_demonstrations_with_their_inputs_and_result() -> None:
    proposal = demonstrated(Capitals())
    assert proposal.values == {"demos": [CHAD]}
    assert proposal.reason == "demonstrations from 1 good run: 1 for demos"


def test_the_threshold_says_which_runs_are_good_and_a_failed_one_never_is() -> None:
    assert demonstrated(Capitals(), threshold=0.0).values == {"demos": [FRANCE, CHAD]}
    proposal = demonstrated(Capitals(), threshold=2.0)
    assert proposal.values == {}
    assert proposal.problem == "none of 3 runs scored 2 or more, so there is nothing to show"
    assert demonstrated(Capitals(), runs=()).problem == "there is no run to take demonstrations from"


def test_the_user_s_own_form_makes_the_items() -> None:
    proposal = demonstrated(Capitals(), form=lambda given, gave: f"{given['question']} -> {gave.strip()}")
    assert proposal.values == {"demos": ["What is the capital of Chad? -> N'Djamena"]}


def test_where_the_call_only_puts_a_text_together_the_run_s_output_is_the_result() -> None:
    demos = trace.node([], name="demos", trainable=True)
    text = trace.bundle(lambda demos, question: f"{demos} {question}", name="text")
    model = trace.bundle(lambda text: "Lima", name="model")
    evidence = evidence_of(Graph.behind(model(text(demos, "Peru?"))), 1.0, {"demos": demos})
    request = Propose(Candidate({"demos": []}), (Rollout(0, "train", 1.0, Feedback.of(1.0), evidence),))
    made = Demonstrations({"demos": demos}, result="run").choose(request, random.Random(0))
    assert made.values == {"demos": [{"question": "Peru?", "output": "Lima"}]}


def test_labelled_examples_stand_behind_and_none_twice() -> None:
    extra = [{"question": str(n), "output": "?"} for n in range(20)]
    items = demonstrated(Capitals(), examples=[CHAD, *extra], labelled=4).values["demos"]
    assert items == [CHAD, *extra[:3]]
    assert demonstrated(Capitals(), runs=(), examples=extra, labelled=2).values == {"demos": extra[:2]}


def test_only_so_many_are_kept_and_further_requests_draw_at_random() -> None:
    world = Capitals()
    runs = [world.run(f"{n} of Peru?", {"score": 1.0, "feedback": "ok"}, n) for n in range(8)]
    first = demonstrated(world, runs, bootstrapped=3).values["demos"]
    assert [one["question"] for one in first] == ["0 of Peru?", "1 of Peru?", "2 of Peru?"]
    drawn = [
        demonstrated(world, runs, nth=1, seed=seed, bootstrapped=3).values["demos"] for seed in range(30)
    ]
    assert {len(one) for one in drawn} == {1, 2, 3}
    assert len({str(one) for one in drawn}) > 10
    assert drawn[7] == demonstrated(world, runs, nth=1, seed=7, bootstrapped=3).values["demos"]


def test_a_value_that_was_not_recorded_whole_is_passed_over() -> None:
    world = Capitals()
    runs = [
        world.run("x" * 3_000 + " Peru?", {"score": 1.0, "feedback": "ok"}),
        world.run("of Peru?", {"score": 1.0, "feedback": "ok"}, 1),
    ]
    assert demonstrated(world, runs).values == {"demos": [{"question": "of Peru?", "output": "lima"}]}
    assert "recorded whole" in demonstrated(world, runs[:1]).problem


def test_an_argument_that_is_an_object_is_left_out_and_one_that_was_cut_is_not() -> None:
    demos = trace.node([], name="demos", trainable=True)
    ask = trace.bundle(lambda client, demos, many: "ok", name="ask")
    runs = []
    for number, many in enumerate([[1, 2], list(range(200))]):
        evidence = evidence_of(Graph.behind(ask(object(), demos, many)), 1.0, {"demos": demos})
        runs.append(Rollout(number, "train", 1.0, Feedback.of(1.0), evidence))
    made = Demonstrations({"demos": demos}).choose(
        Propose(Candidate({"demos": []}), tuple(runs)), random.Random(0)
    )
    assert made.values == {"demos": [{"many": [1, 2], "output": "ok"}]}


def test_an_item_that_the_parameter_would_not_take_is_passed_over() -> None:
    demos = trace.node([1], name="demos", trainable=True, constraint=list[int])
    double = trace.bundle(lambda demos, x: x, name="double")
    runs = []
    for n, x in enumerate((7, "seven")):
        evidence = evidence_of(Graph.behind(double(demos, x)), 1.0, {"demos": demos})
        runs.append(Rollout(n, "train", 1.0, Feedback.of(1.0), evidence))
    request = Propose(Candidate({"demos": [1]}), tuple(runs))
    made = Demonstrations({"demos": demos}, form=lambda given, gave: gave).choose(request, random.Random(0))
    assert made.values == {"demos": [7]}


def test_without_a_parameter_that_holds_a_list_there_is_an_error_that_says_how_to_make_one() -> None:
    request = Propose(Candidate({"prompt": "p"}))
    with pytest.raises(OptimizerError, match=r"node\(\[\], trainable=True\)"):
        Demonstrations({}).choose(request, random.Random(0))


# --- values read back -----------------------------------------------------------------------------

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(values)
def test_a_plain_value_is_read_back_from_the_text_that_shows_it(value: Any) -> None:
    assert value_in(shown(value, 100_000)) == value


class Town(BaseModel):
    name: str
    people: tuple[int, ...] = ()


@dataclass
class Place:
    town: Town
    north: bool


def test_objects_are_read_as_the_fields_they_show() -> None:
    place = Place(Town(name="Lima", people=(1, -2)), True)
    assert value_in(shown(place, 1_000)) == {"town": {"name": "Lima", "people": [1, -2]}, "north": True}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<Model>",
        "[1, ... 3 more]",
        "open('x')",
        "f(**a)",
        "a",
        "b'1'",
        "{1: 2}",
        "{**a}",
        "-True",
        "1 +",
        "x" * 10,
        "lambda: 1",
        "(" * 300,
        "{'a': __import__('os')}",
        "1j",
        "Color.RED",
    ],
)
def test_what_is_no_plain_value_is_not_read_and_never_run(text: str) -> None:
    with pytest.raises(Unreadable):
        value_in(Excerpt.of(text, 10_000))


def test_a_value_that_was_cut_is_not_read() -> None:
    with pytest.raises(Unreadable, match="cut"):
        value_in(shown("x" * 100, 90))
