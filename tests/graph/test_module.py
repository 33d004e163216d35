"""Modules: which parameters they have, by which paths; saved, loaded, copied and sent to other processes."""

from __future__ import annotations

import concurrent.futures
import copy
import dataclasses
import enum
import gc
import json
import multiprocessing
import pickle
import weakref
from typing import Generic, Literal, TypeVar

import numpy as np
import pydantic
import pytest

import tracelib as trace
from tracelib import bundle, node
from tracelib.errors import GraphError, SandboxUnavailable, StateError

T = TypeVar("T")


def parameter(value, **options):
    return node(value, trainable=True, **options)


@trace.model
class Agent:
    """A small agent."""

    LIMIT = 3
    style = parameter("plain")

    def __init__(self, prompt):
        self.prompt = parameter(prompt)
        self.shots = [parameter("a"), {"k": parameter("b")}, (parameter("c"), 4)]

    def __call__(self, text):
        return self.answer(text)

    @bundle(trainable=True)
    def answer(self, text):
        return f"{self.prompt}: {text}"

    @property
    def costly(self):
        raise AssertionError("properties are not run")


class Layer(trace.Module):
    def __init__(self, weight):
        self.weight = parameter(weight)

    def forward(self, x):
        return x * self.weight


class Network(trace.Module):
    def __init__(self):
        self.layers = [Layer(2), Layer(3)]
        self.head = Layer(4)

    def forward(self, x):
        for layer in [*self.layers, self.head]:
            x = layer(x)
        return x


class Mood(enum.Enum):
    CALM = "calm"
    BUSY = "busy"


@dataclasses.dataclass
class Options:
    depth: int
    mood: Mood


class Settings(pydantic.BaseModel):
    name: str
    limits: tuple[int, int]


class Rich(trace.Module):
    def __init__(self):
        self.array = parameter(np.array([[1.0, 2.0], [3.0, 4.0]]))
        self.options = parameter(Options(1, Mood.CALM))
        self.settings = parameter(Settings(name="a", limits=(1, 2)))
        self.mood = parameter(Mood.CALM)
        self.pair = parameter((1, "x"))
        self.tags = parameter({"b", "a"})
        self.number = parameter(1.5)
        self.kind = parameter("a", constraint=Literal["a", "b"])
        self.nothing = parameter(None)
        self.table = parameter({"k": [1, {"deep": None}]})


def answer_of(agent, text):
    return agent(text).data


# which parameters


def test_parameters_are_found_in_attributes_containers_classes_and_methods():
    assert list(Agent("p").named_parameters()) == [
        "prompt",
        "shots.0",
        "shots.1.k",
        "shots.2.0",
        "style",
        "answer",
    ]


def test_parameters_of_nested_modules_have_paths():
    network = Network()
    assert list(network.named_parameters()) == ["layers.0.weight", "layers.1.weight", "head.weight"]
    assert network(node(1)).data == 24
    assert network(1).backward("more").reached == network.parameters()


def test_an_unnamed_parameter_is_called_by_its_path():
    network = Network()
    assert [p.name for p in network.parameters()] == list(network.named_parameters())
    assert parameter(1).name == "int"


def test_parameters_in_a_list_have_their_path_as_name_before_they_are_asked_for():
    class Weights(trace.Module):
        def __init__(self):
            self.weights = {"title": parameter(1), "body": [parameter(2)]}

    weights = Weights()
    total = weights.weights["title"] + weights.weights["body"][0]
    graph = trace.Graph.behind(total)
    assert [graph.name(p) for p in graph.parameters] == ["weights.title", "weights.body.0"]


def test_a_parameter_that_is_tied_to_several_places_is_listed_once():
    shared = parameter("shared")

    class Tied(trace.Module):
        def __init__(self):
            self.a = shared
            self.b = [shared, Layer(1)]
            self.c = self.b[1]

    assert list(Tied().named_parameters()) == ["a", "b.1.weight"]


def test_modules_that_hold_each_other_are_walked_once():
    one, two = Layer(1), Layer(2)
    one.other, two.other = two, one
    assert list(one.named_parameters()) == ["weight", "other.weight"]


