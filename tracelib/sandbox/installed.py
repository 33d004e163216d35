"""Where installed packages lie, with what they need; nothing is imported to find out."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, packages_distributions, requires

from tracelib.errors import SandboxUnavailable

NAME = re.compile(r"[A-Za-z0-9._-]+")


def homes_of(packages: Sequence[str]) -> list[str]:
    """The folders and files of these packages and of what they require; raises SandboxUnavailable."""
    if not packages:
        return []
    modules = packages_distributions()
    wanted = _with_required([one for name in packages for one in modules.get(name, [])])
    names = [*packages, *(name for name, found in modules.items() if wanted.intersection(map(_plain, found)))]
    return [home for name in dict.fromkeys(names) for home in _homes(name, name in packages)]


def _with_required(distributions: Iterable[str]) -> set[str]:
    """The names of distributions and of all they require, but for extras."""
    found: set[str] = set()
    waiting = [*map(_plain, distributions)]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        try:
            needed = requires(name) or []
        except PackageNotFoundError:
            continue
        waiting += [_plain(NAME.match(one)[0]) for one in needed if "extra ==" not in one]  # type: ignore[index]
    return found


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _homes(name: str, asked: bool) -> list[str]:
    spec = importlib.util.find_spec(name)
    if spec is None:
        if asked:
            raise SandboxUnavailable(f"the package {name!r} is not installed, so a sandbox cannot have it")
        return []
    if spec.submodule_search_locations:
        return [*spec.submodule_search_locations]
    return [spec.origin] if spec.has_location and spec.origin else []
