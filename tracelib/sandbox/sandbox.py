"""What a sandbox is: it runs a candidate's code on given values and tells what came of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

from tracelib.errors import SandboxStopped


@dataclass(frozen=True)
class SandboxLimits:
    """What one call may take: seconds of wall clock, bytes of memory, bytes of its result.

    `cpu` are the seconds of processor that a process may use in all, a bound for when nobody watches.
    """

    wall: float = 5.0
    memory: int = 512 * 2**20
    reply: int = 16 * 2**20
    cpu: int = 600


@dataclass(frozen=True)
class Code:
    """A function's new source and what it reaches, as text.

    `closures` are programs that define the rest; `source` is then run in the same names and defines
    `name`, as a method of the class `owner` where there is one. `file` is what its lines are known by in
    tracebacks. `tools` are names of functions that stay outside.
    """

    name: str
    source: str
    file: str
    closures: tuple[str, ...] = ()
    owner: str | None = None
    tools: tuple[str, ...] = ()

    @cached_property
    def key(self) -> str:
        """Equal for equal code: a process that has loaded it can be used again."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "source": self.source,
            "file": self.file,
            "closures": list(self.closures),
            "owner": self.owner,
            "tools": list(self.tools),
        }


@dataclass(frozen=True)
class Given:
    """The arguments of a call, and the values of names in the module, as they cross (see crossing.py)."""

    args: list[Any]
    kwargs: dict[str, Any]
    values: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"args": self.args, "kwargs": self.kwargs, "values": self.values}


@dataclass(frozen=True)
class Raised:
    """An exception inside: its class by name, its words, and (file, line, function) from the outside in.

    `args` are its arguments as they cross, None where they cannot.
    """

    kind: str
    said: str
    lines: tuple[tuple[str, int, str], ...] = ()
    args: Any = None

    @classmethod
    def of(cls, data: Any) -> Raised:
        lines = tuple((str(file), int(line), str(name)) for file, line, name in data["lines"])
        return cls(str(data["kind"]), str(data["said"]), lines, data.get("args"))


@dataclass(frozen=True)
class Said:
    """What a call came to: its value as it crosses, or what it raised; and what it printed.

    `changed` names the arguments that the code changed in place, which it had copies of.
    """

    value: Any = None
    error: Raised | None = None
    printed: str = ""
    changed: tuple[str, ...] = ()

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> Said:
        """Raises SandboxStopped for a message that is none of ours."""
        try:
            printed, changed = str(message["printed"]), tuple(map(str, message.get("changed", ())))
            if "error" in message:
                return cls(None, Raised.of(message["error"]), printed, changed)
            return cls(message["done"], None, printed, changed)
        except (KeyError, TypeError, ValueError) as error:
            raise SandboxStopped("the sandbox's process answered what is no message") from error


class Outside(Protocol):
    """Answers what code in a sandbox asks of the program outside: a tool's result, an attribute."""

    def answer(self, asked: Mapping[str, Any]) -> dict[str, Any]: ...


@runtime_checkable
class Sandbox(Protocol):
    """Runs code; safe to be used from many threads at once.

    Each `Code` has a state of its own, which its calls share and no other code sees. Raises
    SandboxStopped when a call was stopped or died, SandboxUnavailable when there is no sandbox.
    """

    @property
    def name(self) -> str: ...
    def run(self, code: Code, given: Given, outside: Outside) -> Said: ...
    def close(self) -> None: ...
