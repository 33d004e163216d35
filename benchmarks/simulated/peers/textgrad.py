"""textgrad's descent in its plain loop: a critic for each example, then a step for the prompt."""

from __future__ import annotations

import importlib
import logging
import os
from typing import Any

from benchmarks.simulated.ran import Place, Ran, Stopwatch, minibatches
from benchmarks.simulated.world import SEED

logging.disable(logging.CRITICAL)
textgrad: Any = importlib.import_module("textgrad")
Function: Any = importlib.import_module("textgrad.autograd.string_based_ops").StringBasedFunction


def loop(place: Place, steps: int) -> Ran:
    """`zero_grad`, `backward` and `step`, with a loss for each example."""
    os.environ.update(OPENAI_API_BASE=place.url, OPENAI_API_KEY="none")
    world = place.world
    watch = Stopwatch()
    # Its other engines keep every answer on disk and take it from there when the question comes again.
    engine = textgrad.get_engine("experimental:openai/simulated", cache=False)
    textgrad.set_backward_engine(engine, override=True)
    prompt = textgrad.Variable(SEED, requires_grad=True, role_description="system prompt of the clerk")
    clerk = textgrad.BlackboxLLM(engine, prompt)
    optimizer = textgrad.TextualGradientDescent(engine=engine, parameters=[prompt])
    judge = Function(
        lambda prediction, question: world.said_of(prediction.value, question.value),
        function_purpose="checks the clerk's answer and names ignored rules",
    )
    for batch in minibatches(world, steps):
        optimizer.zero_grad()
        losses = [judge(inputs=_judged(clerk, question)) for question in batch]
        watch.tried(textgrad.sum(losses).backward)
        watch.tried(optimizer.step)
    return watch.ran(prompt.value)


def _judged(clerk: Any, question: str) -> dict[str, Any]:
    asked = textgrad.Variable(question, requires_grad=False, role_description="query")
    named = textgrad.Variable(question, requires_grad=False, role_description="question id")
    return {"prediction": clerk(asked), "question": named}
