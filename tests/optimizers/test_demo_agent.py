from __future__ import annotations

import math

import pytest

from optimizers.demo.agent import LONG, SHORT, Librarian
from optimizers.demo.corpus import Corpus, ModuleText, Question
from optimizers.demo.job import answers, unrecorded, values_of
from optimizers.demo.library import Library
from tracelib.graph.graph import Graph
from tracelib.graph.node import Node

MODULES = (
    ModuleText("glob", "Filename globbing.", ("glob", "iglob"), ("Return the matching paths.", "Match it.")),
    ModuleText("heapq", "Heap queue.", ("push", "pop"), ("Push the item onto the heap.",)),
    ModuleText("zipfile", "Read and write ZIP files. " * 9, ("open",), ("Open the item by its filename.",)),
)


@pytest.fixture
def agent() -> Librarian:
    return Librarian(Library(Corpus(MODULES, ())))


def update(agent: Librarian, **values: object) -> None:
    own = agent.named_parameters()
    for path, value in values.items():
        own[path.replace("__", ".")].update(value)


def scores(agent: Librarian, sentence: str, number: int) -> dict[str, float]:
    """The scores by module, as the agent's own methods give them."""
    question = Question(sentence, number)
    telling = agent.leave_out(agent.tokenize(question), agent.stop_words)
    found = agent.weigh(telling, question, agent.weights, agent.saturation, agent.length_correction)
    return dict(found.data)


def test_the_answer_is_a_recorded_module_name(agent: Librarian) -> None:
    answer = agent(Question("Push the item onto the heap.", 2))
    assert isinstance(answer, Node)
    assert answer == "heapq"


def test_the_graph_of_an_answer_holds_every_parameter(agent: Librarian) -> None:
    graph = Graph.behind(agent(Question("Push the item onto the heap.", 2)))
    assert set(map(id, graph.parameters)) == set(map(id, agent.parameters()))
    operators = [node.op.name for node in graph.nodes if node.op is not None]
    assert operators == ["tokenize", "leave_out", "weigh", "best"]


def test_it_starts_with_raw_counts_equal_weights_and_no_length_correction(agent: Librarian) -> None:
    rarity = agent.library.rarity("filename")
    found = scores(agent, "filename filename", 2)
    assert found == pytest.approx({"glob": 2 * rarity, "heapq": 0.0, "zipfile": 2 * rarity})


def test_the_question_s_own_sentence_does_not_count(agent: Librarian) -> None:
    rarity = agent.library.rarity("item")
    assert scores(agent, "item", 2) == pytest.approx({"glob": 0.0, "heapq": 0.0, "zipfile": rarity})
    assert scores(agent, "item", 3) == pytest.approx({"glob": 0.0, "heapq": rarity, "zipfile": 0.0})


def test_it_ranks_as_bm25_does_with_k1_and_b(agent: Librarian) -> None:
    k1, b = 1.5, 0.75
    update(agent, saturation=1 / (1 + k1), length_correction=b)
    library = agent.library
    for module, name in enumerate(library.names):
        expected = 0.0
        for word in ("filename", "heap", "zip"):
            place = next((place for place in library.places(word, 1) if place[0] == module), None)
            count = 0 if place is None else sum(place[1:])
            norm = k1 * (1 - b + b * library.lengths[module])
            expected += library.rarity(word) * count * (k1 + 1) / (count + norm)
        assert scores(agent, "filename heap zip", 1)[name] == pytest.approx(expected)


def test_each_weight_counts_its_own_field(agent: Librarian) -> None:
    update(agent, weights__name=0.0, weights__docstring=0.0, weights__names=5.0, weights__sentences=0.0)
    rarity = agent.library.rarity("push")
    assert scores(agent, "push", 0) == pytest.approx({"glob": 0.0, "heapq": 5 * rarity, "zipfile": 0.0})
    update(agent, weights__names=0.0)
    assert set(scores(agent, "push", 0).values()) == {0.0}


@pytest.mark.parametrize(
    ("saturation", "length_correction"), [(0.0, 1.0), (1.0, 0.0), (1.0, 1.0), (0.0, 0.0)]
)
def test_scores_are_finite_at_the_ends_of_the_ranges(
    agent: Librarian, saturation: float, length_correction: float
) -> None:
    update(agent, saturation=saturation, length_correction=length_correction)
    assert all(map(math.isfinite, scores(agent, "open the zip files by filename", 0).values()))


def test_stop_words_are_left_out(agent: Librarian) -> None:
    question = Question("Open the item by its filename.", 3)
    said = agent.tokenize(question)
    assert agent.leave_out(said, "none").data == ["open", "the", "item", "by", "its", "filename"]
    assert agent.leave_out(said, "short").data == ["open", "item", "its", "filename"]
    assert agent.leave_out(said, "long").data == ["open", "item", "filename"]
    assert SHORT < LONG


def test_without_its_record_the_agent_gives_the_same_plain_answer(agent: Librarian) -> None:
    question = Question("Push the item onto the heap.", 2)
    answer = unrecorded(agent)(question)
    assert type(answer) is str
    assert answer == agent(question)


def test_values_are_every_parameter_but_the_code(agent: Librarian) -> None:
    assert set(agent.named_parameters()) - set(values_of(agent)) == {"weigh"}


def test_answers_with_other_values_leave_the_agent_as_it_is(agent: Librarian) -> None:
    before = agent.state_dict()
    question = Question("Open the queue", 3)
    nothing = {path: 0.0 for path in before if path.startswith("weights.")}
    assert answers(agent, question, nothing) == "glob"
    assert answers(agent, question, {}) == "heapq"
    assert agent.state_dict() == before
