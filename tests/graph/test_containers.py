"""Nodes in any container become parents; containers without nodes pass as they are; no user code runs."""

from __future__ import annotations

import collections
import dataclasses
import enum
import functools
import gc
import io
import re
import threading
import types
import typing
import weakref
from typing import Any, NamedTuple

import numpy as np
import pydantic
import pytest

import tracelib as trace
from tracelib.errors import SearchStoppedWarning
from tracelib.graph.containers import written_in_python


class Pair(NamedTuple):
    left: Any
    right: Any = None


@dataclasses.dataclass
class Plain:
    a: Any
    b: Any = None


@dataclasses.dataclass(frozen=True)
class Frozen:
    a: Any
    b: Any = None


@dataclasses.dataclass(slots=True)
class Slotted:
    a: Any
    b: Any = None


@dataclasses.dataclass(frozen=True, slots=True)
class FrozenSlotted:
    a: Any
    b: Any = None


class Model(pydantic.BaseModel):
    a: Any
    b: Any = None
    _secret: Any = pydantic.PrivateAttr(default=None)


class FrozenModel(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="allow")
    a: Any


class Items(list):  # type: ignore[type-arg]
    """A list with an attribute."""


class Names(typing.Generic[typing.TypeVar("T")], set):  # type: ignore[misc,type-arg]
    """A set of a user's."""


class Table(dict):  # type: ignore[type-arg]
    __slots__ = ("__private",)

    def keep(self, value: Any) -> Table:
        self.__private = value
        return self

    def kept(self) -> Any:
        return self.__private


def secret(value: Any) -> Model:
    made = Model(a=1)
    made._secret = value
    return made


def items(value: Any) -> Items:
    made = Items([1])
    made.note = value  # type: ignore[attr-defined]
    return made


def array(*values: Any) -> Any:
    made = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        made[i] = value
    return made


HOLDERS: dict[str, Any] = {
    "list": lambda n: [n],
    "tuple": lambda n: (n, 1),
    "dict value": lambda n: {"k": n},
    "dict key": lambda n: {n: "v"},
    "set": lambda n: {n, "other"},
    "frozenset": lambda n: frozenset({n}),
    "deque": lambda n: collections.deque([n], maxlen=3),
    "defaultdict": lambda n: collections.defaultdict(list, {"k": n}),
    "OrderedDict": lambda n: collections.OrderedDict([("k", n), ("l", 1)]),
    "Counter": lambda n: collections.Counter({"k": n}),
    "namedtuple": lambda n: Pair(n),
    "dataclass": lambda n: Plain(n),
    "frozen dataclass": lambda n: Frozen(1, n),
    "dataclass with slots": lambda n: Slotted(n),
    "frozen dataclass with slots": lambda n: FrozenSlotted(n),
    "pydantic model": lambda n: Model(a=n),
    "frozen pydantic model": lambda n: FrozenModel(a=n),
    "extra of a pydantic model": lambda n: FrozenModel(a=1, more=n),
    "private attribute of a pydantic model": secret,
    "nested pydantic models": lambda n: Model(a=Model(a=[n])),
    "object array": lambda n: array(n, None),
    "object array of two dimensions": lambda n: array(n, 1, 2, 3).reshape(2, 2),
    "slice": lambda n: slice(0, n),
    "subclass of list": lambda n: Items([n]),
    "attribute of a list": items,
    "subclass of set": lambda n: Names([n]),
    "subclass of dict with slots": lambda n: Table(k=1).keep(n),
    "list in a list": lambda n: [[[n]]],
    "everything in everything": lambda n: {"k": (Plain([Pair({"x": Slotted(n)})]),)},
}


@trace.bundle
def same(x: Any) -> Any:
    """What the body was given, wrapped so that the result is not searched."""
    return types.SimpleNamespace(given=x)


def given(argument: Any) -> Any:
    """What the body of a call sees of an argument."""
    return same(argument).data.given


def equal(x: Any, y: Any) -> bool:
    if isinstance(x, np.ndarray):
        return x.dtype == y.dtype and x.shape == y.shape and x.tolist() == y.tolist()
    return bool(x == y)


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_node_in_a_container_becomes_a_parent_and_the_body_sees_plain_values(holder: str) -> None:
    node = trace.node("v")
    result = same(HOLDERS[holder](node))
    seen = result.data.given
    expected = HOLDERS[holder]("v")
    assert type(seen) is type(expected)
    assert equal(seen, expected)
    assert [id(p) for p in result.parents] == [id(node)]


