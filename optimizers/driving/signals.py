"""SIGTERM ends a run as Ctrl-C does: what had ended is kept, and the error says how to go on."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Terminated(KeyboardInterrupt):
    """The process was asked to end (SIGTERM) while a run was under way."""

    def __init__(self) -> None:
        super().__init__("SIGTERM")


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM raises Terminated inside the block; a handler of the user's own is left to do as it does."""
    if not _ours_to_handle():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def cancellable(loop: asyncio.AbstractEventLoop) -> Iterator[list[Any]]:
    """SIGTERM cancels the task of this block, once; the list then holds the signal."""
    came: list[Any] = []
    task = asyncio.current_task(loop)

    def cancel() -> None:
        if task is not None and not came:
            task.cancel()
        came.append(signal.SIGTERM)

    if not _ours_to_handle() or not hasattr(signal, "pthread_kill"):  # Windows' loops hear no signals
        yield came
        return
    loop.add_signal_handler(signal.SIGTERM, cancel)
    try:
        yield came
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def _ours_to_handle() -> bool:
    """Only the main thread may set handlers, and only one that nobody set may be taken."""
    main = threading.current_thread() is threading.main_thread()
    return main and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated
