"""A journal gives back what was appended, in order, whatever happens to its folder, threads and files."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journalling import Acknowledged, check, drained, finish, numbers, payload, spawn, write

from tracelib.errors import StoreWarning
from tracelib.store.journal.frames import SEGMENT_MAGIC, SLOT_PAYLOAD, SLOTS
from tracelib.store.journal.journal import Journal
from tracelib.store.journal.kept import KEPT_BYTES
from tracelib.store.journal.mapped import Folder
from tracelib.store.journal.segments import Batch, Segment, running, segments, sweep, tables

MIB = 1 << 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def journal(folder: Path, told: list[str]) -> Iterator[Journal]:
    journal = Journal(folder, segment_bytes=16384, tell=told.append)
    yield journal
    journal.close()


def payloads(folder: Path) -> list[bytes]:
    return [record.payload for record in drained(folder)]


# ---- what goes in comes out


@settings(max_examples=60, deadline=None)
@given(
    records=st.lists(
        st.tuples(st.integers(0, 255), st.binary(max_size=400) | st.integers(0, 9000).map(bytes))
    ),
    segment_bytes=st.integers(256, 20000),
    limit_bytes=st.integers(1, 20000),
)
def test_any_records_come_back_equal_and_in_order(
    tmp_path_factory: pytest.TempPathFactory,
    records: list[tuple[int, bytes]],
    segment_bytes: int,
    limit_bytes: int,
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    journal = Journal(folder, segment_bytes)
    for kind, data in records:
        journal.append(kind, data)
    while_open = drained(folder, limit_bytes)
    journal.close()
    assert [(kind, data) for kind, data, _ in while_open] == records
    assert drained(folder, limit_bytes) == while_open


def test_a_record_longer_than_a_segment_has_one_of_its_own(journal: Journal, folder: Path) -> None:
    for number in range(6):
        journal.append(1, payload(0, number, 3 * MIB if number % 2 else 10))
    assert numbers(drained(folder)) == {0: list(range(6))}


def test_records_made_durable_are_read_like_others(folder: Path) -> None:
    journal = Journal(folder, segment_bytes=4096, durability="fsync")
    for number in range(100):
        journal.append(1, payload(0, number, 100))
    assert numbers(drained(folder)) == {0: list(range(100))}
    assert journal.status().durability == "fsync"
    journal.close()


def test_reading_goes_on_where_it_stopped(journal: Journal, folder: Path) -> None:
    journal.append(1, b"first")
    (segment,) = segments(folder)
    first = segment.read()
    assert list(segment.read(first.offset).records) == []
    journal.append(2, b"second")
    second = segment.read(first.offset)
    assert [(r.kind, r.payload) for r in (*first.records, *second.records)] == [(1, b"first"), (2, b"second")]


def test_nobody_else_may_look_into_the_journal(journal: Journal, folder: Path) -> None:
    journal.append(1, b"secret")
    journal.start(b"secret")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_a_closed_journal_leaves_no_more_than_it_wrote(journal: Journal, folder: Path) -> None:
    for number in range(70):
        journal.append(1, payload(0, number, 200))
    journal.close()
    journal.close()
    assert sum(path.stat().st_size for path in folder.iterdir()) < 70 * 240 + 4096
    assert all(path.suffix == ".journal" for path in folder.iterdir())
    journal.append(1, payload(0, 70, 200))
    assert numbers(drained(folder)) == {0: list(range(71))}


def test_names_follow_in_order_when_the_clock_goes_backwards(folder: Path) -> None:
    times = iter(range(10_000_000_000_000, 0, -1_000_000_000))
    place = Folder(folder, salt=7, sync=False, clock=lambda: next(times))
    made = [place.make(SEGMENT_MAGIC, ".journal", 4096).path.name for _ in range(20)]
    assert [segment.name for segment in segments(folder)] == made


# ---- threads, handlers, processes


def test_eight_threads_lose_and_double_nothing(journal: Journal, folder: Path, tmp_path: Path) -> None:
    acknowledged = Acknowledged(tmp_path / "acks")
    threads = [threading.Thread(target=write, args=(journal, acknowledged, n, 2000, 100)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert numbers(drained(folder)) == {writer: list(range(2000)) for writer in range(8)}
    assert running(folder) == []


@pytest.fixture
def alarms() -> Iterator[None]:
    before = signal.getsignal(signal.SIGALRM)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("alarms")
def test_a_signal_handler_may_append_in_the_middle_of_an_append(journal: Journal, folder: Path) -> None:
    handled = 0

    def handler(*_: object) -> None:
        nonlocal handled
        number, handled = handled, handled + 1  # before the append: handlers nest
        journal.append(2, payload(1, number, 900))

    signal.signal(signal.SIGALRM, handler)
    for number in range(20000):
        if number % 40 == 0:
            signal.setitimer(signal.ITIMER_REAL, 0.0001)
        journal.append(1, payload(0, number, 90))
    signal.setitimer(signal.ITIMER_REAL, 0)
    found = numbers(drained(folder))
    assert handled > 20
    assert found[0] == list(range(20000))
    assert sorted(found[1]) == list(range(handled))


def test_a_handler_that_fills_the_segment_in_the_middle_of_an_append_does_not_end_it(
    journal: Journal, folder: Path
) -> None:
    """Between taking a place and writing its header; a reader removes what is finished meanwhile."""
    found: list[bytes] = []

    def drain() -> None:
        for segment in segments(folder):
            batch = segment.read()
            if segment.finished(batch.offset):
                found.extend(record.payload for record in batch.records)
                segment.remove()

    def interrupt(frame: types.FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_locals.get("name") == "record reserved":
            sys.setprofile(None)
            for number in range(100):
                journal.append(1, b"%d" % number * 200)
            drain()

    before = sys.getprofile()
    sys.setprofile(interrupt)
    journal.append(1, b"interrupted")
    sys.setprofile(before)
    assert len(segments(folder)) > 1
    journal.close()
    drain()
    assert b"interrupted" in found
    assert len(found) == 101


def _close_drafts(folder: Path) -> None:
    """Python cannot close what a call opened in which it was interrupted: on a slow disk, thousands."""
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            target = link.readlink()
            if target.parent == folder and target.suffix == ".new":
                os.close(int(link.name))


@pytest.mark.usefixtures("alarms")
def test_an_interrupt_in_the_middle_of_an_append_holds_nobody_up(journal: Journal, folder: Path) -> None:
    def handler(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, handler)
    number = interrupts = 0
    acknowledged = set()
    while number < 4000:
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.0002)
            for number in range(number, 4000):  # noqa: B020 - goes on where it was interrupted
                journal.append(1, payload(0, number, 90))
                acknowledged.add(number)
            number += 1
        except KeyboardInterrupt:
            interrupts += 1
            number += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    _close_drafts(folder)
    journal.append(1, payload(0, 4000, 90))
    found = numbers(drained(folder))[0]
    assert interrupts > 20
    assert found == sorted(set(found))
    assert acknowledged <= set(found)
    assert found[-1] == 4000


def test_a_reader_in_another_process_sees_each_record_once_and_may_remove_segments(
    folder: Path, tmp_path: Path
) -> None:
    writer = spawn("one", folder, tmp_path / "acks", 6000, 200)
    found: list[int] = []
    offsets: dict[str, int] = {}
    over = False
    while not over:
        over = writer.poll() is not None
        for segment in segments(folder):
            batch = segment.read(offsets.get(segment.name, 0), 5000)
            offsets[segment.name] = batch.offset
            found += numbers(batch.records).get(0, [])
            if batch.records:
                over = False
            elif segment.finished(batch.offset):
                segment.remove()
            # The next segment's records are younger.
            else:
                break
    assert finish(writer)[0] == 0
    assert found == list(range(6000))
    assert segments(folder) == []


def test_a_segment_that_another_reader_removed_is_finished_and_empty(journal: Journal, folder: Path) -> None:
    journal.append(1, b"x")
    (segment,) = segments(folder)
    segment.remove()
    segment.remove()
    assert segment.read(0).records == ()
    assert segment.finished(0)
    assert not segment.alive()
    assert segments(folder / "nowhere") == []


def test_a_segment_is_alive_until_its_owner_closes_it(journal: Journal, folder: Path) -> None:
    journal.append(1, b"x")
    (segment,) = segments(folder)
    offset = segment.read().offset
    assert segment.alive()
    assert not segment.finished(offset)
    journal.close()
    assert not segment.alive()
    assert segment.finished(offset)
    assert not segment.finished(0)


# ---- the folder fails


def test_a_folder_that_cannot_be_written_costs_one_warning_and_no_record(
    folder: Path, told: list[str]
) -> None:
    folder.write_text("a file stands where the folder should be")
    journal = Journal(folder, tell=told.append)
    for number in range(300):
        journal.append(1, payload(0, number, 50))
    assert journal.start(b"x") == -1
    assert journal.status().kept_records == 300
    assert [str(folder) in text and "kept in memory" in text for text in told] == [True]
    folder.unlink()
    journal.flush()
    journal.append(1, payload(0, 300, 50))
    assert numbers(drained(folder)) == {0: list(range(301))}
    assert journal.status().kept_records == journal.status().kept_bytes == 0
    assert len(told) == 1
    journal.close()


def test_what_is_kept_is_written_by_a_later_append(folder: Path, told: list[str]) -> None:
    folder.write_text("")
    journal = Journal(folder, tell=told.append)
    journal.append(1, payload(0, 0, 50))
    folder.unlink()
    journal.append(1, payload(0, 1, 50))
    assert drained(folder) == []
    time.sleep(1.1)
    journal.append(1, payload(0, 2, 50))
    assert numbers(drained(folder)) == {0: [0, 1, 2]}
    journal.close()


def test_a_full_disk_that_was_freed_holds_the_records_in_order(folder: Path) -> None:
    code, out, err = finish(spawn("failing", folder, failpoint="file allocated:1-11:ENOSPC"))
    assert code == 0, err
    kept_then, kept_at_last, told = json.loads(out)
    assert (kept_then, kept_at_last) == (20, 0)
    assert len(told) == 1
    assert os.strerror(errno.ENOSPC) in told[0]
    assert numbers(drained(folder)) == {0: list(range(21))}
    assert not list(folder.glob("*.new"))


def test_memory_has_a_bound_and_what_is_lost_is_counted(folder: Path, told: list[str]) -> None:
    folder.write_text("")
    journal = Journal(folder, tell=told.append)
    for _ in range(KEPT_BYTES // MIB + 3):
        journal.append(1, bytes(MIB))
    status = journal.status()
    assert (status.kept_bytes, status.lost_records) == (KEPT_BYTES, 3)
    assert "records are being lost" in told[1]
    assert status.problem == told[1]
    folder.unlink()
    journal.close()
    assert len(drained(folder)) == KEPT_BYTES // MIB


def test_a_journal_that_closes_with_records_unwritten_says_so(folder: Path, told: list[str]) -> None:
    folder.write_text("")
    journal = Journal(folder, tell=told.append)
    journal.append(1, b"x")
    journal.close()
    assert "1 records could not be written" in told[-1]


def test_the_user_is_warned_and_his_program_goes_on_even_where_warnings_are_errors(folder: Path) -> None:
    folder.write_text("")
    journal = Journal(folder)
    journal.append(1, b"x")
    with pytest.warns(StoreWarning, match="kept in memory"):
        Journal(folder).append(1, b"x")
    assert journal.status().kept_records == 1


def test_a_folder_deleted_under_way_is_made_again_with_all_that_it_held(
    journal: Journal, folder: Path, told: list[str]
) -> None:
    for number in range(20):
        journal.append(1, payload(0, number, 50))
    slot = journal.start(b"running")
    shutil.rmtree(folder)
    journal.append(1, payload(0, 20, 50))
    journal.flush()
    journal.append(1, payload(0, 21, 50))
    assert numbers(drained(folder)) == {0: list(range(22))}
    assert [call.payload for call in running(folder)] == [b"running"]
    journal.end(slot)
    assert running(folder) == []
    assert "was deleted" in told[0]


def test_a_deleted_folder_is_noticed_within_a_second(journal: Journal, folder: Path) -> None:
    journal.append(1, payload(0, 0, 50))
    shutil.rmtree(folder)
    time.sleep(1.1)
    journal.append(1, payload(0, 1, 50))
    assert numbers(drained(folder)) == {0: [0, 1]}


def test_a_folder_moved_away_keeps_what_it_holds_and_a_new_one_gets_the_rest(
    journal: Journal, folder: Path
) -> None:
    journal.append(1, payload(0, 0, 50))
    folder.rename(folder.with_name("moved"))
    journal.flush()
    journal.append(1, payload(0, 1, 50))
    assert numbers(drained(folder.with_name("moved"))) == {0: [0]}
    assert numbers(drained(folder)) == {0: [1]}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a tmpfs of 1 MiB is not permitted here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_disk_that_fills_up_kills_nobody_and_loses_nothing(small_disk: Path, told: list[str]) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(600_000))
    journal = Journal(small_disk / "journal", tell=told.append)
    for number in range(2000):
        journal.append(1, payload(0, number, 500))
        journal.end(journal.start(b"x"))
    kept = journal.status().kept_records
    assert 500 < kept < 2000
    assert len(drained(small_disk / "journal")) == 2000 - kept
    assert os.strerror(errno.ENOSPC) in told[0]
    ballast.unlink()
    journal.flush()
    found = drained(small_disk / "journal")
    assert len(found) > 2000 - kept
    assert numbers(found) == {0: list(range(len(found)))}
    for segment in segments(small_disk / "journal"):
        segment.remove()
    journal.close()
    found += drained(small_disk / "journal")
    assert numbers(found)[0][-1] == 1999
    assert len(told) <= 2


# ---- running calls


def test_a_running_call_is_seen_until_it_ends(journal: Journal, folder: Path) -> None:
    first, second = journal.start(b"one"), journal.start(b"")
    assert [(call.payload, call.alive, call.pid) for call in running(folder)] == [
        (b"one", True, os.getpid()),
        (b"", True, os.getpid()),
    ]
    journal.end(first)
    journal.end(first)
    journal.end(-1)
    assert [call.payload for call in running(folder)] == [b""]
    journal.end(second)
    assert running(folder) == []


def test_the_table_of_running_calls_has_an_end(journal: Journal, folder: Path) -> None:
    slots = [journal.start(bytes([n % 256]) * 500) for n in range(SLOTS)]
    assert len(set(slots)) == SLOTS
    assert journal.start(b"one too many") == -1
    assert {len(call.payload) for call in running(folder)} == {SLOT_PAYLOAD}
    for slot in slots:
        journal.end(slot)
    assert journal.start(b"again") >= 0


def test_calls_that_run_when_the_journal_closes_are_left_as_interrupted(
    journal: Journal, folder: Path
) -> None:
    slot = journal.start(b"running")
    journal.close()
    assert [(call.payload, call.alive) for call in running(folder)] == [(b"running", False)]
    journal.end(slot)
    for table in tables(folder):
        assert not table.alive()
        table.remove()
    assert running(folder) == []


def test_a_child_neither_ends_nor_shows_its_parents_calls(journal: Journal, folder: Path) -> None:
    slot = journal.start(b"parent")
    child = os.fork()
    if child == 0:
        journal.end(slot)
        mine = journal.start(b"child")
        journal.end(slot)
        os._exit(0 if mine >= 0 and slot != mine else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert sorted((call.payload, call.alive) for call in running(folder)) == [
        (b"child", False),
        (b"parent", True),
    ]


def test_a_living_child_does_not_keep_its_parents_segment_alive(folder: Path) -> None:
    waiting, release = os.pipe()
    ready, begun = os.pipe()
    parent = os.fork()
    if parent == 0:
        journal = Journal(folder)
        journal.append(1, payload(0, 0, 10))
        journal.start(b"x")
        if os.fork() == 0:
            os.close(release)
            os.write(begun, b"!")
            os.read(waiting, 1)
            os._exit(0)
        os.read(ready, 1)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(parent, 0)
    (segment,) = segments(folder)
    assert not segment.alive()
    assert [call.alive for call in running(folder)] == [False]
    for end in (waiting, release, ready, begun):
        os.close(end)


# ---- sweeping


def test_what_was_never_finished_is_swept_after_an_hour(journal: Journal, folder: Path) -> None:
    journal.append(1, b"x")
    young, old = folder / "young.new", folder / "old.new"
    for path in (young, old):
        path.write_bytes(b"")
    os.utime(old, (time.time() - 4000,) * 2)
    sweep(folder)
    assert young.exists()
    assert not old.exists()
    assert payloads(folder) == [b"x"]


def test_files_of_other_kinds_are_not_read(journal: Journal, folder: Path) -> None:
    journal.append(1, b"x")
    (folder / "notes.txt").write_text("")
    (folder / "0.journal").write_bytes(b"no journal" * 100)
    strange, good = segments(folder)
    assert strange.read().records == ()
    assert not strange.finished(0)
    assert "is damaged" in strange.problem()
    assert good.problem() == ""
    assert isinstance(strange, Segment)


def test_files_of_another_user_hold_up_nobody_and_are_told(journal: Journal, folder: Path) -> None:
    """Of root, say, who ran the program once."""
    journal.append(1, b"x")
    journal.start(b"running")
    for path in folder.iterdir():
        path.chmod(0)
    folder.chmod(0o777)
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        if os.geteuid() == 0:
            os.setuid(65534)
        (segment,) = segments(Path())
        (table,) = tables(Path())
        told = "another user" in segment.problem()
        held = segment.alive() and table.alive() and not segment.finished(0)
        os._exit(0 if told and held and segment.read() == Batch((), 0) and table.running() == [] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    folder.chmod(0o700)


def test_check_notices_a_lost_record(journal: Journal, folder: Path, tmp_path: Path) -> None:
    acknowledged = Acknowledged(tmp_path / "acks")
    write(journal, acknowledged, 0, 5, 10)
    check(folder, acknowledged)
    acknowledged[0] = 6
    with pytest.raises(AssertionError):
        check(folder, acknowledged)
