"""Large graphs in few boxes: by the call they were made in, by runs of one operator, or by operator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from tracelib.errors import RenderError
from tracelib.render.drawing import Box, Drawing, Line
from tracelib.render.labels import one_line
from tracelib.render.sketch import Choices, Seen, box_of, counted, framed, sketch, title_of

ENOUGH = 60  # boxes of calls that are still easy to read
PARAMETERS = 40  # parameters above which those with the same readers share a box

MODES = ("none", "caller", "run", "operator")
WORDS = {
    "caller": "a box may be a call with all that it called",
    "run": "a box may be a run of calls of one operator",
    "operator": "a box may be all calls of one operator from the same place",
}


@dataclass(frozen=True)
class Groups:
    """Which node each is shown by, and how deep calls are opened; a node deeper than `level` is inside."""

    mode: str
    shown: list[int]
    depths: list[int]
    level: int


def collapsed(sight: Seen, mode: str | None, options: Choices) -> Drawing:
    """The graph in groups; `mode` None takes the finest of the others that gives at most 60 at the top.

    `"caller"` keeps calls apart; `"run"` joins top-level calls of one operator that follow each
    other; `"operator"` joins all of one operator. Calls made inside what is joined are joined by
    operator. All are opened down to the deepest level with at most 60 boxes of calls.
    """
    if mode is not None and mode not in MODES:
        raise RenderError(f"collapse={mode!r}: choose one of {', '.join(map(repr, MODES))}")
    if mode == "none":
        return sketch(sight, options)
    return grouped(sight, groups_of(sight, mode or finest(sight)), options)


def finest(sight: Seen) -> str:
    """The mode that keeps most apart and has few enough boxes at the top level."""
    names = [name for place, name in enumerate(operators(sight)) if name and sight.callers[place] < 0]
    if len(names) <= ENOUGH:
        return "caller"
    runs = 1 + sum(a != b for a, b in pairwise(names))
    return "run" if runs <= ENOUGH else "operator"


def operators(sight: Seen) -> list[str]:
    """The name of each node's operator; empty for values."""
    return [node._op.name if node._op is not None else "" for node in sight.nodes]


def groups_of(sight: Seen, mode: str) -> Groups:
    """Calls of one operator made inside one group are a group; in which, at the top, depends on the mode."""
    names = operators(sight)
    depths = depths_of(sight.callers)
    order = sorted(range(len(names)), key=depths.__getitem__)  # a stable sort: outer calls first
    numbers = top_numbers(sight, names, mode)
    ids: dict[tuple[int, str, int], int] = {}
    group = [-1] * len(names)
    last: dict[int, int] = {}  # the last call of a group stands for it: it comes after all made inside
    for place in order:
        if names[place]:
            around = group[sight.callers[place]] if depths[place] else -1
            key = around, names[place], place if mode == "caller" else numbers[place]
            found = group[place] = ids.setdefault(key, len(ids))
            last[found] = max(place, last.get(found, -1))
    level = deepest(Counter(depths[place] for place in last.values()))
    shown = list(range(len(names)))
    for place in order:
        if depths[place] > level:
            shown[place] = shown[sight.callers[place]]
        elif names[place]:
            shown[place] = last[group[place]]
    return Groups(mode, with_parameters_joined(sight, shown), depths, level)


def top_numbers(sight: Seen, names: Sequence[str], mode: str) -> list[int]:
    """For runs, the number of the run that a top-level call belongs to; else 0."""
    numbers = [0] * len(names)
    run, before = 0, ""
    for place, name in enumerate(names):
        if mode == "run" and name and sight.callers[place] < 0:
            run += name != before
            numbers[place], before = run, name
    return numbers


def depths_of(callers: Sequence[int]) -> list[int]:
    """How many calls each node is inside of."""
    depths = [-1] * len(callers)
    for start in range(len(callers) - 1, -1, -1):
        way = []
        place = start
        while place >= 0 and depths[place] < 0:
            way.append(place)
            place = callers[place]
        depth = depths[place] if place >= 0 else -1
        for inner in reversed(way):
            depth += 1
            depths[inner] = depth
    return depths


def deepest(sizes: Counter[int]) -> int:
    """The deepest level down to which there are few enough groups."""
    total, level = sizes[0], 0
    while sizes[level + 1] and total + sizes[level + 1] <= ENOUGH:
        level += 1
        total += sizes[level]
    return level


