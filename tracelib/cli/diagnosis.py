"""What `tracelib doctor` looks at: programs and packages, and a store's place, rights and tables."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tracelib.cli.opening import named
from tracelib.cli.units import size
from tracelib.errors import StoreError
from tracelib.sandbox.choice import levels
from tracelib.store.migrations import STEPS, applied
from tracelib.store.store import SQLiteStore, Store, open_store

OLDEST = (3, 11)
LITTLE = 100_000_000
"""Bytes of free space below which there is a warning."""
NEEDED = ("openai", "sqlalchemy")
NO_SANDBOX = 'Learned code is refused, unless sandbox="in_process" allows it all your rights.'
REMOTE = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "sshfs", "fuse.sshfs", "9p", "afs", "ceph", "lustre")
"""File systems of other machines, whose locks and shared memory WAL cannot rely on."""

MAY_WRITE = (
    "SELECT has_table_privilege('call', 'INSERT') AND current_setting('transaction_read_only') = 'off'"
)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: `level` is ok, warning or problem; `advice` says what to do."""

    id: str
    level: str
    text: str
    advice: str = ""

    def to_json(self) -> dict[str, str | None]:
        return {"id": self.id, "level": self.level, "text": self.text, "advice": self.advice or None}


def of_machine() -> Iterator[Finding]:
    """Python, packages and programs."""
    running = ".".join(map(str, sys.version_info[:3]))
    old = sys.version_info < OLDEST
    yield Finding(
        "python", "problem" if old else "ok", running, "tracelib needs 3.11 or newer." if old else ""
    )
    yield package("tracelib", "problem")
    for name in NEEDED:
        yield package(name, "problem")
    yield package("psycopg", "warning", "Only for PostgreSQL: pip install tracelib[postgres].")
    yield dot()


def of_sandboxes() -> Iterator[Finding]:
    """What confines code that models write, here; each is tried."""
    found = levels()
    strongest = next((level.name for level in found if level.missing is None), None)
    for level in found:
        if level.missing is None:
            used = " (used for learned code)" if level.name == strongest else ""
            yield Finding("sandbox", "ok", f"{level.name}: {level.confined_by}{used}")
        else:
            yield Finding(
                "sandbox",
                "warning",
                f"{level.name}: {level.missing}",
                NO_SANDBOX if strongest is None else "",
            )


def package(name: str, otherwise: str, advice: str = "") -> Finding:
    try:
        return Finding(name, "ok", version(name))
    except PackageNotFoundError:
        return Finding(name, otherwise, "not installed", advice or f"pip install {name}")


