"""Right answers or short ones: a Pareto search keeps what is best at either, for you to choose from.

    python examples/two_objectives.py [--model NAME]

With --model, or TRACELIB_MODEL in its place (and OPENAI_API_KEY, or OPENAI_BASE_URL for any other server), a
real model answers the customers and rewrites the prompts. Without it both are played from a script, and the
output says so.
"""

import argparse
import json
import os
from statistics import fmean

import tracelib as trace
from optimizers import Budget, Pareto, Trainer
from tracelib.llm.message import system, user
from tracelib.llm.model import as_model
from tracelib.testing import ScriptedModel

FACTS = "The shop opens at 9 and closes at 18. Parcels take 3 days. Goods can be returned for 30 days."
TRAIN = [
    ("When do you open?", "9"),
    ("May I return a lamp after two weeks?", "30"),
    ("How long does a parcel take?", "3"),
    ("Until when are you there?", "18"),
]
VALIDATION = [
    ("Can I return a cup after three weeks?", "30"),
    ("When does the shop close?", "18"),
    ("When will my parcel be there?", "3"),
    ("From when on are you there?", "9"),
]


class Counter(trace.Module):
    """Answers customers by two prompts: what to say, and how to say it."""

    def __init__(self, model):
        self.model = model
        self.what = trace.node("Answer the customer's question.", trainable=True)
        self.how = trace.node("Write a friendly letter.", trainable=True)

    def __call__(self, question):
        return self.answer(self.what, self.how, question)

    @trace.bundle
    def answer(self, what, how, question):
        """Ask a model that knows the facts."""
        return self.model.ask([system(f"{FACTS}\n{what}\n{how}"), user(question)]).text


def judge(answer, figure):
    """Two numbers, and one of both for when a single candidate has to win: fifty words weigh as an error."""
    right, words = float(figure in answer), len(answer.split())
    said = f"it took {words} words" if right else f"the figure {figure} is missing"
    return {"right": right, "words": words, "score": right - words / 50, "feedback": said}


class Front:
    """Hears what every candidate did on validation, and knows which ones no other beats in both."""

    def __init__(self):
        self.found = {}

    def __call__(self, event):
        if event.name == "candidate" and event.candidate not in self.found:
            kind = (
                "merged" if event.request.kind == "merge" else f"{', '.join(event.request.names)} rewritten"
            )
            print(f"{kind}: {event.candidate.note}")
        if event.name == "evaluated" and event.effect.split == "validation" and len(event.rollouts) == 4:
            scores = [rollout.scores for rollout in event.rollouts if not rollout.failed]
            self.found[event.effect.candidate] = tuple(
                fmean(score[name] for score in scores) if scores else 0.0 for name in ("right", "words")
            )

    def __str__(self):
        lines = [
            f"{'*' if self.stands(place) else ' '} right {place[0]:4.0%}  words {place[1]:4.1f}  {one.values}"
            for one, place in self.found.items()
        ]
        return "\n".join(lines)

    def stands(self, place):
        others = [other for other in self.found.values() if other != place]
        return not any(other[0] >= place[0] and other[1] <= place[1] for other in others)


def main():
    clerk, teacher = models()
    counter, front = Counter(clerk), Front()
    strategy = Pareto(steps=8, batch=4, frontier="both", names=("right", "-words"), perfect=None)
    trainer = Trainer(
        counter,
        strategy,
        judge,
        Budget(rollouts=60),
        executor=1,
        llm=teacher,
        callbacks=[front],
        progress=False,
        seed=0,
    )
    result = trainer.fit(TRAIN, VALIDATION)
    print(f"\nNo other is as right and as short as those with a star:\n{front}\n\n{result}")


# Who answers ------------------------------------------------------------------------------------


def models():
    """Who answers and who rewrites: one real model for both, or two scripts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default=os.environ.get("TRACELIB_MODEL"), help="ask this one, really")
    name = parser.parse_args().model
    if name:
        return as_model(name), as_model(name)
    print("No language model is asked: there is no --model, the replies are scripted.\n")
    return ScriptedModel(played_clerk), ScriptedModel(played_teacher)


FIGURES = {"parcel": "3", "return": "30", "close": "18", "until": "18", "open": "9", "from when": "9"}
LETTER = "Dear customer, thank you very much for asking. {} We are always glad to see you in our shop."


def played_clerk(messages):
    """Names the figure where it was told to; in one word it says yes where it is asked whether one may."""
    told, question = messages[0]["content"], messages[-1]["content"].lower()
    figure = next((figure for word, figure in FIGURES.items() if word in question), "")
    named = "figure" in told or "when" in question
    if "one word" in told:
        return f"{figure}." if named and not question.startswith(("can", "may")) else "Yes."
    return LETTER.format(f"It is {figure}." if named else "It depends.")


def played_teacher(messages):
    """Rewrites the prompt it is asked about."""
    asked = messages[-1]["content"]
    for name, (reasoning, value) in LESSONS.items():
        if f"variable {name}" in asked:
            return json.dumps({"reasoning": reasoning, "suggestion": {name: value}})
    return "I would not change a thing."


LESSONS = {
    "what": ("some answers lack the figure", "Answer the customer's question with the exact figure."),
    "how": ("nobody reads a letter", "Answer in one word."),
}

if __name__ == "__main__":
    main()
