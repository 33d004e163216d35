"""Numbers of the rows that many records refer to: functions, versions, sessions and runs."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Table, insert, select

from tracelib.store.schema import function, run, session, version


class Registry:
    """Looks numbers up and remembers them; one per drain, which alone adds rows."""

    def __init__(self) -> None:
        self._functions: dict[str, int] = {}
        self._versions: dict[tuple[int, str], int | None] = {}
        self._sessions: dict[str, int] = {}
        self._runs: dict[str, int | None] = {}

    def clear(self) -> None:
        """Forget everything: a transaction was rolled back."""
        self.__init__()  # type: ignore[misc]

    def function(self, connection: Connection, key: str, name: str, kind: str) -> int:
        """The number of a function, which gets a row if it has none."""
        found = self._functions.get(key)
        if found is None:
            known = connection.execute(select(function.c.n).where(function.c.key == key)).scalar()
            found = known or added(connection, function, key=key, name=name, kind=kind)
            self._functions[key] = found
        return found

    def version(self, connection: Connection, function_n: int, hash: str | None) -> int | None:
        """The number of a version; None where its record is not there yet."""
        if hash is None:
            return None
        key = function_n, hash
        if self._versions.get(key) is None:
            where = (version.c.function == function_n) & (version.c.hash == hash)
            self._versions[key] = connection.execute(select(version.c.n).where(where)).scalar()
        return self._versions[key]

    def session(self, connection: Connection, id: str, **told: Any) -> int:
        """The number of a session, which gets a row if it has none."""
        found = self._sessions.get(id)
        if found is None:
            raw = bytes.fromhex(id)
            known = connection.execute(select(session.c.n).where(session.c.id == raw)).scalar()
            unknown = {"started_ns": 0, "pid": 0, "host": "", "python": "", "tracelib": ""}
            found = known or added(connection, session, id=raw, **{**unknown, **told})
            self._sessions[id] = found
        return found

    def run(self, connection: Connection, id: str | None) -> int | None:
        """The number of a run; None where there is none."""
        if id is None:
            return None
        if self._runs.get(id) is None:
            where = run.c.id == bytes.fromhex(id)
            self._runs[id] = connection.execute(select(run.c.n).where(where)).scalar()
        return self._runs[id]


def added(connection: Connection, table: Table, **values: Any) -> int:
    """Add a row and give its number."""
    done = connection.execute(insert(table).values(**values))
    key: Any = done.inserted_primary_key
    return int(key[0])
