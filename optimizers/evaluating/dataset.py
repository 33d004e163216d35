"""Examples: what a program is given and what is expected of it. Knows no program and no metric."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from optimizers.evidence.display import digest_of
from tracelib.errors import OptimizerError

FORMS = (
    "an example is a pair (input, expected), an Example(*args, expected=..., **kwargs), or a mapping "
    "{'inputs': ..., 'expected': ...}"
)


class _Missing:
    """Nothing is expected: the metric hears the output alone."""

    def __repr__(self) -> str:
        return "nothing"

    def __reduce__(self) -> str:
        return "MISSING"


MISSING = _Missing()


class Example:
    """The arguments of one call of the program, and what is expected of it.

    Without `expected` the metric is called with the output alone.

    >>> Example("Hola", "Juan", expected="es", loud=True)
    Example('Hola', 'Juan', loud=True, expected='es')
    """

    __slots__ = ("args", "expected", "kwargs")

    def __init__(self, *args: Any, expected: Any = MISSING, **kwargs: Any) -> None:
        self.args = args
        self.kwargs = kwargs
        self.expected = expected

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Example) and self._parts() == other._parts()

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        parts = [repr(value) for value in self.args]
        parts += [f"{name}={value!r}" for name, value in self.kwargs.items()]
        parts += [f"expected={self.expected!r}"] if self.expects else []
        return f"Example({', '.join(parts)})"

    @property
    def expects(self) -> bool:
        """Whether something is expected."""
        return self.expected is not MISSING

    @property
    def answers(self) -> bool:
        """Whether what is expected is what a good output would be."""
        return self.expects

    @property
    def digest(self) -> str:
        """16 hex digits of its content, the same in every process."""
        expected = [self.expected] if self.expects else []
        return digest_of([list(self.args), dict(self.kwargs), expected])

    def _parts(self) -> tuple[Any, ...]:
        return self.args, self.kwargs, self.expected


class Case(Example):
    """An example that is given to the metric itself, beside what is judged; no answer to it is known.

    >>> Case("a ticket")
    Case('a ticket')
    """

    __slots__ = ()

    def __init__(self, item: Any) -> None:
        super().__init__(item, expected=item)

    def __repr__(self) -> str:
        return f"Case({self.args[0]!r})"

    @property
    def answers(self) -> bool:
        return False


def as_example(item: Any, where: str = "the data") -> Example:
    """One item of a user's data as an Example; raises OptimizerError that says which forms there are.

    A pair is (input, expected) with the input as the one argument. In a mapping, `inputs` that are a
    mapping are keyword arguments, a tuple is positional ones, anything else is the one argument.
    """
    if isinstance(item, Example):
        return item
    if isinstance(item, Mapping):
        return _from_mapping(item, where)
    if isinstance(item, tuple | list) and len(item) == 2:
        return Example(item[0], expected=item[1])
    raise OptimizerError(f"{where} is {_short(item)}: {FORMS}")


def _from_mapping(item: Mapping[str, Any], where: str) -> Example:
    unknown = set(item) - {"inputs", "expected"}
    if "inputs" not in item or unknown:
        keys = ", ".join(map(repr, item)) or "none"
        raise OptimizerError(f"{where} has the keys {keys}, not 'inputs' and 'expected': {FORMS}")
    inputs, expected = item["inputs"], item.get("expected", MISSING)
    if isinstance(inputs, Mapping):
        made = Example(**inputs)
        made.expected = expected
        return made
    return Example(*(inputs if isinstance(inputs, tuple) else (inputs,)), expected=expected)


def examples_of(data: Iterable[Any], split: str) -> tuple[Example, ...]:
    """The examples of a split; raises OptimizerError when there are none, or naming the bad one."""
    if isinstance(data, str | bytes | Mapping) or not isinstance(data, Iterable):
        raise OptimizerError(f"{split} is {_short(data)}: give a list of examples; {FORMS}")
    found = tuple(as_example(item, f"{split}[{place}]") for place, item in enumerate(data))
    if not found:
        raise OptimizerError(f"{split} has no examples; {FORMS}")
    return found


def digest_of_split(examples: Iterable[Example]) -> str:
    """16 hex digits that tell two splits apart."""
    return hashlib.sha256("".join(example.digest for example in examples).encode()).hexdigest()[:16]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
