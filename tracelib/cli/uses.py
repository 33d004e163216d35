"""Which recorded functions use which, by version: as a tree of lines, as objects, as a picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tracelib.cli.screen import Screen, styled
from tracelib.cli.tree import ASCII, LINES, Drawn
from tracelib.store.rows import StoredVersion
from tracelib.store.store import Store

Known = Mapping[tuple[str, str], StoredVersion]
"""Versions by name and hash."""


def newest(store: Store, which: str | None) -> list[StoredVersion]:
    """The version that is meant; without one the newest of every function, by name."""
    if which is not None:
        return [store.version(which)]
    found: dict[str, StoredVersion] = {}
    for version in store.versions():
        found.setdefault(version.name, version)
    return [found[name] for name in sorted(found)]


def known(store: Store) -> Known:
    """Every version; where a use names another module with the same code, such as the one that was started,
    it is found by the name within the module."""
    found: dict[tuple[str, str], StoredVersion] = {}
    for version in store.versions():
        found[version.name, version.id] = found[within(version.name), version.id] = version
    return found


def within(name: str) -> str:
    """A function's name without its module."""
    return name.rpartition(":")[2]


def print_uses(screen: Screen, store: Store, roots: Sequence[StoredVersion]) -> None:
    """Each version with what it uses below it; one that another of them uses is not at the top as well."""
    versions = known(store)
    used = {(within(name), hash) for root in roots for name, hash in root.uses}
    for root in roots:
        if (within(root.name), root.id) not in used or len(roots) == 1:
            for lead, text in tree(root, versions, LINES if screen.unicode else ASCII):
                screen.line(styled(lead, "dim"), styled(text))


def tree(root: StoredVersion, versions: Known, glyphs: Drawn) -> Iterator[tuple[str, str]]:
    """Lines of what a version uses; what is below itself already is named, and not followed again."""
    waiting: list[tuple[str, str, tuple[str, str], tuple[tuple[str, str], ...]]]
    waiting = [("", "", (root.name, root.id), ())]
    while waiting:
        lead, under, use, above = waiting.pop()
        found = versions.get(use) or versions.get((within(use[0]), use[1]))
        again = use in above
        yield lead, label(use, found) + (" (again)" if again else "")
        inner = found.uses if found is not None and not again else ()
        last = len(inner) - 1
        waiting += reversed(
            [
                (
                    under + (glyphs.last if at == last else glyphs.child),
                    under + (glyphs.after if at == last else glyphs.below),
                    below,
                    (*above, use),
                )
                for at, below in enumerate(inner)
            ]
        )


def label(use: tuple[str, str], found: StoredVersion | None) -> str:
    name, hash = use
    return f"{found.name}@{found.number}" if found is not None else f"{name} {hash} (never called)"


def as_objects(roots: Sequence[StoredVersion]) -> list[dict[str, object]]:
    return [
        {
            "id": root.id,
            "name": root.name,
            "number": root.number,
            "uses": [{"id": hash, "name": name} for name, hash in root.uses],
        }
        for root in roots
    ]
