"""A story in three steps: ideas, a draft of each, and the best of the drafts, which knows how it came about.

    python examples/story.py "a lighthouse"

With TRACELIB_MODEL (and OPENAI_API_KEY, or OPENAI_BASE_URL for any other server) a real model writes.
Without it the replies are played from a script, and the output says so.
"""

import os
import sys

import tracelib as trace
from tracelib.llm.model import as_model
from tracelib.testing import ScriptedModel


def played(messages):
    """A writer of few words, for when no model is there."""
    task, text = messages[0]["content"], messages[-1]["content"]
    if task.startswith("You find ideas"):
        return "the keeper who never slept\nthe lamp that shone inward\nthe ship that came back too early"
    if task.startswith("You write"):
        return f"This is the story of {text.removeprefix('Write about ')}. It ended well."
    return text.split("\n\n")[1]


if os.environ.get("TRACELIB_MODEL"):
    model = as_model()
else:
    print("No language model is asked: TRACELIB_MODEL is not set, the replies are scripted.\n")
    model = ScriptedModel(played)


@trace.lm(model=model, temperature=1.0)
def find_ideas(about):
    """You find ideas for short stories. Answer with three of them, one on each line, and nothing else."""
    return f"Stories about {about}"


@trace.lm(model=model, temperature=1.0)
def write_draft(idea):
    """You write short stories of at most five sentences."""
    return f"Write about {idea}"


@trace.lm(model=model, temperature=0)
def choose_best(drafts):
    """You are an editor. Answer with the best of the drafts, word for word."""
    return "Drafts:\n\n" + "\n\n".join(drafts)


@trace.bundle(traceable_code=True)
def write_story(about):
    ideas = find_ideas(about).splitlines()
    drafts = trace.gather(*(lambda idea=idea: write_draft(idea) for idea in ideas if idea.strip()))
    return choose_best(drafts)


def main():
    story = write_story(sys.argv[1] if len(sys.argv) > 1 else "a lighthouse")
    print(story)
    asked = [node.op.name for node in trace.Graph.behind(story).ordered if node.op and node.op.kind == "lm"]
    print(f"\nThe model was asked by {', '.join(asked)}.")


if __name__ == "__main__":
    main()
