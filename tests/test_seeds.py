"""The code blocks of the documents the project comes from, run as they stand there but for the import line.

A real server on the loopback interface stands where OpenAI does; each program is a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import tracelib as trace
from tracelib.testing import LoopbackServer

ROOT = Path(__file__).parents[1]
IMPORT = "import tracelib as ell\n"

EMBEDDED = '''
from myother_module import CONSTANT
def other_code():
    print("hello")

def some_other_function():
    return "to bob"

@ell.simple(model="gpt-4o")
def hi():
    """You are a helpful assistant"""
    return f"say hi {some_other_function()} {CONSTANT} times."

def some_other_code():
    return "some other code"
'''

CLOSURE = '''
CONSTANT = 6

def some_other_function():
    return "to bob"

@ell.simple(model="gpt-4o")
def hi():
    """You are a helpful assistant"""
    return f"say hi {some_other_function()} {CONSTANT} times."
'''

STORY = r'''
from typing import List


@ell.simple(model="gpt-4o-mini", temperature=1.0)
def generate_story_ideas(about : str):
    """You are an expert story ideator. Only answer in a single sentence."""
    return f"Generate a story idea about {about}."

@ell.simple(model="gpt-4o-mini", temperature=1.0)
def write_a_draft_of_a_story(idea : str):
    """You are an adept story writer. The story should only be 3 paragraphs."""
    return f"Write a story about {idea}."

@ell.simple(model="gpt-4o", temperature=0.1)
def choose_the_best_draft(drafts : List[str]):
    """You are an expert fiction editor."""
    return f"Choose the best draft from the following list: {'\n'.join(drafts)}."

@ell.simple(model="gpt-4-turbo", temperature=0.2)
def write_a_really_good_story(about : str):
    """You are an expert novelist that writes in the style of Hemmingway. You write in lowercase."""
    # Note: You can pass in api_params to control the language model call
    # in the case n = 4 tells OpenAI to generate a batch of 4 outputs.
    ideas = generate_story_ideas(about, api_params=(dict(n=4)))

    drafts = [write_a_draft_of_a_story(idea) for idea in ideas]

    best_draft = choose_the_best_draft(drafts)


    return f"Make a final revision of this story in your voice: {best_draft}."

story = write_a_really_good_story("a dog")
'''
BACKSLASH = r"""    return f"Choose the best draft from the following list: {'\n'.join(drafts)}."
"""
TWIN = r"""    joined = '\n'.join(drafts); return f"Choose the best draft from the following list: {joined}."
"""
"""Before Python 3.12 the braces of an f-string hold no backslash."""

GREETER = '''
from tracelib import SQLiteStore

ell.init(store='./logdir', autocommit=True)

@ell.simple(model="gpt-4o-mini")
def greet(name: str):
    """You are a friendly greeter."""
    return f"Generate a greeting for {name}."

result = greet("Alice")
print(result)  # Output: "Hello, Alice! It's wonderful to meet you."
'''

TRACED = """
@ell.simple(model="gpt-4o") # version: ae8f32s664200e1
def hi():
    return "say hi"

x = hi() # invocation id: 4hdfjhe8ehf (version: ae8f32s664200e1)
"""

CHAT = '''
@ell.simple(model="gpt-4o-2024-08-06", temperature=1.0)
def create_personality() -> str:
    """You are backstoryGPT. You come up with a backstory for a character incljuding name. Choose a completely random name from the list. Format as follows.

Name: <name>
Backstory: <3 sentence backstory>\'""" # System prompt

    return "Come up with a backstory about " + random.choice(names_list) # User prompt


def format_message_history(message_history : List[Tuple[str, str]]) -> str:
    return "\\n".join([f"{name}: {message}" for name, message in message_history])

@ell.simple(model="gpt-4o-2024-08-06", temperature=0.3, max_tokens=20)
def chat(message_history : List[Tuple[str, str]], *, personality : str):

        return [
            ell.system(f"""Here is your description.
{personality}. 

Your goal is to come up with a response to a chat. Only respond in one sentence (should be like a text message in informality.) Never use Emojis."""),
            ell.user(format_message_history(message_history)),
        ]
'''  # noqa: E501, W291 - as it stands in the document

HELLO = '''
@ell.lm(model="gpt-4o")
def hello(world : str):
    """You are a helpful assistant that writes in lower case.""" # System Message
    return f"Say hello to {world[::-1]} with a poem."    # User Message

