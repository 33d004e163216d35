"""Curves and trees of a result, as our own SVG, and by matplotlib."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from training import TRIPLES, Line, near

from optimizers.pictures.curves import curves, ticks
from optimizers.pictures.sheet import Box, Dot, Words
from optimizers.pictures.tree import tree
from optimizers.results.trials import Trial
from optimizers.search import LocalSearch
from optimizers.trainer import Trainer
from tracelib.errors import RenderError

RESULT = Trainer(Line(), LocalSearch(trials=20), near).fit(TRIPLES[:4], TRIPLES[4:8])
SVG = "{http://www.w3.org/2000/svg}"


def words(picture):
    return [mark.text for mark in picture.marks if isinstance(mark, Words)]


def test_every_scored_candidate_is_a_dot_and_each_kind_has_a_shape_of_its_own():
    dots = [mark for mark in RESULT.curves().marks if isinstance(mark, Dot) and mark.hint]
    scores = sum(trial.train is not None for trial in RESULT.history)
    scores += sum(trial.validation is not None for trial in RESULT.history)
    assert len(dots) == scores
    shapes = {(dot.hint.split()[0], dot.shape) for dot in dots}
    assert shapes == {("seed", "square"), ("winner", "diamond"), ("tried", "circle")}


def test_better_is_higher_and_later_is_further_to_the_right():
    trials = [
        Trial("a", {}, "seed", validation=0.1, at={"validation": 4}),
        Trial("b", {}, "winner", validation=0.9, at={"validation": 20}),
    ]
    seed, winner = (mark for mark in curves(trials).marks if isinstance(mark, Dot) and mark.hint)
    assert winner.at[1] < seed.at[1]
    assert winner.at[0] > seed.at[0]


@pytest.mark.parametrize("score", [0.0, 0.5, -3.0, 1e9, 1e-9])
def test_one_score_alone_can_be_drawn(score):
    found = curves([Trial("a", {}, "seed", validation=score, at={"validation": 1})])
    assert "1 candidates scored" in words(found)
    ElementTree.fromstring(found.svg)


def test_a_run_that_scored_nobody_says_so():
    assert "no candidate ran on a whole split" in words(curves([Trial("a", {}, "seed")]))
    assert "1 candidates, each below what it was made from" in words(tree([Trial("a", {}, "seed")]))


def test_ticks_are_round_and_within_the_ends():
    for low, high in ((0, 1), (-13.8, 0.8), (0, 86), (0.93, 0.97), (1e6, 3e6)):
        found = ticks(low, high)
        assert 3 <= len(found) <= 8
        assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in found)


def test_each_candidate_is_a_box_below_its_parents():
    picture = RESULT.tree()
    boxes = [mark for mark in picture.marks if isinstance(mark, Box)]
    tops = dict(zip([trial.id for trial in RESULT.history], [box.at[1] for box in boxes], strict=True))
    for trial in RESULT.history:
        assert all(tops[parent] < tops[trial.id] for parent in trial.parents)
    assert "slope moved" in words(picture)


def test_a_rejected_proposal_stands_below_its_parent_with_the_problem():
    trials = [Trial("a", {}, "seed"), Trial("", {}, "rejected", "why", ("a",), problem="no JSON")]
    picture = tree(trials)
    seed, rejected = (mark for mark in picture.marks if isinstance(mark, Box))
    assert rejected.dashed
    assert rejected.at[1] > seed.at[1]
    assert "no JSON" in words(picture)


def test_what_candidates_say_is_escaped_and_unprintable_characters_are_shown():
    nasty = '<script>alert("x")</script> & \x00\x1b[0m \ud800 \u202e'
    trials = [replace(RESULT.history[0], reason=nasty, id="<b>")]
    for picture in (tree(trials), curves(trials)):
        assert "<script>" not in picture.svg
        root = ElementTree.fromstring(picture.svg.encode())
        assert root.tag == f"{SVG}svg"


def test_equal_results_give_equal_pictures():
    again = Trainer(Line(), LocalSearch(trials=20), near, executor=1).fit(TRIPLES[:4], TRIPLES[4:8])
    assert again.tree().svg == RESULT.tree().svg
    assert again.curves().svg == RESULT.curves().svg


def test_a_notebook_is_shown_the_svg():
    bundle = RESULT.curves()._repr_mimebundle_()
    assert bundle["image/svg+xml"] == RESULT.curves().svg
    assert bundle["text/plain"] == "<Picture: scores over runs>"


# Files


@pytest.mark.parametrize(("suffix", "head"), [("svg", b"<svg"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
@pytest.mark.parametrize("name", ["curves", "tree"])
def test_a_picture_is_saved_in_the_format_of_its_suffix(tmp_path, name, suffix, head):
    pytest.importorskip("matplotlib")
    path = getattr(RESULT, name)().save(str(tmp_path / f"{name}.{suffix}"))
    assert path.read_bytes().startswith(head)


def test_dollars_in_a_reason_are_no_formula(tmp_path):
    pytest.importorskip("matplotlib")
    trials = [Trial("a", {}, "seed", reason="costs $5 and $x_{")]
    assert tree(trials).save(str(tmp_path / "tree.png")).stat().st_size > 1_000


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(RenderError, match=r"choose \.svg, \.png or \.pdf"):
        RESULT.tree().save(str(tmp_path / "tree.gif"))


def test_without_matplotlib_svg_is_drawn_and_png_says_how_to_get_it(tmp_path):
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from optimizers.pictures.curves import curves\n"
        "from optimizers.results.trials import Trial\n"
        "picture = curves([Trial('a', {}, 'seed', validation=1.0, at={'validation': 3})])\n"
        "picture.save('curves.svg')\n"
        "try:\n    picture.save('curves.png')\n"
        "except Exception as error:\n    print(type(error).__name__, error)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
    )
    assert ran.stdout.startswith("RenderError png is drawn by matplotlib: pip install 'tracelib[matplotlib]'")
    assert [path.name for path in tmp_path.iterdir()] == ["curves.svg"]
