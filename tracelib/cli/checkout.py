"""`tracelib checkout`: a program's parameters, as they were, in a file that its `load` reads."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import click

from tracelib.cli.opening import of_store, opened
from tracelib.cli.screen import Screen
from tracelib.cli.units import counted
from tracelib.errors import StoreError, UnknownRecord
from tracelib.graph.module import FORMAT

EPILOG = """
Examples:

\b
  tracelib checkout app:Agent
  tracelib checkout app:Agent@5 --out agent.json
  tracelib checkout Agent@production
  tracelib checkout Agent@2026-11-24T18:00
"""


@click.command(epilog=EPILOG)
@click.argument("program", metavar="PROGRAM[@STATE|@ALIAS|@TIME]")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Else the program's name, .json.",
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@of_store
def checkout(program: str, out: Path | None, force: bool, where: str) -> None:
    """Write a program's parameters, as they were, to a file that load() reads.

    PROGRAM is a class with @trace.model, such as app:Agent, or Agent where there is only one of that name.
    Each update of its parameters leads to a state, numbered from 1. TIME is UTC unless it says otherwise;
    without any the newest state is written.
    """
    store, screen = opened(where), Screen()
    name, _, at = program.partition("@")
    values = store.parameters(name, at or None)
    if not values:
        raise UnknownRecord(f"{program} had no parameters yet: name a later state or time")
    path = out or Path(f"{re.split('[:.]', name)[-1]}.json")
    write(path, values, force)
    screen.say(f"{path}: {counted(len(values), 'parameter')} of {program}")


def write(path: Path, values: dict[str, Any], force: bool) -> None:
    """The state file, whole or not at all; StoreError where there is one already, unless `force`."""
    if path.exists() and not force:
        raise StoreError(f"{path} is there already: name another with --out, or add --force to replace it")
    try:
        text = json.dumps({"format": FORMAT, "parameters": values}, indent=2, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise StoreError(f"the parameters have no JSON form: {error}") from error
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text + "\n", encoding="utf-8", errors="surrogatepass")
        os.replace(beside, path)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror or error}") from error
