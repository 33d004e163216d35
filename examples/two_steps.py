"""An agent of two steps, a prompt and a piece of code, learns both: the graph says which is at fault.

    python examples/two_steps.py [--model NAME]

With --model, or TRACELIB_MODEL in its place (and OPENAI_API_KEY, or OPENAI_BASE_URL for any other server), a
real model reads the orders and rewrites the agent. Without it both are played from a script, and the output
says so. Code that a model has written runs in a sandbox.
"""

import argparse
import json
import os
import re

import tracelib as trace
from optimizers import Budget, Credit, Trainer
from tracelib import Feedback
from tracelib.llm.message import system, user
from tracelib.llm.model import as_model
from tracelib.testing import ScriptedModel

DELIVERY = 3.0
"""What is paid besides for an order below 20."""
TRAIN = [
    ("Two books at 12.", 24.0),
    ("One pen at 1.50.", 4.5),
    ("I would like 3 cups at 4 each.", 15.0),
    ("A lamp at 30 and two cups at 4.", 38.0),
]
VALIDATION = [
    ("Could I have five books at 12?", 60.0),
    ("A book at 12, please.", 15.0),
    ("Four pens at 1.50 and a cup at 4.", 13.0),
]


@trace.model
class Till:
    """Reads an order by a model, and adds it up by code."""

    def __init__(self, model):
        self.model = model
        self.instruction = trace.node("List what is ordered.", trainable=True)

    def __call__(self, order):
        return self.total(self.read(self.instruction, order))

    @trace.bundle
    def read(self, instruction, order):
        """Ask a model to follow the instruction."""
        return self.model.ask([system(instruction), user(order)]).text

    @trace.bundle(trainable=True)
    def total(self, items):
        """The price of all items; there is one to a line: pen at 1.50, or 2 x pen at 1.50"""
        goods = 0.0
        for line in items.splitlines():
            what, price = line.split(" at ")
            goods += float(price) * (int(what.split(" x ")[0]) if " x " in what else 1)
        return goods


def judge(total, wanted):
    """As a colleague would say it: what the price should be, and where to look."""
    if abs(total - wanted) < 0.005:
        return Feedback.of({"score": 1.0, "feedback": "right"})
    short = (
        "the total lacks the delivery"
        if abs(total - wanted + DELIVERY) < 0.005
        else "read how many there are"
    )
    return {"score": 0.0, "feedback": f"{total:g}, and it should be {wanted:g}: {short}"}


class Story:
    """Tells which part of the agent is rewritten, why, and what comes of it."""

    def __init__(self):
        self.told = set()

    def __call__(self, event):
        if event.name == "candidate":
            print(f"{', '.join(event.request.names)} is rewritten: {event.candidate.note}")
        elif event.name == "rejected":
            print(f"A reply that cannot be used: {event.rejected.problem}")
        elif event.name == "evaluated" and event.effect.candidate.parents:
            self.count(event.effect, event.rollouts)

    def count(self, effect, rollouts):
        right = sum(rollout.score or 0 for rollout in rollouts)
        line = f"  of the orders for {effect.split} {right:g} of {len(rollouts)} come out right"
        if (effect.candidate, line) not in self.told:
            self.told.add((effect.candidate, line))
            print(line)


def main():
    reader, teacher = models()
    till = Till(reader)
    trainer = Trainer(
        till,
        Credit(steps=4, batch=4),
        judge,
        Budget(rollouts=60),
        executor=1,
        llm=teacher,
        callbacks=[Story()],
        progress=False,
    )
    result = trainer.fit(TRAIN, VALIDATION)
    print(f"\n{result}\n")
    if result.improved:
        print(f"The till says {till('Five cups at 4 and a pen at 1.50')} for five cups and a pen.")


# Who answers ------------------------------------------------------------------------------------


def models():
    """Who reads orders and who rewrites: one real model for both, or two scripts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default=os.environ.get("TRACELIB_MODEL"), help="ask this one, really")
    name = parser.parse_args().model
    if name:
        return as_model(name), as_model(name)
    print("No language model is asked: there is no --model, the replies are scripted.\n")
    return ScriptedModel(played_reader), ScriptedModel(played_teacher)


NUMBERS = {"a": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5}


def played_reader(messages):
    """Lists the items, and says how many there are of each only where it was told to."""
    told, order = messages[0]["content"], messages[-1]["content"].lower()
    found = re.findall(r"(\w+) (\w+?)s? at (\d+(?:\.\d+)?)", order)
    counts = [f"{NUMBERS.get(count, count)} x " if "how many" in told else "" for count, _, _ in found]
    return "\n".join(
        f"{count}{item} at {price}" for count, (_, item, price) in zip(counts, found, strict=True)
    )


def played_teacher(messages):
    """Rewrites whichever of the two it is asked about."""
    if "variable instruction" in messages[-1]["content"]:
        return suggestion("how many are ordered was lost", instruction=INSTRUCTION)
    return suggestion("small orders pay for their delivery", total=TOTAL)


def suggestion(reasoning, **values):
    return json.dumps({"reasoning": reasoning, "suggestion": values})


INSTRUCTION = "List what is ordered and how many of it, one item to a line: 2 x pen at 1.50"
TOTAL = '''\
def total(self, items):
    """The price of all items; there is one to a line: pen at 1.50, or 2 x pen at 1.50"""
    goods = 0.0
    for line in items.splitlines():
        what, price = line.split(" at ")
        goods += float(price) * (int(what.split(" x ")[0]) if " x " in what else 1)
    return goods + (3 if goods < 20 else 0)
'''

if __name__ == "__main__":
    main()
