"""Objects by where they are found: `module:qualname`, with the version of their code; for other processes."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tracelib.errors import OptimizerError
from tracelib.modules import importable, loaded
from tracelib.versioning.closure import version_of

WAYS_OUT = (
    "bind it to a name at the top of a module that the workers can import, give it a method "
    'recipe() -> ("module:function", {arguments as JSON}) that says how it is made, or use threads'
)


@dataclass(frozen=True)
class Code:
    """Where an object is found, and which version its code has here."""

    at: str
    version: str

    @classmethod
    def of(cls, thing: Any, what: str) -> Code:
        """Raises OptimizerError, which calls it `what`, for an object that no name leads to."""
        at = address_of(thing)
        if at is not None and at.startswith("__main__:"):
            raise OptimizerError(
                f"the {what} {at.removeprefix('__main__:')} was defined in a notebook or at a prompt, where "
                "another process cannot find it: put it into a file and import it, or use threads"
            )
        if at is None:
            raise OptimizerError(f"the {what} cannot be found by another process, {thing!r:.200}: {WAYS_OUT}")
        return cls(at, code_version(thing))

    @classmethod
    def here(cls, at: str) -> Code:
        """What this process has at an address; raises OptimizerError where that is nothing."""
        return cls(at, code_version(found_at(at)))

    def found(self) -> Any:
        """The object in this process; raises OptimizerError where it is not there, or is other code."""
        thing = found_at(self.at)
        there = code_version(thing)
        if there != self.version:
            raise OptimizerError(
                f"a worker has other code of {self.at}: {there} there, {self.version} here. Give it the "
                "same files and the same versions of installed packages, and start it again"
            )
        return thing


def address_of(thing: Any) -> str | None:
    """`module:qualname`, for what is found there; None for what has no name at the top of a module."""
    owner = getattr(thing, "__self__", None)
    if owner is not None and hasattr(thing, "__name__") and not isinstance(owner, type(sys)):
        behind = address_of(owner)
        return None if behind is None else f"{behind}.{thing.__name__}"
    return next((at for at in _claims(thing) if _leads_to(at, thing)), None)


def _claims(thing: Any) -> Iterator[str]:
    """Where it says that it is, then where it stands: beside its class, in the program started, elsewhere."""
    module, qualname = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
    if isinstance(module, str) and isinstance(qualname, str):
        yield f"{importable(module)}:{qualname}"
    for name in dict.fromkeys([type(thing).__module__, "__main__", *list(sys.modules)]):
        held = getattr(sys.modules.get(name), "__dict__", {})
        yield from (f"{importable(name)}:{key}" for key, value in list(held.items()) if value is thing)


def _leads_to(at: str, thing: Any) -> bool:
    module, _, qualname = at.partition(":")
    found = loaded(module)
    for name in qualname.split("."):
        found = getattr(found, name, None) if name != "<locals>" else None
    return found is thing


@lru_cache(maxsize=64)
def found_at(at: str) -> Any:
    """The object at an address in this process; raises OptimizerError where there is none."""
    module, _, qualname = at.partition(":")
    try:
        found: Any = loaded(module) or importlib.import_module(module)
        for name in qualname.split("."):
            found = getattr(found, name)
    except (ImportError, AttributeError) as error:
        raise OptimizerError(
            f"a worker cannot find {at} ({error}): start it where {module!r} can be imported"
        ) from error
    return found


def code_version(thing: Any) -> str:
    """The version of its code here; of an object that is called that of its class, without its state."""
    coded = hasattr(thing, "__qualname__") or hasattr(thing, "__self__") or hasattr(thing, "func")
    return version_of(thing if coded else type(thing)).hash
