"""A recorded graph as a drawing: each node in words, short constants folded, calls in frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tracelib.graph.links import shown
from tracelib.graph.node import LEAVES, ExceptionNode, Node
from tracelib.graph.operator import BUILTIN
from tracelib.render.drawing import Box, Drawing, Frame, Line
from tracelib.render.labels import LIMIT, clip, code_label, label, one_line

if TYPE_CHECKING:
    from tracelib.feedback.feedback import Feedback
    from tracelib.feedback.report import Report
    from tracelib.graph.graph import Edge, Graph
    from tracelib.graph.parameter import Parameter

FRAMES_DEEP = 8  # frames inside frames; what is called further in is drawn in the innermost
LABELLED = 12  # arguments of one box above which they are not named at their arrows
HINT = 400  # characters shown on hovering
BRIEF = 42  # characters shown of what an operation of Python gave
FOLDED_ROWS = 4
FOLDED_WIDTH = 44

Heard = Mapping[int, "Feedback"]


@dataclass(frozen=True)
class Choices:
    """What the user chose: boxes for short constants, characters shown of a value, what was heard."""

    constants: bool = False
    limit: int = LIMIT
    heard: Heard | None = None


def choices(report: Report | Heard | None, constants: bool, limit: int) -> Choices:
    if report is None or isinstance(report, Mapping):
        return Choices(constants, limit, report)
    heard = {id(parameter): feedback for parameter, feedback in report.heard}
    return Choices(constants, limit, {id(shown(report.graph.output)): report.feedback, **heard})


@dataclass(frozen=True)
class Seen:
    """A graph read once: nodes in picture order, and everything about them by their place in it."""

    graph: Graph
    nodes: list[Node[Any]]
    places: dict[int, int]
    kinds: list[str]
    parameters: list[Parameter[Any] | None]
    callers: list[int]  # -1 at the top level
    edges: list[Edge]
    ends: list[tuple[int, int]]
    outputs: frozenset[int]
    hints: dict[int, str] = field(default_factory=dict)  # by id(operator), read when first asked for


def seen(graph: Graph) -> Seen:
    nodes = graph.ordered
    places = {id(node): place for place, node in enumerate(nodes)}
    callers = [places.get(id(graph.caller(node)), -1) for node in nodes]
    parameters = [graph.of_parameter(node) if node._op is None else None for node in nodes]
    edges = graph.edges
    return Seen(
        graph=graph,
        nodes=nodes,
        places=places,
        kinds=[kind_of(node, parameter) for node, parameter in zip(nodes, parameters, strict=True)],
        parameters=parameters,
        callers=callers,
        edges=edges,
        ends=[(places[id(edge.source)], places[id(edge.target)]) for edge in edges],
        outputs=frozenset(places[id(shown(node))] for node in graph.outputs),
    )


def kind_of(node: Node[Any], parameter: Parameter[Any] | None) -> str:
    """A word of the palette; nodes are read without their properties, which would be recorded."""
    if parameter is not None:
        return "parameter"
    if isinstance(node, ExceptionNode):
        return "error"
    op = node._op
    if op is None:
        return "constant"
    return "operator" if BUILTIN.get(op.name) is op else "call"


def sketch(sight: Seen, options: Choices) -> Drawing:
    """Every node of the graph as a box, but for the constants that fit into those that use them."""
    folded = {} if options.constants else folds(sight, options.limit)
    drawn = [place for place in range(len(sight.nodes)) if place not in folded]
    details = folded_details(sight, folded)
    frames, frame_of, capped = framed(sight.callers, drawn, lambda place: shown_name(sight, place))
    boxes = [box_of(sight, place, options, frame_of[place], details.get(place, ())) for place in drawn]
    number = {place: box for box, place in enumerate(drawn)}
    note = f"Calls more than {FRAMES_DEEP} deep share the innermost frame." if capped else ""
    return Drawing(boxes, lines_between(sight, number, boxes), frames, title_of(sight), note)


def folds(sight: Seen, limit: int) -> dict[int, str]:
    """Short constants that the program never wrapped itself, with their text; each belongs to one user."""
    users: dict[int, int] = {}
    for (source, target), edge in zip(sight.ends, sight.edges, strict=True):
        if sight.kinds[source] == "constant":
            users[source] = target if users.get(source, target) == target and edge.kind == "argument" else -1
    found = {}
    for place, user in users.items():
        node = sight.nodes[place]
        if user < 0 or place in sight.outputs or isinstance(node, LEAVES):
            continue
        text = label(node._data, limit)
        if len(text) == 1 and "… (" not in text[0]:
            found[place] = text[0]
    return found


def folded_details(sight: Seen, folded: Mapping[int, str]) -> dict[int, tuple[str, ...]]:
    """For each user of folded constants, `x=3` and so on in a few rows."""
    given: dict[int, list[str]] = {}
    for (source, target), edge in zip(sight.ends, sight.edges, strict=True):
        if source in folded:
            given.setdefault(target, []).append(f"{one_line(edge.name)}={folded[source]}")
    return {target: rows(texts) for target, texts in given.items()}


def rows(texts: list[str]) -> tuple[str, ...]:
    """The texts side by side in rows of a label's width; the rest is counted."""
    found = [texts[0]]
    for count, text in enumerate(texts[1:], 1):
        if len(found[-1]) + len(text) + 2 <= FOLDED_WIDTH:
            found[-1] += f", {text}"
        elif len(found) < FOLDED_ROWS:
            found.append(text)
        else:
            return (*found, f"… ({len(texts) - count:,} more)")
    return tuple(found)


