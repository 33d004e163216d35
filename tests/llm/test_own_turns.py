"""Whoever would wait for himself at a limiter is let through; everybody else waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest

from tracelib.llm.lent import ClientModel
from tracelib.llm.limits import Limiter, Limits, limiter_of
from tracelib.llm.openai import OpenAIModel
from tracelib.testing import LoopbackServer, Says

ONE = Limits(concurrency=1)


def in_time(work: Callable[[], Any]) -> Any:
    """What the work gives; a test that hangs fails."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(work()), daemon=True)
    thread.start()
    thread.join(20)
    assert found, "it waits for itself"
    return found[0]


@pytest.fixture(params=["by address", openai.OpenAI, openai.AsyncOpenAI])
def one_at_a_time(request, server):
    """A model that answers one question at a time: reached by its address, or by a client of the user's."""
    server.otherwise = Says("one two")
    if request.param == "by address":
        model = OpenAIModel("m", base_url=server.base_url, limits=ONE)
    else:
        client = request.param(base_url=server.base_url, api_key="k")
        model = ClientModel("m", client, limits=ONE)
    yield model
    if request.param is openai.OpenAI:
        client.close()
    if request.param is openai.AsyncOpenAI and model._portal._loop is not None:
        model._portal.run(client.close())
    model.close()


def test_whoever_reads_a_stream_may_ask_although_he_holds_the_only_turn(one_at_a_time):
    def asked() -> list[str]:
        with one_at_a_time.stream("read") as stream:
            return [one_at_a_time.ask(piece).text for piece in stream]

    assert in_time(asked) == ["one two", "one two"]


def test_a_task_that_reads_a_stream_may_ask_although_it_holds_the_only_turn(one_at_a_time):
    async def asked() -> list[str]:
        async with one_at_a_time.astream("read") as stream:
            found = [(await one_at_a_time.aask(piece)).text async for piece in stream]
        if isinstance(getattr(one_at_a_time, "_client", None), openai.AsyncOpenAI):
            await one_at_a_time._client.close()
        return found

    assert in_time(lambda: asyncio.run(asked())) == ["one two", "one two"]


def test_streams_may_be_read_side_by_side_by_one():
    def asked() -> list[tuple[str, str]]:
        with LoopbackServer(otherwise="one two") as server:
            with OpenAIModel("m", base_url=server.base_url, limits=ONE) as model:
                return list(zip(model.stream("a"), model.stream("b"), strict=True))

    assert in_time(asked) == [("one", "one"), (" two", " two")]


def test_a_reader_passes_those_who_wait_for_his_stream_and_no_one_else_passes():
    limiter = Limiter()
    limiter.set(ONE)
    order: list[str] = []

    def wait(name: str) -> None:
        turn = limiter.take(0)
        order.append(name)
        limiter.end(turn)

    stream = limiter.take(0)
    limiter.hear(stream, {})
    with ThreadPoolExecutor(2) as pool:
        others = [pool.submit(wait, "other") for _ in range(2)]
        while len(limiter._line) < 2:
            threading.Event().wait(0.001)
        asked = limiter.take(0)
        order.append("reader")
        limiter.end(asked)
        assert order == ["reader"]
        limiter.end(stream)
        for other in others:
            other.result(20)
    assert order == ["reader", "other", "other"]


def test_whoever_has_read_his_stream_waits_like_the_others():
    limiter = Limiter()
    limiter.set(ONE)
    stream = limiter.take(0)
    limiter.hear(stream, {})
    limiter.end(stream)
    with ThreadPoolExecutor(2) as pool:
        held = pool.submit(limiter.take, 0).result(20)
        waiting = pool.submit(limiter.take, 0)
        assert not waiting.done()
        limiter.end(held)
        limiter.end(waiting.result(20))
    assert not limiter._reading


def test_a_reader_keeps_to_the_rates_of_time():
    limiter = Limiter()
    limiter.set(Limits(concurrency=1, requests_per_minute=600))
    stream = limiter.take(0)
    limiter.hear(stream, {})
    asked = limiter.take(0)
    assert asked.begun - stream.begun >= 0.099


@pytest.mark.parametrize("crowded", [False, True], ids=["the user's number", "after a 429"])
def test_a_blocking_question_on_a_running_loop_waits_for_no_task_of_it(crowded):
    async def asked(model: OpenAIModel, server: LoopbackServer) -> list[str]:
        tasks = [asyncio.create_task(model.aask("in a task")) for _ in range(3)]
        while not server.requests:
            await asyncio.sleep(0.001)
        blocking = model.ask("blocks the loop")
        return [blocking.text, *(reply.text for reply in await asyncio.gather(*tasks))]

    def ask() -> list[str]:
        limits = None if crowded else ONE
        with LoopbackServer(delay=0.05) as server:
            with OpenAIModel("m", base_url=server.base_url, limits=limits) as model:
                if crowded:
                    limiter = limiter_of(model.endpoint.host, "m")
                    turn = limiter.take(0)
                    limiter.crowded(turn, None)
                    limiter.end(turn)
                return asyncio.run(asked(model, server))

    assert in_time(ask) == ["ok"] * 4


def test_a_task_that_leaves_a_blocking_clients_stream_is_cancelled_and_lets_go_of_it():
    async def left(model: ClientModel, server: LoopbackServer) -> None:
        async def read() -> None:
            async for _ in model.astream("x"):
                pass

        reading = asyncio.create_task(read())
        while not server.requests:
            await asyncio.sleep(0.001)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert (await asyncio.wait_for(model.aask("next"), 20)).text == "one two"

    with LoopbackServer([Says("one two", pace=0.2)], otherwise="one two") as server:
        with openai.OpenAI(base_url=server.base_url, api_key="k") as client:
            with ClientModel("m", client, limits=ONE) as model:
                asyncio.run(left(model, server))
