"""The plain loop over the classic face, ours and the peers': what it asks, and what it takes."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import openai

from benchmarks.harness import ROOT, Row, exactly, spread
from benchmarks.peers import OFFLINE
from benchmarks.simulated.oracle import Nature, Tally
from benchmarks.simulated.ran import Place, Ran, Stopwatch, minibatches
from benchmarks.simulated.serving import Served, serving
from benchmarks.simulated.subjects import Clerk
from benchmarks.simulated.world import World
from benchmarks.sizes import Size
from optimizers import Optimizer, OptoPrime, TextGrad
from tracelib.llm.openai import OpenAIModel

MALFORMED = 0.35
"""Share of the proposer's replies that cannot be read, where that is what is tried."""

Runner = Callable[[Sequence[Place], int], list[Ran]]
"""Runs so many steps (or rollouts) at each of these places, one after the other."""


FACES: Mapping[str, Callable[..., Optimizer]] = {"OptoPrime": OptoPrime, "TextGrad": TextGrad}


def ours(face: str) -> Runner:
    """One of our optimizers by `zero_feedback`, `backward` and `step`."""
    return lambda places, steps: [_loop(FACES[face], place, steps) for place in places]


def _loop(face: Callable[..., Optimizer], place: Place, steps: int) -> Ran:
    world, watch = place.world, Stopwatch()
    with OpenAIModel("simulated", base_url=place.url, api_key="none") as model:
        clerk = Clerk(model)
        optimizer = face(clerk.parameters(), llm=model)
        for batch in minibatches(world, steps):
            optimizer.zero_feedback()
            for question in batch:
                reply = clerk(question)
                optimizer.backward(reply, world.said_of(reply.data, question))
            watch.tried(optimizer.step)
        return watch.ran(str(clerk.prompt.data))


def of_peer(python: str, peer: str, what: str = "loop") -> Runner:
    """A peer's runner, in a process of the interpreter that has it."""
    return partial(_run_peer, python, peer, what)


def _run_peer(python: str, peer: str, what: str, places: Sequence[Place], steps: int) -> list[Ran]:
    command = [python, "-m", "benchmarks.simulated.peers", peer, what, str(steps), *map(str, places)]
    environment = {**os.environ, **OFFLINE}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{peer} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return [Ran.from_json(ran) for ran in json.loads(done.stdout.splitlines()[-1])]


def plain(name: str, run: Runner, size: Size) -> Iterator[Row]:
    """Calls, tokens and time of a loop whose replies can all be read; the first of several only warms up."""
    with ExitStack() as stack:
        servers = [stack.enter_context(serving(Nature())) for _ in range(size.loops + (size.loops > 1))]
        ran = run([served.place for served in servers], size.steps)[-size.loops :]
        tally = servers[-1].tally()
        alone = [replayed(served) for served in servers][-size.loops :]
    title, calls = f"simulated {name} loop", tally.calls.total()
    counted, per_step = exactly(calls / size.steps), exactly(tally.tokens.total() / size.steps)
    yield Row(f"{title}, model calls a step", f"simulated calls, {name}", counted, by_role(tally))
    yield Row(f"{title}, prompt tokens a step", f"simulated tokens, {name}", per_step)
    yield from beyond(title, ran, alone, calls)
    yield scored(title, ran[-1])


def beyond(title: str, ran: Sequence[Ran], alone: Sequence[Ran], calls: int) -> Iterator[Row]:
    """Milliseconds a call beyond what the client alone takes for the same questions."""
    pairs = list(zip(ran, alone, strict=True))
    cpu = [(one.cpu - raw.cpu) / calls * 1000 for one, raw in pairs]
    wall = [(one.seconds - raw.seconds) / calls * 1000 for one, raw in pairs]
    for name, goal, more, raw in (
        ("CPU", "simulated overhead", cpu, [raw.cpu for raw in alone]),
        ("by the wall", "simulated overhead, wall", wall, [raw.seconds for raw in alone]),
    ):
        note = f"client alone {spread(raw).median / calls * 1000:.1f} ms, load {os.getloadavg()[0]:.1f}"
        yield Row(f"{title}, ms a call beyond the client, {name}", goal, spread(more), note)


def malformed(name: str, run: Runner, size: Size) -> Iterator[Row]:
    """What a loop makes of replies of which a third cannot be read."""
    with serving(Nature(malformed=MALFORMED)) as served:
        (ran,) = run([served.place], size.steps)
        tally = served.tally()
    title = f"simulated {name} loop, {MALFORMED:.0%} malformed"
    yield from unharmed(title, tally, ran.failures)
    yield scored(title, ran)


def unharmed(name: str, tally: Tally, failures: Sequence[str]) -> Iterator[Row]:
    """Nothing raised, and no text adopted that was not meant as a value."""
    note = f"{tally.malformed} malformed replies" + "".join(f"; {said:.60}" for said in failures[:1])
    yield Row(f"{name}, raised", "simulated crashes", exactly(len(failures)), note)
    yield Row(f"{name}, raw texts adopted", "simulated adopted", exactly(len(tally.adopted)))


def scored(name: str, ran: Ran) -> Row:
    """How good the last prompt is."""
    return Row(
        f"{name}, score",
        "simulated score",
        exactly(World().worth(ran.prompt)),
        "the optimum is 1, the seed 0",
    )


def replayed(served: Served) -> Ran:
    """What the openai client alone takes to ask all that was asked, in the same order."""
    bodies = served.bodies()
    with openai.OpenAI(base_url=served.url, api_key="none") as client:
        watch = Stopwatch()
        for body in bodies:
            assert _text(client.chat.completions.create(**body)) is not None, "it was not answered"
        return watch.ran("")


def _text(completion: Any) -> Any:
    return completion.choices[0].message.content


def by_role(tally: Tally) -> str:
    return ", ".join(f"{role} {count:,}" for role, count in sorted(tally.calls.items()))
