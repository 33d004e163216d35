"""How much may be sent, and when: an even flow that the user set, or what an endpoint's headers say is left.

Both answer in seconds: 0 when the amount may be sent now, `math.inf` when only an answer can tell. They know
no lock and no clock; whoever asks brings both.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass


class Flow:
    """An even flow of `per_minute`, never above it over any length of time: a bucket that holds one.

    For tokens the bucket holds a second's worth, and an amount above that waits for a full bucket and
    leaves a debt, so that a large question is late but not stuck.
    """

    def __init__(self, per_minute: float, holds: float = 1.0) -> None:
        self._rate = per_minute / 60
        self._holds = self._level = holds
        self._at = 0.0

    def wait(self, amount: float, now: float) -> float:
        """Seconds until the amount may be sent."""
        missing = min(amount, self._holds) - self._filled(now)
        return max(0.0, missing / self._rate)

    def take(self, amount: float, now: float) -> None:
        """The amount is sent."""
        self._level, self._at = self._filled(now) - amount, now

    def correct(self, amount: float) -> None:
        """That much less was sent than was taken, or more where it is negative."""
        self._level = min(self._holds, self._level + amount)

    def _filled(self, now: float) -> float:
        return min(self._holds, self._level + (now - self._at) * self._rate)


@dataclass(frozen=True)
class Standing:
    """What headers say of requests or tokens: the limit, what is left, seconds until it is full again."""

    limit: float
    left: float
    reset: float


class Remainder:
    """What is left of an endpoint's limit by the last answer, what was sent since, and what has come back.

    It fills evenly until the reset. What was full then and is used up since is known from the next answer
    only: until it comes nothing is sent, unless nothing is under way.
    """

    def __init__(self) -> None:
        self._limit = self._left = self._reset = math.inf
        self._at = 0.0

    def hear(self, said: Standing, under_way: float, now: float, guessed: bool = False) -> None:
        """Take in an answer's headers; what is under way may not be counted in them yet.

        Answers overtake each other: an older one tells of more than there is now, so the lesser holds of
        what is said and what is known. Where that was `guessed`, and this is the newest answer, it is
        believed.
        """
        left = said.left - under_way
        self._left = min(left, self._filled(now)) if now < self._reset and not guessed else left
        self._limit, self._at, self._reset = max(1.0, said.limit), now, now + said.reset

    @property
    def is_known(self) -> bool:
        """Whether it holds anything back."""
        return self._left < math.inf

    def forget(self, now: float) -> None:
        """An answer said nothing: what an earlier one said holds until its reset, and no longer."""
        if now >= self._reset or math.isinf(self._reset):
            self._limit = self._left = self._reset = math.inf

    def wait(self, amount: float, now: float, idle: bool) -> float:
        """Seconds until the amount may be sent; `idle` when nothing is under way."""
        if not self.is_known:
            return 0.0
        missing = min(amount, self._limit) - self._filled(now)
        if missing <= 0:
            return 0.0
        if math.isinf(self._reset):
            return 0.0 if idle else math.inf
        rate = self._rate()
        return min(self._reset - now, missing / rate if rate > 0 else math.inf)

    def take(self, amount: float, now: float) -> None:
        """The amount is sent."""
        if not self.is_known:
            return
        left = self._filled(now) - amount
        if now >= self._reset:
            self._reset = math.inf
        self._left, self._at = left, now

    def _filled(self, now: float) -> float:
        if now >= self._reset:
            return self._limit
        return min(self._limit, self._left + (now - self._at) * self._rate())

    def _rate(self) -> float:
        span = self._reset - self._at
        return 0.0 if math.isinf(self._limit) or math.isinf(span) else (self._limit - self._left) / span


def standing(headers: Mapping[str, str], kind: str) -> Standing | None:
    """What the headers say of `kind`, requests or tokens; None where they do not say until when.

    >>> standing({"x-ratelimit-remaining-tokens": "9", "x-ratelimit-reset-tokens": "1m2s"}, "tokens")
    Standing(limit=inf, left=9.0, reset=62.0)
    """
    left = _number(headers.get(f"x-ratelimit-remaining-{kind}"))
    reset = None if left is None else seconds(headers.get(f"x-ratelimit-reset-{kind}"))
    if left is None or reset is None:
        return None
    limit = _number(headers.get(f"x-ratelimit-limit-{kind}"))
    return Standing(math.inf if limit is None else limit, left, reset)


_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|d|h|m|s)")
_WHOLE = re.compile(rf"(?:{_PART.pattern})+")


def seconds(text: str | None) -> float | None:
    """A duration as endpoints write it: `20ms`, `6m0s`, or a number of seconds; None for anything else.

    >>> seconds("20ms"), seconds("6m0s"), seconds("1.5"), seconds("soon")
    (0.02, 360.0, 1.5, None)
    """
    text = (text or "").strip()
    if _WHOLE.fullmatch(text):
        return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    return _number(text)


def _number(text: str | None) -> float | None:
    return float(text) if text and re.fullmatch(r"\d{1,15}(\.\d{1,9})?", text.strip()) else None
