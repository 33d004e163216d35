"""The calls of one transaction's worth of journal as rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, select

from tracelib.store import schema
from tracelib.store.draining.inserting import clean, many, ragged, trimmed
from tracelib.store.draining.registry import Registry
from tracelib.store.journal.frames import Record
from tracelib.store.values.blobs import SECTION, batches, outsourced
from tracelib.store.writing.records import CALL, HEAD, NO_ID, SECTIONS, Links, read_links, read_shared

_OF_ALL = (
    "n",
    "id",
    "trace",
    "parent",
    "function",
    "version",
    "session",
    "status",
    "start_ns",
    "duration_ns",
    "place",
)
_TABLE = tuple(column.name for column in schema.call.columns)
FACTS = ("first_token_ns", *_TABLE[_TABLE.index("model") :])
"""The columns of a call that only a language model's has."""
COLUMNS = tuple(schema.call.c[name] for name in (*_OF_ALL, "run", "error_type", *FACTS))
"""Those of `call`: first what each has, then what few have, so that most rows end early."""
_SECTIONS = ("inputs", "output", "graph", "error", "state", "request")
PAYLOAD = tuple(schema.payload.c[name] for name in ("call", *_SECTIONS))
"""Those of `payload`, likewise."""
_ORDER = tuple(map(SECTIONS.index, _SECTIONS))
NO_LINKS = Links(None, [], [], {})
NEWEST = select(func.max(schema.call.c.n))


class Calls:
    """Collects the rows of many calls, so that each table is written once."""

    def __init__(self, connection: Connection, registry: Registry, keep: Callable[[bytes], str]) -> None:
        self._connection = connection
        self._registry = registry
        self._keep = keep
        self._rows: dict[bytes, tuple[Any, ...]] = {}
        self._payloads: list[tuple[Any, ...]] = []
        self._edges: list[tuple[Any, ...]] = []
        self._uses: list[tuple[Any, ...]] = []
        self._numbers: dict[str, tuple[int, int | None, int, int | None]] = {}
        self.first: int = 1 + (connection.execute(NEWEST).scalar() or 0)
        """The number of the first one that is new."""

    def collect(self, found: Sequence[Record], other: Callable[[int, bytes], None]) -> None:
        """Make rows of all that are calls, and give the other records away, in order.

        One loop that calls nothing of ours for a call with nothing but inputs and an output, as most are:
        methods for its parts, and a head of JSON, doubled the time.
        """
        first, rows, payloads, numbers = self.first, self._rows, self._payloads, self._numbers
        unpack, lines_at = HEAD.unpack_from, HEAD.size
        for kind, payload, _ in found:
            if kind != CALL:
                other(kind, payload)
                continue
            id, trace, parent, status, start_ns, duration_ns, place = unpack(payload)
            lines = payload[lines_at:].decode().split("\n")
            shared, links, inputs, output, error, graph, state, request = lines
            if id in rows:
                continue
            caller = None if parent == NO_ID else parent
            function, version, session, run = numbers.get(shared) or self._looked_up(shared)
            number = first + len(rows)
            row = number, id, trace, caller, function, version, session, status, start_ns, duration_ns, place
            rows[id] = row if run is None else (*row, run)
            if links or error or graph or state or request or len(payload) >= SECTION:
                self._more(id, links, lines[2:], long=len(payload) >= SECTION)
            else:
                payloads.append((number, inputs or None, output or None))

    def _more(self, id: bytes, line: str, sections: list[str], *, long: bool) -> None:
        """What few calls have: links, and values of which in a `long` record some may be big."""
        row = self._rows[id]
        number = row[0]
        links = read_links(line) if line else NO_LINKS
        if links.error_type is not None or links.facts:
            self._rows[id] = _with_links(row, links)
        self._edges += [(number, bytes.fromhex(source), slot) for source, slot in links.edges]
        if long or links.blobs:
            sections = self._outsourced(number, sections, links.blobs)
        self._payloads.append(trimmed((number, *[sections[at] or None for at in _ORDER])))

    def _outsourced(self, number: int, sections: list[str], blobs: list[str]) -> list[str]:
        """The values of a call of which some are big: those become blobs. In the graph section they are."""
        kept = list(sections)
        used = dict.fromkeys(blobs)
        for at, section in enumerate(sections):
            data = section.encode()
            if len(data) >= SECTION and SECTIONS[at] != "graph":
                kept[at], hashes = outsourced(data, self._keep)
                used.update(dict.fromkeys(hashes))
        self._uses += [(number, hash) for hash in used]
        return kept

    def _looked_up(self, shared: str) -> tuple[int, int | None, int, int | None]:
        """The numbers of a call's function, version, session and run; remembered once all are there."""
        connection, registry, told = self._connection, self._registry, read_shared(shared)
        function = registry.function(connection, clean(told.key), clean(told.name), told.kind)
        version = registry.version(connection, function, told.version)
        run = registry.run(connection, told.run)
        found = function, version, registry.session(connection, told.session), run
        if (version is None) == (told.version is None) and (run is None) == (told.run is None):
            self._numbers[shared] = found
        return found

    def flush(self) -> None:
        """Write what was collected."""
        added = ragged(self._connection, schema.call, self._rows.values(), COLUMNS)
        if added < len(self._rows):
            self._leave_known()
        ragged(self._connection, schema.payload, self._payloads, PAYLOAD)
        many(self._connection, schema.edge, self._edges)
        many(self._connection, schema.blob_use, self._uses)

    def _leave_known(self) -> None:
        """Keep only what belongs to new calls: of a journal that was deleted everything is written again."""
        self._resume()
        number = schema.call.c.n
        new = set(self._connection.execute(select(number).where(number >= self.first)).scalars())
        for rows in (self._payloads, self._edges, self._uses):
            rows[:] = [row for row in rows if row[0] in new]

    def _resume(self) -> None:
        """Put calls that had been taken for interrupted, and ended after all, in the place of those rows."""
        call, connection = schema.call, self._connection
        found: dict[int, bytes] = {}
        for ids in batches(self._rows):
            early = (call.c.n < self.first) & (call.c.status == schema.INTERRUPTED)
            asked = select(call.c.n, call.c.id).where(early, call.c.id.in_(ids))
            found.update((row.n, row.id) for row in connection.execute(asked))
        for numbers in batches(found):
            connection.execute(delete(schema.payload).where(schema.payload.c.call.in_(numbers)))
            connection.execute(delete(call).where(call.c.n.in_(numbers)))
        ragged(connection, call, [self._rows[id] for id in found.values()], COLUMNS)


def _with_links(row: tuple[Any, ...], links: Links) -> tuple[Any, ...]:
    """The row of a call with the type of its error and its facts."""
    run = row[len(_OF_ALL)] if len(row) > len(_OF_ALL) else None
    error_type = None if links.error_type is None else clean(links.error_type)
    return trimmed((*row[: len(_OF_ALL)], run, error_type, *map(links.facts.get, FACTS)))
