from __future__ import annotations

import json

import pytest

from optimizers.candidate import Attempt, Candidate, Proposal, Rejected, canonical
from optimizers.effects import Evaluate, Job, Propose
from optimizers.evidence.evidence import evidence_of
from optimizers.rollout import Cost, Rollout
from tracelib.errors import OptimizerError
from tracelib.feedback.feedback import Feedback, Remark
from tracelib.graph.graph import Graph
from tracelib.graph.node import node

CANDIDATE = Candidate({"prompt": "Be brief", "k": 1}, ("abc",), "shorter is better")


def evidence():
    weight = node(2, name="weight", trainable=True)
    return evidence_of(Graph.behind(weight * 3), "too much", {"weight": weight})


ROLLOUT = Rollout(
    3,
    "train",
    0.5,
    Feedback((Remark("too long", "judge"),), 0.5),
    evidence(),
    output="'Hello'",
    scores={"short": 0.0, "kind": 1.0},
    replicate=1,
    cost=Cost(2, None, 0.25, 1.5),
)
FAILED = Rollout(0, "validation", None, Feedback.of("boom"), error="ValueError: boom")
PROPOSAL = Proposal({"k": 2}, "more", '{"k": 2}')


@pytest.mark.parametrize(
    "value",
    [
        CANDIDATE,
        ROLLOUT,
        FAILED,
        PROPOSAL,
        Rejected("abc", Proposal({}, "", "{", "not JSON")),
        Attempt({"k": 1}, 0.5, Feedback.of("ok"), None),
        Cost(1, None, None, 0.5),
    ],
    ids=lambda value: type(value).__name__,
)
def test_everything_that_travels_comes_back_from_json_as_it_was(value):
    again = type(value).from_json(json.loads(json.dumps(value.to_json())))
    assert again == value
    assert again.to_json() == value.to_json()


def test_equal_values_are_the_same_candidate_whatever_their_order_or_lineage():
    other = Candidate({"k": 1, "prompt": "Be brief"}, (), "another reason")
    assert other == CANDIDATE
    assert other.id == CANDIDATE.id
    assert len({other, CANDIDATE}) == 1


@pytest.mark.parametrize(("one", "other"), [(1, True), (0, False), (1, 1.0), ("1", 1), (None, "")])
def test_values_that_only_python_calls_equal_are_different_candidates(one, other):
    assert Candidate({"k": one}) != Candidate({"k": other})


def test_an_edited_candidate_has_the_old_one_as_its_parent_and_keeps_the_rest():
    child = CANDIDATE.edit({"k": 2}, "more")
    assert child.values == {"prompt": "Be brief", "k": 2}
    assert child.parents == (CANDIDATE.id,)
    assert child.changed_from(CANDIDATE) == {"k": 2}
    assert CANDIDATE.values["k"] == 1


def test_a_value_that_json_cannot_hold_is_refused_and_shown():
    with pytest.raises(OptimizerError, match="object at"):
        canonical({"a": object()})
    with pytest.raises(OptimizerError):
        canonical(float("nan"))


def test_keys_depend_on_content_only():
    assert (
        Evaluate(CANDIDATE, "train", (0, 1)).key == Evaluate(Candidate(CANDIDATE.values), "train", (0, 1)).key
    )
    cheap, dear = (Rollout(0, "train", 1.0, cost=Cost(seconds=seconds)) for seconds in (1.0, 9.0))
    assert Propose(CANDIDATE, (cheap,)).key == Propose(CANDIDATE, (dear,)).key


def test_everything_that_matters_changes_the_key():
    jobs = [
        Job(CANDIDATE, "train", 0),
        Job(CANDIDATE.edit({"k": 9}), "train", 0),
        Job(CANDIDATE, "validation", 0),
        Job(CANDIDATE, "train", 1),
        Job(CANDIDATE, "train", 0, replicate=1),
        Job(CANDIDATE, "train", 0, evidence=True),
    ]
    requests = [
        Propose(CANDIDATE),
        Propose(CANDIDATE, (ROLLOUT,)),
        Propose(CANDIDATE, (FAILED,)),
        Propose(CANDIDATE, nth=1),
        Propose(CANDIDATE, history=(Attempt({"k": 1}),)),
        Propose(CANDIDATE, names=("k",)),
    ]
    keys = {each.key for each in [*jobs, *requests]}
    assert len(keys) == len(jobs) + len(requests)


def test_unknown_tokens_and_dollars_stay_unknown_in_a_sum():
    assert Cost(1, 10, 0.5) + Cost(1, None, 0.25) == Cost(2, None, 0.75)
