"""Verifying: a sound store has no problem, and every kind of damage is found and named."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from databases import Place
from populated import Spec, populate
from sqlalchemy import Connection, delete, insert, select, text, update

from tracelib.store import schema
from tracelib.store.database import Database, sqlite_database
from tracelib.store.journal.journal import Journal
from tracelib.store.keeping.prune import prune
from tracelib.store.keeping.verify import Verified, verify
from tracelib.store.migrations import migrate
from tracelib.store.values.blobs import Blobs, FolderBlobs, TableBlobs
from tracelib.versioning import Version, version_of


@pytest.fixture
def blobs(place: Place, tmp_path: Path) -> Blobs:
    return TableBlobs() if place.engine == "postgres" else FolderBlobs(tmp_path / "blobs", in_row=0)


@pytest.fixture
def filled(place: Place, blobs: Blobs) -> Place:
    """A store whose versions are real ones."""
    populate(place.database, blobs, Spec(seed=1, traces=20))
    functions = [len, json.dumps, populate, verify]
    with place.database.writing() as connection:
        rows = connection.execute(select(schema.version.c.n).order_by(schema.version.c.n)).scalars().all()
        for n, function in zip(rows, functions, strict=True):
            found = version_of(function)
            told = {"hash": found.hash, "source": found.source, "dependencies": found.dependencies}
            closure = json.dumps(found.to_json())
            here = schema.version.c.n == n
            connection.execute(update(schema.version).where(here).values(closure=closure, **told))
    return place


def told(verified: Verified) -> set[str]:
    return {problem.what for problem in verified.problems}


def test_a_sound_store_has_no_problem(filled: Place, blobs: Blobs, tmp_path: Path) -> None:
    verified = verify(filled.database, blobs, tmp_path / "journal")
    assert verified.problems == ()
    assert verified.ok
    with filled.database.reading() as connection:
        for kind in ("blob", "version", "payload"):
            table = schema.metadata.tables[kind]
            assert verified.checked[kind] == len(connection.execute(select(table)).all()) > 0


def test_a_store_is_sound_after_pruning(filled: Place, blobs: Blobs) -> None:
    prune(filled.database, blobs, max_bytes=100_000, keep_aliased=False, keep_feedback=False)
    assert verify(filled.database, blobs).problems == ()


def test_hashes_of_versions_are_derived_again(filled: Place, blobs: Blobs) -> None:
    asked: list[Version] = []

    def rederive(found: Version) -> str:
        asked.append(found)
        return found.hash if len(asked) > 1 else "v1:other"

    verified = verify(filled.database, blobs, rederive=rederive)
    assert len(asked) == 4
    assert told(verified) == {"the closure has another hash"}
    assert "app0:greet@1" in verified.problems[0].which


def first(connection: Connection, column: Any, *where: Any) -> Any:
    return connection.execute(select(column).where(*where).limit(1)).scalar_one()


def change_closure(connection: Connection) -> None:
    closure = json.loads(first(connection, schema.version.c.closure, schema.version.c.n == 2))
    found = replace(Version.from_json(closure), hash="v1:0", source="def f(): return 'other'")
    here = schema.version.c.n == 2
    connection.execute(update(schema.version).where(here).values(closure=json.dumps(found.to_json())))


def break_closure(connection: Connection) -> None:
    connection.execute(update(schema.version).where(schema.version.c.n == 1).values(closure='{"hash":1}'))


def skip_a_number(connection: Connection) -> None:
    connection.execute(update(schema.version).where(schema.version.c.number == 2).values(number=5))


def drop_a_blob(connection: Connection) -> None:
    hash = first(connection, schema.blob_use.c.hash)
    connection.execute(delete(schema.blob).where(schema.blob.c.hash == hash))


def resize_a_blob(connection: Connection) -> None:
    connection.execute(update(schema.blob).values(size=1))


def drop_the_uses(connection: Connection) -> None:
    connection.execute(delete(schema.blob_use))


def drop_a_call(connection: Connection) -> None:
    used = first(connection, schema.edge.c.source)
    connection.execute(delete(schema.call).where(schema.call.c.id == used))


def drop_a_payload(connection: Connection) -> None:
    connection.execute(delete(schema.payload).where(schema.payload.c.call == 3))


def spoil_a_payload(connection: Connection) -> None:
    connection.execute(update(schema.payload).where(schema.payload.c.call == 3).values(inputs='{"a":'))


def drop_the_sessions(connection: Connection) -> None:
    connection.execute(update(schema.call).values(session=77))


def drop_the_version_of_a_call(connection: Connection) -> None:
    connection.execute(update(schema.call).values(version=77, run=78, function=79))


def tag_nothing(connection: Connection) -> None:
    word = {"target_kind": "call", "target": "0" * 32, "tag": "x", "time_ns": 1}
    connection.execute(insert(schema.tag).values(word))


def tag_what_is_no_call(connection: Connection) -> None:
    word = {"target_kind": "call", "target": "no id", "tag": "x", "time_ns": 1}
    connection.execute(insert(schema.tag).values(word))


def point_nowhere(connection: Connection) -> None:
    connection.execute(
        insert(schema.alias).values(name="app0:greet", alias="production", version="9", time_ns=2, by="me")
    )


DAMAGE: list[tuple[Callable[[Connection], None], set[str], bool]] = [
    (change_closure, {"the closure has another hash", "the source is not that of the closure"}, False),
    (break_closure, {"the closure cannot be read (KeyError)"}, False),
    (skip_a_number, {"version numbers have gaps"}, False),
    (drop_a_blob, {"a value of the call is gone"}, False),
    (resize_a_blob, {"a value is damaged or missing"}, False),
    (drop_the_uses, {"a value of the call is not noted as used", "no call has this value"}, False),
    (
        drop_a_call,
        {"there are values of a call that is gone", "a value came from a call that is not there"},
        False,
    ),
    (drop_a_payload, {"the values of the call are gone"}, False),
    (spoil_a_payload, {"a value of the call is no JSON"}, False),
    (drop_the_sessions, {"the session of the call is gone"}, False),
    (
        drop_the_version_of_a_call,
        {
            "the version of the call is gone",
            "the run of the call is gone",
            "the function of the call is gone",
        },
        False,
    ),
    (tag_nothing, {"there is tag of a call that is gone"}, True),
    (tag_what_is_no_call, {"there is tag of a call that is gone"}, True),
    (point_nowhere, {"the alias points to no version"}, False),
]


@pytest.mark.parametrize(("damage", "found", "ok"), DAMAGE, ids=[damage.__name__ for damage, _, _ in DAMAGE])
def test_damage_is_found(
    filled: Place, blobs: Blobs, damage: Callable[[Connection], None], found: set[str], ok: bool
) -> None:
    with filled.database.writing() as connection:
        damage(connection)
    verified = verify(filled.database, blobs)
    assert found <= told(verified)
    assert verified.ok is ok
    assert all(problem.which and problem.advice for problem in verified.problems)
    assert json.loads(json.dumps(verified.to_json()))["ok"] is ok


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_files_of_values_that_are_gone_or_changed_are_named(filled: Place, blobs: FolderBlobs) -> None:
    gone, changed = sorted(file for file in blobs.folder.rglob("*") if file.is_file())[:2]
    gone.unlink()
    changed.write_bytes(b"")
    verified = verify(filled.database, blobs)
    assert {problem.which for problem in verified.problems} == {
        f"value {file.parent.name}{file.name} {what}"
        for file, what in ((gone, "cannot be read"), (changed, "is damaged, its bytes have another hash"))
    }


def test_a_journal_that_is_damaged_is_named(filled: Place, blobs: Blobs, tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    journal = Journal(folder)
    for n in range(30):
        journal.append(1, b"record %d " % n * 50)
    journal.close()
    verified = verify(filled.database, blobs, folder)
    assert verified.problems == ()
    assert verified.checked["segment"] == 1
    segment = next(folder.glob("*.journal"))
    data = bytearray(segment.read_bytes())
    at = data.index(b"record 11 ")
    data[at : at + 40] = bytes(40)
    segment.write_bytes(data)
    (folder / "other.journal").write_bytes(b"junk" * 1000)
    verified = verify(filled.database, blobs, folder)
    assert told(verified) == {"1 records of a journal cannot be read", "a journal cannot be read"}
    assert str(segment) in {problem.which for problem in verified.problems}


def test_much_damage_is_told_in_few_words(filled: Place, blobs: Blobs) -> None:
    with filled.database.writing() as connection:
        drop_the_sessions(connection)
    verified = verify(filled.database, blobs)
    assert len(verified.problems) == 21
    assert verified.problems[-1].which.endswith(" more")


class PrunedMeanwhile(FolderBlobs):
    """Blobs of a store that another process prunes while they are read."""

    def __init__(self, folder: Path, database: Database) -> None:
        super().__init__(folder, in_row=0)
        self.database = database

    def get(self, connection: Connection, hash: str) -> bytes:
        if self.folder.exists() and any(file.is_file() for file in self.folder.rglob("*")):
            everything = {"keep_tagged": False, "keep_aliased": False, "keep_feedback": False}
            prune(self.database, FolderBlobs(self.folder, in_row=0), max_bytes=0, **everything)
        return super().get(connection, hash)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_values_that_are_pruned_meanwhile_are_not_missed(filled: Place, blobs: FolderBlobs) -> None:
    verified = verify(filled.database, PrunedMeanwhile(blobs.folder, filled.database))
    assert verified.checked["blob"] > 0
    assert verified.ok


def test_damage_that_a_check_cannot_pass_is_told_beside_what_the_others_find(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    database = sqlite_database(path)
    migrate(database)
    populate(database, TableBlobs(), Spec(traces=100))
    with database.engine.connect() as connection:
        connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
        named = text("SELECT rootpage FROM sqlite_master WHERE name = 'payload'")
        root = connection.execute(named).scalar()
        size = connection.exec_driver_sql("PRAGMA page_size").scalar()
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)
    verified = verify(database, TableBlobs())
    assert {"the database file is damaged", "a part of the database cannot be read"} <= told(verified)
    assert verified.checked["version"] == 4


def test_a_damaged_database_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    database = sqlite_database(path)
    migrate(database)
    populate(database, TableBlobs(), Spec(traces=30))
    with database.engine.connect() as connection:
        connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
        root = connection.execute(
            text("SELECT rootpage FROM sqlite_master WHERE name = 'ix_call_trace'")
        ).scalar()
        size = connection.exec_driver_sql("PRAGMA page_size").scalar()
    database.engine.dispose()  # what a connection has read, it does not read again
    with path.open("r+b") as file:
        file.seek(root * size - 90)  # the end of a page, where its entries are
        file.write(bytes(90))
    verified = verify(database, TableBlobs())
    assert "the database file is damaged" in told(verified)
    assert not verified.ok
