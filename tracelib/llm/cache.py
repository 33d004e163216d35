"""Replies kept by their question, in a folder of JSON files: what was answered once is not paid for again.

A file is named by the hash of model, host, messages, parameters and `sample`, and the version of a function
that is the model; it is written whole or not at all. Only replies are kept, never failures.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import threading
import warnings
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

from tracelib.errors import CacheWarning
from tracelib.late import resolver
from tracelib.llm.asked import as_text, asked, canonical, cleaned, key_of
from tracelib.llm.guard import CACHES, Question, Steps
from tracelib.llm.model import CALLABLE, LATE
from tracelib.llm.reply import Reply, Usage

_late = resolver(LATE)

FORMAT = "tracelib reply 1"


class Cache:
    """Made by `trace.cache(folder)`; `hits` and `misses` count the questions that passed it.

    Those who ask one question at the same time, in threads or tasks, ask the model once; if that fails, each
    of the others asks for himself. A stream, which its reader may leave half read, is waited for by nobody
    and waits for nobody.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder).absolute()
        self.hits = self.misses = 0
        self._lock = threading.Lock()
        self._waiting: dict[str, list[Future[Reply | str]]] = {}

    def __repr__(self) -> str:
        return f"Cache({str(self.folder)!r}, {self.hits} hits, {self.misses} misses)"

    def __call__(self, question: Question) -> Steps:
        """The guard: answers from the folder, or asks and keeps the reply there."""
        asking = _Asking(question)
        kept = self._read(asking.key)
        if kept is not None:
            return self._hit(asking, kept)
        if question.streamed:
            return (yield from self._asked(asking))
        return (yield from self._shared(asking))

    def close(self) -> None:
        """From now on this cache keeps and answers nothing."""
        CACHES.end(self)

    def __enter__(self) -> Cache:
        CACHES.begin_block(self)
        return self

    def __exit__(self, *error: object) -> None:
        CACHES.end_block(self)

    def path(self, key: str) -> Path:
        """Where the reply to the question of that hash is, or would be."""
        return self.folder / key[:2] / f"{key}.json"

    def _shared(self, asking: _Asking) -> Steps:
        """The reply, asked for once by all who ask at this time."""
        while (place := self._board(asking.key)) is not None:
            yield place
            outcome = place.result() if place.done() else FAILED
            if isinstance(outcome, Reply):
                return self._hit(asking, outcome)
            if outcome == FAILED:
                return (yield from self._asked(asking))
        return (yield from self._led(asking))

    def _led(self, asking: _Asking) -> Steps:
        """The reply, asked for on behalf of those who wait; one of them leads when this one leaves."""
        outcome: Reply | str = LEFT
        try:
            kept = self._read(asking.key)  # another may have landed since it was looked for
            outcome = kept or (yield from self._asked(asking))
            return outcome if kept is None else self._hit(asking, kept)
        except Exception:
            outcome = FAILED
            raise
        finally:
            self._land(asking.key, outcome)

    def _asked(self, asking: _Asking) -> Steps:
        reply = yield asking.question
        with self._lock:
            self.misses += 1
        self._write(asking, reply)
        return reply

    def _hit(self, asking: _Asking, kept: Reply) -> Reply:
        with self._lock:
            self.hits += 1
        return as_kept(kept, perf_counter() - asking.started)

    def _board(self, key: str) -> Future[Reply | str] | None:
        """A place to wait at until the reply is there; None for the first to ask, who leads."""
        with self._lock:
            waiting = self._waiting.get(key)
            if waiting is None:
                self._waiting[key] = []
                return None
            waiting.append(Future())
            return waiting[-1]

    def _land(self, key: str, outcome: Reply | str) -> None:
        with self._lock:
            waiting = self._waiting.pop(key)
        for place in waiting:
            if place.set_running_or_notify_cancel():  # else its task was cancelled
                place.set_result(outcome)

    def _read(self, key: str) -> Reply | None:
        path = self.path(key)
        try:
            return _reply_in(path.read_text("utf-8"), key)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            _warn(f"the reply kept in {path} cannot be read and is asked for again: {error!r}")
            return None

    def _write(self, asking: _Asking, reply: Reply) -> None:
        path, told = self.path(asking.key), reply.to_json()
        kept = {
            "format": FORMAT,
            "question": cleaned(asking.told),
            "reply": told,
            "digest": _digest(asking.key, told),
        }
        try:
            write_whole(path, as_text(kept, indent=1) + "\n")
        except (OSError, ValueError, TypeError) as error:
            # A reply that was paid for is not lost for want of a place to keep it.
            _warn(f"a reply could not be kept in {path}, so the next to ask pays again: {error!r}")


FAILED, LEFT = "failed", "left"
"""How a question ended without a reply: by an error, or because whoever asked went away."""


class _Asking:
    """A question on its way, and what it is known by."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.started = perf_counter()
        self.told = asked(question)
        if question.function is not None and question.provider == CALLABLE:
            # Lambdas, partials and functions made by others share their names.
            self.told["version"] = _late("version_of")(question.function).hash
        self.key = key_of(self.told)


def cache(folder: str | os.PathLike[str]) -> Cache:
    """Keep replies in a folder, and answer from it: `trace.cache("./replies")`, from now on in this process.

    `with trace.cache("./replies"):` ends with the block, `.close()` whenever you like. A question is the same
    when model, host, messages, parameters and `sample=` are: ask with `sample=1`, `sample=2`, ... for replies
    of their own. A kept reply is `cached`, costs 0 and has used nothing; `reply.kept` is what it used once.
    """
    made = Cache(folder)
    CACHES.set(made)
    return made


def as_kept(reply: Reply, duration: float) -> Reply:
    """The reply as one that was kept: it used and cost nothing now."""
    nothing = Usage(0, 0, 0, 0, 0, 0)
    return replace(
        reply,
        usage=nothing,
        kept=reply.usage,
        cost=0.0,
        cost_source=None,
        attempts=0,
        duration=duration,
        first_token=None,
    )


def write_whole(path: Path, text: str) -> None:
    """Write a file so that nobody ever reads half of it; only its owner can read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _reply_in(text: str, key: str) -> Reply:
    kept = json.loads(text)
    if kept["format"] != FORMAT:
        raise ValueError(f"its format is {kept['format']!r}, not {FORMAT!r}")
    if kept["digest"] != _digest(key, kept["reply"]):
        raise ValueError("its digest is not that of its reply")
    return Reply.from_json(kept["reply"])


def _digest(key: str, told: dict[str, Any]) -> str:
    return hashlib.sha256(f"{key}\n{canonical(told)}".encode("utf-8", "surrogatepass")).hexdigest()


def _warn(message: str) -> None:
    warnings.warn(CacheWarning(message), stacklevel=2)
