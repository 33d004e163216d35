"""Who was made from whom: every candidate and rejected proposal as a box below its parents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

from optimizers.pictures.sheet import Box, Line, Mark, Picture, Words
from optimizers.results.trials import Trial
from tracelib.render.labels import cells
from tracelib.render.layout import Edge, Plan, lay_out
from tracelib.render.palette import BOXES, FAINT, INK

MARGIN, HEAD = 24.0, 52.0
WRAPPED = 30  # characters of a line of the reason
REASON_LINES = 2
CELL, BOLD_CELL = 6.0, 6.9  # pixels of a character
ROW, SIDE, ABOVE = 15.0, 10.0, 8.0
LOOKS = {"seed": "constant", "winner": "parameter", "tried": "call", "rejected": "error"}


def tree(trials: Sequence[Trial]) -> Picture:
    """The lineage of a run from the seed downwards."""
    places = {trial.id: place for place, trial in enumerate(trials) if trial.id}
    texts = [_texts(trial) for trial in trials]
    edges = [
        Edge(places[parent], place)
        for place, trial in enumerate(trials)
        for parent in dict.fromkeys(trial.parents)
        if parent in places and places[parent] != place
    ]
    layout = lay_out(Plan([_size(rows) for rows in texts], edges))
    title = _title(trials)
    width = max(layout.width, cells(title) * 8.6) + 2 * MARGIN
    left = (width - layout.width) / 2
    marks: list[Mark] = [Words((MARGIN, 28), title, INK, 15, bold=True)]
    for run in layout.runs:
        points = [(left + x, HEAD + y) for x, y in run.points]
        marks.append(Line(points, "#3d4a5f", 1.2, arrow=run.arrow))
    for trial, rows, (x, y) in zip(trials, texts, layout.boxes, strict=True):
        marks += _box(trial, rows, left + x, HEAD + y)
    return Picture("who was made from whom", width, HEAD + layout.height + MARGIN, tuple(marks))


def _title(trials: Sequence[Trial]) -> str:
    rejected = sum(trial.status == "rejected" for trial in trials)
    also = f", {rejected} rejected proposals" if rejected else ""
    return f"{len(trials) - rejected} candidates{also}, each below what it was made from"


def _texts(trial: Trial) -> list[str]:
    """The rows of a box: what it is, its scores, why it was made or refused."""
    scores = [
        f"{split} {score:.4f}"
        for split, score in (("train", trial.train), ("validation", trial.validation))
        if score is not None
    ]
    failed = [f"{trial.failed} failed"] if trial.failed else []
    said = " ".join((trial.problem or trial.reason).split())
    reason = wrap(said, WRAPPED, max_lines=REASON_LINES, placeholder=" ...", break_long_words=True)
    return [f"{trial.status} {trial.id[:7]}".strip(), *scores, *failed, *reason]


def _size(rows: Sequence[str]) -> tuple[float, float]:
    widest = max(cells(rows[0]) * BOLD_CELL, *(cells(row) * CELL for row in rows))
    return widest + 2 * SIDE, len(rows) * ROW + 2 * ABOVE


def _box(trial: Trial, rows: Sequence[str], x: float, y: float) -> Iterator[Mark]:
    look = BOXES[LOOKS[trial.status]]
    width = 3.0 if trial.status == "winner" else 1.3
    hint = trial.problem or trial.reason
    yield Box((x, y), _size(rows), look.fill, look.stroke, width, trial.status == "rejected", hint)
    for number, row in enumerate(rows):
        place = (x + SIDE, y + ABOVE + 11 + ROW * number)
        yield Words(place, row, FAINT if number else INK, 11, bold=number == 0)
