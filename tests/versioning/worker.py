"""Run in a process of its own: the hashes, closures and results of cases that were written to folders."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any


@contextlib.contextmanager
def module_of(folder: Path, name: str) -> Iterator[ModuleType]:
    """The module of a case, imported from its folder; everything from there is forgotten afterwards."""
    sys.path.insert(0, str(folder))
    before = set(sys.modules)
    importlib.invalidate_caches()
    try:
        yield importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))
        forget(before, folder)


def forget(before: set[str], folder: Path | None) -> None:
    """Modules that came from a folder, or from no file at all, are imported anew by the next case."""
    for name in set(sys.modules) - before:
        module = sys.modules[name]
        file = getattr(module, "__file__", None)
        if file is None or (folder is not None and file.startswith(str(folder))):
            del sys.modules[name]


def target_of(module: ModuleType, attribute: str) -> Any:
    if hasattr(module, "__get_target__"):
        return module.__get_target__()
    found: Any = module
    for part in attribute.split("."):
        found = getattr(found, part)
    return found


def called(case: dict[str, Any], scope: dict[str, Any], target: Any = None) -> str:
    names = {} if target is None else {getattr(target, "__name__", "f"): target}
    if target is not None and case["target"].endswith(":f"):
        names = {"f": target}
    return repr(eval(case["call"], {**scope, **names}))


def looked_at(case: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The hash and closure of a case, what its call gives, and what became of them after a mutation."""
    from tracelib.versioning.closure import version_of

    name, _, attribute = case["target"].partition(":")
    with module_of(folder, name) as module:
        target = target_of(module, attribute)
        start = time.perf_counter()
        version = version_of(target)
        found: dict[str, Any] = {"hash": version.hash, "seconds": time.perf_counter() - start}
        found |= {"closure": version.closure, "why": version.why}
        if case["call"]:
            found["result"] = called(case, vars(module), target)
        if hasattr(module, "__mutate__"):
            module.__mutate__()
            found["mutated"] = version_of(target).hash
    return found


def executed(case: dict[str, Any], closure: str) -> str:
    """What the call gives when the closure's text alone is run."""
    before = set(sys.modules)
    scope: dict[str, Any] = {}
    try:
        exec(compile(closure, "<closure>", "exec", dont_inherit=True), scope)
        return called(case, scope)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    finally:
        forget(before, None)


def main(job: str, root: str) -> None:
    os.chdir(root)
    work = json.load(sys.stdin)
    if job == "look":
        found = {key: looked_at(case, Path(folder)) for key, (case, folder) in work.items()}
    else:
        found = {key: executed(case, closure) for key, (case, closure) in work.items()}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
