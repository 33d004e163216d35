"""Times, sizes and money: as people write them in options, and as they are shown."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
BYTES = {
    "": 1, "b": 1, "k": 10**3, "kb": 10**3, "m": 10**6, "mb": 10**6, "g": 10**9, "gb": 10**9, "t": 10**12,
    "tb": 10**12, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40,
}  # fmt: skip
NUMBER = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")


class Age(click.ParamType):  # type: ignore[type-arg]  # it takes none in click 8.1
    """A span of time such as 30d: s, m, h, d or w."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        found = NUMBER.fullmatch(value)
        if not found or found[2] not in SECONDS:
            self.fail(f"{value!r} is no age: write 90s, 45m, 12h, 30d or 8w.", param, ctx)
        try:
            return timedelta(seconds=float(found[1]) * SECONDS[found[2]])
        except OverflowError:
            self.fail(f"{value!r} is longer than time has been: write 30d, for instance.", param, ctx)


class Size(click.ParamType):  # type: ignore[type-arg]
    """A number of bytes such as 500MB or 2GiB."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = NUMBER.fullmatch(value)
        if not found or found[2].lower() not in BYTES:
            self.fail(f"{value!r} is no size: write 800kB, 500MB, 2GB or 2GiB.", param, ctx)
        return int(float(found[1]) * BYTES[found[2].lower()])


def moment(at: datetime) -> str:
    """UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def span(seconds: float) -> str:
    """A duration with three digits at most, and its unit."""
    for unit, worth in (("us", 1e-6), ("ms", 1e-3), ("s", 1)):
        if seconds < 999.5 * worth and (unit != "s" or seconds < 59.95):
            return f"{seconds / worth:.3g} {unit}"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} m {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} m"


def size(count: int) -> str:
    """Bytes, in units of 1000."""
    if count < 1000:
        return f"{count} bytes" if count != 1 else "1 byte"
    for unit, worth in (("kB", 10**3), ("MB", 10**6), ("GB", 10**9)):
        if count < 999.5 * worth:
            return f"{count / worth:.3g} {unit}"
    return f"{count / 10**12:.3g} TB"


def dollars(cost: float) -> str:
    return f"${cost:.4g}"


def counted(count: int, noun: str, plural: str = "") -> str:
    """`1 call`, `2,000 calls`."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