def test_parameters_in_dataclasses_and_slots_are_found():
    @dataclasses.dataclass
    class Box:
        inside: object

    class Slotted(trace.Module):
        __slots__ = ("held", "unset")

        def __init__(self):
            self.held = Box(parameter(1))

    assert list(Slotted().named_parameters()) == ["held.inside"]


def test_an_attribute_hides_that_of_the_class_and_an_override_that_of_the_base():
    class Base(trace.Module):
        prompt = parameter("base")

        @bundle(trainable=True)
        def run(self):
            return 1

    class Child(Base):
        @bundle
        def run(self):
            return 2

    child = Child()
    child.prompt = parameter("own")
    assert [(k, p.data) for k, p in child.named_parameters().items()] == [("prompt", "own")]


def test_trainable_code_in_attributes_and_lists_is_found():
    class Tools(trace.Module):
        def __init__(self):
            self.tools = [bundle(lambda x: x, trainable=True), bundle(len)]

    assert list(Tools().named_parameters()) == ["tools.0"]


def test_a_trainable_property_is_found_without_running_it():
    class A(trace.Module):
        @property
        @bundle(trainable=True)
        def value(self):
            raise AssertionError

    a = A()
    [(path, found)] = a.named_parameters().items()
    assert path == "value"
    found.update("def value(self):\n    return 7")
    assert a.value.data == 7


def test_a_trainable_call_method_is_found():
    class A(trace.Module):
        @bundle(trainable=True)
        def __call__(self, x):
            return x

    a = A()
    assert list(a.named_parameters()) == ["__call__"]
    assert a(1).backward("x").reached == a.parameters()


def test_no_code_of_the_values_runs_in_the_search():
    class Touchy(dict):
        def items(self):
            raise AssertionError

        __iter__ = keys = values = __len__ = items

    class Holder(trace.Module):
        def __init__(self):
            self.touchy = Touchy(k=parameter(1))

    assert list(Holder().named_parameters()) == ["touchy.k"]


def test_each_instance_has_its_own_code_and_keeps_it():
    one, two = Agent("one"), Agent("two")
    one.answer.parameter.update("def answer(self, text):\n    return 'learned'")
    assert (one("x").data, two("x").data) == ("learned", "two: x")
    assert one.named_parameters()["answer"] is one.answer.parameter


# @model


def test_a_model_keeps_its_name_words_and_place():
    assert (Agent.__name__, Agent.__qualname__, Agent.__module__) == ("Agent", "Agent", __name__)
    assert Agent.__doc__ == "A small agent."
    assert Agent.LIMIT == 3
    assert issubclass(Agent, trace.Module)


def test_a_class_that_is_a_module_stays_itself():
    assert trace.model(Layer) is Layer


def test_only_classes_become_models():
    with pytest.raises(GraphError, match="decorates a class, got function"):
        trace.model(lambda: 1)


@pytest.mark.parametrize("model_first", [True, False])
def test_models_may_be_dataclasses_in_both_decorator_orders(model_first):
    def decorated(cls):
        if model_first:
            return trace.model(dataclasses.dataclass(cls))
        return dataclasses.dataclass(trace.model(cls))

    @decorated
    class Point:
        x: object
        y: int = 2
        z: list = dataclasses.field(default_factory=list)

    point = Point(parameter(1))
    assert (point.y, point.z) == (2, [])
    assert list(point.named_parameters()) == ["x"]
    assert Point.__name__ == "Point"


def test_models_may_be_frozen_and_have_slots():
    @trace.model
    @dataclasses.dataclass(frozen=True, slots=True)
    class Fixed:
        x: object

        @bundle(trainable=True)
        def run(self):
            return 1

    fixed = Fixed(parameter(1))
    assert list(fixed.named_parameters()) == ["x", "run"]
    assert fixed.run().data == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        fixed.x = 2


def test_models_may_have_annotations_constants_super_and_type_parameters():
    @trace.model
    class Base(Generic[T]):
        LIMIT: int = 3
        items: list[T]

        def __init__(self):
            super().__init__()
            self.x = parameter(1)

        def __setattr__(self, name, value):
            super().__setattr__(name, value)

        def __init_subclass__(cls, **options):
            super().__init_subclass__(**options)

    class Child(Base[int]):
        pass

    assert list(Child().named_parameters()) == ["x"]
    assert Base.LIMIT == 3


