"""`tracelib status`: how a store is doing."""

from __future__ import annotations

from typing import Any

import click

from tracelib.cli.opening import as_json, of_store, opened
from tracelib.cli.screen import Screen, styled
from tracelib.cli.units import counted, moment, size
from tracelib.store.questions.status import Status

LABEL = 11


@click.command(epilog="Example: tracelib status --store ./logdir")
@of_store
@as_json
def status(where: str, json_: bool) -> None:
    """Say how the store is doing.

    Sizes are in bytes. `waiting` is what is in the journal and could not be moved into the database yet;
    nothing of it is lost.
    """
    store, screen = opened(where), Screen()
    found: Status = store.status()
    if json_:
        screen.json([{"id": found.where, **found.to_json()}])
    else:
        print_status(screen, found)


def print_status(screen: Screen, found: Status) -> None:
    for name, text in lines(found):
        screen.say(styled(f"{name:{LABEL}}", "dim"), text)
    for call in found.running:
        screen.line(
            styled(f"{'running':{LABEL}}", "dim"),
            f"{call.name} since {moment(call.start)} (process {call.pid})",
        )
    for problem in found.problems:
        screen.say(styled(f"{'problem':{LABEL}}", "red"), problem)


def lines(found: Status) -> list[tuple[str, str]]:
    told = [
        ("store", found.where),
        ("calls", calls(found)),
        ("versions", f"{found.versions:,} of {counted(found.functions, 'function')}"),
        ("size", f"{size(found.database_bytes)}, and {size(found.blob_bytes)} of big values"),
        ("waiting", size(found.waiting_bytes) if found.waiting_bytes else "nothing"),
    ]
    if found.kept_records:
        told.append(("in memory", counted(found.kept_records, "record")))
    if found.lost_records:
        told.append(("lost", counted(found.lost_records, "record")))
    return told


def calls(found: Any) -> str:
    parts = [f"{found.calls:,}"]
    parts += [
        f"{count:,} {word}"
        for count, word in ((found.failed, "failed"), (found.interrupted, "interrupted"))
        if count
    ]
    return ", ".join(parts)
