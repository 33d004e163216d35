"""A config is optimized, no program: the settings of a small search engine, told what it finds and what not.

    python examples/search_config.py [--model NAME]

With --model, or TRACELIB_MODEL in its place (and OPENAI_API_KEY, or OPENAI_BASE_URL for any other server), a
real model proposes the settings. Without it its replies are played from a script, and the output says so.
"""

import argparse
import json
import os
import re
from typing import Annotated

from pydantic import Field

import tracelib as trace
from optimizers import Gated, ScoreReached, optimize
from tracelib.llm.model import as_model
from tracelib.testing import ScriptedModel

NOTES = {
    "bins": "What goes where: the bins are put out in the evening. The paper goes to the blue one.",
    "cat": "The cat will eat twice a day; when all are away it is fed next door.",
    "heating": "In the evening the heating is turned down to 16 degrees.",
    "neighbours": "Who has the key when we are away: Eva, in the house to the left.",
    "tomatoes": "Tomatoes want water at night, beans in the morning.",
}
TRAIN = [
    ("When in the evening is water given to tomatoes?", "tomatoes"),
    ("What goes to the blue bin?", "bins"),
    ("What is the cat given to eat in the evening?", "cat"),
    ("Who has the key?", "neighbours"),
    ("In the morning, what is given water?", "tomatoes"),
    ("What are the degrees of the heating?", "heating"),
]
VALIDATION = [
    ("When in the evening is water given to beans?", "tomatoes"),
    ("Is the paper put to the other things in the house?", "bins"),
    ("Where is the house of Eva?", "neighbours"),
    ("What is the cat to eat in the evening?", "cat"),
]

CONFIG = {
    "ignored": trace.node(
        [], trainable=True, constraint=list[str], description="words that count for nothing"
    ),
    "common": trace.node(
        1.0,
        trainable=True,
        constraint=Annotated[float, Field(ge=0, le=1)],
        description="what a word counts that stands in most notes, against one that stands in few",
    ),
}


def ranking(config, question):
    """The notes, best first: each by the words that it shares with the question."""
    ignored = set(config["ignored"])
    asked = set(words(question)) - ignored
    scores = {name: sum(weight(word, config) for word in asked & set(words(NOTES[name]))) for name in NOTES}
    return sorted(NOTES, key=lambda name: (-scores[name], name))


def weight(word, config):
    notes_with = sum(word in words(note) for note in NOTES.values())
    return config["common"] if notes_with > len(NOTES) / 2 else 1.0


def words(text):
    return re.findall(r"[a-z]+", text.lower())


def judge(config, example):
    """1 where the right note comes first, a half where it comes second, a third ..."""
    question, wanted = example
    found = ranking(config, question)
    place = found.index(wanted)
    said = "right" if place == 0 else f"{question!r} found {found[0]!r} first, and should find {wanted!r}"
    return {"score": 1 / (1 + place), "feedback": said}


def main():
    result = optimize(
        CONFIG,
        TRAIN,
        judge,
        llm=model(),
        strategy=Gated(batch=6, steps=4),
        objective="The right note should come first. Settings should hold for other notes, too.",
        validation=VALIDATION,
        stopping=[ScoreReached(1.0)],
        executor=1,
        progress=False,
    )
    for trial in result.history:
        reached = "" if trial.validation is None else f"{trial.validation:.2f}"
        print(f"{trial.status:<9}{reached:<6}{dict(trial.values)}  {trial.problem or trial.reason}")
    print(f"\n{result}")


# Who answers ------------------------------------------------------------------------------------


def model():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default=os.environ.get("TRACELIB_MODEL"), help="ask this one, really")
    name = parser.parse_args().model
    if name:
        return as_model(name)
    print("No language model is asked: there is no --model, the replies are scripted.\n")
    return ScriptedModel(played)


def played(messages):
    """Begins with a setting that is out of range, is told so, and goes on from there."""
    if len(messages) > 2:
        return suggestion("the least it may be is 0", common=0.0)
    if "variable common: float\n0.0" in messages[-1]["content"]:
        return suggestion("little words say nothing", ignored=["in", "is", "of", "the", "to", "what", "when"])
    return suggestion("words that stand in all notes should count against them", common=-1.0)


def suggestion(reasoning, **values):
    return json.dumps({"reasoning": reasoning, "suggestion": values})


if __name__ == "__main__":
    main()
