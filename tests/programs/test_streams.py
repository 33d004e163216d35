"""A program's reply in pieces, over a real connection: what is given, and what is recorded of it."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pydantic
import pytest

import tracelib as trace
from tracelib.errors import GraphError, ModelUnavailable
from tracelib.llm.openai import OpenAIModel
from tracelib.testing import Cut, LoopbackServer, Says, ScriptedModel

LONG = "The quick brown fox jumps over the lazy dog."


def greeter(model: Any, **options: Any) -> Any:
    @trace.lm(model=model, **options)
    def greet(name: str) -> str:
        """Be kind."""
        return f"Greet {name}"

    return greet


def test_pieces_come_as_they_are_sent_and_the_result_is_a_text(
    server: LoopbackServer, model: OpenAIModel, tmp_path: Path
) -> None:
    server.then(Says(LONG))
    greet = greeter(model)
    with trace.SQLiteStore(tmp_path) as store:
        stream = greet.stream("Ann", api_params={"temperature": 0})
        assert server.requests == []
        with pytest.raises(GraphError, match="has not ended"):
            _ = stream.result
        pieces = list(stream)
    assert len(pieces) > 1
    assert "".join(pieces) == stream.text == stream.result == LONG
    assert list(stream) == []
    assert isinstance(stream.result, trace.Text)
    assert stream.result.__origin_trace__ == {stream.result.call.id}
    assert server.requests[0].body["stream"] is True
    (call,) = store.calls(values=True)
    assert (call.name, call.output, call.model, call.status) == ("greet", LONG, "small", "returned")
    assert store.call(call.id).first_token is not None


def test_a_stream_that_is_closed_is_recorded_with_what_had_come(
    server: LoopbackServer, model: OpenAIModel, tmp_path: Path
) -> None:
    server.then(Says(LONG))
    with trace.SQLiteStore(tmp_path) as store:
        with greeter(model).stream("Ann") as stream:
            first = next(stream)
        assert stream.result == first
        stream.close()
    (call,) = store.calls(values=True)
    assert (call.output, call.status, call.model) == (first, "returned", "small")
    assert store.call(call.id).first_token is not None


@pytest.mark.parametrize("cyclic", [False, True])
def test_a_loop_that_is_left_is_recorded_with_what_had_come(
    server: LoopbackServer, model: OpenAIModel, tmp_path: Path, cyclic: bool
) -> None:
    server.then(Says(LONG))
    with trace.SQLiteStore(tmp_path) as store:
        stream = greeter(model).stream("Ann")
        for piece in stream:
            first = piece
            break
        if cyclic:
            stream.itself = stream
        del stream
        gc.collect()
        (call,) = store.calls(values=True)
    assert (call.output, call.status, call.model) == (first, "returned", "small")


async def test_an_async_loop_that_is_left_is_recorded_with_what_had_come(tmp_path: Path) -> None:
    with trace.SQLiteStore(tmp_path) as store:
        async for piece in greeter(ScriptedModel(["One two."])).stream("Ann"):
            first = piece
            break
        (call,) = store.calls(values=True)
    assert (call.output, call.status) == (first, "returned")


async def test_a_stream_that_is_read_by_async_for_is_not_closed_by_a_plain_with() -> None:
    with pytest.raises(GraphError, match="the stream of greet is read by `async for`: await aclose"):
        with greeter(ScriptedModel(["One two."])).stream("Ann") as stream:
            await anext(stream)
    await stream.aclose()
    assert stream.result == "One two."


def test_a_stream_that_failed_or_never_began_has_no_result() -> None:
    failed, unread = greeter(ScriptedModel([ValueError("no")])).stream("Ann"), greeter(None).stream("Ann")
    with pytest.raises(ValueError, match="no"):
        list(failed)
    unread.close()
    for stream in (failed, unread):
        with pytest.raises(GraphError, match="the stream has no result"):
            _ = stream.result


def test_a_stream_that_breaks_is_a_failed_call(
    server: LoopbackServer, model: OpenAIModel, tmp_path: Path
) -> None:
    server.then(Cut(LONG, after=2))
    stream = greeter(model).stream("Ann")
    with trace.SQLiteStore(tmp_path) as store, pytest.raises(ModelUnavailable) as raised:
        list(stream)
    assert isinstance(raised.value, trace.ExecutionError)
    assert raised.value.exception_node.op == "greet"
    (call,) = store.calls()
    assert call.status == "failed"
    assert list(stream) == []


async def test_async_for_reads_programs_of_both_kinds(server: LoopbackServer, model: OpenAIModel) -> None:
    server.then(Says(LONG), Says(LONG))

    @trace.lm(model=model)
    async def awaited(name: str) -> str:
        return f"Greet {name}"

    for program in (greeter(model), awaited):
        stream = program.stream("Ann")
        assert "".join([piece async for piece in stream]) == stream.result == LONG
    await model.aclose()


async def test_an_async_stream_can_be_closed(server: LoopbackServer, model: OpenAIModel) -> None:
    server.then(Says(LONG))
    async with greeter(model).stream("Ann") as stream:
        first = await anext(stream)
    assert stream.result == first
    await model.aclose()


def test_an_async_program_is_not_read_by_a_plain_loop() -> None:
    @trace.lm(model=ScriptedModel(["a"]))
    async def greet(name: str) -> str:
        return name

    with pytest.raises(GraphError, match="read its stream by `async for`"):
        list(greet.stream("Ann"))


def test_an_object_comes_whole() -> None:
    class Name(pydantic.BaseModel):
        first: str

    with pytest.raises(GraphError, match="gives a Name, which comes whole: call it"):
        list(greeter(ScriptedModel(["a"]), response_format=Name).stream("Ann"))


def test_what_a_prompt_reads_and_calls_is_behind_the_result() -> None:
    model = ScriptedModel(["inner", "outer"])
    inner = greeter(model)

    @trace.lm(model=model, trainable=True)
    def outer(name: str) -> str:
        """Be brief."""
        return f"{inner(name)} again"

    stream = outer.stream(trace.node("Ann", name="who"))
    assert list(stream) == ["outer"]
    behind = trace.Graph.behind(stream.result)
    assert {made.name for made in behind.nodes} >= {"who"}
    assert {made.op.name for made in behind.nodes if made.op is not None} >= {"greet", "outer"}
    assert [parameter.name for parameter in behind.parameters] == ["outer.system"]


def test_where_nothing_is_recorded_a_stream_gives_plain_text() -> None:
    with trace.stop_tracing():
        stream = greeter(ScriptedModel(["hi"])).stream(trace.node("Ann"))
        assert list(stream) == ["hi"]
    assert type(stream.result) is str