def test_a_module_without_call_or_forward_says_so():
    class Empty(trace.Module):
        pass

    with pytest.raises(GraphError, match="Empty cannot be called"):
        Empty()()


# state


def test_a_state_is_readable_json_by_path():
    agent = Agent("p")
    state = json.loads(json.dumps(agent.state_dict()))
    assert state["prompt"] == "p"
    assert state["shots.1.k"] == "b"
    assert state["answer"].startswith("def answer(self, text):")


def test_a_state_is_loaded_into_another_instance():
    one, two = Network(), Network()
    one.head.weight.update(10)
    two.load_state_dict(one.state_dict())
    assert two.head.weight.data == 10
    assert two.layers[0].weight.data == 2


def test_a_state_that_does_not_fit_is_refused_whole_with_a_list():
    network = Network()
    with pytest.raises(StateError) as caught:
        network.load_state_dict({"layers.0.weight": 9, "head.weight": "heavy", "tail.weight": 1})
    text = str(caught.value)
    assert "layers.1.weight is missing" in text
    assert "tail.weight is unknown" in text
    assert "heavy" in text
    assert "Network" in text
    assert [p.data for p in network.parameters()] == [2, 3, 4]


def test_code_in_a_state_runs_in_a_sandbox():
    one, two = Agent("p"), Agent("p")
    one.answer.parameter.update("def answer(self, text):\n    return 'learned'")
    state = {**one.state_dict(), "prompt": "q"}
    with pytest.raises(SandboxUnavailable, match="there is no sandbox 'none such'"):
        two.load_state_dict(state, sandbox="none such")
    assert (two("x").data, two.prompt.data) == ("p: x", "p")
    two.load_state_dict(state)
    assert two("x").data == "learned"
    assert two.answer.parameter._code.confines(two.answer.parameter.data)


def test_the_users_own_code_in_a_state_needs_no_permission():
    agent = Agent("p")
    agent.answer.parameter.update("def answer(self, text):\n    return 'learned'")
    agent.load_state_dict(Agent("q").state_dict())
    assert agent("x").data == "q: x"


def test_code_in_a_state_that_is_no_code_is_refused():
    agent = Agent("p")
    with pytest.raises(StateError, match="does not parse"):
        agent.load_state_dict({**agent.state_dict(), "answer": "def answer("})


def test_loading_tells_who_listens():
    heard = []

    class Ear:
        def parameter_updated(self, update):
            heard.append((update.parameter.name, update.old, update.new, update.because))

        call_started = call_finished = event = parameter_updated

    layer = Layer(1)
    with trace.listening(Ear()):
        layer.load_state_dict({"weight": 5})
    assert heard == [("weight", 1, 5, "loaded")]


def test_values_of_many_types_are_saved_and_loaded(tmp_path):
    rich, other = Rich(), Rich()
    rich.array.update([[5, 6], [7, 8]])
    rich.options.update({"depth": 2, "mood": "busy"})
    rich.settings.update({"name": "b", "limits": [3, 4]})
    rich.mood.update("busy")
    rich.pair.update([2, "y"])
    rich.kind.update("b")
    rich.save(tmp_path / "rich.json")
    other.load(tmp_path / "rich.json")
    assert other.array.data.tolist() == [[5, 6], [7, 8]]
    assert other.array.data.dtype == np.float64
    assert other.options.data == Options(2, Mood.BUSY)
    assert other.settings.data == Settings(name="b", limits=(3, 4))
    assert other.mood.data is Mood.BUSY
    assert other.pair.data == (2, "y")
    assert other.tags.data == {"a", "b"}
    assert other.kind.data == "b"
    assert other.nothing.data is None
    assert other.table.data == {"k": [1, {"deep": None}]}


