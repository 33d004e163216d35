"""A search within a budget of rollouts, ours and gepa's, against the server with eight workers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.harness import Row, exactly
from benchmarks.simulated.loops import Runner, by_role, scored
from benchmarks.simulated.oracle import Nature
from benchmarks.simulated.ran import BATCH, Ran, Stopwatch
from benchmarks.simulated.serving import serving
from benchmarks.simulated.subjects import Clerk, Judge, examples
from benchmarks.simulated.world import World
from benchmarks.sizes import Size
from optimizers import Budget, Pareto, Trainer
from tracelib.llm.openai import OpenAIModel

WORKERS = 8


def ours(urls: Sequence[str], rollouts: int) -> list[Ran]:
    """Pareto search without merges, as gepa is told to do."""
    return [_searched(url, rollouts) for url in urls]


def _searched(url: str, rollouts: int) -> Ran:
    world, watch = World(), Stopwatch()
    with OpenAIModel("simulated", base_url=url, api_key="none") as model:
        clerk = Clerk(model)
        trainer = Trainer(
            clerk,
            Pareto(batch=BATCH, steps=rollouts, merges=0),
            Judge(world),
            Budget(rollouts=rollouts),
            executor=WORKERS,
            llm=model,
            progress=False,
        )
        trainer.fit(examples(world, "TR"), examples(world, "VA"))
        return watch.ran(str(clerk.prompt.data))


def bounded(run: Runner, size: Size) -> Iterator[Row]:
    """What is asked for a budget of rollouts, and how much goes beyond it; the first of two runs warms up."""
    with serving(Nature()) as first, serving(Nature()) as served:
        ran = run([first.url, served.url], size.rollouts)[1]
        tally = served.tally()
    rollouts = size.rollouts
    name = f"simulated search of {rollouts} rollouts"
    yield Row(
        f"{name}, beyond the budget", "simulated overshoot", exactly(max(0, tally.calls["task"] - rollouts))
    )
    yield Row(f"{name}, model calls", "simulated count", exactly(tally.calls.total()), by_role(tally))
    yield Row(f"{name}, prompt tokens", "simulated count", exactly(tally.tokens.total()))
    yield Row(f"{name}, ms a call", "simulated time", exactly(ran.seconds / tally.calls.total() * 1000))
    yield scored(name, ran)
