"""One transaction's worth of journal as rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, insert, select, update

from tracelib.store import schema
from tracelib.store.draining.calls import Calls
from tracelib.store.draining.inserting import as_json, clean, many
from tracelib.store.draining.registry import Registry, added
from tracelib.store.journal.frames import Record
from tracelib.store.values.blobs import Blobs
from tracelib.store.values.encoding import digest
from tracelib.store.writing import records
from tracelib.store.writing.parameters import FIRST_SEEN
from tracelib.versioning import Version, difference

NO_SESSION = "0" * 32
"""The session of calls of which none is known."""
BY_DIFFERENCE = "difference"
"""Who wrote a commit message that was made from the difference of the code."""


class Batch:
    """Writes the rows of many records, those of calls together: each of their tables is written once."""

    def __init__(self, connection: Connection, blobs: Blobs, registry: Registry) -> None:
        self._connection = connection
        self._blobs = blobs
        self._registry = registry
        self._values: dict[str, bytes] = {}
        self._calls = Calls(connection, registry, self._keep)

    def write(self, found: Sequence[Record]) -> None:
        """Write every record, in order."""
        self._calls.collect(found, self._other)
        if self._values:
            self._blobs.put_all(self._connection, self._values)
        self._calls.flush()

    def _other(self, kind: int, payload: bytes) -> None:
        """A record of anything but a call."""
        if kind == records.BLOB:
            self._keep(payload)
        else:
            OTHERS[kind](self, records.read(payload))

    def _keep(self, data: bytes) -> str:
        found = digest(data)
        self._values[found] = data
        return found

    def interrupted(self, id: bytes, key: str, start_ns: int) -> None:
        """A call that had begun and never ended: of it only function and start are known, no duration."""
        number = self._calls.first
        known = {
            "n": number,
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
        self._connection.execute(insert(schema.payload).values(call=number, inputs="{}"))

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
