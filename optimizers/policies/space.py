"""Where a parameter may go: spaces read from types, or from variants the user listed.

Values of a space are JSON values; the parameter's own check turns them into what it holds. Nothing
here knows parameters or programs.
"""

from __future__ import annotations

import json
import math
import random
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal, Protocol, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from optimizers.candidate import canonical
from tracelib.errors import OptimizerError

# From this ratio of its ends on, a positive range is searched by factors instead of differences.
LOGARITHMIC = 50.0
# How far inside an end that is itself not allowed the search stays, as a share of the range.
INSIDE = 1e-4
# What the parts of an annotation call their bounds, and what these are called here.
BOUNDS = {"ge": "low", "le": "high", "gt": "above", "lt": "below", "multiple_of": "step"}
# How many of many options count as neighbours of one.
NEAR = 4


class Space(Protocol):
    """The values one parameter may take."""

    def sample(self, rng: random.Random) -> Any: ...

    def neighbours(self, value: Any, reach: float, rng: random.Random) -> list[Any]:
        """Values near this one, without it; `reach` in (0, 1] is the share of a range to move by."""
        ...

    def contains(self, value: Any) -> bool: ...


@dataclass(frozen=True)
class Choice:
    """One of some options, in no order."""

    options: tuple[Any, ...]

    def sample(self, rng: random.Random) -> Any:
        return rng.choice(self.options)

    def neighbours(self, value: Any, reach: float, rng: random.Random) -> list[Any]:
        others = [option for option in self.options if canonical(option) != canonical(value)]
        return rng.sample(others, min(NEAR, len(others)))

    def contains(self, value: Any) -> bool:
        return canonical(value) in {canonical(option) for option in self.options}


