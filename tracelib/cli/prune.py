"""`tracelib prune`: old calls removed."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

import click

from tracelib.cli.opening import as_json, of_store, opened
from tracelib.cli.screen import Screen, note
from tracelib.cli.units import Age, Size, counted, size
from tracelib.store.keeping.prune import Pruned


@click.command(epilog="Example: tracelib prune --older-than 30d --max-size 500MB --dry-run")
@click.option("--older-than", type=Age(), metavar="AGE", help="Calls older than this: 12h, 30d, 8w.")
@click.option("--max-size", type=Size(), metavar="SIZE", help="Then more, until it is no bigger: 500MB, 2GB.")
@click.option("--keep-tagged/--no-keep-tagged", default=True, show_default=True, help="Calls with tags stay.")
@click.option(
    "--keep-aliased/--no-keep-aliased",
    default=True,
    show_default=True,
    help="Calls of versions with an alias stay.",
)
@click.option(
    "--keep-feedback/--no-keep-feedback", default=True, show_default=True, help="Calls with feedback stay."
)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option("--yes", is_flag=True, help="Remove without asking.")
@of_store
@as_json
def prune(
    older_than: timedelta | None,
    max_size: int | None,
    dry_run: bool,
    yes: bool,
    where: str,
    json_: bool,
    **keep: bool,
) -> None:
    """Remove old calls.

    Whole traces go, oldest first: all calls made within one outermost call, and the values that only they
    had. Versions and the histories of parameters stay. What is removed is gone: try --dry-run first.
    """
    if older_than is None and max_size is None:
        raise click.UsageError("say what to remove: --older-than 30d, --max-size 500MB, or both")
    store, screen = opened(where), Screen()
    limits: dict[str, Any] = {"older_than": older_than, "max_bytes": max_size, **keep}
    would = store.prune(**limits, dry_run=True) if dry_run or not yes else None
    if would is not None and not dry_run and would.calls:
        allow(would)
    done = (
        would if would is not None and (dry_run or not would.calls) else store.prune(**limits, dry_run=False)
    )
    if json_:
        screen.json([{"id": where, **vars(done)}])
    else:
        screen.say(told(done))


def allow(would: Pruned) -> None:
    """Ask before anything goes; where nobody can be asked, only --yes allows it."""
    if not sys.stdin.isatty():
        raise click.UsageError("nothing is removed unasked: look with --dry-run, then add --yes")
    note(told(would))
    click.confirm("Remove them?", abort=True, err=True)


def told(done: Pruned) -> str:
    verb = "would remove" if done.dry_run else "removed"
    kept = f"; {counted(done.kept, 'trace')} kept" if done.kept else ""
    if not done.calls:
        return f"nothing to remove{kept}"
    what = f"{counted(done.calls, 'call')} in {counted(done.traces, 'trace')}"
    return f"{verb} {what}, about {size(done.freed)}{kept}"
