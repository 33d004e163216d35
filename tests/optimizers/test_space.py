from __future__ import annotations

import random
from enum import Enum
from typing import Annotated, Literal, Optional

import annotated_types
import pytest
from pydantic import BaseModel, Field, TypeAdapter, conint

from optimizers.candidate import canonical
from optimizers.policies.space import NoSpace, space_of, variants_space


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Config(BaseModel):
    depth: int = Field(ge=1, le=4)
    mode: Literal["fast", "slow"]
    cutoff: float | None = Field(default=None, ge=0.0, le=1.0)


TYPES = {
    "literal": Literal["a", "b", 3, None],
    "bool": bool,
    "enum": Color,
    "int": Annotated[int, Field(ge=1, le=9)],
    "strict int": Annotated[int, Field(gt=0, lt=10)],
    "stepped int": Annotated[int, Field(ge=-7, le=12, multiple_of=5)],
    "interval": Annotated[int, annotated_types.Interval(ge=2, le=6)],
    "conint": conint(ge=1, le=3),
    "float": Annotated[float, Field(ge=-1, le=1)],
    "strict float": Annotated[float, Field(gt=0, lt=1)],
    "stepped float": Annotated[float, Field(ge=0, le=1, multiple_of=0.25)],
    "wide float": Annotated[float, Field(ge=1e-4, le=10)],
    "optional": Optional[Annotated[int, Field(ge=0, le=3)]],  # noqa: UP045
    "union": Literal["auto"] | Annotated[float, Field(ge=0, le=2)],
    "model": Config,
    "one value": Annotated[int, Field(ge=4, le=4)],
}
each_type = pytest.mark.parametrize("type_", TYPES.values(), ids=TYPES.keys())


@each_type
def test_every_sample_and_neighbour_is_a_value_the_type_accepts(type_):
    space, adapter, rng = space_of(type_), TypeAdapter(type_), random.Random(1)
    for _ in range(60):
        value = space.sample(rng)
        near = space.neighbours(value, rng.choice([0.01, 0.1, 0.3, 1.0]), rng)
        for found in [value, *near]:
            assert space.contains(found)
            adapter.validate_python(found)


@each_type
def test_no_value_is_its_own_neighbour(type_):
    space, rng = space_of(type_), random.Random(2)
    for _ in range(60):
        value = space.sample(rng)
        near = space.neighbours(value, 0.2, rng)
        assert canonical(value) not in {canonical(moved) for moved in near}


def test_neighbours_reach_every_option_every_whole_number_and_every_step():
    rng = random.Random(3)
    steps = (TYPES["stepped float"], {0.0, 0.25, 0.5, 0.75, 1.0})
    whole = (TYPES["int"], set(range(1, 10)))
    for type_, values in ((Literal["a", "b", "c"], set("abc")), whole, steps):
        space = space_of(type_)
        seen, edge = set(), [space.sample(rng)]
        while edge:
            value = edge.pop()
            if value not in seen:
                seen.add(value)
                edge += space.neighbours(value, 0.01, rng)
        assert seen == values


def test_a_wide_positive_range_is_sampled_by_factors():
    space, rng = space_of(TYPES["wide float"]), random.Random(4)
    small = sum(space.sample(rng) < 0.03 for _ in range(1000))
    assert 400 < small < 600


def test_a_smaller_reach_gives_nearer_neighbours():
    space, rng = space_of(TYPES["float"]), random.Random(5)
    assert space.neighbours(0.0, 0.25, rng) == [0.5, -0.5]
    assert space.neighbours(0.0, 0.05, rng) == [0.1, -0.1]
    assert space.neighbours(1.0, 0.05, rng) == [0.9]


@pytest.mark.parametrize(
    ("type_", "said"),
    [
        (str, "str does not say which values there are"),
        (int, "int needs both ends"),
        (Annotated[float, Field(ge=0)], "float needs both ends"),
        (list[int], "does not say"),
        (Annotated[int, Field(gt=3, lt=4)], "there is no int"),
        (int | None, "int needs both ends"),
    ],
)
def test_a_type_without_a_space_says_what_it_lacks(type_, said):
    with pytest.raises(NoSpace, match=said):
        space_of(type_)


def test_a_model_with_an_open_field_names_the_field():
    class Open(BaseModel):
        depth: int

    with pytest.raises(NoSpace, match="its field 'depth': int needs both ends"):
        space_of(Open)


def test_variants_are_the_listed_values_each_once():
    space = variants_space(["b", "a", "b", 1, True, [1, 2]])
    assert list(space.options) == ["b", "a", 1, True, [1, 2]]
    with pytest.raises(NoSpace):
        variants_space([])
