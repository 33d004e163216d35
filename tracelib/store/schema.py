"""The tables, once for SQLite and PostgreSQL. Times and durations are nanoseconds, costs nano-dollars.

A call's row is written once, when the call has ended, and never changed. `n` numbers rows in the order
they were written and is what other tables refer to; `id` is the UUIDv7 that people and other processes
know, as 16 bytes, so that it sorts by the time a call started. Values are typed JSON (encoding.py) in
`payload`, which listings do not read.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

from tracelib.store.writing.records import FAILED as FAILED
from tracelib.store.writing.records import INTERRUPTED as INTERRUPTED
from tracelib.store.writing.records import RETURNED as RETURNED
from tracelib.store.writing.records import STATUS as STATUS

Serial = BigInteger().with_variant(Integer, "sqlite")
"""A row number that both engines count up by themselves."""
Id = LargeBinary(16)

metadata = MetaData()

meta = Table("meta", metadata, Column("key", Text, primary_key=True), Column("value", Text, nullable=False))
migration = Table(
    "migration",
    metadata,
    Column("name", Text, primary_key=True),
    Column("applied_ns", BigInteger, nullable=False),
)
position = Table(
    "position",
    metadata,
    Column("segment", Text, primary_key=True),  # a journal file, drained up to...
    Column("bytes", BigInteger, nullable=False),  # ...here
)
session = Table(
    "session",
    metadata,
    Column("n", Serial, primary_key=True),
    Column("id", Id, nullable=False, unique=True),
    Column("started_ns", BigInteger, nullable=False),
    Column("pid", BigInteger, nullable=False),
    Column("host", Text, nullable=False),
    Column("python", Text, nullable=False),
    Column("tracelib", Text, nullable=False),
)
function = Table(
    "function",
    metadata,
    Column("n", Serial, primary_key=True),
    Column("key", Text, nullable=False, unique=True),  # module:qualname
    Column("name", Text, nullable=False, index=True),  # what its calls are named after
    Column("kind", Text, nullable=False),  # bundle, lm, prompt, tool
)
version = Table(
    "version",
    metadata,
    Column("n", Serial, primary_key=True),
    Column("function", ForeignKey("function.n"), nullable=False),
    Column("number", Integer, nullable=False),  # 1, 2, ... for each function
    Column("hash", Text, nullable=False, index=True),
    Column("description", Text),  # what the function does, in its author's words
    Column("parent", ForeignKey("version.n")),  # the version that was the newest before
    Column("source", Text, nullable=False),
    Column("dependencies", Text, nullable=False),
    Column("closure", Text, nullable=False),  # Version.to_json(), whole
    Column("api_params", Text, nullable=False),  # of a language model program
    Column("free_values", Text, nullable=False),
    Column("global_values", Text, nullable=False),
    Column("partial", Boolean, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("message", Text, nullable=False),
    Column("message_by", Text, nullable=False),  # difference, a model's name, or a person's
    UniqueConstraint("function", "number"),
    UniqueConstraint("function", "hash"),
)
use = Table(
    "version_use",
    metadata,
    Column("version", ForeignKey("version.n"), primary_key=True),
    Column("used_key", Text, primary_key=True),  # module:qualname of a recorded function it reaches
    Column("used_hash", Text, primary_key=True),
)
call = Table(
    "call",
    metadata,
    Column("n", Serial, primary_key=True),
    Column("id", Id, nullable=False),
    Column("trace", Id, nullable=False),  # the id of the outermost call
    Column("parent", Id),  # the id of the call it was made within
    Column("function", Integer, nullable=False),
    Column("version", Integer),
    Column("session", Integer, nullable=False),
    Column("run", Integer),
    Column("status", SmallInteger, nullable=False),
    Column("error_type", Text),
    Column("start_ns", BigInteger, nullable=False),
    Column("duration_ns", BigInteger, nullable=False),
    Column("first_token_ns", BigInteger),
    Column("place", BigInteger, nullable=False),  # order within the process, for the call tree
    Column("model", Text),
    Column("provider", Text),
    Column("tokens_in", Integer),
    Column("tokens_out", Integer),
    Column("tokens_cached", Integer),
    Column("tokens_reasoning", Integer),
    Column("attempts", Integer),
    Column("cost_nano", BigInteger),  # NULL when the price is unknown, never 0
    Column("sandbox", Text),  # where code that a model wrote ran; NULL for the user's own
)
Index("ix_call_id", call.c.id, unique=True)
Index("ix_call_trace", call.c.trace)
Index("ix_call_function", call.c.function, call.c.start_ns)
Index("ix_call_version", call.c.version, call.c.start_ns)
Index(
    "ix_call_error",
    call.c.error_type,
    call.c.function,
    sqlite_where=call.c.error_type.isnot(None),
    postgresql_where=call.c.error_type.isnot(None),
)
Index("ix_call_run", call.c.run, sqlite_where=call.c.run.isnot(None), postgresql_where=call.c.run.isnot(None))
payload = Table(
    "payload",
    metadata,
    Column("call", Serial, primary_key=True, autoincrement=False),
    Column("inputs", Text, nullable=False),  # an object by parameter name
    Column("output", Text),  # NULL when the call failed or nothing is captured
    Column("error", Text),  # an object: type, message, text (the annotated source)
    Column("graph", Text),  # how to rebuild the graph: see rebuild.py
    Column("state", Text),  # values of mutable globals that the function read
    Column("request", Text),  # what was sent to a model: messages and parameters
)
edge = Table(
    "edge",
    metadata,
    Column("target", BigInteger, primary_key=True),  # n of the call that a value flowed into
    Column("source", Id, primary_key=True),  # id of the call that it came from
    Column("slot", Text, primary_key=True),  # the input's name, or read, within, control
)
Index("ix_edge_source", edge.c.source)
blob = Table(
    "blob",
    metadata,
    Column("hash", Text, primary_key=True),  # sha256 of the bytes, hexadecimal
    Column("size", BigInteger, nullable=False),
    Column("stored", BigInteger, nullable=False),  # compressed
    Column("data", LargeBinary),  # NULL when it is a file beside the database
)
blob_use = Table(
    "blob_use",
    metadata,
    Column("call", BigInteger, primary_key=True),
    Column("hash", Text, primary_key=True),
)
Index("ix_blob_use_hash", blob_use.c.hash)
parameter = Table(
    "parameter",
    metadata,
    Column("n", Serial, primary_key=True),
    Column("program", Text, nullable=False),  # module:qualname of the Module or bundle; "" when unknown
    Column("path", Text, nullable=False),
    Column("description", Text),
    Column("constraint", Text),
    Column("is_code", Boolean, nullable=False),
    UniqueConstraint("program", "path"),
)
update = Table(
    "parameter_update",
    metadata,
    Column("n", Serial, primary_key=True),
    Column("parameter", ForeignKey("parameter.n"), nullable=False),
    Column("time_ns", BigInteger, nullable=False),
    Column("session", Integer, nullable=False),
    Column("run", Integer),
    Column("old", Text),  # NULL when it was first seen
    Column("new", Text, nullable=False),
    Column("because", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("score", Float),
)
Index("ix_update_parameter", update.c.parameter, update.c.time_ns)
feedback = Table(
    "feedback",
    metadata,
    Column("n", Serial, primary_key=True),
    Column("target_kind", Text, nullable=False),  # call, version, run
    Column("target", Text, nullable=False),  # the call's or run's id in hexadecimal, the version's hash
    Column("name", Text, nullable=False),  # feedback, comment, or a metric's name
    Column("score", Float),  # higher is better
    Column("text", Text, nullable=False),
    Column("source", Text, nullable=False),  # human, model, code
    Column("by", Text, nullable=False),
    Column("time_ns", BigInteger, nullable=False),
)
Index("ix_feedback_target", feedback.c.target)
tag = Table(
    "tag",
    metadata,
    Column("target_kind", Text, primary_key=True),  # call, version, run
    Column("target", Text, primary_key=True),
    Column("tag", Text, primary_key=True),
    Column("time_ns", BigInteger, nullable=False),
)
Index("ix_tag_tag", tag.c.tag)
alias = Table(
    "alias_move",
    metadata,
    Column("n", Serial, primary_key=True),
    Column("name", Text, nullable=False),  # a function's key or a program
    Column("alias", Text, nullable=False),
    Column("version", Text, nullable=False),  # a version's number, or a program's state
    Column("time_ns", BigInteger, nullable=False),
    Column("by", Text, nullable=False),
)
Index("ix_alias", alias.c.name, alias.c.alias)
run = Table(
    "run",
    metadata,
    Column("n", Serial, primary_key=True),
    Column("id", Id, nullable=False, unique=True),
    Column("name", Text, nullable=False, index=True),
    Column("config", Text, nullable=False),
    Column("status", Text, nullable=False),  # running, finished, failed
    Column("error", Text),
    Column("start_ns", BigInteger, nullable=False),
    Column("end_ns", BigInteger),
)
event = Table(
    "event",
    metadata,
    Column("n", Serial, primary_key=True),
    Column("session", Integer, nullable=False),
    Column("run", Integer),
    Column("time_ns", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("data", Text, nullable=False),
)
pending = Table(
    "pending",
    metadata,
    Column("id", Id, primary_key=True),  # of a call that is running now
    Column("name", Text, nullable=False),
    Column("start_ns", BigInteger, nullable=False),
    Column("pid", BigInteger, nullable=False),
    Column("seen_ns", BigInteger, nullable=False),
)
claim = Table(
    "claim",
    metadata,
    Column("version", BigInteger, primary_key=True),  # somebody is writing its commit message
    Column("time_ns", BigInteger, nullable=False),
)
