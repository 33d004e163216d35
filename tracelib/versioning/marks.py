"""A diff line by line, its changed lines cut into the words that stayed and those that did not."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import NamedTuple

WORD = re.compile(r"\w+|\s+|[^\w\s]")
SAME, OUT, IN = " ", "-", "+"
SIMILAR = 0.4
"""Least likeness (0-1) of two lines that are shown as one line edited."""
LONG = 5_000
"""Characters of a line above which its words are not compared."""


class Span(NamedTuple):
    """A piece of a line; `changed` is what a reader is to see at once."""

    text: str
    changed: bool = False


class Line(NamedTuple):
    """One line of the diff: sign " ", "-" or "+", numbers in the old and new text (0: not there)."""

    sign: str
    spans: tuple[Span, ...]
    old: int = 0
    new: int = 0

    @property
    def text(self) -> str:
        return "".join(span.text for span in self.spans)


def marked_lines(old: str, new: str) -> tuple[Line, ...]:
    """All lines of both texts in the order of a diff."""
    return tuple(_lines(old.splitlines(), new.splitlines()))


def _lines(old: list[str], new: list[str]) -> Iterator[Line]:
    for tag, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            for at in range(b - a):
                yield Line(SAME, (Span(old[a + at]),), a + at + 1, c + at + 1)
            continue
        outs, ins = _pairs(old[a:b], new[c:d])
        for at, spans in enumerate(outs):
            yield Line(OUT, spans, a + at + 1, 0)
        for at, spans in enumerate(ins):
            yield Line(IN, spans, 0, c + at + 1)


def _pairs(old: list[str], new: list[str]) -> tuple[list[tuple[Span, ...]], list[tuple[Span, ...]]]:
    """Both sides of an exchange of lines; lines at the same place that are alike are compared by words."""
    outs: list[tuple[Span, ...]] = [(Span(line, True),) for line in old]
    ins: list[tuple[Span, ...]] = [(Span(line, True),) for line in new]
    for at, (was, now) in enumerate(zip(old, new, strict=False)):
        if len(was) + len(now) > LONG:
            continue
        left, right = WORD.findall(was), WORD.findall(now)
        match = difflib.SequenceMatcher(None, left, right, autojunk=False)
        if match.ratio() >= SIMILAR:
            codes = match.get_opcodes()
            outs[at] = _spans(left, [(tag, a, b) for tag, a, b, _, _ in codes])
            ins[at] = _spans(right, [(tag, c, d) for tag, _, _, c, d in codes])
    return outs, ins


def _spans(words: list[str], codes: list[tuple[str, int, int]]) -> tuple[Span, ...]:
    return tuple(Span("".join(words[a:b]), tag != "equal") for tag, a, b in codes if a < b)
