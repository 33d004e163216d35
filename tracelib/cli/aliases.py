"""`tracelib alias`: names that move from version to version, and where they were."""

from __future__ import annotations

from collections.abc import Iterable

import click

from tracelib.cli.opening import as_json, limited, of_store, opened
from tracelib.cli.screen import Column, Listing, Screen, note
from tracelib.cli.units import moment
from tracelib.store.keeping.marks import AliasMove
from tracelib.store.store import Store

COLUMNS = (
    Column("alias", "bold green"),
    Column("points to"),
    Column("since (UTC)"),
    Column("by", flexible=True),
)

EPILOG = """
Examples:

\b
  tracelib alias greet@3 production
  tracelib alias greet
  tracelib alias greet production --log
  tracelib alias greet production --remove
"""


@click.command(epilog=EPILOG)
@click.argument("which", required=False, metavar="[WHICH]")
@click.argument("alias", required=False, metavar="[ALIAS]")
@click.option("--log", "log", is_flag=True, help="Every move there was, newest first.")
@click.option("--remove", is_flag=True, help="Let the alias point nowhere; its log stays.")
@click.option("--by", metavar="WHO", help="Who moves it; else the user who is logged in.")
@of_store
@limited(50)
@as_json
def alias(
    which: str | None,
    alias: str | None,
    log: bool,
    remove: bool,
    by: str | None,
    where: str,
    limit: int | None,
    json_: bool,
) -> None:
    """Let a name such as production point to a version, or list such names.

    WHICH is a version (greet@3), or a state of a program's parameters (app:Agent@5). With WHICH alone, or
    nothing, aliases are listed: of that function or program, or all.
    """
    if remove and (log or not alias):
        raise click.UsageError(
            "to remove an alias say of what, and which: tracelib alias greet production --remove"
        )
    store, screen = opened(where), Screen()
    if which and alias and not log:
        move = removed(store, which, alias, by) if remove else moved(store, which, alias, by)
        screen.say(said(move))
        return
    moves = [move for name in names(store, which) for move in moves_of(store, name, alias, log)][:limit]
    if json_:
        screen.json([as_object(move) for move in moves])
    elif moves:
        screen.listing(Listing(COLUMNS, [row(move) for move in moves]))
    else:
        note(f"{which} has no alias" if which else "there is no alias")


def moved(store: Store, which: str, alias: str, by: str | None) -> AliasMove:
    """The alias of a version, else of a program's state, now points there."""
    name, _, state = which.rpartition("@")
    program = program_called(store, name)
    if program is not None and state.isdecimal():
        return store.alias_state(program, int(state), alias, by)
    return store.alias(which, alias, by)


def removed(store: Store, which: str, alias: str, by: str | None) -> AliasMove:
    return store.unalias(names(store, which)[0], alias, by)  # type: ignore[no-any-return]


def names(store: Store, which: str | None) -> list[str]:
    """The functions and programs that are meant, as aliases know them."""
    if which is None:
        return sorted({one.key for one in store.functions()} | set(store.programs()))
    return [program_called(store, which) or store.version(which).name]


def program_called(store: Store, name: str) -> str | None:
    """The one program with parameters of that name, or whose name ends so; None for none, or several."""
    found = [one for one in store.programs() if name == one or one.endswith((f":{name}", f".{name}"))]
    return found[0] if len(found) == 1 else name if name in found else None


def moves_of(store: Store, name: str, alias: str | None, log: bool) -> Iterable[AliasMove]:
    """Every move, newest first; or where each alias points now, by its latest move."""
    moves: list[AliasMove] = store.alias_log(name, alias)
    if log:
        return reversed(moves)
    latest = {move.alias: move for move in moves}
    return [latest[one] for one in sorted(latest) if latest[one].version is not None]


def row(move: AliasMove) -> tuple[str, ...]:
    target = "nowhere" if move.version is None else f"{move.name}@{move.version}"
    return move.alias, target if move.version else f"{move.name}: {target}", moment(move.at), move.by


def said(move: AliasMove) -> str:
    if move.version is None:
        return f"{move.alias} of {move.name} points nowhere now"
    return f"{move.alias} points to {move.name}@{move.version} now"


def as_object(move: AliasMove) -> dict[str, object]:
    return {
        "id": f"{move.name}@{move.alias}",
        "name": move.name,
        "alias": move.alias,
        "version": move.version,
        "at": move.at.isoformat(),
        "by": move.by,
    }
