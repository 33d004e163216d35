"""Where a module comes from: the user's own code, an installed distribution, or Python itself.

Nothing is imported and no code of the user's runs: modules are read through their dicts, files that are
not loaded yet are found by Python's own path search.
"""

from __future__ import annotations

import functools
import importlib.machinery
import importlib.metadata
import os
import site
import sys
import sysconfig
import types
from typing import Any

LOCAL, INSTALLED, PYTHON = "local", "installed", "python"

RECORDERS = ("tracelib", "optimizers")
"""Installed code that counts by name only: a new release of the recorder makes no new versions."""

_module_type: Any = types.ModuleType
_dict_of = _module_type.__dict__["__dict__"].__get__


def is_module(value: Any) -> bool:
    return issubclass(type(value), types.ModuleType)


def namespace_of(module: types.ModuleType) -> dict[str, Any]:
    """The dict of a module, past whatever a lazy module does on access."""
    found: dict[str, Any] = _dict_of(module)
    return found


def loaded(name: str) -> types.ModuleType | None:
    """The loaded module of that name."""
    found = sys.modules.get(name)
    return found if found is not None and is_module(found) else None


def plain_string(value: Any) -> str | None:
    """The value where it is exactly a str: a subclass may run code."""
    return value if type(value) is str else None


def file_of(namespace: dict[str, Any]) -> str | None:
    return plain_string(namespace.get("__file__"))


def place(name: str, namespace: dict[str, Any] | None, file: str | None = None) -> str:
    """LOCAL, INSTALLED or PYTHON for the module of that name; its file decides where it has one."""
    top = name.partition(".")[0]
    if top in RECORDERS:
        return INSTALLED
    file = file or (file_of(namespace) if namespace is not None else None)
    if file is not None:
        return place_of_file(file)
    if top in sys.builtin_module_names or (top in sys.stdlib_module_names and top != "__main__"):
        return PYTHON
    search = None if namespace is None else namespace.get("__path__")
    folders = [p for p in _folders(search) if type(p) is str]
    return place_of_file(folders[0]) if folders else LOCAL


def _folders(search: Any) -> list[Any]:
    if type(search) is list:
        return search
    inner = getattr(search, "_path", None) if type(search).__name__ == "_NamespacePath" else None
    return inner if type(inner) is list else []


@functools.lru_cache(maxsize=4096)
def place_of_file(file: str) -> str:
    path = os.path.abspath(file)
    parts = path.split(os.sep)
    if "site-packages" in parts or "dist-packages" in parts:
        return INSTALLED
    if path.startswith("<frozen"):
        return PYTHON
    if any(path.startswith(folder) for folder in _installed()):
        return INSTALLED
    return PYTHON if any(path.startswith(folder) for folder in _python()) else LOCAL


@functools.cache
def _installed() -> tuple[str, ...]:
    found = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), site.getusersitepackages()]
    return tuple(dict.fromkeys(os.path.join(os.path.abspath(p), "") for p in found if p))


@functools.cache
def _python() -> tuple[str, ...]:
    found = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), os.path.dirname(os.__file__)]
    return tuple(dict.fromkeys(os.path.join(os.path.abspath(p), "") for p in found if p))


@functools.cache
def distribution(top: str) -> tuple[str, str] | None:
    """The installed distribution that a top-level module belongs to, and its version."""
    try:
        found = importlib.metadata.distribution(top)
        return found.name, found.version
    except (importlib.metadata.PackageNotFoundError, ValueError):
        names = _distributions().get(top)
    if not names:
        return None
    return names[0], importlib.metadata.version(names[0])


@functools.cache
def _distributions() -> dict[str, list[str]]:
    return {top: sorted(set(names)) for top, names in importlib.metadata.packages_distributions().items()}


def absolute(module: str, level: int, package: str) -> str:
    """The full name of what `from ..module import x` names inside a package."""
    if not level:
        return module
    parts = package.split(".")
    base = ".".join(parts[: len(parts) - level + 1])
    return f"{base}.{module}" if module else base


def file_unloaded(name: str) -> tuple[str, bool] | None:
    """The file of a module that nobody has imported yet, and whether it is a package; no code runs."""
    search: Any = None
    spec = None
    parts = name.split(".")
    for depth in range(len(parts)):
        whole = ".".join(parts[: depth + 1])
        try:
            spec = importlib.machinery.PathFinder.find_spec(whole, search)
        except (ImportError, OSError, ValueError, AttributeError):
            return None
        if spec is None:
            return None
        search = spec.submodule_search_locations
    if spec is None or spec.origin is None or not spec.has_location:
        return None
    return spec.origin, search is not None
