"""Where a test makes this process die or fail: at the named write points of the store.

The environment variable `TRACELIB_FAILPOINT`, read once at import, holds rules separated by commas:

    record written:3           the process kills itself when "record written" is reached the third time
    segment allocated:1:ENOSPC the first reaching raises OSError(ENOSPC); 2-5: the second to the fifth;
                               1-: the first and all that follow

Without the variable `reach` does nothing. An OSError makes sense only at points where the operating system
may refuse: creating, allocating, mapping and publishing a file; copying into a mapped one cannot fail.
"""

from __future__ import annotations

import errno
import itertools
import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import inf

VARIABLE = "TRACELIB_FAILPOINT"


@dataclass(frozen=True)
class Rule:
    """What happens at one point: the reachings `first` to `last` raise `error`, or kill where it is 0."""

    first: int
    last: float
    error: int
    count: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def apply(self, name: str) -> None:
        if not self.first <= next(self.count) <= self.last:
            return
        if self.error:
            raise OSError(self.error, f"{os.strerror(self.error)} (failpoint {name!r})")
        os.kill(os.getpid(), signal.SIGKILL)


def rules(text: str) -> dict[str, Rule]:
    """The rules in the variable's text; raises ValueError naming the one that cannot be read."""
    return dict(_rule(part) for part in text.split(",") if part.strip())


def _rule(text: str) -> tuple[str, Rule]:
    name, count, error, *rest = (*(part.strip() for part in text.split(":")), "", "")
    first, dash, last = count.partition("-")
    number = getattr(errno, error, 0) if error else 0
    if rest[2:] or not first.isdigit() or not (last or "0").isdigit() or (error and not number):
        raise ValueError(
            f"{VARIABLE} holds {text!r}: write name:count, name:first-last or name:first-, then :ENOSPC or so"
        )
    end = float(last) if last else inf if dash else float(first)
    return name, Rule(int(first), end, number)


def _pass(name: str) -> None:
    """What a write point costs a program that is not under test."""


def _chosen(environment: Mapping[str, str]) -> dict[str, Rule]:
    return rules(environment.get(VARIABLE, ""))


_RULES = _chosen(os.environ)


def _reach(name: str) -> None:
    rule = _RULES.get(name)
    if rule is not None:
        rule.apply(name)


reach = _reach if _RULES else _pass
"""Called with its name at each write point; dies, fails or, nearly always, does nothing."""
