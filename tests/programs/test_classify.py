"""Classification: which labels, how they are asked for, what is a label and what is not."""

from __future__ import annotations

import enum
from typing import Any

import pytest

import tracelib as trace
from tracelib.errors import BadRequest, GraphError, InvalidReply
from tracelib.llm.message import user
from tracelib.llm.model import Model
from tracelib.llm.openai import OpenAIModel
from tracelib.llm.reply import Reply
from tracelib.programs.classify import Choice, classify
from tracelib.programs.template import prompt
from tracelib.testing import Fails, LoopbackServer, ScriptedModel

LABELS = ["spam", "no spam"]


class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"


class Level(enum.Enum):
    LOW = 1
    HIGH = 2


def test_a_text_is_classified_at_once_and_the_label_knows_its_call() -> None:
    text = trace.node("Buy now!")
    label = classify(text, LABELS, model=ScriptedModel(['{"label": "spam"}']))
    assert label == "spam"
    assert isinstance(label, trace.Text)
    (call,) = trace.origin(label).calls
    assert (call.op.name, call.op.kind) == ("classify", "lm")
    assert label.inputs["prompt"] is text
    assert label.__origin_trace__ == {label.call.id}


def test_the_label_is_asked_for_as_an_object_of_literals() -> None:
    with LoopbackServer(['{"label": "no spam"}']) as server:
        model = OpenAIModel("any", base_url=server.base_url)
        assert classify([user("Hello")], LABELS, model=model, temperature=0) == "no spam"
    body = server.requests[0].body
    assert body["messages"] == [{"role": "user", "content": "Hello"}]
    assert body["temperature"] == 0
    assert "logit_bias" not in body
    schema = body["response_format"]["json_schema"]["schema"]
    assert (schema["properties"]["label"]["enum"], schema["additionalProperties"]) == (LABELS, False)


def test_a_program_keeps_its_prompt_its_name_and_what_it_learns() -> None:
    model = ScriptedModel(lambda messages: "bad" if "sad" in messages[0]["content"] else "good")

    @trace.lm(model=model, trainable=True, temperature=1)
    def mood(name: str) -> str:
        """How is the customer?"""
        return f"{name} wrote."

    rated = classify(mood, Mood, temperature=0)
    first = rated("Ann")
    assert (first, Mood(first), first.op.name) == ("good", Mood.GOOD, "mood")
    assert model.asked[0].params["temperature"] == 0
    assert model.questions[0][0] == {"role": "system", "content": "How is the customer?"}
    mood.system.update("All are sad.")
    assert rated("Ann") == "bad"
    first.backward("wrong")
    assert "wrong" in str(mood.system.feedback)
    assert rated.using(model=ScriptedModel(["good"]))("Ann") == "good"
    assert mood("Ann") == "bad"


def test_a_prompt_template_and_a_function_are_called_as_they_are() -> None:
    model = ScriptedModel(lambda messages: str(len(messages)))

    @prompt("user")
    def judge(text: str) -> None:
        """Judge {{ text }}."""

    def ask(text: str) -> str:
        """Judge."""
        return text

    by_prompt, by_function = (classify(one, ["1", "2"], model=model) for one in (judge, ask))
    label = by_prompt("this")
    assert (label, by_function(text="this")) == ("1", "2")
    assert model.questions[0] == [{"role": "user", "content": "Judge this."}]
    assert [n.op.name for n in trace.Graph.behind(label).ordered if n.op] == ["judge", "classify"]


def test_a_method_is_classified_for_its_object() -> None:
    class Desk:
        tone = "angry"

        @trace.lm(model=ScriptedModel(lambda messages: messages[-1]["content"]))
        def mood(self, text: str) -> str:
            return self.tone

    assert classify(Desk().mood, ["angry", "calm"])("Hm") == "angry"


async def test_an_async_program_is_awaited() -> None:
    @trace.lm(model=ScriptedModel(["maybe", "bad"]))
    async def mood(text: str) -> str:
        return text

    label = await classify(mood, Mood)("Hm")
    assert (label, label.op.name) == ("bad", "mood")


def test_several_choices_give_several_labels() -> None:
    model = ScriptedModel([Reply("good", texts=("good", '{"label": "bad"}'))])
    assert list(classify("Hm", Mood, model=model, n=2)) == ["good", "bad"]


def test_the_names_of_an_enum_stand_for_values_that_are_no_texts() -> None:
    assert classify("Hm", Level, model=ScriptedModel(["HIGH"])) == "HIGH"


