"""Export and import: the same lines on every engine, nothing twice, damage named by its line."""

from __future__ import annotations

import io
import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from databases import TEMPLATE, Place
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from populated import DAY, Spec, populate
from pydantic_core import to_json
from sqlalchemy import func, insert, select

from tracelib.errors import StoreError
from tracelib.store import schema
from tracelib.store.database import Database, sqlite_database, url_database
from tracelib.store.filters.filter import compiled
from tracelib.store.keeping.lines import LineError, places, record_of, value_of
from tracelib.store.keeping.marks import alias_log, aliases, move_alias, say
from tracelib.store.keeping.transfer import Imported, export, import_
from tracelib.store.migrations import migrate
from tracelib.store.values.blobs import Blobs, FolderBlobs, TableBlobs


@pytest.fixture
def blobs(place: Place, tmp_path: Path) -> Blobs:
    return TableBlobs() if place.engine == "postgres" else FolderBlobs(tmp_path / "blobs", in_row=500)


def fresh(folder: Path) -> tuple[Database, Blobs]:
    folder.mkdir()
    database = sqlite_database(folder / "store.db")
    migrate(database)
    return database, FolderBlobs(folder / "blobs", in_row=500)


def lines_of(database: Database, blobs: Blobs, **more: Any) -> list[str]:
    written = io.StringIO()
    export(database, blobs, written, **more)
    return written.getvalue().splitlines(keepends=True)


def kinds(lines: list[str]) -> Counter[str]:
    return Counter(json.loads(line)["kind"] for line in lines)


def edited(line: str, **changes: Any) -> str:
    record = json.loads(line) | changes
    return json.dumps({name: value for name, value in record.items() if value is not ...}) + "\n"


def where(lines: list[str], kind: str) -> int:
    return next(n for n, line in enumerate(lines) if json.loads(line)["kind"] == kind)


def test_an_export_goes_through_both_engines_unchanged(
    tmp_path: Path, postgres: Callable[[str], str]
) -> None:
    first, second = fresh(tmp_path / "first"), fresh(tmp_path / "second")
    other = url_database(postgres(TEMPLATE)), TableBlobs()
    populate(*first, Spec(seed=1, traces=60))
    populate(*first, Spec(seed=2, traces=20, owner=1, begin=Spec().begin + 7))
    lines = lines_of(*first)
    assert set(kinds(lines)) == {
        "store", "session", "function", "version", "run", "blob", "call", "parameter", "update", "feedback",
        "tag", "alias", "event", "end",
    }  # fmt: skip
    import_(*other, lines)
    assert lines_of(*other) == lines
    import_(*second, lines_of(*other))
    assert lines_of(*second) == lines


def test_the_number_of_records_is_given(place: Place, blobs: Blobs) -> None:
    populate(place.database, blobs)
    written = io.StringIO()
    assert export(place.database, blobs, written) == len(written.getvalue().splitlines()) - 2


def test_an_empty_store_goes_through(place: Place, blobs: Blobs, tmp_path: Path) -> None:
    lines = lines_of(place.database, blobs)
    assert [*kinds(lines)] == ["store", "end"]
    assert import_(*fresh(tmp_path / "other"), lines) == Imported()


def test_importing_again_adds_nothing(place: Place, blobs: Blobs, tmp_path: Path) -> None:
    other = fresh(tmp_path / "other")
    populate(*other, Spec(traces=20))
    lines = lines_of(*other)
    first = import_(place.database, blobs, lines)
    assert first.added == kinds(lines[1:-1])
    assert not +first.known
    again = import_(place.database, blobs, lines)
    assert not +again.added
    assert again.known == kinds(lines[1:-1])
    assert lines_of(place.database, blobs) == lines


