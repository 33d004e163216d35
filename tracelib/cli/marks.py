"""`tracelib comment` and `tracelib tag`: what people add to what is stored."""

from __future__ import annotations

import click

from tracelib.cli.opening import of_store, opened
from tracelib.cli.screen import Screen


@click.command(epilog='Example: tracelib comment greet@3 "too polite for complaints" --score 0.4 --name tone')
@click.argument("target")
@click.argument("text")
@click.option("--score", type=float, metavar="NUMBER", help="A score to go with it; higher is better.")
@click.option("--name", default="comment", show_default=True, metavar="NAME", help="With --score: of what.")
@click.option("--by", metavar="WHO", help="Who says so; else the user who is logged in.")
@of_store
def comment(target: str, text: str, score: float | None, name: str, by: str | None, where: str) -> None:
    """Say something about a call, version or run.

    TARGET is a version (greet, greet@3, greet@production, the beginning of a hash), or the id of a call or
    run, or the beginning of it. What was said stays.
    """
    store, screen = opened(where), Screen()
    if score is None and name != "comment":
        raise click.UsageError("--name is of a score: give --score too")
    said = store.comment(target, text, by) if score is None else store.score(target, name, score, text, by=by)
    screen.say(f"{said.by} on {said.target_kind} {target}: noted")


@click.command(epilog="Example: tracelib tag 019ac2f4-7d31 good regression")
@click.argument("target")
@click.argument("tags", nargs=-1, required=True, metavar="TAG...")
@click.option("--remove", is_flag=True, help="Take these tags off.")
@of_store
def tag(target: str, tags: tuple[str, ...], remove: bool, where: str) -> None:
    """Put tags on a call, version or run, or take them off.

    TARGET is a version (greet, greet@3, greet@production, the beginning of a hash), or the id of a call or
    run, or the beginning of it. Pruning keeps what is tagged. The tags that it has now are printed.
    """
    store, screen = opened(where), Screen()
    left = store.untag(target, *tags) if remove else store.tag(target, *tags)
    screen.say(f"{target}: {', '.join(left) or 'no tags'}")