@pytest.mark.parametrize("holder", HOLDERS)
def test_the_user_s_container_still_holds_the_node_after_the_call(holder: str) -> None:
    node = trace.node("v")
    container = HOLDERS[holder](node)
    shown = repr(container)
    given(container)
    assert repr(container) == shown


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_container_without_nodes_passes_by_identity(holder: str) -> None:
    container = HOLDERS[holder]("v")
    assert given(container) is container
    assert trace.node(container).data is container


@pytest.mark.parametrize("holder", HOLDERS)
def test_node_of_a_container_with_nodes_has_them_as_parents(holder: str) -> None:
    part = trace.node("v", trainable=True)
    if holder in ("set", "frozenset", "dict key", "subclass of set"):
        part = trace.node("v")
    whole = trace.node(HOLDERS[holder](part), name="whole")
    assert equal(whole.data, HOLDERS[holder]("v"))
    assert [id(p) for p in whole.parents] == [id(part)]
    assert whole.name == "whole"


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_node_in_a_returned_container_becomes_a_parent(holder: str) -> None:
    node = trace.node("v")
    result = trace.bundle(lambda: HOLDERS[holder](node))()
    assert equal(result.data, HOLDERS[holder]("v"))
    assert any(p is node for p in result.parents)


def test_what_holds_no_node_is_shared_with_the_copy_and_not_copied() -> None:
    config, rows, model = Plain([object()]), [[object()]], Model(a=[object()])
    seen = given([trace.node(1), config, rows, {"m": model}])
    assert seen[0] == 1
    assert seen[1] is config
    assert seen[2] is rows
    assert seen[3]["m"] is model


def test_a_container_met_twice_is_one_container_in_the_copy() -> None:
    shared = [trace.node(1)]
    seen = given({"a": shared, "b": shared})
    assert seen["a"] is seen["b"]


def test_a_shared_container_is_copied_wherever_it_is_reached() -> None:
    shared = [trace.node(1)]
    seen = given([[shared], [shared, 5]])
    assert seen == [[[1]], [[1], 5]]
    assert seen[0][0] is seen[1][0]


def test_containers_that_hold_themselves_are_copied_as_such() -> None:
    loop: list[Any] = [trace.node(1)]
    loop.append(loop)
    seen = given(loop)
    assert seen[0] == 1
    assert seen[1] is seen

    inner: list[Any] = []
    ring = (inner, trace.node(2))
    inner.append(ring)
    seen = given(ring)
    assert seen[1] == 2
    assert seen[0][0] is seen

    table: dict[str, Any] = {"n": trace.node(3)}
    holder = Plain(table)
    table["self"] = holder
    seen = given(holder)
    assert seen.a["n"] == 3
    assert seen.a["self"] is seen


def test_a_ring_in_which_only_one_container_holds_the_node_shows_no_node_anywhere() -> None:
    first: list[Any] = [trace.node(1)]
    second: list[Any] = [first]
    first.append(second)
    seen = given([second])
    assert seen[0][0][0] == 1
    assert seen[0][0][1] is seen[0]


def test_a_cyclic_container_without_nodes_passes_by_identity() -> None:
    loop: list[Any] = [object()]
    loop.append(loop)
    assert given(loop) is loop


def test_the_inputs_say_where_in_the_container_each_node_was() -> None:
    a, b, c = trace.node(1), trace.node(2), trace.node(3)
    result = same({"k": [a, Plain(b)], "p": Pair(c)})
    assert {name: id(found) for name, found in result.inputs.items()} == {
        "x['k'][0]": id(a),
        "x['k'][1].a": id(b),
        "x['p'][0]": id(c),
    }


def test_the_same_node_twice_in_a_container_is_one_parent() -> None:
    a = trace.node(1)
    result = same([a, (a, {"k": a})])
    assert [id(p) for p in result.parents] == [id(a)]
    assert len(result.inputs) == 3


def test_the_order_of_an_ordered_dict_that_was_reordered_is_kept() -> None:
    table = collections.OrderedDict(a=trace.node(1), b=2)
    table.move_to_end("a")
    assert list(given(table)) == ["b", "a"]


def test_a_bounded_deque_and_a_default_factory_are_kept() -> None:
    assert given(collections.deque([trace.node(1)], maxlen=2)).maxlen == 2
    assert given(collections.defaultdict(int, {"a": trace.node(1)}))["missing"] == 0


