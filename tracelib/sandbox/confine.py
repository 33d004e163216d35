"""The user's choice of where code that a model wrote runs, and how a Parameter's code is put there."""

from __future__ import annotations

import functools
import types
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tracelib.errors import SandboxError, SandboxWarning
from tracelib.graph.code import CodeSlot
from tracelib.graph.parameter import Parameter
from tracelib.graph.tracing import annotate
from tracelib.sandbox.choice import IN_PROCESS, sandbox_of
from tracelib.sandbox.runner import Place
from tracelib.sandbox.sandbox import Sandbox, SandboxLimits


@dataclass(frozen=True)
class Confinement:
    """Where code that a model wrote runs.

    `sandbox` is "auto" for the strongest that works on this machine, "process", "monty", or an object of
    your own; "in_process" runs it here, with all your rights. `tools` are functions that stay outside and
    that the code may call by their names, and methods of objects, which it may call on them; calls of
    recorded ones are recorded. `packages` are installed packages that it may import, `limits` what one call
    may take.

    >>> Confinement("process", packages=["numpy"], limits=SandboxLimits(wall=10)).sandbox
    'process'
    """

    sandbox: Sandbox | str = "auto"
    tools: Iterable[Callable[..., Any]] = ()
    packages: Iterable[str] = ()
    limits: SandboxLimits = field(default_factory=SandboxLimits)

    @functools.cached_property
    def runner(self) -> Place | InProcess:
        """Who runs it. Raises SandboxUnavailable, which says what to install or allow."""
        if self.sandbox == IN_PROCESS:
            return InProcess()
        bound = tuple(tool for tool in self.tools if _is_bound(tool))
        tools = {_name_of(tool): tool for tool in self.tools if not _is_bound(tool)}
        if isinstance(self.sandbox, str):
            return Place(sandbox_of(self.sandbox, tuple(self.packages), self.limits), tools, bound)
        return Place(self.sandbox, tools, bound)

    @property
    def name(self) -> str:
        """The name of the sandbox that is used, as results and stores tell it."""
        runner = self.runner
        return runner.sandbox.name if isinstance(runner, Place) else IN_PROCESS


Choice: TypeAlias = Confinement | Sandbox | str
"""What a user may say: a Confinement, a sandbox, or the name of one."""


def confinement_of(choice: Choice) -> Confinement:
    """The choice as a Confinement."""
    return choice if isinstance(choice, Confinement) else Confinement(choice)


def confine(parameter: Parameter[Any], source: str, choice: Choice = "auto") -> None:
    """Let this source of a code Parameter run where it was chosen, from now on; values need no place.

    Raises SandboxUnavailable where there is no such place.
    """
    if parameter._code is not None:
        parameter._code.confine(source, confinement_of(choice).runner)


def is_confined(parameter: Parameter[Any]) -> bool:
    """Whether the present value is code that a model wrote, which runs where it was confined."""
    return parameter._code is not None and parameter._code.confines(parameter._data)


@dataclass(frozen=True)
class InProcess:
    """Runs code that a model wrote as if the user had written it; says so, once, and in every call."""

    def __call__(self, slot: CodeSlot, source: str, function: types.FunctionType) -> Callable[..., Any]:
        _warn_once(slot.fn.__qualname__)
        return noted(function)


def noted(function: types.FunctionType) -> Callable[..., Any]:
    """The function; its calls say that it ran in this process."""

    @functools.wraps(function)
    def here(*args: Any, **kwargs: Any) -> Any:
        annotate(sandbox=IN_PROCESS)
        return function(*args, **kwargs)

    return here


@functools.cache
def _warn_once(name: str) -> None:
    warnings.warn(
        f"code of {name} that a model wrote runs in this process, with all its rights, "
        f"as sandbox={IN_PROCESS!r} allows",
        SandboxWarning,
        stacklevel=2,
    )


def by_default(slot: CodeSlot, source: str, function: types.FunctionType) -> Callable[..., Any]:
    """For learned code that came from elsewhere, as in a pickle: the strongest sandbox that works here."""
    return Confinement().runner(slot, source, function)


def _is_bound(tool: Any) -> bool:
    owner = getattr(tool, "__self__", None)
    return owner is not None and not isinstance(owner, types.ModuleType)


def _name_of(tool: Callable[..., Any]) -> str:
    name = getattr(tool, "__name__", None) or getattr(getattr(tool, "op", None), "name", None)
    if not isinstance(name, str) or not name.isidentifier():
        raise SandboxError(f"a tool is called by its name, and {tool!r:.100} has none: wrap it in a def")
    return name
