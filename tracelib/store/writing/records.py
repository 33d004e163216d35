"""What the journal holds: one kind of record for each thing that is kept, as JSON; but calls are many.

A call's record is a head of fixed layout and then eight lines of JSON: what it shares with other calls, its
links, which most calls have none of, then the values as they go into the database. Draining unpacks the
head, looks the first line up, and passes the values on.
"""

from __future__ import annotations

import json
import struct
from typing import Any, NamedTuple

from pydantic_core import from_json

SESSION, VERSION, UPDATE, EVENT, FEEDBACK, BLOB, RUN, MESSAGE, CALL = 1, 2, 4, 5, 6, 7, 8, 9, 10
"""Kinds of records. A number is never given to another kind or layout; 3 is one that is not read."""

RETURNED, FAILED, INTERRUPTED = 0, 1, 2
STATUS = ("returned", "failed", "interrupted")
"""What became of a call; interrupted is one whose process died while it ran."""

SECTIONS = ("inputs", "output", "error", "graph", "state", "request")
"""The last lines of a call's record; an empty one is absent."""

HEAD = struct.Struct("<16s16s16sBqqq")
"""Of a call: id, trace, parent, status, start (unix nanoseconds), duration (nanoseconds), place."""
NO_ID = bytes(16)
"""The parent of a call that was made within none."""
GREATEST = (1 << 63) - 1
"""The largest number that a head, or a column, can hold."""


class Shared(NamedTuple):
    """What many calls have in common."""

    session: str
    key: str
    name: str
    kind: str
    version: str | None
    run: str | None


class Links(NamedTuple):
    """What few calls have: the type of their error, edges, big values, facts."""

    error_type: str | None
    edges: list[list[str]]
    """For each the id of the source, 32 hexadecimal digits, and the slot."""
    blobs: list[str]
    """Hashes of those that the graph section refers to."""
    facts: dict[str, Any]
    """By the names of FACTS."""


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
    "sandbox",
)
"""What a call of a language model, or of learned code, tells, by the column that keeps it."""


def read_shared(line: str) -> Shared:
    """What a call shares with others, from its line."""
    return Shared(*_parsed(line))


def read_links(line: str) -> Links:
    """What links a call to others, from its line, which is not empty."""
    return Links(*_parsed(line))


def bounded(number: int) -> int:
    """The number a head can hold that is the nearest to one."""
    return max(-GREATEST, min(number, GREATEST))


def _parsed(line: str) -> list[Any]:
    try:
        found: list[Any] = from_json(line)
    except ValueError:  # half of a surrogate pair in a name
        found = json.loads(line)
    return found


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
