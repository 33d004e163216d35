"""Which traces pruning leaves alone: those that are marked, or still running."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, Table, select

from tracelib.store.keeping.lines import is_id
from tracelib.store.schema import alias, call, feedback, function, pending, run, tag, version
from tracelib.store.values.blobs import batches


@dataclass(frozen=True)
class Keep:
    """What makes a whole trace stay."""

    tagged: bool = True  # a call of it is tagged, or that call's version or run
    aliased: bool = True  # a call of it is of a version that an alias points to now
    feedback: bool = True  # something was said about a call of it


def that_stay(connection: Connection, traces: Sequence[bytes], keep: Keep) -> set[bytes]:
    """The traces with a call that is kept, or that is still running."""
    calls = connection.execute(
        select(call.c.id, call.c.trace, call.c.version, call.c.run).where(call.c.trace.in_(traces))
    ).all()
    marked: set[str] = set()
    named = [row.id.hex() for row in calls]
    if keep.tagged:
        marked.update(found_where(connection, _targets(tag), tag.c.target, named))
    if keep.feedback:
        marked.update(found_where(connection, _targets(feedback), feedback.c.target, named))
    versions, runs = _kept_code(connection, keep)
    running = set(found_where(connection, select(pending.c.id), pending.c.id, traces))
    return running | {
        row.trace for row in calls if row.id.hex() in marked or row.version in versions or row.run in runs
    }


def _targets(table: Table) -> Select[Any]:
    return select(table.c.target).where(table.c.target_kind == "call")


def _kept_code(connection: Connection, keep: Keep) -> tuple[set[int], set[int]]:
    """The numbers of versions and of runs whose calls stay."""
    versions: set[int] = set()
    runs: set[int] = set()
    if keep.tagged:
        tags = connection.execute(select(tag.c.target_kind, tag.c.target).where(tag.c.target_kind != "call"))
        named = {(kind, target) for kind, target in tags}
        hashes = [target for kind, target in named if kind == "version"]
        ids = [bytes.fromhex(target) for kind, target in named if kind == "run" and is_id(target)]
        versions.update(found_where(connection, select(version.c.n), version.c.hash, hashes))
        runs.update(found_where(connection, select(run.c.n), run.c.id, ids))
    if keep.aliased:
        moves = connection.execute(select(alias).order_by(alias.c.n))
        current = {(move.name, move.alias): move.version for move in moves}
        pointed = {(name, number) for (name, _), number in current.items()}
        known = connection.execute(
            select(version.c.n, version.c.number, function.c.key)
            .join(function, function.c.n == version.c.function)
            .where(function.c.key.in_({name for name, _ in pointed}))
        )
        versions.update(row.n for row in known if (row.key, str(row.number)) in pointed)
    return versions, runs


def found_where(connection: Connection, what: Select[Any], column: Any, values: Iterable[Any]) -> list[Any]:
    """What is found where a column has one of the values."""
    found: list[Any] = []
    for batch in batches(values):
        found += connection.execute(what.where(column.in_(batch))).scalars()
    return found
