"""What the journal holds: one kind of record for each thing that is kept, as lines of JSON.

A call's record is seven lines: a head, then the values as they go into the database, so that draining
reads the head only and passes the rest on.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from pydantic_core import from_json

SESSION, VERSION, CALL, UPDATE, EVENT, FEEDBACK, BLOB, RUN, MESSAGE = range(1, 10)
"""Kinds of records. A number is never given to another kind."""

RETURNED, FAILED, INTERRUPTED = 0, 1, 2
STATUS = ("returned", "failed", "interrupted")
"""What became of a call; interrupted is one whose process died while it ran."""

SECTIONS = ("inputs", "output", "error", "graph", "state", "request")
"""The lines after the head of a call's record; an empty one is absent."""


class CallRecord(NamedTuple):
    """A call as the journal has it; ids are 32 hexadecimal digits."""

    session: str
    id: str
    trace: str
    parent: str | None
    key: str
    name: str
    kind: str
    version: str | None
    run: str | None
    status: int
    error_type: str | None
    start_ns: int
    duration_ns: int
    place: int
    edges: list[list[str]]  # source id, slot
    blobs: list[str]  # hashes that the graph section refers to
    facts: dict[str, Any]  # model, provider, tokens, cost: see FACTS


FACTS = (
    "model",
    "provider",
    "tokens_in",
    "tokens_out",
    "tokens_cached",
    "tokens_reasoning",
    "attempts",
    "first_token_ns",
    "cost_nano",
)
"""What a call of a language model tells, by the column that keeps it."""


def read_call(payload: bytes) -> tuple[CallRecord, list[bytes]]:
    """The head of a call's record, and its sections."""
    head, *sections = payload.split(b"\n")
    try:
        return CallRecord(*from_json(head)), sections
    except ValueError:  # half of a surrogate pair in a name
        return CallRecord(*json.loads(head)), sections


def packed(values: dict[str, Any]) -> bytes:
    """Any other record."""
    try:
        return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which UTF-8 has not
        return json.dumps(values, separators=(",", ":")).encode()


def read(payload: bytes) -> dict[str, Any]:
    """What `packed` wrote."""
    found: dict[str, Any] = json.loads(payload)
    return found
