"""`tracelib verify`: whether all that is stored is whole."""

from __future__ import annotations

import click

from tracelib.cli.opening import as_json, of_store, opened
from tracelib.cli.screen import Screen, styled
from tracelib.cli.units import counted
from tracelib.store.keeping.verify import Problem, Verified


@click.command(epilog="Example: tracelib verify --store ./logdir --json")
@of_store
@as_json
@click.pass_context
def verify(ctx: click.Context, where: str, json_: bool) -> None:
    """Check every hash and every reference.

    Everything is read, nothing is changed. With --json the findings are listed. The exit code is 1 where
    something that was stored is damaged or not there; what is only untidy is told, and is no problem.
    """
    store, screen = opened(where), Screen()
    found: Verified = store.verify()
    if json_:
        screen.json([as_object(problem) for problem in found.problems])
    else:
        print_findings(screen, found)
    ctx.exit(0 if found.ok else 1)


def print_findings(screen: Screen, found: Verified) -> None:
    for problem in found.problems:
        level = styled("problem  ", "bold red") if problem.loss else styled("untidy   ", "yellow")
        screen.say(level, f"{problem.which}: {problem.what}  ", styled(problem.advice, "dim"))
    checked = ", ".join(f"{count:,} {kind}" for kind, count in found.checked.items() if count)
    lost = sum(problem.loss for problem in found.problems)
    screen.say(f"checked {checked or 'nothing'}: ", "all whole" if found.ok else counted(lost, "problem"))


def as_object(problem: Problem) -> dict[str, object]:
    return {
        "id": problem.which,
        "what": problem.what,
        "advice": problem.advice,
        "level": "problem" if problem.loss else "untidy",
    }
