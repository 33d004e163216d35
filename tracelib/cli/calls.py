"""`tracelib calls`: what was called, newest first."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain

import click

from tracelib.cli.escaping import brief, one_line
from tracelib.cli.opening import as_json, limited, of_store, opened
from tracelib.cli.screen import Column, Listing, Screen, note
from tracelib.cli.tree import named, print_tree
from tracelib.cli.units import dollars, moment, span
from tracelib.errors import FilterError, UnknownRecord
from tracelib.store.rows import StoredCall
from tracelib.store.store import Store

COLUMNS = (
    Column("id", "yellow"),
    Column("start (UTC)"),
    Column("function", "bold", flexible=True),
    Column("took", right=True),
    Column("model", flexible=True),
    Column("cost", right=True),
    Column("output", flexible=True),
)
SHORTEST = 13
"""Characters of an id, which tell the millisecond; a terminal shows as many more as tell calls apart."""
ROOMY = 100
"""Columns of a terminal from which on the year is shown."""
YEAR = len("2026-")

Asked = Callable[[str | None, str | None], list[StoredCall]]
"""Gives the calls that a filter selects, of a function or of all."""
NAME = re.compile(r"[\w.:@-]*(?:<\w+>[\w.:@-]*)*")
"""What a function is called, unless its author gave it a name with other signs."""

EPILOG = """
Examples:

\b
  tracelib calls greet --limit 5
  tracelib calls 'duration > 2 and "refund" in output'
  tracelib calls greet --where 'duration > 2 and "refund" in output'
  tracelib calls --where 'model == "gpt-4o-mini" and start > "-2h"' --json
  tracelib calls --where 'error and not "timeout" in input' --tree

A filter is an expression over the fields of a call: id, trace, parent, name, function, kind, version,
status, error, model, provider, start, duration and first_token (seconds), tokens, tokens_in, tokens_out,
cost (dollars), attempts, run, tags, score, feedback, input, inputs["name"], output.
"""


@click.command(epilog=EPILOG)
@click.argument("name", metavar="[NAME|EXPR]", required=False)
@click.option("--where", "expression", metavar="EXPR", help="Only calls that this filter selects.")
@click.option("--deep", is_flag=True, help="Search all of big values, not only their first 200 characters.")
@click.option("--tree", is_flag=True, help="Show each call within the whole tree of calls around it.")
@click.option("--values/--no-values", default=True, help="With inputs and outputs, or without (quicker).")
@of_store
@limited(50)
@as_json
def calls(
    name: str | None,
    expression: str | None,
    deep: bool,
    tree: bool,
    values: bool,
    where: str,
    limit: int | None,
    json_: bool,
) -> None:
    """List calls, newest first; a filter expression selects.

    NAME is a function, such as greet or app:greet; anything else is taken for a filter. Durations are in
    seconds and costs in dollars; a cost that is not known is empty. Times are UTC.
    """
    store, screen = opened(where), Screen()
    ask = partial(store.calls, limit=limit, values=values and not tree, deep=deep)
    found = selected(name, expression, ask)
    around = trees(store, found) if tree else []
    if json_:
        screen.json([call.to_json() for call in (chain.from_iterable(around) if tree else found)])
    elif not found:
        note("no call is selected" if expression else "no call is stored")
    elif tree:
        print_trees(screen, around, found if name or expression else [])
    else:
        screen.listing(listing(screen, found))


def selected(given: str | None, expression: str | None, ask: Asked) -> list[StoredCall]:
    """The calls of a function of that name; where there is none, those that it selects as a filter."""
    try:
        return ask(expression, given)
    except UnknownRecord as unknown:
        if given is None:
            raise
        try:
            return ask(given if expression is None else f"({given}) and ({expression})", None)
        except FilterError:
            if NAME.fullmatch(given):
                raise unknown from None
            raise


def trees(store: Store, found: Sequence[StoredCall]) -> list[list[StoredCall]]:
    """The calls around the found ones, each outermost call once; that one itself may not have ended yet."""
    first: dict[str, str] = {}
    for call in found:
        first.setdefault(call.trace, call.id)
    return [store.trace(id) for id in first.values()]


def print_trees(screen: Screen, around: Sequence[Sequence[StoredCall]], found: Sequence[StoredCall]) -> None:
    marked = {call.id: call for call in found}
    for one in around:
        print_tree(screen, one, marked)


def listing(screen: Screen, found: Sequence[StoredCall]) -> Listing:
    ids = shortened([call.id for call in found]) if screen.terminal else [call.id for call in found]
    since = YEAR if screen.width is not None and screen.width < ROOMY else 0
    rows = [(id, moment(call.start)[since:], *row(call)) for id, call in zip(ids, found, strict=True)]
    return Listing(COLUMNS, rows)


def row(call: StoredCall) -> tuple[str, ...]:
    """What a line says beside id and start."""
    cost = "" if call.cost is None else dollars(call.cost)
    return named(call), span(call.duration), call.model or "", cost, outcome(call)


def outcome(call: StoredCall) -> str:
    """The output, or how it failed, in one line."""
    if call.status == "returned":
        return brief(call.output) if call.output is not None else ""
    said = f": {call.error.get('message', '')}" if call.error else ""
    return one_line(f"{call.status} {call.error_type or ''}".rstrip() + said)


def shortened(ids: Sequence[str]) -> list[str]:
    """The ids, cut as far as they stay different from each other."""
    length = SHORTEST
    while len({id[:length] for id in ids}) < len(set(ids)):
        length += 1
    return [id[:length] for id in ids]
