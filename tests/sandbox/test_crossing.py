"""Values cross into a sandbox and back as they were, or are refused with the place of what cannot."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import json
import uuid
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from tracelib.sandbox import crossing
from tracelib.sandbox.crossing import Known, NotCrossing


class Color(enum.Enum):
    RED = 1
    BLUE = "b"


class Level(enum.IntEnum):
    LOW = 1


class Pair(NamedTuple):
    left: Any
    right: Any


@dataclasses.dataclass(frozen=True)
class Point:
    x: Any
    y: Any = 0


class Name(BaseModel):
    first: str
    ages: list[int] = []


class Plain:
    pass


KNOWN = Known({crossing.name_of(kind): kind for kind in (Color, Level, Pair, Point, Name)})

atoms = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False)
    | st.decimals(allow_nan=False)
    | st.fractions()
    | st.uuids()
    | st.dates()
    | st.times()
    | st.datetimes(timezones=st.none() | st.just(datetime.UTC))
    | st.timedeltas()
    | st.sampled_from([Color.RED, Color.BLUE, Level.LOW, ..., range(1, 9, 2), slice(1, None, 2)])
)
keys = (
    st.none() | st.booleans() | st.integers() | st.text() | st.binary() | st.tuples(st.integers(), st.text())
)
values = st.recursive(
    atoms,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(keys, inner, max_size=4)
        | st.dictionaries(st.just("$"), inner, max_size=1)
        | st.sets(keys, max_size=4)
        | st.frozensets(keys, max_size=4)
        | st.builds(Point, inner, inner)
        | st.builds(Pair, inner, inner)
        | st.lists(inner, max_size=4).map(collections.deque)
        | st.dictionaries(keys, inner, max_size=3).map(collections.OrderedDict)
        | st.builds(Name, first=st.text(), ages=st.lists(st.integers(), max_size=3))
    ),
    max_leaves=12,
)


def there_and_back(value: Any) -> Any:
    return crossing.read(json.loads(json.dumps(crossing.written(value))), KNOWN)


def alike(one: Any, two: Any) -> bool:
    """Equal, and of equal types all the way down: 1, 1.0 and True are three."""
    if type(one) is not type(two):
        return False
    if isinstance(one, list | tuple | collections.deque):
        return len(one) == len(two) and all(map(alike, one, two))
    if isinstance(one, dict):
        return len(one) == len(two) and all(
            alike(a, b) and alike(one[a], two[b]) for a, b in zip(one, two, strict=True)
        )
    if isinstance(one, Point):
        return alike((one.x, one.y), (two.x, two.y))
    return bool(one == two) or (isinstance(one, slice) and repr(one) == repr(two))


@given(values)
@settings(max_examples=400, deadline=None)
def test_what_crosses_comes_out_as_it_went_in(value: Any) -> None:
    assert alike(there_and_back(value), value)


@given(st.floats())
def test_every_float_crosses(value: float) -> None:
    back = there_and_back(value)
    assert repr(back) == repr(value)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6).reshape(2, 3),
        np.array([1.5, float("nan")], dtype=np.float32),
        np.array([], dtype=np.int8),
        np.array(3),
        np.array(["a", "bc"]),
        np.array(["2026-01-01"], dtype="datetime64[D]"),
    ],
)
def test_arrays_cross_with_their_type_and_shape(array: Any) -> None:
    back = there_and_back(array)
    assert (back.dtype, back.shape, type(back)) == (array.dtype, array.shape, np.ndarray)
    np.testing.assert_array_equal(back, array)
    back.flat[:1] = back.flat[:1]  # it is not read-only


def test_scalars_of_numpy_cross() -> None:
    back = there_and_back(np.float32(1.5))
    assert (type(back), back) == (np.float32, 1.5)


def loop() -> list[Any]:
    made: list[Any] = []
    made.append(made)
    return made


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"a": [1, Plain()]}, r"x\['a'\]\[1\]: .*Plain cannot cross"),
        (Point(1, open), r"x\.y: .*builtin"),
        (loop(), "holds itself"),
        (np.array([object()]), "array of object"),
        (lambda: 1, "function cannot cross"),
        ({Plain(): 1}, "a key of x: .*Plain cannot cross"),
    ],
)
def test_what_cannot_cross_is_named_with_its_place(value: Any, said: str) -> None:
    with pytest.raises(NotCrossing, match=said):
        crossing.written(value, "x")


def tagged(tag: str, value: Any) -> dict[str, Any]:
    return {"$": tag, "v": value}


POINT, NAME = crossing.name_of(Point), crossing.name_of(Name)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (tagged("object", ["os:system", {}]), "not known on this side"),
        (tagged("object", [POINT, {"x": 1, "z": 2}]), "no field 'z'"),
        (tagged("object", [NAME, {"first": 3}]), "does not fit"),
        (tagged("object", [crossing.name_of(Color), {}]), "has no fields"),
        (tagged("enum", [POINT, "x"]), "is no enumeration"),
        (tagged("enum", [crossing.name_of(Color), "GREEN"]), "claims to be enum"),
        (tagged("namedtuple", [crossing.name_of(Pair), [1]]), "does not fit"),
        (tagged("tuple", "abc"), "holds none"),
        (tagged("set", [[1]]), "claims to be set"),
        (tagged("bytes", "%%%"), "claims to be bytes"),
        (tagged("date", "soon"), "claims to be date"),
        (tagged("float", "x"), "claims to be float"),
        (tagged("decimal", "x"), "claims to be decimal"),
        (tagged("range", [1, 2, 0]), "claims to be range"),
        (tagged("array", ["|O", [1], "AAAAAAAAAAA="]), "claims to be array"),
        (tagged("array", ["|O", [1], "AAAAAAAAAAA=", True]), "array"),
        (tagged("array", ["<f8", [9], "", True]), "claims to be array"),
        (tagged("stayed", [0, "x", []]), "the other side"),
        (tagged("code", "1"), "no part of a value"),
        ({"$": "tuple"}, "no part of a value"),
        ({"$": "tuple", "v": [], "w": 1}, "no part of a value"),
        ({"$": ["tuple"], "v": []}, "no part of a value"),
    ],
)
def test_a_text_that_lies_about_its_type_is_refused(data: Any, said: str) -> None:
    with pytest.raises(NotCrossing, match=said):
        crossing.read([data], KNOWN, "x")


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner) | st.fixed_dictionaries({"$": st.sampled_from([*crossing.READERS]), "v": inner})
        ),
    )
)
@settings(max_examples=400, deadline=None)
def test_whatever_is_read_is_a_value_or_refused(data: Any) -> None:
    try:
        crossing.read(data, KNOWN)
    except NotCrossing:
        pass


def test_the_values_of_recorded_nodes_have_their_data_inside() -> None:
    for value in ("text", 3, 2.5):
        back = crossing.read(crossing.held(crossing.written(value)), KNOWN)
        assert (back, back.data, type(back.data)) == (value, value, type(value))
        assert alike(there_and_back([back]), [value])
    assert crossing.read(crossing.held([1]), KNOWN) == [1]


def test_the_order_of_a_set_makes_no_difference() -> None:
    assert crossing.written({"b", "a", "c"}) == crossing.written({"c", "a", "b"})


def test_decimals_and_unique_ids_keep_their_spelling() -> None:
    assert repr(there_and_back(decimal.Decimal("1.10"))) == "Decimal('1.10')"
    assert there_and_back(Fraction(1, 3)) == Fraction(1, 3)
    assert there_and_back(uuid.UUID(int=5)) == uuid.UUID(int=5)
