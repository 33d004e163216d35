"""Big values: kept once, given back as they were, damaged ones noticed; histories grow linearly."""

from __future__ import annotations

import json
import random
import string
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from databases import Place
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from tracelib.errors import StoreError
from tracelib.store.schema import blob
from tracelib.store.values.blobs import (
    INLINE,
    SECTION,
    Blobs,
    FolderBlobs,
    TableBlobs,
    alone,
    inflated,
    outsourced,
)

NOISE = random.Random(1).randbytes(20_000)


def noise(seed: int, length: int) -> str:
    """Text that does not compress well."""
    return "".join(random.Random(seed).choices(string.ascii_letters + string.digits, k=length))


@pytest.fixture(params=["folder", "files only", "table"])
def blobs(request: pytest.FixtureRequest, place: Place, tmp_path: Path) -> Blobs:
    if request.param == "table":
        return TableBlobs()
    if place.engine == "postgres":
        pytest.skip("files are beside SQLite only")
    return FolderBlobs(tmp_path / "blobs", in_row=0 if request.param == "files only" else 4096)


@pytest.fixture
def files(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path / "blobs", in_row=0)


@pytest.mark.parametrize("data", [b"", b"x", b"same " * 10_000, NOISE])
def test_bytes_come_back_as_they_were(place: Place, blobs: Blobs, data: bytes) -> None:
    with place.database.writing() as connection:
        hash = blobs.put(connection, data)
    with place.database.reading() as connection:
        assert blobs.get(connection, hash) == data


def test_the_same_bytes_are_kept_once(place: Place, blobs: Blobs) -> None:
    hashes = set()
    for _ in range(3):
        with place.database.writing() as connection:
            hashes |= {blobs.put(connection, NOISE), blobs.put(connection, NOISE)}
    with place.database.reading() as connection:
        assert connection.execute(select(blob.c.hash, blob.c.size)).all() == [(hashes.pop(), len(NOISE))]
    assert not hashes


def test_many_are_put_at_once(place: Place, blobs: Blobs) -> None:
    with place.database.writing() as connection:
        known = {blobs.put(connection, str(n).encode()): str(n).encode() for n in range(3)}
        blobs.put_all(connection, known)
        assert connection.execute(select(func.count()).select_from(blob)).scalar_one() == 3


def test_what_is_compressed_takes_less_room(place: Place, blobs: Blobs) -> None:
    with place.database.writing() as connection:
        blobs.put(connection, b"same " * 10_000)
        assert connection.execute(select(blob.c.stored)).scalar_one() < 500


def test_a_missing_value_is_named(place: Place, blobs: Blobs) -> None:
    with place.database.reading() as connection, pytest.raises(StoreError, match="a" * 64):
        blobs.get(connection, "a" * 64)


def test_a_damaged_row_is_noticed(place: Place) -> None:
    with place.database.writing() as connection:
        hash = TableBlobs().put(connection, NOISE)
        other = TableBlobs().put(connection, NOISE[1:])
        data = select(blob.c.data).where(blob.c.hash == other).scalar_subquery()
        connection.execute(update(blob).where(blob.c.hash == hash).values(data=data))
        with pytest.raises(StoreError, match=f"{hash} is damaged"):
            TableBlobs().get(connection, hash)


@pytest.mark.parametrize("damage", [b"", b"not zlib", NOISE])
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_damaged_file_is_noticed(place: Place, files: FolderBlobs, damage: bytes) -> None:
    with place.database.writing() as connection:
        hash = files.put(connection, NOISE)
        files.path_of(hash).write_bytes(damage)
        with pytest.raises(StoreError, match=f"{hash} is damaged"):
            files.get(connection, hash)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_file_that_is_gone_is_named_and_comes_back_when_it_is_put_again(
    place: Place, files: FolderBlobs
) -> None:
    with place.database.writing() as connection:
        hash = files.put(connection, NOISE)
        files.path_of(hash).unlink()
        with pytest.raises(StoreError, match=hash):
            files.get(connection, hash)
        files.put(connection, NOISE)
        assert files.get(connection, hash) == NOISE


