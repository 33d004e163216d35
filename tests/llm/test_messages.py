from __future__ import annotations

import json

import pytest

import tracelib as trace
from tracelib.errors import MessageError, TraceError
from tracelib.graph.node import node
from tracelib.llm.message import Message, as_messages, assistant, system, user
from tracelib.testing import ScriptedModel

greet = trace.bundle(lambda name: f"hello {name}", name="greet")
answer = trace.bundle(lambda messages: "fine", name="answer")


def told(conversation: object) -> list[tuple[str, object]]:
    return [(message.role, message.content) for message in as_messages(conversation)]


def test_a_lone_text_is_what_the_user_says():
    assert as_messages("Hello") == [user("Hello")]


def test_texts_dicts_and_messages_mix_in_one_list():
    mixed = [system("Be kind."), {"role": "user", "content": "Hi"}, assistant("Hello"), "And now?"]
    assert told(mixed) == [
        ("system", "Be kind."),
        ("user", "Hi"),
        ("assistant", "Hello"),
        ("user", "And now?"),
    ]


def test_a_single_dict_or_message_is_a_conversation():
    assert as_messages({"role": "system", "content": "x"}) == as_messages(system("x")) == [system("x")]


def test_keys_beyond_role_and_content_survive():
    turn = {"role": "tool", "content": "4", "tool_call_id": "call_1", "name": "add"}
    (message,) = as_messages(turn)
    assert message.to_dict() == turn


def test_an_assistant_that_only_calls_tools_has_no_content():
    calls = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    (message,) = as_messages({"role": "assistant", "tool_calls": calls})
    assert message.to_dict() == {"role": "assistant", "content": None, "tool_calls": calls}


@pytest.mark.parametrize("wrap", [node, lambda text: node(text) + ""], ids=["leaf", "result"])
def test_recorded_texts_are_sent_as_plain_str(wrap):
    for conversation in (wrap("Hi"), [wrap("Hi")], user(wrap("Hi")), {"role": "user", "content": wrap("Hi")}):
        (message,) = as_messages(conversation)
        assert message.to_dict() == {"role": "user", "content": "Hi"}
        assert type(message.to_dict()["content"]) is str


@pytest.mark.parametrize(
    "made",
    [
        lambda said: user(said),
        lambda said: as_messages(said)[0],
        lambda said: as_messages({"role": "user", "content": said})[0],
        lambda said: as_messages([user(said)])[0],
        lambda said: as_messages(node([said]))[0],
        lambda said: as_messages(node([{"role": "user", "content": said}]))[0],
        lambda said: as_messages(node([user(said)]))[0],
        lambda said: as_messages(node(user(said)))[0],
        lambda said: user([said, "plain"]),
        lambda said: user([{"type": "text", "text": said}]),
        lambda said: Message("tool", "4", {"name": said}),
        lambda said: user(node([{"type": "text", "text": said}])),
    ],
)
def test_a_message_knows_the_call_that_its_content_came_from(made):
    said = greet("Ann")
    message = made(said)
    assert trace.origin(message).ids == {said.call.id}
    assert trace.origin([system("x"), message]).ids == {said.call.id}
    assert "hello Ann" in json.dumps(message.to_dict())


@pytest.mark.parametrize("made", [user, lambda said: [system("x"), user(said)], lambda said: [said]])
def test_a_call_that_is_given_messages_has_the_calls_behind_them_as_parents(made):
    said = greet("Ann")
    heard = answer(made(said))
    assert trace.origin(said).ids <= trace.origin(heard.parents).ids
    assert trace.Graph.behind(heard).nodes.count(said) == 1


def test_a_program_that_is_given_a_conversation_has_the_calls_behind_it_as_parents():
    model = ScriptedModel(["first", "second"])

    @trace.lm(model=model)
    def chat(messages):
        return messages

    one = chat([user("Hi")])
    two = chat([user("Hi"), assistant(one), user("And?")])
    assert one in trace.Graph.behind(two).nodes
    assert model.questions[-1][1] == {"role": "assistant", "content": "first"}