def test_only_what_is_new_is_added_to_a_store_that_has_a_part(
    place: Place, blobs: Blobs, tmp_path: Path
) -> None:
    other = fresh(tmp_path / "other")
    populate(*other, Spec(seed=1, owner=1))
    import_(place.database, blobs, lines_of(*other))
    populate(place.database, blobs, Spec(seed=3, owner=3))
    populate(*other, Spec(seed=2, owner=2))
    imported = import_(place.database, blobs, lines_of(*other))
    assert imported.added["function"] == imported.known["function"] == 2
    here = kinds(lines_of(place.database, blobs))
    there = kinds(lines_of(*other))
    assert here["call"] > there["call"] > 0
    assert (here["session"], here["parameter"], here["event"]) == (3, 3, 9)
    assert import_(*other, lines_of(place.database, blobs)).added["session"] == 1
    assert sorted(lines_of(*other)) == sorted(lines_of(place.database, blobs))


def test_rows_that_are_equal_in_all_they_say_keep_their_number(
    place: Place, blobs: Blobs, tmp_path: Path
) -> None:
    other = fresh(tmp_path / "other")
    populate(*other, Spec(traces=1))
    same = {"session": 1, "time_ns": 5, "name": "candidate", "data": "{}"}
    said = {
        "target_kind": "run",
        "target": "0" * 32,
        "name": "x",
        "score": 1.5,
        "text": "",
        "source": "code",
        "by": "",
    }
    with other[0].writing() as connection:
        connection.execute(insert(schema.event), [same] * 1200)
        connection.execute(insert(schema.feedback), [said | {"time_ns": 1}] * 3)
    lines = lines_of(*other)
    for _ in range(2):
        import_(place.database, blobs, lines)
        assert lines_of(place.database, blobs) == lines


def numbers(database: Database, key: str) -> dict[int, str]:
    with database.reading() as connection:
        mine = select(schema.version.c.number, schema.version.c.hash).join(schema.function)
        return dict(connection.execute(mine.where(schema.function.c.key == key)).all())


def test_versions_that_two_stores_numbered_alike_are_numbered_by_time_and_aliases_follow(
    place: Place, blobs: Blobs, tmp_path: Path
) -> None:
    """Here aa, bb since the second day; there cc, bb since the first."""
    other = fresh(tmp_path / "other")
    begin = Spec().begin
    populate(place.database, blobs, Spec(begin=begin + DAY, versions=("aa", "bb")))
    populate(*other, Spec(seed=9, begin=begin, versions=("cc", "bb")))
    pointed = numbers(*other[:1], "app0:greet")[int(aliases(other[0], "app0:greet")["production"])]
    imported = import_(place.database, blobs, lines_of(*other))
    assert imported.renumbered > 0
    assert numbers(place.database, "app0:greet") == {1: "v1:1cc", 2: "v1:1aa", 3: "v1:1bb"}
    with place.database.reading() as connection:
        moves = connection.execute(select(schema.alias.c.version, schema.alias.c.time_ns)).all()
    here = numbers(place.database, "app0:greet")
    assert [here[int(version)] for version, at in moves if at == begin + DAY] == [
        "v1:1aa",
        "v1:1bb",
        "v1:1aa",
    ]
    assert [here[int(version)] for version, at in moves if at == begin] == [pointed, "v1:1bb", pointed]
    assert import_(place.database, blobs, lines_of(*other)).renumbered == 0


def test_parents_of_versions_are_found_again(place: Place, blobs: Blobs, tmp_path: Path) -> None:
    other = fresh(tmp_path / "other")
    populate(*other, Spec(versions=("aa", "bb", "cc"), traces=1))
    lines = lines_of(*other)
    at = where(lines, "version")
    lines[at], lines[at + 2] = lines[at + 2], lines[at]
    import_(place.database, blobs, lines)
    parents = [json.loads(line).get("parent") for line in lines_of(place.database, blobs)[at : at + 3]]
    assert parents == [None, "v1:2aa", "v1:2bb"]


