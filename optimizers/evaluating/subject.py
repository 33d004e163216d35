"""What is trained: some parameters of a program by name, their values as candidates, and back."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from optimizers.candidate import Candidate, canonical
from optimizers.evidence.naming import free_name, named, value_of
from tracelib.errors import ConstraintError, OptimizerError, StateError
from tracelib.graph.constraint import decode, encode
from tracelib.graph.parameter import Parameter
from tracelib.graph.tracing import Update
from tracelib.modules import importable
from tracelib.sandbox.confine import Confinement, confine

ATOMS = (str, int, float, bool, bytes, type(None))
REMEMBERED = 64


def program_parameters(program: Any) -> dict[str, Parameter[Any]]:
    """The parameters a program holds, by path; none for a plain function, which may still use some."""
    while isinstance(program, functools.partial):
        program = program.func
    found: dict[str, Parameter[Any]] = {}
    for holder in (getattr(program, "__self__", None), program):
        own = getattr(holder, "named_parameters", None)
        if own is not None and not isinstance(holder, type):
            found.update(own())
    return found


def home_of(program: Any) -> str:
    """A function, or the class of an object that is called, as "module:qualname"."""
    while isinstance(program, functools.partial):
        program = program.func
    named = program if hasattr(program, "__qualname__") else type(program)
    return f"{importable(named.__module__)}:{named.__qualname__}"


def given_parameters(program: Any, given: Any, owner: str) -> dict[str, Parameter[Any]]:
    """The parameters an optimizer was given, by their path in the program, else by name; None gives all.

    Raises OptimizerError when there is none.
    """
    own = program_parameters(program)
    if given is None:
        if not own:
            raise OptimizerError(
                f"{owner} has no parameters to train: the program holds none (node(..., trainable=True), "
                "@bundle(trainable=True) in a Module), and none were given"
            )
        return own
    if isinstance(given, Mapping):
        return named(given, owner)
    paths = {id(parameter): path for path, parameter in own.items()}
    found: dict[str, Parameter[Any]] = {}
    for one in named(given, owner).values():
        found[free_name(paths.get(id(one), one.name), found)] = one
    return found


@dataclass(frozen=True)
class Subject:
    """Parameters by the path that candidates call them.

    Candidates hold JSON values; `values` gives them as the parameters would hold them. Code that is not
    what a parameter holds already runs where `confinement` says; None lets it run as the user's own.
    """

    parameters: Mapping[str, Parameter[Any]]
    confinement: Confinement | None = field(default_factory=Confinement)

    def start(self) -> Candidate:
        """The present values; raises OptimizerError naming a value that has no JSON form."""
        values = {}
        for path, parameter in self.parameters.items():
            try:
                values[path] = encode(value_of(parameter))
                canonical(values[path])
            except (StateError, OptimizerError) as error:
                raise OptimizerError(
                    f"{path} cannot be trained, its value has no JSON form: {error}. Hold it in a pydantic "
                    "model or dataclass, or leave it out of the optimizer's parameters"
                ) from error
        return Candidate(values)

    def check(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values as JSON, each accepted by its parameter; raises ConstraintError with the reason."""
        return {path: encode(self._decoded(path, value)) for path, value in values.items()}

    def values(self, candidate: Candidate) -> dict[Parameter[Any], Any]:
        """What to bind for a run of the candidate; raises ConstraintError."""
        return {self.parameters[path]: self._decoded(path, value) for path, value in candidate.values.items()}

    def apply(
        self, seed: Candidate, winner: Candidate, by: str, score: float | None = None
    ) -> tuple[Update, ...]:
        """Give the parameters the winner's values: those that the seed does not have, all or none."""
        changes = {path: self._decoded(path, value) for path, value in winner.changed_from(seed).items()}
        done: list[Update] = []
        try:
            for path, value in changes.items():
                done.append(self.parameters[path].update(value, winner.note, by, score))
        except ConstraintError:
            for update in reversed(done):
                update.parameter.restore(update.old, "the rest of the winner was refused", by)
            raise
        return tuple(done)

    @property
    def has_code(self) -> bool:
        return any(parameter.is_code for parameter in self.parameters.values())

    def _decoded(self, path: str, value: Any) -> Any:
        if path not in self.parameters:
            known = ", ".join(self.parameters)
            raise ConstraintError(f"there is no parameter {path!r} to train; there are {known}", None, value)
        parameter = self.parameters[path]
        decoded = decode(parameter, value)
        if parameter.is_code and self.confinement is not None and decoded != value_of(parameter):
            confine(parameter, decoded, self.confinement)
        return decoded


class Bindings:
    """What to bind for each candidate, made once where the values cannot be changed in place."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._made: dict[str, dict[Parameter[Any], Any]] = {}

    def of(self, candidate: Candidate) -> dict[Parameter[Any], Any]:
        found = self._made.get(candidate.id)
        if found is None:
            found = self._subject.values(candidate)
            if all(type(value) in ATOMS for value in found.values()):
                if len(self._made) >= REMEMBERED:
                    self._made.clear()
                self._made[candidate.id] = found
        return found
