"""Tags, aliases, comments and scores: on what is stored only, and nothing said is lost."""

from __future__ import annotations

import uuid

import pytest
from databases import Place

from tracelib.errors import StoreError, UnknownRecord
from tracelib.store.database import Database
from tracelib.store.keeping.marks import (
    alias_log,
    aliases,
    move_alias,
    remove_alias,
    said,
    say,
    tag,
    tags_of,
    untag,
    user_name,
)
from tracelib.store.schema import call, function, parameter, run, session, update, version

CALL = uuid.UUID(int=0x0190_0000_0000_7000_8000_0000_0000_0001)
RUN = uuid.UUID(int=0x0190_0000_0000_7000_8000_0000_0000_0002)
HASHES = ("v1:aaa", "v1:bbb")
TARGETS = [("call", str(CALL)), ("version", HASHES[0]), ("run", RUN.hex)]


@pytest.fixture
def database(place: Place) -> Database:
    """A store with a call, a run, two versions of a function and a parameter that changed twice."""
    with place.database.writing() as connection:
        connection.execute(function.insert().values(key="app:greet", name="greet", kind="bundle"))
        for number, hash in enumerate(HASHES, 1):
            texts = dict.fromkeys(("source", "dependencies", "closure", "api_params", "free_values"), "")
            named = {"function": 1, "number": number, "hash": hash, "message": "", "message_by": ""}
            connection.execute(
                version.insert().values(**texts, **named, global_values="", partial=False, created_ns=1)
            )
        started = {"id": b"s" * 16, "started_ns": 1, "pid": 1, "host": "", "python": "", "tracelib": ""}
        connection.execute(session.insert().values(started))
        numbers = {"function": 1, "session": 1, "status": 0, "start_ns": 1, "duration_ns": 1, "place": 1}
        connection.execute(call.insert().values(id=CALL.bytes, trace=CALL.bytes, **numbers))
        connection.execute(
            run.insert().values(id=RUN.bytes, name="r", config="{}", status="running", start_ns=1)
        )
        connection.execute(parameter.insert().values(program="app:Agent", path="prompt", is_code=False))
        for _ in range(2):
            change = {"parameter": 1, "time_ns": 1, "session": 1, "new": '"x"', "because": "", "by": ""}
            connection.execute(update.insert().values(change))
    return place.database


@pytest.mark.parametrize(("kind", "target"), TARGETS)
def test_tags_are_put_on_and_taken_off(database: Database, kind: str, target: str) -> None:
    assert tag(database, kind, target, "good", "a second") == ("a second", "good")
    assert tag(database, kind, target, "good") == ("a second", "good")
    assert tags_of(database, kind, target) == ("a second", "good")
    assert untag(database, kind, target, "good", "never there") == ("a second",)
    assert tags_of(database, kind, target) == ("a second",)


def test_an_id_is_the_same_with_and_without_dashes(database: Database) -> None:
    tag(database, "call", str(CALL), "seen")
    assert tags_of(database, "call", CALL.hex.upper()) == ("seen",)


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        ("call", RUN.hex),
        ("call", "no id"),
        ("version", "v1:ccc"),
        ("run", CALL.hex),
        ("run", "'; drop table"),
    ],
)
def test_what_is_not_stored_cannot_be_marked(database: Database, kind: str, target: str) -> None:
    with pytest.raises(UnknownRecord):
        tag(database, kind, target, "x")
    with pytest.raises(UnknownRecord):
        say(database, kind, target, "x")
    with pytest.raises(UnknownRecord):
        tags_of(database, kind, target)


def test_only_calls_versions_and_runs_are_marked(database: Database) -> None:
    with pytest.raises(StoreError, match="call, version, run"):
        tag(database, "session", "s", "x")


@pytest.mark.parametrize("bad", ["", " x", "x\n", "\0", "x" * 201])
def test_a_tag_that_nobody_could_type_is_refused(database: Database, bad: str) -> None:
    with pytest.raises(StoreError, match="no tag"):
        tag(database, "call", CALL.hex, bad)


def test_an_alias_points_where_it_was_last_moved_and_remembers_where_it_was(database: Database) -> None:
    move_alias(database, "app:greet", "production", 1, by="ann")
    move_alias(database, "app:greet", "staging", HASHES[1])
    move_alias(database, "app:greet", "production", "2", by="bob")
    assert aliases(database, "app:greet") == {"production": "2", "staging": "2"}
    log = alias_log(database, "app:greet", "production")
    assert [(move.version, move.by) for move in log] == [("1", "ann"), ("2", "bob")]
    assert len(alias_log(database, "app:greet")) == 3


def test_an_alias_can_be_removed_and_its_log_stays(database: Database) -> None:
    move_alias(database, "app:greet", "production", 1)
    assert remove_alias(database, "app:greet", "production").version is None
    assert aliases(database, "app:greet") == {}
    assert [move.version for move in alias_log(database, "app:greet")] == ["1", None]
    with pytest.raises(UnknownRecord, match="it has none"):
        remove_alias(database, "app:greet", "production")


def test_a_state_of_a_program_can_have_an_alias(database: Database) -> None:
    assert move_alias(database, "app:Agent", "best", 2).version == "2"
    with pytest.raises(UnknownRecord, match="has no version 3: it has 1, 2"):
        move_alias(database, "app:Agent", "best", 3)


@pytest.mark.parametrize(("name", "version"), [("app:greet", 3), ("app:greet", "v1:ccc"), ("app:other", 1)])
def test_an_alias_points_to_what_is_stored(database: Database, name: str, version: int | str) -> None:
    with pytest.raises(UnknownRecord):
        move_alias(database, name, "production", version)
    assert aliases(database, name) == {}


@pytest.mark.parametrize("bad", ["", "3", "a@b", "two\nlines"])
def test_an_alias_cannot_be_mistaken_for_a_number(database: Database, bad: str) -> None:
    with pytest.raises(StoreError, match="no alias"):
        move_alias(database, "app:greet", bad, 1)


@pytest.mark.parametrize(("kind", "target"), TARGETS)
def test_what_is_said_is_kept_in_order(database: Database, kind: str, target: str) -> None:
    first = say(database, kind, target, "too long")
    second = say(database, kind, target, "", name="length", score=-0.5, source="code", by="a metric")
    assert said(database, kind, target) == [first, second]
    assert (first.text, first.name, first.score, first.source) == ("too long", "comment", None, "human")
    assert first.by == user_name()
    assert (second.score, second.source, second.by) == (-0.5, "code", "a metric")
    assert first.at <= second.at


def test_any_text_can_be_said(database: Database) -> None:
    kept = say(database, "call", CALL.hex, "nul \0, half \ud83d, emoji 🙂, '\";--\n")
    assert kept.text == "nul \ufffd, half ?, emoji 🙂, '\";--\n"


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_a_score_is_a_number(database: Database, score: float) -> None:
    with pytest.raises(StoreError, match="finite"):
        say(database, "call", CALL.hex, "", score=score)


def test_something_must_be_said_by_someone_known(database: Database) -> None:
    with pytest.raises(StoreError, match="a text or a score"):
        say(database, "call", CALL.hex, "")
    with pytest.raises(StoreError, match="human, model, code"):
        say(database, "call", CALL.hex, "x", source="oracle")
    with pytest.raises(StoreError, match="name of feedback"):
        say(database, "call", CALL.hex, "x", name="")


def test_a_refused_mark_leaves_nothing_behind(database: Database) -> None:
    with pytest.raises(StoreError):
        tag(database, "call", CALL.hex, "fine", "")
    assert tags_of(database, "call", CALL.hex) == ()
