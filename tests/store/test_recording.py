"""What is recorded into a store: every call with its values, errors, tree and flow, on both engines."""

from __future__ import annotations

import asyncio
import copy
import json
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

import tracelib as trace
from tracelib.errors import MutationWarning, StoreError
from tracelib.graph.tracing import annotate, ears
from tracelib.store import schema
from tracelib.store.store import Store, init, open_store
from tracelib.store.writing import recording

RATES = {"de": 2}


@pytest.fixture
def store(blank: str, tmp_path: Path) -> Iterator[Store]:
    """A store that nothing was written to, on each engine."""
    made = open_store(blank, journal=tmp_path / "journal")
    yield made
    made.uninstall()


def rows(store: Store, *columns: Any) -> list[Any]:
    with store.ready().reading() as connection:
        return list(connection.execute(select(*columns).order_by(schema.call.c.id)))


def calls(store: Store) -> list[Any]:
    joined = schema.call.join(schema.function, schema.function.c.n == schema.call.c.function).join(
        schema.payload, schema.payload.c.call == schema.call.c.n
    )
    columns = (schema.call, schema.function.c.name, schema.payload)
    with store.ready().reading() as connection:
        return list(connection.execute(select(*columns).select_from(joined).order_by(schema.call.c.id)))


@trace.bundle
def double(x: Any) -> Any:
    return 2 * x


@trace.bundle
def outer(x: Any) -> Any:
    return double(x) + double(x + 1)


@trace.bundle
def failing(x: Any) -> Any:
    raise ValueError(f"not {x}")


@trace.bundle
async def later(x: Any) -> Any:
    await asyncio.sleep(0)
    return double(x)


@trace.bundle
def counting(n: Any) -> Iterator[Any]:
    yield from range(n)


@trace.bundle
def priced(country: str) -> Any:
    return RATES[country]


def test_a_call_is_kept_with_its_inputs_output_and_clocks(store: Store) -> None:
    with store:
        made = double(21)
    found = calls(store)[0]
    assert (found.name, json.loads(found.inputs), json.loads(found.output)) == ("double", {"x": 21}, 42)
    assert found.status == schema.RETURNED
    assert made.call.id.replace("-", "") == bytes(found.id).hex()
    assert 0 < found.duration_ns < 10**9
    assert abs(found.start_ns / 1e9 - made.call.start) < 1


def test_calls_within_a_call_know_their_caller_and_the_whole_trace(store: Store) -> None:
    with store:
        outer(1)
    top, *inner = calls(store)
    assert top.name == "outer"
    assert [bytes(one.parent) for one in inner] == [bytes(top.id)] * 2
    assert {bytes(one.trace) for one in (top, *inner)} == {bytes(top.id)}
    assert top.parent is None


def test_a_failed_call_keeps_its_error_with_the_annotated_source(store: Store) -> None:
    with store, pytest.raises(ValueError, match="not 3"):
        failing(3)
    found = calls(store)[0]
    error = json.loads(found.error)
    assert (found.status, found.error_type, found.output) == (schema.FAILED, "ValueError", None)
    assert (error["type"], error["message"]) == ("builtins:ValueError", "not 3")
    assert "# <-- " in error["text"]


def test_values_that_flow_from_call_to_call_are_edges(store: Store) -> None:
    with store:
        first = double(1)
        double(first + 1)
        double([first])
    with store.ready().reading() as connection:
        found = connection.execute(select(schema.edge)).all()
    assert [(bytes(edge.source).hex(), edge.slot) for edge in found] == [
        (first.call.id.replace("-", ""), "x")
    ] * 2


@pytest.mark.parametrize("glue", ["f-string", "join", "operation", "kept"])
def test_a_value_that_flowed_through_plain_python_is_a_possible_edge(store: Store, glue: str) -> None:
    @trace.bundle
    def hi(name: str) -> str:
        return f"hi {name}"

    with store:
        if glue == "f-string":
            double(f"say {hi('Ann')} twice")
        elif glue == "join":
            double(", ".join(map(str, [hi("Ann"), "x"])))
        elif glue == "operation":
            double(f"{hi('Ann').upper() + '!'} twice")
        else:
            kept = hi("Ann")
            double(f"say {kept} twice")
    with store.ready().reading() as connection:
        found = connection.execute(select(schema.edge.c.slot)).scalars().all()
    assert found == ["possible"]


