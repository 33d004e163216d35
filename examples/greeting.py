"""An agent that greets customers wrongly, is told so, and learns: prompts, code and all.

    python examples/greeting.py

With TRACELIB_MODEL (and OPENAI_API_KEY, or OPENAI_BASE_URL for any other server) a real model answers
the customers and rewrites the agent. Without it both are played from a script, and the output says so.
"""

import json
import os
import re

import tracelib as trace
from optimizers import OptoPrime
from tracelib import ExecutionError
from tracelib.llm.message import system, user
from tracelib.llm.model import as_model
from tracelib.testing import ScriptedModel

CUSTOMERS = [("Hola, soy Juan.", "es"), ("Hello, I am Ann.", "en")]
RIGHT = {"es": "Hola, Juan!", "en": "Hello, Ann!"}


@trace.model
class Agent:
    def __init__(self, system_prompt):
        self.system_prompt = system_prompt
        self.instruct1 = trace.node("Decide the language", trainable=True)
        self.instruct2 = trace.node("Extract name", trainable=True)

    def __call__(self, user_query):
        # First LLM
        response = call_llm(self.system_prompt, self.instruct1, user_query)
        en_or_es = self.decide_lang(response)
        # Second LLM
        user_name = call_llm(self.system_prompt, self.instruct2, user_query)
        greeting = self.greet(en_or_es, user_name)
        return greeting  # noqa: RET504

    @trace.bundle(trainable=True)
    def decide_lang(self, response):
        """Map the language into a variable"""
        return

    @trace.bundle(trainable=True)
    def greet(self, lang, user_name):
        """Produce a greeting based on the language"""
        greeting = "Hola"
        return f"{greeting}, {user_name}!"


@trace.bundle
def call_llm(system_prompt, instruction, user_query):
    """Ask a language model."""
    return llm.ask([system(system_prompt), user(f"{instruction}\n\n{user_query}")]).text


def feedback_fn(greeting, lang):
    if greeting == RIGHT[lang]:
        return "Correct"
    return f"Incorrect. Greet by the bare name, in the customer's language ({lang}): {RIGHT[lang]!r}"


def main():
    print(f"Model: {llm!r}\n")
    agent = Agent("You are a sales assistant.")
    optimizer = OptoPrime(agent.parameters(), llm=teacher)
    for _ in range(8):
        went_right = [lesson(agent, optimizer, *customer) for customer in CUSTOMERS]
        if all(went_right):
            print("Both customers are greeted as they should be.")
            return
    raise SystemExit("The agent did not learn to greet in 8 rounds.")


def lesson(agent, optimizer, query, lang):
    """Greet one customer; if it went wrong, learn from it. Whether it went right."""
    try:
        greeting = agent(query)
        feedback = feedback_fn(greeting.data, lang)
        print(f"{query} -> {greeting}   {feedback}")
    except ExecutionError as e:
        greeting = e.exception_node
        feedback = greeting.data
        print(f"{query} -> the agent failed:\n{feedback}")
    if feedback == "Correct":
        return True
    optimizer.zero_feedback()
    optimizer.backward(greeting, feedback)
    print(f"\n{optimizer.step()}\n")
    return False


# What is played when no model is there ----------------------------------------------------------


def played_assistant(messages):
    """Answers like a chatty model, to the point only where the instruction insists on it."""
    question = messages[-1]["content"]
    if question.startswith("Decide the language"):
        return "The customer writes Spanish." if "soy" in question else "The customer writes English."
    name = re.search(r"(?:soy|I am) (\w+)", question)[1]
    return name if "nothing else" in question else f"The name is {name}."


NAME_ONLY = {
    "reasoning": "The greeting repeats the model's whole sentence: ask for the name alone.",
    "suggestion": {"instruct2": "Extract the name of the customer and answer with nothing else"},
}
BY_LANGUAGE = {
    "reasoning": "greet always says Hola, and decide_lang returns nothing: both must depend on the language.",
    "suggestion": {
        "decide_lang": "def decide_lang(self, response):\n"
        '    """Map the language into a variable"""\n'
        '    return response.split()[-1].strip(".")\n',
        "greet": "def greet(self, lang, user_name):\n"
        '    """Produce a greeting based on the language"""\n'
        '    greeting = {"es": "Hola", "en": "Hello"}[lang]\n'
        '    return f"{greeting}, {user_name}!"\n',
    },
}
TO_CODES = {
    "reasoning": "greet knows the languages as 'es' and 'en', so decide_lang must return those.",
    "suggestion": {
        "decide_lang": "def decide_lang(self, response):\n"
        '    """Map the language into a variable"""\n'
        '    return "es" if "Spanish" in response else "en"\n',
    },
}

if os.environ.get("TRACELIB_MODEL"):
    llm = teacher = as_model()
else:
    print("No language model is asked: TRACELIB_MODEL is not set, the replies are scripted.")
    llm = ScriptedModel(played_assistant)
    teacher = ScriptedModel([json.dumps(reply) for reply in (NAME_ONLY, BY_LANGUAGE, TO_CODES)])

if __name__ == "__main__":
    main()
