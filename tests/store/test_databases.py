"""The databases that contract tests run on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from databases import Place
from sqlalchemy import inspect, select, text

import tracelib as trace
from tracelib.errors import StoreError
from tracelib.store.database import url_database
from tracelib.store.migrations import STEPS, applied, migrate
from tracelib.store.schema import function, metadata
from tracelib.store.store import open_store


@pytest.mark.parametrize("nth", [1, 2])
def test_each_test_gets_tables_of_its_own(place: Place, nth: int) -> None:
    with place.database.writing() as connection:
        connection.execute(function.insert().values(key="app:greet", name="greet", kind="bundle"))
    with place.database.reading() as connection:
        assert connection.execute(select(function.c.n)).scalars().all() == [1]


def test_the_url_leads_to_the_same_database(place: Place) -> None:
    with place.database.writing() as connection:
        connection.execute(function.insert().values(key="app:greet", name="greet", kind="bundle"))
    with url_database(place.url).reading() as connection:
        assert connection.execute(select(function.c.key)).scalar_one() == "app:greet"


def test_a_blank_database_gets_all_tables_when_it_is_migrated(blank: str) -> None:
    database = url_database(blank)
    with database.reading() as connection:
        assert inspect(connection).get_table_names() == []
    migrate(database)
    with database.reading() as connection:
        assert set(inspect(connection).get_table_names()) == set(metadata.tables)


def test_the_engine_is_the_one_that_is_named(place: Place) -> None:
    question = "select sqlite_version()" if place.engine == "sqlite" else "show server_version"
    with place.database.reading() as connection:
        assert connection.execute(text(question)).scalar_one()


def test_looking_whether_a_store_is_there_makes_none(blank: str, tmp_path: Path) -> None:
    store = open_store(blank, journal=tmp_path / "journal")
    before = sorted(tmp_path.rglob("*"))
    assert not store.exists()
    assert not store.exists()
    assert sorted(tmp_path.rglob("*")) == before
    with store:
        trace.bundle(lambda x: x)(1)
    assert store.exists()
    store.flush()
    shutil.rmtree(store.journal)
    assert store.exists()


def test_the_tables_of_another_program_are_no_store(blank: str, tmp_path: Path) -> None:
    with url_database(blank).writing() as connection:
        connection.exec_driver_sql("CREATE TABLE migration (version INTEGER)")
    with pytest.raises(StoreError, match="another program"):
        open_store(blank, journal=tmp_path / "journal").exists()


def test_the_steps_that_made_a_database_are_told(place: Place, blank: str) -> None:
    assert applied(place.database) == {name for name, _ in STEPS}
    assert applied(url_database(blank)) == set()
