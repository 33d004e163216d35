"""`tracelib doctor`: what tracelib needs, whether the store can be used, and, if asked, who serves models."""

from __future__ import annotations

import click
from rich.text import Text

from tracelib.cli.diagnosis import Finding, of_machine, of_sandboxes, of_store
from tracelib.cli.opening import as_json
from tracelib.cli.opening import of_store as with_store
from tracelib.cli.probe import of_servers
from tracelib.cli.screen import Screen, styled

STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red"}
LABEL = 12


@click.command(epilog="Example: tracelib doctor --store postgresql://user@host/name")
@with_store
@as_json
@click.option(
    "--probe", is_flag=True, help="Also ask Ollama, LM Studio and vLLM on this machine for their models."
)
@click.pass_context
def doctor(ctx: click.Context, where: str, json_: bool, probe: bool) -> None:
    """Check what tracelib needs, and the store.

    Each line is ok, a warning or a problem, with what to do about it. The exit code is 1 when there is a
    problem. Nothing is changed; whether a store can be written is tried in a transaction that is undone.
    """
    screen = Screen()
    found = [*of_machine(), *of_sandboxes(), *of_store(where), *(of_servers() if probe else ())]
    if json_:
        screen.json([finding.to_json() for finding in found])
    else:
        for finding in found:
            screen.say(*line(finding))
    ctx.exit(1 if any(finding.level == "problem" for finding in found) else 0)


def line(finding: Finding) -> list[Text]:
    advice = f"  {finding.advice}" if finding.advice else ""
    return [
        styled(f"{finding.level:9}", STYLES[finding.level]),
        styled(f"{finding.id:{LABEL}}"),
        styled(finding.text),
        styled(advice, "dim"),
    ]
