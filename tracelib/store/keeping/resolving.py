"""Lines of an export as rows of this store: ids, keys and hashes become the numbers that rows have here.

A line that names what is neither here nor in a line before it is damaged, and so is one that no store
could have written: what is read later relies on it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Table, select

from tracelib.store import schema
from tracelib.store.keeping.lines import KINDS, REFERENCE, SECTIONS, LineError, is_id, is_text, values
from tracelib.store.keeping.marks import KINDS as MARKED
from tracelib.store.keeping.numbering import BESIDE, state_of
from tracelib.store.schema import STATUS, blob, call, function, version
from tracelib.store.values.blobs import HASH, batches
from tracelib.store.values.encoding import digest

Row = dict[str, Any]


@dataclass
class Known:
    """Numbers of rows in this store by what lines call them, kept from one transaction to the next."""

    sessions: dict[str, int] = field(default_factory=dict)
    functions: dict[str, int] = field(default_factory=dict)
    versions: dict[tuple[str, str], int] = field(default_factory=dict)
    runs: dict[str, int] = field(default_factory=dict)
    parameters: dict[tuple[str, str], int] = field(default_factory=dict)


class Resolving:
    """Lines of one kind as rows, in one transaction."""

    def __init__(self, connection: Connection, known: Known, records: Iterable[Row]) -> None:
        self._connection = connection
        self._known = known
        named = {hash for record in records for hash in _texts(record.get("blobs"))}
        self._missing = named - _there(connection, named)

    def row(self, record: Row) -> Row:
        """The row of a line, with what belongs to other tables beside it; raises LineError."""
        kind = record["kind"]
        if kind in ROWS:
            return ROWS[kind](self, record)
        if kind not in KINDS:
            raise LineError(f"is of an unknown kind, {kind!r:.80}")
        return values(KINDS[kind], record)

    def _version(self, record: Row) -> Row:
        uses = _pairs(record, "uses", is_text)
        made = values(version, record, function=self._function(record), parent=None)
        parent = record.get("parent")
        if parent is not None and not is_text(parent):
            raise LineError(f"has {parent!r:.80} as 'parent'")
        if made["number"] < 1:
            raise LineError(f"has {made['number']} as 'number'")
        return made | {BESIDE: (record["function"], parent, uses)}

    def _blob(self, record: Row) -> Row:
        hash, data = record.get("hash"), record.get("data")
        try:
            found = base64.b64decode(data, validate=True)  # type: ignore[arg-type]
        except (binascii.Error, ValueError, TypeError) as error:
            raise LineError("has no base64 as 'data'") from error
        if hash != digest(found):
            raise LineError(f"is a value that has not its hash, {hash!r:.80}")
        return {"hash": hash, "data": found}

    def _call(self, record: Row) -> Row:
        status = record.get("status")
        if status not in STATUS:
            raise LineError(f"has {status!r:.80} as 'status'")
        instead = self._stamped(record) | {"function": self._function(record), "version": None}
        if record.get("version") is not None:
            instead["version"] = self._numbered(record)
        made = values(call, record, **instead, status=STATUS.index(status))
        edges = {(bytes.fromhex(source), slot) for source, slot in _pairs(record, "edges", is_id)}
        blobs = self._blobs_of(record)
        sections = _sections(record, blobs) if "inputs" in record else None
        return made | {BESIDE: (sections, edges, blobs)}

    def _blobs_of(self, record: Row) -> set[str]:
        blobs = record.get("blobs", [])
        if not isinstance(blobs, list) or not all(
            isinstance(one, str) and HASH.fullmatch(one) for one in blobs
        ):
            raise LineError("has no list of hashes as 'blobs'")
        for hash in blobs:
            if hash in self._missing:
                raise LineError(f"names a value that no line before it tells of: {hash}")
        return set(blobs)

    def _update(self, record: Row) -> Row:
        key = record.get("program"), record.get("path")
        number = self._look_up(
            self._known.parameters,
            key,
            schema.parameter,
            (schema.parameter.c.program, schema.parameter.c.path),
        )
        made = values(schema.update, record, parameter=number, **self._stamped(record))
        return made | {BESIDE: record["program"]}

    def _mark(self, record: Row) -> Row:
        """What was said about a call, version or run, or a tag of one."""
        made = values(KINDS[record["kind"]], record)
        kind, target = made["target_kind"], made["target"]
        if kind not in MARKED:
            raise LineError(f"has {kind!r:.80} as 'target_kind'")
        if kind != "version" and not is_id(target):
            raise LineError(f"has {target!r:.80} as 'target'")
        return made

    def _event(self, record: Row) -> Row:
        return values(schema.event, record, **self._stamped(record))

    def _alias(self, record: Row) -> Row:
        """The version by its hash, the state by its change: the numbers may be others here."""
        made = values(schema.alias, record)
        hash, state = record.get("hash"), record.get("state")
        if isinstance(state, list) and len(state) == 2:
            found = state_of(self._connection, made["name"], *state)
            return made if found is None else made | {"version": str(found)}
        if hash is None:
            return made
        named = select(version.c.number).join(function, function.c.n == version.c.function)
        mine = named.where(function.c.key == made["name"], version.c.hash == str(hash))
        number = self._connection.execute(mine).scalar()
        return made if number is None else made | {"version": str(number)}

    def _stamped(self, record: Row) -> Row:
        """The session and the run that a line belongs to."""
        session, run = schema.session, schema.run
        stamp: Row = {"run": None}
        for name, table, known in (
            ("session", session, self._known.sessions),
            ("run", run, self._known.runs),
        ):
            id = record.get(name)
            if id is None and name == "run":
                continue
            if not is_id(id):
                raise LineError(f"has {id!r:.80} as {name!r}")
            stamp[name] = self._look_up(known, id, table, (table.c.id,), bytes.fromhex(str(id)))
        return stamp

    def _function(self, record: Row) -> int:
        return self._look_up(self._known.functions, record.get("function"), function, (function.c.key,))

    def _numbered(self, record: Row) -> int:
        """The number of the row of a call's version."""
        key = record["function"], record["version"]
        asked = (version.c.function, version.c.hash)
        return self._look_up(
            self._known.versions, key, version, asked, self._function(record), record["version"]
        )

    def _look_up(self, known: dict[Any, int], key: Any, table: Table, columns: Any, *raw: Any) -> int:
        """A row's number; raises LineError where no line before this, and no row here, is of that."""
        if not all(isinstance(part, str) for part in (key if isinstance(key, tuple) else (key,))):
            raise LineError(f"names no {table.name}")
        if key not in known:
            wanted = raw or (key if isinstance(key, tuple) else (key,))
            pairs = zip(columns, wanted, strict=True)
            found = self._connection.execute(
                select(table.c.n).where(*(c == value for c, value in pairs))
            ).scalar()
            if found is None:
                raise LineError(f"names a {table.name} that no line before it tells of: {key!r:.120}")
            known[key] = found
        return known[key]