def test_coroutines_generators_and_threads_are_heard(store: Store) -> None:
    init(store)
    try:
        asyncio.run(later(2))
        assert [item.data for item in counting(3)] == [0, 1, 2]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(double, range(20)))
    finally:
        init(None)
    names = [found.name for found in calls(store)]
    assert (names.count("later"), names.count("double")) == (1, 21)
    assert names.count("counting") == 4  # each step, and the end


def test_nothing_is_recorded_without_init_and_after_it_ends(store: Store) -> None:
    double(1)
    init(store)
    double(2)
    init(None)
    double(3)
    assert [json.loads(found.inputs) for found in calls(store)] == [{"x": 2}]
    assert ears == []


def test_a_block_records_its_own_context_into_another_store(store: Store, tmp_path: Path) -> None:
    other = open_store(tmp_path / "other")
    init(store)
    try:
        with other:
            double(1)
            thread = threading.Thread(target=double, args=(2,))  # a thread has a context of its own
            thread.start()
            thread.join()
        double(3)
    finally:
        init(None)
    assert [json.loads(found.inputs)["x"] for found in calls(store)] == [2, 3]
    assert [json.loads(found.inputs)["x"] for found in calls(other)] == [1]


def test_init_as_a_block_ends_recording_with_it(store: Store) -> None:
    made = init(store)
    assert made is store
    with made:
        double(1)
    double(2)
    assert len(calls(store)) == 1
    assert recording.active() is None


@pytest.mark.parametrize(
    ("before", "change"),
    [
        ({"a": 1, "b": "x"}, lambda d: d.update(a=True)),
        ({"a": 1, "b": "x"}, lambda d: d.update(b="y")),
        ({"a": 1, "b": "x"}, lambda d: d.update(b=[1])),
        ({"a": 1, "b": "x"}, lambda d: d.update(a=d.pop("a"))),
        ([1, 2, 3], lambda items: items.reverse()),
        ({1, 2, 3}, lambda items: items.add(4)),
    ],
)
def test_every_change_of_a_few_plain_members_is_noticed(store: Store, before: Any, change: Any) -> None:
    spoil = trace.bundle(lambda given: change(given), name="spoil")
    look = trace.bundle(lambda given: len(given), name="look")
    given = copy.copy(before)
    with store:
        look(given)  # which warns of nothing
        with pytest.warns(MutationWarning, match="given"):
            spoil(given)
    assert [call.inputs for call in store.calls(values=True)] == [{"given": before}] * 2


def test_an_argument_that_the_body_changed_is_kept_as_it_was_and_told(store: Store) -> None:
    @trace.bundle
    def spoil(items: list[Any], at: int) -> int:
        items[at] = "changed"
        return at

    long = list(range(500))
    with store, pytest.warns(MutationWarning, match="items"):
        spoil(long, 100)
    found = calls(store)[0]
    assert json.loads(found.inputs)["items"] == list(range(500))


def test_a_failing_call_keeps_its_arguments_as_they_were(store: Store) -> None:
    @trace.bundle
    def spoil(items: list[Any]) -> None:
        items.append(1)
        raise KeyError("x")

    with store, pytest.raises(KeyError):
        spoil([0])
    assert json.loads(calls(store)[0].inputs) == {"items": [0]}


def test_values_of_mutable_globals_are_kept_when_they_change(store: Store) -> None:
    with store:
        priced("de")
        priced("de")
        RATES["de"] = 3
        try:
            priced("de")
        finally:
            RATES["de"] = 2
    states = [found.state and json.loads(found.state) for found in calls(store)]
    assert states == [{"RATES": {"de": 2}}, None, {"RATES": {"de": 3}}]
    assert len({found.version for found in calls(store)}) == 1


def test_capture_keeps_digests_or_nothing(store: Store, tmp_path: Path) -> None:
    @trace.bundle(capture="none")
    def secretive(x: Any) -> Any:
        return x

    @trace.bundle(capture="hash")
    def hashed(x: Any) -> Any:
        return x

    with store:
        secretive("told to nobody")
        hashed("told to nobody")
        hashed(double("told"))
    first, second, _, third = calls(store)
    assert (first.inputs, first.output) == ("{}", None)
    digest = json.loads(second.inputs)["x"]
    assert (digest["$"], digest["size"]) == ("digest", len('"told to nobody"'))
    assert digest == json.loads(second.output)
    assert "nobody" not in repr((first, second))
    assert "told" not in third.inputs + third.output + third.graph


