"""Calls as a tree: each below the call it was made within."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from rich.text import Text

from tracelib.cli.screen import Screen, styled
from tracelib.cli.units import counted, dollars, span
from tracelib.store.rows import StoredCall

FAILED = ("failed", "interrupted")


class Drawn(NamedTuple):
    """Glyphs of a tree: before a child, before the last, below a child, below the last."""

    child: str
    last: str
    below: str
    after: str


LINES = Drawn("├─ ", "└─ ", "│  ", "   ")
ASCII = Drawn("|- ", "`- ", "|  ", "   ")


def branches(calls: Iterable[StoredCall], glyphs: Drawn) -> Iterator[tuple[str, StoredCall]]:
    """Every call with the lines that lead to it, callers first; one whose caller is missing is at the top."""
    ordered = list(calls)
    known = {call.id for call in ordered}
    below: dict[str | None, list[StoredCall]] = {}
    for call in ordered:
        below.setdefault(call.parent if call.parent in known else None, []).append(call)
    waiting = [("", "", call) for call in reversed(below.get(None, []))]
    while waiting:
        lead, under, call = waiting.pop()
        yield lead, call
        waiting.extend(reversed(_children(below.get(call.id, []), under, glyphs)))


def _children(calls: Sequence[StoredCall], under: str, glyphs: Drawn) -> list[tuple[str, str, StoredCall]]:
    last = len(calls) - 1
    return [
        (
            under + (glyphs.child if at < last else glyphs.last),
            under + (glyphs.below if at < last else glyphs.after),
            call,
        )
        for at, call in enumerate(calls)
    ]


def print_tree(
    screen: Screen, calls: Iterable[StoredCall], marked: Mapping[str, object], most: int | None = None
) -> None:
    """The tree of calls, the `marked` ones (by id) standing out; at most `most` lines of it."""
    drawn = list(branches(calls, LINES if screen.unicode else ASCII))
    for lead, call in drawn[:most]:
        screen.line(styled(lead, "dim"), *call_line(call, call.id in marked))
    if most is not None and len(drawn) > most:
        screen.say(styled(f"and {counted(len(drawn) - most, 'call')} more", "dim"))


def call_line(call: StoredCall, stands_out: bool) -> list[Text]:
    """Name, what became of it, how long it took, what it cost, and its id."""
    parts = [styled(named(call), "bold" if stands_out else ""), styled("*  " if stands_out else "  ", "bold")]
    if call.status in FAILED:
        parts.append(styled(f"{call.status} {call.error_type or ''}".rstrip() + "  ", "red"))
    told = [span(call.duration), call.model or "", "" if call.cost is None else dollars(call.cost)]
    parts.append(styled("  ".join(filter(None, told))))
    parts.append(styled(f"  {call.id}", "dim"))
    return parts


def named(call: StoredCall) -> str:
    """What its function is called, with the number of the version."""
    return call.name if call.number is None else f"{call.name}@{call.number}"