@pytest.mark.parametrize("durability", ["normal", "fsync"])
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_files_are_for_their_owner_only_and_whole(place: Place, tmp_path: Path, durability: str) -> None:
    kept = FolderBlobs(tmp_path / "blobs", durability)
    with place.database.writing() as connection:
        path = kept.path_of(kept.put(connection, NOISE))
        small = kept.path_of(kept.put(connection, b"small"))
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert kept.folder.stat().st_mode & 0o777 == 0o700
    assert [file.name for file in (tmp_path / "blobs").rglob("*") if file.is_file()] == [path.name]
    assert not small.exists()


@pytest.mark.parametrize("bad", ["../../etc/passwd", "A" * 64, "a" * 63, "a" * 64 + "\n", ""])
def test_only_a_hash_becomes_a_path(tmp_path: Path, bad: str) -> None:
    with pytest.raises(StoreError, match="no hash"):
        FolderBlobs(tmp_path).path_of(bad)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_folder_that_cannot_be_written_is_an_error_that_names_it(place: Place, tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("a file where the folder should be")
    kept = FolderBlobs(tmp_path / "blobs")
    with place.database.writing() as connection, pytest.raises(StoreError, match=str(tmp_path)):
        kept.put(connection, NOISE)


def test_dropped_values_are_gone(place: Place, blobs: Blobs, tmp_path: Path) -> None:
    with place.database.writing() as connection:
        hashes = [blobs.put(connection, NOISE), blobs.put(connection, b"small")]
        alone(connection)
        blobs.drop(connection, hashes)
        assert connection.execute(select(func.count()).select_from(blob)).scalar_one() == 0
    with place.database.writing() as connection:
        blobs.sweep(connection, hashes)
    assert not [file for file in (tmp_path / "blobs").rglob("*") if file.is_file()]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_files_of_transactions_that_failed_are_swept(place: Place, files: FolderBlobs) -> None:
    with place.database.writing() as connection:
        kept = files.put(connection, NOISE)
    with place.database.writing() as connection:
        lost = files.put(connection, NOISE[1:])
        connection.get_transaction().rollback()
    half_written = files.path_of(lost).with_name(".tmpabc")
    half_written.write_bytes(b"123")
    with place.database.writing() as connection:
        assert files.sweep(connection) > 20_000
        assert files.get(connection, kept) == NOISE
    assert not files.path_of(lost).exists()
    assert not half_written.exists()


PUTTING = """
import random, sys
from pathlib import Path
from tracelib.store.values.blobs import FolderBlobs, TableBlobs
from tracelib.store.database import url_database

url, folder = sys.argv[1:]
kept = FolderBlobs(Path(folder), in_row=0) if url.startswith("sqlite") else TableBlobs()
for nth in range(40):
    with url_database(url).writing() as connection:
        kept.put(connection, random.Random(nth).randbytes(5000))
"""


def test_processes_that_put_the_same_at_once_do_not_disturb_each_other(place: Place, tmp_path: Path) -> None:
    command = [sys.executable, "-c", PUTTING, place.url, str(tmp_path / "blobs")]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    assert [process.communicate(timeout=60)[1] for process in started] == [""] * 4
    kept = FolderBlobs(tmp_path / "blobs", in_row=0) if place.engine == "sqlite" else TableBlobs()
    with place.database.reading() as connection:
        hashes = connection.execute(select(blob.c.hash)).scalars().all()
        assert len(hashes) == 40
        assert {len(kept.get(connection, hash)) for hash in hashes} == {5000}


class Memory:
    """Blobs in a dict."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def put(self, data: bytes) -> str:
        hash = f"{len(self.kept):064x}"
        for known, kept in self.kept.items():
            if kept == data:
                return known
        self.kept[hash] = data
        return hash

    def back(self, section: str) -> Any:
        return inflated(json.loads(section), self.kept.__getitem__)


def test_a_short_section_is_not_even_read() -> None:
    assert outsourced("{no json", Memory().put) == ("{no json", [])
    assert outsourced(b'{"x":1}', Memory().put) == ('{"x":1}', [])


def test_a_big_value_leaves_its_first_words_and_small_ones_stay() -> None:
    memory = Memory()
    story = "Once upon a time " * 1000
    section, hashes = outsourced(json.dumps({"story": story, "n": 3}), memory.put)
    kept = json.loads(section)
    assert kept["n"] == 3
    assert kept["story"] == {"$": "blob", "hash": hashes[0], "size": len(story) + 2, "prefix": story[:200]}
    assert list(memory.kept) == hashes
    assert memory.back(section) == {"story": story, "n": 3}


@pytest.mark.parametrize(
    "value",
    [
        "text " * 2000,
        "\ud800 half a pair" * 1000,
        "ünïcödé \x00 " * 1000,
        list(range(5000)),
        [{"role": "user", "content": noise(n, 300)} for n in range(500)],
        [{"role": "user", "content": noise(1, 30_000)}, "short", {"role": "user", "content": noise(2, 3000)}],
        {"deep": {"deeper": {"deepest": {"more": noise(3, 5000), "x": [1, 2]}}}},
        {f"key{n}": noise(n, 100) for n in range(100)},
        {f"key{n}": noise(n, 3000) for n in range(100)},
        {"$": "tuple", "items": [noise(5, 8000), 1]},
        [[]] * 3000,
        ["a", "b"] * 3000,
    ],
    ids=range(12),
)
def test_every_kind_of_value_comes_back(value: Any) -> None:
    memory = Memory()
    for given_value in (value, {"x": value, "y": 1}):
        section, hashes = outsourced(json.dumps(given_value), memory.put)
        assert len(section) <= SECTION
        section.encode()
        assert hashes
        assert set(hashes) <= set(memory.kept)
        assert memory.back(section) == given_value


@pytest.mark.parametrize("length", [40, 300, 1500, 6000])
def test_a_history_that_grows_with_every_call_takes_room_once(length: int) -> None:
    memory = Memory()
    rows = 0
    history: list[dict[str, str]] = []
    for nth in range(100):
        history.append({"role": "user", "content": noise(nth, length)})
        section, _ = outsourced(json.dumps({"messages": history, "model": "m"}), memory.put)
        rows += len(section)
        assert memory.back(section)["messages"] == history
    said = len(json.dumps(history))
    together = rows + sum(map(len, memory.kept.values()))
    assert rows <= 100 * INLINE
    assert together < 100 * 2 * INLINE + 5 * said, (together, said)


def test_a_history_of_long_messages_is_linear_in_its_length() -> None:
    memory = Memory()

    def room(calls: int) -> int:
        history = [noise(nth, 1000) for nth in range(calls)]
        for nth in range(1, calls + 1):
            outsourced(json.dumps({"messages": history[:nth]}), memory.put)
        return sum(map(len, memory.kept.values()))

    assert room(400) < 6 * room(100)


def test_a_window_of_a_history_shares_most_of_it() -> None:
    memory = Memory()
    messages = [{"role": "user", "content": noise(nth, 400)} for nth in range(200)]
    for at in range(160):
        window = [{"role": "system", "content": f"It is {at} o'clock"}, *messages[at : at + 40]]
        outsourced(json.dumps({"messages": window}), memory.put)
    whole = 160 * 40 * 430
    assert sum(map(len, memory.kept.values())) < whole / 3


MEMBERS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(max_size=30)
    | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)
BIG = st.tuples(MEMBERS, st.integers(0, 60), st.text("ab ü", min_size=1, max_size=9)).map(
    lambda parts: [{"of": parts[0], "text": parts[2] * parts[1] * 10}] * (parts[1] + 1)
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.text("abc", max_size=3), MEMBERS | BIG, max_size=6))
def test_whatever_goes_out_comes_back(values: dict[str, Any]) -> None:
    memory = Memory()
    section, hashes = outsourced(json.dumps(values), memory.put)
    assert memory.back(section) == values
    assert set(hashes) == set(memory.kept)
