"""However its model fails, a program gives one typed error, and its call is recorded once.

Each way to fail is tried over a real connection, with a store on, by programs of both kinds.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic
import pytest

import tracelib as trace
from tracelib.errors import (
    BadRequest,
    InvalidReply,
    MalformedReply,
    ModelCallError,
    ModelError,
    ModelTimeout,
    ModelUnavailable,
    QuotaExceeded,
    RateLimited,
)
from tracelib.llm.openai import OpenAIModel, RetryPolicy
from tracelib.testing import Answer, Cut, Empty, Fails, Garbled, LoopbackServer, Request, Resets, Says
from tracelib.testing.answers import Wire
from tracelib.testing.shapes import pieces

ATTEMPTS = 3
LONG = "The quick brown fox jumps over the lazy dog."


@dataclass(frozen=True)
class CutSlowly:
    """A stream whose pieces come late, and which breaks off in the middle."""

    text: str = LONG
    pace: float = 0.02

    def send(self, wire: Wire, request: Request) -> None:
        wire.begin_events()
        flow = pieces(request.path, Says(self.text).completion(request), request.body)
        for chunk in flow[: len(flow) // 2]:
            wire.wait(self.pace)
            wire.event(pydantic.TypeAdapter(Any).dump_json(chunk).decode())
        wire.hang_up()


@dataclass(frozen=True)
class Case:
    """What the endpoint does, the error that it gives, and how often it is asked."""

    answer: Answer
    kind: type[ModelError]
    attempts: int = 1
    answered: bool = True

    @property
    def request_id(self) -> str | None:
        return f"req-{self.attempts}" if self.answered else None


REFUSED = {
    "400": Case(Fails(400, code="invalid_value"), BadRequest),
    "401": Case(Fails(401, code="invalid_api_key"), BadRequest),
    "403": Case(Fails(403), BadRequest),
    "408": Case(Fails(408), ModelTimeout, ATTEMPTS),
    "409": Case(Fails(409), BadRequest, ATTEMPTS),
    "429": Case(Fails(429), RateLimited, ATTEMPTS),
    "429, soon": Case(Fails(429, retry_after=0.01), RateLimited, ATTEMPTS),
    "429, far too late": Case(Fails(429, retry_after=3600), RateLimited),
    "quota": Case(Fails(429, code="insufficient_quota"), QuotaExceeded),
    "500": Case(Fails(500), ModelUnavailable, ATTEMPTS),
    "reset": Case(Resets(), ModelUnavailable, ATTEMPTS, answered=False),
    "late": Case(Says("late", delay=2), ModelTimeout, ATTEMPTS, answered=False),
}
"""What fails before anything of an answer is there."""
WHOLE = {
    **REFUSED,
    "no JSON": Case(Garbled(), MalformedReply),
    "no choices": Case(Empty(), MalformedReply),
}
BROKEN = {
    "cut in the middle": Case(Cut(LONG, after=3), ModelUnavailable),
    "slow and cut in the middle": Case(CutSlowly(), ModelUnavailable),
    "too slow": Case(Says(LONG, pace=2), ModelTimeout),
    "ended quietly": Case(Cut(LONG, quietly=True), ModelUnavailable),
    "no JSON": Case(Garbled(), MalformedReply),
    "no choices": Case(Empty(), ModelUnavailable),
}
"""What fails after a stream has begun."""
STREAMED = REFUSED | BROKEN
"""A stream that has begun does not tell its request's id yet."""


class City(pydantic.BaseModel):
    name: str
    people: int


UNUSABLE = {
    "a refusal": (Says(refusal="I will not."), "the model refused: I will not."),
    "a length stop": (Says('{"name": "Ro', finish_reason="length"), "cut off at max_tokens"),
    "another object": (Says('{"name": "Rome"}'), "people: Field required"),
}
"""What is a good answer, and no City."""


@pytest.fixture
def model(server: LoopbackServer, request: pytest.FixtureRequest) -> Iterator[OpenAIModel]:
    retry = RetryPolicy(attempts=ATTEMPTS, seconds=30, base=0)
    case = request.node.callspec.params.get("case")
    with OpenAIModel("small", base_url=server.base_url, retry=retry, timeout=patience(case)) as made:
        yield made


