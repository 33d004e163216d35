"""The graph behind an output: a view, computed by one iterative walk, never a registry."""

from __future__ import annotations

import heapq
import itertools
import operator
from collections.abc import Iterator
from typing import Any, NamedTuple

from tracelib.errors import GraphError
from tracelib.graph.late import late
from tracelib.graph.links import links, shown
from tracelib.graph.node import ExceptionNode, Node, Packed, described
from tracelib.graph.parameter import Parameter, Reading
from tracelib.graph.tracing import Frame

new_edge = tuple.__new__
"""Makes an Edge at half the cost of calling the class, which matters to pictures of 10,000 nodes."""

by_creation = operator.attrgetter("_seq")


class Edge(NamedTuple):
    """`source` is behind `target` as its input `name`; `kind` is one of `links.KINDS`."""

    source: Node[Any]
    target: Node[Any]
    name: str
    kind: str


def ancestors(outputs: tuple[Node[Any], ...], control: bool = True) -> list[Node[Any]]:
    """Every recorded node behind the outputs, and they themselves, in no particular order.

    Plain operands are not nodes here. With `control=False` edges that only a branch condition read
    are not followed: what is left is what feedback can reach.
    """
    found = list({id(o): o for o in outputs}.values())
    met = {id(o) for o in found}
    add, push = met.add, found.append
    for made in found:  # which grows while it is walked
        for kept in made._args:
            if issubclass(type(kept), Node):
                if id(kept) not in met:
                    add(id(kept))
                    push(kept)
            elif type(kept) is Packed:
                for inner in kept.nodes:
                    if id(inner) not in met:
                        add(id(inner))
                        push(inner)
        if made._extra is not None:
            for kind, inner in made._extra.edges:
                if id(inner) not in met and (control or kind != "control"):
                    add(id(inner))
                    push(inner)
    return found


class Graph:
    """An output and everything behind it.

    `nodes` are in creation order, which is topological; `ordered` goes by the place in the call
    tree instead, so that threads and tasks do not change it: names, prompts and pictures use it.
    """

    def __init__(self, outputs: tuple[Node[Any], ...]) -> None:
        self.outputs = outputs
        self._nodes: list[Node[Any]] | None = None
        self._edges: list[Edge] | None = None
        self._ordered: list[Node[Any]] | None = None
        self._names: dict[int, str] | None = None
        self._callers: dict[int, Node[Any]] | None = None

    @classmethod
    def behind(cls, *outputs: Node[Any]) -> Graph:
        """The graph behind one output, or behind several together."""
        for output in outputs:
            if not isinstance(output, Node):
                raise GraphError(
                    f"Graph.behind needs a recorded node, got {type(output).__name__}: {output!r:.80}. "
                    "Was it computed under stop_tracing, taken out with .data, or by a function that is "
                    "no @bundle?"
                )
        if not outputs:
            raise GraphError("Graph.behind needs at least one output")
        return cls(tuple(outputs))

    @property
    def output(self) -> Node[Any]:
        """The first of the outputs."""
        return self.outputs[0]

    @property
    def nodes(self) -> list[Node[Any]]:
        """Every node, constants included, parents before children."""
        if self._nodes is None:
            self._collect()
        assert self._nodes is not None
        return self._nodes

    @property
    def edges(self) -> list[Edge]:
        """Every edge, in the order of its target and there in the order of its inputs."""
        if self._edges is None:
            self._collect()
        assert self._edges is not None
        return self._edges

    def _collect(self) -> None:
        recorded = sorted(ancestors(self.outputs), key=by_creation)
        nodes: dict[int, Node[Any]] = {}  # values of one Parameter, which share its place, by first use
        edges = []
        for made in recorded:
            target = shown(made)
            for name, kind, source in links(made):
                if type(source) is Reading:
                    source = shown(source)
                nodes.setdefault(id(source), source)
                edges.append(new_edge(Edge, (source, target, name, kind)))
        for made in recorded:
            nodes.setdefault(id(shown(made)), shown(made))
        self._nodes = sorted(nodes.values(), key=by_creation)
        self._edges = edges

    @property
    def parameters(self) -> list[Parameter[Any]]:
        """The Parameters behind the output, each once, in the order they were made."""
        found: dict[int, Parameter[Any]] = {}
        for made in self.nodes:
            parameter = self.of_parameter(made)
            if parameter is not None:
                found.setdefault(id(parameter), parameter)
        return list(found.values())

    def of_parameter(self, made: Node[Any]) -> Parameter[Any] | None:
        """The Parameter that a node is, or is an earlier value of; else None."""
        if isinstance(made, Parameter):
            return made
        return made._parameter if isinstance(made, Reading) else None

    @property
    def ordered(self) -> list[Node[Any]]:
        """Every node by its place in the call tree, parents before children; threads do not change it."""
        if self._ordered is None:
            flat = all(made._caller is None and made._frame is None for made in self.nodes)
            self._ordered = self.nodes if flat else list(self._by_place())
        return self._ordered

    def _by_place(self) -> Iterator[Node[Any]]:
        """A topological order that among the nodes free to come next takes the first in the call tree."""
        places = _Places()
        waiting = {id(n): 0 for n in self.nodes}
        children: dict[int, list[Node[Any]]] = {id(n): [] for n in self.nodes}
        for edge in self.edges:
            waiting[id(edge.target)] += 1
            children[id(edge.source)].append(edge.target)
        tie = itertools.count()
        free = [(places.of(n), next(tie), n) for n in self.nodes if not waiting[id(n)]]
        heapq.heapify(free)
        while free:
            made = heapq.heappop(free)[2]
            yield made
            for child in children[id(made)]:
                waiting[id(child)] -= 1
                if not waiting[id(child)]:
                    heapq.heappush(free, (places.of(child), next(tie), child))

    def name(self, made: Node[Any]) -> str:
        """The name of a node in this graph, unique in it: the user's, else `add0`, `greet1`..."""
        if self._names is None:
            self._names = _named(self.ordered)
        try:
            return self._names[id(shown(made))]
        except KeyError:
            raise GraphError(
                f"{described(made)} is not in the graph behind {described(self.output)}"
            ) from None

    def named(self) -> dict[str, Node[Any]]:
        """Every node by its name."""
        return {self.name(made): made for made in self.ordered}

    def caller(self, made: Node[Any]) -> Node[Any] | None:
        """The node of the recorded call within which `made` was made; None at the top."""
        if self._callers is None:
            self._callers = {id(n._frame): n for n in self.nodes if n._frame is not None}
        frame = made._caller
        while frame is not None:
            found = self._callers.get(id(frame))
            if found is not None:
                return found
            frame = frame.caller
        return None

    def backward(self, feedback: Any = None, rule: Any = None) -> Any:
        """Carry `feedback` from the first output to the parameters behind it."""
        return late("Node.backward")(self.output, feedback, rule=rule, visualize=False)

    def to_networkx(self) -> Any:
        """A `networkx.MultiDiGraph` with the names as nodes, and attributes; see `graph.analysis`."""
        return late("Graph.to_networkx")(self)

    def to_dot(self, *args: Any, **kwargs: Any) -> Any:
        """A `graphviz.Digraph`; see `render.dot.to_dot` for what can be shown."""
        return late("Graph.to_dot")(self, *args, **kwargs)

    def render(self, *args: Any, **kwargs: Any) -> Any:
        """Draw to a file, svg, png, pdf or dot by its suffix; see `render.picture.render`."""
        return late("Graph.render")(self, *args, **kwargs)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        return late("Graph._repr_mimebundle_")(self, include, exclude)

    def __len__(self) -> int:
        return len(self.nodes)

    def __repr__(self) -> str:
        size = f"{len(self.nodes)} nodes, {len(self.parameters)} parameters"
        return f"<graph behind {described(self.output)}: {size}>"


