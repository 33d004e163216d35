"""What the tests of the command line share: recorded stores, and the command as it is typed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Command, Done
from databases import TEMPLATE, Server
from programs import record

from tracelib.cli.main import run
from tracelib.store.store import Store, open_store


@pytest.fixture
def tracelib(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command line in this process, as far from a terminal as in a pipe."""
    for name in ("TRACELIB_STORE", "NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)

    def command(*args: str) -> Done:
        capfd.readouterr()
        code = run(list(args))
        out, err = capfd.readouterr()
        return Done(code, out, err)

    return command


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the program and the store `logdir` that it was recorded into; not to be changed."""
    folder = tmp_path_factory.mktemp("recorded")
    record(folder, "./logdir")
    return folder


@pytest.fixture
def folder(recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the recorded folder, which is the working folder of the test."""
    copy = tmp_path / "work"
    shutil.copytree(recorded, copy)
    monkeypatch.chdir(copy)
    return copy


@pytest.fixture
def store(folder: Path) -> Store:
    """The store in that folder."""
    return open_store(str(folder / "logdir"))


@pytest.fixture(scope="session")
def on_postgres(postgres_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL database with the same calls; not to be changed."""
    postgres_server.execute(f"CREATE DATABASE cli TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")
    url = postgres_server.url("cli")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        record(tmp_path_factory.mktemp("app"), url)
        yield url
    postgres_server.execute("DROP DATABASE cli WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgres"])
def where(request: pytest.FixtureRequest) -> str:
    """A recorded store on each engine, to be read."""
    if request.param == "postgres":
        return str(request.getfixturevalue("on_postgres"))
    return str(request.getfixturevalue("recorded") / "logdir")
