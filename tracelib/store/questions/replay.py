"""Running a stored call again: its closure on its inputs, in a fresh interpreter, and its output compared."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import select

import tracelib
from tracelib.redaction import MARK
from tracelib.store import schema
from tracelib.store.rows import StoredCall
from tracelib.store.store import Store
from tracelib.store.values.decoding import Opaque, Stored, decode
from tracelib.store.values.objects import ADDRESS
from tracelib.store.values.opened import structure

SECONDS = 60.0

CODE = "import sys; sys.path.insert(0, sys.argv[1]); from tracelib.store.questions.rerun import main; main()"


@dataclass(frozen=True)
class Replay:
    """What running a call again gave.

    `same` is None when it could not be compared; `problem` says why. `stored` and `now` are outputs, or
    the errors as text; `now` is None where nothing was run. `seconds` is the time of the call alone.
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
    problem = _problem(call, store.section(call.id, "output"))
    if problem:
        return Replay(call.id, None, stored=call.output, problem=problem)
    version = store.version(f"{call.function}@{call.number}").whole
    inputs = store.section(call.id, "inputs")
    job = {
        "closure": version.closure,
        "name": version.qualname.rpartition("<locals>.")[2],
        "inputs": inputs,
        "state": _state(store, call),
    }
    found = _compared(call, _run(job, timeout), version.partial)
    if found.same is False and MARK.search(f"{inputs}{found.stored!r}"):
        return replace(
            found, same=None, problem="it is different, but secrets were taken out of what is stored"
        )
    return found


def _problem(call: StoredCall, output: str | None) -> str:
    """Why a call cannot be run again; nothing when it can. `output` is its JSON."""
    if call.version is None:
        return "its function's version is not stored"
    if call.status == "interrupted":
        return "its process died before it ended: there is nothing to compare with"
    if output is None and call.error is None:
        return "its inputs and what it gave were not captured"
    for name, value in (call.inputs or {}).items():
        part = _in_part(value)
        if part is not None:
            return f"of its input {name} only this is stored: {part!r}"
    part = _in_part(call.output)
    if part is not None and (part.type == "digest" or not part.digest):
        return f"of its output only this is stored: {part!r}"
    return ""


def _in_part(value: Any) -> Opaque | None:
    """The first thing in a stored value of which not all is stored."""
    waiting = [value]
    for one in waiting:  # which grows while it is walked
        if isinstance(one, Opaque):
            return one
        if isinstance(one, Stored):
            waiting += one.fields.values()
        elif isinstance(one, Mapping):
            waiting += [*one, *one.values()]
        elif isinstance(one, (list, tuple, set, frozenset, deque)):
            waiting += one
    return None


def _state(store: Store, call: StoredCall) -> dict[str, str]:
    """The mutable globals as they were when the call began: what its process had told of each until then."""
    told, rows, of = schema.payload.c.state, schema.call, schema.call.c
    this = select(of.session, of.function, of.start_ns).where(of.n == call.n).subquery()
    asked = (
        select(told)
        .join(rows, of.n == schema.payload.c.call)
        .join(this, (of.session == this.c.session) & (of.function == this.c.function))
        .where(told.isnot(None), of.start_ns <= this.c.start_ns)
        .order_by(of.start_ns, of.n)
    )
    found: dict[str, str] = {}
    with store.database.reading() as connection:
        for text in connection.execute(asked).scalars():
            whole = structure(connection, store.blobs, text)
            found.update({name: json.dumps(value) for name, value in whole.items()})
    return found


def _run(job: dict[str, Any], timeout: float) -> dict[str, Any]:
    ours = str(Path(tracelib.__file__).parent.parent)
    with tempfile.TemporaryDirectory(prefix="tracelib-replay-") as folder:
        try:
            done = subprocess.run(
                [sys.executable, "-P", "-c", CODE, ours],
                input=json.dumps(job),
                capture_output=True,
                text=True,
                timeout=timeout,
                cwd=folder,
                env={name: value for name, value in os.environ.items() if _is_kept(name)},
                check=False,
            )
        except subprocess.TimeoutExpired:
            return {"problem": f"it did not end within {timeout:g} s"}
    if not done.stdout:
        return {"problem": f"the interpreter ended with {done.returncode}: {done.stderr.strip()[-500:]}"}
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _is_kept(variable: str) -> bool:
    """Whether a variable of the environment concerns the function: a model's name does, our settings not."""
    return variable == "TRACELIB_MODEL" or not variable.startswith(("TRACELIB_", "PYTHONPATH"))


def _compared(call: StoredCall, found: dict[str, Any], partial: bool) -> Replay:
    if "problem" in found:
        why = " (its closure is only a part)" if partial else ""
        return Replay(call.id, None, stored=call.output, problem=found["problem"] + why)
    stored = call.output if call.error is None else _told(call.error)
    now = _told(found["error"]) if "error" in found else decode(found["output"])
    alike = ("error" in found) == (call.error is not None) and _words(stored) == _words(now)
    return Replay(call.id, alike, stored, now, seconds=float(found["seconds"]))


def _told(error: Mapping[str, Any]) -> str:
    """An error in words: the name of its type, wherever that was defined, and its message."""
    return f"{re.split('[:.]', error['type'])[-1]}: {error['message']}"


def _words(value: Any) -> str:
    """A value as it is compared: 1, 1.0 and True are different, NaN is the same, addresses do not count."""
    return ADDRESS.sub("", repr(value))