class _Places:
    """Where nodes stand in the call tree: the path of places from the outermost call down."""

    def __init__(self) -> None:
        self._paths: dict[int, tuple[float, ...]] = {}

    def of(self, made: Node[Any]) -> tuple[float, ...]:
        own = made._seq if made._frame is None or not made._frame.place else made._frame.place
        return (*self._path(made._caller), own, float("inf"))

    def _path(self, frame: Frame | None) -> tuple[float, ...]:
        """The places of a frame and its callers, outermost first; walked without recursion."""
        chain = []
        while frame is not None and id(frame) not in self._paths:
            chain.append(frame)
            frame = frame.caller
        path = () if frame is None else self._paths[id(frame)]
        for inner in reversed(chain):
            path = self._paths[id(inner)] = (*path, inner.place)
        return path


def _named(ordered: list[Node[Any]]) -> dict[int, str]:
    """A unique name for each node: the user's own name where it is free, else a base and a number.

    A Parameter has its name before any other node: that is what optimizers ask for.
    """
    names: dict[int, str] = {}
    taken: set[str] = set()
    counters: dict[str, itertools.count[int]] = {}
    later = []
    for made in sorted(ordered, key=lambda n: not isinstance(n, Parameter)):
        own = _own_name(made)
        if own is not None and own not in taken:
            taken.add(own)
            names[id(made)] = own
        else:
            later.append(made)
    for made in later:
        base = _own_name(made) or base_name(made)
        count = counters.setdefault(base, itertools.count())
        name = next(f"{base}{i}" for i in count if f"{base}{i}" not in taken)
        taken.add(name)
        names[id(made)] = name
    return names


def _own_name(made: Node[Any]) -> str | None:
    if isinstance(made, Parameter):
        return made._name or made._path
    return made._name


def base_name(made: Node[Any]) -> str:
    """What a node's derived name starts with: its operator's name, else its value's type."""
    if isinstance(made, Parameter):
        return type(made._own).__name__
    if made._op is None:
        return type(made._data).__name__
    name = made._op.name
    return f"{name}_error" if isinstance(made, ExceptionNode) else name


def derived_name(made: Node[Any]) -> str:
    """The name of a result in the graph behind it."""
    return Graph.behind(made).name(made)
