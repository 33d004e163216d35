"""How a run is watched: a bar on a terminal, plain lines elsewhere; a callback like any other.

The bar is rich's, and this is the only module here that loads it.
"""

from __future__ import annotations

import sys
import time
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as RichProgress

from optimizers.budget import Budget, Spent
from optimizers.candidate import Candidate
from optimizers.driving.events import (
    CandidateRejected,
    Evaluated,
    Event,
    Judged,
    RolloutDone,
    RunBroken,
    RunEnded,
    RunStarted,
    SearchEnded,
)

LINE_SECONDS = 5.0
"""At most one plain line about how far the run is in so many seconds."""


class Progress:
    """Shows a run on `stream` (standard error unless given): how much is spent, and the best score.

    On a terminal it is a bar, redrawn in place. Elsewhere (a log, CI) it is lines: one for the seed, one
    for each better candidate, one every few seconds, one at the end. `bar` forces one or the other.
    """

    def __init__(self, stream: TextIO | None = None, bar: bool | None = None) -> None:
        self._stream = stream if stream is not None else sys.stderr
        drawn = self._stream.isatty() if bar is None else bar
        self._view: Bar | Lines = Bar(self._stream, bar) if drawn else Lines(self._stream)
        self._watch = Watch()

    def on(self, event: Event) -> None:
        self._watch.hear(event)
        self._view.show(event, self._watch)


class Watch:
    """What is known so far: spending, the best mean on train and on validation, what was rejected."""

    def __init__(self) -> None:
        self.budget = Budget()
        self.spent = Spent()
        self.sizes: dict[str, int] = {}
        self.seed: Candidate | None = None
        self.best: dict[str, float] = {}
        self.rejected = 0

    def hear(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self.__init__()  # type: ignore[misc]
            self.budget, self.sizes, self.seed = event.budget, event.sizes, event.seed
        elif isinstance(event, RolloutDone | SearchEnded | RunEnded):
            self.spent = event.spent
        elif isinstance(event, Evaluated):
            self._hear_score(event)
        elif isinstance(event, CandidateRejected):
            self.rejected += 1

    def _hear_score(self, event: Evaluated) -> None:
        split, mean = event.effect.split, event.standing.mean
        whole = len(set(event.effect.ids)) == self.sizes.get(split)
        if whole and mean is not None and split != "test":
            self.best[split] = max(mean, self.best.get(split, mean))

    @property
    def share(self) -> float | None:
        """The share of the tightest limit that is spent, None without limits."""
        spent = self.spent.to_json()
        limits = {kind: limit for kind, limit in self.budget.limits().items() if limit and kind != "steps"}
        return max(((spent[kind] or 0) / limit for kind, limit in limits.items()), default=None)

    def __str__(self) -> str:
        scores = [f"best {split} {mean:.4f}" for split, mean in self.best.items()]
        rejected = [f"{self.rejected} rejected"] if self.rejected else []
        return ", ".join([*scores, *rejected, str(self.spent)])


class Lines:
    """One line at a time, for logs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last = time.monotonic()
        self._told: dict[str, float] = {}

    def show(self, event: Event, watch: Watch) -> None:
        text = self._text(event, watch)
        if text:
            self._stream.write(text + "\n")
            self._stream.flush()
            self._last = time.monotonic()

    def _text(self, event: Event, watch: Watch) -> str:
        if isinstance(event, RunStarted):
            self._told = {}
            return _opening(event)
        if isinstance(event, Judged | SearchEnded | RunEnded | RunBroken):
            return closing(event)
        if isinstance(event, Evaluated) and watch.best != self._told:
            self._told = dict(watch.best)
            return str(watch)
        return str(watch) if time.monotonic() - self._last > LINE_SECONDS else ""


class Bar:
    """One line redrawn in place."""

    def __init__(self, stream: TextIO, force: bool | None = None) -> None:
        self._stream = stream
        self._force = force
        self._progress: RichProgress | None = None
        self._task = TaskID(0)

    def show(self, event: Event, watch: Watch) -> None:
        if isinstance(event, RunStarted):
            self._open(watch)
        if self._progress is None:
            return
        share = watch.share
        self._progress.update(
            self._task,
            description=str(watch),
            completed=0 if share is None else min(1.0, share),
            total=None if share is None else 1.0,
        )
        if isinstance(event, RunEnded | RunBroken):
            self.close()

    def _open(self, watch: Watch) -> None:
        self.close()
        self._progress = RichProgress(
            BarColumn(bar_width=24),
            TextColumn("{task.description}", markup=False),
            console=Console(file=self._stream, force_terminal=self._force),
            transient=True,
        )
        self._progress.start()
        self._task = self._progress.add_task(str(watch), total=None)

    def close(self) -> None:
        """Take the bar from the screen; a later run draws a new one."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def _opening(event: RunStarted) -> str:
    sizes = ", ".join(f"{size} {split}" for split, size in event.sizes.items() if size)
    kept = f", {event.kept} results kept from before" if event.kept else ""
    return f"training on {sizes}; budget: {event.budget}{kept}"


def closing(event: Judged | SearchEnded | RunEnded | RunBroken) -> str:
    """The line about an ending."""
    if isinstance(event, Judged):
        return f"{'accepted' if event.verdict.accepted else 'not accepted'}: {event.verdict.reason}"
    if isinstance(event, SearchEnded):
        return f"search ended{': ' + event.reason if event.reason else ''}"
    if isinstance(event, RunBroken):
        return f"broken off: {event.error}"
    return f"done: {event.spent}"
