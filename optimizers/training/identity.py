"""What tells one run from another, the same in every process; and the meta-prompts it asks with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from optimizers.driving.addresses import code_version
from optimizers.driving.asking import Asking
from optimizers.evidence.display import shown

SHOWN = 400
"""Characters of one setting."""


def name_of(thing: Any) -> str:
    """A function's own name, else that of the class."""
    return getattr(thing, "__name__", None) or type(thing).__name__


def described(thing: Any) -> str:
    """A text that tells settings apart; parameters and models are left out."""
    if isinstance(thing, type) or not is_dataclass(thing):
        kind = thing if hasattr(thing, "__qualname__") else type(thing)
        return f"{kind.__module__}:{kind.__qualname__}"
    settings = {each.name: getattr(thing, each.name) for each in fields(thing) if each.name != "parameters"}
    said = ", ".join(f"{name}={shown(_plain(value), SHOWN)}" for name, value in settings.items())
    return f"{type(thing).__qualname__}({said})"


def versions_of(asking: Asking | None) -> dict[str, str]:
    """The version of the meta-prompt that each kind of request is asked with; "" is the run's own.

    A proposer that has none, such as one that asks no model, is called by its class.
    """
    if asking is None:
        return {}
    answering = {"": asking.proposer, **asking.others}
    return {
        kind: str(getattr(one, "version", None) or described(type(one)))
        for kind, one in answering.items()
        if one is not None
    }


def code_of(program: Any, metric: Any) -> dict[str, str]:
    """The versions of the code that is run, as hashes of all it reaches."""
    return {"program": code_version(program), "metric": code_version(metric)}


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return described(value)
    if isinstance(value, Mapping):
        return {str(getattr(key, "name", key)): _plain(item) for key, item in value.items()}
    return value
