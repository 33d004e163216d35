"""A sandbox that is another Python: pydantic-monty interprets the code itself, in worker processes.

It runs where the kernel confines nothing, and knows less of Python: no `yield`, no numpy, a part of the
standard library. Code beyond that fails with its error. Needs the extra `[monty]`.
"""

from __future__ import annotations

import contextvars
import importlib.util
import io
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
        self._idle: OrderedDict[str, list[Session]] = OrderedDict()
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
        said = session.fed(CALL, inputs=_inputs(given, outside), external_lookup=lookup)
        with self._lock:
            self._idle.setdefault(code.key, []).append(session)
            self._idle.move_to_end(code.key)
            old = [self._idle.popitem(last=False)[1] for _ in range(len(self._idle) - IDLE)]
        for one in (one for several in old for one in several):
            one.close()
        return said

    def _session(self, code: Code) -> Session:
        with self._lock:
            waiting = self._idle.get(code.key)
            if waiting:
                return waiting.pop()
            if self._pool is None:
                self._pool = _package().Monty(max_processes=PROCESSES).__enter__()
        session = Session(self._pool, code, self.limits)
        session.load()
        return session

    def close(self) -> None:
        """End all its processes; a later call starts new ones."""
        with self._lock:
            pool, self._pool = self._pool, None
            self._idle.clear()
        if pool is not None:
            pool.__exit__(None, None, None)


class Session:
    """One candidate's interpreter. One that was stopped or died is closed."""

    def __init__(self, pool: Any, code: Code, limits: SandboxLimits) -> None:
        self._code = code
        self._wall = limits.wall
        self._files: dict[str, str] = {}
        self._count = 0
        bounds = {"max_feed_duration_secs": limits.wall, "max_memory": limits.memory}
        self._session = pool.checkout(limits=bounds).__enter__()

    def load(self) -> None:
        """Define what the function reaches, then the function; what monty knows not is missed when used."""
        for closure in self._code.closures:
            for statement in undecorated(closure, self._code.tools):
                self.fed(statement)
        said = self.fed(self._code.source, file=self._code.file)
        if said.error is not None:
            self.close()
            raise SandboxStopped(
                f"{self._code.name} does not fit monty: {said.error.kind}: {said.error.said}"
            )
        self.fed(f"_t_function = {self._code.name}")

    def fed(self, source: str, file: str | None = None, **options: Any) -> Said:
        """What a piece of source came to; its lines are known by `file` from then on."""
        monty, printed = _package(), io.StringIO()
        self._files[f"<python-input-{self._count}>"] = file or "<closure>"
        self._count += 1
        try:
            value = self._session.feed_run(
                source, print_callback=lambda _, text: printed.write(text), **options
            )
            return Said(crossing.written(value, "the result"), printed=printed.getvalue()[:PRINTED])
        except NotCrossing as error:
            return Said(error=Raised("NotCrossing", str(error)), printed=printed.getvalue()[:PRINTED])
        except (monty.MontyRuntimeError, monty.MontySyntaxError) as error:
            return Said(error=self._raised(error), printed=printed.getvalue()[:PRINTED])
        except monty.MontyError as error:
            self.close()
            raise SandboxStopped(f"the code was stopped: {error}") from error

    def _raised(self, error: Any) -> Raised:
        kind, _, said = error.display(format="type-msg").partition(": ")
        if kind == "TimeoutError":
            self.close()
            raise SandboxStopped(f"the code took more than {self._wall:g} seconds and was stopped")
        frames = error.traceback() if hasattr(error, "traceback") else ()
        lines = [(self._files.get(one.filename, one.filename), one.line, one.function_name) for one in frames]
        return Raised(kind, said, tuple((file, line, name or "") for file, line, name in lines))

    def close(self) -> None:
        self._session.__exit__(None, None, None)


def _inputs(given: Given, outside: Outside) -> dict[str, Any]:
    known = Known({}, lambda told: _stand_in(told, outside))
    return {
        "_t_args": tuple(crossing.read(one, known) for one in given.args),
        "_t_keywords": {name: crossing.read(one, known) for name, one in given.kwargs.items()},
        **{name: crossing.read(one, known) for name, one in given.values.items()},
    }


def _package() -> Any:
    return importlib.import_module("pydantic_monty")


def _tool(outside: Outside, name: str) -> Any:
    here = contextvars.copy_context()  # monty calls from a thread of its own

    def tool(*args: Any, **keywords: Any) -> Any:
        given = [crossing.written(args), crossing.written(keywords)]
        return _value(here.copy().run(outside.answer, {"tool": [None, name, *given]}))

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
