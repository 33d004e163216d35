"""What is paid before the first call: the import, the decoration, the files read, the size on disk."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import tracelib as trace
from benchmarks.harness import ROOT, Row, beyond_nothing, exactly, fresh, seconds, spread
from benchmarks.sizes import Size
from benchmarks.written import FUNCTIONS, LINES, written

THIRD_PARTIES = ("openai", "networkx", "sqlalchemy", "graphviz", "pydantic")

IMPORTS = {
    "import tracelib": "import tracelib",
    "import, all names of tracelib.graph": (
        "import tracelib.graph.bundle, tracelib.graph.graph, tracelib.graph.module, tracelib.graph.call"
    ),
    "import, a call and backward": (
        "import tracelib\n"
        "@tracelib.bundle\n"
        "def f(x): return x\n"
        "f(tracelib.node(1, trainable=True) + 1).backward('more')"
    ),
}

SPY = """
import importlib.util, sys
import tracelib
spec = importlib.util.spec_from_file_location("written", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
read, path = [], sys.argv[1]
sys.addaudithook(lambda event, args: read.append(args) if event == "open" and args[0] == path else None)
for i in range(20):
    f = getattr(module, f"f{i}")
    tracelib.bundle(f)(1)
    tracelib.bundle(f, trainable=True)
print(len(read))
"""


def decoration(size: Size) -> Iterator[Row]:
    """Decorating a function of a short and of a long file, and the first call; no source is read."""
    with tempfile.TemporaryDirectory() as folder:
        for lines in LINES:
            module = written(Path(folder) / f"lines{lines}.py", lines)
            file = f"file of {lines:,} lines"
            yield _decorating(f"decoration, {file}", "decoration", module, size, trace.bundle)
            yield _decorating(f"decoration, trainable, {file}", "decoration", module, size, _trainable)
            name = f"decoration and first call, {file}"
            yield _decorating(name, "decoration and call", module, size, _called)
        reads = int(fresh(SPY, str(Path(folder) / f"lines{LINES[-1]}.py"))[1])
        yield Row("decoration, reads of the source", "source reads", exactly(reads))


def _trainable(f: Callable[..., Any]) -> Any:
    return trace.bundle(f, trainable=True)


def _called(f: Callable[..., Any]) -> Any:
    return trace.bundle(f)(1)


def _decorating(name: str, goal: str, module: ModuleType, size: Size, decorate: Callable[..., Any]) -> Row:
    functions = [getattr(module, f"f{i}") for i in range(FUNCTIONS)]

    def decorate_all() -> list[Any]:
        return [decorate(f) for _ in range(size.decorations) for f in functions]

    decorate_all()
    spent = [seconds(decorate_all) / (size.decorations * FUNCTIONS) * 1e6 for _ in range(size.repeats)]
    return Row(name, goal, spread(spent))


def imports(size: Size) -> Iterator[Row]:
    """CPU of the import beyond `python -c pass` in fresh interpreters, and what it loads."""
    for name, code in IMPORTS.items():
        beyond, alone = beyond_nothing(code, size.interpreters)
        yield Row(name, "import", beyond, f"python -c pass: {alone:.0f} ms")
    for name, code in IMPORTS.items():
        loaded = _third_parties(code)
        yield Row(f"{name}: third parties", "third parties", exactly(len(loaded)), ", ".join(loaded))


def _third_parties(code: str) -> list[str]:
    tail = f"\nimport sys; print(*[m for m in {THIRD_PARTIES!r} if m in sys.modules])"
    return fresh(code + tail)[1].split()


def install_size() -> Iterator[Row]:
    """MiB that pip installs for tracelib with its required dependencies, bytecode not counted."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile"]
        subprocess.run([*pip, "--target", folder, str(ROOT)], check=True)
        sizes = _sizes(Path(folder))
    own = sizes.get("tracelib", 0) + sizes.get("optimizers", 0)
    largest = sorted(sizes.items(), key=lambda pair: -pair[1])[:4]
    note = ", ".join(f"{name} {size / 2**20:.1f}" for name, size in largest)
    yield Row("installed, tracelib and optimizers", "install size", exactly(own / 2**20))
    yield Row("installed, with dependencies", "install size", exactly(sum(sizes.values()) / 2**20), note)


def _sizes(folder: Path) -> dict[str, int]:
    """Bytes by top-level name."""
    found: dict[str, int] = {}
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            top = path.relative_to(folder).parts[0]
            found[top] = found.get(top, 0) + path.stat().st_size
    return found