@pytest.mark.parametrize("said", ['{"label": "spam"}', "spam", " 'spam'.\n", "<answer>spam</answer>"])
def test_a_label_may_stand_alone(said: str) -> None:
    assert classify("x", LABELS, model=ScriptedModel([said])) == "spam"


def test_what_is_no_label_is_asked_again_once() -> None:
    model = ScriptedModel(["Spam!", "spam", '{"label": "ham"}', "perhaps spam"])
    assert classify("x", LABELS, model=model) == "spam"
    assert model.questions[1][1] == {"role": "assistant", "content": "Spam!"}
    with pytest.raises(InvalidReply, match="the reply is no Label") as caught:
        classify("x", LABELS, model=model)
    assert len(model.asked) == 4
    assert caught.value.reply == "perhaps spam"


@pytest.mark.parametrize("labels", ["spam", ["spam"], [], ["a", "a"], ["a", 1], ["a", " "], 3, int])
def test_labels_that_are_none_are_refused(labels: Any) -> None:
    with pytest.raises(GraphError, match="two or more different texts, or an Enum"):
        classify("x", labels)


def test_with_a_bias_only_the_numbers_of_the_labels_can_be_said() -> None:
    with LoopbackServer(["1", "yes", " 0"]) as server:
        model = OpenAIModel("any", base_url=server.base_url)
        label = classify("Hello", LABELS, model=model, logit_bias=True)
        assert (label, label.op.name) == ("no spam", "classify")
        assert classify("Buy!", LABELS, model=model, logit_bias=True) == "spam"
    first, second, third = (request.body for request in server.requests)
    assert (first["logit_bias"], first["max_tokens"]) == ({"15": 100, "16": 100}, 1)
    assert "response_format" not in first
    told = {
        "role": "system",
        "content": "Answer with nothing but the number of the label that fits:\n0: spam\n1: no spam",
    }
    assert first["messages"] == [{"role": "user", "content": "Hello"}, told]
    assert third["messages"][:3] == [*second["messages"], {"role": "assistant", "content": "yes"}]


def test_numbers_that_are_none_are_asked_again_once() -> None:
    with (
        LoopbackServer(["2", "a"]) as server,
        pytest.raises(InvalidReply, match="not the number of a label") as raised,
    ):
        classify("x", LABELS, model=OpenAIModel("any", base_url=server.base_url), logit_bias=True)
    assert len(server.requests) == 2
    assert (raised.value.reply, raised.value.attempts) == ("a", 2)
    assert raised.value.request_id


def test_a_reply_is_classified_as_what_the_assistant_said() -> None:
    model = ScriptedModel(["spam"])
    assert classify(Reply("Buy now!"), LABELS, model=model) == "spam"
    assert model.questions[0][-1] == {"role": "assistant", "content": "Buy now!"}


def test_an_endpoint_that_refuses_the_bias_is_asked_by_literals_from_then_on() -> None:
    refusal = Fails(400, message="Unsupported parameter: 'logit_bias' is not supported with this model.")
    with LoopbackServer([refusal, "spam", "no spam", Fails(400, message="no")]) as server:
        model = OpenAIModel("any", base_url=server.base_url)
        sort = classify(lambda text: text, LABELS, model=model, logit_bias=True)
        assert [sort("a"), sort("b")] == ["spam", "no spam"]
        assert ["logit_bias" in request.body for request in server.requests] == [True, False, False]
        with pytest.raises(BadRequest):
            classify("x", LABELS, model=model, logit_bias=True)


@pytest.mark.parametrize(
    ("name", "provider", "count", "api", "numbered"),
    [
        ("gpt-4o-mini", "openai", 2, None, True),
        ("gpt-4.1", "openai", 10, "chat", True),
        ("gpt-3.5-turbo", "openai", 2, None, True),
        ("gpt-4o-mini", "openai", 11, None, False),
        ("gpt-4o-mini", "openai", 2, "responses", False),
        ("gpt-4o-mini", "localhost", 2, None, False),
        ("gpt-4o-audio-preview", "openai", 2, None, False),
        ("gpt-5", "openai", 2, None, False),
        ("o3", "openai", 2, None, False),
    ],
)
def test_the_bias_is_used_unasked_where_the_model_is_known_to_have_it(
    name: str, provider: str, count: int, api: str | None, numbered: bool
) -> None:
    model = Model(name)
    model.provider = provider
    choice = Choice(tuple(map(str, range(count))))
    assert choice.is_numbered(model, {} if api is None else {"api": api}) is numbered
