"""Which sandbox code runs in: the strongest that works on this machine, one by name, or one that was made."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, TypeAlias

from tracelib.errors import SandboxUnavailable
from tracelib.sandbox.monty import MontySandbox
from tracelib.sandbox.process import ProcessSandbox
from tracelib.sandbox.sandbox import Sandbox

IN_PROCESS = "in_process"
KINDS: dict[str, Any] = {"process": ProcessSandbox, "monty": MontySandbox}
"""The sandboxes by name, the strongest first."""

Choice: TypeAlias = Sandbox | str
"""A sandbox, the name of one, "auto" for the strongest that works here, or "in_process" for none."""


@dataclass(frozen=True)
class Level:
    """One sandbox on this machine: what confines it, or why it does not work here."""

    name: str
    confined_by: str = ""
    missing: str | None = None


def levels() -> tuple[Level, ...]:
    """Every sandbox there is, the strongest first, as it stands on this machine."""
    return tuple(map(_level, KINDS))


def _level(name: str) -> Level:
    missing = KINDS[name].missing()
    return Level(name, "" if missing else KINDS[name].level(), missing)


def sandbox_of(choice: Choice) -> Sandbox | None:
    """The sandbox that is meant; None for "in_process".

    Raises SandboxUnavailable, which says what to install or allow, where it does not work.
    """
    if not isinstance(choice, str):
        return choice
    if choice == IN_PROCESS:
        return None
    if choice == "auto":
        return _made(_strongest())
    if choice not in KINDS:
        names = ", ".join(map(repr, ("auto", *KINDS, IN_PROCESS)))
        raise SandboxUnavailable(f"there is no sandbox {choice!r}; there are {names}")
    missing = KINDS[choice].missing()
    if missing:
        raise SandboxUnavailable(f"the sandbox {choice!r} does not work here: {missing}")
    return _made(choice)


def _strongest() -> str:
    found = levels()
    for level in found:
        if level.missing is None:
            return level.name
    reasons = "\n".join(f"- {level.name}: {level.missing}" for level in found)
    raise SandboxUnavailable(
        f"code that a model wrote runs in a sandbox, and none works on this machine:\n{reasons}\n"
        f"Or allow it to run in this process, with all your rights: sandbox={IN_PROCESS!r}."
    )


@functools.cache
def _made(name: str) -> Sandbox:
    made: Sandbox = KINDS[name]()
    return made
