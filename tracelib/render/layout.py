"""Where the boxes, frames and lines of a drawing go: layers from top to bottom, frames from the inside out.

It knows sizes and indices only. Lines into a frame enter at its upper border and leave at its lower
one; lines that share a source share their way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tracelib.render.layers import SPACE, Point, Thread, arranged
from tracelib.render.ordering import ranked, rows_of

CAREFUL = 1_500  # boxes above which lines are not led round boxes and crossings are not reduced
PAD = 16.0  # between a frame's border and what is in it
ROUGH_DROP = 70.0  # between rows without care
HEAD = 30.0  # room for a frame's title


class Edge(NamedTuple):
    """A line to be placed: `room` is the width its label needs at its head."""

    source: int
    target: int
    lane: str = ""
    room: float = 0.0


@dataclass(frozen=True)
class Plan:
    """What is to be placed: box sizes, the frame of each box (-1: none), the parent of each frame."""

    sizes: Sequence[tuple[float, float]]
    edges: Sequence[Edge]
    frame_of: Sequence[int] = ()
    parents: Sequence[int] = ()
    titles: Sequence[float] = ()


class Run(NamedTuple):
    """Points a line goes through; `edge` is one of those that share it, `arrow`: it ends at its target."""

    points: list[Point]
    edge: int
    arrow: bool


@dataclass(frozen=True)
class Layout:
    """Upper left corners of boxes, (x, y, width, height) of frames, and the lines."""

    boxes: list[Point]
    frames: list[tuple[float, float, float, float]]
    runs: list[Run]
    width: float
    height: float
    curved: bool = True


@dataclass
class Level:
    """What is directly inside one frame; items are numbered through the whole picture."""

    members: list[int] = field(default_factory=list)
    entries: list[int] = field(default_factory=list)
    exits: list[int] = field(default_factory=list)
    threads: list[Thread] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)


class Canvas:
    """Sizes of all items and their places within the frame around them.

    Items are the boxes, then the frames, then the ports at which lines pass a frame's border.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.boxes = len(plan.sizes)
        nothing = [0.0] * len(plan.parents)
        self.widths = [size[0] for size in plan.sizes] + nothing
        self.heights = [size[1] for size in plan.sizes] + nothing
        self.xs = [0.0] * len(self.widths)
        self.ys = [0.0] * len(self.widths)
        self.levels = [Level() for _ in range(len(plan.parents) + 1)]  # the last, index -1, is the picture
        self.ports: dict[tuple[int, int, int, str], int] = {}

    def frame_of(self, box: int) -> int:
        return self.plan.frame_of[box] if self.plan.frame_of else -1

    def port(self, frame: int, way: int, edge: Edge) -> int:
        """The port of a frame for all lines of the edge's source and lane; way 0 is in, 1 out."""
        key = frame, way, edge.source, edge.lane
        found = self.ports.get(key)
        if found is None:
            found = self.ports[key] = len(self.widths)
            for values in (self.widths, self.heights, self.xs, self.ys):
                values.append(0.0)
            level = self.levels[frame]
            (level.exits if way else level.entries).append(found)
        return found


def lay_out(plan: Plan) -> Layout:
    """Places for everything in the plan; the same plan gives the same places."""
    if len(plan.sizes) > CAREFUL and not plan.parents:
        return rough(plan)
    canvas = Canvas(plan)
    share_members(canvas)
    share_edges(canvas)
    careful = canvas.boxes <= CAREFUL
    width = height = 0.0
    for frame in [*range(len(plan.parents) - 1, -1, -1), -1]:
        width, height = place_level(canvas, frame, careful)
    return gathered(canvas, width, height)


def rough(plan: Plan) -> Layout:
    """Rows of boxes and straight ways between them, for more boxes than anybody reads one by one."""
    sizes = plan.sizes
    links = [(e.source, e.target) if e.source < e.target else (e.target, e.source) for e in plan.edges]
    ranks = ranked(len(sizes), links, 0, 0, int(1.6 * len(sizes) ** 0.5))
    rows = rows_of(ranks)
    widths = [sum([sizes[box][0] for box in row]) + SPACE * (len(row) - 1) for row in rows]
    corners: list[Point] = [(0.0, 0.0)] * len(sizes)
    widest = max(widths, default=0.0)
    top = 0.0
    for row, width in zip(rows, widths, strict=True):
        x = (widest - width) / 2
        for box in row:
            corners[box] = (x, top)
            x += sizes[box][0] + SPACE
        top += max([sizes[box][1] for box in row]) + ROUGH_DROP
    runs = [Run(direct(corners, sizes, edge), index, True) for index, edge in enumerate(plan.edges)]
    return Layout(corners, [], runs, widest, max(top - ROUGH_DROP, 0.0), curved=False)


def direct(corners: Sequence[Point], sizes: Sequence[tuple[float, float]], edge: Edge) -> list[Point]:
    """From the middle of one box's side to the middle of the other's."""
    x, y = corners[edge.source]
    width, height = sizes[edge.source]
    left, top = corners[edge.target]
    if y < top:
        return [(x + width / 2, y + height), (left + sizes[edge.target][0] / 2, top)]
    return [(x + width / 2, y), (left + sizes[edge.target][0] / 2, top + sizes[edge.target][1])]


