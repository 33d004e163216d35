"""A sandbox that is another Python: pydantic-monty interprets the code itself, in worker processes.

It runs where the kernel confines nothing, and knows less of Python: no `yield`, no numpy, a part of the
standard library. Code beyond that fails with its error. Needs the extra `[monty]`.
"""

from __future__ import annotations

import importlib.util
import threading
import types
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from tracelib.errors import SandboxStopped, SandboxUnavailable
from tracelib.sandbox import crossing
from tracelib.sandbox.crossing import Known, NotCrossing
from tracelib.sandbox.sandbox import Code, Given, Outside, Raised, Said, SandboxLimits
from tracelib.sandbox.undecorated import undecorated

PROCESSES = 64
"""Sessions at the same time, each a process; whoever wants one more waits."""
IDLE = 8
"""Sessions that wait for further calls of their candidate; those that waited longest go first."""
PRINTED = 10_000
"""Characters kept of what a call prints."""
CALL = "_t_function(*_t_args, **_t_keywords)"


class MontySandbox:
    """Runs code in pydantic-monty; each candidate has a session of its own."""

    name = "monty"

    def __init__(self, packages: Sequence[str] = (), limits: SandboxLimits | None = None) -> None:
        if packages:
            raise SandboxUnavailable(f"monty has no installed packages: {', '.join(packages)} cannot be used")
        self.limits = limits or SandboxLimits()
        self._pool: Any = None
        self._idle: OrderedDict[str, list[Any]] = OrderedDict()
        self._lock = threading.Lock()

    @staticmethod
    def missing() -> str | None:
        """Why this machine cannot run it; None when it can."""
        if importlib.util.find_spec("pydantic_monty") is None:
            return "pydantic-monty is not installed: pip install 'tracelib[monty]'"
        return None

    @staticmethod
    def level() -> str:
        """What confines it."""
        return "an interpreter that knows no files, sockets or programs, in processes of its own"

    def run(self, code: Code, given: Given, outside: Outside) -> Said:
        """What a call of the code came to; raises SandboxStopped when it was stopped or died."""
        session = self._session(code)
        lookup = {name: _tool(outside, name) for name in code.tools}
        known = Known({}, lambda told: _stand_in(told, outside))
        inputs = {
            "_t_args": tuple(crossing.read(one, known) for one in given.args),
            "_t_keywords": {name: crossing.read(one, known) for name, one in given.kwargs.items()},
            **{name: crossing.read(one, known) for name, one in given.values.items()},
        }
        said = self._said(session, code, CALL, inputs=inputs, external_lookup=lookup)
        with self._lock:
            self._idle.setdefault(code.key, []).append(session)
            self._idle.move_to_end(code.key)
            old = [self._idle.popitem(last=False)[1] for _ in range(len(self._idle) - IDLE)]
        for one in (one for several in old for one in several):
            one.__exit__(None, None, None)
        return said

    def _session(self, code: Code) -> Any:
        with self._lock:
            waiting = self._idle.get(code.key)
            if waiting:
                return waiting.pop()
            if self._pool is None:
                self._pool = _package().Monty(max_processes=PROCESSES).__enter__()
        limits = {"max_feed_duration_secs": self.limits.wall, "max_memory": self.limits.memory}
        session = self._pool.checkout(script_name=code.file, limits=limits).__enter__()
        for source in (*map(undecorated, code.closures), code.source):
            said = self._said(session, code, source)
            if said.error is not None:
                raise SandboxStopped(f"{code.name} does not fit monty: {said.error.kind}: {said.error.said}")
        self._said(session, code, f"_t_function = {code.name}")
        return session

    def _said(self, session: Any, code: Code, source: str, **options: Any) -> Said:
        """What feeding a session came to; a session that was stopped or died is closed."""
        printed: list[str] = []
        monty = _package()
        try:
            value = session.feed_run(source, print_callback=lambda _, text: printed.append(text), **options)
            return Said(crossing.written(value, "the result"), printed="".join(printed)[:PRINTED])
        except NotCrossing as error:
            return Said(error=Raised("NotCrossing", str(error)), printed="".join(printed)[:PRINTED])
        except monty.MontyRuntimeError as error:
            return self._raised(session, code, error, "".join(printed)[:PRINTED])
        except monty.MontyError as error:
            session.__exit__(None, None, None)
            raise SandboxStopped(f"the code was stopped: {error}") from error

    def _raised(self, session: Any, code: Code, error: Any, printed: str) -> Said:
        kind, _, said = error.display(format="type-msg").partition(": ")
        if kind == "TimeoutError":
            session.__exit__(None, None, None)
            raise SandboxStopped(f"the code took more than {self.limits.wall:g} seconds and was stopped")
        # The source is what was fed after the closures.
        files = {f"<python-input-{len(code.closures)}>": code.file}
        lines = tuple(
            (files.get(frame.filename, frame.filename), frame.line, frame.function_name or "")
            for frame in error.traceback()
        )
        return Said(error=Raised(kind, said, lines), printed=printed)

    def close(self) -> None:
        """End all its processes; a later call starts new ones."""
        with self._lock:
            pool, self._pool = self._pool, None
            self._idle.clear()
        if pool is not None:
            pool.__exit__(None, None, None)


def _package() -> Any:
    return importlib.import_module("pydantic_monty")


def _tool(outside: Outside, name: str) -> Any:
    def tool(*args: Any, **keywords: Any) -> Any:
        given = [crossing.written(args), crossing.written(keywords)]
        return _value(outside.answer({"tool": [None, name, *given]}))

    return tool


def _value(answer: Mapping[str, Any], known: Known | None = None) -> Any:
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return crossing.read(answer["value"], known or Known())


def _stand_in(told: Any, outside: Outside) -> Any:
    """An object outside, with those of its attributes that can cross; monty's sessions read them at once."""
    handle, _, names = told
    if names is None:
        raise NotCrossing("a method whose code is trained does not fit monty")
    fetched = types.SimpleNamespace()
    for name in names:
        answer = outside.answer({"attribute": [handle, name]})
        if "value" in answer:
            setattr(
                fetched, name, crossing.read(answer["value"], Known({}, lambda one: _stand_in(one, outside)))
            )
    return _package().ClassInstance(fetched, eager_attrs="all")