def _sections(record: Row, blobs: set[str]) -> Row:
    """The values of a call; all that stands elsewhere must be noted, or pruning would forget it."""
    if not isinstance(record["inputs"], dict):
        raise LineError(f"has {record['inputs']!r:.80} as 'inputs'")
    sections = values(schema.payload, record)
    for column in SECTIONS:
        text = sections[column.name]
        for hash in REFERENCE.findall(text) if text is not None else ():
            if hash not in blobs:
                raise LineError(f"has a value that is not among its 'blobs': {hash}")
    return sections


def _pairs(record: Row, name: str, fits: Callable[[Any], bool]) -> list[list[str]]:
    """A list of pairs of texts, of which the first must fit."""
    found = record.get(name, [])
    if not isinstance(found, list) or not all(
        isinstance(pair, list) and len(pair) == 2 and fits(pair[0]) and is_text(pair[1]) for pair in found
    ):
        raise LineError(f"has no list of pairs as {name!r}")
    return found


def _texts(given: Any) -> list[str]:
    return [one for one in given if is_text(one)] if isinstance(given, list) else []


def _there(connection: Connection, hashes: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for batch in batches(hashes):
        found.update(connection.execute(select(blob.c.hash).where(blob.c.hash.in_(batch))).scalars())
    return found


ROWS: dict[str, Callable[[Resolving, Row], Row]] = {
    "version": Resolving._version,
    "blob": Resolving._blob,
    "call": Resolving._call,
    "update": Resolving._update,
    "feedback": Resolving._mark,
    "tag": Resolving._mark,
    "alias": Resolving._alias,
    "event": Resolving._event,
}
"""How a line of a kind becomes a row, where it takes more than its columns."""
