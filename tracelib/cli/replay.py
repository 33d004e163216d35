"""`tracelib replay`: a stored call, run again."""

from __future__ import annotations

import sys

import click

from tracelib.cli.escaping import whole
from tracelib.cli.opening import as_json, of_store, opened
from tracelib.cli.screen import Screen, note, styled
from tracelib.cli.show import section
from tracelib.cli.units import span
from tracelib.store.questions.replay import SECONDS, Replay

DIFFERENT = 1
COULD_NOT = 2
"""Exit codes; 0 is the same."""


@click.command(epilog="Example: tracelib replay 019ac2f4-7d31 --timeout 10 --yes")
@click.argument("call")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="How long it may run.",
)
@click.option("--yes", is_flag=True, help="Run it without asking.")
@of_store
@as_json
@click.pass_context
def replay(ctx: click.Context, call: str, timeout: float, yes: bool, where: str, json_: bool) -> None:
    """Run a stored call again, and compare what it gives.

    The stored code of its function runs on the stored inputs, in a fresh interpreter and an empty folder,
    with your rights: read it first with tracelib show CALL --source. A function that asks a language model
    asks it again, and is paid for again. The exit code is 0 when the output is the same, 1 when it is
    different, and 2 when the call could not be run or compared.
    """
    store, screen = opened(where), Screen()
    allow(f"{store.call(call).function}, as stored in {where}", yes)
    found = store.replay(call, timeout)
    if json_:
        screen.json([as_object(found)])
    else:
        print_replay(screen, found)
    ctx.exit(COULD_NOT if found.same is None else 0 if found.same else DIFFERENT)


def allow(what: str, yes: bool) -> None:
    """Ask whether it may run; where nobody can be asked, only --yes allows it."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(
            "this runs stored code: read it with tracelib show CALL --source, then add --yes"
        )
    note(f"This runs the code of {what}, with your rights.")
    click.confirm("Run it?", abort=True, err=True)


def print_replay(screen: Screen, found: Replay) -> None:
    if found.same is None:
        screen.say(styled(f"call {found.call} could not be compared: {found.problem}", "red"))
        if found.now is not None:
            print_both(screen, found)
    elif found.same:
        screen.say(styled(f"the same, in {span(found.seconds)}", "green"))
    else:
        screen.say(styled(f"different, in {span(found.seconds)}", "red"))
        print_both(screen, found)


def print_both(screen: Screen, found: Replay) -> None:
    section(screen, "stored", whole(found.stored))
    section(screen, "now", whole(found.now))


def as_object(found: Replay) -> dict[str, object]:
    return {
        "id": found.call,
        "same": found.same,
        "stored": found.stored,
        "now": found.now,
        "problem": found.problem or None,
        "seconds": found.seconds,
    }
