"""One level of a layered drawing: items in rows, lines led through empty places between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from tracelib.render.ordering import EIGHTHS, ranked, rows_of, settled, untangled

Point = tuple[float, float]

ROUTED = 8_000  # empty places in one level above which lines are drawn straight
SPACE = 28.0  # between neighbours in a row
LANE = 14.0  # beside a line that passes through a row
DROP = 40.0  # least distance between rows
PASSES = 12


class Thread(NamedTuple):
    """A part of an edge within one level; threads of one source and lane share their way.

    `leave` and `enter` say where it leaves its source and enters its target, if these are frames:
    first as the number of a port, then as a distance from the frame's left; -1 for boxes.
    """

    source: int
    target: int
    edge: int
    arrow: bool
    lane: str = ""
    room: float = 0.0
    leave: float = -1
    enter: float = -1


@dataclass(frozen=True)
class Arrangement:
    """Upper left corners of the items, and the points and number of each thread that is drawn."""

    corners: list[Point]
    runs: list[tuple[list[Point], int]]
    width: float
    height: float


@dataclass
class Link:
    """A step of a thread from one row to a lower one, and where it meets the item above and below."""

    upper: int
    lower: int
    thread: int
    leave: float
    enter: float
    weight: float
    head: bool  # it meets the thread's lower end


@dataclass
class Net:
    """Items and the empty places between them, as rows and links."""

    widths: list[float]
    heights: list[float]
    ranks: list[int]
    items: int
    links: list[Link] = field(default_factory=list)
    chains: list[list[int]] = field(default_factory=list)
    ups: list[list[Link]] = field(default_factory=list)
    downs: list[list[Link]] = field(default_factory=list)
    rows: list[list[int]] = field(default_factory=list)
    xs: list[float] = field(default_factory=list)
    ys: list[float] = field(default_factory=list)
    tops: list[float] = field(default_factory=list)
    depths: list[float] = field(default_factory=list)


def arranged(
    sizes: Sequence[tuple[float, float]],
    threads: Sequence[Thread],
    borders: tuple[int, int],
    first_drop: float,
    careful: bool,
) -> Arrangement:
    """Places for items of these sizes; the first and last of them (`borders` counts them) are ports.

    `first_drop` is the least distance below the row of entries. Without `careful`, lines go straight
    and the order is the given one.
    """
    net = woven(sizes, threads, borders, careful)
    if careful:
        net.rows = untangled(
            net.rows,
            [[(link.upper, eighth(net, link.upper, link.leave)) for link in links] for links in net.ups],
            [[(link.lower, eighth(net, link.lower, link.enter)) for link in links] for links in net.downs],
        )
    spread_heads(net, threads)
    set_columns(net, PASSES if careful else 2)
    set_rows(net, first_drop if borders[0] else 0.0, borders[1] > 0)
    return Arrangement(
        list(zip(net.xs[: net.items], net.ys, strict=True)),
        drawn(net, threads),
        max([x + width for x, width in zip(net.xs, net.widths, strict=True)], default=0.0),
        net.tops[-1] + net.depths[-1] if net.rows else 0.0,
    )


def eighth(net: Net, item: int, at: float) -> int:
    """In which eighth of the item's width a link meets it; in the middle where that is not decided."""
    width = net.widths[item]
    return min(int(EIGHTHS * at / width), EIGHTHS - 1) if width and at >= 0 else EIGHTHS // 2


def woven(
    sizes: Sequence[tuple[float, float]], threads: Sequence[Thread], borders: tuple[int, int], careful: bool
) -> Net:
    """Ranks for the items, and each thread as a chain of links from row to row."""
    count = len(sizes)
    ends = [(min(t.source, t.target), max(t.source, t.target)) for t in threads]
    widest = max(12, int(1.6 * count**0.5))
    ranks = ranked(count, ends, borders[0], borders[1], widest)
    net = Net([size[0] for size in sizes], [size[1] for size in sizes], ranks, count)
    routed = careful and sum([ranks[low] - ranks[high] for high, low in ends]) < 20 * ROUTED
    places: dict[tuple[int, str, int], int] = {}
    steps: dict[tuple[int, int], int] = {}
    for index, (thread, (high, low)) in enumerate(zip(threads, ends, strict=True)):
        stops = [high]
        if routed and len(places) < ROUTED:
            lane = thread.lane if high == thread.source else f"up {index}"
            stops += [
                empty_place(net, places, (high, lane, rank)) for rank in range(ranks[high] + 1, ranks[low])
            ]
        net.chains.append(linked(net, steps, stops, low, index, thread))
    net.ups = [[] for _ in net.widths]
    net.downs = [[] for _ in net.widths]
    for link in net.links:
        net.ups[link.lower].append(link)
        net.downs[link.upper].append(link)
    net.rows = rows_of(net.ranks)
    return net


def empty_place(net: Net, places: dict[tuple[int, str, int], int], key: tuple[int, str, int]) -> int:
    found = places.get(key)
    if found is None:
        found = places[key] = len(net.widths)
        net.widths.append(0.0)
        net.heights.append(0.0)
        net.ranks.append(key[2])
    return found


def linked(
    net: Net, steps: dict[tuple[int, int], int], stops: list[int], low: int, index: int, thread: Thread
) -> list[int]:
    """The links along the stops and down to `low`; those between empty places are shared."""
    down = stops[0] == thread.source
    leave, enter = (thread.leave, thread.enter) if down else (thread.enter, thread.leave)
    middle = 0.5 if down else 0.25  # lines that go up keep clear of those that go down
    chain = []
    for upper, lower in pairwise(stops):
        known = steps.get((upper, lower))
        if known is None:
            known = steps[upper, lower] = len(net.links)
            at = (leave if leave >= 0 else net.widths[upper] * middle) if upper == stops[0] else 0.0
            net.links.append(Link(upper, lower, index, at, 0.0, 2.0 if upper == stops[0] else 8.0, False))
        chain.append(known)
    last = stops[-1]
    at = (leave if leave >= 0 else net.widths[last] * middle) if len(stops) == 1 else 0.0
    chain.append(len(net.links))
    net.links.append(Link(last, low, index, at, enter, 1.0 if len(stops) == 1 else 2.0, True))
    return chain


