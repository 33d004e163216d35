"""Databases for contract tests: a fresh SQLite file, and a fresh database of a real PostgreSQL server.

The server is Debian's, started once for the tests and stopped after them. Where it is not installed
its half of a contract is skipped; with TRACELIB_REQUIRE_POSTGRES=1 in the environment it fails instead.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tracelib.store.database import Database, url_database
from tracelib.store.migrations import migrate

ENGINES = ("sqlite", "postgres")
TEMPLATE = "migrated"
SERVER_USER = "postgres"
"""PostgreSQL refuses to run as root; Debian's package makes this user."""

SETTINGS = "-c listen_addresses= -c fsync=off -c full_page_writes=off -c max_connections=200"
counter = itertools.count(1)


@dataclass(frozen=True)
class Place:
    """A database of one engine: its URL for `init(store=...)`, and the open Database with today's tables."""

    engine: str
    url: str
    database: Database


@dataclass(frozen=True)
class Server:
    """A running PostgreSQL that listens on a socket in `folder`."""

    folder: Path
    programs: Path

    def url(self, name: str) -> str:
        return f"postgresql://{SERVER_USER}@/{name}?host={self.folder}"

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload]

    def start(self) -> None:
        data = self.folder / "data"
        self._run(
            "initdb", "-D", data, "-U", SERVER_USER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"
        )
        options = f"{SETTINGS} -k {self.folder}"
        self._run("pg_ctl", "-D", data, "-w", "-l", self.folder / "log", "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", self.folder / "data", "-m", "immediate", "stop")

    def _run(self, program: str, *arguments: str | Path) -> None:
        user = SERVER_USER if os.getuid() == 0 else None
        done = subprocess.run(
            [self.programs / program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE
            if program == "initdb"
            else subprocess.DEVNULL,  # a server would hold a pipe open
            text=True,
            user=user,
            group=user,
            extra_groups=[] if user else None,
            cwd=self.folder,
            check=False,
        )
        assert done.returncode == 0, f"{program} failed: {done.stderr or _tail(self.folder / 'log')}"


def _tail(log: Path) -> str:
    return log.read_text(encoding="utf-8")[-2000:] if log.exists() else "it wrote no log"


def _programs() -> Path | None:
    """The folder of the newest PostgreSQL that is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


def _missing(reason: str) -> None:
    if os.environ.get("TRACELIB_REQUIRE_POSTGRES") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A PostgreSQL server for all tests of a session, with a database to copy that has today's tables."""
    programs = _programs()
    if programs is None:
        _missing("PostgreSQL is not installed: apt-get install postgresql")
    assert programs is not None
    folder = Path(tempfile.mkdtemp(prefix="tracelib-pg-"))
    if os.getuid() == 0:
        account = pwd.getpwnam(SERVER_USER)
        os.chown(folder, account.pw_uid, account.pw_gid)
    server = Server(folder, programs)
    try:
        server.start()
        server.execute(f"CREATE DATABASE {TEMPLATE}")
        migrate(url_database(server.url(TEMPLATE)))
        yield server
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def postgres(postgres_server: Server) -> Iterator[Callable[[str], str]]:
    """Makes a PostgreSQL database from a template ("template0" is empty) and gives its URL."""
    made: list[str] = []

    def make(template: str) -> str:
        name = f"test{next(counter)}"
        postgres_server.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        made.append(name)
        return postgres_server.url(name)

    yield make
    for name in made:
        postgres_server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """The name of an engine: a test that uses this, or `place` or `blank`, runs on each of them."""
    return str(request.param)


@pytest.fixture
def place(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A database of its own for a test, with today's tables."""
    return _made(engine, request, tmp_path)


@pytest.fixture(scope="module", params=ENGINES)
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A database for all tests of a module that only read: a fixture of the module fills it."""
    return _made(str(request.param), request, tmp_path_factory.mktemp("shared"))


def _made(engine: str, request: pytest.FixtureRequest, folder: Path) -> Place:
    if engine == "postgres":
        url = request.getfixturevalue("postgres")(TEMPLATE)
        return Place(engine, url, url_database(url))
    url = f"sqlite:///{folder / 'store.db'}"
    database = url_database(url)
    migrate(database)
    return Place(engine, url, database)


@pytest.fixture
def blank(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database that nobody has opened yet: it has no tables."""
    if engine == "postgres":
        return str(request.getfixturevalue("postgres")("template0"))
    return f"sqlite:///{tmp_path / 'blank.db'}"
