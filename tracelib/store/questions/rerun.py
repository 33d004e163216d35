"""The other side of a replay: a fresh interpreter that runs a closure and tells what it gave."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import io
import json
import linecache
import sys
import time
import types
from collections.abc import Mapping
from typing import Any

from tracelib.graph.containers import plain
from tracelib.graph.failure import root_of
from tracelib.graph.tracing import stop_tracing
from tracelib.redaction import Redactor
from tracelib.store.values.encoding import Encoder, decode

FILE = "<stored closure>"


def main() -> None:
    """Read a job from standard input; the last line of standard output is what came of it."""
    job = json.load(sys.stdin)
    with contextlib.redirect_stdout(io.StringIO()):
        found = run(job)
    sys.stdout.write(json.dumps(found) + "\n")


def run(job: Mapping[str, Any]) -> dict[str, Any]:
    """What the closure's function gives for the inputs: its output, its error, or why it could not run."""
    module = types.ModuleType("closure")
    sys.modules["closure"] = module
    text = job["closure"]
    linecache.cache[FILE] = (len(text), None, text.splitlines(keepends=True), FILE)
    try:
        exec(compile(text, FILE, "exec"), module.__dict__)
        fn = module.__dict__[job["name"].rpartition(".")[2]]
    except Exception as error:  # whatever the user's code raises while it is defined
        return {"problem": f"its closure does not run by itself: {type(error).__name__}: {error}"}
    module.__dict__.update({name: decode(value) for name, value in job["state"].items()})
    args, kwargs = _arguments(job["inputs"], fn, module)
    start = time.perf_counter()
    try:
        with stop_tracing():
            output = _result(fn(*args, **kwargs))
    except Exception as error:  # the user's own: it is compared with the one that is stored
        cause = root_of(error)
        seconds = time.perf_counter() - start
        return {"error": type(cause).__name__, "message": str(cause), "seconds": seconds}
    seconds = time.perf_counter() - start
    return {"output": Encoder(Redactor()).encode(plain(output)).decode(), "seconds": seconds}


def _result(value: Any) -> Any:
    """What a call gives in the end: of a coroutine its result, of a generator its items."""
    if inspect.iscoroutine(value):
        return asyncio.run(_awaited(value))
    return list(value) if inspect.isgenerator(value) else value


async def _awaited(value: Any) -> Any:
    return await value


def _arguments(inputs: str, fn: Any, module: types.ModuleType) -> tuple[list[Any], dict[str, Any]]:
    """Inputs as they were recorded (by name, `args[0]`... for those of `*args`), as `fn` takes them."""

    def found(name: str) -> type | None:
        kind = module.__dict__.get(name.rpartition(":")[2])
        return kind if isinstance(kind, type) else None

    left = decode(inputs, found)
    args: list[Any] = []
    for parameter in inspect.signature(fn).parameters.values():
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            if parameter.name not in left:
                break
            args.append(left.pop(parameter.name))
        elif parameter.kind is parameter.VAR_POSITIONAL:
            args += [left.pop(name) for name in list(left) if name.startswith("args[")]
    return args, left
