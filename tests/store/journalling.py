"""Processes that write a journal and count, in a file that outlives them, what was acknowledged to them."""

from __future__ import annotations

import json
import mmap
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from tracelib.store.journal.failpoints import VARIABLE
from tracelib.store.journal.frames import Record
from tracelib.store.journal.journal import Journal
from tracelib.store.journal.segments import segments

ROOT = Path(__file__).parents[2]
WRITERS = 16


class Acknowledged:
    """How many appends have returned to each writer; in a mapped file, so that kill -9 takes nothing back."""

    def __init__(self, path: Path) -> None:
        with open(path, "a+b") as file:
            file.truncate(WRITERS * 8)
            # One store of eight bytes each; struct.pack_into would write zeros first.
            self._counts = memoryview(mmap.mmap(file.fileno(), WRITERS * 8)).cast("Q")

    def __getitem__(self, writer: int) -> int:
        return self._counts[writer]

    def __setitem__(self, writer: int, count: int) -> None:
        self._counts[writer] = count


def payload(writer: int, number: int, size: int) -> bytes:
    """A record that says whose it is and which; the rest depends on both, so that a mix-up shows."""
    head = b"%d:%d:" % (writer, number)
    return head + bytes([(writer * 31 + number) % 251]) * size


def write(journal: Journal, acknowledged: Acknowledged, writer: int, count: int, size: int) -> None:
    for number in range(count):
        slot = journal.start(b"%d:%d" % (writer, number))
        journal.append(1 + writer, payload(writer, number, size * (number % 4) // 2))
        acknowledged[writer] = number + 1
        journal.end(slot)


def drained(folder: Path, limit_bytes: int = 1 << 16) -> list[Record]:
    """Everything that can be read, segment after segment; nothing may be damaged."""
    found: list[Record] = []
    for segment in segments(folder):
        offset = 0
        while (batch := segment.read(offset, limit_bytes)).records:
            assert batch.damaged == 0
            found.extend(batch.records)
            offset = batch.offset
        assert batch.damaged == 0
    return found


def numbers(records: Sequence[Record]) -> dict[int, list[int]]:
    """The numbers of the records of each writer, in the order of the journal; checks that each is whole."""
    found: dict[int, list[int]] = defaultdict(list)
    for record in records:
        writer, number, rest = record.payload.split(b":", 2)
        assert record.kind == 1 + int(writer)
        assert rest == bytes([(int(writer) * 31 + int(number)) % 251]) * len(rest)
        found[int(writer)].append(int(number))
    return found


def check(folder: Path, acknowledged: Acknowledged, writers: int = 1) -> None:
    """All that was acknowledged is there, once, in order; at most one record more, not yet acknowledged."""
    found = numbers(drained(folder))
    for writer in range(writers):
        there = len(found[writer])
        assert found[writer] == list(range(there))
        assert acknowledged[writer] <= there <= acknowledged[writer] + 1


def spawn(*arguments: object, failpoint: str = "") -> subprocess.Popen[str]:
    environment = {**os.environ, VARIABLE: failpoint, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, __file__, *map(str, arguments)]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def one(folder: str, acks: str, count: str, size: str) -> None:
    """One writer, small segments."""
    journal = Journal(Path(folder), segment_bytes=4096)
    write(journal, Acknowledged(Path(acks)), 0, int(count), int(size))
    journal.close()


def killed(folder: str, rounds: str, seed: str) -> None:
    """Many children one after another, each with three threads that write, killed at a random moment."""
    chance = random.Random(int(seed))
    for number in range(int(rounds)):
        place = Path(folder, str(number))
        acknowledged = Acknowledged(Path(folder, f"{number}.acks"))
        child = os.fork()
        if child == 0:
            _write_for_ever(Journal(place, segment_bytes=32768), acknowledged)
        time.sleep(chance.uniform(0.001, 0.03))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _write_for_ever(journal: Journal, acknowledged: Acknowledged) -> None:
    for writer in range(1, 3):
        threading.Thread(target=write, args=(journal, acknowledged, writer, 10**9, 700), daemon=True).start()
    write(journal, acknowledged, 0, 10**9, 700)


def forking(folder: str, acks: str, forks: str) -> None:
    """Threads write on while the process forks, and each child writes with threads of its own."""
    journal = Journal(Path(folder), segment_bytes=16384)
    acknowledged = Acknowledged(Path(acks))
    threads = [
        threading.Thread(target=write, args=(journal, acknowledged, writer, 3000, 300)) for writer in (0, 1)
    ]
    for thread in threads:
        thread.start()
    children = []
    for number in range(int(forks)):
        time.sleep(0.01)
        child = os.fork()
        if child == 0:
            _write_in_child(journal, acknowledged, 2 + 2 * number)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    for thread in threads:
        thread.join()
    journal.close()
    assert codes == [0] * int(forks), codes


def _write_in_child(journal: Journal, acknowledged: Acknowledged, writer: int) -> None:
    other = threading.Thread(target=write, args=(journal, acknowledged, writer + 1, 200, 300))
    other.start()
    write(journal, acknowledged, writer, 200, 300)
    other.join()
    assert journal.status().kept_records == 0
    os._exit(0)


def forking_in_handlers(folder: str, acks: str) -> None:
    """A signal handler forks in the middle of whatever the journal does, while another thread writes.

    Each child writes one record of its own, goes on with the append it was forked out of, and ends.
    """
    journal = Journal(Path(folder), segment_bytes=8192)
    acknowledged = Acknowledged(Path(acks))
    parent = os.getpid()
    children: list[int] = []

    within = False

    def handler(*_: object) -> None:
        nonlocal within
        if within or os.getpid() != parent:  # a child of a child would be nobody's
            return
        within = True
        child = os.fork()
        if child:
            children.append(child)
        else:
            journal.append(3, payload(2, os.getpid(), 50))
        within = False

    signal.signal(signal.SIGALRM, handler)
    other = threading.Thread(target=write, args=(journal, acknowledged, 1, 3000, 300))
    other.start()
    for number in range(1500):
        if number % 20 == 0:
            signal.setitimer(signal.ITIMER_REAL, 0.0001)
        journal.append(1, payload(0, number, 90))
        if os.getpid() != parent:
            os._exit(0)
        acknowledged[0] = number + 1
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    if os.getpid() != parent:
        os._exit(0)
    other.join()
    codes = {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children}
    journal.close()
    print(json.dumps([sorted(codes), sorted(children)]))


def failing(folder: str) -> None:
    """The disk is full, by a failpoint, until the fourth attempt."""
    told: list[str] = []
    journal = Journal(Path(folder), tell=told.append)
    for number in range(20):
        journal.append(1, payload(0, number, 50))
    full = journal.status()
    for _ in range(9):
        journal.flush()
    journal.append(1, payload(0, 20, 50))
    journal.close()
    print(json.dumps([full.kept_records, journal.status().kept_records, told]))


if __name__ == "__main__":
    {
        "one": one,
        "killed": killed,
        "forking": forking,
        "failing": failing,
        "forking_in_handlers": forking_in_handlers,
    }[sys.argv[1]](*sys.argv[2:])
