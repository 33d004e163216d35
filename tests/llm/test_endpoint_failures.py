"""Each way an endpoint fails gives one typed error with the number of attempts, however it was asked."""

from __future__ import annotations

import time

import openai
import pytest

from tracelib.errors import (
    BadRequest,
    InvalidReply,
    MalformedReply,
    ModelCallError,
    ModelTimeout,
    ModelUnavailable,
    QuotaExceeded,
    RateLimited,
)
from tracelib.llm.openai import OpenAIModel, RetryPolicy
from tracelib.testing import Cut, Empty, Fails, Garbled, Resets, Says

ATTEMPTS = 4
"""Of the `ask_at` fixture's policy."""

MATRIX = {
    "400": (Fails(400, code="invalid_value"), BadRequest, 1),
    "401": (Fails(401, code="invalid_api_key"), BadRequest, 1),
    "402": (Fails(402), QuotaExceeded, 1),
    "403": (Fails(403), BadRequest, 1),
    "404": (Fails(404, code="model_not_found"), BadRequest, 1),
    "408": (Fails(408), ModelTimeout, ATTEMPTS),
    "409": (Fails(409), BadRequest, ATTEMPTS),
    "422": (Fails(422), BadRequest, 1),
    "429": (Fails(429, code="rate_limit_exceeded"), RateLimited, ATTEMPTS),
    "429, wait": (Fails(429, retry_after=0.01), RateLimited, ATTEMPTS),
    "quota": (Fails(429, code="insufficient_quota"), QuotaExceeded, 1),
    "credit": (Fails(429, code="credit_balance_exhausted"), QuotaExceeded, 1),
    "500": (Fails(500), ModelUnavailable, ATTEMPTS),
    "503": (Fails(503), ModelUnavailable, ATTEMPTS),
    "500, do not retry": (Fails(500, headers={"x-should-retry": "false"}), ModelUnavailable, 1),
    "400, do retry": (Fails(400, headers={"x-should-retry": "true"}), BadRequest, ATTEMPTS),
    "reset": (Resets(), ModelUnavailable, ATTEMPTS),
    "timeout": (Says("late", delay=5), ModelTimeout, ATTEMPTS),
    "no JSON": (Garbled(), MalformedReply, 1),
    "no object": (Garbled("[]"), MalformedReply, 1),
    "HTML": (Garbled("<html>Welcome</html>"), MalformedReply, 1),
    "no choices": (Empty(), MalformedReply, 1),
}
IN_STREAMS = {name: row for name, row in MATRIX.items() if row[1] is not MalformedReply}


async def by_ask(model):
    return model.ask("x")


async def by_aask(model):
    return await model.aask("x")


async def by_stream(model):
    return list(model.stream("x"))


async def by_astream(model):
    return [piece async for piece in model.astream("x")]


def patience(answer):
    """Seconds for one attempt: few where the answer comes too late, else enough for a busy machine."""
    return 0.1 if getattr(answer, "delay", 0) else 30


async def check(way, answer, kind, attempts, server, model):
    server.otherwise = answer
    with pytest.raises(ModelCallError) as caught:
        await way(model)
    error = caught.value
    assert type(error) is kind
    assert error.attempts == attempts == len(server.requests)
    status = getattr(answer, "status", 200 if kind is MalformedReply else None)
    assert error.status == status
    assert error.code == getattr(answer, "code", None)
    assert error.request_id == (f"req-{attempts}" if status else None)
    assert error.__cause__ is not None
    assert "small at 127.0.0.1:" in str(error)
    assert ("after 4 attempts" in str(error)) is (attempts == 4)


@pytest.mark.parametrize("way", [by_ask, by_aask])
@pytest.mark.parametrize(("answer", "kind", "attempts"), MATRIX.values(), ids=MATRIX)
async def test_a_failing_endpoint_gives_one_typed_error(way, answer, kind, attempts, server, ask_at):
    await check(way, answer, kind, attempts, server, ask_at(timeout=patience(answer)))


@pytest.mark.parametrize("way", [by_stream, by_astream])
@pytest.mark.parametrize(("answer", "kind", "attempts"), IN_STREAMS.values(), ids=IN_STREAMS)
async def test_a_stream_that_never_begins_gives_the_same_error(way, answer, kind, attempts, server, ask_at):
    await check(way, answer, kind, attempts, server, ask_at(timeout=patience(answer)))


