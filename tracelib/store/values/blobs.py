"""Big values: kept once by the sha256 of their bytes, compressed, in the database or in files beside it.

`outsourced` decides what leaves a row of values, `inflated` puts it back. References are
`{"$": "blob", "hash", "size", "prefix"}`; the encoding of values escapes a user's own key "$", so that
no value can pass for a reference.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Row, Table, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from tracelib.errors import StoreError
from tracelib.store.schema import blob
from tracelib.store.values.encoding import digest

INLINE = 2_048
"""Values whose JSON is longer, in characters, are kept as blobs."""
SECTION = 4_096
"""Shorter sections stay as they are, unread; what a section keeps inline is not longer either."""
PREFIX = 200
"""Characters of a value that stay in its row, for search and display."""
LEVELS = 3
"""How deep within a section members of objects are looked at one by one."""
MEMBERS = 10_000
"""A longer list is data, not a conversation: it is one blob."""
FAN = 32
"""Runs of a list that one blob names; more are named by blobs of their own."""
IN_ROW = 4_096
"""A smaller compressed blob, in bytes, is kept in its row even where others are files, which take blocks."""
LEVEL = 1  # of zlib
BATCH = 500

HASH = re.compile(r"[0-9a-f]{64}")
ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
ESCAPING = json.JSONEncoder(separators=(",", ":"))

Item = TypeVar("Item", int, str, bytes)
Put = Callable[[bytes], str]
Get = Callable[[str], bytes]


class Blobs(Protocol):
    """Where big values are. Everything happens in the transaction of the connection given."""

    def put(self, connection: Connection, data: bytes) -> str:
        """The hash under which the bytes are kept; the same bytes are kept once."""

    def put_all(self, connection: Connection, values: Mapping[str, bytes]) -> None:
        """Keep many, by hash. One such call in a transaction cannot deadlock with another's; several can."""

    def get(self, connection: Connection, hash: str) -> bytes:
        """The bytes of that hash, checked; raises StoreError when they are missing or damaged."""

    def drop(self, connection: Connection, hashes: Iterable[str]) -> None:
        """Forget them. No writer may be at work: `alone` sees to it. `sweep` frees the room of files."""

    def sweep(self, connection: Connection, hashes: Iterable[str] | None = None) -> int:
        """Remove files that no row names, of these hashes or of all, and say how many bytes that was.

        They are of dropped values, and of writers that died. No writer may be at work: see `alone`.
        """


