"""`tracelib keys`: API keys kept in the user's own folder, and never shown whole."""

from __future__ import annotations

import sys

import click

from tracelib.cli.opening import as_json
from tracelib.cli.screen import Screen, styled
from tracelib.llm.keys import as_host, forget_key, keep_key, kept_keys, keys_file, masked
from tracelib.redaction import DEFAULT as REDACTOR


@click.group(epilog="Example: tracelib keys set openrouter.ai")
def keys() -> None:
    """Keep API keys in your own folder, one for each host.

    A key is looked for there when neither the program nor OPENAI_API_KEY gives one. HOST is a host, an
    address, or openai, which stands for api.openai.com.
    """


@keys.command("set")
@click.argument("host", default="openai")
def set_(host: str) -> None:
    """Keep a key; it is asked for, or read from standard input.

    It is no argument, so that it comes into no history of commands.
    """
    if REDACTOR.text(told := host.rpartition("@")[2]) != told:
        raise click.ClickException(
            "that looks like a key, and no host: run `tracelib keys set HOST`, which asks for the key; "
            "the one you typed is in your shell's history now"
        )
    named = as_host(host)
    keep_key(named, asked(named) if sys.stdin.isatty() else sys.stdin.readline())
    Screen().say(styled(f"The key for {named} is kept in {keys_file()}."))


def asked(host: str) -> str:
    """A key as it is typed; the terminal shows nothing of it."""
    return str(click.prompt(f"Key for {host}", hide_input=True))


@keys.command("list")
@as_json
def list_(json_: bool) -> None:
    """List the hosts that a key is kept for, and how each key ends."""
    screen, kept = Screen(), kept_keys()
    if json_:
        screen.json([{"id": host, "ends": masked(key)} for host, key in kept.items()])
        return
    for host, key in kept.items():
        screen.say(styled(f"{host:32}"), styled(masked(key)))
    if not kept:
        screen.say(styled(f"No key is kept in {keys_file()}."))


@keys.command()
@click.argument("host")
def remove(host: str) -> None:
    """Remove the key of a host."""
    named = as_host(host)
    if not forget_key(named):
        raise click.ClickException(f"no key is kept for {named}: `tracelib keys list` shows those that are")
    Screen().say(styled(f"The key for {named} is removed."))
