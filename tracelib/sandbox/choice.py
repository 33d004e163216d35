"""Which sandbox code runs in: the strongest that works on this machine, one by name, or one that was made."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tracelib.errors import SandboxError, SandboxUnavailable
from tracelib.sandbox.monty import MontySandbox
from tracelib.sandbox.process import ProcessSandbox
from tracelib.sandbox.sandbox import Code, Given, Sandbox, SandboxLimits

IN_PROCESS = "in_process"
KINDS: dict[str, Any] = {"process": ProcessSandbox, "monty": MontySandbox}
"""The sandboxes by name, the strongest first."""


@dataclass(frozen=True)
class Level:
    """One sandbox on this machine: what confines it, or why it does not work here."""

    name: str
    confined_by: str = ""
    missing: str | None = None


def levels() -> tuple[Level, ...]:
    """Every sandbox there is, the strongest first, as it stands on this machine; each is tried, once."""
    return tuple(map(level_of, KINDS))


@functools.cache
def level_of(name: str) -> Level:
    """A sandbox as it stands on this machine; it is tried, once."""
    missing = KINDS[name].missing() or _trouble(KINDS[name]())
    return Level(name, "" if missing else KINDS[name].level(), missing)


def _trouble(sandbox: Sandbox) -> str | None:
    """Why a sandbox that should work does not, as in a container that forbids what it needs."""
    try:
        said = sandbox.run(Code("trial", "def trial(): return 1", "<trial>"), Given([], {}), Nothing())
    except SandboxError as error:
        return str(error)
    finally:
        sandbox.close()
    return None if said.value == 1 else f"a trial gave {said}"


class Nothing:
    """An outside that answers nothing."""

    def answer(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        return {"error": "there is nothing to ask"}


def sandbox_of(name: str, packages: tuple[str, ...], limits: SandboxLimits) -> Sandbox:
    """The sandbox of that name, the same one each time it is asked for.

    Raises SandboxUnavailable, which says what to install or allow, where it does not work.
    """
    if name == "auto":
        name = _strongest()
    if name not in KINDS:
        names = ", ".join(map(repr, ("auto", *KINDS, IN_PROCESS)))
        raise SandboxUnavailable(f"there is no sandbox {name!r}; there are {names}")
    missing = level_of(name).missing
    if missing:
        raise SandboxUnavailable(f"the sandbox {name!r} does not work here: {missing}")
    return _made(name, packages, limits)


def _strongest() -> str:
    for name in KINDS:
        if level_of(name).missing is None:
            return name
    reasons = "\n".join(f"- {level.name}: {level.missing}" for level in levels())
    raise SandboxUnavailable(
        f"code that a model wrote runs in a sandbox, and none works on this machine:\n{reasons}\n"
        f"Or allow it to run in this process, with all your rights: sandbox={IN_PROCESS!r}."
    )


@functools.cache
def _made(name: str, packages: tuple[str, ...], limits: SandboxLimits) -> Sandbox:
    made: Sandbox = KINDS[name](packages, limits)
    return made
