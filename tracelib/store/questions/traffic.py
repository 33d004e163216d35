"""Between which functions values flowed and calls were made, and how often: over all that is stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Select, func, select

from tracelib.store.database import Database
from tracelib.store.rows import StoredVersion
from tracelib.store.schema import call, edge, function
from tracelib.versioning.dependencies import dependency_graph

if TYPE_CHECKING:
    import networkx

ASIDE = ("within", "control", "possible")
"""Slots of edges that no value of the call itself came in by."""


def dependencies(database: Database, versions: list[StoredVersion]) -> networkx.MultiDiGraph:
    """The dependency graph of versions, with what the stored calls did.

    Beside "uses" and "calls", which the code says, an edge of kind "flows" leads from a function to one
    whose results it was given; its `count` is how often. `count` of a "calls" edge is how many calls of the
    one were made directly within the other; 0 when the code only says so.
    """
    graph = dependency_graph(version.whole for version in versions)
    nx_edges: Any = graph.edges(keys=True, data=True)
    for _, _, kind, told in nx_edges:
        if kind == "calls":
            told["count"] = 0
    with database.reading() as connection:
        for kind, asked in (("calls", _made()), ("flows", _flowed())):
            for user, used, count in _counted(connection, asked):
                if user in graph and used in graph:
                    graph.add_edge(user, used, key=kind, kind=kind, count=count)
    return graph


def _counted(connection: Connection, asked: Select[Any]) -> Iterator[tuple[str, str, int]]:
    keys = {row.n: row.key for row in connection.execute(select(function.c.n, function.c.key))}
    for user, used, count in connection.execute(asked):
        yield keys[user], keys[used], count


def _made() -> Select[Any]:
    """Calls by the function around them and their own."""
    outer = call.alias()
    asked = select(outer.c.function, call.c.function, func.count())
    return (
        asked.join_from(call, outer, outer.c.id == call.c.parent)
        .group_by(outer.c.function, call.c.function)
        .order_by(outer.c.function, call.c.function)
    )


def _flowed() -> Select[Any]:
    """Pairs of calls by the function that was given a value and the one that made it."""
    target, source = call.alias(), call.alias()
    pairs = select(edge.c.target, edge.c.source).where(edge.c.slot.not_in(ASIDE)).distinct().subquery()
    asked = select(target.c.function, source.c.function, func.count())
    return (
        asked.join_from(pairs, target, target.c.n == pairs.c.target)
        .join(source, source.c.id == pairs.c.source)
        .group_by(target.c.function, source.c.function)
        .order_by(target.c.function, source.c.function)
    )
