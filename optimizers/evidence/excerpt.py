"""Text that was cut to a length, visibly; knows nothing of what the text is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Excerpt:
    """The beginning and the end of a text of `total` characters; the whole text when nothing was cut.

    >>> str(Excerpt.of("a" * 100_000, 60))
    'aaaaaaaaaaaaa[... 99,983 of 100,000 characters cut ...]aaaa'
    """

    head: str
    tail: str = ""
    total: int = 0

    @classmethod
    def of(cls, text: str, limit: int) -> Excerpt:
        """The text in at most `limit` characters, mark included (a mark alone may be longer)."""
        return cls(text, "", len(text)).cut(limit)

    @property
    def whole(self) -> bool:
        return len(self.head) + len(self.tail) == self.total

    @property
    def mark(self) -> str:
        """What stands where text was left out; empty when nothing was."""
        if self.whole:
            return ""
        kept = len(self.head) + len(self.tail)
        return f"[... {self.total - kept:,} of {self.total:,} characters cut ...]"

    def __str__(self) -> str:
        return self.head + self.tail if self.whole else self.head + self.mark + self.tail

    def __len__(self) -> int:
        return self.total if self.whole else len(self.head) + len(self.mark) + len(self.tail)

    def cut(self, limit: int) -> Excerpt:
        """The text in at most `limit` characters: three quarters from its start, the rest from its end."""
        if len(self) <= limit:
            return self
        widest_mark = len(f"[... {self.total:,} of {self.total:,} characters cut ...]")
        room = max(0, limit - widest_mark)
        ending = self.head if self.whole else self.tail
        behind = min(room // 4, len(ending))
        return Excerpt(self.head[: room - behind], ending[len(ending) - behind :], self.total)


def fair_shares(wanted: Sequence[int], total: int) -> list[int]:
    """How many characters each text may have when together they get `total`.

    A text that wants less than an even share leaves the rest to the longer ones.

    >>> fair_shares([10, 500, 1000], 300)
    [10, 145, 145]
    """
    shares = [0] * len(wanted)
    left = total
    by_length = sorted(range(len(wanted)), key=lambda index: (wanted[index], index))
    for position, index in enumerate(by_length):
        shares[index] = min(wanted[index], left // (len(by_length) - position))
        left -= shares[index]
    return shares
