"""A reader finds every whole record in files torn, cut off, damaged, or left open by a dead owner."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracelib.store.journal.frames import (
    COMMITTED,
    FORMAT,
    FRAME,
    FRAME_BYTES,
    HEAD_BYTES,
    OPEN,
    SEGMENT_MAGIC,
    STATE_AT,
    Head,
    checksum,
    padded,
)
from tracelib.store.journal.journal import Journal
from tracelib.store.journal.segments import Batch, Segment, segments

SALT = 12345


def frame(payload: bytes, kind: int = 1, state: int = COMMITTED, salt: int = SALT) -> bytes:
    size = FRAME_BYTES + len(payload)
    head = FRAME.pack(size, kind, state, 0, checksum(payload, size, kind, salt))
    return (head + payload).ljust(padded(size), b"\0")


WRITTEN: dict[str, Callable[[bytes], bytes]] = {
    "committed": frame,
    "headed": lambda payload: frame(payload, state=OPEN),
    "reserved": lambda payload: bytes(len(frame(payload))),
}
"""What is in the file when its writer died: all, the header without the commit, nothing yet."""


def head(closed: bool = False, version: int = FORMAT) -> bytes:
    return Head(SEGMENT_MAGIC, version, closed, 1, SALT, 0, "somewhere").packed().ljust(HEAD_BYTES, b"\0")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "0.journal"


def segment(path: Path, *parts: bytes, closed: bool = False, room: int = 1000) -> Segment:
    path.write_bytes(head(closed) + b"".join(parts) + bytes(room))
    return Segment(path)


def whole(segment: Segment) -> tuple[list[bytes], int]:
    """All payloads, and the number of damaged records, to the end."""
    found: list[bytes] = []
    damaged = offset = 0
    while True:
        batch = segment.read(offset, 64)
        found += payloads(batch)
        damaged += batch.damaged
        offset = batch.offset
        if not batch.records:
            return found, damaged


def payloads(batch: Batch) -> list[bytes]:
    return [record.payload for record in batch.records]


@pytest.fixture
def owner(path: Path) -> Iterator[int]:
    """Somebody who holds the lock of the file at `path`."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield descriptor
    os.close(descriptor)


def test_a_record_that_a_dead_owner_left_open_is_passed_over(path: Path) -> None:
    left = segment(path, frame(b"one"), frame(b"never", state=OPEN), frame(b"two"))
    assert whole(left) == ([b"one", b"two"], 0)


def test_a_record_that_a_living_owner_left_open_is_waited_for(path: Path, owner: int) -> None:
    shared = segment(path, frame(b"one"), frame(b"soon", state=OPEN), frame(b"two"))
    first = shared.read()
    assert payloads(first) == [b"one"]
    assert payloads(shared.read(first.offset)) == []
    os.pwrite(owner, bytes([COMMITTED]), first.offset + STATE_AT)
    assert payloads(shared.read(first.offset)) == [b"soon", b"two"]


def test_a_closed_segment_is_finished_only_when_its_open_record_is_committed(path: Path, owner: int) -> None:
    shared = segment(path, frame(b"soon", state=OPEN), closed=True, room=0)
    assert not shared.finished(0)
    os.pwrite(owner, bytes([COMMITTED]), HEAD_BYTES + STATE_AT)
    assert not shared.finished(0)
    assert shared.finished(shared.read().offset)


def test_a_closed_segment_is_not_finished_before_a_place_that_was_taken_in_it(path: Path, owner: int) -> None:
    hole = bytes(len(frame(b"two")))
    shared = segment(path, frame(b"one"), hole, frame(b"three"), closed=True, room=0)
    first = shared.read()
    assert payloads(first) == [b"one"]
    assert not shared.finished(first.offset)
    os.pwrite(owner, frame(b"two"), first.offset)
    last = shared.read(first.offset)
    assert payloads(last) == [b"two", b"three"]
    assert shared.finished(last.offset)


def test_a_hole_without_a_header_hides_nothing_once_the_owner_is_dead(path: Path, owner: int) -> None:
    shared = segment(path, frame(b"one"), bytes(48), frame(b"two"), bytes(5000), frame(b"three"))
    assert whole(shared) == ([b"one"], 0)
    fcntl.flock(owner, fcntl.LOCK_UN)
    assert whole(shared) == ([b"one", b"two", b"three"], 0)


