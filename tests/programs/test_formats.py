"""Objects as results: how they are asked for, what is asked again, and what can go wrong."""

from __future__ import annotations

import json
import threading
from typing import Any, Generic, TypeVar

import pydantic
import pytest

import tracelib as trace
from tracelib.errors import BadRequest, GraphError, InvalidReply
from tracelib.llm.openai import OpenAIModel
from tracelib.llm.reply import Reply
from tracelib.testing import Fails, LoopbackServer, Says, ScriptedModel, calls_tool

REFUSES = Fails(400, message="response_format of type json_schema is not supported by this model")


class City(pydantic.BaseModel):
    name: str
    people: int = pydantic.Field(ge=0)


Item = TypeVar("Item")


class Box(pydantic.BaseModel, Generic[Item]):
    item: Item


ROME = City(name="Rome", people=2_800_000)
TEXT = ROME.model_dump_json()


def asking(model: Any, **options: Any) -> Any:
    @trace.lm(model=model, response_format=City, **options)
    def describe(city: str) -> str:
        """You know cities."""
        return f"Describe {city}"

    return describe


def formats(server: LoopbackServer) -> list[Any]:
    """The type of the format of each request, and whether its messages say the schema."""
    return [
        (
            request.body.get("response_format", {}).get("type"),
            "JSON schema" in request.body["messages"][0]["content"],
        )
        for request in server.requests
    ]


def test_the_schema_is_sent_and_the_object_is_given(server: LoopbackServer, model: OpenAIModel) -> None:
    server.then(TEXT)
    found = asking(model)("Rome")
    assert found == ROME
    assert trace.origin(found).calls[0].op.name == "describe"
    sent = server.requests[0].body
    assert sent["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "City", "schema": City.model_json_schema()},
    }
    assert [message["content"] for message in sent["messages"]] == ["You know cities.", "Describe Rome"]


def test_an_endpoint_without_schemas_is_asked_for_json_and_one_without_formats_by_words(
    server: LoopbackServer, model: OpenAIModel
) -> None:
    server.then(
        REFUSES, Fails(422, message="unknown field response_format"), f"Sure: <answer>{TEXT}</answer>"
    )
    describe = asking(model)
    assert describe("Rome") == ROME
    assert formats(server) == [("json_schema", False), ("json_object", True), (None, True)]
    server.then(f"<answer>\n{TEXT}\n</answer>")
    assert describe("Rome") == ROME  # what it refused once it is not asked again
    assert formats(server)[3:] == [(None, True)]


def test_calls_at_once_that_are_all_refused_a_format_all_ask_in_another() -> None:
    together = threading.Barrier(2, timeout=10)

    def refuses(messages: Any, **params: Any) -> str:
        if params.get("response_format", {}).get("type") == "json_schema":
            together.wait()
            raise BadRequest("json_schema is not supported", status=400)
        return TEXT

    describe = asking(refuses)
    assert trace.gather(lambda: describe("Rome"), lambda: describe("Rome")) == [ROME, ROME]


def test_the_name_of_a_generic_class_is_sent_as_endpoints_take_it(
    server: LoopbackServer, model: OpenAIModel
) -> None:
    server.then('{"item": {"name": "Rome", "people": 1}}')
    trace.lm(model=model, response_format=Box[City])(lambda: "Rome")()
    assert server.requests[0].body["response_format"]["json_schema"]["name"] == "Box_City_"


def test_of_several_choices_the_one_that_does_not_fit_is_sent_back() -> None:
    model = ScriptedModel([Reply(TEXT, texts=(TEXT, "Rome?")), Reply(TEXT, texts=(TEXT, TEXT))])
    assert list(asking(model, n=2)("Rome")) == [ROME, ROME]
    assert model.questions[1][-2]["content"] == "Rome?"


def test_another_refusal_is_the_users(server: LoopbackServer, model: OpenAIModel) -> None:
    server.then(Fails(400, message="this prompt is too long"))
    with pytest.raises(BadRequest, match="too long"):
        asking(model)("Rome")
    assert len(server.requests) == 1