@pytest.mark.parametrize("way", [by_ask, by_aask, by_stream, by_astream])
@pytest.mark.parametrize("fault", [Fails(429), Fails(500), Fails(503), Fails(409), Resets()], ids=str)
async def test_a_fault_that_passes_is_outlived(way, fault, server, model):
    server.then(fault, fault, "at last")
    assert await way(model)
    assert len(server.requests) == 3


async def test_the_reply_counts_its_attempts(server, model):
    server.then(Fails(500), "a", Fails(500), Fails(500), "b")
    assert model.ask("x").attempts == 2
    assert (await model.aask("x")).attempts == 3


@pytest.mark.parametrize("asking", [{"retry_after": 0.2}, {"retry_after_ms": 200}])
@pytest.mark.parametrize("way", [by_ask, by_aask])
async def test_the_endpoint_is_given_the_time_it_asks_for(way, asking, server, model):
    server.then(Fails(429, **asking))
    started = time.perf_counter()
    await way(model)
    assert 0.2 <= time.perf_counter() - started < 2


@pytest.mark.parametrize("way", [by_ask, by_aask])
async def test_a_wait_beyond_the_budget_is_not_begun(way, server, ask_at):
    server.then(Fails(429, retry_after=60))
    started = time.perf_counter()
    with pytest.raises(RateLimited) as error:
        await way(ask_at(retry=RetryPolicy(seconds=5)))
    assert error.value.attempts == 1
    assert time.perf_counter() - started < 2


async def test_a_single_attempt_is_never_repeated(server, ask_at):
    server.otherwise = Fails(500)
    model = ask_at(retry=RetryPolicy(attempts=1))
    for way in (by_ask, by_aask):
        with pytest.raises(ModelUnavailable):
            await way(model)
    assert len(server.requests) == 2


def test_the_cause_is_the_error_of_the_sdk(server, model):
    server.then(Fails(404, message="no such model"))
    with pytest.raises(BadRequest, match=r"404 no such model \(check the model's name") as error:
        model.ask("x")
    assert isinstance(error.value.__cause__, openai.NotFoundError)


def test_a_malformed_reply_is_quoted_whole(server, model):
    server.then(Garbled("<html>Welcome</html>"))
    with pytest.raises(InvalidReply, match="<html>") as error:
        model.ask("x")
    assert error.value.reply == "<html>Welcome</html>"


def test_a_long_error_page_is_cut_in_the_message(server, model):
    server.then(Fails(400, message="long " * 10_000))
    with pytest.raises(BadRequest) as error:
        model.ask("x")
    assert len(str(error.value)) < 1_000


def test_nobody_at_the_address_is_unavailable(ask_at):
    with OpenAIModel("m", base_url="http://127.0.0.1:9/v1", retry=RetryPolicy(attempts=2, base=0)) as model:
        with pytest.raises(ModelUnavailable, match="after 2 attempts") as error:
            model.ask("x")
        assert error.value.attempts == 2


BROKEN = {
    "cut in the middle": (Cut("one two three"), ModelUnavailable, "after 3 characters"),
    "ended quietly": (Cut("one two three", quietly=True), ModelUnavailable, "without saying why"),
    "no JSON": (Garbled("{not json"), MalformedReply, "brought no JSON"),
    "no choices": (Empty(), ModelUnavailable, "without saying why"),
    "an error within": (
        Garbled('{"error": {"message": "busy", "code": "overloaded"}}'),
        ModelUnavailable,
        "busy",
    ),
    "spent within": (
        Garbled('{"error": {"message": "spent", "code": "insufficient_quota"}}'),
        QuotaExceeded,
        "spent",
    ),
    "too slow within": (Says("one two three", pace=0.5), ModelTimeout, "broke off"),
}


@pytest.mark.parametrize("way", [by_stream, by_astream])
@pytest.mark.parametrize(("answer", "kind", "words"), BROKEN.values(), ids=BROKEN)
async def test_a_stream_that_breaks_off_is_one_typed_error_and_not_asked_again(
    way, answer, kind, words, server, ask_at
):
    server.otherwise = answer
    with pytest.raises(ModelCallError, match=words) as error:
        await way(ask_at(timeout=0.2))
    assert type(error.value) is kind
    assert error.value.attempts == len(server.requests) == 1


def test_what_came_before_the_cut_was_heard(server, model):
    server.otherwise = Cut("one two three", after=2)
    stream = model.stream("x")
    assert [next(stream), next(stream)] == ["one", " two"]
    with pytest.raises(ModelUnavailable):
        next(stream)
