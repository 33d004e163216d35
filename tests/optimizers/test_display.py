"""A value reads the same on every run and every machine, whatever it is."""

from __future__ import annotations

import dataclasses
import enum
import json
import subprocess
import sys
from collections import namedtuple
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from optimizers.evidence.display import kind_of, plain, raw, shown
from tracelib.errors import StateError


class Colour(enum.Enum):
    RED = "red"


class Person(BaseModel):
    name: str
    age: int = 3


@dataclasses.dataclass
class Point:
    x: int
    tags: frozenset[str] = frozenset()


Pair = namedtuple("Pair", "left right")


class Opaque:
    pass


class Sulking:
    def __repr__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('a "b"\nc', '"a \\"b\\"\\nc"'),
        (None, "None"),
        (True, "True"),
        (1.5, "1.5"),
        (np.float64(4.5), "4.5"),
        ((), "()"),
        ((1,), "(1,)"),
        (set(), "set()"),
        ({"b", "a"}, '{"a", "b"}'),
        ({"k": [1, "x"]}, '{"k": [1, "x"]}'),
        (Colour.RED, "Colour.RED"),
        (Person(name="Ada"), 'Person(name="Ada", age=3)'),
        (Point(1, frozenset({"q", "p"})), 'Point(x=1, tags={"p", "q"})'),
        (Pair(1, "r"), 'Pair(left=1, right="r")'),
        (Opaque(), "<Opaque>"),
        ([Opaque], "[<class 'test_display.Opaque'>]"),
        (Sulking(), "<Sulking, whose repr raised RuntimeError>"),
        ([10**5000], "[<int, whose repr raised ValueError>]"),
        (list(range(102)), "[" + ", ".join(map(str, range(100))) + ", ... 2 more]"),
    ],
)
def test_values_are_shown_as_code_would_write_them(value: Any, text: str) -> None:
    assert str(shown(value, 10_000)).replace(__name__, "test_display") == text


def test_no_memory_address_is_shown() -> None:
    assert str(shown([len, test_no_memory_address_is_shown], 1_000)).count("0x") == 0


def test_a_value_that_holds_itself_is_shown() -> None:
    knot: list[Any] = [1]
    knot.append(knot)
    assert str(shown(knot, 1_000)).startswith("[1, [1, [1")


def test_raw_text_keeps_its_lines_and_other_values_stay_one_line() -> None:
    assert str(raw("a\nb", 100)) == "a\nb"
    assert "\n" not in str(shown({"a": "b\nc"}, 100))


def test_an_array_tells_its_type_and_shape() -> None:
    assert kind_of(np.zeros((2, 3))) == "ndarray of float64, shape (2, 3)"


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (np.array([[1, 2]]), [[1, 2]]),
        (np.float64(0.5), 0.5),
        (Person(name="Ada"), {"name": "Ada", "age": 3}),
        (Point(1), {"x": 1, "tags": []}),
        (Colour.RED, "red"),
        ({1: (True, None)}, {"1": [True, None]}),
        ((Person(name="Bo"), {2, 1}), [{"name": "Bo", "age": 3}, [1, 2]]),
        ({"b", "a"}, ["a", "b"]),
    ],
)
def test_the_plain_form_is_json(value: Any, form: Any) -> None:
    assert plain(value) == form
    assert json.loads(json.dumps(plain(value))) == form


def test_what_has_no_json_form_is_refused_by_name() -> None:
    with pytest.raises(StateError, match="Opaque has no JSON form"):
        plain(Opaque())


def test_sets_read_the_same_under_every_hash_seed() -> None:
    code = "from optimizers.evidence.display import shown; print(shown({'a', 'b', 'c', 1, (2, 'd')}, 100))"
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(texts) == 1