def test_histories_that_two_stores_have_parts_of_become_one_and_aliases_follow(
    place: Place, blobs: Blobs, tmp_path: Path
) -> None:
    other = fresh(tmp_path / "other")
    begin = Spec().begin
    populate(place.database, blobs, Spec(begin=begin + DAY))
    populate(*other, Spec(seed=9, begin=begin))
    for database, state in ((place.database, 1), (other[0], 2)):
        move_alias(database, "app0:Agent", f"best of {state}", state)
    import_(place.database, blobs, lines_of(*other))
    with place.database.reading() as connection:
        times = (
            connection.execute(select(schema.update.c.time_ns).order_by(schema.update.c.n)).scalars().all()
        )
    assert times == [begin, begin + 1, begin + 2, begin + DAY, begin + DAY + 1, begin + DAY + 2]
    assert aliases(place.database, "app0:Agent") == {"best of 1": "4", "best of 2": "2"}
    assert not +import_(place.database, blobs, lines_of(*other)).added
    assert aliases(place.database, "app0:Agent") == {"best of 1": "4", "best of 2": "2"}


def test_a_run_that_was_running_is_ended_by_an_import(place: Place, blobs: Blobs, tmp_path: Path) -> None:
    other = fresh(tmp_path / "other")
    populate(*other, Spec(traces=1))
    lines = lines_of(*other)
    import_(place.database, blobs, lines)
    at = where(lines, "run")
    assert json.loads(lines[at])["status"] == "running"
    lines[at] = edited(lines[at], status="finished", end_ns=123)
    import_(place.database, blobs, lines)
    assert json.loads(lines_of(place.database, blobs)[at])["end_ns"] == 123


def test_some_calls_are_exported_with_what_they_need_and_nothing_else(
    place: Place, blobs: Blobs, tmp_path: Path
) -> None:
    populate(place.database, blobs, Spec(seed=4, traces=40))
    lines = lines_of(place.database, blobs, where='model == "gpt" and name == "greet"')
    found = [json.loads(line) for line in lines]
    calls = [record for record in found if record["kind"] == "call"]
    assert calls
    assert {call["model"] for call in calls} == {"gpt"}
    assert {record["key"] for record in found if record["kind"] == "function"} == {"app0:greet"}
    needed = {hash for call in calls for hash in call.get("blobs", [])}
    assert {record["hash"] for record in found if record["kind"] == "blob"} == needed
    assert not {"parameter", "update", "event", "alias"} & set(kinds(lines))
    ids = {call["id"] for call in calls}
    for record in found:
        if record.get("target_kind") == "call":
            assert record["target"] in ids
    other = fresh(tmp_path / "other")
    import_(*other, lines)
    assert lines_of(*other) == lines


def test_a_file_is_whole_or_not_there_and_for_its_owner_only(
    place: Place, blobs: Blobs, tmp_path: Path
) -> None:
    populate(place.database, blobs)
    target = tmp_path / "export.jsonl"
    export(place.database, blobs, target)
    assert target.stat().st_mode & 0o777 == 0o600
    assert target.read_text(encoding="utf-8") == "".join(lines_of(place.database, blobs))
    other = fresh(tmp_path / "other")
    import_(*other, target)
    assert lines_of(*other) == lines_of(place.database, blobs)
    with place.database.writing() as connection:
        connection.execute(schema.blob.update().values(size=0))
    before = target.read_bytes()
    with pytest.raises(StoreError, match="is damaged"):
        export(place.database, blobs, target)
    assert target.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if "export" in path.name] == ["export.jsonl"]


