"""Chain of thought: a model thinks aloud three times, and the answer that most thoughts come to is taken.

    python examples/reasoning.py "How many legs have three cats and two hens?"

With TRACELIB_MODEL (and OPENAI_API_KEY, or OPENAI_BASE_URL for any other server) a real model thinks.
Without it the replies are played from a script, and the output says so.
"""

import os
import sys
from collections import Counter

import pydantic

import tracelib as trace
from tracelib.llm.model import as_model
from tracelib.llm.reply import Reply
from tracelib.testing import ScriptedModel

QUESTION = "Ann has three boxes of four pencils. She gives five pencils away. How many has she left?"
PLAYED = [
    "Three boxes of four are 12 pencils. 12 - 5 = 7.",
    "There are 3 + 4 = 7 pencils. 7 - 5 = 2.",
    "3 * 4 = 12, and five fewer are 7.",
]

if os.environ.get("TRACELIB_MODEL"):
    model = as_model()
else:
    print("No language model is asked: TRACELIB_MODEL is not set, the replies are scripted.\n")
    numbers = [f'{{"number": {text[-2]}}}' for text in PLAYED]
    model = ScriptedModel([Reply(PLAYED[0], texts=tuple(PLAYED)), *numbers])


class Answer(pydantic.BaseModel):
    number: int


@trace.lm(model=model, n=3, temperature=1.0)
def think(question):
    """Think step by step, one short sentence for each step. End with the number that is asked for."""
    return question


@trace.lm(model=model, response_format=Answer, temperature=0)
def conclude(question, thought):
    """Read the thoughts and say which number they come to, even where they are wrong."""
    return f"Question: {question}\n\nThoughts: {thought}"


@trace.bundle
def vote(answers):
    return Counter(answer.number for answer in answers).most_common(1)[0][0]


def main():
    question = " ".join(sys.argv[1:]) or QUESTION
    thoughts = think(question)
    answers = [conclude(question, thought) for thought in thoughts]
    for thought, answer in zip(thoughts, answers, strict=True):
        print(f"{answer.number}: {thought}")
    number = vote(answers)
    print(f"\nAnswer: {number}")
    asked = [node.op.name for node in trace.Graph.behind(number).ordered if node.op and node.op.kind == "lm"]
    print(f"The model was asked by {', '.join(asked)}.")


if __name__ == "__main__":
    main()
