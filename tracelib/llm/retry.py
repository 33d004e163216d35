"""How often and how patiently a call is tried again; knows no endpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import SystemRandom
from typing import Any

from tenacity import RetryCallState, retry_if_exception

# Not `random`: a user who seeds it for his own experiment keeps his sequence, and forks do not retry in step.
_CHANCE = SystemRandom()


@dataclass(frozen=True)
class RetryPolicy:
    """Try up to `attempts` times within `seconds` from the first attempt, waits included.

    A wait is what the endpoint asks for (Retry-After), else random up to `base` seconds, doubled with
    every attempt and never above `longest`. A wait that would end after `seconds` is not begun: the
    error is raised at once.
    """

    attempts: int = 6
    seconds: float = 120.0
    base: float = 0.5
    longest: float = 20.0

    def wait(self, nth: int, asked: float | None) -> float:
        """Seconds to wait after the nth attempt (from 1); `asked` is what the endpoint asked for."""
        if asked is not None:
            return asked + _CHANCE.uniform(0, self.base)
        return _CHANCE.uniform(0, min(self.longest, self.base * 2.0 ** min(nth - 1, 60)))

    def gives_up(self, nth: int, elapsed: float, wait: float) -> bool:
        """Whether the nth attempt was the last one, `elapsed` seconds after the first began."""
        return nth >= self.attempts or elapsed + wait > self.seconds

    def options(
        self,
        mends: Callable[[BaseException], bool],
        asked: Callable[[BaseException], float | None],
        before: Callable[[int], None],
    ) -> dict[str, Any]:
        """This policy in tenacity's words, for Retrying and AsyncRetrying alike.

        `mends` says whether another attempt may help, `asked` what the endpoint asked to wait,
        `before` is told the number of each attempt.
        """
        return {
            "retry": retry_if_exception(mends),
            "wait": lambda state: self.wait(state.attempt_number, asked(_error(state))),
            "stop": lambda state: self.gives_up(
                state.attempt_number, state.seconds_since_start or 0.0, state.upcoming_sleep
            ),
            "before": lambda state: before(state.attempt_number),
            "reraise": True,
        }


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by `retry-after-ms` or `retry-after` (seconds or a date), None without a readable one.

    >>> retry_after({"retry-after-ms": "1500"}), retry_after({"retry-after": "2"}), retry_after({})
    (1.5, 2.0, None)
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return max(0.0, milliseconds / 1000)
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is None and text is not None:
        seconds = _seconds_until(text)
    return None if seconds is None else max(0.0, seconds)


def _seconds_until(date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - datetime.now(UTC)).total_seconds()


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if number == number and abs(number) != float("inf") else None


def _error(state: RetryCallState) -> BaseException:
    error = state.outcome.exception() if state.outcome else None
    assert error is not None, "tenacity waits only after an error"
    return error
