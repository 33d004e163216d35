"""A few stored calls to ask about, written as rows, and the same in Python for comparison."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from tracelib.store import schema

DAY = 86_400 * 10**9
FIRST = 1_793_491_200 * 10**9  # 2026-11-01T00:00Z
NOW = FIRST + 10 * DAY

FUNCTIONS = [("app:greet", "greet", "bundle"), ("app:ask", "ask", "lm"), ("other.app:greet", "greet", "lm")]
VERSIONS = [(0, 1, "v1:aa01"), (0, 2, "v1:ab02"), (1, 1, "v1:cd03"), (2, 1, "v1:aa01")]
RUNS = ["nightly", "100%_run"]


@dataclass(frozen=True)
class Row:
    """A call as a person would describe it; None is unknown."""

    function: int
    start: int
    duration: float = 0.25
    version: int | None = None
    parent: int | None = None
    trace: int | None = None
    error: str | None = None
    model: str | None = None
    provider: str | None = None
    tokens: tuple[int, int] | None = None
    cost: float | None = None
    attempts: int | None = None
    first_token: float | None = None
    run: int | None = None
    inputs: dict[str, Any] = field(default_factory=dict)
    output: Any = None
    tags: tuple[str, ...] = ()
    feedback: tuple[tuple[str, float | None, str], ...] = ()  # name, score, text
    n: int = 0

    @property
    def id(self) -> uuid.UUID:
        return id_at(self.start, self.n)


def id_at(nanoseconds: int, serial: int) -> uuid.UUID:
    """A UUIDv7 of that time."""
    return uuid.UUID(int=(nanoseconds // 10**6) << 80 | 7 << 76 | 2 << 62 | serial)


TRICKY = 'say "hi"\n100% of C:\\new_dir\tn'
ROWS = [
    Row(0, FIRST, 1.5, version=0, inputs={"who": "Ann"}, output="Hello Ann", tags=("good",)),
    Row(
        1,
        FIRST + 5,
        0.5,
        version=2,
        parent=1,
        trace=1,
        model="gpt-4o",
        provider="openai",
        tokens=(10, 5),
        cost=0.002,
        attempts=1,
        first_token=0.125,
        inputs={"q": "refund?", "n": 3},
        output="A refund is due",
        feedback=(("accuracy", 1.0, "right"), ("comment", None, "100% fine")),
    ),
    Row(
        1,
        FIRST + DAY,
        2.5,
        version=2,
        error="ValueError",
        model="GPT-4o-mini",
        provider="openai",
        attempts=3,
        inputs={"q": TRICKY},
        output=None,
        run=0,
        feedback=(("accuracy", 0.0, "WRONG"),),
    ),
    Row(
        2,
        FIRST + 2 * DAY,
        0.0,
        version=3,
        inputs={"who": "Zoë", "deep": {"a": [1, "b\nc"]}},
        output=TRICKY,
        tags=("good", "50%"),
        run=1,
    ),
    Row(0, FIRST + 3 * DAY, 3.0, version=1, inputs={"who": None}, output={"text": 'Hello\n"you"', "n": 2.0}),
    Row(0, FIRST + 3 * DAY, 0.75, inputs={}, output=3, model="local_model", tokens=(0, 0), cost=0.0),
    Row(
        1,
        FIRST + 4 * DAY,
        10.0,
        version=2,
        parent=99,
        trace=99,
        inputs={"q": "\x1b[31mred\x00\\"},
        output=True,
        error="KeyError",
        feedback=(("accuracy", 0.5, "so"), ("accuracy", 0.25, "hm"), ("tone", 0.75, "ok")),
    ),
    Row(
        2,
        FIRST + 5 * DAY,
        0.25,
        inputs={"q": ["a", "b"], "who": "ann"},
        output="ÉCOLE \\n nope",
        tags=("bad",),
    ),
    Row(0, FIRST + 9 * DAY, 0.25, version=0, inputs={"who": 'Bo"b'}, output="", model="gpt", tokens=(7, 1)),
]
ROWS = [Row(**{**vars(row), "n": n}) for n, row in enumerate(ROWS, 1)]


def write(connection: Connection) -> None:
    """All of the rows above."""
    for key, name, kind in FUNCTIONS:
        connection.execute(schema.function.insert().values(key=key, name=name, kind=kind))
    for function, number, hash in VERSIONS:
        connection.execute(schema.version.insert().values(version_row(function + 1, number, hash)))
    for n, name in enumerate(RUNS):
        row = {"id": id_at(FIRST, n + 500).bytes, "name": name, "config": "{}", "status": "running"}
        connection.execute(schema.run.insert().values(**row, start_ns=FIRST))
    move = {"name": "app:greet", "alias": "production", "time_ns": FIRST, "by": "me"}
    for version in ("2", "1"):
        connection.execute(schema.alias.insert().values(**move, version=version))
    for row in ROWS:
        write_call(connection, row)


def version_row(function: int, number: int, hash: str) -> dict[str, Any]:
    texts = ("dependencies", "api_params", "free_values", "global_values", "message_by")
    return {
        "function": function,
        "number": number,
        "hash": hash,
        "source": f"def f(): return {number}",
        "description": f"Return {number}.",
        "closure": "{}",
        "partial": False,
        "created_ns": FIRST + number,
        "message": f"version {number}",
        **dict.fromkeys(texts, ""),
        "api_params": "{}",
        "free_values": "{}",
        "global_values": "{}",
    }


def write_call(connection: Connection, row: Row) -> None:
    connection.execute(schema.call.insert().values(call_row(row)))
    kept = None if row.error else compact(row.output)
    connection.execute(schema.payload.insert().values(call=row.n, inputs=compact(row.inputs), output=kept))
    for tag in row.tags:
        connection.execute(
            schema.tag.insert().values(target_kind="call", target=row.id.hex, tag=tag, time_ns=FIRST)
        )
    for name, score, text in row.feedback:
        said = {"target_kind": "call", "target": row.id.hex, "name": name, "score": score, "text": text}
        connection.execute(schema.feedback.insert().values(**said, source="human", by="me", time_ns=FIRST))


def call_row(row: Row) -> dict[str, Any]:
    return {
        "n": row.n,
        "id": row.id.bytes,
        "trace": uuid.UUID(int=row.trace).bytes if row.trace else row.id.bytes,
        "parent": uuid.UUID(int=row.parent).bytes if row.parent else None,
        "function": row.function + 1,
        "version": None if row.version is None else row.version + 1,
        "session": 1,
        "run": None if row.run is None else row.run + 1,
        "status": schema.FAILED if row.error else schema.RETURNED,
        "error_type": row.error,
        "start_ns": row.start,
        "duration_ns": round(row.duration * 10**9),
        "first_token_ns": None if row.first_token is None else round(row.first_token * 10**9),
        "place": row.n,
        "model": row.model,
        "provider": row.provider,
        "tokens_in": row.tokens and row.tokens[0],
        "tokens_out": row.tokens and row.tokens[1],
        "attempts": row.attempts,
        "cost_nano": None if row.cost is None else round(row.cost * 10**9),
    }


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
