"""A recorded graph as networkx sees it, and questions about ways through it. Loaded only when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import networkx

from tracelib.errors import GraphError
from tracelib.graph.graph import Graph
from tracelib.graph.links import shown
from tracelib.graph.node import ExceptionNode, Node

PATHS = 1_000  # paths that `paths` gives unless asked for more

Place = Node[Any] | str


def to_networkx(graph: Graph) -> networkx.MultiDiGraph[str]:
    """The graph with its unique names as nodes, in the order of `graph.ordered`.

    A node has the attributes `node`, `value` (plain), `kind` ("parameter", "constant", "result" or
    "error"), `op` (the operator's name or None), `description`, `caller` (a name or None) and
    `output` (a bool). An edge has `name` and `kind`; its key is its place among the edges.
    """
    made = networkx.MultiDiGraph()
    outputs = {id(shown(output)) for output in graph.outputs}
    for node in graph.ordered:
        caller = graph.caller(node)
        made.add_node(
            graph.name(node),
            node=node,
            value=node._data,
            kind=kind_of(graph, node),
            op=None if node._op is None else node._op.name,
            description=node._description if node._op is None else node._op.description,
            caller=None if caller is None else graph.name(caller),
            output=id(node) in outputs,
        )
    for key, edge in enumerate(graph.edges):
        made.add_edge(
            graph.name(edge.source), graph.name(edge.target), key=key, name=edge.name, kind=edge.kind
        )
    return made


def kind_of(graph: Graph, node: Node[Any]) -> str:
    if graph.of_parameter(node) is not None:
        return "parameter"
    if isinstance(node, ExceptionNode):
        return "error"
    return "constant" if node._op is None else "result"


@dataclass(frozen=True)
class Ways:
    """The graph as numbers: nodes by their place in `ordered`, and the places before and after each."""

    nodes: list[Node[Any]]
    places: dict[int, int]
    before: list[list[int]]
    after: list[list[int]]

    @classmethod
    def of(cls, graph: Graph) -> Ways:
        nodes = graph.ordered
        places = {id(node): place for place, node in enumerate(nodes)}
        before: list[list[int]] = [[] for _ in nodes]
        after: list[list[int]] = [[] for _ in nodes]
        for source, target in dict.fromkeys(
            (places[id(e.source)], places[id(e.target)]) for e in graph.edges
        ):
            before[target].append(source)
            after[source].append(target)
        return cls(nodes, places, before, after)

    def place(self, graph: Graph, wanted: Place) -> int:
        """The place of a node, or of the one with this name in the graph; GraphError if there is none."""
        if not isinstance(wanted, Node):
            named = graph.named()
            if wanted not in named:
                raise GraphError(
                    f"No node is named {wanted!r} in the graph behind {graph.name(graph.output)}"
                )
            wanted = named[wanted]
        found = self.places.get(id(shown(wanted)))
        if found is None:
            raise GraphError(f"{wanted!r} is not in the graph behind {graph.name(graph.output)}")
        return found

    def picked(self, places: Sequence[int]) -> list[Node[Any]]:
        return [self.nodes[place] for place in sorted(places)]


def reached(start: Sequence[int], steps: Sequence[Sequence[int]]) -> set[int]:
    """All places that the steps lead to, the start included."""
    met = set(start)
    stack = list(start)
    while stack:
        for other in steps[stack.pop()]:
            if other not in met:
                met.add(other)
                stack.append(other)
    return met


def ancestors(graph: Graph, node: Place) -> list[Node[Any]]:
    """Everything the node was made from, directly or not, in picture order."""
    ways = Ways.of(graph)
    place = ways.place(graph, node)
    return ways.picked(list(reached([place], ways.before) - {place}))


def descendants(graph: Graph, node: Place) -> list[Node[Any]]:
    """Everything in the graph that was made from the node, directly or not, in picture order."""
    ways = Ways.of(graph)
    place = ways.place(graph, node)
    return ways.picked(list(reached([place], ways.after) - {place}))


def paths(graph: Graph, source: Place, target: Place, limit: int = PATHS) -> Iterator[list[Node[Any]]]:
    """The ways from one node to another, each as its nodes, at most `limit` of them.

    There can be exponentially many, so they are found one by one, and no dead end is entered:
    each costs no more than its length times the number of edges at a node.
    """
    ways = Ways.of(graph)
    start, end = ways.place(graph, source), ways.place(graph, target)
    return found_paths(ways, start, end, limit)


def found_paths(ways: Ways, start: int, end: int, limit: int) -> Iterator[list[Node[Any]]]:
    useful = reached([end], ways.before)
    path = [start]
    turns = [iter([place for place in ways.after[start] if place in useful])]
    if start == end:
        yield [ways.nodes[start]]
        return
    while turns and limit > 0:
        step = next(turns[-1], None)
        if step is None:
            turns.pop()
            path.pop()
        elif step == end:
            limit -= 1
            yield [ways.nodes[place] for place in (*path, step)]
        else:
            path.append(step)
            turns.append(iter([place for place in ways.after[step] if place in useful]))


def bottlenecks(graph: Graph, output: Place | None = None) -> list[Node[Any]]:
    """The nodes, in order, through which every path from a parameter to the output passes.

    The output is the last; a parameter is among them if it is the only one that leads there. The
    list is empty when no parameter does. In a topological order a node is passed by all paths
    exactly when no edge on any of them jumps over it, so one sweep finds them all.
    """
    ways = Ways.of(graph)
    end = ways.place(graph, graph.output if output is None else output)
    starts = [ways.places[id(node)] for node in ways.nodes if graph.of_parameter(node) is not None]
    useful = reached(starts, ways.after) & reached([end], ways.before)
    order = sorted(useful)
    rank = {place: number for number, place in enumerate(order)}
    jumps = [0] * (len(order) + 1)
    steps = [(rank[a], rank[b]) for a in order for b in ways.after[a] if b in useful]
    for first, last in [*steps, *((-1, rank[start]) for start in starts if start in useful)]:
        jumps[first + 1] += 1
        jumps[last] -= 1
    passed = accumulate(jumps)
    return [ways.nodes[place] for place, over in zip(order, passed, strict=False) if not over]


def longest_chain(graph: Graph) -> list[Node[Any]]:
    """The longest path in the graph, from its first node to its last; of several the first one."""
    ways = Ways.of(graph)
    lengths = [0] * len(ways.nodes)
    best: list[int | None] = [None] * len(ways.nodes)
    for target, sources in enumerate(ways.before):
        for source in sources:
            if lengths[source] + 1 > lengths[target]:
                lengths[target], best[target] = lengths[source] + 1, source
    place: int | None = max(range(len(lengths)), key=lengths.__getitem__)
    chain = []
    while place is not None:
        chain.append(ways.nodes[place])
        place = best[place]
    return chain[::-1]