def test_capture_is_set_for_a_whole_store(store: Store) -> None:
    init(store, capture="none")
    try:
        double("anything")
    finally:
        init(None)
    assert (calls(store)[0].inputs, calls(store)[0].output) == ("{}", None)


@pytest.mark.parametrize("wrong", ["some", None, ""])
def test_a_wrong_capture_is_refused(wrong: Any, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="capture is one of full, hash, none"):
        init(tmp_path / "store", capture=wrong)
    assert recording.active() is None


@pytest.mark.parametrize(("where", "said"), [(3, "a store is a folder"), ("", "a store is a folder")])
def test_a_store_that_is_none_is_refused(where: Any, said: str) -> None:
    with pytest.raises(StoreError, match=said):
        init(where)


@pytest.mark.parametrize("url", ["mysql://host/name", "sqlite://", "sqlite:///:memory:", "nonsense://x"])
def test_a_database_that_cannot_hold_a_store_is_refused(url: str) -> None:
    with pytest.raises(StoreError):
        _ = open_store(url).database


def test_secrets_in_arguments_are_not_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_TOKEN", "canary-8d1f0c")

    @trace.bundle
    def fetch(url: str, api_key: str, **headers: Any) -> str:
        return f"{url} {api_key}"

    key = "sk-proj-" + "Ab3" * 14
    with store:
        fetch("http://host/?k=canary-8d1f0c", api_key="plainword", authorization="Basic abc", x=key)
    found = calls(store)[0]
    text = found.inputs + found.output
    for canary in ("canary-8d1f0c", "plainword", "Basic abc", key):
        assert canary not in text or canary == "plainword"
    assert "plainword" not in found.inputs
    assert "[redacted " in found.inputs


def test_the_hook_sees_every_text(store: Store) -> None:
    init(store, redact=lambda text: text.replace("Juan", "<name>"))
    try:
        double("Juan")
        double([{"who": "Juan"}])
    finally:
        init(None)
    assert all("Juan" not in found.inputs + found.output for found in calls(store))


def test_methods_are_kept_without_their_receiver(store: Store) -> None:
    class Agent:
        @trace.bundle
        def answer(self, question: str) -> str:
            return question.upper()

    with store:
        Agent().answer("why")
    assert json.loads(calls(store)[0].inputs) == {"question": "why"}


def test_parameters_begin_a_history_and_updates_follow(store: Store) -> None:
    tone = trace.node("dry", name="tone", trainable=True, description="How to speak")

    @trace.bundle
    def speak(word: str, tone: str) -> str:
        return f"{tone} {word}"

    with store:
        speak("a", tone)
        speak("b", tone)
        tone.update("warm", because="they asked", by="OptoPrime")
        speak("c", tone)
    history = schema.update.join(schema.parameter, schema.parameter.c.n == schema.update.c.parameter)
    with store.ready().reading() as connection:
        found = connection.execute(
            select(schema.update, schema.parameter).select_from(history).order_by(schema.update.c.n)
        ).all()
    assert [(one.path, one.old, one.new, one.because, one.by) for one in found] == [
        ("tone", None, '"dry"', "first seen", ""),
        ("tone", '"dry"', '"warm"', "they asked", "OptoPrime"),
    ]


def test_a_value_seen_before_begins_no_second_history(store: Store) -> None:
    for _ in range(2):  # as two processes would
        tone = trace.node("dry", name="tone", trainable=True)
        with store:
            double(tone)
    with store.ready().reading() as connection:
        assert len(connection.execute(select(schema.update)).all()) == 1


def test_feedback_that_is_carried_back_is_kept_with_its_call(store: Store) -> None:
    tone = trace.node("dry", name="tone", trainable=True)
    with store:
        made = double(tone)
        made.backward("too dry")
    with store.ready().reading() as connection:
        found = connection.execute(select(schema.feedback)).one()
    assert (found.target, found.text, found.name) == (made.call.id.replace("-", ""), "too dry", "feedback")


