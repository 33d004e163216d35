"""A search whose model takes its time, with eight workers: how near it comes to doing nothing but wait."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import openai

from benchmarks.harness import Row, exactly, spread
from benchmarks.simulated.oracle import Nature, Oracle
from benchmarks.simulated.ran import Ran, Stopwatch
from benchmarks.simulated.serving import Served, serving
from benchmarks.simulated.subjects import Clerk, Judge, examples
from benchmarks.simulated.world import World
from benchmarks.sizes import Size
from optimizers import Gated, OptoPrime, Trainer
from optimizers.driving.events import CandidateMade, CandidateRejected, Event, RolloutDone
from tracelib.llm.model import Model, as_model
from tracelib.llm.openai import OpenAIModel

LATENCY = 0.1
"""Seconds of each answer."""
WORKERS = 8


@dataclass
class Waves:
    """How many times a run had to wait for the model at least: what it asks at once, by groups of workers.

    Rollouts that follow each other without another event were asked for at once, and so were proposals.
    """

    sizes: list[int] = field(default_factory=list)
    _last: type[Event] | None = None

    def __call__(self, event: Event) -> None:
        kind = CandidateMade if isinstance(event, CandidateRejected) else type(event)
        if kind in (RolloutDone, CandidateMade):
            if kind is self._last:
                self.sizes[-1] += 1
            else:
                self.sizes.append(1)
        self._last = kind

    @property
    def seconds(self) -> float:
        """What the waiting alone takes."""
        return LATENCY * sum(math.ceil(size / WORKERS) for size in self.sizes)


def searched(model: Model, steps: int, waves: Waves) -> Ran:
    """Some 200 calls: minibatches of the workers' number, one proposal for each, validation of all 24."""
    world, clerk = World(), Clerk(model)
    trainer = Trainer(
        clerk,
        OptoPrime(clerk.parameters(), llm=model),
        Judge(world),
        executor=WORKERS,
        strategy=Gated(batch=WORKERS, steps=steps),
        callbacks=[waves],
        progress=False,
    )
    train, validation = examples(world, "TR"), examples(world, "VA")
    watch = Stopwatch()
    trainer.fit(train, validation)
    return watch.ran(str(clerk.prompt.data))


def waited(size: Size) -> Iterator[Row]:
    """The whole time in times of the waiting, without a client and with one, and beside the client alone."""
    name, repeats = f"simulated latency of {LATENCY:g} s", range(size.loops + (size.loops > 1))
    here = [_here(size.steps // 3) for _ in repeats][-size.loops :]
    yield Row(f"{name}, time without a client", "simulated latency", spread(here), _load())
    found = [_once(size.steps // 3) for _ in repeats][-size.loops :]
    last = found[-1]
    waiting = spread([one.ran.seconds / one.waves.seconds for one in found])
    ideal = (
        f"{sum(last.waves.sizes)} calls, waiting {last.waves.seconds:.1f} s, client alone {last.client:.2f} s"
    )
    yield Row(f"{name}, time with the client", "simulated latency, waiting", waiting, f"{ideal}, {_load()}")
    beside = spread([one.ran.seconds / one.client for one in found])
    yield Row(f"{name}, time beside the client", "simulated latency, client", beside)
    idle = exactly(WORKERS - last.at_once)
    yield Row(f"{name}, workers never used", "simulated idle", idle, f"of {WORKERS}")


def _load() -> str:
    return f"load {os.getloadavg()[0]:.1f}"


def _here(steps: int) -> float:
    """The time of a search beside a model that only sleeps, in times of its waiting."""
    oracle, waves = Oracle(Nature()), Waves()

    def slow(messages: list[dict[str, Any]]) -> str:
        time.sleep(LATENCY)
        return oracle(messages)

    return searched(as_model(slow), steps, waves).seconds / waves.seconds


@dataclass(frozen=True)
class _Once:
    ran: Ran
    waves: Waves
    client: float
    at_once: int


def _once(steps: int) -> _Once:
    waves = Waves()
    with serving(Nature(latency=LATENCY)) as served:
        with OpenAIModel("simulated", base_url=served.url, api_key="none") as model:
            ran = searched(model, steps, waves)
        at_once = served.tally().at_once
        return _Once(ran, waves, _alone(served, waves.sizes), at_once)


def _alone(served: Served, waves: Sequence[int]) -> float:
    """Seconds of the client alone, in as many threads, for the same questions in the same waves."""
    bodies = iter(served.bodies())
    with openai.OpenAI(base_url=served.url, api_key="none") as client, ThreadPoolExecutor(WORKERS) as pool:
        watch = Stopwatch()
        for wave in waves:
            asked: list[Any] = [next(bodies) for _ in range(wave)]
            list(pool.map(lambda body: client.chat.completions.create(**body), asked))
        return watch.ran("").seconds
