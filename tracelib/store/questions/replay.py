"""Running a stored call again: its closure on its inputs, in a fresh interpreter, and its output compared."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

import tracelib
from tracelib.store import schema
from tracelib.store.store import Store
from tracelib.store.values.encoding import decode
from tracelib.store.values.opened import structure

SECONDS = 60.0

CODE = "import sys; sys.path.insert(0, sys.argv[1]); from tracelib.store.questions.rerun import main; main()"


@dataclass(frozen=True)
class Replay:
    """What running a call again gave.

    `same` is None when it could not be compared; `problem` says why. `stored` and `now` are outputs, or
    the errors as text. `seconds` is the time of the call alone.
    """

    call: str
    same: bool | None
    stored: Any = None
    now: Any = None
    problem: str = ""
    seconds: float = 0.0


def replay(store: Store, id: str, timeout: float = SECONDS) -> Replay:
    """Run a stored call again, in another process and an empty folder, and compare what it gives.

    Raises UnknownRecord when there is no such call. Code runs: it is the user's own, as stored. A
    function that asks a language model asks it again.
    """
    call = store.call(id)
    problem = _problem(store, call)
    if problem:
        return Replay(call.id, None, stored=call.output, problem=problem)
    assert call.version is not None
    version = store.version(call.version).whole
    job = {
        "closure": version.closure,
        "name": version.qualname,
        "inputs": store.section(call.id, "inputs"),
        "state": _state(store, call),
    }
    return _compared(call, _run(job, timeout), version.partial)


def _problem(store: Store, call: Any) -> str:
    """Why a call cannot be run again; nothing when it can."""
    if call.version is None:
        return "its function's version is not stored"
    if call.status == "interrupted":
        return "its process died before it ended: there is nothing to compare with"
    qualname = store.version(call.version).name.rpartition(":")[2]
    if "." in qualname and "<locals>" not in qualname:
        return f"{qualname} is a method, and the object it was called on is not stored"
    return ""


def _state(store: Store, call: Any) -> dict[str, str]:
    """The mutable globals as they were when the call ran: what was last told of each, by calls up to it."""
    told = schema.payload.c.state
    rows = (
        select(told)
        .join(schema.call, schema.call.c.n == schema.payload.c.call)
        .join(schema.version, schema.version.c.n == schema.call.c.version)
        .where(schema.version.c.hash == call.version, told.isnot(None), schema.call.c.n <= call.n)
        .order_by(schema.call.c.n)
    )
    found: dict[str, str] = {}
    with store.database.reading() as connection:
        for text in connection.execute(rows).scalars():
            whole = structure(connection, store.blobs, text)
            found.update({name: json.dumps(value) for name, value in whole.items()})
    return found


def _run(job: dict[str, Any], timeout: float) -> dict[str, Any]:
    ours = str(Path(tracelib.__file__).parent.parent)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("TRACELIB_", "PYTHONPATH"))}
    with tempfile.TemporaryDirectory(prefix="tracelib-replay-") as folder:
        try:
            done = subprocess.run(
                [sys.executable, "-P", "-c", CODE, ours],
                input=json.dumps(job),
                capture_output=True,
                text=True,
                timeout=timeout,
                cwd=folder,
                env=environment,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return {"problem": f"it did not end within {timeout:g} s"}
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        return {"problem": f"the interpreter ended with {done.returncode}: {done.stderr.strip()[-500:]}"}
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def _compared(call: Any, found: dict[str, Any], partial: bool) -> Replay:
    if "problem" in found:
        why = " (its closure is only a part)" if partial else ""
        return Replay(call.id, None, stored=call.output, problem=found["problem"] + why)
    seconds = float(found["seconds"])
    if "error" in found:
        was = None if call.error is None else call.error["type"].rpartition(":")[2]
        shown = f"{found['error']}: {found['message']}"
        stored = call.output if call.error is None else f"{was}: {call.error['message']}"
        return Replay(call.id, was == found["error"], stored, shown, seconds=seconds)
    now = decode(found["output"])
    if call.error is not None:
        return Replay(call.id, False, f"{call.error['type']}: {call.error['message']}", now, seconds=seconds)
    return Replay(call.id, repr(call.output) == repr(now), call.output, now, seconds=seconds)