def patience(case: Case | None) -> float:
    """Seconds for one attempt: few where the answer comes too late, else enough for a busy machine."""
    return 0.3 if case is not None and case.kind is ModelTimeout else 30


@pytest.fixture
def store(tmp_path: Path) -> Iterator[trace.SQLiteStore]:
    with trace.SQLiteStore(tmp_path) as made:
        yield made


def programs(model: Any, **options: Any) -> tuple[Any, Any]:
    """One program of each kind."""

    @trace.lm(model=model, **options)
    def greet(name: str) -> str:
        """Be kind."""
        return f"Greet {name}"

    @trace.lm(model=model, name="greet", **options)
    async def greet_later(name: str) -> str:
        """Be kind."""
        return f"Greet {name}"

    return greet, greet_later


async def called(model: Any, **options: Any) -> Any:
    return programs(model, **options)[0]("Ann")


async def awaited(model: Any, **options: Any) -> Any:
    return await programs(model, **options)[1]("Ann")


async def streamed(model: Any) -> Any:
    return list(programs(model)[0].stream("Ann"))


async def astreamed(model: Any) -> Any:
    return [piece async for piece in programs(model)[1].stream("Ann")]


Way = Callable[..., Awaitable[Any]]


async def check(way: Way, case: Case, server: LoopbackServer, model: OpenAIModel, store: Any) -> None:
    server.otherwise = case.answer
    with pytest.raises(ModelCallError) as raised:
        await way(model)
    error: Any = raised.value
    assert isinstance(error, trace.ExecutionError)
    assert type(error.__cause__) is case.kind
    assert (error.attempts, error.request_id) == (case.attempts, case.request_id)
    assert len(server.requests) == case.attempts
    assert "small at 127.0.0.1:" in str(error)
    is_recorded_once(store, case.kind, case.attempts, error)


def is_recorded_once(store: Any, kind: type[Exception], attempts: int, error: Any) -> None:
    (call,) = store.calls(values=True)
    assert (call.name, call.kind, call.status, call.model) == ("greet", "lm", "failed", "small")
    assert (call.error_type, call.attempts) == (kind.__name__, attempts)
    assert call.error["message"] == str(error.__cause__)
    assert call.request["messages"][-1] == {"role": "user", "content": "Greet Ann"}
    assert (call.output, call.provider[:10]) == (None, "127.0.0.1:")
    assert error.exception_node.call.id == call.id


@pytest.mark.parametrize("way", [called, awaited])
@pytest.mark.parametrize("case", WHOLE.values(), ids=WHOLE)
async def test_a_program_whose_model_fails_gives_one_error_and_one_call(
    way: Way, case: Case, server: LoopbackServer, model: OpenAIModel, store: Any
) -> None:
    await check(way, case, server, model, store)


@pytest.mark.parametrize("way", [streamed, astreamed])
@pytest.mark.parametrize("case", STREAMED.values(), ids=STREAMED)
async def test_a_stream_that_fails_gives_one_error_and_one_call(
    way: Way, case: Case, server: LoopbackServer, model: OpenAIModel, store: Any
) -> None:
    await check(way, case, server, model, store)


@pytest.mark.parametrize("way", [streamed, astreamed])
async def test_a_stream_that_breaks_tells_its_request(
    way: Way, server: LoopbackServer, model: OpenAIModel
) -> None:
    server.then(Cut(LONG, after=3))
    with pytest.raises(ModelUnavailable) as raised:
        await way(model)
    assert raised.value.request_id == "req-1"


