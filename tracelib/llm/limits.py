"""Who may send now: one limiter for all that ask one model at one host, threads and tasks alike.

It has no thread of its own: whoever is first in line waits for his moment himself, then rings for the next.
"""

from __future__ import annotations

import asyncio
import math
import os
import threading
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from time import monotonic

from tracelib.errors import ModelError
from tracelib.llm.allowance import Flow, Remainder, standing

KINDS = ("requests", "tokens")
"""What endpoints count, by the names in their headers."""


@dataclass(frozen=True)
class Limits:
    """What a model may be asked: requests under way at once, requests and tokens in a minute.

    None is no limit. They hold for all models of that name at that host in this process. Requests are spread
    evenly over the minute, so that no stretch of it has more than its share. Raises ModelError for a number
    below 1.
    """

    concurrency: int | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None

    def __post_init__(self) -> None:
        for name, limit in vars(self).items():
            if limit is not None and not (isinstance(limit, int | float) and 1 <= limit < math.inf):
                raise ModelError(f"{name} is {limit!r}: give a number of at least 1, or None for no limit")


_BEHALF: ContextVar[int | None] = ContextVar("tracelib_asker", default=None)


@contextmanager
def on_behalf() -> Iterator[None]:
    """What this thread or task hands over to another inside the block is asked by itself."""
    token = _BEHALF.set(asker())
    try:
        yield
    finally:
        _BEHALF.reset(token)


def asker() -> int:
    """Who asks here: a number of the running task, else of the thread."""
    told = _BEHALF.get()
    if told is not None:
        return told
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    return threading.get_ident() if task is None else id(task)