def dot() -> Finding:
    """graphviz's program; pictures other than .svg need it."""
    advice = "Only for .png and .pdf: apt install graphviz, brew install graphviz or winget install graphviz."
    found = shutil.which("dot")
    if found is None:
        return Finding("dot", "warning", "not installed", advice)
    try:
        done = subprocess.run([found, "-V"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding("dot", "warning", f"{found} cannot be run: {error}", advice)
    number = re.search(r"\d+\.\d+(\.\d+)?", done.stderr + done.stdout)
    return Finding("dot", "ok", number[0] if number else found)


def of_store(where: str) -> Iterator[Finding]:
    """The store's place, whether it can be read and written, and its tables; a missing one is no problem."""
    try:
        store = open_store(where)
        known = store.exists()
        shown = named(store, where)
    except StoreError as error:
        yield Finding("store", "problem", str(error), "Name another with --store or TRACELIB_STORE.")
        return
    if not known:
        yield Finding(
            "store", "warning", f"none at {shown} yet", f'It is made by trace.init(store="{shown}").'
        )
    else:
        yield Finding("store", "ok", shown)
        yield from of_tables(store)
    if isinstance(store, SQLiteStore):
        yield from of_folder(store)
    yield writable("journal", store.journal)


def of_tables(store: Store) -> Iterator[Finding]:
    """Whether the database opens, is written and is up to date."""
    unmade = Finding("database", "ok", "not made yet: all that was recorded is in the journal")
    if isinstance(store, SQLiteStore) and not store.file.exists():
        yield unmade
        return
    try:
        names = applied(store.database)
    except StoreError as error:
        yield Finding("database", "problem", str(error), "See whether it is there, whole, and yours to read.")
        return
    if not names:
        yield unmade
        return
    yield schema(names)
    yield writing(store)


def writing(store: Store) -> Finding:
    """Whether rows could be added now."""
    refused = "What is recorded waits in the journal until the database can be written."
    try:
        with store.database.writing() as connection:
            if not store.database.is_sqlite and not connection.exec_driver_sql(MAY_WRITE).scalar():
                return Finding("database", "problem", "this user may not write to it", refused)
    except StoreError as error:
        return Finding("database", "problem", str(error), refused)
    return Finding("database", "ok", "can be read and written")


def schema(names: set[str]) -> Finding:
    """Which migrations were applied."""
    ours = {name for name, _ in STEPS}
    latest = max(names, default="none")
    if names - ours:
        return Finding("schema", "warning", f"{latest}, of a newer tracelib", "pip install -U tracelib")
    if ours - names:
        return Finding("schema", "ok", f"{latest}, brought up to date when it is opened next")
    return Finding("schema", "ok", latest)


def of_folder(store: SQLiteStore) -> Iterator[Finding]:
    """Free space, and whether the file system has what write-ahead logging needs."""
    folder = existing(store.file.parent)
    free = shutil.disk_usage(folder).free
    low = free < LITTLE
    yield Finding(
        "space",
        "warning" if low else "ok",
        f"{size(free)} free at {folder}",
        "Make room, or see tracelib prune." if low else "",
    )
    yield write_ahead(folder)


def write_ahead(folder: Path) -> Finding:
    """Whether SQLite's write-ahead logging works there, which is tried in a folder that is removed again."""
    kind = file_system(folder) or "this file system"
    advice = "Use a folder on a local disk, or PostgreSQL."
    if kind in REMOTE:
        return Finding("wal", "warning", f"{kind} is shared by machines, which SQLite cannot rely on", advice)
    try:
        with tempfile.TemporaryDirectory(prefix=".tracelib-doctor-", dir=folder) as trial:
            mode = tried(Path(trial) / "trial.db")
    except (OSError, sqlite3.Error) as error:
        return Finding(
            "wal", "problem", f"cannot be tried at {folder}: {error}", "See the rights and the free space."
        )
    if mode != "wal":
        return Finding("wal", "problem", f"write-ahead logging does not work on {kind}", advice)
    return Finding("wal", "ok", f"write-ahead logging works on {kind}")


def tried(file: Path) -> str:
    """The journal mode that SQLite took, after a write of one connection was read by another."""
    with closing(sqlite3.connect(file)) as one, closing(sqlite3.connect(file)) as other:
        mode = str(one.execute("PRAGMA journal_mode=WAL").fetchone()[0])
        one.execute("CREATE TABLE trial (n)")
        one.commit()
        other.execute("SELECT n FROM trial").fetchall()
    return mode


def writable(id: str, path: Path) -> Finding:
    """Whether files can be made in a folder, or the folder itself."""
    folder = existing(path)
    if os.access(folder, os.W_OK | os.X_OK):
        return Finding(id, "ok", f"{path} can be written")
    return Finding(
        id, "problem", f"{folder} cannot be written", "Calls would stay in memory: change its rights."
    )


def existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    while not path.exists():
        path = path.parent
    return path


def file_system(folder: Path) -> str:
    """The kind of file system a folder is on, as Linux tells; empty elsewhere."""
    try:
        lines = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    mounts = [line.split()[1:3] for line in lines]
    at = folder.resolve()
    fitting = [(point, kind) for point, kind in mounts if at == Path(point) or Path(point) in at.parents]
    return max(fitting, key=lambda mount: len(mount[0]), default=("", ""))[1]
