"""`tracelib diff`: what changed between two versions, in words and line by line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click
from rich.text import Text

from tracelib.cli.opening import as_json, of_store, opened
from tracelib.cli.screen import Screen, styled
from tracelib.versioning.changes import Difference
from tracelib.versioning.marks import Line

CONTEXT = 3
"""Lines around a change."""
STYLES = {" ": ("", ""), "-": ("red", "bold white on red"), "+": ("green", "bold white on green")}
"""Of a line, and of the words in it that changed."""
WRAPPED = {"-": ("[-", "-]"), "+": ("{+", "+}")}
"""Around changed words where there is no colour, as in git's word diff."""


@click.command(epilog="Example: tracelib diff greet@2 greet@production")
@click.argument("old", metavar="A")
@click.argument("new", metavar="B")
@of_store
@as_json
def diff(old: str, new: str, where: str, json_: bool) -> None:
    """Show what changed between two versions.

    A and B are versions: greet (the newest), greet@3, greet@production, or the beginning of a hash. First
    what changed in words, then a unified diff of both closures. Changed words stand out: in colour on a
    terminal, between [- -] and {+ +} elsewhere.
    """
    store, screen = opened(where), Screen()
    found = store.difference(old, new)
    if json_:
        screen.json([as_object(found)])
        return
    screen.say(styled(found.summary, "bold"))
    if found.old is not None and found.unified:
        screen.say("")
        screen.line(styled(f"--- {found.old.name} {found.old.hash}", "bold"))
        screen.line(styled(f"+++ {found.new.name} {found.new.hash}", "bold"))
        print_marked(screen, found.marked)


def as_object(found: Difference) -> dict[str, object]:
    old = "" if found.old is None else found.old.hash
    return {
        "id": f"{old}..{found.new.hash}",
        "old": old or None,
        "new": found.new.hash,
        "summary": found.summary,
        "changes": [{"name": c.name, "kind": c.kind, "words": c.words} for c in found.changes],
        "unified": found.unified,
    }


def print_marked(screen: Screen, lines: Sequence[Line]) -> None:
    """The changed lines with some around them."""
    for hunk in hunks(lines):
        screen.line(styled(range_of(hunk), "cyan"))
        for line in hunk:
            screen.long(marked(line, screen.coloured))


def marked(line: Line, coloured: bool) -> Text:
    """A line with its sign; words that changed stand out, unless all of it did."""
    usual, changed = STYLES[line.sign]
    text = Text(line.sign, style=usual)
    some = not all(span.changed or span.text.isspace() for span in line.spans)
    before, after = ("", "") if coloured or not some else WRAPPED.get(line.sign, ("", ""))
    for span in line.spans:
        stands_out = span.changed and some
        text.append_text(
            styled(
                f"{before}{span.text}{after}" if stands_out else span.text, changed if stands_out else usual
            )
        )
    return text


def hunks(lines: Sequence[Line], context: int = CONTEXT) -> Iterator[Sequence[Line]]:
    """Runs of lines within `context` lines of a change."""
    near = {
        at + offset
        for at, line in enumerate(lines)
        if line.sign != " "
        for offset in range(-context, context + 1)
    }
    start = None
    for at in range(len(lines) + 1):
        if at in near and at < len(lines):
            start = at if start is None else start
        elif start is not None:
            yield lines[start:at]
            start = None


def range_of(hunk: Sequence[Line]) -> str:
    """`@@ -3,7 +3,8 @@`: where a run begins in both texts, and how many lines of each it has."""
    sides = []
    for sign, numbers in (
        ("-", [line.old for line in hunk if line.old]),
        ("+", [line.new for line in hunk if line.new]),
    ):
        sides.append(f"{sign}{numbers[0] if numbers else 0},{len(numbers)}")
    return f"@@ {' '.join(sides)} @@"
