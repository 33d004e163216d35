"""A rule book: a recorded program follows rules that its instruction names; a scripted model writes them.

The model is simulated. It sees only the text of the question: it keeps the rules of all instructions shown
there, and adds one that feedback says is lacking, or without feedback one at random. Sometimes it adds
nothing, and one reply in eight is malformed. All of it is drawn by the content of the question and how often
it was asked.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from itertools import cycle
from typing import Any

from tracelib.graph.bundle import bundle
from tracelib.graph.module import model
from tracelib.graph.node import node

RULES = tuple(f"R{n}" for n in range(5))
P_FIX, P_MALFORMED = 0.7, 0.125


@bundle
def follow(task: str, instruction: str, shots: list[Any], mood: int = 0) -> str:
    """The rules of the task that the instruction names; SHOTS when two examples are shown; less by mood."""
    rules = instruction.split()
    done = [rule for rule in task.split() if rule in rules or (rule == "SHOTS" and len(shots) > 1)]
    return " ".join(done[: len(done) - mood])


@model
class Follower:
    """One prompt, and examples to show with it; every third call of a moody one forgets a rule."""

    def __init__(self, instruction: str = "Follow:", shots: bool = False, moody: bool = False) -> None:
        self.moods = cycle((0, 0, 1) if moody else (0,))
        self.instruction = node(instruction, trainable=True)
        self.shots = node([], trainable=shots)

    def __call__(self, task: str) -> Any:
        return follow(task, self.instruction, self.shots, next(self.moods))


def judged(output: str, expected: str) -> tuple[float, str]:
    """The share of the rules that were followed, and which were not."""
    done, wanted = output.split(), expected.split()
    lacking = [rule for rule in wanted if rule not in done]
    return 1 - len(lacking) / len(wanted), "lacks " + ", ".join(lacking) if lacking else "right"


def tasks(count: int, number: int, *also: str) -> list[tuple[str, str]]:
    """Tasks that want two rules each, in turn."""
    rng = random.Random(number)
    pairs = [" ".join((RULES[n % len(RULES)], rng.choice(RULES), *also)) for n in range(count)]
    return [(pair, pair) for pair in pairs]


class Writing:
    """The simulated model."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    def __call__(self, messages: list[dict[str, Any]]) -> str:
        question = "\n".join(str(message["content"]) for message in messages)
        self.asked[question] += 1
        return replied(question, len(messages) > 2, random.Random(f"{self.asked[question]}{question}"))


def replied(asked: str, again: bool, rng: random.Random) -> str:
    """A reply; one to a question asked `again`, for a repair, is never malformed."""
    if '{"summary"' in asked:
        return json.dumps({"summary": "tasks name rules"})
    if '{"description"' in asked:
        return json.dumps({"description": "it follows rules"})
    lacking = sorted(set(re.findall(r"\bR\d\b", " ".join(re.findall(r"lacks ([^\n]*)", asked)))))
    if '{"reasons"' in asked:
        return json.dumps({"reasons": [f"it lacks {rule}" for rule in lacking] or ["it says too little"]})
    if '{"feedback"' in asked:
        return json.dumps({"feedback": f"it lacks {', '.join(lacking)}"})
    if rng.random() < P_MALFORMED and not again:
        return '{"suggestion": {"instruction": "Follow: R0'
    known = {rule for found in re.findall(r"Follow:((?: R\d)*)", asked) for rule in found.split()}
    new = [rule for rule in lacking or RULES if rule not in known]
    if new and rng.random() < P_FIX:
        known.add(rng.choice(new))
    text = " ".join(["Follow:", *sorted(known)])
    return json.dumps({"reasoning": "one rule more", "suggestion": {"instruction": text}})