def spread_heads(net: Net, threads: Sequence[Thread]) -> None:
    """Let the lines that end at a box meet its upper side next to each other, in the order they come from."""
    place = [0] * len(net.widths)
    for row in net.rows:
        for index, item in enumerate(row):
            place[item] = index
    for item in range(net.items):
        width = net.widths[item]
        heads = [link for link in net.ups[item] if link.enter < 0]
        if len(heads) == 1:
            heads[0].enter = width / 2
        elif heads:
            heads.sort(
                key=lambda link: (place[link.upper] + link.leave / (net.widths[link.upper] + 1), link.thread)
            )
            rooms = [max(14.0, threads[link.thread].room) for link in heads]
            scale = min(1.0, 0.92 * width / sum(rooms)) if width else 0.0
            at = (width - scale * sum(rooms)) / 2 + 6 * scale
            for link, room in zip(heads, rooms, strict=True):
                link.enter = at
                at += room * scale


def set_columns(net: Net, passes: int) -> None:
    """The left side of each item: near its neighbours above and below in turn, in the order of its row."""
    net.xs = [0.0] * len(net.widths)
    gaps = [row_gaps(net, row) for row in net.rows]
    for row, gap in zip(net.rows, gaps, strict=True):
        pack(net, row, gap)
    numbers = range(len(net.rows))
    for turn in range(passes):
        down = turn % 2 == 0
        both = turn >= passes - 2
        for number in numbers if down else reversed(numbers):
            settle_row(net, net.rows[number], gaps[number], down or both, not down or both)
    left = min(net.xs, default=0.0)
    net.xs = [x - left for x in net.xs]


def row_gaps(net: Net, row: list[int]) -> list[float]:
    """The least distance of each item's left side from that of the one before."""
    gaps = [0.0]
    for before, item in pairwise(row):
        gaps.append(net.widths[before] + (SPACE if net.widths[before] and net.widths[item] else LANE))
    return gaps


def pack(net: Net, row: list[int], gaps: list[float]) -> None:
    x = -(sum(gaps) + net.widths[row[-1]]) / 2
    for item, gap in zip(row, gaps, strict=True):
        x += gap
        net.xs[item] = x


def settle_row(net: Net, row: list[int], gaps: list[float], up: bool, down: bool) -> None:
    """Move the row's items towards where their links would be straight."""
    xs = net.xs
    wanted: list[float] = []
    masses: list[float] = []
    for item in row:
        total = mass = 0.0
        if up:
            for link in net.ups[item]:
                total += link.weight * (xs[link.upper] + link.leave - link.enter)
                mass += link.weight
        if down:
            for link in net.downs[item]:
                total += link.weight * (xs[link.lower] + link.enter - link.leave)
                mass += link.weight
        wanted.append(total / mass if mass else xs[item])
        masses.append(mass or 0.2)
    for item, x in zip(row, settled(wanted, masses, gaps), strict=True):
        xs[item] = x


def set_rows(net: Net, first_drop: float, exits: bool) -> None:
    """The upper end and height of each row; rows between which lines lean far stand further apart."""
    net.depths = [max([net.heights[item] for item in row]) for row in net.rows]
    top = 0.0
    for number, row in enumerate(net.rows):
        net.tops.append(top)
        leans = [
            abs(net.xs[link.lower] + link.enter - net.xs[item] - link.leave)
            for item in row
            for link in net.downs[item]
        ]
        lean = min(50.0, max(leans, default=0.0) / 9)
        drop = 20.0 + lean if exits and number == len(net.rows) - 2 else DROP + lean
        top += net.depths[number] + (max(drop, first_drop) if number == 0 else drop)
    net.ys = [resting_place(net, item) for item in range(net.items)]


def resting_place(net: Net, item: int) -> float:
    """The item's upper side: near the neighbours it has, in the middle of its row if on both sides."""
    rank = net.ranks[item]
    spare = net.depths[rank] - net.heights[item]
    if not net.ups[item]:
        return net.tops[rank] + spare
    return net.tops[rank] + (spare / 2 if net.downs[item] else 0.0)


def drawn(net: Net, threads: Sequence[Thread]) -> list[tuple[list[Point], int]]:
    """The points of each thread, from where it leaves what is drawn already."""
    runs = []
    done: set[int] = set()
    for index, (chain, thread) in enumerate(zip(net.chains, threads, strict=True)):
        fresh = [number for number in chain if number not in done]
        done.update(fresh)
        points = [point for number in fresh for point in stretch(net, net.links[number])]
        runs.append((points[::-1] if thread.source > thread.target else points, index))
    return runs


def stretch(net: Net, link: Link) -> list[Point]:
    """From the item above straight to the end of its row, then across, then straight to the item below."""
    rank = net.ranks[link.upper]
    x, floor = net.xs[link.upper] + link.leave, net.tops[rank] + net.depths[rank]
    bottom = net.ys[link.upper] + net.heights[link.upper] if link.upper < net.items else floor
    points = [(x, bottom)] if bottom < floor - 0.5 else []
    points.append((x, floor))
    x, top = net.xs[link.lower] + link.enter, net.tops[net.ranks[link.lower]]
    points.append((x, top))
    if link.lower < net.items and net.ys[link.lower] > top + 0.5:
        points.append((x, net.ys[link.lower]))
    return points
