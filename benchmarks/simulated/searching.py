"""Searches beside the simulated model in this process: what each strategy finds with as many rollouts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Any

from benchmarks.harness import Row, Spread, exactly, spread
from benchmarks.simulated.loops import MALFORMED, unharmed
from benchmarks.simulated.oracle import HARD, Nature, Oracle, Tally
from benchmarks.simulated.ran import BATCH
from benchmarks.simulated.subjects import Clerk, Judge, examples
from benchmarks.simulated.world import RULES, SPLITS, World, prompt_with
from benchmarks.sizes import Size
from optimizers import (
    Beam,
    BestOfN,
    Budget,
    Evolution,
    Gated,
    Halving,
    History,
    Mipro,
    OptoPrimePrompt,
    PairedBootstrap,
    Pareto,
    Plain,
    Priority,
    Result,
    SignTest,
    Simba,
    Strict,
    Trainer,
    bootstrap,
)
from optimizers.policies.gate import Gate
from tracelib.errors import TraceError
from tracelib.llm.model import as_model

START = prompt_with(RULES[:3])
"""Knows a quarter of the rules: what every search begins with."""
STEPS = 1_000
"""More than the rollouts allow: the budget ends a search."""
VALIDATION = SPLITS["VA"]
NULL_STEPS = 20
"""Of a run in which nothing that is proposed can be better."""


@dataclass(frozen=True)
class Search:
    """One search: a strategy from a prompt, beside a model of some nature."""

    nature: Nature
    strategy: Any
    rollouts: int
    start: str = START
    gate: Gate = field(default_factory=Strict)

    def found(self) -> Found:
        oracle, world = Oracle(self.nature), World(self.nature.seed)
        model = as_model(oracle)
        clerk = Clerk(model, self.start)
        trainer = Trainer(
            clerk,
            self.strategy,
            Judge(world),
            Budget(rollouts=self.rollouts, proposals=self.rollouts),
            executor=1,
            seed=self.nature.seed,
            llm=model,
            gate=self.gate,
            progress=False,
        )
        result = trainer.fit(examples(world, "TR"), examples(world, "VA"))
        return Found(result, oracle, world.worth(str(clerk.prompt.data)))


@dataclass(frozen=True)
class Found:
    """What a search came to; `worth` is the winner's score on the test questions, without noise."""

    result: Result
    oracle: Oracle
    worth: float