def test_a_model_that_was_copied_knows_which_fields_were_set_and_shares_none_of_it() -> None:
    model = Model(a=trace.node(1))
    seen = given(model)
    assert seen.model_fields_set == {"a"}
    seen.b = 2
    assert model.model_fields_set == {"a"}


class Touchy:
    """Records every special method that anybody runs."""

    touched: list[str] = []

    def __init__(self) -> None:
        Touchy.touched.append("__init__")

    def __new__(cls, *args: Any) -> Any:
        Touchy.touched.append("__new__")
        return super().__new__(cls)

    def __copy__(self) -> Any:
        raise AssertionError("copied")

    def __deepcopy__(self, memo: Any) -> Any:
        raise AssertionError("copied deeply")

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise AssertionError("pickled")

    def __eq__(self, other: object) -> bool:
        raise AssertionError("compared")

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        raise AssertionError("tested")

    def __len__(self) -> int:
        raise AssertionError("measured")

    def __iter__(self) -> Any:
        raise AssertionError("iterated")

    def __contains__(self, item: Any) -> bool:
        raise AssertionError("searched")

    def __getitem__(self, key: Any) -> Any:
        raise AssertionError("indexed")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AssertionError("changed")

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(f"asked for {name}")

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"asked for {name}")

    def __repr__(self) -> str:
        raise AssertionError("shown")


