"""Pruning: by age and by size, whole traces, what is kept stays, and nothing that stays loses a value."""

from __future__ import annotations

import json
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from databases import Place
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from populated import DAY, SECOND, Spec, populate
from sqlalchemy import func, insert, select

from tracelib.errors import StoreError
from tracelib.store import database as databases
from tracelib.store import schema
from tracelib.store.database import Database, sqlite_database
from tracelib.store.keeping.marks import move_alias, say, tag
from tracelib.store.keeping.prune import prune
from tracelib.store.keeping.room import shrink, size_of
from tracelib.store.keeping.verify import verify
from tracelib.store.migrations import migrate
from tracelib.store.values.blobs import Blobs, FolderBlobs, TableBlobs, inflated

EVERYTHING: dict[str, Any] = {"keep_tagged": False, "keep_aliased": False, "keep_feedback": False}


@pytest.fixture
def blobs(place: Place, tmp_path: Path) -> Blobs:
    return TableBlobs() if place.engine == "postgres" else FolderBlobs(tmp_path / "blobs", in_row=500)


def days_ago(days: float) -> int:
    return time.time_ns() - int(days * DAY)


def two_halves(
    database: Database, blobs: Blobs, seed: int = 0, traces: int = 10
) -> tuple[list[str], list[str]]:
    """Calls of a month ago, and of today, that have some values in common."""
    old = populate(database, blobs, Spec(seed, traces, owner=1, begin=days_ago(30), marked=False))
    new = populate(database, blobs, Spec(seed + 1, traces, owner=2, begin=days_ago(0.1), marked=False))
    return old, new


def calls_in(database: Database) -> set[str]:
    with database.reading() as connection:
        return {id.hex() for id in connection.execute(select(schema.call.c.id)).scalars()}


def count(database: Database, table: Any) -> int:
    with database.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def check_whole(database: Database, blobs: Blobs) -> None:
    """Every value can be read, no row speaks of a call that is gone, no trace is in pieces."""
    with database.reading() as connection:
        calls = connection.execute(select(schema.call)).all()
        numbers = {row.n for row in calls}
        ids = {row.id for row in calls}
        for row in connection.execute(select(schema.payload)):
            assert row.call in numbers
            inflated(json.loads(row.inputs), lambda hash: blobs.get(connection, hash))
            inflated(json.loads(row.output or "null"), lambda hash: blobs.get(connection, hash))
        for edge in connection.execute(select(schema.edge)):
            assert edge.target in numbers
            assert edge.source in ids
        used = connection.execute(select(schema.blob_use)).all()
        assert {row.call for row in used} <= numbers
        assert {row.hash for row in used} == set(connection.execute(select(schema.blob.c.hash)).scalars())
        assert {row.trace for row in calls} <= ids
        for kept in (schema.tag, schema.feedback):
            mine = select(kept.c.target).where(kept.c.target_kind == "call")
            assert {bytes.fromhex(target) for target in connection.execute(mine).scalars()} <= ids
    if isinstance(blobs, FolderBlobs):
        files = {f.parent.name + f.name for f in blobs.folder.rglob("*") if f.is_file()}
        assert files <= {row.hash for row in used}


def test_old_calls_go_with_their_values_and_new_ones_stay(place: Place, blobs: Blobs) -> None:
    old, new = two_halves(place.database, blobs)
    versions = count(place.database, schema.version)
    pruned = prune(place.database, blobs, timedelta(days=7))
    assert calls_in(place.database) == set(new)
    assert (pruned.traces, pruned.calls, pruned.kept) == (10, len(old), 0)
    assert pruned.freed > 400 * len(old)
    check_whole(place.database, blobs)
    assert count(place.database, schema.version) == versions
    assert count(place.database, schema.update) == 6
    assert prune(place.database, blobs, timedelta(days=7)).calls == 0


def test_a_value_that_a_new_call_shares_stays(place: Place, blobs: Blobs) -> None:
    two_halves(place.database, blobs, seed=3, traces=30)
    before = count(place.database, schema.blob)
    pruned = prune(place.database, blobs, timedelta(days=7))
    assert 0 < pruned.blobs < before
    assert count(place.database, schema.blob) == before - pruned.blobs
    check_whole(place.database, blobs)


def test_a_dry_run_says_what_would_go_and_removes_nothing(place: Place, blobs: Blobs) -> None:
    two_halves(place.database, blobs, traces=20)
    before = calls_in(place.database)
    foretold = prune(place.database, blobs, timedelta(days=7), dry_run=True)
    assert foretold.dry_run
    assert calls_in(place.database) == before
    done = prune(place.database, blobs, timedelta(days=7))
    assert vars(foretold) == vars(done) | {"dry_run": True}


