"""The prompt of a classifier learns: letters are sorted, errors are told, and a rewrite has to prove itself.

    python examples/classifier_prompt.py [--model NAME]

With --model, or TRACELIB_MODEL in its place (and OPENAI_API_KEY, or OPENAI_BASE_URL for any other server), a
real model sorts the letters and rewrites the prompt. Without it both are played from a script, and the output
says so.
"""

import argparse
import enum
import json
import os

import tracelib as trace
from optimizers import Gated, OptoPrime, Trainer
from tracelib import Feedback
from tracelib.llm.model import as_model
from tracelib.testing import ScriptedModel


class Subject(enum.Enum):
    INVOICE = "invoice"
    DELIVERY = "delivery"
    PRAISE = "praise"
    OTHER = "other"


TRAIN = [
    ("I was charged twice for my last order.", "invoice"),
    ("Thank you for nothing: the parcel never came.", "delivery"),
    ("The lamp is wonderful, thank you!", "praise"),
    ("Thanks for the quick parcel, but I was charged for two.", "invoice"),
    ("Do you sell gift cards?", "other"),
    ("Thank you in advance for finding my parcel.", "delivery"),
]
VALIDATION = [
    ("Thanks to you the parcel came to my neighbour.", "delivery"),
    ("Thank you, the chair is perfect.", "praise"),
    ("Why was I charged for the wrapping?", "invoice"),
    ("Thank you, it is lovely. You have made my day.", "praise"),
    ("Thanks, but I was charged in dollars.", "invoice"),
    ("When do you close?", "other"),
]
TEST = [
    ("Thank you so much for the beautiful mirror.", "praise"),
    ("Thanks a lot: the parcel is broken.", "delivery"),
    ("The parcel is late.", "delivery"),
    ("Thank you for checking why I was charged again.", "invoice"),
]


@trace.lm(trainable=True)
def subject(letter):
    """You sort the letters that customers send to a shop."""
    return letter


def judge(label, wanted):
    if label == wanted:
        return Feedback.of({"score": 1.0, "feedback": "right"})
    return {"score": 0.0, "feedback": f"it is {wanted}, not {label}"}


def tell(event):
    """What becomes of each rewrite: first on the letters it was made from, then on those it never saw."""
    if event.name == "candidate":
        print(f"A rewrite, because {event.candidate.note}:")
    elif event.name == "rejected":
        print(f"A reply that cannot be used: {event.rejected.problem}")
    elif event.name == "evaluated" and event.effect.candidate.parents:
        print(f"  of the letters for {event.effect.split} {event.standing.mean or 0:.0%} are right")


def main():
    clerk, teacher = models()
    sort = trace.classify(subject, Subject, model=clerk, temperature=0)
    optimizer = OptoPrime(sort.parameters(), llm=teacher, objective="Sort every letter as its reader would.")
    trainer = Trainer(
        sort, optimizer, judge, strategy=Gated(batch=6, steps=3), executor=1, callbacks=[tell], progress=False
    )
    result = trainer.fit(TRAIN, VALIDATION, TEST)
    print(f"\n{result}\n")
    print(f"The prompt is now: {result.best['subject.system']}")


# Who answers ------------------------------------------------------------------------------------


def models():
    """Who sorts and who rewrites: one real model for both, or two scripts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default=os.environ.get("TRACELIB_MODEL"), help="ask this one, really")
    name = parser.parse_args().model
    if name:
        return as_model(name), as_model(name)
    print("No language model is asked: there is no --model, the replies are scripted.\n")
    return ScriptedModel(played_clerk), ScriptedModel(REWRITES)


def played_clerk(messages):
    """Goes by the first word that it knows; which those are depends on what it was told."""
    told, letter = messages[0]["content"], messages[-1]["content"].lower()
    hints = {"thank": "praise", "charged": "invoice", "parcel": "delivery"}
    if "Thanks mean nothing" in told:
        del hints["thank"]
    if "last of all" in told:
        hints["thank"] = hints.pop("thank")
    return next((label for word, label in hints.items() if word in letter), "other")


REWRITES = [
    json.dumps({"reasoning": reasoning, "suggestion": {"subject.system": prompt}})
    for reasoning, prompt in [
        (
            "letters that thank for a parcel were taken for praise",
            "You sort letters to a shop. Thanks mean nothing: never call a letter praise.",
        ),
        (
            "thanks are often polite or bitter; what went wrong says what a letter is about",
            "You sort letters to a shop. Look for what went wrong first, money before parcels. Praise comes "
            "last of all: it is a letter with thanks in which nothing went wrong.",
        ),
    ]
]

if __name__ == "__main__":
    main()
