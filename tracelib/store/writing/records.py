"""What the journal holds: one kind of record for each thing that is kept, as lines of JSON.

A call's record is eight lines: what it shares with others, its own head, then the values as they go into
the database. Draining looks the first up, reads the second, and passes the rest on.
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


class Shared(NamedTuple):
    """What many calls have in common."""

    session: str
    key: str
    name: str
    kind: str
    version: str | None
    run: str | None


Head = tuple[
    str,  # id, like all ids 32 hexadecimal digits
    str,  # trace
    str | None,  # parent
    int,  # status
    str | None,  # type of the error
    int,  # start, unix nanoseconds
    int,  # duration, nanoseconds
    int,  # place
    list[list[str]],  # edges: id of the source, slot
    list[str],  # hashes of the blobs that the graph section refers to
    dict[str, Any],  # model, provider, tokens, cost: see FACTS
]
"""The rest of a call as the journal has it: plain, for a named tuple costs half a microsecond a call."""

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


def read_call(payload: bytes) -> tuple[str, Head, list[str]]:
    """The three parts of a call's record: what it shares, as it is written, its own head, its sections."""
    shared, head, *sections = payload.decode().split("\n")
    return shared, tuple(_parsed(head)), sections


def read_shared(line: str) -> Shared:
    """What a call shares with others, from its line."""
    return Shared(*_parsed(line))


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