@pytest.mark.parametrize("written", range(FRAME_BYTES))
def test_a_torn_header_at_the_end_is_no_record_and_no_damage(path: Path, written: int) -> None:
    torn = frame(bytes(70000), kind=200, state=OPEN)[:written]
    left = segment(path, frame(b"one"), torn)
    assert whole(left) == ([b"one"], 0)
    assert left.finished(left.read().offset)


@pytest.mark.parametrize("length", [0, 1, 3, FRAME_BYTES - 1, 2**31, 2**32 - 1])
def test_a_record_whose_length_was_damaged_costs_only_itself(path: Path, length: int) -> None:
    bad = length.to_bytes(4, "little") + frame(b"bad")[4:]
    left = segment(path, frame(b"one"), bad, frame(b"two"), frame(b"three"))
    assert whole(left) == ([b"one", b"two", b"three"], 1)


PAYLOADS = st.lists(st.binary(max_size=60), min_size=1, max_size=8)


@settings(max_examples=300, deadline=None)
@given(records=PAYLOADS, data=st.data())
def test_any_damaged_byte_costs_one_record_at_most(
    tmp_path_factory: pytest.TempPathFactory, records: Sequence[bytes], data: st.DataObject
) -> None:
    frames = [frame(record) for record in records]
    body = bytearray(b"".join(frames))
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] ^= data.draw(st.integers(1, 255))
    hit = next(n for n in range(len(frames)) if at < sum(map(len, frames[: n + 1])))
    found, damaged = whole(segment(tmp_path_factory.mktemp("damaged") / "0.journal", bytes(body)))
    without = [*records[:hit], *records[hit + 1 :]]
    assert found in (list(records), without)
    assert damaged <= 1


@settings(max_examples=200, deadline=None)
@given(records=PAYLOADS, data=st.data())
def test_a_file_cut_off_anywhere_keeps_the_records_before_the_cut(
    tmp_path_factory: pytest.TempPathFactory, records: Sequence[bytes], data: st.DataObject
) -> None:
    frames = [frame(record) for record in records]
    cut = data.draw(st.integers(0, sum(map(len, frames))))
    left = segment(tmp_path_factory.mktemp("cut") / "0.journal", b"".join(frames)[:cut], room=0)
    sizes = [FRAME_BYTES + len(record) for record in records]
    ends = [sum(map(len, frames[:n])) + sizes[n] for n in range(len(frames))]
    assert whole(left)[0] == [record for record, end in zip(records, ends, strict=True) if end <= cut]


@settings(max_examples=200, deadline=None)
@given(parts=st.lists(st.tuples(st.binary(max_size=50), st.sampled_from(sorted(WRITTEN))), max_size=10))
def test_every_committed_record_of_a_dead_owner_is_found_whatever_its_threads_left(
    tmp_path_factory: pytest.TempPathFactory, parts: Sequence[tuple[bytes, str]]
) -> None:
    path = tmp_path_factory.mktemp("left") / "0.journal"
    left = segment(path, *(WRITTEN[state](payload) for payload, state in parts))
    assert whole(left) == ([payload for payload, state in parts if state == "committed"], 0)


def test_a_payload_that_holds_another_journal_is_never_taken_for_records(path: Path) -> None:
    other = frame(b"of another journal", salt=999) * 3
    left = segment(path, bytes(16), frame(b"one"), bytes(24), other, frame(other), bytes(8), frame(b"two"))
    found, _ = whole(left)
    assert found == [b"one", other, b"two"]


def test_a_segment_of_a_newer_format_is_left_alone(path: Path) -> None:
    path.write_bytes(head(version=FORMAT + 1) + frame(b"one"))
    newer = Segment(path)
    assert newer.read().records == ()
    assert not newer.finished(0)
    assert "update tracelib" in newer.problem()


def test_the_head_says_whose_segment_it_is(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append(1, b"x")
    (mine,) = segments(tmp_path)
    found = mine.head()
    assert found is not None
    assert (found.pid, found.closed) == (os.getpid(), False)
    assert found.host == os.uname().nodename[:64]
    journal.close()
    closed = mine.head()
    assert closed is not None
    assert closed.closed
