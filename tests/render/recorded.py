"""Small recorded programs that the pictures are drawn of."""

from __future__ import annotations

from typing import Any

import tracelib as trace


@trace.bundle
def ask(system: str, question: str, temperature: float = 0.5) -> str:
    """Ask the model."""
    return f"{question} Blue."


@trace.bundle
def agent(question: Any) -> Any:
    """Ask twice."""
    first = ask(PROMPT, question)
    return ask(PROMPT, first + " Sure?", 0.9)


@trace.bundle
def fail(answer: str) -> int:
    """Make a number of it."""
    return int(answer)


PROMPT = trace.node("Answer in one word.", name="prompt", trainable=True)


def nested() -> trace.Graph:
    """A call with calls inside, a parameter read there, and a value from outside."""
    return trace.Graph.behind(agent(trace.node("Which colour?", name="question")))


def failing() -> trace.Graph:
    """A call that failed."""
    try:
        fail(ask(PROMPT, "Which colour?"))
    except trace.ExecutionError as error:
        return trace.Graph.behind(error.exception_node)
    raise AssertionError("int('Which colour? Blue.') is no number")


def chain(length: int) -> trace.Graph:
    """Additions one after the other."""
    total = trace.node(0, name="start", trainable=True)
    for _ in range(length):
        total = total + 1
    return trace.Graph.behind(total)


@trace.bundle
def mean(scores: list[float]) -> float:
    return sum(scores) / len(scores)


@trace.bundle
def score(answer: str, expected: str) -> float:
    return float(len(answer) - len(expected))


def minibatch(size: int) -> trace.Graph:
    """An agent and a score for each of many questions, and their mean."""
    scores = [score(agent(trace.node(f"Question {n}?", name=f"question{n}")), "Blue.") for n in range(size)]
    return trace.Graph.behind(mean(scores))