def test_paths_that_cannot_be_used_are_named(place: Place, blobs: Blobs, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no/such"):
        export(place.database, blobs, tmp_path / "no/such/file")
    with pytest.raises(StoreError, match="no/such"):
        import_(place.database, blobs, tmp_path / "no/such/file")


DEEP = "[" * 100_000 + "]" * 100_000  # deeper than any limit that a program may have set
ELSEWHERE = {"$": "blob", "hash": "0" * 64, "size": 3, "prefix": "x"}
DAMAGE: list[tuple[str, Callable[[str], str], str]] = [
    ("call", lambda line: line[: len(line) // 2] + "\n", "is not JSON"),
    ("call", lambda line: "[1]\n", "no object"),
    ("call", lambda line: edited(line, kind="cal"), "unknown kind"),
    ("call", lambda line: edited(line, id="12"), "'id'"),
    ("call", lambda line: edited(line, start_ns="now"), "'start_ns'"),
    ("call", lambda line: edited(line, start_ns=2**63), "'start_ns'"),
    ("call", lambda line: edited(line, start_ns=...), "has no 'start_ns'"),
    ("call", lambda line: edited(line, status="lost"), "'status'"),
    ("call", lambda line: edited(line, function="other:f"), "names a function"),
    ("call", lambda line: edited(line, version="v1:nn"), "names a version"),
    ("call", lambda line: edited(line, session="f" * 32), "names a session"),
    ("call", lambda line: edited(line, edges=[["zz", "x"]]), "'edges'"),
    ("call", lambda line: edited(line, blobs=["../x"]), "'blobs'"),
    ("call", lambda line: edited(line, error_type="a\0b"), "'error_type'"),
    ("call", lambda line: edited(line, inputs=3), "'inputs'"),
    ("call", lambda line: edited(line, inputs={"x": float("nan")}), "NaN is none of its numbers"),
    ("call", lambda line: line.replace('"inputs":{', '"inputs":{"x":1e999,'), "'inputs' that is too large"),
    ("call", lambda line: line.replace('"inputs":{', '"inputs":{"x":' + DEEP + ","), "not JSON|too deep"),
    ("call", lambda line: edited(line, blobs=["0" * 64]), "names a value that no line before it"),
    ("call", lambda line: edited(line, inputs={"x": ELSEWHERE}), "not among its 'blobs'"),
    ("tag", lambda line: edited(line, target="zz"), "'target'"),
    ("tag", lambda line: edited(line, target_kind="run", target="zz"), "'target'"),
    ("feedback", lambda line: edited(line, target_kind="vote"), "'target_kind'"),
    ("version", lambda line: edited(line, number=0), "'number'"),
    ("blob", lambda line: edited(line, data="!"), "base64"),
    ("blob", lambda line: edited(line, data="YWJj"), "has not its hash"),
    ("version", lambda line: edited(line, uses=[1]), "'uses'"),
    ("version", lambda line: edited(line, partial=1), "'partial'"),
    ("update", lambda line: edited(line, path="other"), "names a parameter"),
    ("update", lambda line: edited(line, score=1e308), "'score'"),
    ("event", lambda line: edited(line, run=3), "'run'"),
    ("end", lambda line: edited(line, records=3), "tells of 3 records"),
]


@pytest.mark.parametrize(("kind", "damage", "message"), DAMAGE, ids=range(len(DAMAGE)))
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_damaged_line_is_named_and_what_is_before_it_is_imported(
    place: Place, blobs: Blobs, tmp_path: Path, kind: str, damage: Callable[[str], str], message: str
) -> None:
    other = fresh(tmp_path / "other")
    populate(*other, Spec(seed=1))
    lines = lines_of(*other)
    at = where(lines, kind) + (2 if kind == "call" else 0)
    broken = [*lines[:at], damage(lines[at]), *lines[at + 1 :]]
    with pytest.raises(StoreError, match=rf"line {at + 1} of .*{message}"):
        import_(place.database, blobs, broken)
    with place.database.reading() as connection:
        calls = connection.execute(select(func.count()).select_from(schema.call)).scalar_one()
    assert calls == kinds(lines[:at])["call"]
    import_(place.database, blobs, lines)
    assert lines_of(place.database, blobs) == lines


@pytest.mark.parametrize(
    "junk", [b"", b"\xff\xfe\n", b'{"kind":"call"}\n', b'{"kind":"store","format":2}\n', b"[" * 5000]
)
def test_what_is_no_export_is_refused(place: Place, blobs: Blobs, tmp_path: Path, junk: bytes) -> None:
    (tmp_path / "junk").write_bytes(junk)
    with pytest.raises(StoreError, match="junk"):
        import_(place.database, blobs, tmp_path / "junk")
    assert [*kinds(lines_of(place.database, blobs))] == ["store", "end"]


def test_what_is_no_export_at_all_is_said_to_be_none(place: Place, blobs: Blobs) -> None:
    for line in ("# Notes", '{"kind":"call"}', '{"kind":"store","format":"new"}'):
        with pytest.raises(StoreError, match="is no export of a store"):
            import_(place.database, blobs, [line])


def test_an_edge_that_a_line_has_twice_is_there_once(place: Place, blobs: Blobs, tmp_path: Path) -> None:
    other = fresh(tmp_path / "other")
    populate(*other)
    lines = lines_of(*other)
    at = where(lines, "call")
    edge = ["f" * 32, "x"]
    lines[at] = edited(lines[at], edges=[edge, edge])
    import_(place.database, blobs, lines)
    assert json.loads(lines_of(place.database, blobs)[at])["edges"] == [edge]


def test_what_a_store_has_itself_is_not_added_whichever_encoder_wrote_it(place: Place, blobs: Blobs) -> None:
    populate(place.database, blobs, Spec(traces=1))
    told = [to_json(1e-5).decode(), json.dumps(1e-7), '{"a": [1e-05, "\\u00e9"]}']
    with place.database.writing() as connection:
        for at, text in enumerate(told):
            change = {"parameter": 1, "time_ns": at, "session": 1, "because": "", "by": ""}
            connection.execute(insert(schema.update).values(**change, old=text, new=text))
            connection.execute(insert(schema.event).values(session=1, time_ns=at, name="e", data=text))
    lines = lines_of(place.database, blobs)
    assert not +import_(place.database, blobs, lines).added
    assert lines_of(place.database, blobs) == lines


def test_numbers_arrive_as_a_recorder_writes_them(place: Place, blobs: Blobs, tmp_path: Path) -> None:
    other = fresh(tmp_path / "other")
    populate(*other, Spec(traces=1))
    with other[0].writing() as connection:
        connection.execute(schema.payload.update().values(output=to_json(1e-5).decode()))
    import_(place.database, blobs, lines_of(*other))
    with place.database.reading() as connection:
        assert connection.execute(select(schema.payload.c.output)).scalars().first() == to_json(1e-5).decode()


def test_an_older_export_moves_no_alias_back_and_hides_no_newer_score(place: Place, blobs: Blobs) -> None:
    ids = populate(place.database, blobs, Spec(traces=3))
    move_alias(place.database, "app0:greet", "production", 1)
    say(place.database, "call", ids[0], "", name="accuracy", score=0.25)
    older = lines_of(place.database, blobs)
    with place.database.writing() as connection:
        connection.execute(schema.alias.delete())
        connection.execute(schema.feedback.delete())
    move_alias(place.database, "app0:greet", "production", 2)
    say(place.database, "call", ids[0], "", name="accuracy", score=0.75)
    import_(place.database, blobs, older)
    assert aliases(place.database, "app0:greet")["production"] == "2"
    times = [move.at for move in alias_log(place.database, "app0:greet")]
    assert times == sorted(times)
    with place.database.reading() as connection:
        newest = select(schema.call.c.id).where(compiled("score.accuracy == 0.75"))
        assert connection.execute(newest).scalar_one().hex() == ids[0]


def test_a_damaged_value_is_mended_by_an_export_that_has_it(place: Place, blobs: Blobs) -> None:
    populate(place.database, blobs, Spec(traces=20))
    lines = lines_of(place.database, blobs)
    with place.database.writing() as connection:
        small = schema.blob.c.data.isnot(None)
        connection.execute(schema.blob.update().where(small).values(data=b"damaged"))
    if isinstance(blobs, FolderBlobs):
        for file in blobs.folder.rglob("*"):
            if file.is_file():
                file.write_bytes(b"damaged")
    with pytest.raises(StoreError, match="is damaged"):
        lines_of(place.database, blobs)
    import_(place.database, blobs, lines)
    assert lines_of(place.database, blobs) == lines


def test_an_export_of_rows_that_name_what_is_gone_says_so(place: Place, blobs: Blobs) -> None:
    populate(place.database, blobs, Spec(traces=1))
    with place.database.writing() as connection:
        connection.execute(schema.call.update().values(session=77))
    with pytest.raises(StoreError, match=r"session 77 is gone.*tracelib verify"):
        lines_of(place.database, blobs)


def test_an_export_goes_through_links_and_into_devices(place: Place, blobs: Blobs, tmp_path: Path) -> None:
    populate(place.database, blobs, Spec(traces=1))
    link, null = tmp_path / "link", tmp_path / "null"
    link.symlink_to(tmp_path / "export.jsonl")
    null.symlink_to("/dev/null")
    export(place.database, blobs, link)
    assert link.is_symlink()
    assert (tmp_path / "export.jsonl").read_text(encoding="utf-8") == "".join(lines_of(place.database, blobs))
    export(place.database, blobs, null)
    assert Path("/dev/null").is_char_device()
    for full in (tmp_path, "/dev/full"):
        with pytest.raises(StoreError, match=f"{full} cannot be written"):
            export(place.database, blobs, full)


def test_a_file_that_was_cut_is_noticed(place: Place, blobs: Blobs, tmp_path: Path) -> None:
    other = fresh(tmp_path / "other")
    populate(*other)
    lines = lines_of(*other)
    with pytest.raises(StoreError, match=f"ends early, after line {len(lines) - 1}"):
        import_(place.database, blobs, lines[:-1])
    with pytest.raises(StoreError, match="after the last"):
        import_(place.database, blobs, [*lines, lines[3]])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_line_makes_a_row_that_an_engine_refuses(data: st.DataObject) -> None:
    anything = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=5,
    )
    tables = [schema.call, schema.feedback, schema.version, schema.payload, schema.function]
    place = data.draw(st.sampled_from([place for table in tables for place in places(table)]))
    try:
        value = value_of(place, {place.name: data.draw(anything)})
    except LineError:
        return
    assert isinstance(value, (type(None), bool, int, float, str, bytes))
    if isinstance(value, str):
        assert "\0" not in value
        value.encode()


@given(st.binary(max_size=40) | st.text(max_size=40))
def test_any_line_is_a_record_or_damaged(line: bytes | str) -> None:
    try:
        assert isinstance(record_of(line)["kind"], str)
    except LineError:
        pass


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10_000),
    traces=st.integers(0, 12),
    pieces=st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=4),
)
def test_stores_that_exchange_exports_in_any_order_become_the_same(
    tmp_path_factory: pytest.TempPathFactory, seed: int, traces: int, pieces: list[tuple[int, bool]]
) -> None:
    folder = tmp_path_factory.mktemp("stores")
    left, right = fresh(folder / "left"), fresh(folder / "right")
    chosen = random.Random(seed)
    for nth, (_, is_left) in enumerate(pieces):
        spec = Spec(chosen.randrange(10**6), traces, owner=nth, begin=Spec().begin + chosen.randrange(10**9))
        populate(*(left if is_left else right), spec)
        if chosen.random() < 0.5:
            import_(*left, lines_of(*right))
    import_(*left, lines_of(*right))
    import_(*right, lines_of(*left))
    assert sorted(lines_of(*left)) == sorted(lines_of(*right))
