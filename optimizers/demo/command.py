"""The command `tracelib demo`: parse, train, print."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from optimizers.demo.folder import Folder
from optimizers.demo.job import Settings
from optimizers.demo.screen import Screen
from optimizers.demo.session import run
from optimizers.demo.summary import interruption_text
from tracelib.errors import ModelError

DEFAULT = Settings()
INTERRUPTED = 130
OUT = Path("tracelib-demo")

EPILOG = """
Examples:

\b
  tracelib demo
  tracelib demo --trials 20 --seed 3 --out somewhere
  OPENAI_API_KEY=... tracelib demo --model gpt-4o-mini --calls 6 --code
"""


@click.command(epilog=EPILOG)
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    default=DEFAULT.trials,
    show_default=True,
    metavar="N",
    help="Candidates that the search tries.",
)
@click.option(
    "--seed",
    type=int,
    default=DEFAULT.seed,
    show_default=True,
    metavar="N",
    help="Draws the questions and drives the search; the same seed gives the same result.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=OUT,
    show_default=True,
    metavar="DIR",
    help="Folder for the results; nothing is written elsewhere.",
)
@click.option("--resume", is_flag=True, help="Go on with the run that was interrupted in that folder.")
@click.option(
    "--model",
    metavar="NAME",
    help="Let this model propose the changes (OptoPrime), at OPENAI_API_KEY or OPENAI_BASE_URL.",
)
@click.option(
    "--calls",
    type=click.IntRange(min=1),
    default=DEFAULT.calls,
    show_default=True,
    metavar="N",
    help="With --model: times that the model is asked, at most.",
)
@click.option(
    "--code",
    is_flag=True,
    help="With --model: let it rewrite the ranking code too, which then runs in a sandbox.",
)
def demo(out: Path, resume: bool, **chosen: object) -> None:
    """Train a small agent on Python's own source.

    It takes half a minute, no key and no network. The question is the first sentence of a docstring,
    the answer the module of the standard library that it comes from. The agent is ordinary traced
    Python; it starts naive, and a search without any language model finds its values. The score is
    reported on questions that the search never saw.
    """
    settings, folder, screen = Settings(**chosen), Folder(out), Screen()  # type: ignore[arg-type]
    check(settings)
    set_aside = folder.prepare(resume)
    if set_aside:
        screen.say(set_aside)
    try:
        run(settings, folder, screen)
    except KeyboardInterrupt:
        screen.say(interruption_text(folder, options(settings, out)))
        click.get_current_context().exit(INTERRUPTED)
    except ModelError:
        screen.say(interruption_text(folder, options(settings, out)))
        raise


def check(settings: Settings) -> None:
    """Raises a usage error for options that say nothing together, NoModelError for a missing key."""
    needless = "trials" if settings.model else "calls"
    if given(needless):
        raise click.UsageError(f"--{needless} is used only with{'out' if settings.model else ''} --model")
    if settings.code and not settings.model:
        raise click.UsageError("--code is used only with --model")
    settings.check()


def given(name: str) -> bool:
    """Whether the user gave this option."""
    source = click.get_current_context().get_parameter_source(name)
    return source is click.core.ParameterSource.COMMANDLINE


def options(settings: Settings, out: Path) -> list[str]:
    """The options that the user gave, but for --resume."""
    values = {**asdict(settings), "out": str(out)}
    flags = [name for name, value in values.items() if value is True and given(name)]
    pairs = [(name, str(value)) for name, value in values.items() if value is not True and given(name)]
    return [
        *(part for name, value in pairs for part in (f"--{name}", value)),
        *(f"--{name.replace('_', '-')}" for name in flags),
    ]
