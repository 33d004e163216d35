"""What a store answers, on both engines: calls, traces, flows, versions, histories, runs, what was said."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asking import EXPRESSIONS, Atom
from databases import Place
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection
from stored import DAY, FIRST, ROWS, TRICKY, Row, call_row, compact, id_at, version_row, write, write_call

from tracelib.errors import FilterError, StoreError, UnknownRecord
from tracelib.store import schema
from tracelib.store.database import Database
from tracelib.store.keeping.marks import said
from tracelib.store.questions import reading
from tracelib.store.questions.reading import Selection
from tracelib.store.rows import StoredCall
from tracelib.store.values.blobs import TableBlobs, outsourced

BLOBS = TableBlobs()


@pytest.fixture(scope="module")
def database(shared: Place) -> Database:
    with shared.database.writing() as connection:
        write(connection)
    return shared.database


def numbers(found: list[StoredCall]) -> list[int]:
    return [one.n for one in found]


def listed(database: Database, where: str | None = None, **choices: Any) -> list[int]:
    return numbers(reading.calls(database, BLOBS, where, **choices))


def test_calls_come_newest_first(database: Database) -> None:
    assert listed(database) == [9, 8, 7, 6, 5, 4, 3, 2, 1]
    assert listed(database, limit=2) == [9, 8]
    assert listed(database, newest=False, limit=3) == [1, 2, 3]


@pytest.mark.parametrize("where", [None, 'name == "greet"', "duration > 0.3", 'name in ["ask", "greet"]'])
@pytest.mark.parametrize("newest", [True, False])
@pytest.mark.parametrize("deep", [True, False])
def test_pages_hold_each_call_once(database: Database, where: str | None, newest: bool, deep: bool) -> None:
    whole = reading.calls(database, BLOBS, where, newest=newest, limit=None)
    paged: list[StoredCall] = []
    while True:
        after = paged[-1].id if paged else None
        page = reading.calls(database, BLOBS, where, newest=newest, limit=2, after=after, deep=deep)
        if not page:
            break
        paged += page
    assert numbers(paged) == numbers(whole)
    assert len(paged) >= 4


@pytest.mark.parametrize("name", ["greet", "app:greet", "ask"])
def test_calls_of_a_name(database: Database, name: str) -> None:
    expected = [n for n in range(9, 0, -1) if name in (found := described(n))[:2] and found]
    assert listed(database, name=name) == expected
    assert listed(database, f"name == {name!r} or function == {name!r}") == expected


def described(n: int) -> tuple[str, str]:
    return [("app:greet", "greet"), ("app:ask", "ask"), ("other.app:greet", "greet")][ROWS[n - 1].function]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ('start >= "2026-11-05"', [9, 8, 7]),
        ('start < "2026-11-02T00:00:00.001"', [3, 2, 1]),
        ('not start > "2026-11-02"', [3, 2, 1]),
        ('start > "2026-11-03" or error', [9, 8, 7, 6, 5, 3]),
        ('name == "greet" and start > "2026-11-04"', [9, 8]),
        ('start > "1900-01-01" and start < "9999-01-01"', [9, 8, 7, 6, 5, 4, 3, 2, 1]),
        ('name == "greet" and name == "ask"', []),
    ],
)
def test_calls_of_a_time(database: Database, where: str, expected: list[int]) -> None:
    assert listed(database, where) == expected


def test_a_call_has_what_was_stored_of_it(database: Database) -> None:
    found = reading.call_of(database, BLOBS, str(ROWS[1].id))
    assert found.id == str(ROWS[1].id)
    assert found.trace == found.parent == str(uuid.UUID(int=1))
    assert (found.name, found.function, found.kind) == ("ask", "app:ask", "lm")
    assert (found.version, found.number, found.status, found.error_type) == ("v1:cd03", 1, "returned", None)
    assert found.start == datetime(2026, 11, 1, tzinfo=UTC)
    assert (found.duration, found.first_token, found.cost) == (0.5, 0.125, 0.002)
    assert (found.model, found.provider, found.tokens_in, found.tokens_out) == ("gpt-4o", "openai", 10, 5)
    assert found.inputs == {"q": "refund?", "n": 3}
    assert found.output == "A refund is due"
    json.dumps(found.to_json())


def test_a_listed_call_has_values_only_when_they_are_asked_for(database: Database) -> None:
    [without] = reading.calls(database, BLOBS, "output == 3")
    [having] = reading.calls(database, BLOBS, "output == 3", values=True)
    assert (without.inputs, without.output) == (None, None)
    assert (having.inputs, having.output) == ({}, 3)


def test_a_listed_call_has_its_tags_and_run(database: Database) -> None:
    [found] = reading.calls(database, BLOBS, '"50%" in tags')
    assert found.tags == ("50%", "good")
    assert found.run == str(id_at(FIRST, 501))


def test_the_first_digits_of_an_id_are_enough_when_only_one_call_has_them(database: Database) -> None:
    digits = ROWS[3].id.hex
    assert reading.call_of(database, BLOBS, digits[:12]).n == 4
    assert reading.call_of(database, BLOBS, str(ROWS[3].id)[:15]).n == 4
    with pytest.raises(UnknownRecord, match=r"several calls begin with 0.*, \.\.\."):
        reading.call_of(database, BLOBS, "0")
    with pytest.raises(UnknownRecord, match="no call ffff is stored"):
        reading.call_of(database, BLOBS, "ffff")
    with pytest.raises(UnknownRecord, match="is no id"):
        reading.call_of(database, BLOBS, "refund")


def test_a_call_that_runs_is_said_to_run(place: Place) -> None:
    running = id_at(FIRST, 7)
    with place.database.writing() as connection:
        row = {"id": running.bytes, "name": "app:slow", "start_ns": FIRST, "pid": 4, "seen_ns": FIRST + 1_000}
        connection.execute(schema.pending.insert().values(**row))
    with pytest.raises(UnknownRecord, match="of app:slow has not ended yet"):
        reading.call_of(place.database, BLOBS, str(running))


@pytest.mark.parametrize("limit", [0, -1, True, "5", 2.0])
def test_a_limit_is_a_positive_number(database: Database, limit: Any) -> None:
    for ask in (reading.runs, reading.versions, reading.events):
        with pytest.raises(StoreError, match="a limit is"):
            ask(database, limit=limit)
    with pytest.raises(StoreError, match="a limit is"):
        reading.calls(database, BLOBS, limit=limit)


def test_an_unknown_name_is_refused_with_one_that_is_near(database: Database) -> None:
    for ask in (
        lambda: reading.calls(database, BLOBS, name="gret"),
        lambda: reading.versions(database, "gret"),
    ):
        with pytest.raises(UnknownRecord, match="did you mean greet"):
            ask()
    with pytest.raises(FilterError):
        reading.calls(database, BLOBS, "gret")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(batch=st.lists(EXPRESSIONS, min_size=5, max_size=5), deep=st.booleans(), newest=st.booleans())
def test_a_list_of_calls_is_what_its_filter_means(
    database: Database, batch: list[Atom], deep: bool, newest: bool
) -> None:
    for expression, truth in batch:
        if '"-' in expression:  # an age is counted from now, and the rows have no such time
            continue
        expected = [row.n for row in ROWS if truth(row) is True]
        found = listed(database, expression, deep=deep, newest=newest)
        assert found == (expected[::-1] if newest else expected), expression


def test_more_tags_and_functions_than_are_looked_up_one_by_one_are_filtered(place: Place) -> None:
    """Whatever way the calls are found, they are the same."""
    many = 2_100
    with place.database.writing() as connection:
        functions = [{"key": f"app{n}:f", "name": "f", "kind": "bundle"} for n in range(80)]
        connection.execute(schema.function.insert(), functions)
        rows = [Row(n % 80, FIRST + n * 10**7, n=n) for n in range(1, many + 1)]
        connection.execute(schema.call.insert(), [call_row(row) for row in rows])
        tags = [
            {"target_kind": "call", "target": row.id.hex, "tag": "t", "time_ns": FIRST} for row in rows[:-2]
        ]
        connection.execute(schema.tag.insert(), tags)
    for where in ('name == "f" and "t" in tags', '"t" in tags', '"t" in tags and function == "app0:f"'):
        found = listed(place.database, where, limit=3)
        step = 80 if "app0" in where else 1
        last = many - 2 - (many - 2) % step if step == 80 else many - 2
        assert found == [last, last - step, last - 2 * step], where


# Traces and flows

TREE = {1: None, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 3}  # call -> caller
PLACES = {1: 1, 2: 2, 4: 3, 6: 4, 5: 5, 3: 6, 7: 7}


def write_tree(connection: Connection, rows: dict[int, int | None]) -> None:
    """Calls of one trace, stored in the order in which they ended: inner ones first."""
    for key in ("app:greet", "app:ask"):
        connection.execute(schema.function.insert().values(key=key, name=key[4:], kind="bundle"))
    for n in sorted(rows, key=lambda n: -PLACES[n]):
        row = call_row(Row(0, FIRST + n, n=n))
        caller = rows[n]
        row |= {"trace": id_at(FIRST, 1).bytes, "place": PLACES[n], "id": id_at(FIRST, n).bytes}
        row |= {"parent": None if caller is None else id_at(FIRST, caller).bytes, "version": None}
        connection.execute(schema.call.insert().values(row))


def test_a_trace_is_read_as_a_tree(place: Place) -> None:
    with place.database.writing() as connection:
        write_tree(connection, TREE)
        write_call(connection, Row(1, FIRST + DAY, n=50))
    for n in TREE:
        assert numbers(reading.trace_of(place.database, str(id_at(FIRST, n)))) == [1, 2, 4, 6, 5, 3, 7]


def test_a_call_whose_caller_is_not_stored_is_still_in_its_trace(place: Place) -> None:
    with place.database.writing() as connection:
        write_tree(connection, {n: caller for n, caller in TREE.items() if n != 2})
    assert numbers(reading.trace_of(place.database, str(id_at(FIRST, 6)))) == [1, 3, 7, 4, 6, 5]


def test_values_are_followed_both_ways(place: Place) -> None:
    gone = id_at(FIRST, 99)
    with place.database.writing() as connection:
        write_tree(connection, TREE)
        edges = [
            (5, id_at(FIRST, 4), "text"),
            (5, id_at(FIRST, 6), "read"),
            (3, id_at(FIRST, 4), "x"),
            (5, gone, "y"),
        ]
        for target, source, slot in edges:
            connection.execute(schema.edge.insert().values(target=target, source=source.bytes, slot=slot))
    into = reading.consumed(place.database, str(id_at(FIRST, 5)))
    assert [(flow.call.n if flow.call else None, flow.slot) for flow in into] == [
        (4, "text"),
        (6, "read"),
        (None, "y"),
    ]
    assert into[-1].source == str(gone)
    out = reading.consumers(place.database, str(id_at(FIRST, 4)))
    assert [(flow.call.n if flow.call else None, flow.slot) for flow in out] == [(3, "x"), (5, "text")]


# Big values

LONG = "start " + "filler " * 2_000 + 'deep "needle" end'


@pytest.fixture
def big(place: Place) -> Database:
    """Three calls: 1 has a big output, 2 big inputs, 3 a short output."""
    values = [
        ({"q": "x"}, LONG),
        ({"q": "y", "doc": [LONG, {"a": LONG}]}, "short"),
        ({"q": "z"}, "no needle"),
    ]
    with place.database.writing() as connection:
        connection.execute(schema.function.insert().values(key="app:greet", name="greet", kind="bundle"))
        for n, (inputs, output) in enumerate(values, 1):
            connection.execute(schema.call.insert().values(call_row(Row(0, FIRST + n * DAY, n=n))))
            kept: dict[str, str] = {}
            hashes: set[str] = set()
            for name, value in (("inputs", inputs), ("output", output)):
                kept[name], used = outsourced(compact(value), lambda data: BLOBS.put(connection, data))
                hashes |= set(used)
            connection.execute(schema.payload.insert().values(call=n, **kept))
            for used_hash in hashes:
                connection.execute(schema.blob_use.insert().values(call=n, hash=used_hash))
    return place.database


def test_a_big_value_comes_back_whole(big: Database) -> None:
    found = reading.calls(big, BLOBS, values=True, newest=False)
    assert [one.output for one in found] == [LONG, "short", "no needle"]
    assert found[1].inputs == {"q": "y", "doc": [LONG, {"a": LONG}]}
    assert json.loads(reading.section_of(big, BLOBS, found[0].id, "output") or "") == LONG


@pytest.mark.parametrize(
    ("where", "shallow", "deep"),
    [
        ('"needle" in output', [3], [3, 1]),
        ('"needle" in output.lower()', [3], [3, 1]),
        ('"start filler" in output', [1], [1]),
        ('output.startswith("start fil")', [1], [1]),
        ('output.endswith("end")', [], [1]),
        ('not output.endswith("end")', [3, 2, 1], [3, 2]),
        ("""'deep "needle"' in output""", [], [1]),
        ('"needle" in input', [], [2]),
        ('"needle" in inputs["doc"]', [], [2]),
        ('inputs["q"] == "y"', [2], [2]),
        ('"needle" not in output', [2, 1], [2]),
        ('"needle" in output and start > "2026-11-03"', [3], [3]),
        ('"needle" in output or duration > 100', [3], [3, 1]),
        ('not ("needle" in output or "needle" in input)', [2, 1], []),
        ('name == "greet" and "needle" in output', [3], [3, 1]),
    ],
)
def test_a_deep_search_reads_whole_values(
    big: Database, where: str, shallow: list[int], deep: list[int]
) -> None:
    assert listed(big, where) == shallow
    assert listed(big, where, deep=True) == deep


def test_a_deep_search_agrees_with_a_shallow_one_where_all_is_small(database: Database) -> None:
    for where in (
        '"n" in output',
        f"{TRICKY!r} == output",
        "not output == 3",
        'not "a" in inputs["who"]',
        "cost < 1",
    ):
        assert listed(database, where, deep=True) == listed(database, where)


# Versions


@pytest.mark.parametrize(
    ("which", "key", "number"),
    [
        ("app:greet", "app:greet", 2),
        ("ask", "app:ask", 1),
        ("app:greet@1", "app:greet", 1),
        ("app:greet@production", "app:greet", 1),
        ("app:greet@ab", "app:greet", 2),
        ("v1:ab02", "app:greet", 2),
        ("ab02", "app:greet", 2),
        ("v1:c", "app:ask", 1),
        ("aa01", "app:greet", 1),
    ],
)
def test_a_version_has_many_names(database: Database, which: str, key: str, number: int) -> None:
    if which == "v1:c":
        which = "v1:cd03"
    found = reading.version_of(database, which)
    assert (found.name, found.number) == (key, number)


@pytest.mark.parametrize(
    ("which", "why"),
    [
        ("greet", "several functions: write app:greet or other.app:greet"),
        ("greet@1", "several functions"),
        ("app:greet@3", "has no version 3: the newest is 2"),
        ("app:greet@99999999999999999999", "has no version"),
        ("app:greet@staging", "has no alias staging: it has production"),
        ("gret", "did you mean greet"),
        ("gret@1", "did you mean greet"),
        ("ffff", "no version ffff"),
        ("v1:a", "no version or function v1:a is stored"),
    ],
)
def test_a_name_of_no_version_is_refused(database: Database, which: str, why: str) -> None:
    with pytest.raises(UnknownRecord, match=why):
        reading.version_of(database, which)


def test_a_beginning_that_two_hashes_share_is_refused(place: Place) -> None:
    with place.database.writing() as connection:
        connection.execute(schema.function.insert().values(key="app:f", name="f", kind="bundle"))
        for number, hash in ((1, "v1:abcd01"), (2, "v1:abcd02")):
            connection.execute(schema.version.insert().values(version_row(1, number, hash)))
    with pytest.raises(
        UnknownRecord, match="several versions begin with abcd: app:f@1 v1:abcd01, app:f@2 v1:abcd02"
    ):
        reading.version_of(place.database, "abcd")
    assert reading.version_of(place.database, "abcd02").number == 2


def test_versions_come_newest_first_with_what_is_known_of_them(database: Database) -> None:
    found = reading.versions(database, "app:greet")
    assert [(one.number, one.id, one.calls) for one in found] == [(2, "v1:ab02", 1), (1, "v1:aa01", 2)]
    assert [one.aliases for one in found] == [(), ("production",)]
    assert (found[0].source, found[0].description) == ("def f(): return 2", "Return 2.")
    assert len(reading.versions(database)) == 4
    assert [one.number for one in reading.versions(database, "app:greet", limit=1, offset=1)] == [1]


def test_functions_are_counted(database: Database) -> None:
    found = {one.key: one for one in reading.functions(database)}
    greet, ask = found["app:greet"], found["app:ask"]
    assert (greet.versions, greet.calls, greet.failed, greet.error_share) == (2, 4, 0, 0.0)
    assert (ask.versions, ask.calls, ask.failed) == (1, 3, 2)
    assert ask.error_share == pytest.approx(2 / 3)
    assert greet.last == datetime(2026, 11, 10, tzinfo=UTC)


def test_a_target_is_told_by_what_it_is_called(database: Database) -> None:
    call = str(ROWS[3].id)
    assert reading.target(database, call) == ("call", call)
    assert reading.target(database, call[:13]) == ("call", call)
    assert reading.target(database, "ask") == ("version", "v1:cd03")
    assert reading.target(database, "nightly") == ("run", str(id_at(FIRST, 500)))
    assert reading.target(database, str(id_at(FIRST, 501))) == ("run", str(id_at(FIRST, 501)))
    with pytest.raises(UnknownRecord):
        reading.target(database, "nothing")
    with pytest.raises(UnknownRecord, match="no call, run or version 01a2ffff is stored"):
        reading.target(database, "01a2ffff")


# Histories

CHANGES = [  # program, path, old, new, seconds
    ("app:Agent", "prompt", None, "be kind", 0),
    ("app:Agent", "heat", None, 0.5, 1),
    ("other:Agent2", "prompt", None, "x", 2),
    ("app:Agent", "prompt", "be kind", "be short", 10),
    ("app:Agent", "heat", 0.5, 1, 20),
]


@pytest.fixture
def learned(place: Place) -> Database:
    with place.database.writing() as connection:
        parameters: dict[tuple[str, str], int] = {}
        for program, path, old, new, seconds in CHANGES:
            if (program, path) not in parameters:
                parameters[program, path] = len(parameters) + 1
                row = {"program": program, "path": path, "is_code": False}
                connection.execute(schema.parameter.insert().values(**row))
            row = {"parameter": parameters[program, path], "time_ns": FIRST + seconds * 10**9, "session": 1}
            row |= {
                "old": None if old is None else compact(old),
                "new": compact(new),
                "because": "why",
                "by": "me",
            }
            connection.execute(schema.update.insert().values(row))
        move = {"name": "app:Agent", "alias": "production", "version": "2", "time_ns": FIRST, "by": "me"}
        connection.execute(schema.alias.insert().values(**move))
        connection.execute(schema.function.insert().values(key="app:greet", name="greet", kind="bundle"))
        connection.execute(schema.call.insert().values(call_row(Row(0, FIRST + 15 * 10**9, n=1))))
    return place.database


START = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (None, {"prompt": "be short", "heat": 1}),
        (START, {"prompt": "be kind"}),
        (START + timedelta(seconds=5), {"prompt": "be kind", "heat": 0.5}),
        (START.replace(tzinfo=None) + timedelta(seconds=10), {"prompt": "be short", "heat": 0.5}),
        (START - timedelta(seconds=1), {}),
        (1, {"prompt": "be kind"}),
        (3, {"prompt": "be short", "heat": 0.5}),
        ("3", {"prompt": "be short", "heat": 0.5}),
        ("production", {"prompt": "be kind", "heat": 0.5}),
        ("2026-11-01T00:00:12", {"prompt": "be short", "heat": 0.5}),
        ("2026-11-02", {"prompt": "be short", "heat": 1}),
        (str(id_at(FIRST + 15 * 10**9, 1)), {"prompt": "be short", "heat": 0.5}),
    ],
)
def test_parameters_are_known_as_they_were(learned: Database, at: Any, expected: dict[str, Any]) -> None:
    assert reading.parameters(learned, "app:Agent", at) == expected


@pytest.mark.parametrize(
    ("ask", "why"),
    [
        (lambda db: reading.parameters(db, "app:Agnt"), "did you mean app:Agent"),
        (lambda db: reading.parameters(db, "app:Agent", 5), "has no state 5: it has 1 to 4"),
        (lambda db: reading.parameters(db, "app:Agent", 0), "has no state 0"),
        (lambda db: reading.parameters(db, "app:Agent", "staging"), "'staging' is no state"),
        (lambda db: reading.parameters(db, "app:Agent", "ffffffff"), "no call ffffffff"),
        (lambda db: reading.updates(db, "app:Agent", "promt"), "did you mean prompt"),
    ],
)
def test_what_no_history_has_is_refused(learned: Database, ask: Callable[[Database], Any], why: str) -> None:
    with pytest.raises(UnknownRecord, match=why):
        ask(learned)


def test_updates_are_told_in_order_with_the_states_they_led_to(learned: Database) -> None:
    found = reading.updates(learned, "Agent")
    assert [(one.path, one.old, one.new, one.number) for one in found] == [
        ("prompt", None, "be kind", 1),
        ("heat", None, 0.5, 2),
        ("prompt", "be kind", "be short", 3),
        ("heat", 0.5, 1, 4),
    ]
    assert [one.number for one in reading.updates(learned, "Agent", "prompt")] == [1, 3]
    assert [one.number for one in reading.updates(learned, "Agent", at=2)] == [1, 2]
    assert len(reading.updates(learned)) == 5
    assert reading.programs(learned) == {"app:Agent": 4, "other:Agent2": 1}


# Runs, events, feedback


def test_runs_tell_what_their_calls_used(place: Place) -> None:
    with place.database.writing() as connection:
        write(connection)
        write_call(connection, Row(1, FIRST, run=1, tokens=(10, 2), cost=0.5, n=60))
        write_call(connection, Row(1, FIRST, run=1, tokens=(1, 1), cost=0.25, n=61))
    newest, first = reading.runs(place.database)
    assert (newest.name, newest.calls, newest.tokens, newest.cost) == ("100%_run", 3, 14, 0.75)
    assert (first.name, first.calls, first.cost, first.status, first.end) == (
        "nightly",
        1,
        None,
        "running",
        None,
    )
    assert (
        [one.id for one in reading.runs(place.database, "nightly")] == [first.id] == [str(id_at(FIRST, 500))]
    )
    assert reading.runs(place.database, "weekly") == []


def test_events_are_read_from_where_one_stopped(place: Place) -> None:
    with place.database.writing() as connection:
        for n, name in enumerate(["score", "verdict", "score"]):
            row = {"session": 1, "time_ns": FIRST + n, "name": name, "data": compact({"n": n})}
            connection.execute(schema.event.insert().values(**row))
    assert [one.data for one in reading.events(place.database)] == [{"n": 0}, {"n": 1}, {"n": 2}]
    [first] = reading.events(place.database, limit=1)
    assert [one.data["n"] for one in reading.events(place.database, "score", after=first.id)] == [2]


def test_what_was_said_about_a_call_is_told_in_order(database: Database) -> None:
    found = said(database, "call", str(ROWS[6].id))
    assert [(one.name, one.score, one.text) for one in found] == [
        ("accuracy", 0.5, "so"),
        ("accuracy", 0.25, "hm"),
        ("tone", 0.75, "ok"),
    ]
    assert said(database, "version", "v1:aa01") == []
    with pytest.raises(UnknownRecord):
        said(database, "call", "nothing")


def test_a_selection_is_a_value() -> None:
    assert Selection("error", limit=3) == Selection("error", limit=3)