@dataclasses.dataclass
class TouchyFields:
    """A dataclass whose own methods must not run when it is searched and copied."""

    a: Any
    b: Any = None

    def __post_init__(self) -> None:
        if isinstance(self.a, trace.Node):
            Touchy.touched.append("__post_init__")

    def __getattribute__(self, name: str) -> Any:
        Touchy.touched.append(f"asked for {name}")
        return object.__getattribute__(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        Touchy.touched.append(f"set {name}")
        object.__setattr__(self, name, value)

    @property
    def total(self) -> Any:
        raise AssertionError("property run")


class TouchyList(list):  # type: ignore[type-arg]
    def __iter__(self) -> Any:
        raise AssertionError("iterated")

    def __len__(self) -> int:
        raise AssertionError("measured")

    def __getitem__(self, key: Any) -> Any:
        raise AssertionError("indexed")

    def __init__(self, *args: Any) -> None:
        Touchy.touched.append("__init__")
        super().__init__(*args)

    def extend(self, items: Any) -> None:
        raise AssertionError("extended")


class TouchyDict(dict):  # type: ignore[type-arg]
    def __iter__(self) -> Any:
        raise AssertionError("iterated")

    def items(self) -> Any:
        raise AssertionError("iterated")

    def __setitem__(self, key: Any, value: Any) -> None:
        raise AssertionError("changed")

    def __missing__(self, key: Any) -> Any:
        raise AssertionError("missed")


class TouchyTuple(tuple):  # type: ignore[type-arg]
    def __iter__(self) -> Any:
        raise AssertionError("iterated")

    def __new__(cls, *args: Any) -> Any:
        Touchy.touched.append("__new__")
        return super().__new__(cls, *args)


class TouchySet(set):  # type: ignore[type-arg]
    def __iter__(self) -> Any:
        raise AssertionError("iterated")

    def update(self, *items: Any) -> None:
        raise AssertionError("updated")


def test_no_code_of_the_user_runs_when_an_argument_is_searched() -> None:
    watched: list[Any] = [
        Touchy(),
        TouchyFields(1),
        TouchyList([object()]),
        TouchyDict(k=object()),
        TouchyTuple([object()]),
        TouchySet([Pair]),
    ]
    Touchy.touched.clear()
    for value in watched:
        assert given(value) is value
    assert Touchy.touched == []


def test_no_code_of_the_user_runs_when_an_argument_is_copied() -> None:
    node = trace.node(7)
    touchy = Touchy()
    makers: list[Any] = [
        [node, touchy],
        {"n": node, "t": touchy},
        TouchyFields(node, touchy),
        TouchyList([node, touchy]),
        TouchyDict(n=node, t=touchy),
        TouchyTuple([node, touchy]),
        TouchySet([node]),
    ]
    Touchy.touched.clear()
    for value in makers:
        seen = given(value)
        assert type(seen) is type(value)
        assert seen is not value
    assert Touchy.touched == []


def test_the_copy_of_a_touchy_container_holds_the_plain_value_and_the_same_other_objects() -> None:
    node, other = trace.node(7), Touchy()
    seen = given(TouchyList([node, other]))
    assert list.__getitem__(seen, 0) == 7
    assert list.__getitem__(seen, 1) is other
    assert dict.__getitem__(given(TouchyDict(n=node)), "n") == 7
    fields = object.__getattribute__(given(TouchyFields(node, other)), "__dict__")
    assert fields["a"] == 7
    assert fields["b"] is other


def test_a_field_that_is_a_property_is_not_run() -> None:
    @dataclasses.dataclass
    class Odd:
        a: Any
        b: Any = dataclasses.field(init=False, repr=False)

        @property  # type: ignore[no-redef]
        def b(self) -> Any:  # noqa: F811
            raise AssertionError("property run")

        @b.setter
        def b(self, value: Any) -> None:
            raise AssertionError("setter run")

    odd = Odd.__new__(Odd)
    odd.__dict__["a"] = trace.node(1)
    assert given(odd).a == 1


def test_class_variables_of_a_dataclass_are_left_alone() -> None:
    @dataclasses.dataclass
    class Counted:
        a: Any
        limit: typing.ClassVar[int] = 3

    assert vars(given(Counted(trace.node(1)))) == {"a": 1}


def test_private_names_in_slots_are_copied() -> None:
    @dataclasses.dataclass
    class Hidden:
        __slots__ = ("__key", "a")
        a: Any

        def lock(self, key: Any) -> Hidden:
            self.__key = key
            return self

        def key(self) -> Any:
            return self.__key

    seen = given(Hidden(trace.node(1)).lock("k"))
    assert seen.key() == "k"
    assert seen.a == 1


def test_objects_that_are_no_containers_are_not_searched_and_pass_by_identity() -> None:
    class Holder:
        def __init__(self, part: Any) -> None:
            self.part = part

    holder = Holder(trace.node(1))
    assert given(holder) is holder
    for value in (Pair, enum.Enum, len, types.SimpleNamespace(a=trace.node(1)), iter([trace.node(1)]), gc):
        assert given(value) is value


def test_a_dataclass_that_is_an_exception_passes_by_identity() -> None:
    @dataclasses.dataclass
    class Problem(Exception):
        part: Any

    problem = Problem(trace.node(1))
    assert given(problem) is problem


def test_the_search_stops_at_a_depth_and_says_so_and_still_finds_what_is_near() -> None:
    near, far = trace.node("near"), trace.node("far")
    deep: list[Any] = [far]
    for _ in range(500):
        deep = [deep]
    with pytest.warns(SearchStoppedWarning, match="100 levels"):
        result = same([deep, near])
    assert [id(p) for p in result.parents] == [id(near)]
    assert result.data.given[1] == "near"


def test_a_deep_container_without_nodes_is_not_a_recursion_error() -> None:
    deep: list[Any] = [object()]
    for _ in range(20_000):
        deep = [deep]
    with pytest.warns(SearchStoppedWarning):
        assert given(deep) is deep
    while deep:  # taken apart: a list of this depth is freed level by level
        deep = deep[0] if isinstance(deep[0], list) else []


def test_the_search_stops_at_a_number_of_elements_and_says_so() -> None:
    many: list[Any] = [trace.node(1), *([b""] * 999_999), (), trace.node(2)]
    with pytest.warns(SearchStoppedWarning, match="1,000,000 elements"):
        result = same(many)
    assert len(result.parents) == 1


def test_a_long_list_of_plain_values_is_searched_whole_without_a_warning() -> None:
    many = list(range(1_500_000))
    assert given(many) is many


def test_an_argument_is_let_go_when_its_call_is() -> None:
    class Thing:
        pass

    thing = Thing()
    seen = weakref.ref(thing)
    gc.disable()
    try:
        result = same([trace.node(1), thing])
        del result, thing
        assert seen() is None
    finally:
        gc.enable()


def test_a_parameter_in_a_container_keeps_the_value_of_that_moment() -> None:
    p = trace.node("old", trainable=True, name="p")
    result = trace.bundle(lambda parts: parts[0])([p])
    p.update("new")
    assert result.data == "old"
    assert result.inputs["parts[0]"].data == "old"
    assert result.parents[0] is p


def test_classes_of_c_are_told_from_those_of_python():
    class Plain:
        pass

    class Slotted(dict):
        __slots__ = ("kept",)

    assert written_in_python(Plain)
    assert written_in_python(Slotted)
    for made_in_c in (
        io.TextIOWrapper,
        io.BytesIO,
        threading.local,
        re.Pattern,
        functools.partial,
        dict,
        object,
    ):
        assert not written_in_python(made_in_c)
