"""`tracelib apply`: what was learned, in the user's own source file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from tracelib.cli.screen import Screen, styled
from tracelib.cli.units import counted
from tracelib.errors import StateError
from tracelib.programs.changes import Change, changes_of
from tracelib.programs.writeback import Rewriting, rewrite

STYLES = {"---": "bold", "+++": "bold", "@@ ": "cyan", "-": "red", "+": "green"}
"""How lines of a diff look, by what they begin with."""

EPILOG = """
Examples:

\b
  tracelib apply result.json
  tracelib apply result.json --write
  tracelib apply result.json prompts.py --only greeting --write
  tracelib checkout app:Agent@5 && tracelib apply Agent.json app:Agent
"""


@click.command(epilog=EPILOG)
@click.argument("result", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("sources", metavar="[FILE|PROGRAM]...", nargs=-1)
@click.option("--only", multiple=True, metavar="PATH", help="This parameter; may be repeated.")
@click.option("--write", is_flag=True, help="Change the files; without it they are only compared.")
def apply(result: Path, sources: tuple[str, ...], only: tuple[str, ...], write: bool) -> None:
    """Put what was learned into your own source.

    RESULT is what a Trainer's result saved, or a state that save() or checkout wrote. FILE is a source file,
    PROGRAM a class such as app:Agent; without any a result says itself whose parameters it has. Docstrings,
    constants and code are replaced where they stand and nothing else is touched. Where one of them cannot
    be told for certain, or the file says another thing than when the training began, nothing is written.
    """
    done = rewrite(chosen(read(result), only), sources)
    screen = Screen()
    for file in done.changed:
        show(screen, done.diff(file))
    if write or done.refused:
        done.write()
    screen.say(summary(done, write))


def read(path: Path) -> list[Change]:
    """The changes that a file tells; StateError where it is not one of ours."""
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        return changes_of(content)
    except OSError as error:
        raise StateError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, StateError) as error:
        why = error if isinstance(error, StateError) else "it is no JSON, or not whole"
        raise StateError(f"{path} holds nothing to apply: {why}") from error


def chosen(changes: Sequence[Change], only: Sequence[str]) -> list[Change]:
    """The changes of some parameters, of all where none is named; StateError for one that has no change.

    The others stay as they were, and are among what is given back.
    """
    known = [change.path for change in changes if not change.stays]
    unknown = [path for path in only if path not in known]
    if unknown:
        raise StateError(f"{unknown[0]} did not change: there are {', '.join(known) or 'no changes'}")
    return [change if not only or change.path in only else change.staying() for change in changes]


def show(screen: Screen, lines: Sequence[str]) -> None:
    """A unified diff."""
    for line in lines:
        style = next((style for mark, style in STYLES.items() if line.startswith(mark)), "")
        screen.long(styled(line, style))


def summary(done: Rewriting, written: bool) -> str:
    """What was done, or would be, in a sentence."""
    if not done.changed:
        return "The source says already what was learned."
    where = ", ".join(str(file.path) for file in done.changed)
    what = f"{counted(len(done.written), 'parameter')} in {where}"
    return f"Wrote {what}." if written else f"Would change {what}: add --write to do it."
