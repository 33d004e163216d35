"""What a training or a state says that parameters are to become; knows no source."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tracelib.errors import StateError
from tracelib.graph.module import FORMAT
from tracelib.programs.places import PARTS

RESULT = "tracelib result 1"
"""The format of what a Trainer's result saves, whose room lies above this one."""


@dataclass(frozen=True)
class Change:
    """A parameter by its path, and what it is to become: JSON values, as results and states hold them.

    A state does not say what was before: then `dated` is false. `program` is whose parameter it is. One that
    `stays` is not written, and no other may be written where it begins.
    """

    path: str
    new: Any
    old: Any = None
    dated: bool = True
    program: str | None = None
    stays: bool = False

    def staying(self) -> Change:
        """The same parameter, left as it was."""
        return replace(self, new=self.old, stays=True)


def changes_of(content: Any) -> list[Change]:
    """What a result or a state says that parameters are to become; StateError where it is neither."""
    inner = content.get("training", content) if isinstance(content, Mapping) else content
    told = inner if isinstance(inner, Mapping) else {}
    if told.get("format") == RESULT:
        seed, best, programs = told["seed"], told["best"], told.get("programs", {})
        changed = {path for path in best if not same(best[path], seed[path])}
        # New code of a program brings a docstring of its own, which is not the one that was learned.
        changed |= {path for path in best if is_docstring(path) and whose(path) in changed}
        return [
            Change(path, best[path], seed[path], True, programs.get(path), path not in changed)
            for path in best
        ]
    if told.get("format") == FORMAT:
        return [Change(path, value, dated=False) for path, value in told["parameters"].items()]
    raise StateError("it is neither the result of a training nor a state of a program's parameters")


def is_docstring(path: str) -> bool:
    return path.rpartition(".")[2] in PARTS.values()


def whose(path: str) -> str:
    """The path of the function whose docstring it is."""
    return path.rpartition(".")[0]


def same(one: Any, other: Any) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
