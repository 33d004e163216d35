"""Room for recursion: a recorded call takes Python frames that the plain call does not."""

from __future__ import annotations

import sys
import threading

STEP = 32
"""Nested calls after which room is made again; a power of two, tested by `depth & 31` on the call path."""
FRAMES = 32 * (2 if sys.version_info < (3, 12) else 1)
"""What 32 nested recorded calls count against the recursion limit beyond the plain calls: the frame of the
recording function, and until 3.12 the step through C to it. Any more and no recursion would ever end."""
AWAITED_FRAMES = 32
"""The same for coroutines, which are awaited without a step through C."""
SLACK = 192
"""Made with the first room, so that the last level can still be recorded when the limit is near."""
DEEPEST = 10_000
"""Recorded calls within one another in one thread: each takes some 500 bytes of an 8 MB C stack."""

_changing = threading.Lock()


def more_room(depth: int, frames: int = FRAMES) -> None:
    """Give back to the user's functions the frames that recording takes.

    Raises RecursionError where the C stack would overflow, which the user has made possible by a
    higher recursion limit.
    """
    if depth > DEEPEST and _stack_is_deep():
        raise RecursionError(
            f"more than {DEEPEST:,} recorded calls within one another; each takes C stack that plain Python "
            "calls do not: run the recursion under stop_tracing, or record the outer function only"
        )
    _change(_amount(depth, frames))


def less_room(depth: int, frames: int = FRAMES) -> None:
    """Take back what `more_room` gave at this depth."""
    _change(-_amount(depth, frames))


def _amount(depth: int, frames: int) -> int:
    return frames + SLACK if depth == STEP else frames


def _change(by: int) -> None:
    with _changing:
        sys.setrecursionlimit(sys.getrecursionlimit() + by)


def _stack_is_deep() -> bool:
    """Whether this thread really is that deep: calls made by tasks and threads count no C stack here."""
    try:
        sys._getframe(2 * DEEPEST - 100)
    except ValueError:
        return False
    return True