def test_a_version_is_kept_once_with_its_number_and_message(store: Store) -> None:
    with store:
        double(1)
        double(2)
        outer(3)
    with store.ready().reading() as connection:
        found = connection.execute(
            select(schema.version, schema.function.c.key)
            .join(schema.function, schema.function.c.n == schema.version.c.function)
            .order_by(schema.version.c.n)
        ).all()
        uses = connection.execute(select(schema.use)).all()
    assert [(one.key.partition(":")[2], one.number) for one in found] == [("double", 1), ("outer", 1)]
    assert found[0].message == "Initial version of double: uses nothing else"
    assert [(one.used_key, one.used_hash) for one in uses] == [(found[0].key, found[0].hash)]


def test_annotations_of_the_running_call_are_kept(store: Store) -> None:

    @trace.bundle
    def ask(question: str) -> str:
        annotate(model="tiny", provider="scripted", tokens_in=3, tokens_out=1, cost_nano=1500)
        annotate(request={"messages": [{"role": "user", "content": question}]})
        return "yes"

    with store:
        ask("why")
    found = calls(store)[0]
    assert (found.model, found.provider, found.tokens_in, found.tokens_out) == ("tiny", "scripted", 3, 1)
    assert found.cost_nano == 1500
    assert json.loads(found.request)["messages"][0]["content"] == "why"


def test_calls_belong_to_the_run_that_is_open_here(store: Store) -> None:
    with store:
        with store.run("nightly", {"temperature": 0.2}) as id:
            double(1)
            with ThreadPoolExecutor(1) as pool:
                pool.submit(trace.wrap(double), 2).result()
        double(3)
        with pytest.raises(KeyError), store.run("broken"):
            raise KeyError("x")
    found = store.calls()
    assert [(call.inputs, call.run) for call in store.calls(values=True)] == [
        ({"x": 3}, None),
        ({"x": 2}, id),
        ({"x": 1}, id),
    ]
    broken, nightly = store.runs()
    assert (nightly.name, nightly.config, nightly.status, nightly.calls) == (
        "nightly",
        {"temperature": 0.2},
        "finished",
        2,
    )
    assert (broken.status, broken.error) == ("failed", "KeyError: 'x'")
    assert store.calls('run == "nightly"') == found[1:]


def test_a_run_needs_a_store_that_is_recorded_into(store: Store) -> None:
    with pytest.raises(StoreError, match="nothing is recorded"), store.run("nightly"):
        pass


def test_an_optimizer_s_update_keeps_the_score_it_was_taken_for(store: Store) -> None:
    tone = trace.node("dry", name="tone", trainable=True)
    with store:
        tone.update("warm", because="better", by="Trainer", score=0.75)
    assert [(update.new, update.score) for update in store.updates()] == [("warm", 0.75)]


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        {1, "a"},
        {(1, 2): 3},
        {1: "x", "1": "y"},
        "\ud800",
        b"\x00\xff",
        {"$": 1},
        10**5000,
        object(),
    ],
    ids=["nan", "set", "pairs", "mixed", "surrogate", "bytes", "dollar", "huge", "object"],
)
def test_any_value_can_be_recorded(store: Store, value: Any) -> None:
    @trace.bundle
    def same(x: Any) -> Any:
        return x

    with store, warnings.catch_warnings():
        warnings.simplefilter("error")
        same(value)
    found = calls(store)[0]
    json.loads(found.inputs)
    json.loads(found.output)


def test_big_values_are_kept_once(store: Store) -> None:
    text = "many words " * 2_000
    with store:
        for _ in range(3):
            double([text])
    with store.ready().reading() as connection:
        assert connection.execute(select(schema.blob)).all()
        hashes = connection.execute(select(schema.blob_use.c.hash).distinct()).scalars().all()
    assert len(hashes) <= 4
    assert all(len(found.inputs) < 1_000 for found in calls(store))


def test_a_store_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    with trace.SQLiteStore(tmp_path / "a" / "store") as store:
        double("x" * 300_000)
    store.flush()
    made = [tmp_path / "a", *(tmp_path / "a").rglob("*")]
    assert len(made) > 4
    assert all(path.stat().st_mode & 0o077 == 0 for path in made), [oct(path.stat().st_mode) for path in made]