def test_a_saved_file_is_readable_and_whole(tmp_path):
    path = tmp_path / "agent.json"
    Agent("Grüße").save(path)
    text = path.read_text(encoding="utf-8")
    assert '"prompt": "Grüße"' in text
    assert json.loads(text)["parameters"]["shots.2.0"] == "c"
    assert [p.name for p in tmp_path.iterdir()] == ["agent.json"]


def test_a_value_that_cannot_be_saved_says_so_and_keeps_the_old_file(tmp_path):
    class Holder(trace.Module):
        def __init__(self):
            self.x = parameter(1)

    path = tmp_path / "h.json"
    holder = Holder()
    holder.save(path)
    holder.x.restore(object())
    with pytest.raises(StateError, match="has no JSON form"):
        holder.save(path)
    assert json.loads(path.read_text())["parameters"] == {"x": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[]", "was not written by Module.save"),
        (b'{"format": "other", "parameters": {}}', "was not written by Module.save"),
        (b'{"format": "tracelib parameters 1"}', "was not written by Module.save"),
        (b'{"format": "tracelib parameters 1", "parameters": []}', "was not written by Module.save"),
    ],
)
def test_a_file_that_was_not_saved_by_a_module_is_refused(tmp_path, content, message):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(StateError, match=message):
        Layer(1).load(path)


def test_infinite_and_missing_numbers_survive(tmp_path):
    class Holder(trace.Module):
        def __init__(self, x):
            self.x = parameter(x)

    Holder(float("inf")).save(tmp_path / "x.json")
    other = Holder(1.0)
    with pytest.raises(StateError, match="finite"):
        other.load(tmp_path / "x.json")


# copies and other processes


def learned_agent():
    agent = Agent("p")
    agent.prompt.update("learned prompt")
    agent.answer.parameter.update("def answer(self, text):\n    return f'{self.prompt} by learned code'")
    return agent


@pytest.mark.parametrize(
    "again", [copy.deepcopy, lambda a: pickle.loads(pickle.dumps(a))], ids=["copy", "pickle"]
)
def test_a_copied_module_has_its_values_and_learned_code_and_shares_neither(again):
    agent = learned_agent()
    other = again(agent)
    assert other("x").data == "learned prompt by learned code"
    assert other("x").backward("y").reached != []
    other.prompt.update("changed")
    other.answer.parameter.update(agent.answer.parameter.original)
    assert other("x").data == "changed: x"
    assert agent("x").data == "learned prompt by learned code"


@pytest.mark.parametrize(
    "again", [copy.deepcopy, lambda a: pickle.loads(pickle.dumps(a))], ids=["copy", "pickle"]
)
def test_a_copied_module_keeps_its_ties(again):
    network = Network()
    network.head.weight = network.layers[0].weight
    other = again(network)
    assert other.head.weight is other.layers[0].weight
    assert list(other.named_parameters()) == ["layers.0.weight", "layers.1.weight"]


def test_a_bound_method_with_learned_code_pickles():
    method = pickle.loads(pickle.dumps(learned_agent().answer))
    assert method("x").data == "learned prompt by learned code"


def test_modules_work_in_a_process_pool_that_spawns():
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        value = pool.submit(answer_of, learned_agent(), "x").result()
        made = pool.submit(learned_agent(), "x").result()
        method = pool.submit(Agent("q").answer, node("hello")).result()
    assert value == "learned prompt by learned code"
    assert made.data == "learned prompt by learned code"
    assert {p.name for p in trace.Graph.behind(made).parameters} == {"prompt", "answer"}
    assert method.data == "q: hello"


def test_a_module_that_is_dropped_is_freed():
    agent = learned_agent()
    agent("x")
    alive = weakref.ref(agent)
    del agent
    gc.collect()
    assert alive() is None


def test_a_value_that_json_would_change_is_not_saved_in_silence():
    class Table(trace.Module):
        def __init__(self, **options):
            self.table = node({1: "a"}, trainable=True, **options)

    with pytest.raises(trace.TraceError, match="would come back from JSON as"):
        Table().state_dict()
    typed = Table(constraint=dict[int, str])
    again = Table(constraint=dict[int, str])
    again.table.update({2: "b"})
    again.load_state_dict(typed.state_dict())
    assert again.table.data == {1: "a"}
