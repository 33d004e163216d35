"""Module files to measure on: of a given length, or with a given number of helpers."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

FUNCTIONS = 20
LINES = (50, 5_000)
"""Lines of the short and of the long file."""


def written(path: Path, lines: int) -> ModuleType:
    """A module file of so many lines with f0 ... f19 in it, imported."""
    functions = "".join(f"def f{i}(x):\n    return x\n" for i in range(FUNCTIONS))
    filling = (lines - 2 * FUNCTIONS) // 2
    rest = "".join(f"def filling{i}(x):\n    return x + {i}\n" for i in range(filling))
    return imported(path, rest + functions)


def helpers(count: int) -> str:
    """A module of small helpers and a function f that calls each of them."""
    parts = [
        f'def helper{i}(text):\n    """Helper {i}."""\n    parts = text.split("{i}")\n'
        f'    if len(parts) > {i}:\n        return " ".join(parts[:{i}])\n    return text.strip() + "{i}"\n'
        for i in range(count)
    ]
    calls = "".join(f"    x = helper{i}(x)\n" for i in range(count))
    return "\n\n".join([*parts, f"def f(x):\n{calls}    return x\n"])


def imported(path: Path, text: str) -> ModuleType:
    """A module file of that text, as old as if it had been there before this process, imported."""
    path.write_text(text)
    os.utime(path, (1e9, 1e9))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
