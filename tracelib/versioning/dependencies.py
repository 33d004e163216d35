"""Who uses whom: the definitions of several versions as one graph, for questions and pictures."""

from __future__ import annotations

from collections.abc import Iterable

import networkx

from tracelib.versioning.version import Part, Version


def dependency_graph(versions: Iterable[Version]) -> networkx.MultiDiGraph:
    """The definitions that versions are made of; an edge leads from a definition to one it uses.

    Nodes are "module:name", with `name`, `module`, `kind`, `text`, `digest`, and for a function that
    was asked for its `version` hash. Edges have `kind` "uses", and between two of the functions that
    were asked for, where one's version names the other's, "calls".
    """
    graph = networkx.MultiDiGraph()
    asked = list(versions)
    for version in asked:
        _add(graph, version)
    names = {version.name for version in asked}
    by_hash = {version.hash: version.name for version in asked}
    for version in asked:
        for use in version.uses:
            target = use.name if use.name in names else by_hash.get(use.hash)
            if target is not None and target != version.name:
                graph.add_edge(version.name, target, key="calls", kind="calls")
    return graph


def _add(graph: networkx.MultiDiGraph, version: Version) -> None:
    names = [version.name if at == 0 else _name(part) for at, part in enumerate(version.parts)]
    for at, (name, part) in enumerate(zip(names, version.parts, strict=True)):
        known = graph.nodes[name].get("version") if name in graph else None
        graph.add_node(
            name,
            name=version.qualname if at == 0 else part.name,
            module=part.module,
            kind=part.kind,
            text=part.text,
            digest=part.digest,
            version=version.hash if at == 0 else known,
        )
    for name, part in zip(names, version.parts, strict=True):
        for to in part.to:
            if names[to] != name:
                graph.add_edge(name, names[to], key="uses", kind="uses")


def _name(part: Part) -> str:
    return f"{part.module}:{part.name}"


def used_first(graph: networkx.MultiDiGraph) -> list[str]:
    """The nodes of a dependency graph, each after what it uses, as far as nothing leads in a circle."""
    return list(networkx.dfs_postorder_nodes(graph))
