"""`tracelib log`: versions as a commit log."""

from __future__ import annotations

import click
from rich.text import Text

from tracelib.cli.diff import print_marked
from tracelib.cli.opening import as_json, limited, of_store, opened
from tracelib.cli.screen import Screen, note, styled
from tracelib.cli.units import counted, moment
from tracelib.store.rows import StoredVersion
from tracelib.store.store import Store

DIGITS = 12
"""Of a hash, after its scheme."""


@click.command(epilog="Example: tracelib log greet --patch")
@click.argument("name", required=False)
@click.option("--patch", "-p", is_flag=True, help="Show what changed since the version before.")
@of_store
@limited(20)
@as_json
def log(name: str | None, patch: bool, where: str, limit: int | None, json_: bool) -> None:
    """List versions, newest first.

    NAME is a function, such as greet or app:greet; without it the newest versions of everything are
    listed. Times are UTC.
    """
    store, screen = opened(where), Screen()
    found = store.versions(name, limit)
    if json_:
        screen.json([version.to_json() for version in found])
    elif not found:
        note(f"no version of {name} is stored" if name else "no version is stored")
    for version in () if json_ else found:
        print_version(screen, version)
        if patch:
            print_patch(screen, store, version)
        screen.say("")


def print_version(screen: Screen, version: StoredVersion) -> None:
    screen.line(*heading(version))
    screen.line(f"    {moment(version.created_at)}  {counted(version.calls, 'call')}")
    screen.block(version.message)


def heading(version: StoredVersion) -> list[Text]:
    """Name and number, hash, aliases and tags."""
    parts = [
        styled(f"{version.name}@{version.number}", "bold"),
        styled(f"  {short_hash(version.id)}", "yellow"),
    ]
    if version.aliases:
        parts.append(styled(f"  ({', '.join(version.aliases)})", "bold green"))
    parts += [styled(f"  #{tag}", "cyan") for tag in version.tags]
    if version.partial:
        parts.append(styled("  partial", "red"))
    return parts


def short_hash(hash: str) -> str:
    """The beginning of a hash, which is enough to name it."""
    scheme, colon, digits = hash.rpartition(":")
    return f"{scheme}{colon}{digits[:DIGITS]}"


def print_patch(screen: Screen, store: Store, version: StoredVersion) -> None:
    if version.number > 1:
        screen.say("")
        before, now = (f"{version.name}@{number}" for number in (version.number - 1, version.number))
        print_marked(screen, store.difference(before, now).marked)
