"""One limiter for all that ask one model at one host, tried with a server that refuses what is too much."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import pytest

from tracelib.errors import ModelError, QuotaExceeded
from tracelib.llm.allowance import Flow, Remainder, Standing, seconds, standing
from tracelib.llm.limits import Limiter, Limits, limiter_of
from tracelib.llm.openai import OpenAIModel, RetryPolicy
from tracelib.testing import Fails, LoopbackServer, Says


class Allows:
    """An answer that lets `count` requests pass in each window of `span` seconds and tells what is left."""

    def __init__(self, count: int, span: float = 1.0, *, headers: bool = True, delay: float = 0.0) -> None:
        self.count, self.span, self.headers, self.delay = count, span, headers, delay
        self.passed: deque[float] = deque()
        self.refused = 0
        self._lock = threading.Lock()

    def send(self, wire, request) -> None:
        with self._lock:
            now = time.monotonic()
            while self.passed and self.passed[0] <= now - self.span:
                self.passed.popleft()
            fits = len(self.passed) < self.count
            if fits:
                self.passed.append(now)
            self.refused += not fits
            free_in = self.passed[0] + self.span - now
            full_in = self.passed[-1] + self.span - now
            left = self.count - len(self.passed)
        told = {
            "x-ratelimit-limit-requests": str(self.count),
            "x-ratelimit-remaining-requests": str(left),
            "x-ratelimit-reset-requests": f"{full_in * 1000:.0f}ms",
        }
        if not fits:
            asked = {"retry_after_ms": max(1.0, free_in * 1000)}
            Fails(429, **asked, headers=told if self.headers else {}).send(wire, request)
            return
        wire.wait(self.delay)
        Says("ok").send(_Telling(wire, told) if self.headers else wire, request)


class _Telling:
    """The wire, with headers of its own on what is sent."""

    def __init__(self, wire, headers) -> None:
        self._wire, self._headers = wire, headers

    def send(self, status, body, headers=None) -> None:
        self._wire.send(status, body, {**self._headers, **(headers or {})})

    def wait(self, seconds) -> None:
        self._wire.wait(seconds)


def served(answer) -> LoopbackServer:
    return LoopbackServer(otherwise=answer)


def many(model, in_tasks: int, in_threads: int) -> list[str]:
    """Replies to as many questions, asked all at once from tasks and from threads."""

    async def tasks() -> list[str]:
        return [reply.text for reply in await asyncio.gather(*(model.aask(f"t{i}") for i in range(in_tasks)))]

    with ThreadPoolExecutor(max(1, in_threads)) as pool:
        asked = [pool.submit(model.ask, f"s{i}") for i in range(in_threads)]
        return asyncio.run(tasks()) + [future.result().text for future in asked]


PATIENT = RetryPolicy(attempts=30, seconds=60, base=0.05)


def test_tasks_and_threads_together_stay_within_what_the_headers_leave():
    answer = Allows(60)
    with served(answer) as server, OpenAIModel("m", base_url=server.base_url, retry=PATIENT) as model:
        model.ask("the first tells")
        began = time.monotonic()
        assert many(model, 170, 30) == ["ok"] * 200
        assert time.monotonic() - began < 30  # 200 at 60 a second, with room for a busy machine
    assert answer.refused <= 60, answer.refused  # without the headers it is twice that and more


def test_a_server_that_says_nothing_but_429_is_found_out_by_halving():
    answer = Allows(60, headers=False)
    with served(answer) as server, OpenAIModel("m", base_url=server.base_url, retry=PATIENT) as model:
        assert many(model, 170, 30) == ["ok"] * 200
    assert answer.refused <= 340, answer.refused  # the 140 of the first burst, and a few of each later one


def test_a_users_rate_is_kept_over_the_whole():
    arrived = []

    def note(body) -> str:
        arrived.append(time.monotonic())
        return "ok"

    limits = Limits(requests_per_minute=60 * 40)
    with LoopbackServer(otherwise=note) as server:
        with OpenAIModel("m", base_url=server.base_url, limits=limits) as model:
            assert many(model, 30, 10) == ["ok"] * 40
    assert max(arrived) - min(arrived) >= 39 / 40 * 0.9


def test_turns_are_spread_evenly_over_every_stretch_of_time():
    limiter, begun = Limiter(), []
    limiter.set(Limits(requests_per_minute=60 * 100))

    def in_thread(_) -> None:
        turn = limiter.take(0)
        begun.append(turn.begun)
        limiter.end(turn)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(in_thread, range(60)))
    for first in begun:
        assert sum(first <= moment < first + 0.1 for moment in begun) <= 10


def test_no_more_than_the_users_number_is_under_way():
    with LoopbackServer(delay=0.01) as server:
        with OpenAIModel("m", base_url=server.base_url, limits=Limits(concurrency=4)) as model:
            assert many(model, 30, 10) == ["ok"] * 40
        assert server.stats.most_at_once == 4


def test_a_stream_is_under_way_until_it_is_read_or_closed():
    with LoopbackServer(otherwise="one two three") as server:
        with OpenAIModel("m", base_url=server.base_url, limits=Limits(concurrency=1)) as model:
            with ThreadPoolExecutor(1) as pool:
                with model.stream("a") as stream:
                    next(stream)
                    waiting = pool.submit(model.ask, "b")
                    time.sleep(0.05)
                    assert len(server.requests) == 1
                assert waiting.result(10).text == "one two three"
            assert "".join(model.stream("c")) == "one two three"
            assert model.ask("d").text == "one two three"


def test_two_models_of_one_name_share_their_limits():
    with LoopbackServer(delay=0.01) as server:
        made = [OpenAIModel("m", base_url=server.base_url, limits=limits) for limits in (Limits(2), None)]
        with ThreadPoolExecutor(8) as pool:
            made[0].ask("first")
            list(pool.map(lambda i: made[i % 2].ask("x"), range(16)))
        assert server.stats.most_at_once == 2
        for model in made:
            model.close()


def test_what_a_model_asked_for_waits_on_is_not_waited_for_by_another():
    with LoopbackServer(delay=0.01) as server:
        one = OpenAIModel("one", base_url=server.base_url, limits=Limits(requests_per_minute=1))
        other = OpenAIModel("other", base_url=server.base_url)
        with one, other:
            one.ask("x")
            began = time.monotonic()
            other.ask("x")
            assert time.monotonic() - began < 5


@pytest.mark.parametrize("status", [429])
def test_an_account_without_credit_halves_nothing(status):
    with LoopbackServer([Fails(status, code="insufficient_quota")], delay=0.02) as server:
        with OpenAIModel("m", base_url=server.base_url) as model:
            with pytest.raises(QuotaExceeded):
                model.ask("x")
            many(model, 8, 0)
        assert server.stats.most_at_once > 2


async def test_a_cancelled_task_leaves_the_line_and_those_behind_go_on():
    limiter = Limiter()
    limiter.set(Limits(concurrency=1))
    held = await limiter.atake(0)
    first, second = (asyncio.create_task(limiter.atake(0)) for _ in range(2))
    await asyncio.sleep(0.01)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert not second.done()
    limiter.end(held)
    limiter.end(await asyncio.wait_for(second, 5))
    limiter.end(await asyncio.wait_for(limiter.atake(0), 5))


def test_a_loop_that_was_closed_over_its_waiting_tasks_blocks_nobody():
    limiter = Limiter()
    limiter.set(Limits(concurrency=1))
    held = limiter.take(0)
    loop = asyncio.new_event_loop()
    left = loop.create_task(limiter.atake(0))
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.close()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(limiter.take, 0)
        limiter.end(held)
        limiter.end(waiting.result(10))
    left._log_destroy_pending = False  # it is dropped on purpose


async def test_turns_are_given_in_the_order_in_which_they_were_asked_for():
    limiter, order = Limiter(), []
    limiter.set(Limits(concurrency=1))
    held = limiter.take(0)

    async def by_task(name) -> None:
        turn = await limiter.atake(0)
        order.append(name)
        await asyncio.sleep(0)
        limiter.end(turn)

    def by_thread(name) -> None:
        turn = limiter.take(0)
        order.append(name)
        limiter.end(turn)

    running = []
    for number in range(10):
        work = by_task(number) if number % 2 else asyncio.to_thread(by_thread, number)
        running.append(asyncio.create_task(work))
        while len(limiter._line) <= number:
            await asyncio.sleep(0.001)
    limiter.end(held)
    await asyncio.wait_for(asyncio.gather(*running), 10)
    assert order == list(range(10))


def test_the_number_under_way_is_halved_once_for_one_crowd_and_grows_by_one():
    limiter = Limiter()
    turns = [limiter.take(0) for _ in range(16)]
    for turn in turns[:8]:
        limiter.crowded(turn, None)
    for turn in turns:
        limiter.end(turn)
    assert limiter._window == 8
    for turn in [limiter.take(0) for _ in range(8)]:
        limiter.end(turn, good=True)
    assert 8.9 < limiter._window <= 9


def test_a_wait_the_endpoint_asks_for_holds_everyone():
    limiter = Limiter()
    turn = limiter.take(0)
    limiter.crowded(turn, 0.1)
    limiter.end(turn)
    began = time.monotonic()
    limiter.end(limiter.take(0))
    assert time.monotonic() - began >= 0.09


def test_a_wait_longer_than_the_patience_is_not_begun_the_endpoint_may_refuse():
    limiter = Limiter()
    turn = limiter.take(0)
    limiter.hear(turn, told_left(0, "10h"))
    limiter.crowded(turn, 3600)
    limiter.end(turn)
    began = time.monotonic()
    limiter.end(limiter.take(0, patience=5))
    assert time.monotonic() - began < 1


def test_headers_that_are_not_said_again_hold_until_their_reset_only():
    limiter = Limiter()
    turn = limiter.take(0)
    limiter.hear(turn, told_left(0, "50ms"))
    limiter.end(turn)
    turns = [limiter.take(0) for _ in range(10)]  # ten are left when it is full
    time.sleep(0.06)
    limiter.hear(turns[0], {})
    turns += [limiter.take(0) for _ in range(30)]
    for turn in turns:
        limiter.end(turn)


def told_left(count, reset, kind="requests"):
    return {
        f"x-ratelimit-limit-{kind}": "10",
        f"x-ratelimit-remaining-{kind}": str(count),
        f"x-ratelimit-reset-{kind}": reset,
    }


def test_whoever_reads_a_stream_may_ask_meanwhile_although_one_at_a_time_is_all_that_is_left():
    with LoopbackServer([Fails(429, retry_after_ms=1), Fails(429, retry_after_ms=1)]) as server:
        retry = RetryPolicy(base=0)
        with OpenAIModel("m", base_url=server.base_url, retry=retry) as model:
            model.ask("crowded")
            server.then("one two")
            with model.stream("read") as stream:
                assert [model.ask(piece).text for piece in stream] == ["ok", "ok"]


def test_a_limiter_that_limits_nothing_costs_little():
    limiter = Limiter()
    began = time.perf_counter()
    for _ in range(10_000):
        limiter.end(limiter.take(10), 12, good=True)
    assert (time.perf_counter() - began) / 10_000 < 100e-6


def test_one_host_and_model_have_one_limiter():
    assert limiter_of("h:1", "m") is limiter_of("h:1", "m")
    assert limiter_of("h:1", "m") is not limiter_of("h:1", "n")
    assert limiter_of("h:1", "m") is not limiter_of("h:2", "m")


@pytest.mark.parametrize("wrong", [0, -1, 0.5, math.inf, math.nan])
def test_a_limit_below_one_is_refused(wrong):
    with pytest.raises(ModelError, match=r"concurrency is .*at least 1"):
        Limits(concurrency=wrong)


def test_tokens_flow_too_and_what_was_used_takes_the_place_of_the_guess():
    flow = Flow(600, holds=10)  # ten a second
    assert flow.wait(8, 0) == 0
    flow.take(8, 0)
    assert flow.wait(4, 0) == pytest.approx(0.2)
    flow.correct(6)
    assert flow.wait(4, 0) == 0
    flow.take(50, 0)  # more than it holds: a debt
    assert flow.wait(1, 0) == pytest.approx(4.3)
    assert flow.wait(50, 5.2) == 0


def test_what_headers_leave_fills_until_the_reset_and_is_then_unknown():
    left = Remainder()
    assert left.wait(1, 0, idle=False) == 0
    left.hear(Standing(limit=10, left=0, reset=5), under_way=0, now=0)
    assert left.wait(1, 0, idle=True) == pytest.approx(0.5)
    assert left.wait(4, 1, idle=True) == pytest.approx(1)
    assert left.wait(100, 1, idle=True) == pytest.approx(4)  # more than there ever is: when it is full
    assert left.wait(10, 5, idle=False) == 0
    left.take(10, 5)
    assert left.wait(1, 6, idle=False) == math.inf
    assert left.wait(1, 6, idle=True) == 0


def test_requests_under_way_count_against_what_headers_leave():
    left = Remainder()
    left.hear(Standing(10, 5, 10), under_way=5, now=0)
    assert left.wait(1, 0, idle=False) == pytest.approx(1)


def test_an_answer_that_was_overtaken_does_not_raise_what_is_left():
    left = Remainder()
    left.hear(Standing(10, 2, 10), under_way=0, now=0)
    left.hear(Standing(10, 9, 10), under_way=0, now=0)
    assert left.wait(3, 0, idle=False) > 0


def test_what_an_endpoint_says_is_left_is_believed_against_the_guesses_since():
    limiter = Limiter()
    for number in range(1, 100):  # each is guessed at 4,096 tokens and comes to 50
        turn = limiter.take(4096)
        told = {
            "x-ratelimit-limit-tokens": "100000",
            "x-ratelimit-remaining-tokens": str(100_000 - number * 50),
            "x-ratelimit-reset-tokens": "60s",
        }
        limiter.hear(turn, told)
        limiter.end(turn, 50, good=True)
    next_one = limiter.take(4096)
    assert next_one.begun - turn.begun < 1  # it would be 2.4 seconds


def test_of_answers_that_overtake_each_other_the_one_to_the_later_request_is_believed():
    limiter = Limiter()
    first, second = limiter.take(10), limiter.take(10)
    limiter.hear(second, told_left(0, "10h", "tokens"))
    limiter.hear(first, told_left(5, "10h", "tokens"))
    assert limiter._told["tokens"].wait(1, time.monotonic(), idle=True) > 60


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({}, None),
        ({"x-ratelimit-remaining-requests": "5"}, None),
        (
            {"x-ratelimit-remaining-requests": "many", "x-ratelimit-reset-requests": "1s"},
            None,
        ),
        (
            {
                "x-ratelimit-limit-requests": "60",
                "x-ratelimit-remaining-requests": "59",
                "x-ratelimit-reset-requests": "1s",
            },
            Standing(60, 59, 1),
        ),
    ],
)
def test_headers_are_read_when_they_say_until_when(headers, told):
    assert standing(headers, "requests") == told


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1h2m3.5s", 3723.5),
        ("120ms", 0.12),
        ("7", 7),
        ("", None),
        (None, None),
        ("1s later", None),
        ("-1", None),
    ],
)
def test_durations_are_read_as_endpoints_write_them(text, wanted):
    assert seconds(text) == wanted
