from __future__ import annotations

import os
from pathlib import Path

import pytest

from optimizers.demo.corpus import Question
from optimizers.demo.folder import Folder
from optimizers.demo.splits import SHARES, Splits
from tracelib.errors import NoSourceError, StateError


def questions(count: int) -> list[tuple[Question, str]]:
    return [(Question(f"Sentence number {n}.", n), f"module{n % 7}") for n in range(count)]


def test_the_splits_share_no_question() -> None:
    splits = Splits.of(questions(2000), seed=0)
    parts = [splits.train, splits.validation, splits.test]
    assert tuple(map(len, parts)) == SHARES
    assert len({question.number for part in parts for question, _ in part}) == sum(SHARES)


def test_the_splits_depend_on_the_seed_alone() -> None:
    assert Splits.of(questions(2000), 1) == Splits.of(questions(2000), 1) != Splits.of(questions(2000), 2)


def test_fewer_questions_are_split_in_the_same_proportions() -> None:
    splits = Splits.of(questions(650), seed=0)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (200, 150, 300)


def test_too_few_questions_are_an_error() -> None:
    with pytest.raises(NoSourceError, match="only 129 questions"):
        Splits.of(questions(129), seed=0)


def test_the_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "deep" / "out")
    assert folder.prepare(resume=False) is None
    assert list(folder.path.iterdir()) == []


def test_a_file_in_the_folder_s_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(StateError, match="is a file"):
        Folder(tmp_path / "out").prepare(resume=False)
    with pytest.raises(StateError, match="cannot be written to"):
        Folder(tmp_path / "out" / "inner").prepare(resume=False)


@pytest.mark.skipif(os.name != "posix", reason="/proc is Linux's")
def test_a_folder_that_cannot_be_made_is_an_error() -> None:
    with pytest.raises(StateError, match="cannot be written to"):
        Folder(Path("/proc/tracelib-demo")).prepare(resume=False)


@pytest.mark.parametrize("name", ["result.json", "agent.json", "graph.svg"])
def test_files_of_something_else_are_not_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(StateError, match=name):
        Folder(tmp_path).prepare(resume=False)
    assert (tmp_path / name).read_text() == "mine"


def test_there_must_be_something_to_resume(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="nothing to resume"):
        Folder(tmp_path).prepare(resume=True)


def test_an_ended_run_makes_room_for_the_next_and_nothing_else_is_touched(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    for file in (folder.journal, folder.agent, folder.graph, tmp_path / "notes.txt"):
        file.write_text("old")
    folder.save({"mean": 0.5})
    assert folder.prepare(resume=False) is None
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


def test_an_interrupted_run_is_set_aside_and_said_to_be(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.journal.write_text("half")
    said = folder.prepare(resume=False)
    assert said is not None
    assert folder.set_aside.read_text() == "half"
    assert folder.set_aside.name in said


def test_resuming_touches_nothing(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.journal.write_text("half")
    assert folder.prepare(resume=True) is None
    assert folder.journal.read_text() == "half"
