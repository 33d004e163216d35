"""A call that asks a model is kept with the model, what it was asked, what it used and what it cost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import tracelib as trace
from tracelib.errors import BadRequest, ModelError, ModelUnavailable
from tracelib.llm.guard import guarded
from tracelib.llm.model import CallableModel, Model, Reply, Usage
from tracelib.llm.openai import OpenAIModel, RetryPolicy
from tracelib.store.store import Store
from tracelib.testing import Fails, LoopbackServer

USED = Usage(prompt_tokens=10, completion_tokens=4, cached_tokens=2, reasoning_tokens=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with trace.SQLiteStore(tmp_path) as made:
        yield made


def answering(usage: Usage = USED, cost: float | None = 0.25) -> Model:
    return CallableModel(lambda messages, **params: Reply("yes", usage, cost), "tiny", temperature=0.5)


def kept(store: Store, name: str) -> Any:
    (found,) = store.calls(name=name, values=True)
    return found


def numbers(call: Any) -> tuple[Any, ...]:
    return (
        call.tokens_in,
        call.tokens_out,
        call.tokens_cached,
        call.tokens_reasoning,
        call.attempts,
        call.cost,
    )


def ways() -> dict[str, Any]:
    """One question, asked in each way there is, by a recorded function."""
    model = answering()

    @trace.bundle
    def asked(text: str) -> str:
        return model.ask(text).text

    @trace.bundle
    async def awaited(text: str) -> str:
        return (await model.aask(text)).text

    @trace.bundle
    def streamed(text: str) -> str:
        return "".join(model.stream(text))

    @trace.bundle
    async def astreamed(text: str) -> str:
        return "".join([piece async for piece in model.astream(text)])

    @trace.lm(model=model)
    def program(text: str) -> str:
        return text

    return {
        "asked": asked,
        "awaited": lambda text: asyncio.run(awaited(text)),
        "streamed": streamed,
        "astreamed": lambda text: asyncio.run(astreamed(text)),
        "program": program,
    }


@pytest.mark.parametrize("way", ["asked", "awaited", "streamed", "astreamed", "program"])
def test_a_question_is_kept_with_the_call_that_asks_it(store: Store, way: str) -> None:
    assert ways()[way]("why") == "yes"
    call = kept(store, way)
    assert (call.model, call.provider) == ("tiny", "callable")
    assert numbers(call) == (10, 4, 2, 1, 1, 0.25)
    assert call.request == {
        "messages": [{"role": "user", "content": "why"}],
        "params": {"temperature": 0.5},
    }


def test_several_questions_of_a_call_add_up(store: Store) -> None:
    model = answering()

    @trace.bundle
    def thrice() -> str:
        model.ask("one")
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(trace.wrap(model.ask), ["two", "two"]))
        return model.ask("last").text

    thrice()
    call = kept(store, "thrice")
    assert numbers(call) == (40, 16, 8, 4, 4, 1.0)
    assert call.request["messages"][0]["content"] == "last"


def test_a_call_whose_endpoint_failed_tells_how_often_it_was_asked(store: Store) -> None:
    with LoopbackServer(otherwise=Fails(503)) as server:
        policy = RetryPolicy(attempts=3, base=0)
        model = OpenAIModel("tiny", base_url=server.base_url, retry=policy)

        @trace.lm(model=model)
        def failing(text: str) -> str:
            return text

        with model, pytest.raises(ModelUnavailable):
            failing("why")
        call = kept(store, "failing")
        assert (call.attempts, len(server.requests)) == (3, 3)
        assert (call.tokens_in, call.cost) == (None, None)


def test_a_failure_that_was_caught_counts_among_the_attempts(store: Store) -> None:
    with LoopbackServer([Fails(404), Fails(503)]) as server:
        model = OpenAIModel("tiny", base_url=server.base_url, retry=RetryPolicy(base=0))

        @trace.bundle
        def insisting(text: str) -> str:
            try:
                return model.ask(text).text
            except BadRequest:
                return model.ask(text).text

        with model:
            assert insisting("why") == "ok"
        assert kept(store, "insisting").attempts == 3


def test_a_number_that_one_reply_does_not_tell_is_not_known(store: Store) -> None:
    models = [answering(), answering(Usage(prompt_tokens=1), None), answering()]

    @trace.bundle
    def several() -> None:
        for model in models:
            model.ask("why")

    several()
    assert numbers(kept(store, "several")) == (21, None, None, None, 3, None)


def test_the_innermost_call_keeps_what_was_asked(store: Store) -> None:
    asked = ways()["asked"]

    @trace.bundle
    def outer() -> Any:
        return asked("why")

    outer()
    assert kept(store, "asked").model == "tiny"
    assert (kept(store, "outer").model, kept(store, "outer").cost) == (None, None)


def test_a_call_whose_model_fails_is_kept_with_what_was_asked(store: Store) -> None:
    def broken(messages: Any, **params: Any) -> Any:
        raise ModelError("no line")

    @trace.bundle
    def ask() -> str:
        return CallableModel(broken, "tiny").ask("why").text

    with pytest.raises(ModelError):
        ask()
    call = kept(store, "ask")
    assert (call.status, call.model, call.cost) == ("failed", "tiny", None)
    assert call.request["messages"][0]["content"] == "why"


def test_a_reply_that_was_kept_counts_as_the_model_that_gave_it(store: Store) -> None:
    def cached(question: Any) -> Any:
        return Reply("kept", USED, 0.5, model="old", provider="shelf")
        yield

    @trace.bundle
    def ask() -> str:
        return answering().ask("why").text

    with guarded(cached):
        ask()
    call = kept(store, "ask")
    assert (call.model, call.provider, call.cost) == ("old", "shelf", 0.5)


def test_what_the_function_says_itself_holds(store: Store) -> None:
    @trace.bundle
    def ask() -> str:
        reply = answering().ask("why")
        trace.annotate(cost_nano=7)
        return reply.text

    ask()
    assert kept(store, "ask").cost == 7e-9


def test_a_question_outside_any_call_or_record_is_answered_as_ever(store: Store) -> None:
    model = answering()
    assert model.ask("why").text == "yes"
    with trace.stop_tracing():
        assert ways()["asked"]("why") == "yes"
    assert store.calls() == []
