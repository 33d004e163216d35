"""A search within a budget of rollouts, ours and gepa's, against the server with eight workers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from statistics import fmean

from benchmarks.harness import Row, exactly, spread
from benchmarks.simulated.loops import Runner, by_role
from benchmarks.simulated.oracle import HARD, Nature
from benchmarks.simulated.ran import BATCH, Place, Ran, Stopwatch
from benchmarks.simulated.serving import serving
from benchmarks.simulated.subjects import Clerk, Judge, examples
from benchmarks.sizes import Size
from optimizers import Budget, Pareto, Trainer
from tracelib.llm.openai import OpenAIModel

WORKERS = 8


def ours(places: Sequence[Place], rollouts: int) -> list[Ran]:
    """Pareto search without merges, as gepa is told to do."""
    return [_searched(place, rollouts) for place in places]


def _searched(place: Place, rollouts: int) -> Ran:
    world, watch = place.world, Stopwatch()
    with OpenAIModel("simulated", base_url=place.url, api_key="none") as model:
        clerk = Clerk(model)
        trainer = Trainer(
            clerk,
            Pareto(batch=BATCH, steps=rollouts, merges=0),
            Judge(world),
            Budget(rollouts=rollouts, proposals=rollouts),
            executor=WORKERS,
            seed=place.seed,
            llm=model,
            progress=False,
        )
        trainer.fit(examples(world, "TR"), examples(world, "VA"))
        return watch.ran(str(clerk.prompt.data))


def bounded(run: Runner, size: Size) -> Iterator[Row]:
    """What is asked for a budget of rollouts, and how much goes beyond it; the first of two runs warms up."""
    with serving(Nature()) as first, serving(Nature()) as served:
        ran = run([first.place, served.place], size.rollouts)[1]
        tally = served.tally()
    name = f"simulated search of {size.rollouts} rollouts"
    beyond = exactly(max(0, tally.calls["task"] - size.rollouts))
    yield Row(f"{name}, beyond the budget", "simulated overshoot", beyond)
    yield Row(f"{name}, model calls", "simulated count", exactly(tally.calls.total()), by_role(tally))
    yield Row(f"{name}, prompt tokens", "simulated count", exactly(tally.tokens.total()))
    yield Row(f"{name}, ms a call", "simulated time", exactly(ran.seconds / tally.calls.total() * 1000))


def noisy(run: Runner, size: Size) -> Iterator[Row]:
    """How near to the optimum the same search comes beside a forgetful proposer and an unreliable task."""
    with ExitStack() as stack:
        natures = [replace(HARD, seed=seed) for seed in range(max(1, size.seeds // 2))]
        places = [stack.enter_context(serving(nature)).place for nature in natures]
        ran = run(places, size.rollouts)
    worths = [place.world.worth(one.prompt) for place, one in zip(places, ran, strict=True)]
    note = f"mean {fmean(worths):.2f} of {len(worths)} seeds, from the seed prompt"
    name = f"simulated search of {size.rollouts} rollouts under noise, score"
    yield Row(name, "simulated score", spread(worths), note)
