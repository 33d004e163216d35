"""The agent that everyone starts from, word for word: it runs, fails as it should, and learns."""

from __future__ import annotations

import functools
import importlib
import json

import pytest

import tracelib as trace
from optimizers import OptoPrime
from tracelib.testing import ScriptedModel

HEAD = """\
import tracelib as trace
from tracelib import ExecutionError

def call_llm(system_prompt, instruction, user_query):
    return call(system_prompt, instruction, user_query)

"""

AGENT = '''\
@trace.model
class Agent:

    def __init__(self, system_prompt):
        self.system_prompt = system_prompt
        self.instruct1 = trace.node("Decide the language", trainable=True)
        self.instruct2 = trace.node("Extract name",  trainable=True)

    def __call__(self, user_query):
        # First LLM 
        response = call_llm(self.system_prompt, self.instruct1, user_query)
        en_or_es = self.decide_lang(response)
        # Second LLM 
        user_name = call_llm(self.system_prompt, self.instruct2, user_query)
        greeting = self.greet(en_or_es, user_name)
        return greeting

    @trace.bundle(trainable=True)
    def decide_lang(self, response):
        """Map the language into a variable"""
        return

    @trace.bundle(trainable=True)
    def greet(self, lang, user_name):
        """Produce a greeting based on the language"""
        greeting = "Hola"
        return f"{greeting}, {user_name}!"
'''  # noqa: W291 - word for word

LESSON = """\
agent = Agent("You are a sales assistant.")
optimizer = OptoPrime(agent.parameters())

try:
    greeting = agent("Hola, soy Juan.")
    feedback = feedback_fn(greeting.data, 'es')
    # feedback = "Correct" or "Incorrect"
except ExecutionError as e:
    greeting = e.exception_node
    feedback = greeting.data, 

optimizer.zero_feedback()
optimizer.backward(greeting, feedback)
optimizer.step()
"""  # noqa: W291 - word for word

ENGLISH = {
    "decide_lang": 'def decide_lang(self, response):\n    return "es" if "soy" in response else "en"',
    "greet": (
        "def greet(self, lang, user_name):\n"
        '    return {"es": "Hola", "en": "Hello"}[lang] + f", {user_name}!"'
    ),
}
BROKEN = {"greet": 'def greet(self, lang, user_name):\n    return {"es": "Hola"}[lang] + user_name'}


@trace.bundle
def call(system_prompt, instruction, user_query):
    """Stands for a language model that answers to the point."""
    return user_query if instruction.startswith("Decide") else user_query.rstrip(".").split()[-1]


def feedback_fn(greeting, lang):
    return "Correct" if greeting == {"es": "Hola, Juan!"}[lang] else "Incorrect"


@pytest.fixture
def seed(tmp_path, monkeypatch):
    """The agent's module, as a user would have it in a file."""
    (tmp_path / "seed_agent_of_the_user.py").write_text(HEAD + AGENT)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("seed_agent_of_the_user")
    importlib.reload(module)
    module.call = call
    return module


def lesson(seed, *suggestions, before=None):
    """Run the lesson word for word on scripted replies of the model that optimizes."""
    model = ScriptedModel([json.dumps({"reasoning": "r", "suggestion": s}) for s in suggestions])
    names = {
        **vars(seed),
        "OptoPrime": functools.partial(OptoPrime, llm=model),
        "feedback_fn": feedback_fn,
    }
    source = LESSON if before is None else LESSON.replace("\noptimizer =", f"\n{before}\noptimizer =", 1)
    exec(source, names)
    return names, model


def test_the_agent_has_its_prompts_and_its_code_as_parameters(seed):
    agent = seed.Agent("You are a sales assistant.")
    assert list(agent.named_parameters()) == ["instruct1", "instruct2", "decide_lang", "greet"]
    assert agent("Hola, soy Juan.").data == "Hola, Juan!"


def test_feedback_on_the_greeting_reaches_every_parameter(seed):
    agent = seed.Agent("You are a sales assistant.")
    greeting = agent("Hola, soy Juan.")
    assert {p.name for p in greeting.backward("Incorrect").reached} == {
        "instruct1",
        "instruct2",
        "decide_lang",
        "greet",
    }


def test_the_lesson_runs_word_for_word_and_changes_the_agent(seed):
    names, model = lesson(seed, ENGLISH)
    assert names["feedback"] == "Correct"
    assert len(model.questions) == 1
    assert names["agent"]("Hello, I am Ann.").data == "Hello, Ann!"
    assert names["agent"]("Hola, soy Juan.").data == "Hola, Juan!"


def test_the_lesson_goes_on_where_the_agent_fails(seed):
    before = f"agent.greet.parameter.update({BROKEN['greet']!r})"
    names, model = lesson(seed, ENGLISH, before=before)
    assert isinstance(names["greeting"], trace.ExceptionNode)
    assert isinstance(names["feedback"], tuple)
    assert "[lang] + user_name  # <-- KeyError: None" in names["feedback"][0]
    assert "KeyError: None" in str(model.questions)
    assert names["agent"]("Hello, I am Ann.").data == "Hello, Ann!"
