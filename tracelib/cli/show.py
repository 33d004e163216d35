"""`tracelib show`: all about a version or a call."""

from __future__ import annotations

from typing import Any

import click
from rich.text import Text

from tracelib.cli.escaping import brief, whole
from tracelib.cli.log import heading
from tracelib.cli.opening import as_json, of_store, opened
from tracelib.cli.screen import Screen, styled
from tracelib.cli.tree import named, print_tree
from tracelib.cli.units import counted, dollars, moment, span
from tracelib.errors import StoreError
from tracelib.store.draining.batch import BY_DIFFERENCE
from tracelib.store.rows import StoredCall, StoredFeedback, StoredVersion
from tracelib.store.store import Store

TREE = 100
"""Lines of the tree of calls around a call; `tracelib graph` shows it whole."""
LABEL = 12

EPILOG = """
Examples:

\b
  tracelib show greet@3
  tracelib show 019ac2f4-7d31
  tracelib show greet --source > greet.py
"""


@click.command(epilog=EPILOG)
@click.argument("which")
@click.option("--source", is_flag=True, help="Only the source, as it is; of a call, that of its version.")
@click.option("--output", "output", is_flag=True, help="Only the output of a call: text as it is, else JSON.")
@of_store
@as_json
def show(which: str, source: bool, output: bool, where: str, json_: bool) -> None:
    """Show a version or a call.

    WHICH is a version (greet, greet@3, greet@production, the beginning of a hash) or a call (its id, or the
    beginning of it). Times are UTC.
    """
    if source and output:
        raise click.UsageError("--source and --output are two things: ask for one of them")
    store, screen = opened(where), Screen()
    found = looked_up(store, which)
    if source:
        screen.raw(source_of(store, found))
    elif output:
        screen.raw(output_of(found, which))
    elif json_:
        screen.json([{**found.to_json(), "feedback": [said.to_json() for said in store.feedback(found.id)]}])
    elif isinstance(found, StoredVersion):
        print_version(screen, store, found)
    else:
        print_call(screen, store, found)


def looked_up(store: Store, which: str) -> StoredVersion | StoredCall:
    """The version or call that is meant; StoreError for a run, which has calls but nothing to show."""
    kind, id = store.target(which)
    if kind == "run":
        raise StoreError(f"{which} is a run: see its calls with tracelib calls --where 'run == \"{id}\"'")
    return store.call(id) if kind == "call" else store.version(which)


def source_of(store: Store, found: StoredVersion | StoredCall) -> str:
    if isinstance(found, StoredVersion):
        return found.source
    if found.version is None:
        raise StoreError(f"the version that call {found.id} ran is not stored")
    return store.version(f"{found.function}@{found.number}").source


def output_of(found: StoredVersion | StoredCall, which: str) -> str:
    if isinstance(found, StoredVersion):
        raise StoreError(f"{which} is a version, and has no output: name a call, see tracelib calls")
    if found.status != "returned":
        raise StoreError(
            f"call {found.id} has no output: it {found.status} {found.error_type or ''}".rstrip()
        )
    return whole(found.output)


def print_version(screen: Screen, store: Store, version: StoredVersion) -> None:
    screen.line(*heading(version))
    field(screen, "hash", version.id)
    field(screen, "kind", version.kind)
    field(screen, "created", moment(version.created_at))
    field(screen, "message", version.message)
    field(screen, "written by", "" if version.message_by == BY_DIFFERENCE else version.message_by)
    field(screen, "calls", f"{version.calls:,}")
    for name, hash in version.uses:
        field(screen, "uses", f"{name} {hash}")
    for title, values in (
        ("parameter", version.api_params),
        ("free", version.initial_free_vars),
        ("global", version.initial_global_vars),
    ):
        for name, value in values.items():
            field(screen, title, f"{name} = {brief(value)}")
    print_feedback(screen, store.feedback(version.id))
    section(screen, "dependencies", version.dependencies)
    section(screen, "source", version.source)


def print_call(screen: Screen, store: Store, call: StoredCall) -> None:
    screen.line(styled(named(call), "bold"), styled(f"  {call.id}", "yellow"), *tags(call))
    field(screen, "function", f"{call.function} ({call.kind})")
    field(
        screen,
        "status",
        f"{call.status} {call.error_type or ''}".rstrip(),
        "" if call.error is None else "red",
    )
    field(screen, "start", moment(call.start))
    field(screen, "took", span(call.duration))
    field(screen, "model", usage(call))
    field(screen, "run", call.run or "")
    print_values(screen, "inputs", call.inputs or {})
    print_values(screen, "state", call.state or {})
    if call.error is not None:
        print_error(screen, call.error)
    elif call.status == "returned":
        section(screen, "output", whole(call.output))
    if call.request:
        section(screen, "request", whole(call.request))
    print_feedback(screen, store.feedback(call.id))
    print_around(screen, store, call)


def print_around(screen: Screen, store: Store, call: StoredCall) -> None:
    around = store.trace(call.id)
    if len(around) > 1:
        screen.say("")
        screen.say(styled("calls", "bold"))
        print_tree(screen, around, {call.id: call}, TREE)


def print_values(screen: Screen, title: str, values: Any) -> None:
    if values:
        screen.say("")
        screen.say(styled(title, "bold"))
        for name, value in values.items():
            text = whole(value)
            if "\n" in text:
                screen.say(styled(f"    {name} =", "dim"))
                screen.block(text, indent=8)
            else:
                screen.long(Text.assemble(styled(f"    {name} = ", "dim"), styled(text)))


def print_error(screen: Screen, error: Any) -> None:
    section(
        screen,
        "error",
        f"{str(error.get('type', '')).removeprefix('builtins:')}: {error.get('message', '')}",
        "red",
    )
    section(screen, "where", str(error.get("text") or ""))


def print_feedback(screen: Screen, said: list[StoredFeedback]) -> None:
    if said:
        screen.say("")
        screen.say(styled("feedback", "bold"))
    for one in said:
        score = "" if one.score is None else f" {one.score:g}"
        screen.block(f"{moment(one.at)}  {one.name}{score}  {one.by} ({one.source})")
        if one.text:
            screen.block(one.text, indent=8)


def usage(call: StoredCall) -> str:
    """What a model's call took: model, tokens, cost, attempts, time to the first token."""
    told = [call.model or ""]
    if call.provider:
        told.append(f"at {call.provider}")
    if call.tokens_in is not None or call.tokens_out is not None:
        told.append(f"{call.tokens_in or 0:,} tokens in, {call.tokens_out or 0:,} out")
    if call.model:
        told.append("cost unknown" if call.cost is None else dollars(call.cost))
    if call.attempts is not None and call.attempts > 1:
        told.append(counted(call.attempts, "attempt"))
    if call.first_token is not None:
        told.append(f"first token after {span(call.first_token)}")
    if call.sandbox is not None:
        told.append(f"learned code, in the sandbox {call.sandbox}")
    return ", ".join(filter(None, told))


def tags(call: StoredCall) -> list[Text]:
    return [styled(f"  #{tag}", "cyan") for tag in call.tags]


def field(screen: Screen, name: str, text: str, style: str = "") -> None:
    """One line with its name in front; none where there is nothing to say."""
    if text:
        screen.say(styled(f"{name:{LABEL}}", "dim"), styled(text, style))


def section(screen: Screen, title: str, text: str, style: str = "") -> None:
    """A title and a text below it; nothing where there is none."""
    if text:
        screen.say("")
        screen.say(styled(title, "bold"))
        screen.block(text, style)
