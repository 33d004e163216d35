"""A small program that is recorded twice, by real processes, with its code changed in between."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

APP = '''
import tracelib as trace
from tracelib.graph.tracing import annotate

END = {end!r}


def clean(text):
    return text.strip() + END


@trace.bundle()
def greet(name, style="kind"):
    """Greet somebody."""
    return f"Hello {{clean(name)}} ({{style}})"


@trace.bundle(traceable_code=True)
def welcome(names):
    """Greet everybody."""
    return [greet(name) for name in names]


@trace.bundle()
def ask(question):
    """Stands for a call of a model."""
    annotate(model="gpt-4o-mini", provider="openai", tokens_in=12, tokens_out=30, cost_nano=2_500_000,
             attempts=2, first_token_ns=120_000_000)
    return "A refund is due"


@trace.bundle()
def lookup(order):
    raise KeyError(f"no order {{order}}")


@trace.bundle()
def hostile(text):
    return "\\x1b[31mred\\x1b[0m [bold]loud[/bold] \\u202egnp.exe \\x07" + text


@trace.model
class Agent:
    def __init__(self):
        self.prompt = trace.node("Be brief", trainable=True)

    @trace.bundle()
    def answer(self, prompt, question):
        return f"{{prompt}}: {{question}}"

    def __call__(self, question):
        return self.answer(self.prompt, question)
'''

RUN = """
import sys
import tracelib as trace
from tracelib import init
import app

store = init(sys.argv[1])
first = app.greet("Ann")
app.greet(first, style="very kind")
app.welcome(["Bo", "Cy"])
app.ask("Where is my refund?")
try:
    app.lookup("a-17")
except KeyError:
    pass
app.hostile("\\x1b]0;title\\x07")
agent = app.Agent()
agent("When?")
agent.prompt.update("Be very brief", because="too long", by="a person")
agent("Who?")
store.flush()
"""

HANG = """
import sys, time
import tracelib as trace
from tracelib import init

@trace.bundle()
def forever():
    print("waiting", flush=True)
    time.sleep(60)

init(sys.argv[1])
forever()
"""


def record(folder: Path, store: str) -> None:
    """Run the program in its two editions; each is recorded by a process of its own."""
    for end in ("!", "?!"):
        (folder / "app.py").write_text(APP.format(end=end), encoding="utf-8")
        run_python(folder, RUN, store)


def run_python(folder: Path, code: str, *arguments: str) -> str:
    """What the code prints, run in a folder by a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def environment(**more: str) -> dict[str, str]:
    """This process's environment without what would speak of another store or terminal."""
    dropped = ("TRACELIB_", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    paths = [str(ROOT), kept.get("PYTHONPATH", "")]
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **more}