def framed(
    callers: Sequence[int], drawn: Iterable[int], title: Callable[[int], str]
) -> tuple[list[Frame], list[int], bool]:
    """A frame for each call inside which something is drawn, and the frame of each node.

    The call's own box is in its frame, too. The last value says whether calls nest deeper than
    frames are drawn.
    """
    inner = {callers[place] for place in drawn if callers[place] >= 0 and callers[place] != place}
    if not inner:
        return [], [-1] * len(callers), False
    frames: list[Frame] = []
    depths: list[int] = []
    of_call: dict[int, int] = {}
    capped = False
    for place in sorted(inner, reverse=True):  # a call stands after all that was called inside it
        around = of_call.get(callers[place], -1)
        if around >= 0 and depths[around] >= FRAMES_DEEP:
            of_call[place] = around
            capped = True
            continue
        of_call[place] = len(frames)
        frames.append(Frame(f"inside {title(place)}", around))
        depths.append(depths[around] + 1 if around >= 0 else 1)
    frame_of = [of_call.get(place, of_call.get(caller, -1)) for place, caller in enumerate(callers)]
    return frames, frame_of, capped


def shown_name(sight: Seen, place: int) -> str:
    return one_line(sight.graph.name(sight.nodes[place]))


def box_of(sight: Seen, place: int, options: Choices, frame: int = -1, details: tuple[str, ...] = ()) -> Box:
    """The box of one node."""
    node, kind, parameter = sight.nodes[place], sight.kinds[place], sight.parameters[place]
    code = parameter is not None and parameter.is_code
    return Box(
        kind,
        shown_name(sight, place),
        CODE if code else WORDS[kind],
        details,
        value_of(node, code, options.limit if kind != "operator" or place in sight.outputs else BRIEF),
        feedback_of(node, parameter, options),
        hint_of(node, kind, sight.hints),
        frame,
        place in sight.outputs,
    )


CODE = "parameter, code"
WORDS = {"parameter": "parameter", "call": "", "operator": "", "constant": "value", "error": "error"}


def value_of(node: Node[Any], code: bool, limit: int) -> tuple[str, ...]:
    if isinstance(node, ExceptionNode):
        error = node.exception
        return clip(f"{type(error).__name__}: {said(error)}", limit)
    return code_label(node._data, limit) if code else label(node._data, limit)


def said(error: BaseException) -> str:
    """What the error says, or that it fails to say it."""
    try:
        return str(error)
    except Exception as problem:
        return f"<str failed: {type(problem).__name__}>"


def hint_of(node: Node[Any], kind: str, known: dict[int, str]) -> str:
    """What the user wrote about the value or its function; operations of Python need no words."""
    if kind == "operator":
        return ""
    if node._description is not None or node._op is None:
        return "\n".join(clip(node._description or "", HINT))
    words = known.get(id(node._op))
    if words is None:
        words = known[id(node._op)] = "\n".join(clip(node._op.description or "", HINT))
    return words


def feedback_of(node: Node[Any], parameter: Parameter[Any] | None, options: Choices) -> tuple[str, ...]:
    """What the report says the node heard; without a report, what the parameter has heard so far."""
    if options.heard is None:
        heard: Any = parameter.feedback if parameter is not None else None
    else:
        heard = options.heard.get(id(node)) or options.heard.get(id(parameter))
    return clip(f"feedback: {in_words(heard)}", options.limit + 10) if heard else ()


def in_words(heard: Any) -> str:
    """Feedback as text; a score that nothing else was said about is named as one."""
    if isinstance(heard, str):
        return heard
    score = getattr(heard, "score", None)
    return said(heard) or (f"score {score:g}" if score is not None else "")


def lines_between(sight: Seen, number: Mapping[int, int], boxes: list[Box]) -> list[Line]:
    """Edges between drawn boxes; arguments are named where a box has several."""
    ends = [(number.get(source, -1), number[target]) for source, target in sight.ends]
    arguments = Counter([target for (source, target) in ends if source >= 0])
    return [
        Line(source, target, edge.kind, named(edge, boxes[source]))
        if edge.kind == "argument" and 1 < arguments[target] <= LABELLED
        else Line(source, target, edge.kind)
        for (source, target), edge in zip(ends, sight.edges, strict=True)
        if source >= 0
    ]


def named(edge: Edge, source: Box) -> str:
    """What is written at an argument's arrow: nothing where the box it comes from says it."""
    if edge.name == source.title:
        return ""
    return "code" if source.word == CODE else one_line(edge.name, 24)


def title_of(sight: Seen) -> str:
    graph = sight.graph
    names = ", ".join(graph.name(node) for node in graph.outputs[:3])
    nodes, trainable = len(sight.nodes), len(graph.parameters)
    return f"{one_line(names)}: {counted(nodes, 'node')}, {counted(trainable, 'parameter')}"


def counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"