def steps_of(rollouts: int) -> int:
    """Steps of a plain loop that has as many rollouts as the others, with its seed and end on validation."""
    return max(1, (rollouts - 2 * VALIDATION) // BATCH)


def loop(rollouts: int) -> Plain:
    """OptoPrime's loop: every proposal is taken."""
    return Plain(steps=steps_of(rollouts), perfect=None, proposers={"": OptoPrimePrompt})


STRATEGIES: Mapping[str, Callable[[int], Any]] = {
    "Plain": loop,
    "Plain, TextGrad": lambda rollouts: Plain(steps=steps_of(rollouts), perfect=None),
    "Gated": lambda _: Gated(batch=BATCH, steps=STEPS),
    "History": lambda _: History(proposals=4, steps=STEPS, examples=8),
    "Pareto": lambda _: Pareto(steps=STEPS),
    "Beam": lambda _: Beam(steps=STEPS, batch=4, paraphrases=0, pulls=6, sample=3),
    "BestOfN": lambda rollouts: BestOfN(proposals=max(2, rollouts // VALIDATION - 2)),
    "Priority": lambda _: Priority(steps=STEPS, batch=BATCH),
    "Halving": lambda _: Halving(proposals=7, rounds=STEPS),
    "Evolution, genetic": lambda _: Evolution("genetic", population=5, generations=STEPS, examples=8),
    "Evolution, differential": lambda _: Evolution(population=5, generations=STEPS, examples=8),
    "Mipro": lambda _: Mipro(options=8, trials=STEPS, batch=8, bootstrap=8),
    "Simba": lambda _: Simba(programs=3, candidates=4, batch=8, steps=STEPS),
}
"""Each made for a number of rollouts; the budget ends what has more steps."""


def recovered(size: Size) -> Iterator[Row]:
    """How near each strategy comes to the optimum, beside a forgetful proposer and an unreliable task."""
    worths: dict[str, list[float]] = {}
    for name, make in STRATEGIES.items():
        found = [
            Search(replace(HARD, seed=seed), make(size.rollouts), size.rollouts).found()
            for seed in range(size.seeds)
        ]
        worths[name] = [one.worth for one in found]
        yield Row(f"simulated search, {name}, score", "simulated score", spread(worths[name]), _note(found))
    less = [plain - gated for plain, gated in zip(worths["Plain"], worths["Gated"], strict=True)]
    yield Row("simulated search, Plain less Gated, mean score", "simulated ungated", _mean(less))


def _note(found: Sequence[Found]) -> str:
    """What the searches took, on average."""
    best = sum(one.worth == 1 for one in found)
    rollouts = fmean(one.result.spent.rollouts for one in found)
    prompts = fmean(one.oracle.tally.tokens.total() for one in found)
    asked = fmean(one.oracle.tally.calls["propose"] for one in found)
    took = f"{rollouts:.0f} rollouts, {asked:.0f} proposals asked, {prompts / 1000:.0f}k prompt tokens"
    return f"mean {fmean(one.worth for one in found):.2f}, optimum in {best} of {len(found)}; {took}"


def _mean(values: Sequence[float]) -> Spread:
    """The mean, with its 95 % interval in place of least and greatest."""
    interval = bootstrap(values)
    return Spread(interval.mean, interval.low, interval.high)


def withstood(size: Size) -> Iterator[Row]:
    """What all strategies together make of replies of which a third cannot be read."""
    failures: list[str] = []
    tally = Tally()
    for name, make in STRATEGIES.items():
        search = Search(Nature(malformed=MALFORMED), make(size.rollouts), size.rollouts)
        try:
            tally += search.found().oracle.tally
        except TraceError as error:
            failures.append(f"{name}: {error}")
    yield from unharmed(f"simulated searches of all kinds, {MALFORMED:.0%} malformed", tally, failures)


def misled(size: Size) -> Iterator[Row]:
    """How often what is no better is taken for better, beside a proposer that only rewords."""
    once = Plain(steps=1, perfect=None, proposers={"": OptoPrimePrompt})
    for gate, goal in (
        (Strict(), "simulated false accepts, free"),
        (SignTest(0.05), "simulated false accepts"),
        (PairedBootstrap(0.05), "simulated false accepts"),
    ):
        wrong, count = _accepted(once, gate, 10 * size.seeds, size)
        name = f"simulated null, {type(gate).__name__} accepts"
        yield Row(name, goal, exactly(wrong), f"of {count} comparisons on 24 questions")
    for alpha, said, goal in (
        (0.05, "each step at 0.05", "simulated false accepts, free"),
        (0.05 / NULL_STEPS, f"each step at 0.05/{NULL_STEPS}", "simulated false accepts"),
    ):
        gate = PairedBootstrap(alpha)
        wrong, count = _accepted(Gated(steps=NULL_STEPS, gate=gate), gate, 2 * size.seeds, size)
        name = f"simulated null, {NULL_STEPS} steps end better, {said}"
        yield Row(name, goal, exactly(wrong), f"of {count} runs judged by PairedBootstrap")


def _accepted(strategy: Any, gate: Gate, count: int, size: Size) -> tuple[float, int]:
    """The share of searches whose winner was taken for better than what they began with, and how many."""
    nature, half = Nature(noise=0.2, idle=True), prompt_with(RULES[:6])
    found = [
        Search(replace(nature, seed=seed), strategy, size.rollouts, half, gate).found()
        for seed in range(count)
    ]
    return fmean(one.result.improved for one in found), count
