"""How a run is watched: a bar on a terminal, one line in a notebook, plain lines elsewhere.

A callback like any other. The bar is rich's, and this is the only module here that loads it; IPython is
only used where it runs already.
"""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO
from uuid import uuid4

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
DISPLAY_SECONDS = 0.2
"""A notebook's line is written anew at most once in so many seconds."""


class Progress:
    """Shows a run on `stream` (standard error unless given): the best score, what is spent, what is left.

    On a terminal it is a bar, redrawn in place, and in a notebook one line that is written anew. Elsewhere
    (a log, CI) it is lines: one for the seed, one for each better candidate, one every few seconds, one at
    the end. `bar` forces a bar, or lines.
    """

    def __init__(self, stream: TextIO | None = None, bar: bool | None = None) -> None:
        self._view = _view(stream, bar)
        self._watch = Watch()

    def on(self, event: Event) -> None:
        self._watch.hear(event)
        self._view.show(event, self._watch)


def _view(stream: TextIO | None, bar: bool | None) -> Bar | Lines | Display:
    shell = notebook() if stream is None and bar is None else None
    if shell is not None:
        return Display(shell.display_pub)
    found = stream if stream is not None else sys.stderr
    drawn = found.isatty() if bar is None else bar
    return Bar(found, bar) if drawn else Lines(found)


def notebook() -> Any:
    """The shell of the notebook that this runs in, None elsewhere; loads nothing."""
    find = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = find() if find is not None else None
    return shell if hasattr(shell, "kernel") else None


class Watch:
    """What is known so far: spending, the best mean on train and on validation, what was rejected."""

    def __init__(self) -> None:
        self.budget = Budget()
        self.spent = Spent()
        self.sizes: dict[str, int] = {}
        self.seed: Candidate | None = None
        self.best: dict[str, float] = {}
        self.began: dict[str, float] = {}
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
            if event.effect.candidate == self.seed:
                self.began.setdefault(split, mean)

    @property
    def share(self) -> float | None:
        """The share of the tightest limit that is spent, None without limits."""
        spent = self.spent.to_json()
        limits = {kind: limit for kind, limit in self.budget.limits().items() if limit and kind != "steps"}
        return max(((spent[kind] or 0) / limit for kind, limit in limits.items()), default=None)

    def __str__(self) -> str:
        rejected = [f"{self.rejected} rejected"] if self.rejected else []
        told = ", ".join([*map(self._score, self.best), *rejected, str(self.spent)])
        return f"{told}; left: {left}" if (left := self.left) else told

    @property
    def brief(self) -> str:
        """The same for a line of 60 characters: scores from the seed's to the best, spent of what may be."""
        spent = self.spent.to_json()
        limits = {kind: limit for kind, limit in self.budget.limits().items() if kind != "steps"}
        shares = [_share(kind, spent[kind] or 0, limit) for kind, limit in limits.items()]
        scores = [f"{split} {self._change(split)}" for split in self.best]
        return ", ".join([*scores, *(shares or [f"{self.spent.rollouts:,} rollouts"])])

    def _change(self, split: str) -> str:
        began, best = self.began.get(split), self.best[split]
        return f"{best:.4g}" if began is None or began == best else f"{began:.4g}->{best:.4g}"

    @property
    def left(self) -> str:
        """What may still be spent, "" without limits."""
        spent = self.spent.to_json()
        limits = {kind: limit for kind, limit in self.budget.limits().items() if kind != "steps"}
        return ", ".join(_amount(kind, max(0, limit - (spent[kind] or 0))) for kind, limit in limits.items())

    def _score(self, split: str) -> str:
        began = self.began.get(split)
        before = f" (seed {began:.4f})" if began is not None and began != self.best[split] else ""
        return f"best {split} {self.best[split]:.4f}{before}"


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
            description=watch.brief,
            completed=0 if share is None else min(1.0, share),
            total=None if share is None else 1.0,
        )
        if isinstance(event, RunEnded | RunBroken):
            self.close()

    def _open(self, watch: Watch) -> None:
        self.close()
        self._progress = RichProgress(
            BarColumn(bar_width=12),
            TextColumn("{task.description}", markup=False),
            console=Console(file=self._stream, force_terminal=self._force),
            transient=True,
        )
        self._progress.start()
        self._task = self._progress.add_task(watch.brief, total=None)

    def close(self) -> None:
        """Take the bar from the screen; a later run draws a new one."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


class Display:
    """One line of a notebook, written anew; `publisher` is the shell's."""

    def __init__(self, publisher: Any) -> None:
        self._publisher = publisher
        self._id = ""
        self._last = 0.0

    def show(self, event: Event, watch: Watch) -> None:
        if isinstance(event, RunStarted):
            self._id, self._last = uuid4().hex, 0.0
            self._write(_opening(event), update=False)
        elif isinstance(event, RunEnded | RunBroken):
            ended = f"{closing(event)}; " if isinstance(event, RunBroken) else "done: "
            self._write(ended + str(watch), update=True)
        elif time.monotonic() - self._last > DISPLAY_SECONDS:
            self._last = time.monotonic()
            self._write(str(watch), update=True)

    def _write(self, text: str, update: bool) -> None:
        data: Mapping[str, str] = {"text/plain": text, "text/html": f"<code>{html.escape(text)}</code>"}
        self._publisher.publish(data=data, transient={"display_id": self._id}, update=update)


def _share(kind: str, spent: float, limit: float) -> str:
    if kind == "dollars":
        return f"${spent:,.2f}/{limit:g}"
    return f"{spent:,.0f}/{limit:,g} {'s' if kind == 'seconds' else kind}"


def _amount(kind: str, amount: float) -> str:
    if kind == "dollars":
        return f"${amount:,.4f}"
    return f"{amount:.0f} s" if kind == "seconds" else f"{amount:,.0f} {kind}"


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
