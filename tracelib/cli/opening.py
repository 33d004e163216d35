"""Which store a command is about, and the options that all commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from tracelib.errors import StoreError
from tracelib.store.store import PostgresStore, Store, open_store

C = TypeVar("C", bound=Callable[..., Any])
DEFAULT = "./logdir"


def of_store(command: C) -> C:
    """Gives a command the option --store, as `where`; it may also stand in front of the command."""
    return click.option(
        "--store",
        "where",
        callback=_or_in_front,
        envvar="TRACELIB_STORE",
        default=DEFAULT,
        show_default=True,
        metavar="PATH|URL",
        help="A folder, sqlite:///file.db or postgresql://user@host/name; else TRACELIB_STORE.",
    )(command)


def _or_in_front(ctx: click.Context, option: click.Parameter, given: str) -> str:
    in_front: str | None = ctx.find_root().params.get("store")
    own = ctx.get_parameter_source("where") is ParameterSource.COMMANDLINE
    return given if own or in_front is None else in_front


def as_json(command: C) -> C:
    """Gives a command the option --json, as `json_`."""
    return click.option(
        "--json", "json_", is_flag=True, help="A list of objects, each with its id; times are UTC."
    )(command)


def limited(default: int) -> Callable[[C], C]:
    """Gives a command the option --limit; it gets None for no limit."""
    return click.option(
        "--limit",
        type=click.IntRange(min=0),
        default=default,
        show_default=True,
        metavar="N",
        help="At most N of them; 0 for all.",
        callback=lambda ctx, option, given: given or None,
    )


def opened(where: str) -> Store:
    """The store at a place; one that is not there is refused, and nothing is made."""
    store = open_store(where)
    if not store.exists():
        shown = named(store, where)
        raise StoreError(
            f"no store at {shown}: run a program with trace.init(store={quoted(shown)}) "
            "or name one with --store"
        )
    return store


def openable(where: str) -> Store:
    """The store at a place, which is made when it is written to; a database of another program is refused."""
    store = open_store(where)
    store.exists()
    return store


def named(store: Store, where: str) -> str:
    """A store as messages call it: as the user did, but without a password."""
    return store.database.shown if isinstance(store, PostgresStore) else where


def quoted(text: str) -> str:
    return f'"{text}"'
