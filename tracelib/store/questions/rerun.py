"""The other side of a replay: a fresh interpreter that runs a closure and tells what it gave."""

from __future__ import annotations

import asyncio
import inspect
import json
import linecache
import os
import sys
import time
import types
from collections.abc import AsyncGenerator, Generator, Mapping
from typing import Any

from tracelib.graph.containers import plain
from tracelib.graph.failure import root_of
from tracelib.redaction import Redactor
from tracelib.store.values.encoding import Encoder, decode

FILE = "<stored closure>"
STDOUT = 1


def main() -> None:
    """Read a job from standard input, and write what came of it to standard output, and nothing else."""
    with os.fdopen(os.dup(STDOUT), "w") as answer:
        os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)  # for whatever the user's code prints
        answer.write(json.dumps(run(json.load(sys.stdin))))


def run(job: Mapping[str, Any]) -> dict[str, Any]:
    """What the closure's function gives for the inputs: its output, its error, or why it could not run."""
    module = types.ModuleType("closure")
    sys.modules["closure"] = module
    text = job["closure"]
    linecache.cache[FILE] = (len(text), None, text.splitlines(keepends=True), FILE)
    try:
        exec(compile(text, FILE, "exec"), module.__dict__)
        fn = _function(module, job["name"])
    except Exception as error:  # whatever the user's code raises while it is defined
        return {"problem": f"its closure does not run by itself: {type(error).__name__}: {error}"}
    if fn is None:
        return {"problem": f"{job['name']} is a method, and the object it was called on is not stored"}
    module.__dict__.update({name: decode(value) for name, value in job["state"].items()})
    args, kwargs = _arguments(job["inputs"], fn, module)
    return _outcome(fn, args, kwargs)


def _function(module: types.ModuleType, name: str) -> Any:
    """What the closure calls so; None for a method of an object or a class."""
    *classes, last = name.split(".")
    owner: Any = module
    for part in classes:
        owner = getattr(owner, part)
    if classes and not isinstance(inspect.getattr_static(owner, last), staticmethod):
        return None
    return getattr(owner, last)


def _outcome(fn: Any, args: list[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    encoder = Encoder(Redactor())
    start = time.perf_counter()
    try:
        output = fn(*args, **kwargs)  # recorded, as it was: bodies may ask results of inner calls for `.data`
        if inspect.iscoroutine(output):
            output = asyncio.run(_awaited(output))
    except (Exception, SystemExit) as error:  # the user's own: it is compared with the one that is stored
        seconds = time.perf_counter() - start
        cause = root_of(error)
        told = {"type": f"{type(cause).__module__}:{type(cause).__qualname__}", "message": str(cause)}
        return {"error": json.loads(encoder.encode(told)), "seconds": seconds}
    seconds = time.perf_counter() - start
    if isinstance(output, (Generator, AsyncGenerator)):
        return {"problem": "it yields: each step is a call of its own, and one step cannot be run alone"}
    return {"output": encoder.encode(plain(output)).decode(), "seconds": seconds}


async def _awaited(value: Any) -> Any:
    return await value


def _arguments(inputs: str, fn: Any, module: types.ModuleType) -> tuple[list[Any], dict[str, Any]]:
    """Inputs as they were recorded (by name, see `Operator.names_of`), as `fn` takes them."""

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
    return args, {name.removeprefix("**"): value for name, value in left.items()}
