"""What the demonstration shows while it works: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from optimizers.driving.events import CandidateMade, CandidateRejected, Evaluated, Event, RunStarted

LINE_SECONDS = 5.0
"""Without anything better to tell, a plain line says how far the search is at most this often."""

REASON_LENGTH = 100
"""Characters of a model's reason that are shown."""


class Screen:
    """Prints text as it is: no markup, no wrapping, no colours but its own."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console()

    def say(self, text: str = "", style: str | None = None) -> None:
        """One or several lines."""
        self.console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def reading(self) -> Iterator[Callable[[int, int], None]]:
        """Shows (done, total) files as they are read; on a terminal only."""
        with Bar(self.console, "Reading", "files") as bar:
            yield lambda done, total: bar.at(done, total)


class Bar:
    """One line that is redrawn on a terminal, and nothing elsewhere."""

    def __init__(self, console: Console, label: str, unit: str) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._unit = unit
        self._task = self._progress.add_task(label, total=None, note=unit)

    def at(self, done: int, total: int, note: str = "") -> None:
        """Show how far it is, with a note."""
        text = f"{self._unit}  {note}".rstrip()
        self._progress.update(self._task, completed=done, total=total, note=text)

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()


class SearchWatch:
    """Shows a search: how many candidates were tried, and the best score on the training questions."""

    def __init__(self, screen: Screen, bar: Bar, trials: int) -> None:
        self._screen = screen
        self._bar = bar
        self._trials = trials
        self._tried = -1  # the first to run is the agent as it is
        self._best = 0.0
        self._told = time.monotonic()

    def on(self, event: Event) -> None:
        if isinstance(event, RunStarted) and event.kept:
            self._screen.say(f"  going on from {event.kept:,} answers kept in the journal")
        if isinstance(event, Evaluated) and event.effect.split == "train":
            self._tried += 1
            self._show(event.standing.mean or 0.0)

    def _show(self, score: float) -> None:
        better = score > self._best
        self._best = max(self._best, score)
        self._bar.at(self._tried, self._trials, f"best {self._best:.3f}")
        if self._screen.console.is_terminal:
            return
        where = f"candidate {self._tried:2} of {self._trials}" if self._tried else "as it starts"
        if better:
            self._line(f"  {where}: {score:.3f} right in training")
        elif time.monotonic() - self._told > LINE_SECONDS:
            self._line(f"  {where}: best so far {self._best:.3f}")

    def _line(self, text: str) -> None:
        self._screen.say(text)
        self._told = time.monotonic()


class ModelWatch:
    """Shows what a model proposes and what came of it, in lines; the bar counts the proposals."""

    def __init__(self, screen: Screen, bar: Bar, calls: int) -> None:
        self._screen = screen
        self._bar = bar
        self._calls = calls
        self._made = 0
        self._told = ""

    def on(self, event: Event) -> None:
        if isinstance(event, RunStarted) and event.kept:
            self._screen.say(f"  going on from {event.kept:,} results kept in the journal")
        elif isinstance(event, CandidateMade):
            self._made += 1
            self._screen.say(f"  proposal {self._made}: {shortened(event.candidate.note)}")
        elif isinstance(event, CandidateRejected):
            self._screen.say(f"  a proposal cannot be used: {shortened(event.rejected.problem)}")
        elif isinstance(event, Evaluated) and event.effect.split != "test":
            self._tell(f"  {scored(event)}")
        self._bar.at(self._made, self._calls)

    def _tell(self, text: str) -> None:
        """Say it, unless it was the last thing said: what is known already is asked for again."""
        if text != self._told:
            self._screen.say(text)
        self._told = text


def scored(event: Evaluated) -> str:
    """What a candidate did, and whether it is the one that proposals are made from."""
    count = len(event.effect.ids)
    if event.effect.evidence:
        return f"{event.standing} right on {count} training questions, shown to the model"
    if event.effect.split == "train":
        return f"  {event.standing} right on the same {count}"
    return f"  {event.standing} right on the {count} questions that decide"


def shortened(text: str) -> str:
    """The text on one line, cut visibly."""
    line = " ".join(text.split())
    return line if len(line) <= REASON_LENGTH else line[: REASON_LENGTH - 3] + "..."