def test_a_reply_that_does_not_fit_is_asked_again_once_with_the_reason(
    server: LoopbackServer, model: OpenAIModel
) -> None:
    wrong = json.dumps({"name": "Rome", "people": -1})
    server.then(wrong, TEXT)
    assert asking(model)("Rome") == ROME
    again = server.requests[1].body["messages"]
    assert again[-2] == {"role": "assistant", "content": wrong}
    assert "people: Input should be greater than or equal to 0" in again[-1]["content"]
    server.then(wrong, "not even JSON")
    with pytest.raises(InvalidReply, match="the reply is no City: Invalid JSON") as raised:
        asking(model)("Rome")
    assert raised.value.reply == "not even JSON"
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Says(refusal="I must not"), "the model refused: I must not"),
        (Says(TEXT[:9], finish_reason="length"), "the reply is no City, it was cut off at max_tokens"),
    ],
)
def test_a_refusal_and_a_reply_cut_off_say_so(
    server: LoopbackServer, model: OpenAIModel, answer: Says, why: str
) -> None:
    server.then(answer, answer)
    with pytest.raises(InvalidReply, match=why):
        asking(model)("Rome")


def test_a_format_that_is_no_pydantic_class_is_refused_and_a_dict_goes_as_it_is(
    server: LoopbackServer, model: OpenAIModel
) -> None:
    describe = asking(model)
    with pytest.raises(GraphError, match="a pydantic class, or a dict"):
        describe("Rome", api_params={"response_format": int})
    server.then(TEXT)
    assert describe("Rome", api_params={"response_format": {"type": "json_object"}}) == TEXT
    assert server.requests[0].body["response_format"] == {"type": "json_object"}


def test_several_choices_are_several_objects(server: LoopbackServer, model: OpenAIModel) -> None:
    server.then(TEXT)
    found = asking(model)("Rome", api_params={"n": 3})
    assert list(found) == [ROME] * 3
    assert [type(one) for one in found] == [City] * 3
    assert len({id(one) for one in found}) == 3
    assert trace.origin(found[2]).ids == trace.origin(found).ids != frozenset()


def test_a_raw_reply_has_the_object_too(server: LoopbackServer, model: OpenAIModel) -> None:
    server.then(TEXT)
    reply = asking(model, raw=True)("Rome")
    assert isinstance(reply, Reply)
    assert (reply.text, reply.parsed) == (TEXT, ROME)
    assert trace.origin(reply.parsed).ids == trace.origin(reply.text).ids != frozenset()


def test_a_tool_may_be_called_before_the_object_is_given(server: LoopbackServer, model: OpenAIModel) -> None:
    @trace.tool
    def count(city: str) -> int:
        """How many live there."""
        return 2_800_000

    server.then(calls_tool("count", city="Rome"), TEXT)
    describe = asking(model, tools=[count])
    reply = describe("Rome")
    assert [call.name for call in reply.tool_calls] == ["count"]
    assert describe("Rome") == ROME


async def test_awaited_programs_do_the_same(server: LoopbackServer, model: OpenAIModel) -> None:
    server.then(REFUSES, "nonsense", TEXT)

    @trace.lm(model=model, response_format=City)
    async def describe(city: str) -> str:
        return f"Describe {city}"

    assert await describe("Rome") == ROME
    assert len(server.requests) == 3
    await model.aclose()


def test_all_exchanges_of_a_question_are_one_call(
    server: LoopbackServer, model: OpenAIModel, tmp_path: Any
) -> None:
    server.then("nonsense", TEXT)
    with trace.SQLiteStore(tmp_path) as store:
        found = asking(model)("Rome")
    (call,) = store.calls(values=True)
    assert call.output.fields == vars(found) == vars(ROME)
    assert call.tokens_in == sum(_tokens(request.body) for request in server.requests)


def _tokens(body: Any) -> int:
    return sum(len(str(message["content"]).split()) for message in body["messages"])


def test_what_is_done_to_a_part_of_an_object_is_not_done_to_the_record() -> None:
    class Cities(pydantic.BaseModel):
        cities: list[City]

    model = ScriptedModel([f'{{"cities": [{TEXT}]}}'])
    found = trace.lm(model=model, response_format=Cities)(lambda: "Which?")()
    found.cities[0].name = "Bern"
    found.cities.append(ROME)
    assert trace.origin(found).calls[0].output == Cities(cities=[ROME])
