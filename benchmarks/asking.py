"""What a program adds to the openai package's own client, over a real connection, with a store on.

The endpoint is the server of `tracelib.testing` in a process of its own, so that its work is nobody's here.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import openai

import tracelib as trace
from benchmarks.harness import ROOT, Row, spread
from benchmarks.sizes import Size
from benchmarks.stored import ANSWER, QUESTION
from tracelib.llm.openai import OpenAIModel

SYSTEM = "You answer questions about geography."
LATENCY = 0.1
"""Seconds that the endpoint takes for each of the calls that run at once."""
ROUNDS = 3
"""Of all calls at once, where the client alone may take long."""
PATIENCE = 60.0
"""Seconds for one attempt: the five that the client gives a connection are too few where a thousand begin."""
SERVER = """\
import sys
from tracelib.testing import LoopbackServer
with LoopbackServer(otherwise=sys.argv[1], delay=float(sys.argv[2])) as server:
    print(server.base_url, flush=True)
    sys.stdin.read()
"""

Clock = Callable[[], int]
"""Nanoseconds: by the clock on the wall, or CPU of this process."""
CLOCKS: tuple[Clock, Clock] = (time.perf_counter_ns, time.process_time_ns)


def measured(size: Size) -> Iterator[Row]:
    """What each call takes more than the client's own, and what many of them at once take."""
    n = max(4, size.calls // 100)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, trace.SQLiteStore(folder):
        with served() as url:
            yield from _one_by_one("sync", _sync(url, n, size.repeats))
            yield from _one_by_one("async", asyncio.run(_async(url, n, size.repeats)))
        with served(LATENCY) as url:
            count = max(4, size.thread_calls // 200)
            alone, times = asyncio.run(_at_once(url, count, min(ROUNDS, size.repeats)))
    note = f"client alone {alone:.2f} s, {_load()}"
    yield Row(f"programs, {count:,} at once", "programs at once", spread(times), note)


def _one_by_one(kind: str, found: list[dict[Clock, tuple[float, float]]]) -> Iterator[Row]:
    """What a call takes beyond the client's own, by both clocks."""
    for clock, goal, words in zip(CLOCKS, (f"program, {kind}", "program, CPU"), ("", ", CPU"), strict=True):
        alone = statistics.median(each[clock][0] for each in found)
        extra = [each[clock][1] - each[clock][0] for each in found]
        yield Row(f"program, {kind}{words}", goal, spread(extra), f"client alone {alone:.2f} ms, {_load()}")


def _sync(url: str, n: int, repeats: int) -> list[dict[Clock, tuple[float, float]]]:
    with openai.OpenAI(base_url=url, api_key="none") as client, OpenAIModel("tiny", base_url=url) as model:

        @trace.lm(model=model)
        def answer(question: str) -> str:
            """You answer questions about geography."""
            return question

        def alone() -> Any:
            return client.chat.completions.create(**_request()).choices[0].message.content

        return [_rounds(n, alone, lambda: answer(QUESTION)) for _ in range(repeats)]


def _rounds(n: int, alone: Callable[[], Any], program: Callable[[], Any]) -> Any:
    beside = _Beside()
    for _ in range(n):
        for which, call in beside.turn((alone, program)):
            beside.begin()
            said = call()
            beside.end(which, said)
    return beside.medians()


async def _async(url: str, n: int, repeats: int) -> list[dict[Clock, tuple[float, float]]]:
    client, model = _clients(url)
    alone, program = _awaited(client, model)
    found = []
    for _ in range(repeats):
        beside = _Beside()
        for _ in range(n):
            for which, call in beside.turn((alone, program)):
                beside.begin()
                said = await call()
                beside.end(which, said)
        found.append(beside.medians())
    await client.close()
    await model.aclose()
    return found


async def _at_once(url: str, count: int, repeats: int) -> tuple[float, list[float]]:
    """Seconds of the client's own calls, all at once, and what the same programs take in those."""
    client, model = _clients(url)
    calls = _awaited(client, model)
    for call in calls:
        await _together(call, count)
    spent = [[await _together(call, count) for call in calls] for _ in range(repeats)]
    await client.close()
    await model.aclose()
    return statistics.median(alone for alone, _ in spent), [program / alone for alone, program in spent]


async def _together(call: Callable[[], Awaitable[Any]], count: int) -> float:
    """Seconds until all are answered."""
    gc.collect()
    start = time.perf_counter()
    said = await asyncio.gather(*(call() for _ in range(count)))
    spent = time.perf_counter() - start
    assert all(each == ANSWER for each in said), "not all were answered"
    return spent


def _clients(url: str) -> tuple[openai.AsyncOpenAI, OpenAIModel]:
    client = openai.AsyncOpenAI(base_url=url, api_key="none", timeout=PATIENCE)
    return client, OpenAIModel("tiny", base_url=url, timeout=PATIENCE)


def _awaited(client: Any, model: Any) -> tuple[Callable[[], Awaitable[Any]], Callable[[], Awaitable[Any]]]:
    @trace.lm(model=model)
    async def answer(question: str) -> str:
        """You answer questions about geography."""
        return question

    async def alone() -> Any:
        return (await client.chat.completions.create(**_request())).choices[0].message.content

    return alone, lambda: answer(QUESTION)


class _Beside:
    """Times of the client alone and of the program, taken in turns and each first in half of them."""

    def __init__(self) -> None:
        self._times: dict[Clock, tuple[list[float], list[float]]] = {clock: ([], []) for clock in CLOCKS}
        self._nth = 0
        self._start: list[int] = []
        gc.collect()

    def turn(self, calls: tuple[Any, Any]) -> list[tuple[int, Any]]:
        self._nth += 1
        return list(enumerate(calls))[:: 1 if self._nth % 2 else -1]

    def begin(self) -> None:
        self._start = [clock() for clock in CLOCKS]

    def end(self, which: int, said: Any) -> None:
        for clock, start in zip(CLOCKS, self._start, strict=True):
            self._times[clock][which].append((clock() - start) / 1e6)
        assert said == ANSWER, "it was not answered"

    def medians(self) -> dict[Clock, tuple[float, float]]:
        """Milliseconds of the client's call and of the program's, by each clock."""
        middle = statistics.median
        return {clock: (middle(alone), middle(program)) for clock, (alone, program) in self._times.items()}


def _request() -> dict[str, Any]:
    return {
        "model": "tiny",
        "messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}],
    }


@contextmanager
def served(latency: float = 0.0) -> Iterator[str]:
    """The address of a server in another process, which takes so many seconds for an answer."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, ANSWER, str(latency)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.communicate("")


def _load() -> str:
    return f"load {os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    print(json.dumps([row.to_json() for row in measured(Size(**json.loads(sys.argv[1])))]))
