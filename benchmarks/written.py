"""Module files of a given length, to decorate functions from."""

from __future__ import annotations

import importlib.util
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
    path.write_text(rest + functions)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
