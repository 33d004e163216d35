"""Scores over the runs spent: every candidate as a mark, the best so far as a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import floor, log10

from optimizers.pictures.sheet import Dot, Line, Mark, Picture, Point, Words
from optimizers.results.trials import Trial
from tracelib.render.palette import BOXES, FAINT, FRAME_INK, INK

WIDTH, HEIGHT = 720.0, 420.0
LEFT, RIGHT, TOP, BOTTOM = 76.0, 24.0, 52.0, 84.0
TICKS = 5
TRAIN, JUDGED = "#7a8597", "#2f63b0"
SERIES = {"train": (TRAIN, True), "validation": (JUDGED, False)}
"""The ink of a split, and whether its line is dashed."""
SHAPES = {"seed": "square", "winner": "diamond"}


@dataclass(frozen=True)
class Scored:
    """One candidate on one split: when it was scored, and at what."""

    trial: Trial
    split: str
    rollouts: int
    score: float

    @property
    def hint(self) -> str:
        said = f"{self.trial.status} {self.trial.id}: {self.score:.4f} on {self.split}"
        return f"{said} after {self.rollouts} runs. {self.trial.reason}".strip()


@dataclass(frozen=True)
class Axes:
    """From values to places on the sheet."""

    across: tuple[float, float]
    up: tuple[float, float]

    def at(self, x: float, y: float) -> Point:
        return self._share(x, self.across, LEFT, WIDTH - RIGHT), self._share(y, self.up, HEIGHT - BOTTOM, TOP)

    def _share(self, value: float, ends: tuple[float, float], low: float, high: float) -> float:
        return low + (value - ends[0]) / (ends[1] - ends[0]) * (high - low)


def curves(trials: Sequence[Trial]) -> Picture:
    """A chart of all candidates that ran on a whole split."""
    found = [scored for split in SERIES for scored in _scored(trials, split)]
    marks: list[Mark] = [Words((LEFT, 28), _title(trials, found), INK, 15, bold=True)]
    if found:
        axes = Axes(_ends([0.0, *(one.rollouts for one in found)]), _ends([one.score for one in found]))
        marks += [*_frame(axes), *(mark for split in SERIES for mark in _series(axes, found, split))]
        marks += _legend(found)
    return Picture("scores over runs", WIDTH, HEIGHT, tuple(marks))


def _scored(trials: Sequence[Trial], split: str) -> Iterator[Scored]:
    for trial in trials:
        score = trial.train if split == "train" else trial.validation
        if split in trial.at and score is not None:
            yield Scored(trial, split, trial.at[split], score)


def _title(trials: Sequence[Trial], found: Sequence[Scored]) -> str:
    if not found:
        return "no candidate ran on a whole split"
    rejected = sum(trial.status == "rejected" for trial in trials)
    also = f", {rejected} proposals rejected" if rejected else ""
    return f"{len({one.trial.id for one in found})} candidates scored{also}"


def _frame(axes: Axes) -> Iterator[Mark]:
    left, bottom = axes.at(axes.across[0], axes.up[0])
    right, top = axes.at(axes.across[1], axes.up[1])
    for tick in ticks(*axes.up):
        _, y = axes.at(0, tick)
        yield Line([(left, y), (right, y)], "#e4e8ef")
        yield Words((left - 8, y + 4), _number(tick), FAINT, 11, "end")
    for tick in ticks(*axes.across):
        x, _ = axes.at(tick, 0)
        yield Line([(x, bottom), (x, bottom + 5)], FRAME_INK)
        yield Words((x, bottom + 19), f"{tick:,.0f}", FAINT, 11, "middle")
    yield Line([(left, top), (left, bottom), (right, bottom)], FRAME_INK, 1.3)
    yield Words(((left + right) / 2, bottom + 38), "runs of the program", FAINT, 11, "middle")
    yield Words((left, top - 8), "mean score", FAINT, 11)


def _series(axes: Axes, found: Sequence[Scored], split: str) -> Iterator[Mark]:
    mine = sorted((one for one in found if one.split == split), key=lambda one: one.rollouts)
    if not mine:
        return
    ink, dashed = SERIES[split]
    yield Line([axes.at(*point) for point in _best(mine, axes.across[1])], ink, 1.8, dashed)
    for one in mine:
        shape = SHAPES.get(one.trial.status, "circle")
        fill = BOXES["parameter"].fill if one.trial.status == "winner" else "#ffffff"
        radius = 5.5 if shape != "circle" else 3.5
        yield Dot(axes.at(one.rollouts, one.score), shape, fill, ink, radius, one.hint)  # type: ignore[arg-type]


def _best(scored: Sequence[Scored], end: float) -> Iterator[Point]:
    """The best score so far as steps, to the end of the axis."""
    best = scored[0].score
    for one in scored:
        yield one.rollouts, best
        best = max(best, one.score)
        yield one.rollouts, best
    yield end, best


def _legend(found: Sequence[Scored]) -> Iterator[Mark]:
    x, y = LEFT, HEIGHT - 18
    for split in dict.fromkeys(one.split for one in found):
        ink, dashed = SERIES[split]
        yield Line([(x, y - 4), (x + 26, y - 4)], ink, 1.8, dashed)
        yield Words((x + 32, y), f"best so far on {split}", INK, 11)
        x += 200
    for shape, word in (("square", "seed"), ("circle", "tried"), ("diamond", "winner")):
        yield Dot((x, y - 4), shape, "#ffffff", INK, 4.5)  # type: ignore[arg-type]
        yield Words((x + 12, y), word, INK, 11)
        x += 68


def ticks(low: float, high: float) -> list[float]:
    """Round numbers between two ends, some five of them.

    >>> ticks(0, 97), ticks(-0.02, 0.93)
    ([0.0, 20.0, 40.0, 60.0, 80.0], [0.0, 0.2, 0.4, 0.6, 0.8])
    """
    rough = (high - low) / TICKS
    power = 10.0 ** floor(log10(rough))
    step = min((m * power for m in (1, 2, 5, 10)), key=lambda one: abs(one - rough))
    first = floor(low / step) + (floor(low / step) * step < low)
    return [round(number * step, 10) for number in range(first, floor(high / step + 1e-9) + 1)]


def _ends(values: Sequence[float]) -> tuple[float, float]:
    """The ends of an axis, with a little air; apart from each other whatever the values are."""
    low, high = min(values), max(values)
    air = (high - low) * 0.06 or abs(high) * 0.1 or 0.5
    return (0.0, high + air) if low == 0 else (low - air, high + air)


def _number(value: float) -> str:
    return f"{value:,.10g}"
