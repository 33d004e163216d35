"""Where commands print: in colour on a terminal, as plain lines into anything else."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import click
from rich.console import Console
from rich.text import Text

from tracelib.cli.escaping import plain_json, visible

GAP = 2
NARROWEST = 12
"""Columns that a column which may be cut keeps at least."""


def styled(text: str, style: str = "") -> Text:
    """Text of ours or from a trace: nothing in it is markup, and nothing in it a control."""
    return Text(visible(text), style=style)


@dataclass(frozen=True)
class Column:
    """A column of a listing; on a terminal a flexible one is cut where the line would be too long."""

    title: str
    style: str = ""
    right: bool = False
    flexible: bool = False


@dataclass
class Listing:
    """Rows under titles, aligned."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[str]] = field(default_factory=list)

    def filled(self) -> Listing:
        """The same without the columns in which no row has anything."""
        some = [i for i in range(len(self.columns)) if any(row[i] for row in self.rows)]
        return Listing([self.columns[i] for i in some], [[row[i] for i in some] for row in self.rows])

    def lines(self, width: int | None) -> Iterable[Text]:
        """At most `width` terminal columns wide, as far as the flexible ones can give way."""
        cells = [
            [styled(cell, c.style) for c, cell in zip(self.columns, row, strict=True)] for row in self.rows
        ]
        titles = [Text(column.title, style="dim") for column in self.columns]
        widths = [max(cell.cell_len for cell in column) for column in zip(titles, *cells, strict=True)]
        if width is not None:
            widths = self._fitting(widths, width)
        for row in (titles, *cells):
            yield self._line(row, widths)

    def _fitting(self, widths: list[int], width: int) -> list[int]:
        """The widths with what is too much taken from the widest flexible columns."""
        fitting = list(widths)
        flexible = [i for i, column in enumerate(self.columns) if column.flexible]
        while flexible and sum(fitting) + GAP * (len(fitting) - 1) > width:
            widest = max(flexible, key=lambda i: fitting[i])
            if fitting[widest] <= NARROWEST:
                break
            fitting[widest] -= 1
        return fitting

    def _line(self, row: Sequence[Text], widths: Sequence[int]) -> Text:
        line = Text()
        for column, cell, width in zip(self.columns, row, widths, strict=True):
            cut = cell.copy()
            cut.truncate(width, overflow="ellipsis")
            blank = " " * (width - cut.cell_len)
            line.append_text(Text(blank) + cut if column.right else cut + Text(blank))
            line.append(" " * GAP)
        line.rstrip()
        return line


class Screen:
    """Standard output. `terminal` says whether a person looks at it, `width` how wide it is then.

    `coloured` is false on a terminal too where NO_COLOR is set or it knows no colours.
    """

    def __init__(self) -> None:
        self._stream = sys.stdout
        colours: Literal["auto"] | None = None if os.environ.get("NO_COLOR") else "auto"
        self._console = Console(
            file=self._stream, color_system=colours, highlight=False, markup=False, emoji=False
        )
        self.terminal = self._console.is_terminal
        self.coloured = self.terminal and self._console.color_system is not None
        self.width = self._console.width if self.terminal else None
        self.unicode = (self._stream.encoding or "").lower().replace("-", "").startswith("utf")

    def say(self, *parts: str | Text) -> None:
        """One paragraph; on a terminal long lines wrap between words."""
        self._print(_joined(parts))

    def line(self, *parts: str | Text) -> None:
        """One line, which on a terminal is cut where it ends."""
        text = _joined(parts)
        if self.width is not None:
            text.truncate(self.width, overflow="ellipsis")
        self._print(text)

    def listing(self, listing: Listing) -> None:
        """A table with its titles, without empty columns; nothing where there is no row."""
        if listing.rows:
            for line in listing.filled().lines(self.width):
                self.line(line)

    def block(self, text: str, style: str = "", indent: int = 4) -> None:
        """Lines of source, or of a value, set in; they are wrapped by the terminal, not by us."""
        for line in visible(text).rstrip("\n").split("\n"):
            self._print(Text(" " * indent + line if line else "", style=style), wrap=False)

    def long(self, text: Text) -> None:
        """One line of source or of a diff, which the terminal wraps."""
        self._print(text, wrap=False)

    def raw(self, text: str) -> None:
        """Exactly this text; only into a terminal its controls are written out."""
        shown = visible(text) if self.terminal else text
        self._stream.write(shown if shown.endswith("\n") or not self.terminal else shown + "\n")

    def json(self, objects: Sequence[Any]) -> None:
        """A list of objects, alone on standard output."""
        self._stream.write(plain_json(list(objects), ascii_only=not self.unicode) + "\n")

    def _print(self, text: Text, wrap: bool = True) -> None:
        if self.terminal:
            self._console.print(text, soft_wrap=not wrap)
        else:
            self._stream.write(text.plain + "\n")


def note(text: str) -> None:
    """A remark to the person, on standard error: what is on standard output stays as it is."""
    click.echo(visible(text), err=True)


def _joined(parts: Iterable[str | Text]) -> Text:
    text = Text()
    for part in parts:
        text.append_text(styled(part) if isinstance(part, str) else part)
    return text
