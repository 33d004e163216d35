"""Any value can be written, none stops the program, secrets stay out, Python's own come back as they were."""

from __future__ import annotations

import base64
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import hashlib
import json
import math
import pathlib
import subprocess
import sys
import threading
import types
import typing
import unittest.mock
import uuid
import zoneinfo
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tracelib as trace
from tracelib.errors import StoreError
from tracelib.redaction import MARK, Redactor, mark
from tracelib.store.values.encoding import Encoder, Opaque, Stored, decode, digest

ENCODER = Encoder(Redactor(environ={"MY_TOKEN": "canary-value-of-a-variable"}))
encode = ENCODER.encode


def round_trip(value: Any) -> Any:
    return decode(encode(value))


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def loaded(value: Any) -> Any:
    """The written JSON; strict, with its own reader."""
    return json.loads(encode(value), parse_constant=refuse)


def same(a: Any, b: Any) -> bool:
    """Equal with equal types all the way down; nan is nan."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    if isinstance(a, complex):
        return same(a.real, b.real) and same(a.imag, b.imag)
    if isinstance(a, decimal.Decimal):
        return str(a) == str(b)
    if isinstance(a, (list, tuple, collections.deque)):
        return (
            len(a) == len(b) and all(map(same, a, b)) and getattr(a, "maxlen", 0) == getattr(b, "maxlen", 0)
        )
    if isinstance(a, (set, frozenset)):
        return len(a) == len(b) and all(any(same(x, y) for y in b) for x in a)
    if isinstance(a, slice):
        return same((a.start, a.stop, a.step), (b.start, b.stop, b.step))
    if isinstance(a, dict):
        return same(list(a.items()), list(b.items())) and getattr(a, "default_factory", 0) == getattr(
            b, "default_factory", 0
        )
    if isinstance(a, (datetime.datetime, datetime.time)):
        return (
            a == b
            and a.fold == b.fold
            and a.utcoffset() == b.utcoffset()
            and type(a.tzinfo) is type(b.tzinfo)
        )
    return bool(a == b)


ZONES = st.sampled_from(
    [
        None,
        datetime.UTC,
        datetime.timezone(datetime.timedelta(hours=-3, seconds=7)),
        zoneinfo.ZoneInfo("Europe/Berlin"),
    ]
)
hashables = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.complex_numbers()
    | st.decimals().filter(lambda number: not number.is_snan())
    | st.fractions()
    | st.dates()
    | st.datetimes(timezones=ZONES, allow_imaginary=False)
    | st.times(timezones=ZONES)
    | st.timedeltas()
    | st.uuids()
    | st.text("abc/. ").map(pathlib.PurePosixPath)
    | st.text("abc/. ").map(pathlib.Path)
    | st.just(pathlib.PureWindowsPath("C:\\x"))
    | st.just(...)
    | st.builds(range, st.integers(), st.integers(), st.integers(min_value=1))
    | st.integers(1_000, 20_000).map(lambda power: 7**power)
)
hashables |= st.tuples(hashables, hashables) | st.frozensets(hashables, max_size=3)


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    pairs = st.dictionaries(hashables, inner, max_size=4)
    return (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(), inner, max_size=4)
        | st.dictionaries(st.text().map("${}".format), inner, max_size=2)
        | pairs
        | pairs.map(collections.OrderedDict)
        | pairs.map(lambda items: collections.defaultdict(list, items))
        | st.dictionaries(hashables, st.integers(), max_size=4).map(collections.Counter)
        | st.builds(collections.deque, st.lists(inner, max_size=4), st.sampled_from([None, 9]))
        | st.sets(hashables, max_size=4)
        | st.binary().map(bytearray)
        | st.builds(slice, hashables, inner, inner)
    )


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.recursive(hashables, containers, max_leaves=12))
def test_python_s_own_types_come_back_as_they_were(value: Any) -> None:
    loaded(value)
    assert same(round_trip(value), value)


@given(st.sets(hashables), st.randoms())
@settings(deadline=None)
def test_equal_sets_are_written_equally(members: set[Any], random: Any) -> None:
    shuffled = list(members)
    random.shuffle(shuffled)
    again: set[Any] = set()
    for member in shuffled:
        again.add(member)
    assert encode(again) == encode(members)


def test_sets_are_written_equally_whatever_the_hash_seed() -> None:
    code = (
        "import sys; from tracelib.store.values.encoding import *; from tracelib.redaction import Redactor\n"
        "value = {'a', 'b', ('c', 1), frozenset('xyz')}\n"
        "sys.stdout.buffer.write(Encoder(Redactor(environ={})).encode(value))"
    )
    made = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": str(seed)}, capture_output=True, check=True
        ).stdout
        for seed in range(3)
    }
    assert len(made) == 1


def test_what_json_has_is_plain() -> None:
    value = {"a": [1, 2.5, None, True, "é"], "b": {}}
    assert encode(value) == '{"a":[1,2.5,null,true,"é"],"b":{}}'.encode()
    assert ENCODER.plain(value) == value
    assert ENCODER.plain(value) is not value


def test_the_text_of_a_structure_is_always_json() -> None:
    assert ENCODER.dumps({"é": [1.0, math.nan, math.inf]}) == '{"é":[1.0,null,null]}'.encode()
    assert ENCODER.dumps({"\ud800": "é"}) == rb'{"\ud800":"\u00e9"}'


class Color(enum.Enum):
    RED = "red"
    BLUE = ("b", 1)


class Level(enum.IntFlag):
    LOW = 1
    HIGH = 2


class Sort(enum.StrEnum):
    A = "a"


class Pair(NamedTuple):
    left: Any
    right: Any


@dataclasses.dataclass
class Point:
    x: Any
    y: Any = 2
    kind: typing.ClassVar[str] = "point"

    def __post_init__(self) -> None:
        self.cached = "not a field"


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    a: Any
    b: Any = None


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    name: str
    inner: Any = None
    _hidden: int = pydantic.PrivateAttr(default=3)

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def computed(self) -> str:
        raise AssertionError("a property is never run")


class Words(list[Any]):
    pass


class Name(str):
    __slots__ = ("origin",)


class Count(int):
    pass


class Table(dict[Any, Any]):
    pass


MEMBERS = [Color.RED, Color.BLUE, Level.LOW, Level.LOW | Level.HIGH, Sort.A]
INSTANCES = [
    Pair(1, (2, 3)),
    Point(1, [Point(3)]),
    Slotted("a", {"b"}),
    Model(name="m", inner={"k": Model(name="n")}, more=[1]),
    Words([1, (2,)]),
    Name("n"),
    Count(3),
    Table({1: 2, "a": "b"}),
]


def find(name: str) -> Any:
    module, _, qualname = name.partition(":")
    return vars(sys.modules[module]).get(qualname) if module == __name__ else None


@pytest.mark.parametrize("value", MEMBERS + INSTANCES, ids=lambda value: type(value).__name__)
def test_a_users_type_comes_back_when_the_class_is_given(value: Any) -> None:
    back = decode(encode(value), find)
    assert type(back) is type(value)
    assert back == value


@pytest.mark.parametrize("value", MEMBERS + INSTANCES, ids=lambda value: type(value).__name__)
def test_a_users_type_comes_back_as_its_fields_without_the_class(value: Any) -> None:
    back = round_trip(value)
    assert type(back) is Stored
    assert back.type == f"{__name__}:{type(value).__name__}"


def test_a_stored_instance_reads_like_the_instance() -> None:
    back = round_trip(Point(1, Color.RED))
    assert back.x == 1
    assert back.y.name == "RED"
    assert repr(back) == "Point(x=1, y=Color(name='RED', value='red'))"
    assert back == round_trip(Point(1, Color.RED))
    with pytest.raises(AttributeError, match="has no field 'z'; it has x, y"):
        back.z
    with pytest.raises(dataclasses.FrozenInstanceError):
        back.x = 2
    assert round_trip({Slotted("k"): 1}) == {round_trip(Slotted("k")): 1}


def test_properties_and_private_attributes_of_a_model_are_not_read() -> None:
    assert dict(round_trip(Model(name="m", more=1)).fields) == {"name": "m", "inner": None, "more": 1}


def test_attributes_of_derived_types_are_kept() -> None:
    name = Name("bob")
    name.origin = "call-1"
    assert dict(round_trip(name).fields) == {"value": "bob", "origin": "call-1"}
    assert decode(encode(name), find).origin == "call-1"


def test_a_class_that_no_longer_fits_leaves_the_fields() -> None:
    written = encode(Color.RED)
    assert type(decode(written.replace(b"RED", b"GREEN").replace(b"red", b"green"), find)) is Stored


def test_nodes_are_written_as_their_values() -> None:
    value = {
        "t": trace.node("text"),
        "n": [trace.node(3), trace.node([1])],
        "p": trace.node(5, trainable=True),
    }
    assert round_trip(value) == {"t": "text", "n": [3, [1]], "p": 5}


ARRAYS = [
    np.arange(24, dtype=np.float64).reshape(2, 3, 4),
    np.array([[1, 2], [3, 4]], dtype=">i2").T,
    np.array(3.5),
    np.zeros((0, 2), dtype=np.uint8),
    np.array(["a", "bcd"]),
    np.array([b"x"]),
    np.array([1, "a", None, (2,)], dtype=object),
    np.array(["2024-01-01"], dtype="datetime64[D]"),
    np.array([True, False]),
    np.array([np.nan, np.inf], dtype=np.float16),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: str(array.dtype))
def test_arrays_come_back(array: Any) -> None:
    loaded(array)
    back = round_trip(array)
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize(
    "scalar", [np.float64(0.1), np.int8(-3), np.bool_(True), np.datetime64("2024-01-01"), np.str_("a")]
)
def test_scalars_of_numpy_come_back(scalar: Any) -> None:
    back = round_trip([scalar])[0]
    assert type(back) is type(scalar)
    assert back == scalar


def test_a_big_array_is_kept_by_digest() -> None:
    array = np.ones((1_000, 1_000))
    written = loaded(array)
    assert written["sha256"] == hashlib.sha256(array.tobytes()).hexdigest()
    assert (written["dtype"], written["shape"]) == ("<f8", [1_000, 1_000])
    assert len(encode(array)) < 300
    assert type(round_trip(array)) is Opaque


def test_tables_and_other_arrays_are_told_by_type_and_shape() -> None:
    assert round_trip(pd.DataFrame({"a": [1, 2]})).text == "shape (2, 1)"
    assert round_trip(pd.Series([1, 2])).text == "shape (2)"
    assert round_trip(np.zeros(3, dtype=[("a", "i4")])).text == "shape (3)"


def test_errors_keep_type_and_arguments() -> None:
    back = round_trip(ValueError("bad", 3))
    assert back == Stored("builtins:ValueError", {"args": ["bad", 3]})
    error = decode(encode(ValueError("bad", 3)), lambda name: ValueError)
    assert type(error) is ValueError
    assert error.args == ("bad", 3)


def test_code_is_kept_by_name() -> None:
    assert round_trip(test_code_is_kept_by_name) == Opaque(
        "function", f"{__name__}:test_code_is_kept_by_name"
    )
    assert round_trip(len) == Opaque("function", "builtins:len")
    assert round_trip(Point) == Opaque("class", f"{__name__}:Point")
    assert round_trip(int) == Opaque("class", "builtins:int")
    assert round_trip(json) == Opaque("module", "json")
    assert round_trip(Point(1).__post_init__) == Opaque("function", f"{__name__}:Point.__post_init__")


class Speaking:
    def __init__(self, words: str = "hello") -> None:
        self.words = words

    def __repr__(self) -> str:
        return f"<Speaking {self.words} at 0x7f1234567890>"


def test_another_object_is_told_by_its_repr_without_addresses() -> None:
    back = round_trip(Speaking())
    assert back == Opaque(f"{__name__}:Speaking", "<Speaking hello>", digest(b"<Speaking hello>"))
    assert encode(object()) == encode(object())
    assert encode(threading.Lock()) == encode(threading.Lock())
    assert len(round_trip(Speaking("x" * 10_000_000)).text) == 1_000


def test_a_repr_records_nothing() -> None:
    heard = []

    class Recording:
        def __repr__(self) -> str:
            heard.append(trace.graph.tracing.is_tracing())
            return "r"

    encode(Recording())
    assert heard == [False]


# ---- hostile values


def explode(*args: Any, **kwargs: Any) -> Any:
    raise RuntimeError("user code ran")


class Hostile:
    __class__ = property(explode)  # type: ignore[assignment]
    __repr__ = __str__ = __eq__ = __hash__ = __len__ = __iter__ = __bool__ = explode
    __getattribute__ = __getattr__ = __reduce__ = __index__ = explode


class Sulking:
    def __repr__(self) -> str:
        raise SystemExit(3)


class Meta(type):
    __hash__ = __eq__ = __call__ = __instancecheck__ = __subclasscheck__ = explode
    __name__ = __mro__ = property(explode)  # type: ignore[assignment]

    def __getattribute__(cls, name: str) -> Any:
        raise RuntimeError("user code ran")


Cursed = Meta("Cursed", (), {"__repr__": explode, "__eq__": explode, "__hash__": explode})


class HostileList(list[Any]):
    __iter__ = __len__ = __getitem__ = __repr__ = __eq__ = explode
    __class__ = property(explode)  # type: ignore[assignment]


class HostileDict(dict[Any, Any]):
    __iter__ = __len__ = __getitem__ = items = keys = values = __repr__ = get = explode  # type: ignore[assignment]


class HostileStr(str):
    __str__ = __repr__ = __len__ = __hash__ = __eq__ = encode = startswith = __getitem__ = explode  # type: ignore[assignment]


class Endless:
    """A proxy whose every attribute is a wait without end."""

    def __getattr__(self, name: str) -> Any:
        while True:
            pass

    def __repr__(self) -> str:
        while True:
            pass


class BadZone(datetime.tzinfo):
    utcoffset = dst = tzname = explode


class Unhashed:
    def __hash__(self) -> int:
        return 1 if not armed else explode()

    def __eq__(self, other: object) -> bool:
        return self is other or (armed and explode())


armed = False


def forever() -> Any:
    while True:
        yield 1


def deep(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


def looping() -> Any:
    value: Any = {"list": [], "tuple": ([],)}
    value["list"].append(value)
    value["tuple"][0].append(value["tuple"])
    value["node"] = [Point(value)]
    return value


def lazy_module() -> Any:
    module = types.ModuleType("lazy")
    module.__getattr__ = explode  # type: ignore[method-assign]
    del module.__name__
    return module


HOSTILE: dict[str, Any] = {
    "hostile": Hostile(),
    "exit": Sulking(),
    "metaclass": Cursed,
    "of a metaclass": object.__new__(Cursed),
    "list": HostileList([1, "a"]),
    "dict": HostileDict({"a": 1}),
    "str": HostileStr("abc"),
    "endless": Endless(),
    "generator": forever(),
    "iterator": iter(forever, None),
    "mock": unittest.mock.MagicMock(),
    "mock of a class": unittest.mock.MagicMock(spec=Model),
    "deep": deep(100_000),
    "deep dict": functools.reduce(lambda inner, _: {"k": inner}, range(100_000), {}),
    "deep tuple": functools.reduce(lambda inner, _: (inner,), range(100_000), ()),
    "looping": looping(),
    "huge int": 7**200_000,
    "huge ints": [10**5_000, -(10**5_000)],
    "surrogates": ["\ud800", "a\udfff", {"\udc00": 1}],
    "mixed keys": {1: "int", "1": "str", 1.5: "float", None: 0, (2, 3): 1},
    "dollar": {"$": "tuple", "items": []},
    "nan": [float("nan"), float("inf"), -float("inf"), complex("nan+infj"), np.nan],
    "bad zone": datetime.datetime(2024, 1, 1, tzinfo=BadZone()),
    "lazy module": lazy_module(),
    "partial": functools.partial(explode, Hostile()),
    "keys": {Unhashed(): 1},
    "members": {Unhashed(), Unhashed()},
    "nested": {"a": (Hostile(), [Cursed, {1, 2}])},
    "views": [{}.keys(), {1: Hostile()}.values(), types.MappingProxyType({"a": Hostile()})],
    "memory": memoryview(b"abc"),
    "weak": __import__("weakref").proxy(Speaking.__init__),
    "not implemented": NotImplemented,
    "class with a hostile dict": type("T", (), {"__dataclass_fields__": 3})(),
    "model without state": Model.__new__(Model),
    "dataclass without state": Slotted.__new__(Slotted),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_value_stops_the_program(name: str) -> None:
    global armed
    armed = True
    try:
        written = encode(HOSTILE[name])
        assert json.loads(written, parse_constant=refuse) is not None
        decode(written)
        decode(written, find)
    finally:
        armed = False


def test_no_code_of_a_hostile_value_runs() -> None:
    for value in (
        HOSTILE["list"],
        HOSTILE["dict"],
        HOSTILE["str"],
        HOSTILE["of a metaclass"],
        HOSTILE["hostile"],
    ):
        assert b"user code ran" not in encode(value)
        assert b"not read" not in encode(value)
    assert decode(encode(HOSTILE["list"])).fields["value"] == [1, "a"]
    assert decode(encode(HOSTILE["exit"])).text == "<repr raised SystemExit>"


def test_a_generator_is_not_consumed() -> None:
    numbers = iter([1, 2, 3])
    encode([numbers, (n for n in numbers)])
    assert next(numbers) == 1


def test_a_cycle_is_marked() -> None:
    value: list[Any] = [1]
    value.append(value)
    assert loaded(value) == [1, {"$": "cycle"}]


def test_shared_parts_are_written_twice() -> None:
    part = {"a": 1}
    assert loaded([part, part]) == [part, part]


def test_depth_is_bounded() -> None:
    assert encode(deep(100_000)) == encode(deep(100_000))
    assert same(round_trip(deep(98)), deep(98))
    assert b'"depth":100' in encode(deep(101))


def test_parts_are_read_once_however_their_keys_are_mixed() -> None:
    value: Any = {}
    for level in range(90):
        value = {"a": value, level: 1}
    assert same(round_trip(value), value)


def test_near_the_recursion_limit_it_is_still_no_error() -> None:
    def down() -> int:
        try:
            return down()
        except RecursionError:
            encode(deep(50))
            return 1

    assert down() == 1


def test_long_texts_are_cut_to_the_limit_with_digest_and_beginning() -> None:
    text = "é" * 10_000
    written = json.loads(Encoder(Redactor(environ={}), limit=5_000).encode({"t": text, "u": "short"}))
    assert written["t"] == {
        "$": "cut",
        "type": "str",
        "size": 20_000,
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "prefix": text[:1_000],
    }
    assert written["u"] == "short"
    assert decode(json.dumps(written["t"])) == Opaque("str", text[:1_000], written["t"]["sha256"])


@pytest.mark.parametrize(
    "value",
    [
        lambda: ["x" * 900] * 1_000_000,
        lambda: [["x" * 900] * 1_000] * 100_000,
        lambda: {str(i): "x" * 900 for i in range(100_000)},
        lambda: [0.5, "x"] * 2_000_000,
        lambda: list(range(3_000_000)),
        lambda: {i: i for i in range(1_100_000)},
        lambda: b"x" * 50_000_000,
        lambda: [[[[["x" * 999] * 80] * 80] * 80] * 80] * 80,
    ],
    ids=range(8),
)
def test_the_whole_is_bounded(value: Any) -> None:
    assert len(encode(value())) < 20_000_000


def test_numbers_and_texts_that_are_cut_say_their_size() -> None:
    small = Encoder(Redactor(environ={}), limit=100)
    assert json.loads(small.encode(1 << 100_000))["$"] == "cut"
    assert json.loads(small.encode(b"x" * 2_000))["size"] == 2_000
    assert json.loads(small.encode(list(range(200))))["size"] == 200


# ---- secrets

KEY = "sk-" + "canaryCANARY0123456789" * 2
VARIABLE = "canary-value-of-a-variable"


@dataclasses.dataclass
class Credentials:
    user: str
    api_key: Any


class Settings(pydantic.BaseModel):
    password: Any
    text: Any = None


PLACES = {
    "text": lambda s: f"the key is {s} indeed",
    "member": lambda s: [1, ("a", {s}), {"k": {"k": s}}],
    "key": lambda s: {s: 1},
    "key of pairs": lambda s: {(s, 1): 1},
    "tuple": lambda s: (s,),
    "deque": lambda s: collections.deque([s]),
    "counter": lambda s: collections.Counter([s]),
    "bytes": lambda s: s.encode(),
    "bytearray": lambda s: bytearray(b"\xff" + s.encode()),
    "named": lambda s: Pair(s, s),
    "dataclass": lambda s: Point(s, [s]),
    "model": lambda s: Model(name=s, extra=s),
    "enum": lambda s: enum.Enum("E", {"A": s}).A,  # type: ignore[attr-defined]
    "derived str": lambda s: Name(s),
    "derived dict": lambda s: Table({s: s}),
    "repr": lambda s: Speaking(s),
    "error": lambda s: ValueError(f"no access with {s}", {"k": s}),
    "node": lambda s: trace.node(s),
    "array": lambda s: np.array([s, "x"]),
    "array of bytes": lambda s: np.array([s.encode()]),
    "array of objects": lambda s: np.array([[s], 1], dtype=object),
    "numbers": lambda s: np.frombuffer(s.encode(), dtype=np.uint8),
    "path": lambda s: pathlib.Path("/x", s),
    "json in text": lambda s: json.dumps({"arguments": json.dumps({"k": f"\n{s}"})}),
    "partial": lambda s: functools.partial(print, s),
    "cut": lambda s: "x" * 985 + " " + s + "x" * 9_000_000,
    "module": lambda s: types.ModuleType(s),
    "slice": lambda s: slice(s),
}


def everything(written: bytes) -> str:
    """What was written, with what stands in it in base64."""
    found = [written.decode()]

    def look(kept: dict[str, Any]) -> dict[str, Any]:
        if type(kept.get("data")) is str and "$" in kept:
            found.append(base64.b64decode(kept["data"]).decode("latin-1"))
        return kept

    json.loads(written, object_hook=look)
    return "\n".join(found)


@pytest.mark.parametrize(
    "secret", [KEY, VARIABLE, f"postgresql://u:{VARIABLE[:10]}@h"], ids=["key", "variable", "url"]
)
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_secret_is_written_nowhere(place: Any, secret: str) -> None:
    value = place(secret)
    for written in (encode(value), ENCODER.dumps(ENCODER.plain({"v": value}))):
        assert "canary" not in everything(written).lower()
        decode(written)


NAMED = {
    "dict": lambda s: {"api_key": s, "user": "bob"},
    "header": lambda s: {"Authorization": s},
    "list of headers": lambda s: [("x-api-key", s), (b"cookie", s.encode())],
    "bytes": lambda s: {"password": s.encode()},
    "in a list": lambda s: {"secrets": [s, {"k": s}]},
    "pairs": lambda s: {1: 2, "token": s},
    "dataclass": lambda s: Credentials("bob", s),
    "model": lambda s: Settings(password=s),
    "derived": lambda s: {"client_secret": Name(s)},
    "node": lambda s: {"access_token": trace.node(s)},
    "repr": lambda s: Speaking(f"Client(api_key={s!r})"),
    "tuple": lambda s: {"auth": ("bob", s)},
    "object": lambda s: {"credentials": Point(s)},
    "ordered": lambda s: collections.OrderedDict(passwd=s),
    "key of a derived type": lambda s: {Name("password"): s},
    "key of an enum": lambda s: {enum.StrEnum("E", {"A": "Authorization"}).A: s},  # type: ignore[attr-defined]
    "key of a node": lambda s: {trace.node("api_key"): s},
    "repr without quotes": lambda s: Speaking(f"<Client token={s} x=1>"),
}


@pytest.mark.parametrize("place", NAMED.values(), ids=NAMED)
def test_what_stands_under_a_secrets_name_is_masked(place: Any) -> None:
    written = everything(encode(place("hunter2-canary")))
    assert "canary" not in written
    assert MARK.search(written)


def test_the_mark_under_a_name_is_that_of_the_text() -> None:
    assert loaded({"api_key": "abc", "n": 1, "max_tokens": 5, "token": None}) == {
        "api_key": mark("abc"),
        "n": 1,
        "max_tokens": 5,
        "token": None,
    }
    assert loaded({"password": b"abc"}) == {"password": mark("abc")}


def test_the_users_hook_sees_every_string() -> None:
    encoder = Encoder(Redactor(lambda text: text.replace("Alice", "A."), environ={}))
    assert decode(encoder.encode({"q": ["Alice", ("Alice", 1)]})) == {"q": ["A.", ("A.", 1)]}


# ---- reading


@pytest.mark.parametrize("data", ["", "{", b"\xff", '{"a":', "nothing", "[" * 100_000])
def test_broken_json_is_an_error_of_the_store(data: Any) -> None:
    with pytest.raises(StoreError, match="a stored value is no JSON"):
        decode(data)


@pytest.mark.parametrize(
    "kept",
    [
        {"$": "hologram", "value": [1]},
        {"$": "blob", "hash": "ab", "size": 3, "prefix": "xyz"},
        {"$": "digest", "sha256": "ab", "size": 3},
        {"$": "tuple"},
        {"$": "set", "items": [[1]]},
        {"$": "decimal", "value": "x"},
        {"$": "bytes", "data": "?"},
        {"$": "array", "dtype": "f8", "shape": [3], "data": ""},
        {"$": "object", "type": "a:B"},
        {"$": "object", "fields": {}},
        {"$": "object", "how": "telepathy", "type": f"{__name__}:Point", "fields": {"x": 1}},
        {"$": [1]},
        {"$": None},
        {"$": "datetime", "value": "2024-01-01", "zone": "Nowhere/Else"},
    ],
    ids=str,
)
def test_what_a_newer_version_wrote_is_opaque(kept: Any) -> None:
    assert type(decode(json.dumps([kept]), find)[0]) in (Opaque, Stored)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda s: (
            st.lists(s)
            | st.dictionaries(
                st.sampled_from(
                    ["$", "type", "items", "value", "fields", "data", "how", "shape", "dtype", "zone", "x"]
                ),
                s
                | st.sampled_from(
                    [
                        "tuple",
                        "set",
                        "dict",
                        "object",
                        "enum",
                        "array",
                        "numpy",
                        "derived",
                        "datetime",
                        "deque",
                        "dataclass",
                        "error",
                        "cut",
                        "opaque",
                        "defaultdict",
                        "slice",
                        "range",
                    ]
                ),
            )
        ),
        max_leaves=15,
    )
)
@settings(max_examples=300, deadline=None)
def test_any_json_can_be_read(structure: Any) -> None:
    decode(json.dumps(structure))
    decode(json.dumps(structure), find)


def test_a_digest_is_sha256_in_hexadecimal() -> None:
    assert digest(b"x") == hashlib.sha256(b"x").hexdigest()
    assert uuid.UUID(int=3) == round_trip(uuid.UUID(int=3))
    assert fractions.Fraction(1, 3) == round_trip(fractions.Fraction(1, 3))
