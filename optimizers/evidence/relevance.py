"""How far the parts of a graph are from what matters: the paths from some parameters to the outputs."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any, TypeAlias

from tracelib.graph.graph import Edge, Graph

Rank: TypeAlias = tuple[int, int]
"""Steps to the nearest path, 0 on one; then steps along it to its nearer end, parameter or output."""

EdgesByTarget: TypeAlias = Mapping[int, Sequence[Edge]]


def edges_by_target(graph: Graph) -> dict[int, list[Edge]]:
    """The edges into each node, by `id(node)`."""
    found: dict[int, list[Edge]] = {}
    for edge in graph.edges:
        found.setdefault(id(edge.target), []).append(edge)
    return found


def ranks_of(graph: Graph, edges: EdgesByTarget, starts: Container[int]) -> dict[int, Rank]:
    """The rank of each node, by `id(node)`; paths lead from the nodes whose ids are in `starts`.

    One pass up and one pass down the graph. Without any start every node counts as on a path.
    """
    behind = _steps_from(graph, edges, starts)
    far = len(graph.ordered)
    ahead: dict[int, int] = {id(node): 0 for node in graph.outputs}
    off: dict[int, int] = {}
    for node in reversed(graph.ordered):
        here = id(node)
        off[here] = 0 if here in behind or not behind else off.get(here, far)
        for edge in edges.get(here, ()):
            there = id(edge.source)
            ahead[there] = min(ahead.get(there, far), ahead.get(here, 0) + 1)
            off[there] = min(off.get(there, far), off[here] + 1)
    return {
        here: (off[here], min(behind.get(here, far), ahead.get(here, far))) for here in map(id, graph.ordered)
    }


def _steps_from(graph: Graph, edges: EdgesByTarget, starts: Container[int]) -> dict[int, int]:
    steps: dict[int, int] = {}
    for node in graph.ordered:
        sources: list[Any] = [steps.get(id(edge.source)) for edge in edges.get(id(node), ())]
        reached = [step + 1 for step in sources if step is not None]
        if id(node) in starts:
            steps[id(node)] = 0
        elif reached:
            steps[id(node)] = min(reached)
    return steps
