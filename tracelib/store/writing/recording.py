"""Turning recording on and off: for the process by `init`, for a context by `with store:`.

One listener stands for all stores: it asks which one holds here. So pool threads, which have a context
of their own, are heard by the store of the process, and a block overrides it for itself alone.
"""

from __future__ import annotations

import atexit
import contextvars
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tracelib.errors import StoreError
from tracelib.graph import arguments
from tracelib.graph.bundle import CAPTURES
from tracelib.graph.tracing import Frame, Update, ears, id_text, new_id
from tracelib.store.draining.drainer import Drainer
from tracelib.store.journal.journal import Journal
from tracelib.store.late import late
from tracelib.store.writing.recorder import Recorder, Settings

if TYPE_CHECKING:
    from tracelib.graph.call import Call
    from tracelib.store.store import Store

NUDGE_BYTES = 256 << 10
"""How much is written before a background process is asked to drain it."""

run: contextvars.ContextVar[str | None] = contextvars.ContextVar("tracelib_run", default=None)
"""The id of the run that calls belong to here."""


class Recording:
    """A store while it is recorded into."""

    def __init__(
        self,
        store: Store,
        capture: str = "full",
        redact: Callable[[str], str] | None = None,
        autocommit: Any = False,
    ) -> None:
        if capture not in CAPTURES:
            raise StoreError(f"capture is one of {', '.join(CAPTURES)}, not {capture!r}")
        self.store = store
        self.journal = _Watched(Drainer(store.where, store.journal), store)
        self.recorder = Recorder(self.journal, Settings(capture, redact, run.get))
        self.committer: Any = None
        if autocommit and (autocommit is not True or late("is_configured")()):
            model = None if autocommit is True else autocommit
            self.committer = late("Committer")(store, self.recorder, model)
            self.recorder.on_version = self.committer.take

    def close(self) -> None:
        """Write what is left; the rest is done by whoever drains."""
        self.journal.close()


class _Watched(Journal):
    """A journal that has itself drained when much was written."""

    def __init__(self, drainer: Drainer, store: Store) -> None:
        super().__init__(store.journal, durability=store.durability)
        self._drainer = drainer
        self._since = 0

    def append(self, kind: int, payload: bytes) -> None:
        Journal.append(self, kind, payload)
        self._since += len(payload)
        if self._since > NUDGE_BYTES:
            self._since = 0
            self._drainer.nudge()


class _Door:
    """The listener that hands what is recorded to the store that holds here."""

    def call_started(self, frame: Frame) -> None:
        found = active()
        if found is not None:
            found.recorder.call_started(frame)

    def call_finished(self, call: Call) -> None:
        found = active()
        if found is not None:
            found.recorder.call_finished(call)

    def parameter_updated(self, update: Update) -> None:
        found = active()
        if found is not None:
            found.recorder.parameter_updated(update)

    def event(self, name: str, data: dict[str, Any]) -> None:
        found = active()
        if found is not None:
            found.recorder.event(name, data)


_DOOR = _Door()
_process: list[Recording] = []
"""The recording of the process: one or none."""
_here: contextvars.ContextVar[Recording | None] = contextvars.ContextVar("tracelib_store", default=None)
_blocks: list[Recording] = []
"""The recordings of all blocks that are open, in whatever context."""
_changing = threading.RLock()
"""Held while these and the listeners change; no user's code runs meanwhile."""


def _renew() -> None:
    global _changing
    _changing = threading.RLock()


os.register_at_fork(after_in_child=_renew)


def active() -> Recording | None:
    """The recording that holds here and now."""
    found = _here.get()
    if found is None and _process:
        return _process[0]
    return found


def of_process() -> Recording | None:
    """The recording that holds wherever no block says otherwise."""
    return _process[0] if _process else None


def install(recording: Recording | None) -> None:
    """Make a recording that of the process, in place of the one before; None ends it."""
    with _changing:
        before = list(_process)
        _process[:] = [] if recording is None else [recording]
        _listen()
    for other in before:
        other.close()


def enter(recording: Recording) -> contextvars.Token[Recording | None]:
    """Let a recording hold in this context."""
    token = _here.set(recording)
    with _changing:
        _blocks.append(recording)
        _listen()
    return token


def leave(recording: Recording, token: contextvars.Token[Recording | None]) -> None:
    """End what `enter` began."""
    _here.reset(token)
    with _changing:
        _blocks.remove(recording)
        _listen()
    recording.close()


@contextmanager
def running(store: Store, name: str, config: Any) -> Iterator[str]:
    """A run of the store that is recorded into here; gives its id."""
    found = active()
    if found is None or found.store is not store:
        raise StoreError(f"nothing is recorded into {store!r} here: begin with trace.init or `with store:`")
    recorder = found.recorder
    id = f"{new_id(time.time()):032x}"
    shown = recorder.redactor.text(name)
    begun: dict[str, Any] = {"id": id, "name": shown, "config": recorder.encoder.encode(config).decode()}
    begun["start_ns"] = time.time_ns()
    token = run.set(id)
    recorder.run_changed({**begun, "status": "running"})
    ended: dict[str, Any] = {"status": "finished"}
    try:
        yield id_text(int(id, 16))
    except BaseException as error:
        text = recorder.redactor.text(f"{type(error).__name__}: {error}")
        ended = {"status": "failed", "error": text}
        raise
    finally:
        recorder.run_changed({**begun, **ended, "end_ns": time.time_ns()})
        run.reset(token)


def _listen() -> None:
    """Be among the listeners exactly while there is somebody to hand on to.

    Where no block overrides the process's recorder it is the listener itself, which saves a step per call.
    """
    ours = [_process[0].recorder] if _process and not _blocks else [_DOOR] if _process or _blocks else []
    ears[:] = [*(ear for ear in ears if ear is not _DOOR and not isinstance(ear, Recorder)), *ours]
    arguments.exact[:] = [_written] if ours else []


def _written(value: Any) -> bytes:
    """An argument as the record will have it, before the body runs."""
    found = active()
    return b"" if found is None else found.recorder.encoder.encode(value)


@atexit.register
def _close() -> None:
    """At the end of the process what is left in memory is written."""
    for recording in (*_process, *_blocks):
        recording.close()
