"""The table: each figure beside its goal, and whether it is met."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.goals import GOALS
from benchmarks.harness import Row
from benchmarks.simulated import CAVEATS

HEAD = ("benchmark", "measured", "min..max", "unit", "goal", "floor", "peers, published", "verdict", "note")
RIGHT = frozenset(("measured", "goal"))

Here = Mapping[str, Mapping[str, Row]]
"""Rows of the peers measured here: by peer, then by the name of the row."""


def verdict(row: Row) -> str:
    """`met` or `MISSED` by the median, `-` without a goal or where left out, `FAILED` without a figure."""
    most = GOALS[row.goal].most
    if row.spread is None:
        return "-" if row.goal == "left out" else "FAILED"
    if most is None:
        return "-"
    return "met" if row.spread.median <= most else "MISSED"


def missed(rows: Iterable[Row]) -> list[Row]:
    """The rows that do not meet their goal, failed ones among them."""
    return [row for row in rows if verdict(row) in ("MISSED", "FAILED")]


def table(rows: list[Row], here: Here) -> str:
    """The rows as aligned text; each peer measured here has a column of its own."""
    head = [*HEAD[:7], *(f"{peer}, here" for peer in here), *HEAD[7:]]
    lines = [_cells(row, here) for row in rows]
    widths = [max(len(line[i]) for line in [head, *lines]) for i in range(len(head))]
    return "\n".join(_aligned(line, head, widths) for line in [head, ["-" * w for w in widths], *lines])


def caveats(rows: Iterable[Row]) -> str:
    """What has to be read with rows of a simulated model; nothing where there are none."""
    return f"\n\n{CAVEATS}" if any(row.name.startswith("simulated") for row in rows) else ""


def merged(*found: Here) -> dict[str, dict[str, Row]]:
    """The rows of each peer from several tables."""
    peers = dict.fromkeys(peer for rows in found for peer in rows)
    return {peer: {name: row for rows in found for name, row in rows.get(peer, {}).items()} for peer in peers}


def _aligned(line: list[str], head: list[str], widths: list[int]) -> str:
    cells = [
        cell.rjust(width) if name in RIGHT else cell.ljust(width)
        for cell, name, width in zip(line, head, widths, strict=True)
    ]
    return "  ".join(cells).rstrip()


def _cells(row: Row, here: Here) -> list[str]:
    goal = GOALS[row.goal]
    most = "-" if goal.most is None else f"<= {number(goal.most)}"
    beside = [_beside(rows.get(row.name)) for rows in here.values()]
    around = f"{number(row.spread.least)}..{number(row.spread.greatest)}" if row.spread else ""
    published = [goal.unit, most, goal.floor, goal.peer]
    measured = number(row.spread.median) if row.spread else ""
    return [row.name, measured, around, *published, *beside, verdict(row), row.note]


def _beside(row: Row | None) -> str:
    """What a peer was measured at, or how it failed."""
    if row is None:
        return ""
    return number(row.spread.median) if row.spread else row.note


def number(value: float) -> str:
    """Three digits that count, thousands apart."""
    if abs(value) < 0.05:
        return "0" if abs(value) < 0.0005 else f"{value:.3f}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def to_json(rows: list[Row], here: Here, size: str) -> dict[str, Any]:
    """Everything in the table, and what it was measured on."""
    return {
        "python": platform.python_version(),
        "machine": platform.platform(),
        "size": size,
        "caveats": caveats(rows).strip(),
        "rows": [_row_to_json(row) for row in rows],
        "peers": {peer: [row.to_json() for row in found.values()] for peer, found in here.items()},
    }


def _row_to_json(row: Row) -> dict[str, Any]:
    goal = GOALS[row.goal]
    return {**row.to_json(), "unit": goal.unit, "most": goal.most, "verdict": verdict(row)}
