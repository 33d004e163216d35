"""Graphs as DOT."""

from __future__ import annotations

import graphviz
import pytest
import recorded
from seeing import dot_texts, needs_dot, statements

import tracelib as trace

HOSTILE = [
    "plain",
    'say "no"',
    "back\\slash\\",
    "ends with \\",
    "\\N \\G \\l",
    "<b>bold</b>",
    "<<table>>",
    "a & b &amp; &#65; &lt;",
    "]; n0 -> n0; //",
    "} subgraph cluster_9 {",
    "tab\there",
    "nul\x00bell\x07",
    "right-to-left \u202e override",
    "lone \ud800 surrogate",
    "naïve 日本語 🎉",
    "  two  spaces  ",
    "",
]


def test_the_same_program_gives_the_same_text() -> None:
    assert recorded.nested().to_dot().source == recorded.nested().to_dot().source


def test_it_is_a_graphviz_object() -> None:
    assert isinstance(recorded.nested().to_dot(), graphviz.Digraph)


def test_ids_follow_the_order_of_the_graph() -> None:
    graph = recorded.nested()
    boxes = statements(graph.to_dot(constants=True).source, r"n\d+ \[")
    by_id = {int(line.split()[0][1:]): line for line in boxes}
    names = [graph.name(node) for node in graph.ordered]
    assert sorted(by_id) == list(range(len(names)))
    assert all(f"<b>{name}</b>" in by_id[place] for place, name in enumerate(names))


def test_short_constants_are_written_into_the_call_that_used_them() -> None:
    source = recorded.nested().to_dot().source
    assert "temperature=0.9" in source
    assert "<b>float0</b>" not in source


def test_constants_get_boxes_on_request() -> None:
    source = recorded.nested().to_dot(constants=True).source
    assert "temperature=0.9" not in source
    assert "<b>float0</b>" in source
    assert "shape=note" in source


def test_a_long_constant_has_a_box_of_its_own() -> None:
    graph = trace.Graph.behind(recorded.ask(recorded.PROMPT, "Which colour? " * 20))
    assert len(statements(graph.to_dot().source, r"n\d+ \[.*shape=note")) == 1


def test_parameters_values_calls_and_operations_differ_in_shape() -> None:
    source = recorded.nested().to_dot().source
    (parameter,) = statements(source, r"n\d+ \[.*<b>prompt</b>")
    (value,) = statements(source, r"n\d+ \[.*<b>question</b>")
    (call,) = statements(source, r"n\d+ \[.*<b>ask0</b>")
    (operation,) = statements(source, r"n\d+ \[.*<b>add0</b>")
    assert "peripheries=2" in parameter
    assert "shape=note" in value
    assert 'style="rounded,filled"' in call
    assert "shape=ellipse" in operation


def test_a_failed_call_shows_its_error_in_a_shape_of_its_own() -> None:
    (box,) = statements(recorded.failing().to_dot().source, r"n\d+ \[.*diagonals")
    assert "ValueError: invalid literal" in box


def test_calls_made_inside_a_call_are_in_its_cluster() -> None:
    source = recorded.nested().to_dot().source
    start, end = source.index("subgraph cluster_0"), source.index("\t}\n")
    inside, outside = source[start:end], source[:start] + source[end:]
    assert "inside agent0" in inside
    assert all(f"<b>{name}</b>" in inside for name in ("ask0", "add0", "ask1", "agent0"))
    assert all(f"<b>{name}</b>" in outside for name in ("prompt", "question"))


def test_kinds_of_edges_differ_in_line_and_head() -> None:
    flag = trace.node(True, name="flag")
    extra = trace.node("!", name="extra")

    @trace.bundle
    def inner(word: str) -> str:
        return word

    @trace.bundle
    def outer(word: str) -> str:
        inner("unused")
        if flag:
            return inner(word + extra.data)
        return inner(word)

    source = trace.Graph.behind(outer(trace.node("blue", name="word"))).to_dot().source
    lines = statements(source, r"n\d+ -> n\d+ \[")
    found = {
        kind: next(line for line in lines if f"class={kind} " in line)
        for kind in ("argument", "returned", "read", "within", "control")
    }
    looks = {
        kind: (line.partition("style=")[2].split()[0], line.partition("arrowhead=")[2].split()[0])
        for kind, line in found.items()
    }
    assert len(set(looks.values())) == 5


