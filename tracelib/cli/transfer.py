"""`tracelib export` and `tracelib import`: a store as lines of JSON, and back."""

from __future__ import annotations

import io
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import click

from tracelib.cli.opening import of_store, openable, opened
from tracelib.cli.screen import Screen, note
from tracelib.cli.units import counted
from tracelib.errors import StoreError
from tracelib.store.keeping.arriving import Imported

PIPE = "-"
PLURALS = {"alias": "aliases", "feedback": "remarks"}

EXPORTS = """
Examples:

\b
  tracelib export backup.jsonl
  tracelib export - --where 'start > "-1d"' | gzip > day.jsonl.gz
"""
IMPORTS = """
Examples:

\b
  tracelib import backup.jsonl --store ./copy
  zcat day.jsonl.gz | tracelib import -
"""


@click.command(epilog=EXPORTS)
@click.argument("file", default=PIPE, metavar="[FILE|-]")
@click.option(
    "--where", "expression", metavar="EXPR", help="Only calls that this filter selects, and what they need."
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@of_store
def export(file: str, expression: str | None, force: bool, where: str) -> None:
    """Write what is stored as lines of JSON.

    Without FILE, or with -, they go to standard output. A filter is as in tracelib calls. A file is
    written whole or not at all, and only you may read it: values are in it as they are in the store.
    """
    store = opened(where)
    if file == PIPE:
        with piped() as stream:
            store.export(stream, expression)
        return
    if Path(file).exists() and not force:
        raise StoreError(f"{file} is there already: name another, or add --force to replace it")
    written = store.export(file, expression)
    note(f"{file}: {counted(written, 'record')}")


@click.command("import", epilog=IMPORTS)
@click.argument("file", metavar="FILE|-")
@of_store
def import_(file: str, where: str) -> None:
    """Add what an export holds and is not here yet.

    With - it is read from standard input. The store is made where there is none; the same export again
    adds nothing.
    """
    store, screen = openable(where), Screen()
    if file != PIPE and not Path(file).is_file():
        raise StoreError(f"there is no file {file}: name what tracelib export wrote, or - for standard input")
    screen.say(told(store.import_(sys.stdin.buffer if file == PIPE else file)))


@contextmanager
def piped() -> Iterator[TextIO]:
    """Standard output as UTF-8, whatever the terminal's encoding is: an export is the same everywhere."""
    sys.stdout.flush()
    stream = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="\n")
    try:
        yield stream
        stream.flush()
    finally:
        stream.detach()


def told(done: Imported) -> str:
    parts = [f"added {listed(done.added) or 'nothing'}"]
    known = listed(done.known)
    if known:
        parts.append(f"here already: {known}")
    if done.renumbered:
        parts.append(f"{counted(done.renumbered, 'version')} numbered anew")
    return "; ".join(parts)


def listed(counts: Counter[str]) -> str:
    """How many there are of each kind of record."""
    return ", ".join(counted(count, kind, PLURALS.get(kind, "")) for kind, count in counts.items() if count)
