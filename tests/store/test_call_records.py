"""Calls as the journal has them become rows: at their limits, broken, unknown, twice, and of every shape."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

import tracelib as trace
from tracelib.graph.tracing import annotate
from tracelib.store import schema
from tracelib.store.draining.calls import COLUMNS, PAYLOAD
from tracelib.store.draining.drain import REFUSED
from tracelib.store.journal.journal import Journal
from tracelib.store.store import Store, open_store
from tracelib.store.writing.records import CALL, FAILED, GREATEST, HEAD, NO_ID, RETURNED, SECTIONS

SHARED = json.dumps(["0" * 32, "program:echo", "echo", "bundle", None, None])
ID, OUTER, OUTERMOST = b"1" * 16, b"2" * 16, b"3" * 16
RATES = {"de": 2}


@pytest.fixture
def store(blank: str, tmp_path: Path) -> Store:
    """A store that nothing was written to, on each engine."""
    return open_store(blank, journal=tmp_path / "journal")


@pytest.fixture
def journal(store: Store) -> Iterator[Journal]:
    """Writes into the journal of that store."""
    made = Journal(store.journal)
    yield made
    made.close()


def record(*head: Any, links: str = "", inputs: str = "{}", output: str = "7", shared: str = SHARED) -> bytes:
    return HEAD.pack(*head) + "\n".join([shared, links, inputs, output, "", "", "", ""]).encode()


def good(number: int) -> bytes:
    id = number.to_bytes(16, "big")
    return record(id, id, NO_ID, RETURNED, number, 1, number)


def rows(store: Store) -> list[Any]:
    with store.ready().reading() as connection:
        return list(connection.execute(select(schema.call).order_by(schema.call.c.n)))


def refused(store: Store) -> list[bytes]:
    return sorted(file.read_bytes() for file in store.journal.glob(f"*{REFUSED}"))


@pytest.mark.parametrize("parent", [NO_ID, OUTER], ids=["outermost", "within"])
@pytest.mark.parametrize(
    ("start_ns", "duration_ns", "place"),
    [
        (0, 0, 0),
        (-1, 1, 1),
        (GREATEST, GREATEST, GREATEST),
        (-GREATEST, -GREATEST, -GREATEST),
        (-GREATEST - 1, 0, 0),
    ],
    ids=["zero", "before 1970", "greatest", "least", "the least of all"],
)
def test_a_head_at_its_limits_becomes_a_row(
    store: Store, journal: Journal, parent: bytes, start_ns: int, duration_ns: int, place: int
) -> None:
    journal.append(CALL, record(ID, OUTERMOST, parent, RETURNED, start_ns, duration_ns, place))
    journal.append(CALL, good(1))
    assert store.drain().refused == 0
    found, other = rows(store)
    assert (found.id, found.trace) == (ID, OUTERMOST)
    assert found.parent == (None if parent == NO_ID else parent)
    assert (found.start_ns, found.duration_ns, found.place) == (start_ns, duration_ns, place)
    assert (found.status, found.error_type, found.run, found.model) == (schema.RETURNED, None, None, None)
    assert other.n == found.n + 1


def test_a_type_of_error_with_half_of_a_surrogate_pair_is_kept_escaped(
    store: Store, journal: Journal
) -> None:
    links = json.dumps(["Half\ud83d\x00", [["a" * 32, "slot"]], [], {"model": "tiny", "sandbox": "process"}])
    journal.append(CALL, good(1))
    journal.append(CALL, record(ID, ID, NO_ID, FAILED, 5, 6, 7, links=links, output=""))
    journal.append(CALL, good(2))
    assert store.drain().refused == 0
    found = {row.id: row for row in rows(store)}
    failed = found[ID]
    assert (failed.status, failed.error_type) == (schema.FAILED, "Half\\ud83d\\x00")
    assert (failed.model, failed.sandbox, failed.cost_nano) == ("tiny", "process", None)
    assert [row.n for row in found.values()] == [1, 2, 3]
    with store.ready().reading() as connection:
        edges = [tuple(row) for row in connection.execute(select(schema.edge))]
    assert edges == [(failed.n, b"\xaa" * 16, "slot")]


WHOLE = good(9)
BROKEN = {
    "empty": b"",
    "half a head": WHOLE[:30],
    "a byte short": WHOLE[: HEAD.size - 1],
    "no lines": WHOLE[: HEAD.size],
    "lines missing": WHOLE[:-2],
    "lines too many": WHOLE + b"\n",
    "no UTF-8": WHOLE.replace(b"echo", b"\xff\xfe\xff\xfe"),
    "shared is no JSON": WHOLE.replace(b"[", b"("),
    "shared is short": record(ID, ID, NO_ID, RETURNED, 1, 1, 1, shared="[]"),
    "links are no JSON": record(ID, ID, NO_ID, RETURNED, 1, 1, 1, links="["),
    "links are short": record(ID, ID, NO_ID, RETURNED, 1, 1, 1, links="[null]"),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_broken_call_is_set_aside_and_the_others_are_moved(
    store: Store, journal: Journal, broken: bytes
) -> None:
    journal.append(CALL, good(1))
    journal.append(CALL, broken)
    journal.append(CALL, good(2))
    drained = store.drain()
    assert (drained.records, drained.refused) == (3, 1)
    assert [row.start_ns for row in rows(store)] == [1, 2]
    assert refused(store) == [broken]


@pytest.mark.parametrize("kind", [0, 3, CALL + 1, 200, 255])
def test_a_record_of_an_unknown_kind_is_set_aside_and_the_others_are_moved(
    store: Store, journal: Journal, kind: int
) -> None:
    journal.append(CALL, good(1))
    journal.append(kind, good(3))
    journal.append(CALL, good(2))
    drained = store.drain()
    assert (drained.records, drained.refused) == (3, 1)
    assert [row.start_ns for row in rows(store)] == [1, 2]
    (file,) = store.journal.glob(f"*-{kind}{REFUSED}")
    assert file.read_bytes() == good(3)


def test_a_call_that_the_journal_has_twice_is_one_row(store: Store, journal: Journal) -> None:
    for number in (1, 2, 1):
        journal.append(CALL, good(number))
    store.drain()
    journal.append(CALL, good(2))
    journal.append(CALL, good(3))
    assert store.drain().refused == 0
    assert [row.start_ns for row in rows(store)] == [1, 2, 3]
    with store.ready().reading() as connection:
        payloads = connection.execute(select(schema.payload.c.call)).scalars().all()
    assert sorted(payloads) == [row.n for row in rows(store)]


def test_every_column_is_written_and_the_sections_are_those_of_the_table() -> None:
    assert sorted(column.name for column in COLUMNS) == sorted(schema.call.columns.keys())
    assert sorted(column.name for column in PAYLOAD) == sorted(schema.payload.columns.keys())
    assert sorted(column.name for column in PAYLOAD[1:]) == sorted(SECTIONS)


@trace.bundle
def plain(x: Any) -> Any:
    return x


@trace.bundle
def failing(x: Any) -> Any:
    raise ValueError(f"not {x}")


@trace.bundle
def asking(x: Any) -> Any:
    annotate(model="tiny", tokens_in=3, first_token_ns=5, request={"messages": []})
    return plain(x)


@trace.bundle
def priced(x: Any) -> Any:
    return RATES["de"] * x


def test_calls_of_every_shape_share_a_transaction(store: Store) -> None:
    with store:
        for x in range(3):
            plain(x)
            with store.run("nightly") as run:
                plain(x)
                with pytest.raises(trace.ExecutionError):
                    failing(x)
            asking(x)
            plain(plain(x))
            priced(x)
            plain("long " * 2_000)
    assert store.drain().refused == 0
    found = store.calls(limit=None, values=True)
    by_name = {name: [call for call in found if call.name == name] for name in ("plain", "failing", "asking")}
    assert [call.error_type for call in by_name["failing"]] == ["ValueError"] * 3
    assert {call.error["message"] for call in by_name["failing"]} == {"not 0", "not 1", "not 2"}
    assert by_name["failing"][0].run == run
    assert {call.run is None for call in by_name["asking"]} == {True}
    assert [(c.model, c.tokens_in, c.first_token, c.cost) for c in by_name["asking"]] == [
        ("tiny", 3, 5e-9, None)
    ] * 3
    assert all(call.request == {"messages": []} for call in by_name["asking"])
    assert len(by_name["plain"]) == 18
    assert all(call.output == call.inputs["x"] and call.error is None for call in by_name["plain"])
    assert sum(call.run is not None for call in by_name["plain"]) == 3
    (told,) = [call.state for call in found if call.state]
    assert list(told.values()) == [RATES]
    assert sorted(call.n for call in found) == list(range(1, len(found) + 1))
    assert store.verify().ok
