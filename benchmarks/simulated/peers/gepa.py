"""gepa's search with its default adapter: a system prompt, per-example feedback, a budget of rollouts."""

from __future__ import annotations

import importlib
import os
from typing import Any

from benchmarks.simulated.ran import BATCH, Place, Ran, Stopwatch
from benchmarks.simulated.world import SEED, World

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or the import fetches a price list
gepa: Any = importlib.import_module("gepa")
adapters: Any = importlib.import_module("gepa.adapters.default_adapter.default_adapter")

WORKERS = 8


class Quiet:
    def log(self, message: str) -> None:
        """Nothing is printed."""


def search(place: Place, rollouts: int) -> Ran:
    """Until so many rollouts are spent, as gepa counts them."""
    os.environ.update(OPENAI_API_BASE=place.url, OPENAI_BASE_URL=place.url, OPENAI_API_KEY="none")
    world = place.world
    watch = Stopwatch()

    def judged(data: Any, response: str) -> Any:
        question = data["input"]
        score, said = world.score(response, question), world.said_of(response, question)
        return adapters.EvaluationResult(score=score, feedback=said)

    model = "openai/simulated"
    adapter = adapters.DefaultAdapter(model=model, evaluator=judged, max_litellm_workers=WORKERS)
    found: list[Any] = []

    def optimize() -> None:
        found.append(
            gepa.optimize(
                seed_candidate={"system_prompt": SEED},
                trainset=_data(world, "TR"),
                valset=_data(world, "VA"),
                adapter=adapter,
                reflection_lm=model,
                reflection_minibatch_size=BATCH,
                max_metric_calls=rollouts,
                seed=0,
                logger=Quiet(),
                use_merge=False,
            )
        )

    watch.tried(optimize)
    return watch.ran(found[0].best_candidate["system_prompt"] if found else SEED)


def _data(world: World, split: str) -> list[dict[str, Any]]:
    return [
        {"input": question, "additional_context": {}, "answer": ""} for question in world.questions(split)
    ]
