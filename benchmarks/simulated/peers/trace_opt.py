"""trace-opt's OptoPrime in its plain loop: a minibatch is one output of all its answers."""

from __future__ import annotations

import importlib
import os
from typing import Any

from benchmarks.simulated.ran import Place, Ran, Stopwatch, minibatches
from benchmarks.simulated.world import SEED

os.environ["TRACE_DEFAULT_LLM_BACKEND"] = "CustomLLM"  # it is read at the import
trace: Any = importlib.import_module("opto.trace")
optimizers: Any = importlib.import_module("opto.optimizers")
openai: Any = importlib.import_module("openai")


@trace.bundle()
def joined(*items: Any) -> str:
    """concatenate"""
    return "\n".join(map(str, items))


def agent(client: Any, prompt: Any) -> Any:
    @trace.bundle()
    def ask(prompt: str, question: str) -> Any:
        """Ask the model with the system prompt and the question."""
        messages = [{"role": "system", "content": prompt}, {"role": "user", "content": question}]
        said = client.chat.completions.create(model="simulated", messages=messages)
        return said.choices[0].message.content

    return lambda question: ask(prompt, question)


def loop(place: Place, steps: int) -> Ran:
    """`zero_feedback`, `backward` and `step`, with the feedback on all examples in one text."""
    told = {"URL": place.url, "API_KEY": "none", "MODEL": "simulated"}
    os.environ.update({f"TRACE_CUSTOMLLM_{name}": value for name, value in told.items()})
    trace.GRAPH.clear()
    world = place.world
    prompt = trace.node(SEED, trainable=True, description="the clerk's system prompt")
    watch = Stopwatch()
    answer = agent(openai.OpenAI(base_url=place.url, api_key="none"), prompt)
    optimizer = optimizers.OptoPrime([prompt])
    for batch in minibatches(world, steps):
        replies = [answer(question) for question in batch]
        said = [world.said_of(reply.data, question) for reply, question in zip(replies, batch, strict=True)]
        optimizer.zero_feedback()
        optimizer.backward(joined(*replies), "\n".join(f"{n}: {text}" for n, text in enumerate(said)))
        watch.tried(optimizer.step)
    return watch.ran(str(prompt.data))
