"""What must be there for every row of a table, and what to do where it is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Select, select

from tracelib.store import schema
from tracelib.store.schema import (
    blob,
    blob_use,
    call,
    edge,
    function,
    parameter,
    payload,
    pending,
    run,
    update,
    version,
)

RESTORE = "Go back to a copy, or import an export into a new store"
MEND = "Import an export that has it, or prune the calls that have it"
HARMLESS = "It is never shown"
DAMAGED = "Go back to a copy, or export what can be read (--where) and import it into a new store"
TIDY = "Export and import into a new store to be rid of it"


@dataclass(frozen=True)
class Reference:
    """A column whose values must be those of another one. `shown` is what a finding is named after."""

    column: Column[Any]
    to: Column[Any]
    what: str
    advice: str
    loss: bool = True
    shown: Column[Any] | None = None
    may_run: bool = False
    """Whether it may be the id of a call that has not ended."""

    def dangling(self) -> Select[Any]:
        """What is shown of the rows whose column refers to nothing."""
        found = select(self.column if self.shown is None else self.shown).where(self.column.isnot(None))
        for to in (self.to, pending.c.id) if self.may_run else (self.to,):
            other = to.table.alias()
            found = found.where(~select(other).where(other.c[to.name] == self.column).exists())
        return found


NUMBERS_OF_CALLS = {call.c.n, payload.c.call, edge.c.target, blob_use.c.call}
REFERENCES = (
    Reference(call.c.n, payload.c.call, "the values of the call are gone", RESTORE),
    Reference(call.c.function, function.c.n, "the function of the call is gone", RESTORE, shown=call.c.n),
    Reference(call.c.version, version.c.n, "the version of the call is gone", RESTORE, shown=call.c.n),
    Reference(call.c.session, schema.session.c.n, "the session of the call is gone", RESTORE, shown=call.c.n),
    Reference(call.c.run, run.c.n, "the run of the call is gone", RESTORE, shown=call.c.n),
    Reference(
        call.c.parent,
        call.c.id,
        "the call that it was made within is not there",
        "That call's process died, or it was not recorded",
        loss=False,
        shown=call.c.n,
        may_run=True,
    ),
    Reference(payload.c.call, call.c.n, "there are values of a call that is gone", RESTORE),
    Reference(edge.c.target, call.c.n, "there are edges to a call that is gone", TIDY, loss=False),
    Reference(
        edge.c.source,
        call.c.id,
        "a value came from a call that is not there",
        "It was not recorded here, or its process died",
        loss=False,
        shown=edge.c.target,
        may_run=True,
    ),
    Reference(blob_use.c.hash, blob.c.hash, "a value of the call is gone", MEND, shown=blob_use.c.call),
    Reference(blob_use.c.call, call.c.n, "there are uses of values by a call that is gone", TIDY, loss=False),
    Reference(
        version.c.function, function.c.n, "the function of a version is gone", RESTORE, shown=version.c.hash
    ),
    Reference(version.c.parent, version.c.n, "the version before it is gone", RESTORE, shown=version.c.hash),
    Reference(
        update.c.parameter, parameter.c.n, "the parameter of a change is gone", RESTORE, shown=update.c.n
    ),
    Reference(
        update.c.session, schema.session.c.n, "the session of a change is gone", RESTORE, shown=update.c.n
    ),
)
"""What must be there for every row of a table."""
