"""A program, its metric and some examples as JSON, and the evaluator made of them in another process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from math import isfinite
from typing import Any

from optimizers.candidate import canonical
from optimizers.driving.addresses import Code, address_of, found_at
from optimizers.evaluating.dataset import MISSING, Case, Example
from optimizers.evaluating.subject import Subject, program_parameters
from optimizers.evidence.naming import value_of
from tracelib.errors import OptimizerError, StateError
from tracelib.graph.constraint import encode
from tracelib.graph.parameter import Parameter
from tracelib.sandbox.confine import Confinement, is_confined
from tracelib.sandbox.sandbox import SandboxLimits

EXAMPLES = (
    "write it as a list, a dict or a text; or give the program a key, such as a path, and let it load the "
    "rest; or use threads"
)


def program_to_json(program: Any, metric: Any, trained: Mapping[str, Parameter[Any]]) -> dict[str, Any]:
    """How both are found, where each trained parameter is, the values of the others, and learned code.

    Raises OptimizerError that says what another process could not find, or not hold.
    """
    own = program_parameters(program)
    paths = {id(parameter): path for path, parameter in own.items()}
    mine = {id(parameter) for parameter in trained.values()}
    return {
        "program": _made(program, "program"),
        "metric": _made(metric, "metric"),
        "trained": {name: _place(name, one, paths) for name, one in trained.items()},
        "others": {path: _value(path, one) for path, one in own.items() if id(one) not in mine},
        "learned": {path: value_of(one) for path, one in {**own, **trained}.items() if is_confined(one)},
    }


def example_to_json(example: Example, where: str) -> dict[str, Any]:
    """An example as it comes back the same; raises OptimizerError for what JSON would not give back."""
    parts = {"args": list(example.args), "kwargs": dict(example.kwargs)}
    parts = {**parts, "expected": example.expected} if example.expects else parts
    for name, value in parts.items():
        odd = next(_odd(value), None)
        if odd is not None:
            raise OptimizerError(
                f"{where} has a {type(odd).__name__} among its {name}, {odd!r:.80}, which JSON does not give "
                f"back as it is, so it cannot go to another process: {EXAMPLES}"
            )
    return {**parts, "answers": example.answers}


def example_from_json(data: Mapping[str, Any]) -> Example:
    if not data["answers"] and "expected" in data:
        return Case(data["expected"])
    made = Example(*data["args"], **data["kwargs"])
    made.expected = data.get("expected", MISSING)
    return made


def thing_from_json(data: Mapping[str, Any]) -> Any:
    """The program or metric in this process: found by its name, or made by its recipe, once."""
    found = Code(data["at"], data["version"]).found()
    return found if data["arguments"] is None else _by_recipe(canonical(dict(data)))


@lru_cache(maxsize=16)
def _by_recipe(told: str) -> Any:
    data = json.loads(told)
    return Code(data["at"], data["version"]).found()(**data["arguments"])


def parameter_at(place: str, own: Mapping[str, Parameter[Any]]) -> Parameter[Any]:
    """A parameter by its path in the program, or by where it stands in a module."""
    if ":" not in place:
        return own[place]
    found: Parameter[Any] = found_at(place)
    return found


def _made(thing: Any, what: str) -> dict[str, Any]:
    recipe = getattr(thing, "recipe", None)
    if recipe is None or address_of(thing) is not None:
        code = Code.of(thing, what)
        return {"at": code.at, "version": code.version, "arguments": None}
    at, arguments = recipe()
    code = Code.here(at)
    canonical(arguments)  # raises where JSON cannot hold them
    return {"at": code.at, "version": code.version, "arguments": arguments}


def _place(name: str, parameter: Parameter[Any], paths: Mapping[int, str]) -> str:
    place = paths.get(id(parameter)) or address_of(parameter)
    if place is None:
        raise OptimizerError(
            f"{name} is not part of the program, so another process would not see its values: hold it in a "
            "Module, bind it to a name at the top of a module, or use threads"
        )
    return place


def _value(path: str, parameter: Parameter[Any]) -> Any:
    try:
        return encode(value_of(parameter))
    except StateError as error:
        raise OptimizerError(f"{path} cannot go to another process: {error}") from error


def _odd(value: Any) -> Any:
    """The parts of a value that JSON would not give back as they are."""
    if type(value) is dict:
        for key, item in value.items():
            yield from [] if type(key) is str else [key]
            yield from _odd(item)
    elif type(value) is list:
        for item in value:
            yield from _odd(item)
    elif not (value is None or type(value) in (str, int, bool) or (type(value) is float and isfinite(value))):
        yield value


def confinement_to_json(subject: Subject) -> dict[str, Any] | None:
    """Where proposed code runs, as another process can make it again; None where it is the user's own."""
    chosen = subject.confinement
    if chosen is None or not subject.has_code:
        return None
    if not isinstance(chosen.sandbox, str):
        raise OptimizerError(
            f"a sandbox of your own, {chosen.sandbox!r:.80}, cannot be made in another process: name one, or "
            "use threads"
        )
    return {
        "sandbox": chosen.sandbox,
        "tools": [asdict(Code.of(tool, "tool")) for tool in chosen.tools],
        "packages": list(chosen.packages),
        "limits": asdict(chosen.limits),
    }


def confinement_from_json(data: Mapping[str, Any] | None) -> Confinement | None:
    """Where proposed code runs in this process."""
    if data is None:
        return None
    tools = [Code(**tool).found() for tool in data["tools"]]
    return Confinement(data["sandbox"], tools, data["packages"], SandboxLimits(**data["limits"]))
