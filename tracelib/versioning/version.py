"""A version: the lexical closure of a function as it is kept, compared and shown. Knows no live object."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Part:
    """One definition of a closure.

    `kind` is function, class, value, constant, import, live (a value that no statement defines) or
    opaque (code without text). `digest` is of its canonical text: equal for all ways to write it.
    `uses` are the names it uses other parts under, and `to` the places of these in the version's
    parts. The first part of a version is the function itself.
    """

    name: str
    module: str
    kind: str
    text: str
    digest: str
    uses: tuple[str, ...] = ()
    to: tuple[int, ...] = ()


@dataclass(frozen=True)
class Use:
    """A recorded function that a closure reaches: a bundle or a language model program."""

    name: str
    hash: str


@dataclass(frozen=True)
class Version:
    """A function's lexical closure.

    `hash` is equal for equal code wherever it stands; `name` is "module:qualname". `source` is the
    function's own text with its decorators, `dependencies` the rest of the closure's: together, as
    `closure`, they reproduce the function in a fresh interpreter. `libraries` are the installed
    distributions it reaches, with their versions. A `partial` version says in `why` what could not
    be seen. `state` names the (module, name) pairs whose values change while the program runs.
    Texts and values are redacted and cut; nothing in here is a live object.
    """

    hash: str
    name: str
    source: str
    dependencies: str = ""
    parts: tuple[Part, ...] = ()
    uses: tuple[Use, ...] = ()
    libraries: Mapping[str, str] = field(default_factory=dict)
    partial: bool = False
    why: tuple[str, ...] = ()
    free_values: Mapping[str, Any] = field(default_factory=dict)
    global_values: Mapping[str, Any] = field(default_factory=dict)
    state: tuple[tuple[str, str], ...] = ()
    source_at: int = 0
    suffix: str = ""  # the way from the first part to what was asked for inside it, as of a method

    @property
    def closure(self) -> str:
        """Source that, run alone, defines the function."""
        before, after = self.dependencies[: self.source_at], self.dependencies[self.source_at :]
        return "\n\n".join(part.strip("\n") for part in (before, self.source, after) if part) + "\n"

    @property
    def qualname(self) -> str:
        """The function's name without its module."""
        return self.name.partition(":")[2]

    @property
    def module(self) -> str:
        return self.name.partition(":")[0]

    def to_json(self) -> dict[str, Any]:
        """A JSON value that `from_json` reads."""
        return {**dataclasses.asdict(self), "libraries": dict(self.libraries)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Version:
        """What `to_json` wrote, also after a way through JSON text."""
        parts = tuple(
            Part(**{**part, "uses": tuple(part["uses"]), "to": tuple(part["to"])}) for part in value["parts"]
        )
        return cls(
            **{
                **value,
                "parts": parts,
                "uses": tuple(Use(**use) for use in value["uses"]),
                "why": tuple(value["why"]),
                "state": tuple((module, name) for module, name in value["state"]),
            }
        )
