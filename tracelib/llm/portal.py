"""An event loop in a thread of its own, for callers who cannot await; knows no model."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Portal:
    """Runs coroutines from any thread, whether or not that thread has a running loop.

    One loop serves all calls, so that clients which belong to a loop keep their connections. The thread
    starts with the first call and ends with `close`, with the portal, or with the program.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._end: weakref.finalize[[asyncio.AbstractEventLoop, threading.Thread], Portal] | None = None

    @property
    def is_here(self) -> bool:
        """Whether the caller is on the portal's own thread."""
        return threading.current_thread() is self._thread

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The coroutine's result, or its exception; it sees the caller's context variables.

        On the portal's own thread it would wait for itself: see `is_here` first.
        """
        future = asyncio.run_coroutine_threadsafe(coroutine, self._running())
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """End the loop and its thread; a later call starts new ones."""
        if self._end is not None:
            self._end()

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            # A fork leaves the loop without its thread.
            if self._loop is None or self._thread is None or not self._thread.is_alive():
                runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
                self._loop = runner.get_loop()
                self._thread = threading.Thread(target=_serve, args=(runner,), name="portal", daemon=True)
                self._end = weakref.finalize(self, _stop, self._loop, self._thread)
                self._thread.start()
            return self._loop


def _serve(runner: asyncio.Runner) -> None:
    with runner:
        runner.get_loop().run_forever()


def _stop(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    if not thread.is_alive():
        return
    loop.call_soon_threadsafe(loop.stop)
    if thread is not threading.current_thread():
        thread.join()
