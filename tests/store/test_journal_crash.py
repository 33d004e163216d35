"""Nothing acknowledged is lost or doubled when the process is killed: at any write point, at any moment."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from journalling import Acknowledged, check, drained, finish, numbers, payload, spawn

from tracelib.store.journal.journal import RECORD_POINTS, Journal
from tracelib.store.journal.mapped import FILE_POINTS
from tracelib.store.journal.running import SLOT_POINTS
from tracelib.store.journal.segments import running, segments, tables

DEATHS = [
    *((point, count) for point in RECORD_POINTS for count in (1, 2, 57)),
    *(
        (point, count)
        for point in FILE_POINTS
        if point not in ("file closing", "file closed")
        for count in (1, 2, 5)
    ),
    *((point, count) for point in ("file closing", "file closed") for count in (1, 3)),
    *((point, count) for point in SLOT_POINTS for count in (1, 40)),
]


@pytest.mark.parametrize(("point", "count"), DEATHS, ids=lambda value: str(value).replace(" ", "-"))
def test_a_process_killed_at_a_write_point_loses_nothing(tmp_path: Path, point: str, count: int) -> None:
    folder, acks = tmp_path / "journal", tmp_path / "acks"
    code, _, err = finish(spawn("one", folder, acks, 400, 100, failpoint=f"{point}:{count}"))
    assert code == -signal.SIGKILL, err
    acknowledged = Acknowledged(acks)
    check(folder, acknowledged)
    before = len(drained(folder))
    with_a_living_owner = Journal(folder)
    with_a_living_owner.append(9, payload(8, 0, 10))
    after = drained(folder)
    assert numbers(after[before:]) == {8: [0]}
    assert len(after) == before + 1
    with_a_living_owner.close()


def test_a_process_killed_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    rounds = 120
    code, _, err = finish(spawn("killed", tmp_path, rounds, 7))
    assert code == 0, err
    for number in range(rounds):
        check(tmp_path / str(number), Acknowledged(tmp_path / f"{number}.acks"), writers=3)
    assert sum(Acknowledged(tmp_path / f"{number}.acks")[0] for number in range(rounds)) > rounds


def test_both_sides_of_a_fork_keep_all_their_records(tmp_path: Path) -> None:
    folder, acks = tmp_path / "journal", tmp_path / "acks"
    code, _, err = finish(spawn("forking", folder, acks, 6))
    assert code == 0, err
    check(folder, Acknowledged(acks), writers=14)
    assert not any(segment.alive() for segment in segments(folder))
    assert numbers(drained(folder))[13] == list(range(200))


def test_a_fork_in_the_middle_of_an_append_loses_nothing_and_holds_nobody_up(tmp_path: Path) -> None:
    folder, acks = tmp_path / "journal", tmp_path / "acks"
    code, out, err = finish(spawn("forking_in_handlers", folder, acks))
    assert code == 0, err
    codes, children = json.loads(out)
    found = numbers(drained(folder))
    assert codes == [0]
    assert len(children) > 5
    # A call that was forked in the middle returns in both processes, and both have written it.
    assert set(found[0]) == set(range(1500))
    assert found[1] == list(range(3000))
    assert sorted(found[2]) == children


def test_the_calls_of_a_killed_process_are_interrupted(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    finish(spawn("one", folder, tmp_path / "acks", 120, 100, failpoint="record committed:30"))
    assert [(call.payload, call.alive) for call in running(folder)] == [(b"0:29", False)]
    for table in tables(folder):
        table.remove()
    assert running(folder) == []
