"""A conversation that goes on where it ended: its messages are kept in a JSON file.

    python examples/chat.py history.json "What is my name?"

Without arguments two sittings are held over a file that is thrown away. With TRACELIB_MODEL (and
OPENAI_API_KEY, or OPENAI_BASE_URL for any other server) a real model answers. Without it the replies are
played from a script, and the output says so.
"""

import json
import os
import re
import sys
import tempfile
from pathlib import Path

import tracelib as trace
from tracelib.llm.model import as_model
from tracelib.testing import ScriptedModel


def played(messages):
    """Remembers a name that was said in the conversation, and nothing else."""
    names = re.findall(r"My name is (\w+)", "\n".join(message["content"] for message in messages))
    if not names:
        return "You have not told me your name."
    asked = messages[-1]["content"].endswith("?")
    return f"Your name is {names[-1]}." if asked else f"Nice to meet you, {names[-1]}."


if os.environ.get("TRACELIB_MODEL"):
    model = as_model()
else:
    print("No language model is asked: TRACELIB_MODEL is not set, the replies are scripted.\n")
    model = ScriptedModel(played)


@trace.lm(model=model)
def chat(messages):
    """You are a friendly assistant. Answer in one sentence."""
    return messages


def say(file, text):
    """One turn: what was said before is read from the file, and this is written behind it."""
    before = json.loads(file.read_text("utf-8")) if file.exists() else []
    question = trace.user(text)
    reply = chat([*before, question])
    after = [*before, question.to_dict(), trace.assistant(reply).to_dict()]
    file.write_text(json.dumps(after, indent=1, ensure_ascii=False), "utf-8")
    print(f"> {text}\n{reply}")


def main():
    if len(sys.argv) > 1:
        say(Path(sys.argv[1]), " ".join(sys.argv[2:]))
        return
    with tempfile.TemporaryDirectory() as folder:
        for sitting in (["Hello!", "My name is Ann."], ["What is my name?"]):
            for text in sitting:
                say(Path(folder) / "history.json", text)
            print("(the program ends, and begins again)" if len(sitting) > 1 else "")


if __name__ == "__main__":
    main()