@pytest.mark.parametrize("reason", ["tagged", "aliased", "feedback"])
def test_what_is_marked_stays_with_its_whole_trace(place: Place, blobs: Blobs, reason: str) -> None:
    old, new = two_halves(place.database, blobs, seed=5)
    with place.database.reading() as connection:
        mine = schema.call.c.id.in_(bytes.fromhex(id) for id in old) & (schema.call.c.parent.isnot(None))
        child = connection.execute(select(schema.call).where(mine, schema.call.c.version.isnot(None))).first()
        siblings = select(schema.call.c.id).where(schema.call.c.trace == child.trace)
        whole = {id.hex() for id in connection.execute(siblings).scalars()}
        same = select(schema.call.c.trace).where(schema.call.c.version == child.version)
        kin = {id.hex() for id in connection.execute(same).scalars()}
    if reason == "tagged":
        tag(place.database, "call", child.id.hex(), "look at this")
    elif reason == "feedback":
        say(place.database, "call", child.id.hex(), "wrong")
    else:
        with place.database.reading() as connection:
            numbered = select(schema.function.c.key, schema.version.c.number).where(
                schema.version.c.n == child.version, schema.function.c.n == schema.version.c.function
            )
            key, number = connection.execute(numbered).one()
        move_alias(place.database, key, "production", number)
    assert len(whole) > 1
    pruned = prune(place.database, blobs, timedelta(days=7))
    left = calls_in(place.database)
    assert whole | set(new) <= left
    if reason == "aliased":
        assert kin <= left
    else:
        assert left == whole | set(new)
        assert pruned.kept == 1
    check_whole(place.database, blobs)
    prune(place.database, blobs, timedelta(days=7), **EVERYTHING)
    assert calls_in(place.database) == set(new)
    check_whole(place.database, blobs)


def test_calls_of_a_tagged_run_and_of_a_tagged_version_stay(place: Place, blobs: Blobs) -> None:
    old, _ = two_halves(place.database, blobs, traces=30)
    with place.database.reading() as connection:
        run = connection.execute(select(schema.run).order_by(schema.run.c.n)).first()
        version = connection.execute(select(schema.version).order_by(schema.version.c.n)).first()
        either = (schema.call.c.run == run.n) | (schema.call.c.version == version.n)
        kept = {id.hex() for id in connection.execute(select(schema.call.c.id).where(either)).scalars()}
    tag(place.database, "run", run.id.hex(), "paper")
    tag(place.database, "version", version.hash, "good")
    prune(place.database, blobs, timedelta(days=7))
    assert kept & set(old) <= calls_in(place.database)
    check_whole(place.database, blobs)


def test_a_trace_that_is_still_running_stays(place: Place, blobs: Blobs) -> None:
    old, new = two_halves(place.database, blobs)
    with place.database.writing() as connection:
        trace = connection.execute(
            select(schema.call.c.trace).where(schema.call.c.id == bytes.fromhex(old[0]))
        ).scalar_one()
        now = {"name": "f", "start_ns": 1, "pid": 1, "seen_ns": 1}
        connection.execute(insert(schema.pending).values(id=trace, **now))
    assert prune(place.database, blobs, timedelta(days=7)).kept == 1
    assert calls_in(place.database) > set(new)


