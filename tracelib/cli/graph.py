"""`tracelib graph`: the graph behind a call, and which functions use which."""

from __future__ import annotations

from pathlib import Path

import click
from rich.text import Text

from tracelib.cli.flow import flow
from tracelib.cli.opening import as_json, of_store, opened
from tracelib.cli.screen import Screen, note, styled
from tracelib.cli.tree import print_tree
from tracelib.cli.uses import as_objects, newest, print_uses
from tracelib.render.dependencies import render_dependencies
from tracelib.store.store import Store

EPILOG = """
Examples:

\b
  tracelib graph 019ac2f4-7d31
  tracelib graph 019ac2f4-7d31 --out graph.svg
  tracelib graph --versions greet
"""


@click.command(epilog=EPILOG)
@click.argument("which", required=False, metavar="CALL|NAME")
@click.option("--versions", is_flag=True, help="Which recorded functions a function uses (all without NAME).")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Draw it into a file: .svg, .png, .pdf or .dot.",
)
@of_store
@as_json
def graph(which: str | None, versions: bool, out: Path | None, where: str, json_: bool) -> None:
    """Show the graph behind a call, or which functions use which.

    CALL is the id of a call, or the beginning of it. The tree is of all calls made within the same outermost
    call; the values that flowed into this one, from whatever call, stand below it. Picture files need
    graphviz's dot but for .svg.
    """
    if not versions and not which:
        raise click.UsageError("say which call, or ask for --versions")
    if json_ and out:
        raise click.UsageError("--json and --out are two things: ask for one of them")
    store, screen = opened(where), Screen()
    if versions:
        show_versions(store, screen, which, out, json_)
    else:
        show_call(store, screen, which or "", out, json_)


def show_call(store: Store, screen: Screen, which: str, out: Path | None, json_: bool) -> None:
    if out is not None:
        screen.say(str(store.graph(which).render(out)))
        return
    call = store.call(which)
    around = store.trace(call.id)
    if json_:
        screen.json([one.to_json() for one in around])
        return
    print_tree(screen, around, {call.id: call})
    if call.status == "interrupted":
        note("it was interrupted: its process died before there was a value")
        return
    screen.say("")
    for line, value in flow(store.graph(call.id)):
        screen.long(Text.assemble(styled(line), styled("  "), styled(value, "green")))


def show_versions(store: Store, screen: Screen, which: str | None, out: Path | None, json_: bool) -> None:
    roots = newest(store, which)
    if json_:
        screen.json(as_objects(roots))
    elif not roots:
        note("no version is stored")
    elif out is not None:
        screen.say(str(render_dependencies(store.dependencies(*([which] if which else ())), out)))
    else:
        print_uses(screen, store, roots)