def with_parameters_joined(sight: Seen, shown: list[int]) -> list[int]:
    """Where there are many parameters, those that the same groups read are shown by the first of them."""
    if sum(kind == "parameter" for kind in sight.kinds) <= PARAMETERS:
        return shown
    readers: dict[int, dict[int, None]] = {}
    for source, target in sight.ends:
        if sight.kinds[source] == "parameter":
            readers.setdefault(source, {})[shown[target]] = None
    first: dict[tuple[int, ...], int] = {}
    joined = list(shown)
    for source in sorted(readers):
        joined[source] = first.setdefault(tuple(sorted(readers[source])), source)
    return joined


def grouped(sight: Seen, groups: Groups, options: Choices) -> Drawing:
    """A box for each group and each parameter; values from outside are counted where they are used."""
    members: dict[int, list[int]] = {}
    for place, group in enumerate(groups.shown):
        if sight.kinds[place] != "constant" or place in sight.outputs:
            members.setdefault(group, []).append(place)
    order = sorted(members, key=lambda group: members[group][-1])
    number = {group: box for box, group in enumerate(order)}
    lines, extras = linked(sight, groups, number)
    boxes = [group_box(sight, groups, members[group], options, extras.get(group, ())) for group in order]
    titles = {group: box.title for group, box in zip(order, boxes, strict=True)}
    callers = [groups.shown[caller] if caller >= 0 else -1 for caller in sight.callers]
    frames, frame_of, _ = framed(
        callers, [group for group in order if sight.kinds[group] != "parameter"], titles.__getitem__
    )
    boxes = [box._replace(frame=frame_of[group]) for group, box in zip(order, boxes, strict=True)]
    caption = f"{counted(len(sight.nodes), 'node')} in {len(boxes):,} boxes: {WORDS[groups.mode]}."
    return Drawing(boxes, lines, frames, title_of(sight), caption)


def linked(
    sight: Seen, groups: Groups, number: dict[int, int]
) -> tuple[list[Line], dict[int, tuple[str, ...]]]:
    """Lines between groups, each kind once with its count; in words, what else the groups were made from."""
    between: Counter[tuple[int, int, str]] = Counter()
    chained: Counter[int] = Counter()
    outside: Counter[int] = Counter()
    for (source, target), edge in zip(sight.ends, sight.edges, strict=True):
        a, b = groups.shown[source], groups.shown[target]
        if a != b and a in number:
            between[number[a], number[b], edge.kind] += 1
        elif a == source and a != b:
            outside[b] += 1
        elif groups.depths[source] <= groups.level >= groups.depths[target]:
            chained[b] += 1
    lines = [Line(a, b, kind, f"×{count:,}" if count > 1 else "") for (a, b, kind), count in between.items()]
    words: dict[int, tuple[str, ...]] = {b: (f"{counted(n, 'link')} among them",) for b, n in chained.items()}
    for b, n in outside.items():
        words[b] = (*words.get(b, ()), f"{counted(n, 'value')} from outside")
    return lines, words


def group_box(
    sight: Seen, groups: Groups, places: list[int], options: Choices, extra: tuple[str, ...]
) -> Box:
    """The box of one group's members; a group of one call with nothing inside looks as ever."""
    box = box_of(sight, places[-1], options)
    if len(places) == 1:
        return box._replace(details=extra)
    if box.kind == "parameter":
        return Box("parameter", f"{len(places):,} parameters", "parameters", (), names(sight, places))
    calls = sum(groups.depths[place] <= groups.level for place in places)
    failed = sum(sight.kinds[place] == "error" for place in places)
    inner = len(places) - calls
    words = [f"{counted(inner, 'operation')} inside"] if inner else []
    if failed:
        words.append(f"{failed:,} failed")
    return box._replace(
        kind="error" if box.kind == "error" else "group",
        title=f"{operator(sight, places[-1])} × {calls:,}" if calls > 1 else box.title,
        details=(*words, *extra),
        value=(f"last: {box.value[0]}", *box.value[1:]) if calls > 1 else box.value,
        output=any(place in sight.outputs for place in places),
        merged=len(places),
    )


def operator(sight: Seen, place: int) -> str:
    op = sight.nodes[place]._op
    return one_line(op.name) if op is not None else "value"


def names(sight: Seen, places: list[int]) -> tuple[str, ...]:
    """The first of the parameters by name, and how many there are."""
    shown = tuple(one_line(sight.graph.name(sight.nodes[place])) for place in places[:3])
    return (*shown, f"… ({len(places):,} in all)") if len(places) > 3 else shown
