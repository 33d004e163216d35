"""A text, a config or any other value as a program, whose output is the value itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from optimizers.evaluating.dataset import Case, Example
from optimizers.evidence.naming import named
from tracelib.errors import OptimizerError
from tracelib.graph.bundle import bundle
from tracelib.graph.constraint import encode
from tracelib.graph.node import Node, node
from tracelib.graph.parameter import Parameter

TEXT = "text"
"""What the parameter of a text is called."""


@bundle
def candidate(value: Any, *example: Any) -> Any:
    """What is judged, and the example it is judged on."""
    return value


class Held:
    """Parameters that are judged as they are: one alone by its value, several as a dict of theirs.

    `fixed` are entries of the dict that are not trained.
    """

    def __init__(
        self, parameters: Mapping[str, Parameter[Any]], alone: bool, fixed: Mapping[str, Any] | None = None
    ) -> None:
        self._parameters = dict(parameters)
        self._alone = alone
        self._fixed = dict(fixed or {})

    def named_parameters(self) -> dict[str, Parameter[Any]]:
        return dict(self._parameters)

    def __call__(self, *example: Any) -> Any:
        whole = {**self._fixed, **self._parameters}
        return candidate(next(iter(whole.values())) if self._alone else whole, *example)

    def recipe(self) -> tuple[str, dict[str, Any]]:
        """How another process makes it; raises OptimizerError for values that JSON does not give back."""
        values = {path: one.data for path, one in self._parameters.items()}
        fixed = {key: one.data for key, one in self._fixed.items()}
        for path, value in {**values, **fixed}.items():
            if encode(value) != value:
                raise OptimizerError(
                    f"{path} is {value!r:.80}, which cannot go to another process: use threads"
                )
        return f"{__name__}:{remade.__name__}", {"values": values, "fixed": fixed, "alone": self._alone}


def remade(values: Mapping[str, Any], fixed: Mapping[str, Any], alone: bool) -> Held:
    """What `Held.recipe` told of; a value has been checked where its constraint is."""
    made = {path: Parameter(value, path) for path, value in values.items()}
    return Held(made, alone, {key: node(value) for key, value in fixed.items()})


def held(what: Any, description: str | None = None) -> Held:
    """A text, a dict, a list or a parameter as a program; raises OptimizerError for anything else.

    Each entry of a dict is a parameter: its own where it is one, which may have a constraint; a node that
    is none stays as it is. `description` is what a model is told of a text.
    """
    if isinstance(what, Parameter):
        return Held(named([what], "optimize"), alone=True)
    if isinstance(what, Mapping):
        return _config(what)
    if isinstance(what, str | list):
        return Held({TEXT: Parameter(what, TEXT, description=description)}, alone=True)
    raise OptimizerError(
        f"{what!r:.200} cannot be optimized: give a program, a text, a dict of values, or a parameter"
    )


def cases(examples: Iterable[Any] | None) -> list[Example]:
    """What the metric hears beside the value, each as an example; one that is empty where there are none."""
    return [Example()] if examples is None else [Case(item) for item in examples]


def _config(config: Mapping[Any, Any]) -> Held:
    if not config or not all(isinstance(key, str) for key in config):
        raise OptimizerError(f"a config is a dict with texts as keys, not {config!r:.200}")
    fixed = {
        key: value
        for key, value in config.items()
        if isinstance(value, Node) and not isinstance(value, Parameter)
    }
    made = {
        key: value if isinstance(value, Parameter) else Parameter(value, key)
        for key, value in config.items()
        if key not in fixed
    }
    return Held(made, alone=False, fixed=fixed)