@pytest.mark.parametrize("way", [called, awaited])
@pytest.mark.parametrize(("answer", "words"), UNUSABLE.values(), ids=UNUSABLE)
async def test_an_answer_that_is_no_object_is_asked_for_again_and_then_one_error(
    way: Way, answer: Says, words: str, server: LoopbackServer, model: OpenAIModel, store: Any
) -> None:
    server.then(Fails(500))
    server.otherwise = answer
    with pytest.raises(InvalidReply, match=words) as raised:
        await way(model, response_format=City)
    error: Any = raised.value
    assert type(error.__cause__) is InvalidReply
    assert error.reply == (answer.text or answer.refusal)
    assert (error.attempts, error.request_id) == (len(server.requests), "req-3") == (3, "req-3")
    (call,) = store.calls()
    assert (call.status, call.error_type, call.attempts, call.model) == ("failed", "InvalidReply", 3, "small")
    assert call.tokens_out is not None


@pytest.mark.parametrize("way", [called, awaited])
async def test_a_text_that_was_cut_off_is_given_and_the_reply_says_so(
    way: Way, server: LoopbackServer, model: OpenAIModel, store: Any
) -> None:
    server.otherwise = Says("Once up", finish_reason="length")
    assert await way(model) == "Once up"
    reply = await way(model, raw=True)
    assert (reply.text, reply.finish_reason) == ("Once up", "length")
    assert [call.status for call in store.calls()] == ["returned", "returned"]


@pytest.mark.parametrize("way", [called, awaited, streamed, astreamed])
async def test_a_refusal_is_an_error_of_a_text_and_told_by_a_reply(
    way: Way, server: LoopbackServer, model: OpenAIModel, store: Any
) -> None:
    server.otherwise = Says(refusal="I will not.")
    with pytest.raises(InvalidReply, match="the model refused: I will not") as raised:
        await way(model)
    assert (raised.value.reply, raised.value.attempts) == ("I will not.", 1)
    assert raised.value.request_id == "req-1"
    assert [call.status for call in store.calls()] == ["failed"]
    if way in (called, awaited):
        assert (await way(model, raw=True)).refusal == "I will not."


@pytest.mark.parametrize("way", [called, awaited])
async def test_a_fault_that_passes_is_one_call_with_its_attempts(
    way: Way, server: LoopbackServer, model: OpenAIModel, store: Any
) -> None:
    server.then(Fails(429, retry_after=0.01), Resets(), "Hello, Ann.")
    assert await way(model) == "Hello, Ann."
    (call,) = store.calls()
    assert (call.status, call.attempts, call.error_type) == ("returned", 3, None)


@trace.tool
def people_of(city: str) -> int:
    """How many live there."""
    return len(city)


BAD_CALLS = {
    "no JSON": (("people_of", '{"city": '), "the arguments of people_of cannot be used: Invalid JSON"),
    "another argument": (("people_of", {"town": "Rome"}), "city is missing"),
    "another type": (("people_of", {"city": 7}), "city: Input should be a valid string"),
    "another tool": (("fly", {}), "there is no tool 'fly'"),
}


@trace.bundle
async def answered_now(model: Any, errors: str) -> Any:
    return (await called(model, tools=[people_of])).call_tools(errors=errors)


@trace.bundle
async def answered_later(model: Any, errors: str) -> Any:
    return await (await awaited(model, tools=[people_of])).acall_tools(errors=errors)


@pytest.mark.parametrize("answered", [answered_now, answered_later])
@pytest.mark.parametrize(("wanted", "words"), BAD_CALLS.values(), ids=BAD_CALLS)
async def test_a_tool_call_with_bad_arguments_is_one_error_or_told_to_the_model(
    answered: Any, wanted: Any, words: str, server: LoopbackServer, model: OpenAIModel, store: Any
) -> None:
    server.then(Resets(), Says(tool_calls=(wanted,)), Says(tool_calls=(wanted,)))
    with pytest.raises(InvalidReply, match=words) as raised:
        await answered(model, "raise")
    assert (raised.value.attempts, raised.value.request_id) == (2, "req-2")
    (outer,) = store.calls(name=answered.name)
    assert (outer.status, outer.error_type) == ("failed", "InvalidReply")
    (message,) = (await answered(model, "tell")).data
    assert words in message.content
    asked = [call for call in store.calls() if call.name != answered.name]
    assert sorted(call.attempts for call in asked) == [1, 2]
    assert {(call.name, call.status, call.model) for call in asked} == {("greet", "returned", "small")}
