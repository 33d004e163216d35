"""Places of boxes, frames and lines."""

from __future__ import annotations

import random
from itertools import combinations

import pytest

from tracelib.render.layout import CAREFUL, Edge, Layout, Plan, lay_out

Rectangle = tuple[float, float, float, float]


def random_plan(seed: int, boxes: int = 40, frames: int = 0) -> Plan:
    """Boxes of many sizes, edges forwards, and frames around neighbours, some inside others."""
    rng = random.Random(seed)
    sizes = [(rng.uniform(20, 300), rng.uniform(20, 120)) for _ in range(boxes)]
    parents = [rng.randint(-1, frame - 1) for frame in range(frames)]
    edges = [
        Edge(rng.randrange(max(0, target - 12), target), target, rng.choice("ab"), rng.choice([0.0, 30.0]))
        for target in range(1, boxes)
        for _ in range(rng.randint(1, 3))
    ]
    frame_of = [rng.randint(-1, frames - 1) for _ in range(boxes)] if frames else []
    return Plan(sizes, edges, frame_of, parents)


def rectangles(plan: Plan, layout: Layout) -> list[Rectangle]:
    return [(*corner, *size) for corner, size in zip(layout.boxes, plan.sizes, strict=True)]


def overlap(a: Rectangle, b: Rectangle) -> bool:
    return (
        a[0] < b[0] + b[2] - 0.01
        and b[0] < a[0] + a[2] - 0.01
        and a[1] < b[1] + b[3] - 0.01
        and b[1] < a[1] + a[3] - 0.01
    )


def holds(outer: Rectangle, inner: Rectangle) -> bool:
    return (
        outer[0] <= inner[0]
        and outer[1] <= inner[1]
        and inner[0] + inner[2] <= outer[0] + outer[2]
        and inner[1] + inner[3] <= outer[1] + outer[3]
    )


def around(plan: Plan, box: int) -> list[int]:
    """The frames that a box is in, the innermost first."""
    found = []
    frame = plan.frame_of[box]
    while frame >= 0:
        found.append(frame)
        frame = plan.parents[frame]
    return found


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("frames", [0, 1, 6])
def test_boxes_do_not_overlap(seed: int, frames: int) -> None:
    plan = random_plan(seed, frames=frames)
    assert not any(overlap(a, b) for a, b in combinations(rectangles(plan, lay_out(plan)), 2))


@pytest.mark.parametrize("seed", range(20))
def test_frames_hold_their_boxes_and_no_others(seed: int) -> None:
    plan = random_plan(seed, frames=6)
    layout = lay_out(plan)
    for box, rectangle in enumerate(rectangles(plan, layout)):
        inside = set(around(plan, box))
        for frame, outline in enumerate(layout.frames):
            if frame in inside:
                assert holds(outline, rectangle)
            elif any(frame in around(plan, other) for other in range(len(plan.sizes))):
                assert not overlap(outline, rectangle)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("frames", [0, 6])
def test_each_line_ends_at_the_border_of_its_target(seed: int, frames: int) -> None:
    plan = random_plan(seed, frames=frames)
    layout = lay_out(plan)
    arrows = [run for run in layout.runs if run.arrow]
    assert sorted(run.edge for run in arrows) == list(range(len(plan.edges)))
    for run in arrows:
        left, top, width, height = rectangles(plan, layout)[plan.edges[run.edge].target]
        x, y = run.points[-1]
        assert left <= x <= left + width
        assert min(abs(y - top), abs(y - top - height)) < 0.6


@pytest.mark.parametrize("seed", range(10))
def test_targets_are_below_their_sources(seed: int) -> None:
    plan = random_plan(seed)
    layout = lay_out(plan)
    for edge in plan.edges:
        assert layout.boxes[edge.source][1] + plan.sizes[edge.source][1] < layout.boxes[edge.target][1]


@pytest.mark.parametrize("seed", range(10))
def test_lines_do_not_pass_behind_boxes(seed: int) -> None:
    plan = random_plan(seed, boxes=30)
    layout = lay_out(plan)
    for run in layout.runs:
        ends = {plan.edges[run.edge].source, plan.edges[run.edge].target}
        for box, (left, top, width, height) in enumerate(rectangles(plan, layout)):
            for (x0, y0), (x1, y1) in zip(run.points, run.points[1:], strict=False):
                upright = abs(x0 - x1) < 0.5
                through = (
                    left + 0.1 < x0 < left + width - 0.1
                    and max(y0, y1) > top + 0.1
                    and min(y0, y1) < top + height - 0.1
                )
                assert box in ends or not (upright and through)


def test_everything_is_inside_the_picture() -> None:
    plan = random_plan(3, frames=6)
    layout = lay_out(plan)
    whole = (0.0, 0.0, layout.width + 0.01, layout.height + 0.01)
    assert all(holds(whole, rectangle) for rectangle in [*rectangles(plan, layout), *layout.frames])


def test_the_same_plan_gives_the_same_places() -> None:
    assert lay_out(random_plan(1, frames=4)) == lay_out(random_plan(1, frames=4))


def test_a_ladder_is_untangled() -> None:
    size = (50.0, 30.0)
    n = 8
    crossed = [Edge(i, n + (n - 1 - i)) for i in range(n)]
    layout = lay_out(Plan([size] * 2 * n, crossed))
    assert all(abs(layout.boxes[edge.source][0] - layout.boxes[edge.target][0]) < 1 for edge in crossed)


def test_a_chain_is_straight() -> None:
    layout = lay_out(Plan([(40.0, 20.0)] * 30, [Edge(i, i + 1) for i in range(29)]))
    assert len({round(x) for x, _ in layout.boxes}) == 1


def test_a_wide_row_is_broken_into_several() -> None:
    n = 100
    layout = lay_out(Plan([(40.0, 20.0)] * (n + 1), [Edge(i, n) for i in range(n)]))
    assert layout.width < 40 * (40 + 28)


@pytest.mark.parametrize("boxes", [0, 1])
def test_a_plan_may_be_almost_empty(boxes: int) -> None:
    assert len(lay_out(Plan([(40.0, 20.0)] * boxes, [])).boxes) == boxes


def test_lines_may_go_up() -> None:
    plan = Plan([(40.0, 20.0)] * 2, [Edge(0, 1), Edge(1, 0)])
    layout = lay_out(plan)
    up = next(run for run in layout.runs if run.edge == 1)
    assert up.points[0][1] > up.points[-1][1]
    assert up.points[-1][1] == pytest.approx(layout.boxes[0][1] + 20)


def test_more_boxes_than_care_can_be_taken_of_do_not_overlap_either() -> None:
    plan = random_plan(5, boxes=CAREFUL + 100)
    found = sorted(rectangles(plan, lay_out(plan)))
    assert not any(overlap(a, b) for i, a in enumerate(found) for b in found[i + 1 : i + 60])


def test_many_boxes_in_frames_are_still_framed() -> None:
    plan = random_plan(5, boxes=CAREFUL + 100, frames=3)
    layout = lay_out(plan)
    for box, rectangle in enumerate(rectangles(plan, layout)):
        assert all(holds(layout.frames[frame], rectangle) for frame in around(plan, box))