def adding(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An insert that leaves rows alone that are there already."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return postgresql.insert(table).on_conflict_do_nothing()


def alone(connection: Connection) -> None:
    """Until this transaction ends no other one puts a blob, and all that did have ended.

    In SQLite a transaction that writes is alone anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"LOCK TABLE {blob.name} IN SHARE ROW EXCLUSIVE MODE")


class TableBlobs:
    """Blobs in their rows: for databases that other machines reach."""

    def put(self, connection: Connection, data: bytes) -> str:
        hash = digest(data)
        self.put_all(connection, {hash: data})
        return hash

    def put_all(self, connection: Connection, values: Mapping[str, bytes]) -> None:
        for batch in batches(_absent(connection, values)):
            connection.execute(adding(connection, blob), [self._row(hash, values[hash]) for hash in batch])

    def get(self, connection: Connection, hash: str) -> bytes:
        row = connection.execute(select(blob).where(blob.c.hash == hash)).first()
        if row is None:
            raise StoreError(f"value {hash} is not in the store: import it from an export, or prune its call")
        return _checked(self._packed(row), row)

    def drop(self, connection: Connection, hashes: Iterable[str]) -> None:
        for batch in batches(hashes):
            connection.execute(delete(blob).where(blob.c.hash.in_(batch)))

    def sweep(self, connection: Connection, hashes: Iterable[str] | None = None) -> int:
        return 0

    def _row(self, hash: str, data: bytes) -> dict[str, Any]:
        packed = zlib.compress(data, LEVEL)
        return {"hash": hash, "size": len(data), "stored": len(packed), "data": self._kept(hash, packed)}

    def _kept(self, hash: str, packed: bytes) -> bytes | None:
        """What the row holds of it."""
        return packed

    def _packed(self, row: Row[Any]) -> bytes:
        if row.data is None:
            raise StoreError(f"value {row.hash} is a file beside the database: open the store by its folder")
        return bytes(row.data)


class FolderBlobs(TableBlobs):
    """Blobs in files beside an SQLite database, whose lock keeps writers and pruning apart; small in rows.

    Files are `ab/cdef...` by hash, readable by their owner only, and appear whole or not at all. With
    durability "fsync" they are on the disk before the row that names them.
    """

    def __init__(self, folder: Path, durability: str = "normal", in_row: int = IN_ROW) -> None:
        self.folder = folder
        self.durability = durability
        self.in_row = in_row

    def put_all(self, connection: Connection, values: Mapping[str, bytes]) -> None:
        super().put_all(connection, values)
        for hash in self._fileless(connection, values):
            self._write(hash, zlib.compress(values[hash], LEVEL))

    def sweep(self, connection: Connection, hashes: Iterable[str] | None = None) -> int:
        if hashes is not None:
            return sum(_remove(self.path_of(hash)) for hash in _absent(connection, hashes))
        freed = 0
        for folder in self._folders():
            files = {folder.name + file.name: file for file in folder.iterdir()}
            named = {hash for hash in files if HASH.fullmatch(hash)}
            kept = named - set(_absent(connection, named))
            freed += sum(_remove(file) for name, file in files.items() if name not in kept)
        return freed

    def path_of(self, hash: str) -> Path:
        """Raises StoreError for anything but a hash: a path never comes from outside."""
        if not HASH.fullmatch(hash):
            raise StoreError(f"{hash!r} is no hash of a value: it has 64 digits of 0-9 and a-f")
        return self.folder / hash[:2] / hash[2:]

    def _kept(self, hash: str, packed: bytes) -> bytes | None:
        if len(packed) < self.in_row:
            return packed
        self._write(hash, packed)
        return None

    def _packed(self, row: Row[Any]) -> bytes:
        if row.data is not None:
            return bytes(row.data)
        path = self.path_of(row.hash)
        try:
            return path.read_bytes()
        except OSError as error:
            raise StoreError(f"value {row.hash} cannot be read: {error.strerror}: {path}") from error

    def _fileless(self, connection: Connection, hashes: Iterable[str]) -> Iterator[str]:
        """Those whose row names a file that is not there: putting them again mends the store."""
        for batch in batches(hashes):
            outside = select(blob.c.hash).where(blob.c.hash.in_(batch), blob.c.data.is_(None))
            yield from (h for h in connection.execute(outside).scalars() if not self.path_of(h).exists())

    def _write(self, hash: str, packed: bytes) -> None:
        path = self.path_of(hash)
        try:
            self._make(self.folder)  # `parents=True` of the next one would open it to others
            self._make(path.parent)
            self._replace(path, packed)
        except OSError as error:
            raise StoreError(f"value {hash} could not be written: {error.strerror}: {path}") from error

    def _make(self, folder: Path) -> None:
        if folder.is_dir():
            return
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.durability == "fsync":
            _sync(folder.parent)

    def _replace(self, path: Path, packed: bytes) -> None:
        made, name = tempfile.mkstemp(dir=path.parent, prefix=".")
        try:
            with os.fdopen(made, "wb") as file:
                file.write(packed)
                if self.durability == "fsync":
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:  # also when interrupted: a half-written file must not stay
            Path(name).unlink(missing_ok=True)
            raise
        if self.durability == "fsync":
            _sync(path.parent)

    def _folders(self) -> Iterator[Path]:
        if self.folder.is_dir():
            yield from sorted(self.folder.glob("[0-9a-f][0-9a-f]"))


def _remove(file: Path) -> int:
    """The bytes that a file took; 0 when it was not there."""
    if not file.exists():
        return 0
    size = file.stat().st_size
    file.unlink()
    return size


def batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Sorted, so that two writers lock the same rows in the same order; few enough for one statement."""
    ordered = sorted(items)
    for start in range(0, len(ordered), BATCH):
        yield ordered[start : start + BATCH]


def _absent(connection: Connection, hashes: Iterable[str]) -> list[str]:
    """Those that have no row yet. The lock is the one an insert takes: `alone` waits for it."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"LOCK TABLE {blob.name} IN ROW EXCLUSIVE MODE")
    absent: list[str] = []
    for batch in batches(hashes):
        there = set(connection.execute(select(blob.c.hash).where(blob.c.hash.in_(batch))).scalars())
        absent += [hash for hash in batch if hash not in there]
    return absent


def _checked(packed: bytes, row: Row[Any]) -> bytes:
    try:
        data = zlib.decompressobj().decompress(packed, row.size + 1)
    except zlib.error as error:
        raise StoreError(f"value {row.hash} is damaged ({error}): import it again") from error
    if digest(data) != row.hash:
        raise StoreError(f"value {row.hash} is damaged, its bytes have another hash: import it again")
    return data


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def outsourced(section: bytes | str, put: Put) -> tuple[str, list[str]]:
    """A section (JSON of named values, or of one) with its big values put elsewhere, and their hashes.

    Lists of objects and texts, as conversations are, are put in runs of members, so that a history which
    grows by a message for every call is not stored again with each of them. `hashes` has every blob that
    is needed to inflate the section, in order, each once.
    """
    text = section if isinstance(section, str) else section.decode()
    if len(text) < SECTION:
        return text, []
    keeper = _Keeper(put)
    kept = keeper.slim(json.loads(text), text, LEVELS)
    return compact(kept), list(dict.fromkeys(keeper.hashes))


class _Keeper:
    """Puts what is big, and notes under which hashes."""

    def __init__(self, put: Put) -> None:
        self._put = put
        self.hashes: list[str] = []

    def slim(self, value: Any, text: str, levels: int) -> Any:
        """The value, or what stands for it: a reference, or an object with references. `text` is its JSON."""
        if len(text) <= INLINE:
            return value
        if isinstance(value, dict) and levels:
            members = {key: self.slim(member, compact(member), levels - 1) for key, member in value.items()}
            kept = compact(members)
            return members if len(kept) <= SECTION else self._reference(value, text, kept)
        if _is_conversation(value):
            return self._reference(value, text, self._in_runs([compact(member) for member in value]))
        return self._reference(value, text, text)

    def _reference(self, value: Any, text: str, kept: str) -> dict[str, Any]:
        plain = value if isinstance(value, str) else text
        size = len(text.encode())
        return {"$": "blob", "hash": self._keep(kept), "size": size, "prefix": plain[:PREFIX]}

    def _in_runs(self, members: Sequence[str]) -> str:
        closed, rest = _runs(members)
        parts = [self._keep(f"[{','.join(run)}]") for run in closed]
        while len(parts) > FAN:
            full = len(parts) // FAN * FAN
            grouped = [self._keep(_parts(parts[at : at + FAN], [])) for at in range(0, full, FAN)]
            parts = grouped + parts[full:]
        return _parts(parts, rest)

    def _keep(self, text: str) -> str:
        hash = self._put(text.encode())
        self.hashes.append(hash)
        return hash


def _is_conversation(value: Any) -> bool:
    return (
        isinstance(value, list)
        and 1 < len(value) <= MEMBERS
        and all(isinstance(member, (dict, str)) for member in value)
    )


def _runs(members: Sequence[str]) -> tuple[list[list[str]], list[str]]:
    """Neighbours put together, and those at the end that wait for more.

    Where a run ends depends on the members near its end (content-defined chunking), so that a list that
    grew at its end, or lost its beginning, has most of its runs in common with the list before. A big
    member has a run of its own.
    """
    closed: list[list[str]] = []
    run: list[str] = []
    length = 0
    for member in members:
        if len(member) > INLINE and length > PREFIX:
            closed.append(run)
            run, length = [], 0
        run.append(member)
        length += len(member)
        if length > INLINE or (length > INLINE // 2 and zlib.crc32(member.encode()) & 1):
            closed.append(run)
            run, length = [], 0
    return closed, run


def _parts(hashes: list[str], rest: Sequence[str]) -> str:
    return f'{{"$":"parts","parts":{ENCODER.encode(hashes)},"rest":[{",".join(rest)}]}}'


def compact(value: Any) -> str:
    """Compact JSON that can be encoded: half a surrogate pair is escaped, and all else with it."""
    text = ENCODER.encode(value)
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return ESCAPING.encode(value)
    return text


def inflated(structure: Any, get: Get) -> Any:
    """The structure, as json.loads gave it, with values in place of references; raises as `get`."""
    if isinstance(structure, list):
        return [inflated(member, get) for member in structure]
    if not isinstance(structure, dict):
        return structure
    if structure.get("$") == "blob":
        return inflated(json.loads(get(structure["hash"])), get)
    if structure.get("$") == "parts":
        return [member for part in structure["parts"] for member in _part(part, get)] + structure["rest"]
    return {key: inflated(member, get) for key, member in structure.items()}


def _part(hash: str, get: Get) -> list[Any]:
    members: list[Any] = inflated(json.loads(get(hash)), get)
    return members
