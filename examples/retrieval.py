"""Answers from local files: the passages that fit a question are found, and a model answers from them alone.

    python examples/retrieval.py "Who has the key?" examples/notes

Without arguments the notes beside this file are read. With TRACELIB_MODEL (and OPENAI_API_KEY, or
OPENAI_BASE_URL for any other server) a real model answers. Without it the replies are played from a script,
and the output says so.
"""

import math
import os
import re
import sys
from collections import Counter
from pathlib import Path

import tracelib as trace
from tracelib.llm.model import as_model
from tracelib.testing import ScriptedModel

QUESTION = "How often are the tomatoes watered when it rains?"


def played(messages):
    """Quotes the passage that fits best."""
    return messages[-1]["content"].split("\n\n")[1].split("\n", 1)[1] + " [1]"


if os.environ.get("TRACELIB_MODEL"):
    model = as_model()
else:
    print("No language model is asked: TRACELIB_MODEL is not set, the replies are scripted.\n")
    model = ScriptedModel(played)


def words(text):
    return Counter(re.findall(r"[a-z]{3,}", text.lower()))


def passages(folder):
    """The paragraphs of all Markdown files, each with its file's name."""
    files = sorted(Path(folder).glob("**/*.md"))
    parts = [(file.name, part) for file in files for part in file.read_text("utf-8").split("\n\n")]
    return [(name, part.strip()) for name, part in parts if part.strip() and not part.startswith("#")]


@trace.bundle
def retrieve(question, folder, count=3):
    """The passages that share the rarest words with the question, in proportion to their length."""
    found = [(name, part, words(part)) for name, part in passages(folder)]
    asked = words(question)
    spread = Counter(word for _, _, said in found for word in said)

    def fit(said):
        rare = sum(math.log(len(found) / spread[word]) for word in asked if word in said)
        return rare / math.sqrt(20 + said.total())

    best = sorted(found, key=lambda one: fit(one[2]), reverse=True)[:count]
    return [{"file": name, "text": part} for name, part, _ in best]


@trace.lm(model=model, temperature=0)
def answer(question, sources):
    """Answer from the passages alone, in one or two sentences, and name the passage as [1]."""
    told = "\n\n".join(f"[{i}] {one['file']}\n{one['text']}" for i, one in enumerate(sources, 1))
    return f"Passages:\n\n{told}\n\nQuestion: {question}"


def main():
    question = sys.argv[1] if len(sys.argv) > 1 else QUESTION
    sources = retrieve(question, sys.argv[2] if len(sys.argv) > 2 else Path(__file__).with_name("notes"))
    print(f"{question}\n\n{answer(question, sources)}\n")
    for i, one in enumerate(sources.data, 1):
        print(f"[{i}] {one['file']}: {one['text']}")


if __name__ == "__main__":
    main()
