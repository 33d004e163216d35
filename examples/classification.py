"""Letters sorted by a model: one of four labels for each, many at once, and how often it was right.

    python examples/classification.py

With TRACELIB_MODEL (and OPENAI_API_KEY, or OPENAI_BASE_URL for any other server) a real model sorts them.
Without it the replies are played from a script, and the output says so.
"""

import enum
import os

import tracelib as trace
from tracelib.llm.model import as_model
from tracelib.testing import ScriptedModel


class Subject(enum.Enum):
    INVOICE = "invoice"
    DELIVERY = "delivery"
    PRAISE = "praise"
    OTHER = "other"


LETTERS = [
    ("I was charged twice for my last order.", Subject.INVOICE),
    ("Where is my parcel? It should have come on Monday.", Subject.DELIVERY),
    ("The lamp is wonderful, thank you!", Subject.PRAISE),
    ("Do you sell gift cards?", Subject.OTHER),
    ("Thank you for nothing: the parcel never came.", Subject.DELIVERY),
]


def played(messages):
    """Goes by single words, and is wrong once for it."""
    text = messages[-1]["content"].lower()
    hints = {"thank": "praise", "charged": "invoice", "parcel": "delivery"}
    return next((label for word, label in hints.items() if word in text), "other")


if os.environ.get("TRACELIB_MODEL"):
    model = as_model()
else:
    print("No language model is asked: TRACELIB_MODEL is not set, the replies are scripted.\n")
    model = ScriptedModel(played)


@trace.lm
def subject(letter):
    """You sort the letters that customers send to a shop."""
    return letter


sort = trace.classify(subject, Subject, model=model, temperature=0)


def main():
    found = trace.gather(*(lambda letter=letter: sort(letter) for letter, _ in LETTERS))
    for (letter, wanted), label in zip(LETTERS, found, strict=True):
        print(f"{label:<10}{letter}" + ("" if label == wanted.value else f"   (it is {wanted.value})"))
    right = sum(label == wanted.value for (_, wanted), label in zip(LETTERS, found, strict=True))
    print(f"\n{right} of {len(LETTERS)} were sorted as they should be.")


if __name__ == "__main__":
    main()
