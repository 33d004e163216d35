"""A model that calls functions: an agent with a calendar, whose every step is recorded.

    python examples/tools.py "Which day of the week was 20 July 1969?"

With TRACELIB_MODEL (and OPENAI_API_KEY, or OPENAI_BASE_URL for any other server) a real model calls them.
Without it the replies are played from a script, and the output says so.
"""

import datetime
import os
import sys
from typing import Annotated

from pydantic import Field

import tracelib as trace
from tracelib.llm.model import as_model
from tracelib.llm.reply import Reply, ToolCall
from tracelib.testing import ScriptedModel

QUESTION = "Which day of the week is 100 days after 1 March 2024?"
PLAYED = [
    Reply("", tool_calls=(ToolCall("a", "later", '{"day": "1 March 2024", "days": 100}'),)),
    Reply("", tool_calls=(ToolCall("b", "later", '{"day": "2024-03-01", "days": 100}'),)),
    lambda messages: Reply(
        "", tool_calls=(ToolCall("c", "weekday", f'{{"day": {messages[-1]["content"]}}}'),)
    ),
    lambda messages: f"It is a {messages[-1]['content']}.",
]

if os.environ.get("TRACELIB_MODEL"):
    model = as_model()
else:
    print("No language model is asked: TRACELIB_MODEL is not set, the replies are scripted.\n")
    model = ScriptedModel(PLAYED)


@trace.tool
def later(day: datetime.date, days: Annotated[int, Field(description="negative for earlier")]):
    """The date so many days after a day."""
    return day + datetime.timedelta(days=days)


@trace.tool
def weekday(day: datetime.date):
    """The day of the week of a date."""
    return f"{day:%A}"


@trace.lm(model=model, tools=[later, weekday])
def calendar(messages):
    """Answer questions about dates. Never count days yourself: call the tools."""
    return messages


def main():
    talk = trace.agent_loop(calendar, " ".join(sys.argv[1:]) or QUESTION, max_turns=8)
    for message in talk.messages:
        for call in message.extra.get("tool_calls", ()):
            print(f"  calls {call['function']['name']}({call['function']['arguments']})")
        if message.content:
            print(f"{message.role}: {message.content}")


if __name__ == "__main__":
    main()