hello("sama")
'''

MAIN = """
# The entry point to your program
if __name__ == "__main__":

    store = SQLiteStore('sqlite_example') # <---- automatically stores all LMP's invocations, and version history in a sqlite database in ./sqlite_example
    store.install(autocommit=True) # <---- installs the store into your project so that tracking happens and change log commit messages are automatically generated using gpt-4o-mini

    your_language_model_program()
    print(greeting[::-1])
"""  # noqa: E501 - as it stands in the document


def answer(body: Mapping[str, Any]) -> str:
    """What the model says: enough to see who was asked what."""
    asked = str(body["messages"][-1]["content"])
    if "greeting for Alice" in asked:
        return "Hello, Alice! It's wonderful to meet you."
    return "hi" if asked == "say hi" else f"<{asked[:60]}>"


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer(otherwise=answer) as server:
        yield server


@pytest.fixture
def run(server: LoopbackServer, tmp_path: Path) -> Any:
    def run(*parts: str) -> str:
        (tmp_path / "program.py").write_text("".join(parts))
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI", "TRACELIB"))}
        environment |= {"PYTHONPATH": str(ROOT), "OPENAI_BASE_URL": server.base_url}
        command = [sys.executable, "-W", "error", "program.py"]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return run


def test_a_program_in_a_large_code_base_and_its_closure(run: Any, tmp_path: Path) -> None:
    (tmp_path / "myother_module.py").write_text("CONSTANT = 6\n")
    told = run(IMPORT, EMBEDDED, "print(hi())\nprint(ell.lexical_closure(hi))\n")
    assert told == f"<say hi to bob 6 times.>\n{IMPORT}{CLOSURE.lstrip()}\n"


def test_the_closure_alone_is_the_program_again(run: Any) -> None:
    assert run(IMPORT, CLOSURE, "print(hi())\n") == "<say hi to bob 6 times.>\n"


@pytest.mark.parametrize(
    "story",
    [
        pytest.param(
            STORY, marks=pytest.mark.skipif(sys.version_info < (3, 12), reason=f"a backslash: {TWIN}")
        ),
        STORY.replace(BACKSLASH, TWIN),
    ],
    ids=["verbatim", "twin"],
)
def test_the_story_writer_writes_a_story(
    server: LoopbackServer, run: Any, story: str, tmp_path: Path
) -> None:
    after = """
ids = story.__origin_trace__
print(len(ids), [call.op.name for call in ell.origin(story).calls])
print(*[use.name.partition(":")[2] for use in ell.version_of(write_a_really_good_story).uses])
"""
    told = run(IMPORT, "ell.init(store='./logdir')\n", story, after).splitlines()
    assert told[0] == "1 ['write_a_really_good_story']"
    assert told[1] == "choose_the_best_draft generate_story_ideas write_a_draft_of_a_story"
    asked = [request.body for request in server.requests]
    assert [(body["model"], body.get("n"), body["temperature"]) for body in asked] == [
        ("gpt-4o-mini", 4, 1.0),
        *[("gpt-4o-mini", None, 1.0)] * 4,
        ("gpt-4o", None, 0.1),
        ("gpt-4-turbo", None, 0.2),
    ]
    store = trace.SQLiteStore(tmp_path / "logdir")
    names = sorted(call.name for call in store.calls())
    drafts = ["write_a_draft_of_a_story"] * 4
    assert names == ["choose_the_best_draft", "generate_story_ideas", *drafts, names[-1]]
    assert names[-1] == "write_a_really_good_story"
    best = store.calls(name="choose_the_best_draft")[0]
    assert best.parent == store.calls(name="write_a_really_good_story")[0].id


def test_a_store_is_one_line(run: Any, tmp_path: Path) -> None:
    run(IMPORT, "ell.init(store='./logdir')\n")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "__pycache__") == ["program.py"]


def test_the_greeter_and_the_rows_of_its_first_call(run: Any, tmp_path: Path) -> None:
    assert run(IMPORT, GREETER) == "Hello, Alice! It's wonderful to meet you.\n"
    store = trace.SQLiteStore(tmp_path / "logdir")
    (version,) = store.versions()
    assert (version.name.rpartition(":")[2], version.number, version.calls) == ("greet", 1, 1)
    assert version.source == GREETER[GREETER.index("@ell") : GREETER.index("\n\nresult")]
    assert version.api_params == {"model": "gpt-4o-mini"}
    assert version.message.startswith("Initial version of greet")
    (call,) = store.calls(values=True)
    assert (call.inputs, call.output) == ({"name": "Alice"}, "Hello, Alice! It's wonderful to meet you.")
    assert call.tokens_in
    assert call.tokens_out
    assert call.duration > 0


def test_texts_know_their_calls(run: Any) -> None:
    after = """
y = hi()
print(repr(x), x[0], x + " there", type(x).__mro__[-2].__name__)
same = {x.call.id}
print(x.__origin_trace__ == same, x[0].__origin_trace__ == same, (x + " there").__origin_trace__ == same)
z = x + y
print(z.__origin_trace__ == {x.call.id, y.call.id})
"""
    told = run(IMPORT, TRACED, after).splitlines()
    assert told == ["'hi' h hi there str", "True True True", "True"]


def test_the_chat_of_two_personalities(server: LoopbackServer, run: Any) -> None:
    before = "import random\nfrom typing import List, Tuple\nnames_list = ['Alice']\n"
    after = """
personality = create_personality()
said = chat([("Alice", "hello")], personality=personality)
more = chat([("Alice", "hello"), ("Bob", said)], personality=personality)
print([call.op.name for call in ell.origin(more).calls], [node.op.name for node in more.parents])
"""
    told = run(IMPORT, before, CHAT, textwrap.dedent(after))
    assert told == "['chat'] ['chat', 'create_personality']\n"
    first, second, third = [request.body for request in server.requests]
    assert first["messages"][0]["content"].startswith("You are backstoryGPT.")
    assert (second["max_tokens"], second["temperature"]) == (20, 0.3)
    system, asked = third["messages"]
    assert "<Come up with a backstory about Alice>" in system["content"]
    assert asked["content"].startswith("Alice: hello\nBob: <Alice: hello>")


def test_hello(server: LoopbackServer, run: Any) -> None:
    run(IMPORT, HELLO)
    (request,) = server.requests
    assert request.body == {
        "model": "gpt-4o",
        "messages": [
            {"role": "system", "content": "You are a helpful assistant that writes in lower case."},
            {"role": "user", "content": "Say hello to amas with a poem."},
        ],
    }


def test_the_entry_point_of_a_program_installs_a_store(run: Any, tmp_path: Path) -> None:
    before = """from tracelib import SQLiteStore

@ell.lm(model="gpt-4o")
def greet():
    return "say hi"

def your_language_model_program():
    global greeting
    greeting = greet()
"""
    assert run(IMPORT, before, MAIN) == "ih\n"
    assert [call.output for call in trace.SQLiteStore(tmp_path / "sqlite_example").calls(values=True)] == [
        "hi"
    ]
