"""Modules written for a test, imported, and forgotten again."""

from __future__ import annotations

import importlib
import itertools
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from tracelib.versioning import Version, version_of

_numbers = itertools.count()


def write(folder: Path, text: str, name: str = "written") -> Path:
    path = folder / f"{name}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def module(folder: Path, text: str, old: bool = False, **others: str) -> ModuleType:
    """A module of that text under a name of its own; `old` files were written before this process began."""
    name = f"written{next(_numbers)}"
    for other, content in others.items():
        write(folder, content, other)
        sys.modules.pop(other, None)
    path = write(folder, text, name)
    if old:
        os.utime(path, (1e9, 1e9))
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))


def version(folder: Path, text: str, target: str = "f", **others: str) -> Version:
    """The version of a function of a module of that text."""
    return version_of(getattr(module(folder, text, **others), target))


def ran(version: Version, expression: str = "f()") -> Any:
    """What an expression gives after the closure alone was run."""
    scope: dict[str, Any] = {}
    exec(compile(version.closure, "<closure>", "exec", dont_inherit=True), scope)
    return eval(expression, scope)