def test_a_store_that_is_too_big_loses_its_oldest_calls(place: Place, blobs: Blobs) -> None:
    populate(place.database, blobs, Spec(traces=120, big=40_000, step=DAY, marked=False))
    before = size_of(place.database)
    with place.database.reading() as connection:
        ordered = [id.hex() for id in connection.execute(select(schema.call.c.id).order_by("id")).scalars()]
    pruned = prune(place.database, blobs, max_bytes=before // 2)
    left = calls_in(place.database)
    assert 0 < len(left) < len(ordered)
    assert left == set(ordered[-len(left) :])
    assert size_of(place.database) < before * 0.65
    assert pruned.calls + len(left) == len(ordered)
    check_whole(place.database, blobs)


def test_nothing_goes_from_a_store_that_is_small_enough(place: Place, blobs: Blobs) -> None:
    populate(place.database, blobs)
    assert prune(place.database, blobs, max_bytes=10**9).calls == 0


def test_a_trace_of_thousands_of_calls_goes_whole(place: Place, blobs: Blobs) -> None:
    populate(place.database, blobs, Spec(traces=3, marked=False))
    numbers = {"function": 1, "session": 1, "status": 0, "start_ns": 1, "duration_ns": 1, "place": 1}
    with place.database.writing() as connection:
        rows = [
            {"n": 1000 + n, "id": n.to_bytes(16, "big"), "trace": b"\1" * 16, **numbers} for n in range(2500)
        ]
        connection.execute(insert(schema.call), rows)
    pruned = prune(place.database, blobs, timedelta(days=1 + (time.time_ns() - Spec().begin) // DAY))
    assert (pruned.traces, pruned.calls) == (1, 2500)


def test_an_sqlite_file_gets_smaller(tmp_path: Path) -> None:
    database = sqlite_database(tmp_path / "store.db")
    migrate(database)
    populate(database, TableBlobs(), Spec(traces=10, big=10, step=1, marked=False))
    for _ in range(2):
        with database.writing() as connection:
            texts = [{"call": 10**6 + n, "inputs": "x" * 3000} for n in range(2000)]
            connection.execute(insert(schema.payload), texts)
            rows = {"function": 1, "session": 1, "status": 0, "start_ns": 1, "duration_ns": 1, "place": 1}
            ids = [
                {"n": 10**6 + n, "id": n.to_bytes(16, "big"), "trace": n.to_bytes(16, "big")}
                for n in range(2000)
            ]
            connection.execute(insert(schema.call), [{**rows, **id} for id in ids])
        before = (tmp_path / "store.db").stat().st_size
        prune(database, TableBlobs(), timedelta(days=36500 // 2))
        assert (tmp_path / "store.db").stat().st_size < before / 2


def test_writers_go_on_while_a_store_is_pruned(place: Place, blobs: Blobs) -> None:
    populate(place.database, blobs, Spec(traces=150, begin=days_ago(30), step=1, marked=False))
    written: list[str] = []

    def write() -> None:
        for nth in range(5):
            spec = Spec(seed=nth, owner=nth + 2, traces=5, begin=time.time_ns(), step=1, marked=False)
            written.extend(populate(place.database, blobs, spec))

    writer = threading.Thread(target=write)
    writer.start()
    prune(place.database, blobs, timedelta(days=7))
    writer.join()
    assert calls_in(place.database) == set(written)
    check_whole(place.database, blobs)


def test_it_must_be_said_what_goes(place: Place, blobs: Blobs) -> None:
    with pytest.raises(StoreError, match="older_than"):
        prune(place.database, blobs)
    with pytest.raises(StoreError, match="at least 0"):
        prune(place.database, blobs, timedelta(days=-30))
    with pytest.raises(StoreError, match="at least 0"):
        prune(place.database, blobs, max_bytes=-1)


def test_a_store_can_be_pruned_down_to_nothing(place: Place, blobs: Blobs) -> None:
    old, new = two_halves(place.database, blobs)
    assert prune(place.database, blobs, max_bytes=0).calls == len(old) + len(new)
    assert not calls_in(place.database)
    check_whole(place.database, blobs)
    assert verify(place.database, blobs).checked["blob"] == 0


def test_a_tag_of_what_is_no_run_holds_up_nothing(place: Place, blobs: Blobs) -> None:
    old, _ = two_halves(place.database, blobs)
    with place.database.writing() as connection:
        word = {"target_kind": "run", "target": "no id", "tag": "x", "time_ns": 1}
        connection.execute(insert(schema.tag).values(word))
    assert prune(place.database, blobs, timedelta(days=7)).calls == len(old)


def test_a_file_that_others_write_to_gives_its_room_back_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "BUSY_MS", 100)
    database = sqlite_database(tmp_path / "store.db")
    migrate(database)
    populate(database, TableBlobs(), Spec(traces=20, marked=False))
    with database.writing() as connection:
        connection.execute(schema.payload.delete())
        shrink(database)
    size = (tmp_path / "store.db").stat().st_size
    assert prune(database, TableBlobs(), max_bytes=10**9).calls == 0
    assert (tmp_path / "store.db").stat().st_size < size


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10_000),
    traces=st.integers(0, 25),
    age=st.integers(0, 30),
    keep=st.fixed_dictionaries({key: st.booleans() for key in EVERYTHING}),
)
def test_no_pruning_leaves_a_store_that_is_not_whole(
    tmp_path_factory: pytest.TempPathFactory, seed: int, traces: int, age: int, keep: dict[str, bool]
) -> None:
    folder = tmp_path_factory.mktemp("store")
    database, blobs = sqlite_database(folder / "store.db"), FolderBlobs(folder / "blobs", in_row=200)
    migrate(database)
    populate(database, blobs, Spec(seed=seed, traces=traces, begin=days_ago(25) - SECOND, step=DAY))
    foretold = prune(database, blobs, timedelta(days=age), **keep, dry_run=True)
    assert vars(prune(database, blobs, timedelta(days=age), **keep)) == vars(foretold) | {"dry_run": False}
    check_whole(database, blobs)