def test_arguments_are_named_where_there_are_several() -> None:
    a, b = trace.node(3, name="a"), trace.node(4, name="b")
    both = trace.Graph.behind(a - b).to_dot().source
    assert "label=<x>" in both
    assert "label=<y>" in both
    assert "label=<x>" not in trace.Graph.behind(-a).to_dot().source


def test_the_output_has_a_thick_border() -> None:
    (thick,) = statements(recorded.nested().to_dot().source, r"n\d+ \[.*penwidth=3")
    assert "<b>agent0</b>" in thick


def test_the_legend_says_in_words_what_is_drawn_and_nothing_else() -> None:
    source = recorded.failing().to_dot().source
    assert "failed call, cut corners" in source
    assert "returned from an inner call" not in source


def test_feedback_of_a_report_is_shown_with_its_words() -> None:
    graph = recorded.nested()
    report = graph.backward("Too long.")
    (box,) = statements(graph.to_dot(report).source, r"n\d+ \[.*<b>prompt</b>")
    recorded.PROMPT.zero_feedback()
    assert "feedback: Too long." in box


def test_feedback_can_be_given_by_node() -> None:
    graph = recorded.nested()
    answer = next(node for node in graph.ordered if graph.name(node) == "ask0")
    source = graph.to_dot({id(answer): trace.Feedback.of("Which blue?")}).source
    (box,) = statements(source, r"n\d+ \[.*<b>ask0</b>")
    assert "feedback: Which blue?" in box


def test_without_a_report_parameters_show_what_they_heard() -> None:
    own = trace.node("Be brief.", name="own", trainable=True)
    answer = recorded.ask(own, "Which colour?")
    assert "feedback:" not in trace.Graph.behind(answer).to_dot().source
    answer.backward("Too short.")
    assert "feedback: Too short." in trace.Graph.behind(answer).to_dot().source


def test_visualize_gives_the_graph_with_the_feedback() -> None:
    own = trace.node("Be brief.", name="own", trainable=True)
    drawn = recorded.ask(own, "Which colour?").backward("Too <short> & vague.", visualize=True)
    assert isinstance(drawn, graphviz.Digraph)
    assert "Too &lt;short&gt; &amp; vague." in drawn.source


@needs_dot
@pytest.mark.parametrize("text", HOSTILE)
def test_dot_shows_every_text_as_it_is(text: str) -> None:
    graph = trace.Graph.behind(trace.node(text, name=f"name of {text}") + "")
    drawn = dot_texts(graph.to_dot(constants=True).pipe(format="svg"))
    shown = "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in text.replace("\t", "    ")
    )
    assert f"'{shown}'" in drawn or f'"{shown}"' in drawn


@needs_dot
@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_adds_a_node_or_an_edge(text: str) -> None:
    graph = trace.Graph.behind(trace.node(text, name=text or None) + "")
    plain = graph.to_dot(constants=True).pipe(format="plain").decode()
    assert plain.count("\nnode ") == 3
    assert plain.count("\nedge ") == 2


def test_a_long_value_is_cut_and_marked_with_its_size() -> None:
    source = trace.Graph.behind(trace.node("word " * 2_469, name="long") + "").to_dot().source
    assert "… (12,345 characters)" in source
    assert len(source) < 10_000


def test_more_of_a_value_is_shown_on_request() -> None:
    graph = trace.Graph.behind(trace.node("word " * 100, name="long"))
    assert graph.to_dot(limit=1_000).source.count("word") > graph.to_dot().source.count("word")


def test_a_deep_chain_is_drawn_without_recursion() -> None:
    source = recorded.chain(20_000).to_dot().source
    assert "n20000 [" in source


def test_drawing_inside_a_running_call_records_nothing() -> None:
    graph = recorded.nested()

    @trace.bundle
    def watch() -> int:
        return len(graph.to_dot().source)

    assert len(trace.Graph.behind(watch()).nodes) == 1
