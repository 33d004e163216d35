"""Programs in other processes: pickled by name, with what they learned and what they ask otherwise."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

import tracelib as trace
from tracelib.errors import GraphError


def echo(messages: list[dict[str, Any]], **params: Any) -> str:
    return " ".join([*(str(message["content"]) for message in messages), *map(str, params)])


@trace.lm(model=echo)
def plain(about: str) -> str:
    """Be kind."""
    return about


@trace.lm(model=echo, trainable=True)
def learning(about: str) -> str:
    """Be kind."""
    return about


class Guide(trace.Module):
    @trace.lm(model=echo, trainable=True)
    def tell(self, about: str) -> str:
        """Be kind."""
        return about


def test_a_program_is_itself_by_name() -> None:
    assert pickle.loads(pickle.dumps(plain)) is plain
    assert pickle.loads(pickle.dumps(learning)) is learning


def test_what_a_program_learned_travels_with_it() -> None:
    learning.system.update("Be loud.")
    try:
        kept = pickle.dumps(learning)
    finally:
        learning.system.update("Be kind.")
    found = pickle.loads(kept)
    assert (found("x"), learning("x")) == ("Be loud. x", "Be kind. x")
    assert found.op is learning.op


def test_other_settings_travel_with_it() -> None:
    for program in (plain, learning, Guide().tell):
        found = pickle.loads(pickle.dumps(program.using(api_params={"top_p": 1})))
        assert (found("x"), program("x")) == ("Be kind. x top_p", "Be kind. x")
    assert pickle.loads(pickle.dumps(plain.whole()))("x").text == "Be kind. x"


def test_a_variant_from_a_pickle_learns_with_its_program() -> None:
    found = pickle.loads(pickle.dumps(learning.using(api_params={"top_p": 1})))
    assert found.system is learning.system


def test_a_classifier_is_not_pickled() -> None:
    with pytest.raises(GraphError, match="pickle plain, and classify it where it is used"):
        pickle.dumps(trace.classify(plain, ["a", "b"]))