@dataclass(frozen=True)
class Whole:
    """An int from low to high, both included, in multiples of `step` counted from zero."""

    low: int
    high: int
    step: int = 1

    def sample(self, rng: random.Random) -> int:
        return rng.randint(self.low // self.step, self.high // self.step) * self.step

    def neighbours(self, value: Any, reach: float, rng: random.Random) -> list[Any]:
        far = max(1, round((self.high - self.low) * reach / self.step)) * self.step
        near = [min(self.high, value + far), max(self.low, value - far)]
        return [moved for moved in near if moved != value]

    def contains(self, value: Any) -> bool:
        return type(value) is int and self.low <= value <= self.high and value % self.step == 0


@dataclass(frozen=True)
class Real:
    """A float from low to high, both included; in multiples of `step` from zero where one is given.

    A logarithmic one is searched by factors instead of differences.
    """

    low: float
    high: float
    step: float | None = None
    logarithmic: bool = False

    def sample(self, rng: random.Random) -> float:
        return self._at(rng.random())

    def neighbours(self, value: Any, reach: float, rng: random.Random) -> list[Any]:
        place = self._place(float(value))
        if self.step is not None and self.high > self.low:
            reach = max(reach, self.step / (self.high - self.low))
        near = [self._at(min(1.0, place + reach)), self._at(max(0.0, place - reach))]
        return [moved for moved in near if moved != value]

    def contains(self, value: Any) -> bool:
        return type(value) in (int, float) and self.low <= value <= self.high

    def _at(self, place: float) -> float:
        """The value at a place in 0-1, with six digits: more would be noise in a prompt or a report."""
        if self.logarithmic:
            value = self.low * (self.high / self.low) ** place
        else:
            value = self.low + (self.high - self.low) * place
        if self.step is not None:
            value = round(value / self.step) * self.step
        return min(self.high, max(self.low, float(f"{value:.6g}")))

    def _place(self, value: float) -> float:
        inside = min(self.high, max(self.low, value))
        if self.logarithmic:
            return math.log(inside / self.low) / math.log(self.high / self.low)
        return (inside - self.low) / ((self.high - self.low) or 1.0)


@dataclass(frozen=True)
class OneOf:
    """A value of any of some spaces, such as a number or None."""

    spaces: tuple[Space, ...]

    def sample(self, rng: random.Random) -> Any:
        return rng.choice(self.spaces).sample(rng)

    def neighbours(self, value: Any, reach: float, rng: random.Random) -> list[Any]:
        home = [space for space in self.spaces if space.contains(value)][:1]
        inside = [moved for space in home for moved in space.neighbours(value, reach, rng)]
        return inside + [space.sample(rng) for space in self.spaces if space not in home]

    def contains(self, value: Any) -> bool:
        return any(space.contains(value) for space in self.spaces)


@dataclass(frozen=True)
class Record:
    """A mapping with a space for each of its fields, such as a pydantic model."""

    fields: tuple[tuple[str, Space], ...]

    def sample(self, rng: random.Random) -> Any:
        return {name: space.sample(rng) for name, space in self.fields}

    def neighbours(self, value: Any, reach: float, rng: random.Random) -> list[Any]:
        return [
            {**value, name: moved}
            for name, space in self.fields
            for moved in space.neighbours(value[name], reach, rng)
        ]

    def contains(self, value: Any) -> bool:
        return isinstance(value, Mapping) and all(
            name in value and space.contains(value[name]) for name, space in self.fields
        )


class NoSpace(OptimizerError):  # noqa: N818 - says what a type lacks
    """A type does not say which values there are."""


def space_of(type_: Any) -> Space:
    """The space of a type; raises NoSpace, which says what the type lacks.

    Read are Literal, bool, Enum, None, int and float with bounds (`Annotated[int, Field(ge=1, le=9)]`,
    multiple_of too), unions of these, and pydantic models whose fields all have a space.

    >>> space_of(Literal["a", "b"])
    Choice(options=('a', 'b'))
    """
    base, metadata = _unwrapped(type_)
    origin = get_origin(base)
    if origin is Literal:
        return Choice(tuple(_dumped(option) for option in get_args(base)))
    if origin in (Union, types.UnionType):
        return _united([space_of(_annotated(member, metadata)) for member in get_args(base)])
    if base in (None, type(None)):
        return Choice((None,))
    if isinstance(base, type):
        return _of_class(base, metadata)
    raise NoSpace(f"{type_!r} does not say which values there are")


def variants_space(variants: Iterable[Any]) -> Choice:
    """The space of values that the user listed, each once, as JSON gives them back."""
    texts = dict.fromkeys(canonical(variant) for variant in variants)
    options = tuple(json.loads(text) for text in texts)
    if not options:
        raise NoSpace("an empty list of variants leaves nothing to choose")
    return Choice(options)


def _of_class(base: type, metadata: Sequence[Any]) -> Space:
    if base is bool:
        return Choice((False, True))
    if issubclass(base, Enum):
        return Choice(tuple(member.value for member in base))
    if issubclass(base, BaseModel):
        return _of_model(base)
    if base is int:
        return _whole(metadata)
    if base is float:
        return _real(metadata)
    raise NoSpace(f"{base.__name__} does not say which values there are")


def _of_model(model: type[BaseModel]) -> Record:
    fields = []
    for name, field in model.model_fields.items():
        try:
            fields.append((name, space_of(_annotated(field.annotation, field.metadata))))
        except NoSpace as error:
            raise NoSpace(f"its field {name!r}: {error}") from error
    return Record(tuple(fields))


@dataclass(frozen=True)
class Bounds:
    """The ends and the step that a type declares; a strict end is not itself allowed."""

    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None
    step: float | None = None


def _bounds(metadata: Sequence[Any]) -> Bounds:
    found: dict[str, Any] = {}
    for item in metadata:
        for attribute, name in BOUNDS.items():
            value = getattr(item, attribute, None)
            if value is not None:
                found[name] = value
    return Bounds(**found)


def _whole(metadata: Sequence[Any]) -> Whole:
    bounds = _bounds(metadata)
    low = bounds.low if bounds.above is None else math.floor(bounds.above) + 1
    high = bounds.high if bounds.below is None else math.ceil(bounds.below) - 1
    if low is None or high is None:
        raise NoSpace("int needs both ends, as in Annotated[int, Field(ge=1, le=9)]")
    step = int(bounds.step or 1)
    first, last = math.ceil(low / step) * step, math.floor(high / step) * step
    if first > last:
        raise NoSpace(f"there is no int from {low} to {high} in steps of {step}")
    return Whole(first, last, step)


def _real(metadata: Sequence[Any]) -> Real:
    bounds = _bounds(metadata)
    low = bounds.low if bounds.above is None else bounds.above
    high = bounds.high if bounds.below is None else bounds.below
    if low is None or high is None:
        raise NoSpace("float needs both ends, as in Annotated[float, Field(ge=0, le=1)]")
    margin = (high - low) * INSIDE
    low, high = low + margin * (bounds.above is not None), high - margin * (bounds.below is not None)
    if bounds.step is not None:
        low, high = _inside(low, high, bounds.step)
    if low > high:
        raise NoSpace(f"there is no float from {low} to {high}")
    by_factors = bounds.above is None and low > 0 and high / low >= LOGARITHMIC
    return Real(float(low), float(high), bounds.step, by_factors)


def _inside(low: float, high: float, step: float) -> tuple[float, float]:
    """The first and the last multiple of step between the ends, give or take rounding."""
    slack = 1e-9
    return math.ceil(low / step - slack) * step, math.floor(high / step + slack) * step


def _united(spaces: Sequence[Space]) -> Space:
    """One space of several; options without order are put together."""
    options = tuple(option for space in spaces if isinstance(space, Choice) for option in space.options)
    ranges = tuple(space for space in spaces if not isinstance(space, Choice))
    if not ranges:
        return Choice(options)
    return OneOf((*ranges, Choice(options)) if options else ranges)


def _annotated(type_: Any, metadata: Sequence[Any]) -> Any:
    for item in metadata:
        type_ = Annotated[type_, item]
    return type_


def _unwrapped(type_: Any) -> tuple[Any, list[Any]]:
    """A type without `Annotated`, and everything it was annotated with."""
    metadata: list[Any] = []
    while get_origin(type_) is Annotated:
        inner, *extras = get_args(type_)
        metadata += [item for extra in extras for item in _flat(extra)]
        type_ = inner
    return type_, metadata


def _flat(extra: Any) -> Iterator[Any]:
    if isinstance(extra, FieldInfo):
        yield from extra.metadata
    else:
        yield extra


def _dumped(option: Any) -> Any:
    return TypeAdapter(Any).dump_python(option, mode="json")
