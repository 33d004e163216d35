"""Sections of a prompt that hold data: fenced so that data cannot end them, and cut to a ceiling.

Knows nothing of what the sections say.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from optimizers.evidence.excerpt import Excerpt, fair_shares

LEAST = 80
"""Characters of a value that are shown at the least, where it is shown at all (a shorter one: all of it)."""
T = TypeVar("T", bound=Sequence[Any])
_PLAIN_NAME = re.compile(r"[\w.\[\]-]+")


NOTHING = Excerpt("", "", 0)


@dataclass(frozen=True)
class Section:
    """A titled piece of data. The title is one line."""

    title: str
    body: str


def fenced(sections: Sequence[Section]) -> str:
    """The sections, each opened by a line with a key that occurs in none of them.

    The key is made from the content, so equal content gives an equal prompt, and text that tries to
    end a section would have to contain a hash of itself.
    """
    key = _key([text for section in sections for text in (section.title, section.body)])
    parts = [f"The key of this record is {key}."]
    parts += [f"[{key}] {section.title}\n{section.body}" for section in sections]
    return "\n".join([*parts, f"[{key}] end of the record"])


def _key(texts: Sequence[str]) -> str:
    content = json.dumps(texts)
    digest = hashlib.sha256(content.encode()).hexdigest()
    while any(digest[:8] in text for text in texts):
        digest = hashlib.sha256(digest.encode()).hexdigest()
    return digest[:8]


def label(name: str) -> str:
    """A name as one word: as it is, or quoted as in JSON when it has other than word characters."""
    return name if _PLAIN_NAME.fullmatch(name) else json.dumps(name, ensure_ascii=False)


@dataclass(frozen=True)
class Entry:
    """A line or a block that wants room in a section; a lower rank is dropped later."""

    prefix: str
    text: Excerpt = NOTHING
    rank: tuple[int, ...] = ()


def fit(entries: Sequence[Entry], ceiling: int) -> list[str | None]:
    """Each entry as text, None for those left out; together at most `ceiling` characters.

    The entries of highest rank are left out until the others have LEAST characters each; then the
    room is shared evenly, where a short text leaves its rest to the longer ones. One entry is always
    kept, at its least.
    """
    if sum(len(one.prefix) + len(one.text) + 1 for one in entries) <= ceiling:
        return [one.prefix + str(one.text) for one in entries]
    kept = _kept(entries, ceiling)
    fixed = sum(len(entries[index].prefix) + 1 for index in kept)
    shares = fair_shares([len(entries[index].text) for index in kept], max(0, ceiling - fixed))
    texts: list[str | None] = [None] * len(entries)
    for index, share in zip(kept, shares, strict=True):
        text = entries[index].text
        texts[index] = entries[index].prefix + str(text.cut(max(share, min(LEAST, len(text)))))
    return texts


def _kept(entries: Sequence[Entry], ceiling: int) -> list[int]:
    kept: list[int] = []
    used = 0
    for index in sorted(range(len(entries)), key=lambda index: (entries[index].rank, index)):
        used += len(entries[index].prefix) + min(LEAST, len(entries[index].text)) + 1
        if used > ceiling and kept:
            break
        kept.append(index)
    return sorted(kept)


def within(ceiling: int, count: Callable[[str], int] | None, cut: Callable[[int], T]) -> T:
    """What `cut` makes of the most characters for which its texts come to at most `ceiling`, as counted.

    `cut` gives texts for a number of characters, None for those left out. Without `count` characters are
    counted. Where the least of each text comes to more, the least it is.
    """
    if count is None:
        return cut(ceiling)
    characters = 8 * ceiling
    while True:
        texts = cut(characters)
        used = sum(count(str(text)) + 1 for text in texts if text is not None)
        if used <= ceiling or characters == 0:
            return texts
        characters = min(characters * ceiling // used, characters - characters // 20 - 1)


def body_of(texts: Sequence[str | None], what: str) -> str:
    """The texts that are shown, and how many are not."""
    shown = [text for text in texts if text is not None]
    missing = len(texts) - len(shown)
    return "\n".join([*shown, cut_mark(missing, what)] if missing else shown)


def hanging(text: str) -> str:
    """The text with every line but the first indented."""
    return "\n  ".join(text.strip().splitlines())


def cut_mark(count: int, what: str) -> str:
    """The line that stands for what was left out.

    >>> cut_mark(140, "operations not on a path from a parameter")
    '[... 140 operations not on a path from a parameter cut ...]'
    """
    return f"[... {count:,} {what} cut ...]"


def listed(numbers: Iterable[int]) -> str:
    """Numbers as a reader says them: runs joined by a dash.

    >>> listed([1, 2, 3, 5])
    '1-3, 5'
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
