"""What notebooks show."""

from __future__ import annotations

import html
import xml.etree.ElementTree as ElementTree

import pytest
import recorded
from IPython.core.formatters import DisplayFormatter

import tracelib as trace


def test_a_graph_is_shown_as_a_picture_and_a_line() -> None:
    bundle = recorded.nested()._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "image/svg+xml"}
    assert bundle["text/plain"] == "<graph agent0: 10 nodes, 1 parameter>"
    assert ElementTree.fromstring(bundle["image/svg+xml"]).tag == "{http://www.w3.org/2000/svg}svg"


def test_a_large_graph_is_collapsed() -> None:
    assert len(recorded.chain(5_000)._repr_mimebundle_()["image/svg+xml"]) < 20_000


def test_only_what_is_asked_for_is_made() -> None:
    graph = recorded.nested()
    assert set(graph._repr_mimebundle_(include=["text/plain"])) == {"text/plain"}
    assert set(graph._repr_mimebundle_(exclude=["text/plain"])) == {"image/svg+xml"}


def test_a_node_is_shown_with_value_name_operator_and_parents() -> None:
    card = recorded.ask(recorded.PROMPT, "Which colour?")._repr_mimebundle_()
    assert set(card) == {"text/plain", "text/html"}
    for text in card.values():
        assert all(word in text for word in ("ask0", "Which colour? Blue.", "prompt", "Ask the model."))


def test_a_wrapped_value_was_made_by_nothing() -> None:
    card = trace.node(3, name="three")._repr_mimebundle_()["text/plain"]
    assert card.splitlines() == ["name         three", "value        3"]


def test_a_parameter_shows_what_it_heard() -> None:
    own = trace.node("Be brief.", name="own", trainable=True)
    recorded.ask(own, "Which colour?").backward("Too short.")
    assert "Too short." in own._repr_mimebundle_()["text/html"]


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", '"><img src=x>', "a &amp; b"])
def test_no_text_breaks_out_of_a_card(text: str) -> None:
    card = trace.node(text, name=text, description=text)._repr_mimebundle_()["text/html"]
    assert text not in card
    assert card.count(html.escape(text)) == 3


def test_a_node_with_many_parents_names_some_and_counts_them() -> None:
    card = recorded.mean([trace.node(n) for n in range(50)])._repr_mimebundle_()["text/plain"]
    assert "… (50 in all)" in card


def test_a_failed_call_shows_its_error() -> None:
    output = recorded.failing().output
    assert "ValueError: invalid literal" in output._repr_mimebundle_()["text/plain"]


def test_ipython_finds_the_cards() -> None:
    formats, _ = DisplayFormatter().format(recorded.nested())
    assert "image/svg+xml" in formats