def share_members(canvas: Canvas) -> None:
    """Give each box and frame to the frame around it; a frame stands where its last box stands."""
    if not canvas.plan.parents:
        canvas.levels[-1].members = list(range(canvas.boxes))
        return
    last = [-1] * len(canvas.plan.parents)
    for box in range(canvas.boxes):
        frame = canvas.frame_of(box)
        while frame >= 0 and last[frame] != box:
            last[frame] = box
            frame = canvas.plan.parents[frame]
    placed = [(box, 0, box, canvas.frame_of(box)) for box in range(canvas.boxes)]
    for frame, parent in enumerate(canvas.plan.parents):
        placed.append((last[frame], 1, canvas.boxes + frame, parent))
    for _, _, item, frame in sorted(placed):
        canvas.levels[frame].members.append(item)


def share_edges(canvas: Canvas) -> None:
    """Cut each edge at the borders it crosses; what several edges have in common is kept once."""
    plan = canvas.plan
    if not plan.parents:
        canvas.levels[-1].threads = [
            Thread(edge.source, edge.target, index, True, edge.lane, edge.room)
            for index, edge in enumerate(plan.edges)
        ]
        return
    depths: list[int] = []
    for parent in plan.parents:
        depths.append(depths[parent] + 1 if parent >= 0 else 1)
    depths.append(0)
    shared: set[tuple[int, int, float, float]] = set()
    for index in range(len(plan.edges)):
        for frame, thread in pieces(canvas, depths, index):
            key = thread.source, thread.target, thread.leave, thread.enter
            if thread.arrow or key not in shared:
                shared.add(key)
                canvas.levels[frame].threads.append(thread)


def pieces(canvas: Canvas, depths: Sequence[int], index: int) -> list[tuple[int, Thread]]:
    """The parts of an edge, each with the frame it lies in: out of frames, across, into frames."""
    edge = canvas.plan.edges[index]
    source, target = edge.source, edge.target
    outer, inner = canvas.frame_of(source), canvas.frame_of(target)
    leave = enter = -1
    parts: list[tuple[int, Thread]] = []
    while outer != inner:
        if depths[outer] > depths[inner]:
            port = canvas.port(outer, 1, edge)
            parts.append((outer, Thread(source, port, index, False, edge.lane, 0.0, leave)))
            source, leave, outer = canvas.boxes + outer, port, canvas.plan.parents[outer]
        else:
            port = canvas.port(inner, 0, edge)
            parts.append((inner, Thread(port, target, index, enter < 0, edge.lane, edge.room, -1, enter)))
            target, enter, inner = canvas.boxes + inner, port, canvas.plan.parents[inner]
    parts.append((outer, Thread(source, target, index, enter < 0, edge.lane, edge.room, leave, enter)))
    return parts


def place_level(canvas: Canvas, frame: int, careful: bool) -> tuple[float, float]:
    """Arrange what is inside a frame whose inner frames are arranged, and set the frame's size."""
    level = canvas.levels[frame]
    items = [*level.entries, *level.members, *level.exits]
    found = arranged(
        [(canvas.widths[item], canvas.heights[item]) for item in items],
        localised(level.threads, items, canvas.xs),
        (len(level.entries), len(level.exits)),
        HEAD + 14 if level.entries else 0.0,
        careful,
    )
    inset = (0.0, 0.0) if frame < 0 else (PAD, 0.0 if level.entries else HEAD)
    for item, (x, y) in zip(items, found.corners, strict=True):
        canvas.xs[item], canvas.ys[item] = x + inset[0], y + inset[1]
    for points, index in found.runs:
        thread = level.threads[index]
        level.runs.append(Run(shifted(points, *inset), thread.edge, thread.arrow))
    if frame < 0:
        return found.width, found.height
    title = canvas.plan.titles[frame] if canvas.plan.titles else 0.0
    canvas.widths[canvas.boxes + frame] = max(found.width, title) + 2 * PAD
    canvas.heights[canvas.boxes + frame] = found.height + inset[1] + (0.0 if level.exits else PAD)
    return 0.0, 0.0


def localised(threads: Sequence[Thread], items: Sequence[int], xs: Sequence[float]) -> list[Thread]:
    """The threads with items numbered within the level, and ports given as distance from the frame's left."""
    if not threads:
        return []
    place = {item: index for index, item in enumerate(items)}
    return [
        thread._replace(
            source=place[thread.source],
            target=place[thread.target],
            leave=xs[int(thread.leave)] if thread.leave >= 0 else -1,
            enter=xs[int(thread.enter)] if thread.enter >= 0 else -1,
        )
        for thread in threads
    ]


def shifted(points: list[Point], dx: float, dy: float) -> list[Point]:
    return [(x + dx, y + dy) for x, y in points] if dx or dy else points


def gathered(canvas: Canvas, width: float, height: float) -> Layout:
    """Everything in the coordinates of the whole picture."""
    parents = canvas.plan.parents
    corners: list[Point] = []
    for frame, parent in enumerate(parents):
        left, top = corners[parent] if parent >= 0 else (0.0, 0.0)
        item = canvas.boxes + frame
        corners.append((left + canvas.xs[item], top + canvas.ys[item]))
    corners.append((0.0, 0.0))
    boxes = []
    for box in range(canvas.boxes):
        left, top = corners[canvas.frame_of(box)]
        boxes.append((left + canvas.xs[box], top + canvas.ys[box]))
    frames = [
        (*corners[frame], canvas.widths[canvas.boxes + frame], canvas.heights[canvas.boxes + frame])
        for frame in range(len(parents))
    ]
    runs = [
        Run(shifted(run.points, *corners[frame]), run.edge, run.arrow)
        for frame in [-1, *range(len(parents))]
        for run in canvas.levels[frame].runs
    ]
    return Layout(boxes, frames, runs, width, height)