def test_a_reply_is_the_assistants_message_of_a_conversation():
    chat = trace.lm(model=ScriptedModel(["first", "second"]), raw=True)(lambda messages: messages)
    reply = chat("Hi")
    (message,) = as_messages(reply)
    assert message.to_dict() == {"role": "assistant", "content": "first"}
    assert trace.origin(message).ids == trace.origin(reply).ids
    again = chat([user("Hi"), reply, "And?"])
    assert trace.origin(reply).ids <= {
        found.call.id for found in trace.Graph.behind(again.text).nodes if found.call
    }
    assert trace.origin(answer([reply]).parents).ids == trace.origin(reply).ids


def test_a_recorded_reply_is_the_assistants_message_and_keeps_its_origin():
    reply = trace.bundle(lambda: trace.Reply("first"), name="ask")()
    (message,) = as_messages(reply)
    assert message.to_dict() == {"role": "assistant", "content": "first"}
    assert trace.origin(message).ids == {reply.call.id}


def test_the_body_of_a_call_sees_messages_with_plain_content():
    kinds = []
    trace.bundle(lambda messages: kinds.append(type(messages[0].content)), name="look")([user(greet("Ann"))])
    assert kinds == [str]


def test_a_text_of_the_users_own_kind_becomes_plain_str():
    class Shout(str):
        def __str__(self):
            return "LOUD"

    (message,) = as_messages(Shout("Hi"))
    assert (message.content, type(message.content)) == ("Hi", str)


@pytest.mark.parametrize(
    "message",
    [
        user("Hi"),
        user(["Look:", trace.image("https://example.org/cat.png")]),
        assistant(None),
        Message("assistant", None, {"tool_calls": [{"id": "1", "type": "function", "function": {}}]}),
        Message("tool", node("4") + "2", {"tool_call_id": "1"}),
    ],
    ids=["text", "parts", "nothing", "tool calls", "recorded"],
)
def test_a_message_survives_json(message):
    (read,) = as_messages(json.loads(json.dumps(message.to_dict())))
    assert read == message


def test_a_recorded_list_of_messages_is_a_conversation():
    assert told(node([{"role": "system", "content": "x"}, {"role": "user", "content": "y"}])) == [
        ("system", "x"),
        ("user", "y"),
    ]


def test_recorded_values_deep_in_content_parts_are_sent_as_plain():
    (message,) = as_messages(user([{"type": "text", "text": node("a") + "b"}]))
    sent = message.to_dict()["content"]
    assert sent == [{"type": "text", "text": "ab"}]
    assert type(sent[0]["text"]) is str


def test_a_message_keeps_its_own_copy_of_the_parts():
    parts = [{"type": "text", "text": "before"}]
    message = user(parts)
    parts[0]["text"] = "after"
    assert message.content == [{"type": "text", "text": "before"}]


@pytest.mark.parametrize(
    ("conversation", "words"),
    [
        ([], "the list is empty"),
        (3, "int 3 is not a message"),
        ([None], "NoneType None is not a message"),
        ({"content": "x"}, "says no role"),
        ({"role": "", "content": "x"}, "the role of a message is text"),
        (Message, "is not a message"),
    ],
)
def test_what_is_no_conversation_is_refused_in_words(conversation, words):
    with pytest.raises(MessageError, match=words) as refused:
        as_messages(conversation)
    assert isinstance(refused.value, TraceError)
    assert isinstance(refused.value, TypeError)


def test_content_that_is_neither_text_nor_parts_is_refused():
    with pytest.raises(MessageError, match="the user message holds int 5"):
        user(5)


@pytest.mark.parametrize("part", [7, None, {"text": "x"}, object])
def test_a_part_that_is_none_is_refused(part):
    with pytest.raises(MessageError, match="a part of the user message is"):
        user(["Hi", part])