def _runs_a_loop() -> bool:
    """Whether this thread runs an event loop, whose tasks cannot go on while it waits."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class Ticket:
    """A place in the line: a thread's or a task's, which wakes when it is rung for or its time has come.

    One that is `free` waits for a time that comes by itself, and never for another's turn to end.
    """

    def __init__(self, tokens: float, patience: float) -> None:
        self.tokens, self.patience, self.asker = tokens, patience, asker()
        self.free = False
        self._bell: threading.Event | None = None
        self._task_bell: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    def ring(self) -> bool:
        """Wake whoever waits; False when that was a task of a loop which is closed, and will never come."""
        if self._bell is not None:
            self._bell.set()
        if self._task_bell is not None:
            loop, bell = self._task_bell
            try:
                loop.call_soon_threadsafe(bell.set)
            except RuntimeError:
                return False
        return True

    def in_thread(self) -> None:
        """A thread holds it."""
        self._bell = threading.Event()

    def in_task(self) -> None:
        """A task of the running loop holds it."""
        self._task_bell = asyncio.get_running_loop(), asyncio.Event()

    def wait(self, longest: float) -> None:
        """Wait at most that many seconds."""
        assert self._bell is not None
        self._bell.wait(None if math.isinf(longest) else longest)
        self._bell.clear()

    async def await_(self, longest: float) -> None:
        """`wait`, for a task."""
        assert self._task_bell is not None
        bell = self._task_bell[1]
        try:
            async with asyncio.timeout(None if math.isinf(longest) else longest):
                await bell.wait()
        except TimeoutError:
            return  # its time has come
        bell.clear()


@dataclass(eq=False)
class Turn:
    """Leave to send one request, to be given back by `Limiter.end`; `answered` once its answer began."""

    tokens: float
    begun: float
    asker: int = 0
    answered: bool = False


class Limiter:
    """Turns for the requests to one model at one host, first come first served.

    A turn is given when the user's limits, what the endpoint's last headers leave, and the number that may
    be unanswered allow it. That number is halved by an answer 429 and grows by one for as many good answers
    as it has. Answers to requests that were under way at a halving do not halve again. A stream is answered
    when it begins; for the user's limit it is under way until its end.

    Whoever asks while he reads a stream, or blocks the loop of those he would wait for, would wait for ever.
    He waits for what rates and headers say, and for nobody.
    """

    def __init__(self) -> None:
        # Collecting a dropped task gives up its place, and that may happen while this very thread is in here.
        self._lock = threading.RLock()
        self._line: deque[Ticket] = deque()
        self._told = {kind: Remainder() for kind in KINDS}
        self._flows: dict[str, Flow] = {}
        self._limits = Limits()
        self._window = math.inf
        self._halved_at = self._held_until = self._told_at = -math.inf
        self._under_way = self._unanswered = 0
        self._tokens_unanswered = 0.0
        self._reading: Counter[int] = Counter()

    def set(self, limits: Limits) -> None:
        """These limits from now on; those set before end."""
        with self._lock:
            if limits != self._limits:
                self._limits = limits
                per_minute = {"requests": limits.requests_per_minute, "tokens": limits.tokens_per_minute}
                self._flows = {
                    kind: Flow(rate, 1.0 if kind == "requests" else max(1.0, rate / 60))
                    for kind, rate in per_minute.items()
                    if rate is not None
                }
            self._ring()

    def take(self, tokens: float, patience: float = math.inf) -> Turn:
        """A turn for a request of about so many tokens; waits for it. End it, whatever happens.

        A wait that the endpoint asks for and that is longer than `patience`, in seconds, is not begun: the
        request is sent, and the endpoint may refuse it.
        """
        ticket = Ticket(tokens, patience)
        turn = self._at_once(ticket, _runs_a_loop())
        if turn is not None:
            return turn
        ticket.in_thread()
        self._join(ticket)
        try:
            while isinstance(wait := self._try(ticket), float):
                ticket.wait(wait)
        except BaseException:  # an interrupt: whoever is behind must not wait for one who left
            self._leave(ticket)
            raise
        return wait

    async def atake(self, tokens: float, patience: float = math.inf) -> Turn:
        """`take`, for a task."""
        ticket = Ticket(tokens, patience)
        turn = self._at_once(ticket)
        if turn is not None:
            return turn
        ticket.in_task()
        self._join(ticket)
        try:
            while isinstance(wait := self._try(ticket), float):
                await ticket.await_(wait)
        except BaseException:  # cancelled: whoever is behind must not wait for one who left
            self._leave(ticket)
            raise
        return wait

    def hear(self, turn: Turn, headers: Mapping[str, str]) -> None:
        """The answer to the turn's request began, and says what is left."""
        said = {kind: standing(headers, kind) for kind in KINDS}
        with self._lock:
            self._answered(turn)
            now, is_newest = monotonic(), turn.begun >= self._told_at
            self._told_at = max(self._told_at, turn.begun)
            for kind, others in zip(KINDS, (self._unanswered, self._tokens_unanswered), strict=True):
                told, remainder = said[kind], self._told[kind]
                if told is not None:
                    remainder.hear(told, others, now, guessed=is_newest and kind == "tokens")
                elif remainder.is_known:
                    remainder.forget(now)
            self._ring()

    def crowded(self, turn: Turn, hold: float | None) -> None:
        """The turn's answer was 429; for `hold` seconds, if the endpoint asks for that, nothing is sent."""
        with self._lock:
            now = monotonic()
            if turn.begun > self._halved_at:
                self._window = max(1.0, min(self._window, self._unanswered + turn.answered) / 2)
                self._halved_at = now
            self._held_until = max(self._held_until, now + (hold or 0.0))

    def end(self, turn: Turn, used: float | None = None, good: bool = False) -> None:
        """The turn is over; `used` are the tokens it came to, `good` when its answer was no failure."""
        with self._lock:
            self._answered(turn)
            self._under_way -= 1
            self._reading[turn.asker] -= 1
            if not self._reading[turn.asker]:
                del self._reading[turn.asker]
            if used is not None and "tokens" in self._flows:
                self._flows["tokens"].correct(turn.tokens - used)
            if good:
                self._window += 1 / self._window
            self._ring()

    def _answered(self, turn: Turn) -> None:
        if not turn.answered:
            turn.answered = True
            self._unanswered -= 1
            self._tokens_unanswered -= turn.tokens
            self._reading[turn.asker] += 1

    def _at_once(self, ticket: Ticket, blocks: bool = False) -> Turn | None:
        with self._lock:
            now = monotonic()
            ticket.free = blocks or ticket.asker in self._reading
            if (self._line and not ticket.free) or self._wait(ticket, now) > 0:
                return None
            return self._go(ticket, now)

    def _join(self, ticket: Ticket) -> None:
        with self._lock:
            if ticket.free:
                self._line.appendleft(ticket)
            else:
                self._line.append(ticket)

    def _try(self, ticket: Ticket) -> Turn | float:
        """A turn, or seconds to wait before asking again."""
        with self._lock:
            if self._line[0] is not ticket:
                return math.inf
            now = monotonic()
            wait = self._wait(ticket, now)
            if wait > 0:
                return wait
            self._line.popleft()
            self._ring()
            return self._go(ticket, now)

    def _leave(self, ticket: Ticket) -> None:
        with self._lock:
            if ticket in self._line:
                self._line.remove(ticket)
            self._ring()

    def _ring(self) -> None:
        while self._line and not self._line[0].ring():
            self._line.popleft()

    def _wait(self, ticket: Ticket, now: float) -> float:
        if not ticket.free and self._is_full():
            return math.inf
        asked = max(self._held_until - now, self._left(ticket.tokens, now))
        if ticket.patience < asked < math.inf or (ticket.free and math.isinf(asked)):
            asked = 0.0
        own = [flow.wait(_amount(kind, ticket.tokens), now) for kind, flow in self._flows.items()]
        return max(asked, 0.0, *own)

    def _is_full(self) -> bool:
        """Whether a turn has to end before another is given."""
        if self._under_way + 1 > (self._limits.concurrency or math.inf):
            return True
        return self._unanswered + 1 > max(1.0, self._window)

    def _left(self, tokens: float, now: float) -> float:
        """Seconds until the endpoint has as much left, by its own account."""
        idle = self._unanswered == 0
        return max(left.wait(_amount(kind, tokens), now, idle) for kind, left in self._told.items())

    def _go(self, ticket: Ticket, now: float) -> Turn:
        for kind in KINDS:
            self._told[kind].take(_amount(kind, ticket.tokens), now)
            if kind in self._flows:
                self._flows[kind].take(_amount(kind, ticket.tokens), now)
        self._under_way += 1
        self._unanswered += 1
        self._tokens_unanswered += ticket.tokens
        return Turn(ticket.tokens, now, ticket.asker)


def _amount(kind: str, tokens: float) -> float:
    return 1.0 if kind == "requests" else tokens


_LIMITERS: dict[tuple[int, str, str], Limiter] = {}


def limiter_of(host: str, model: str) -> Limiter:
    """The one limiter of this process for a model at a host; a forked process has its own."""
    return _LIMITERS.setdefault((os.getpid(), host, model), Limiter())
