"""One transaction's worth of journal as rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Table, delete, func, insert, select, update

from tracelib.store import schema
from tracelib.store.draining.registry import Registry, added
from tracelib.store.journal.frames import Record
from tracelib.store.values.blobs import SECTION, Blobs, batches, outsourced
from tracelib.store.values.encoding import digest
from tracelib.store.writing import records
from tracelib.store.writing.parameters import FIRST_SEEN
from tracelib.store.writing.records import SECTIONS
from tracelib.versioning import Version, difference

_COLUMNS = tuple(column.name for column in schema.call.columns)
FACTS = ("first_token_ns", *_COLUMNS[_COLUMNS.index("model") :])
"""The columns of a call that only a language model's has."""
NO_FACTS = (None,) * len(FACTS)
GRAPH = SECTIONS.index("graph")
"""The section whose big values are blobs already."""
NEWEST = select(func.max(schema.call.c.n))
NO_SESSION = "0" * 32
"""The session of calls of which none is known."""
BY_DIFFERENCE = "difference"
"""Who wrote a commit message that was made from the difference of the code."""


class Batch:
    """Collects the rows of many records, so that each table is written once."""

    def __init__(self, connection: Connection, blobs: Blobs, registry: Registry) -> None:
        self._connection = connection
        self._blobs = blobs
        self._registry = registry
        self._calls: dict[bytes, tuple[Any, ...]] = {}
        self._payloads: list[tuple[Any, ...]] = []
        self._edges: list[tuple[Any, ...]] = []
        self._uses: list[tuple[Any, ...]] = []
        self._values: dict[str, bytes] = {}
        self._numbers: dict[str, tuple[int | None, ...]] = {}
        self._first = self._next = 1 + (connection.execute(NEWEST).scalar() or 0)

    def write(self, found: Sequence[Record]) -> None:
        """Write every record, in order."""
        for record in found:
            if record.kind == records.CALL:
                self._call(record.payload)
            elif record.kind == records.BLOB:
                self._values[digest(record.payload)] = record.payload
            else:
                OTHERS[record.kind](self, records.read(record.payload))
        self._flush()

    def _call(self, payload: bytes) -> None:
        shared, head, sections = records.read_call(payload)
        shown, trace, parent, status, error_type, start_ns, duration_ns, place, edges, blobs, facts = head
        id = bytes.fromhex(shown)
        if id in self._calls:
            return
        number = self._next
        self._next += 1
        first_token_ns, *others = map(facts.get, FACTS) if facts else NO_FACTS
        self._calls[id] = (
            number,
            id,
            id if trace == shown else bytes.fromhex(trace),
            None if parent is None else bytes.fromhex(parent),
            *(self._numbers.get(shared) or self._looked_up(shared)),
            status,
            None if error_type is None else clean(error_type),
            start_ns,
            duration_ns,
            first_token_ns,
            place,
            *others,
        )
        self._payload(number, sections, blobs, long=len(payload) >= SECTION)
        if edges:
            self._edges += [(number, bytes.fromhex(source), slot) for source, slot in edges]

    def _payload(self, number: int, sections: list[str], blobs: list[str], *, long: bool) -> None:
        """The values of a call; of a `long` record some may be big."""
        if len(sections) != len(SECTIONS):
            raise ValueError(f"a call has {len(SECTIONS)} sections, not {len(sections)}")
        if long or blobs:
            self._outsource(number, sections, blobs)
        else:
            self._payloads.append((number, *[section or None for section in sections]))

    def _looked_up(self, shared: str) -> tuple[int | None, ...]:
        """The numbers of a call's function, version, session and run; remembered once all are there."""
        connection, registry, told = self._connection, self._registry, records.read_shared(shared)
        function = registry.function(connection, clean(told.key), clean(told.name), told.kind)
        version = registry.version(connection, function, told.version)
        run = registry.run(connection, told.run)
        found = function, version, registry.session(connection, told.session), run
        if (version is None) == (told.version is None) and (run is None) == (told.run is None):
            self._numbers[shared] = found
        return found

    def _outsource(self, number: int, sections: list[str], blobs: list[str]) -> None:
        """The values of a call of which some are big: those become blobs."""
        kept: list[str | None] = []
        used = dict.fromkeys(blobs)
        for at, section in enumerate(sections):
            data = section.encode()
            if len(data) < SECTION or at == GRAPH:
                kept.append(section or None)
            else:
                text, hashes = outsourced(data, self._keep)
                used.update(dict.fromkeys(hashes))
                kept.append(text)
        self._payloads.append((number, *kept))
        self._uses += [(number, hash) for hash in used]

    def interrupted(self, id: bytes, key: str, start_ns: int) -> None:
        """A call that had begun and never ended: of it only function and start are known, no duration."""
        known = {
            "n": self._next,
            "id": id,
            "trace": id,
            "function": self._registry.function(
                self._connection, clean(key), key.rpartition(":")[2], "bundle"
            ),
            "session": self._registry.session(self._connection, NO_SESSION),
            "status": schema.INTERRUPTED,
            "start_ns": start_ns,
            "duration_ns": 0,
            "place": 0,
        }
        self._connection.execute(insert(schema.call).values(known))
        self._connection.execute(insert(schema.payload).values(call=self._next, inputs="{}"))
        self._next += 1

    def _keep(self, data: bytes) -> str:
        found = digest(data)
        self._values[found] = data
        return found

    def _flush(self) -> None:
        if self._values:
            self._blobs.put_all(self._connection, self._values)
        added = many(self._connection, schema.call, self._calls.values())
        if added < len(self._calls):
            self._leave_known()
        many(self._connection, schema.payload, self._payloads)
        many(self._connection, schema.edge, self._edges)
        many(self._connection, schema.blob_use, self._uses)

    def _leave_known(self) -> None:
        """Keep only what belongs to new calls: of a journal that was deleted everything is written again."""
        self._resume()
        number = schema.call.c.n
        new = set(self._connection.execute(select(number).where(number >= self._first)).scalars())
        for rows in (self._payloads, self._edges, self._uses):
            rows[:] = [row for row in rows if row[0] in new]

    def _resume(self) -> None:
        """Put calls that had been taken for interrupted, and ended after all, in the place of those rows."""
        call, connection = schema.call, self._connection
        found: dict[int, bytes] = {}
        for ids in batches(self._calls):
            early = (call.c.n < self._first) & (call.c.status == schema.INTERRUPTED)
            asked = select(call.c.n, call.c.id).where(early, call.c.id.in_(ids))
            found.update((row.n, row.id) for row in connection.execute(asked))
        for numbers in batches(found):
            connection.execute(delete(schema.payload).where(schema.payload.c.call.in_(numbers)))
            connection.execute(delete(call).where(call.c.n.in_(numbers)))
        many(connection, call, [self._calls[id] for id in found.values()])

    def _session(self, told: dict[str, Any]) -> None:
        self._registry.session(
            self._connection,
            told["session"],
            started_ns=told["time_ns"],
            pid=told["pid"],
            host=clean(told["host"]),
            python=told["python"],
            tracelib=told["tracelib"],
        )

    def _version(self, told: dict[str, Any]) -> None:
        """A version of a function: the next of its numbers, with a message that says what changed."""
        connection = self._connection
        found = Version.from_json(told["closure"])
        function = self._registry.function(connection, clean(told["key"]), clean(told["name"]), told["kind"])
        if self._registry.version(connection, function, found.hash) is not None:
            return
        table = schema.version
        newest = connection.execute(
            select(table).where(table.c.function == function).order_by(table.c.number.desc()).limit(1)
        ).first()
        before = None if newest is None else Version.from_json(json.loads(newest.closure))
        number = added(
            connection,
            table,
            function=function,
            number=1 if newest is None else newest.number + 1,
            hash=found.hash,
            description=told["description"] and clean(told["description"]),
            parent=None if newest is None else newest.n,
            source=clean(found.source),
            dependencies=clean(found.dependencies),
            closure=as_json(told["closure"]),
            api_params=as_json(told["api_params"]),
            free_values=as_json(found.free_values),
            global_values=as_json(found.global_values),
            partial=found.partial,
            created_ns=told["time_ns"],
            message=clean(difference(before, found).summary),
            message_by=BY_DIFFERENCE,
        )
        uses = [(number, clean(use.name), use.hash) for use in found.uses]
        many(connection, schema.use, dict.fromkeys(uses))

    def _update(self, told: dict[str, Any]) -> None:
        """A change of a parameter. A value first seen is one only if it is not the newest we know."""
        connection = self._connection
        parameter = self._parameter(told)
        history = schema.update
        if told["because"] == FIRST_SEEN:
            newest = connection.execute(
                select(history.c.new)
                .where(history.c.parameter == parameter)
                .order_by(history.c.n.desc())
                .limit(1)
            ).scalar()
            if newest == told["new"]:
                return
        where = (history.c.parameter == parameter) & (history.c.time_ns == told["time_ns"])
        if connection.execute(select(history.c.n).where(where, history.c.new == told["new"])).first():
            return  # of a journal that was deleted and written again
        connection.execute(
            insert(history).values(
                parameter=parameter,
                time_ns=told["time_ns"],
                session=self._registry.session(connection, told["session"]),
                run=self._registry.run(connection, told["run"]),
                old=told["old"],
                new=told["new"],
                because=clean(told["because"]),
                by=clean(told["by"]),
                score=told.get("score"),
            )
        )

    def _parameter(self, told: dict[str, Any]) -> int:
        table = schema.parameter
        program, path = clean(told["program"]), clean(told["path"])
        where = (table.c.program == program) & (table.c.path == path)
        found = self._connection.execute(select(table.c.n).where(where)).scalar()
        described = {name: told[name] and clean(told[name]) for name in ("description", "constraint")}
        if found is not None:
            self._connection.execute(update(table).where(where).values(**described))
            return int(found)
        return added(
            self._connection, table, program=program, path=path, is_code=told["is_code"], **described
        )

    def _event(self, told: dict[str, Any]) -> None:
        self._connection.execute(
            insert(schema.event).values(
                session=self._registry.session(self._connection, told["session"]),
                run=self._registry.run(self._connection, told["run"]),
                time_ns=told["time_ns"],
                name=clean(told["name"]),
                data=told["data"],
            )
        )

    def _feedback(self, told: dict[str, Any]) -> None:
        said = schema.feedback
        text = clean(told["text"])
        known = (
            (said.c.target == told["target"]) & (said.c.time_ns == told["time_ns"]) & (said.c.text == text)
        )
        if self._connection.execute(select(said.c.n).where(known)).first():
            return  # as in _update
        self._connection.execute(
            insert(said).values(
                target_kind="call",
                target=told["target"],
                name=told.get("name", "feedback"),
                score=told["score"],
                text=text,
                source=told.get("source", "code"),
                by=clean(told.get("by", "")),
                time_ns=told["time_ns"],
            )
        )

    def _run(self, told: dict[str, Any]) -> None:
        """A run began, or it ended: the one row that changes, once."""
        id = bytes.fromhex(told["id"])
        ended = {name: told.get(name) for name in ("status", "error", "end_ns")}
        done = self._connection.execute(update(schema.run).where(schema.run.c.id == id).values(**ended))
        if not done.rowcount:
            begun = {"name": clean(told["name"]), "config": told["config"], "start_ns": told["start_ns"]}
            self._connection.execute(insert(schema.run).values(id=id, **begun, **ended))

    def _message(self, told: dict[str, Any]) -> None:
        """The commit message that a model wrote, in place of the one made from the difference."""
        table = schema.version
        where = (table.c.hash == told["hash"]) & (table.c.message_by == BY_DIFFERENCE)
        self._connection.execute(
            update(table).where(where).values(message=clean(told["text"]), message_by=clean(told["by"]))
        )


OTHERS = {
    records.SESSION: Batch._session,
    records.VERSION: Batch._version,
    records.UPDATE: Batch._update,
    records.EVENT: Batch._event,
    records.FEEDBACK: Batch._feedback,
    records.RUN: Batch._run,
    records.MESSAGE: Batch._message,
}
"""Who writes each kind of record but calls and blobs."""


def many(connection: Connection, table: Table, rows: Iterable[Any]) -> int:
    """Add rows given as tuples in the order of the columns, and say how many; known ones are left alone.

    The statement is made by SQLAlchemy and run by the driver, which takes half the time of building
    each row's parameters by name.
    """
    values = list(rows)
    return connection.exec_driver_sql(_statement(connection, table), values).rowcount if values else 0


def _statement(connection: Connection, table: Table) -> str:
    """An insert with positional parameters; the style is the driver's."""
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    marks = ", ".join(mark for _ in table.columns)
    return f'INSERT INTO "{table.name}" ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING'


def clean(text: str) -> str:
    """A text as both engines can hold it: PostgreSQL has no NUL, UTF-8 no half of a surrogate pair."""
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()


def as_json(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, default=dict)
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, default=dict)
    return text
